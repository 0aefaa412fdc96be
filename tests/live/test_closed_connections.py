"""What is counted of closed connections is what was made, sent, lost on its way, and not read in time."""

import ctypes
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.settings import ClosedConnections, Namespaces, Settings
from exporter.kernel import close_events
from exporter.kernel.close_events import CloseEvents
from exporter.kernel.inet_details import read_closed
from exporter.kernel.netlink import Block
from exporter.sampling.reading.event_reader import EventReader
from exporter.sampling.sampler import Sampler
from tests.support.daemon import ALONE, running_daemon
from tests.support.live.connections import ABORT, SO_ATTACH_FILTER, unacknowledged_bytes
from tests.support.live.namespace import Namespace, inside
from tests.support.live.sampling import NAMES, make_sampler
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

WANTED = Settings(closed_connections=ClosedConnections(enabled=True, cpu_budget=1.0))
ALONE_SETTINGS = Namespaces(enabled=False)
OFF = ClosedConnections(enabled=False)
PORT = 5432
SERVICE = str(PORT)
MANY = 6000
PARTS = 20
CLOSED, SENT, RECEIVED, SEGMENTS, RESENT = (
    f"netstat_connections_closed{word}_total"
    for word in ("", "_sent_bytes", "_received_bytes", "_sent_segments", "_retransmitted_segments")
)
EVENTS = "netstat_exporter_close_events_total"
LOST = "netstat_exporter_close_events_lost_total"
SO_DETACH_FILTER = 27
MAKE = f"""
import socket
with socket.create_server(("127.0.0.1", {PORT}), backlog={MANY}) as listener:
    print("listens", flush=True)
    input()
    for _ in range({PARTS}):
        pairs = []
        for _ in range({MANY // PARTS}):
            pairs.append(socket.create_connection(("127.0.0.1", {PORT})))
            pairs.append(listener.accept()[0])
        for end in pairs:
            end.close()
        print("closed", flush=True)
        input()
"""
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def sampler(namespace: Namespace) -> Iterator[Sampler]:
    """Return a sampler in a namespace of its own, which counts the closed connections of a service."""
    with inside(namespace.path):
        made = make_sampler(WANTED)
        made.take_snapshot()
        yield made
        made.close()


@pytest.fixture
def connect(sampler: Sampler) -> Iterator["Connect"]:
    """Return what makes connections to the service, whose listener is known."""
    with socket.create_server(("127.0.0.1", PORT)) as listener:
        sampler.take_snapshot()
        yield Connect(listener)


class Connect:
    """Makes connections to a listener."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener

    def __call__(self) -> Pair:
        """Return both ends, the client first."""
        client = socket.create_connection(self.listener.getsockname())
        return client, self.listener.accept()[0]


def by_direction(sampler: Sampler, metric: str, port: str = SERVICE) -> Mapping[str, float]:
    """Return what is counted of a service by direction, without zeros."""
    samples = sampler.take_snapshot().samples[metric]
    return {key[2]: number for key, number in samples.items() if key[3] == port and number}


def outcomes(sampler: Sampler) -> Mapping[str, float]:
    """Return the events by outcome, without zeros."""
    return {key[0]: n for key, n in sampler.take_snapshot().samples[EVENTS].items() if n}


def test_as_many_as_were_made(namespace: Namespace, unprivileged: list[str], folder: Path) -> None:
    """Both ends of each connection, and the listener apart: seen by nobody, without any capability."""
    config = folder / "config.yaml"
    config.write_text(f"{ALONE}interval: 100ms\nclosed_connections: {{enabled: true}}\n")
    flags = f"--config.file={config}"
    command = namespace.command(sys.executable, "-c", MAKE)
    pipe = subprocess.PIPE
    with (
        inside(namespace.path),
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) as maker,
        running_daemon(flags, prefix=unprivileged) as daemon,
    ):
        assert maker.stdin is not None
        assert maker.stdout is not None

        def read(name: str, label: str) -> Mapping[str, float]:
            return {
                dict(labels)[label]: number
                for (metric, labels), number in daemon.samples().items()
                if metric == name and number and dict(labels).get("port", SERVICE) == SERVICE
            }

        assert maker.stdout.readline() == "listens\n"
        passes = read("netstat_exporter_passes_total", "result")["success"]
        wait_until(lambda: read("netstat_exporter_passes_total", "result")["success"] >= passes + 2)
        unconnected = read(EVENTS, "outcome").get("unconnected", 0)
        for _ in range(PARTS):
            maker.stdin.write("\n")
            assert maker.stdout.readline() == "closed\n"

        def account() -> float:
            samples = daemon.samples()
            return samples[LOST, frozenset()] + sum(
                number
                for (metric, labels), number in samples.items()
                if metric == CLOSED and ("port", SERVICE) in labels
            )

        wait_until(lambda: account() == 2 * MANY)
        maker.stdin.write("\n")
        assert maker.wait() == 0
        wait_until(lambda: read(EVENTS, "outcome").get("unconnected", 0) == unconnected + 1)
        assert account() == 2 * MANY
        samples = daemon.samples()
        if int(Path("/proc/sys/net/core/rmem_max").read_text()) >= 1 << 22:  # else the buffer is small
            assert samples[LOST, frozenset()] == 0
            assert read(CLOSED, "direction") == {"inbound": MANY, "outbound": MANY}
        assert samples["netstat_exporter_close_events_sampling_ratio", frozenset()] == 1
        code, _ = daemon.stop()
        assert code == 0


def test_bytes_are_those_that_were_sent(sampler: Sampler, connect: Connect) -> None:
    """To the byte, but for the FIN that ends what is received; a stream without data has none.

    The kernel may be done with the client, which closes first, before the server's FIN comes.
    """
    for number in range(1, 11):
        client, server = connect()
        client.sendall(bytes(1000 * number))
        server.recv(1000 * number, socket.MSG_WAITALL)
        server.sendall(bytes(number))
        client.recv(number, socket.MSG_WAITALL)
        client.close()
        assert server.recv(1) == b""
        server.close()
    for end in connect():
        end.close()
    wait_until(lambda: by_direction(sampler, CLOSED) == {"inbound": 11, "outbound": 11})
    assert by_direction(sampler, SENT) == {"outbound": 55_000, "inbound": 55}
    received = by_direction(sampler, RECEIVED)
    assert received["inbound"] == 55_000 + 10
    assert 55 <= received["outbound"] <= 55 + 10
    assert by_direction(sampler, RESENT) == {}


def test_how_connections_end(sampler: Sampler, connect: Connect) -> None:
    """Aborted ones are closed connections, without their traffic; what never was one is none."""
    client, server = connect()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    server.sendall(b"x")
    server.close()
    client.close()
    with suppress(ConnectionRefusedError), socket.socket() as refused:
        refused.connect(("127.0.0.1", 9))
    with socket.socket() as refused_later:
        refused_later.setblocking(False)  # noqa: FBT003
        refused_later.connect_ex(("127.0.0.1", 9))
        wait_until(lambda: refused_later.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0)
    with socket.socket(), socket.socket() as bound, socket.create_server(("127.0.0.1", 0)):
        bound.bind(("127.0.0.1", 0))
    expected = {"connection": 1, "aborted": 1, "failed": 2, "unconnected": 3}
    wait_until(lambda: outcomes(sampler) == expected)
    assert by_direction(sampler, CLOSED) == {"inbound": 1, "outbound": 1}
    assert by_direction(sampler, SENT) == {}
    assert by_direction(sampler, RECEIVED) == {"outbound": 1}  # the data, and no FIN


def test_connections_of_a_dual_stack_listener(sampler: Sampler) -> None:
    """Each end is counted in the family of its table."""
    with socket.create_server(("", PORT), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        sampler.take_snapshot()
        for address in ("127.0.0.1", "::1"):
            client = socket.create_connection((address, PORT))
            listener.accept()[0].close()
            client.close()

    def found() -> Mapping[tuple[str, ...], float]:
        samples = sampler.take_snapshot().samples[CLOSED]
        return {key[1:3]: number for key, number in samples.items() if key[3] == SERVICE and number}

    wait_until(lambda: found() == {("ipv6", "inbound"): 2, ("ipv6", "outbound"): 1, ("ipv4", "outbound"): 1})


def test_loss_shows_in_what_was_sent_again(sampler: Sampler, connect: Connect) -> None:
    """As many segments as the kernel sent again in the whole namespace."""
    with ExitStack() as stack:
        pairs = [connect() for _ in range(5)]
        for client, server in pairs:
            stack.callback(client.close)
            stack.callback(server.close)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lose(server, 1 << 29)
        for _ in range(60):
            for client, _ in pairs:
                client.send(bytes(100))
        wait_until(lambda: not any(unacknowledged_bytes(client) for client, _ in pairs))
        for _, server in pairs:
            server.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    wait_until(lambda: by_direction(sampler, CLOSED) == {"inbound": 5, "outbound": 5})
    resent = by_direction(sampler, RESENT)["outbound"]
    counted = sampler.take_snapshot().samples["netstat_tcp_segments_retransmitted_total"][()]
    assert counted == resent > 0
    assert by_direction(sampler, SENT) == {"outbound": 5 * 60 * 100}
    assert by_direction(sampler, SEGMENTS)["outbound"] >= 5 * 2


def lose(hearer: socket.socket, below: int) -> None:
    """Let a socket refuse a segment when a random number of 32 bits is below a limit."""
    code = ctypes.create_string_buffer(
        struct.pack("HBBI", 0x20, 0, 0, 0xFFFFF000 + 56)
        + struct.pack("HBBI", 0x35, 1, 0, below)
        + struct.pack("HBBI", 0x06, 0, 0, 0)
        + struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF)
    )
    hearer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(code)))


def test_reader_that_stands_still(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it lost meanwhile is counted, to the event, and then it goes on."""
    monkeypatch.setattr(close_events, "_RECEIVE_BYTES", 1 << 16)
    number, handled = 200, Counter[str]()
    may_go_on = threading.Event()

    def handle(block: Block, weight: int) -> None:
        may_go_on.wait()
        handled.update(weight * [outcome for outcome, *_ in read_closed(block)])

    with inside(namespace.path), socket.create_server(("127.0.0.1", PORT)) as listener:
        reader, events = EventReader(handle), CloseEvents()
        reader.start(events, 1.0)
        visit(listener, number)
        wait_until(lambda: events.count_lost() > 0)
        may_go_on.set()
        wait_until(lambda: handled["connection"] + reader.lost == 2 * number)
        assert 0 < handled["connection"] < 2 * number
        before = handled["connection"]
        socket.create_connection(listener.getsockname()).close()
        wait_until(lambda: handled["connection"] == before + 1)
        reader.stop()
        wait_until(lambda: not reader.is_reading)


def test_a_random_share_is_read(namespace: Namespace) -> None:
    """The kernel drops the others, which are not lost.

    It serves who subscribed last first: sk_add_bind_node in include/net/sock.h adds at the head of the list.
    So what the first subscription has, the second has had before, and it is read after the first.
    """
    number, one_in = 1000, 4
    with (
        inside(namespace.path),
        socket.create_server(("127.0.0.1", PORT)) as listener,
        CloseEvents() as all_events,
        CloseEvents() as events,
    ):
        found = dict.fromkeys((all_events, events), 0)

        def read() -> bool:
            for each in found:
                while blocks := each.read():
                    found[each] += sum(len(block.data) // block.length for block in blocks)
            return found[all_events] == 2 * number

        events.sample(one_in)
        for _ in range(number // 50):
            visit(listener, 50)
            read()
        wait_until(read)
        assert found[events] == pytest.approx(2 * number / one_in, abs=6 * 20)  # standard deviations
        assert events.count_lost() == 0
        events.sample(1)
        before = found[events]
        visit(listener, 50)
        number += 50
        wait_until(read)
        assert found[events] == before + 100


def test_above_the_budget_it_is_sampled_and_says_so(sampler: Sampler, connect: Connect) -> None:
    """A burst that costs more than ten seconds of the share."""
    budget = ClosedConnections(enabled=True, cpu_budget=1e-5)
    sampler.change_settings(replace(WANTED, namespaces=ALONE_SETTINGS, closed_connections=budget), NAMES)
    sampler.take_snapshot()

    def is_sampled() -> bool:
        visit(connect.listener, 50)
        ratio = sampler.take_snapshot().samples["netstat_exporter_close_events_sampling_ratio"][()]
        return ratio < 1

    wait_until(is_sampled)


def test_nothing_is_left_when_it_is_disabled(namespace: Namespace, sampler: Sampler) -> None:
    """The subscription of its network namespace has ended, and the thread with it."""

    def subscriptions() -> int:
        rows = namespace.read("/proc/self/net/netlink").splitlines()[1:]
        return sum(row.split()[1::2][:2] == [b"4", b"00000005"] for row in rows)

    assert subscriptions() == 1
    sampler.change_settings(replace(WANTED, namespaces=ALONE_SETTINGS, closed_connections=OFF), NAMES)
    assert CLOSED not in sampler.take_snapshot().samples
    wait_until(lambda: subscriptions() == 0)
    assert "close-events" not in {thread.name for thread in threading.enumerate()}


def visit(listener: socket.socket, number: int) -> None:
    """Connect to a listener so often, and close both ends."""
    for _ in range(number):
        client = socket.create_connection(listener.getsockname())
        listener.accept()[0].close()
        client.close()
