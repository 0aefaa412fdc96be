"""Whether ephemeral ports are said to be taken is what connect() and bind() find, whatever took them."""

import errno
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter.config.settings import Settings
from tests.support import requirements
from tests.support.live.namespace import Namespace, inside
from tests.support.live.outbound import Destination, outbound
from tests.support.live.sampling import make_sampler, set_sysctl, take_samples

pytestmark = pytest.mark.live

POSTGRES, UNNAMED = 5432, 18086
FIRST, PORTS = 40000, 100
HERE, THERE, ELSEWHERE = "10.9.0.1", "10.9.0.2", "10.9.0.3"
LOOPBACK = "127.0.0.1"
BUSIEST = "netstat_ephemeral_ports_busiest_destination"
BOUND = "netstat_ephemeral_ports_bound"
IP_BIND_ADDRESS_NO_PORT = 24
NEVER_MILLISECONDS, AT_ONCE_MILLISECONDS = 60_000, 1
EXHAUSTED = {errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN}


class Host:
    """A network namespace with few ephemeral ports and some addresses, in which the test lives meanwhile."""

    def __init__(self, namespace: Namespace, held: ExitStack) -> None:
        self.namespace = namespace
        self.sampler = make_sampler()
        self._held = held
        self._servers: dict[int, socket.socket] = {}

    def serve(self, port: int) -> socket.socket:
        """Listen at a port on every address, outside the ephemeral range."""
        if port not in self._servers:
            server = socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=4 * PORTS, dualstack_ipv6=True
            )
            self._servers[port] = self._held.enter_context(server)
        return self._servers[port]

    def hold(self, opened: socket.socket) -> socket.socket:
        """Keep a socket until the end, when nothing of it is left."""
        return self._held.enter_context(opened)

    def connect(self, address: str, port: int = POSTGRES, *, source: str = "", mapped: bool = False) -> None:
        """Open a connection whose port the kernel chooses last, even where a source address is given."""
        is_ipv6 = mapped or ":" in address
        client = self.hold(socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET))
        if source:
            client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            client.bind((source, 0))
        client.connect((f"::ffff:{address}" if mapped else address, port))

    def bind(self, source: str, address: str | None = None, port: int = POSTGRES) -> None:
        """Bind to port 0, which takes a port at once, and connect if an address is given."""
        client = self.hold(socket.socket())
        client.bind((source, 0))
        if address:
            client.connect((address, port))

    def leave_time_wait(self, address: str, port: int = POSTGRES) -> None:
        """Connect, and be the first to close."""
        with socket.create_connection((address, port)) as client:
            server, _ = self.serve(port).accept()
            client.close()
            assert server.recv(1) == b""
            server.close()

    def send(self, source: str, address: str | None = None) -> None:
        """Bind a UDP socket to port 0, and connect it if an address is given."""
        client = self.hold(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.bind((source, 0))
        if address:
            client.connect((address, POSTGRES))

    def ask(self, address: str) -> None:
        """Connect a UDP socket, which chooses a port before it has an address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.hold(socket.socket(family, socket.SOCK_DGRAM)).connect((address, POSTGRES))

    def is_said(self, metric: str) -> bool:
        """Tell whether a metric has reached the number of ephemeral ports."""
        samples = self.sampler.take_snapshot().samples
        return max(samples[metric].values(), default=0) >= samples["netstat_ephemeral_ports"][()]


@pytest.fixture
def host(namespace: Namespace) -> Iterator[Host]:
    """Prepare a host; TIME_WAIT is never used again."""
    for address in (HERE, THERE, ELSEWHERE):
        namespace.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    set_sysctl(namespace, "ip_local_port_range", f"{FIRST} {FIRST + PORTS - 1}")
    set_sysctl(namespace, "tcp_tw_reuse", 0)
    with inside(namespace.path), ExitStack() as held:
        yield Host(namespace, held)


def is_found(take: Callable[[], None]) -> bool:
    """Tell whether one more cannot be had."""
    try:
        take()
    except OSError as error:
        assert error.errno in EXHAUSTED  # noqa: PT017 - any other is not what this is about
        return True
    return False


def exhaust(host: Host, metric: str, take: Callable[[], None], ports: int = PORTS) -> None:
    """Take ports one by one; what is said is true before each of the last ones, and when all are taken."""
    for _ in range(ports - 2):
        take()
    for _ in range(2):
        assert not host.is_said(metric)
        assert not is_found(take)
    assert host.is_said(metric)
    assert is_found(take)


@pytest.mark.parametrize("port", [POSTGRES, UNNAMED])
@pytest.mark.parametrize("address", [LOOPBACK, THERE, "::1"])
def test_connections_to_one_destination(host: Host, address: str, port: int) -> None:
    """With or without a name, on the loopback and off it; another destination still has all ports."""
    host.serve(port)
    exhaust(host, BUSIEST, lambda: host.connect(address, port))
    host.connect(ELSEWHERE, port)


def test_most_ports_are_reserved(host: Host) -> None:
    set_sysctl(host.namespace, "ip_local_reserved_ports", f"{FIRST}-{FIRST + PORTS - 11},{FIRST + PORTS}")
    host.serve(POSTGRES)
    exhaust(host, BUSIEST, lambda: host.connect(THERE), 10)


def test_mapped_and_plain_share_ports(host: Host) -> None:
    """A program that uses IPv6 sockets for IPv4 takes the ports of those that do not."""
    host.serve(POSTGRES)
    turns = iter(range(2 * PORTS))
    exhaust(host, BUSIEST, lambda: host.connect(THERE, mapped=next(turns) % 2 == 0))


def test_few_mapped_beside_many_plain_ones(host: Host) -> None:
    """A table with very few of the connections counts, too."""
    host.serve(POSTGRES)
    for _ in range(3):
        host.connect(THERE, mapped=True)
    exhaust(host, BUSIEST, lambda: host.connect(THERE), PORTS - 3)


def test_ports_that_are_held_and_connected_count_once(host: Host) -> None:
    """A socket that is only bound at another address may have the port of a connection."""
    host.serve(POSTGRES)
    for _ in range(PORTS // 2):
        host.connect(THERE)
    for _ in range(PORTS // 4):
        host.bind(ELSEWHERE)
    said_before = host.is_said(BUSIEST)
    while not is_found(lambda: host.connect(THERE)):
        assert not said_before
        said_before = host.is_said(BUSIEST)
    assert said_before


def test_listeners_take_ports_of_their_address(host: Host) -> None:
    """Another address has them all the same."""
    for _ in range(PORTS // 2):
        host.hold(socket.create_server((LOOPBACK, 0)))
    exhaust(host, BOUND, lambda: host.bind(HERE))


def test_datagram_sockets_that_choose_no_address_need_a_port_that_is_free_at_all(host: Host) -> None:
    """Whatever its family."""
    for _ in range(PORTS // 4):
        host.ask(HERE)
        host.ask(LOOPBACK)
    exhaust(host, BOUND, lambda: host.ask("::1"), PORTS - 2 * (PORTS // 4))


def test_source_addresses_have_ports_of_their_own(host: Host) -> None:
    """The busiest counts, not their sum."""
    host.serve(POSTGRES)
    for _ in range(PORTS - 1):
        host.connect(THERE, source=ELSEWHERE)
    exhaust(host, BUSIEST, lambda: host.connect(THERE, source=HERE))
    host.connect(THERE, source=ELSEWHERE)


def test_ports_that_others_listen_at(host: Host) -> None:
    """connect() leaves out what is bound, whatever it is bound to: listeners, and what is only bound."""
    host.serve(POSTGRES)
    for port in range(FIRST, FIRST + 20):
        host.hold(socket.create_server((ELSEWHERE, port)))
    for _ in range(20):
        host.bind(ELSEWHERE)
    exhaust(host, BUSIEST, lambda: host.connect(THERE), PORTS - 40)


@pytest.mark.parametrize("delay", [AT_ONCE_MILLISECONDS, NEVER_MILLISECONDS])
@pytest.mark.parametrize("address", [LOOPBACK, THERE])
@pytest.mark.parametrize("reuse", [0, 1, 2])
def test_time_wait(host: Host, reuse: int, address: str, delay: int) -> None:
    """It is free where the kernel would use it again: always or on the loopback, once it is old enough."""
    has_delay = Path("/proc/sys/net/ipv4/tcp_tw_reuse_delay").exists()
    requirements.require("needs net.ipv4.tcp_tw_reuse_delay", "boot Linux 6.14 or newer", met=has_delay)
    host.serve(POSTGRES)
    for _ in range(PORTS):
        host.leave_time_wait(address)
    set_sysctl(host.namespace, "tcp_tw_reuse_delay", delay)
    set_sysctl(host.namespace, "tcp_tw_reuse", reuse)
    said = host.is_said(BUSIEST)
    assert said == is_found(lambda: host.connect(address))
    is_free = delay == AT_ONCE_MILLISECONDS and (reuse == 1 or (reuse == 2 and address == LOOPBACK))
    assert said != is_free


def test_bind_before_connect(host: Host) -> None:
    """It takes a port for all destinations, of which none has many."""
    for port in range(POSTGRES, POSTGRES + 10):
        host.serve(port)
    turns = iter(range(2 * PORTS))
    exhaust(host, BOUND, lambda: host.bind(HERE, THERE, POSTGRES + next(turns) % 10))
    assert not host.is_said(BUSIEST)


def test_bind_alone(host: Host) -> None:
    """A socket that is only bound is in no table of procfs, and takes a port all the same."""
    exhaust(host, BOUND, lambda: host.bind(HERE))
    host.bind(ELSEWHERE)


def test_bind_alone_among_many_sockets(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search still finds what is only bound."""
    monkeypatch.setattr("exporter.sampling.services.held_ports.LEAVE_OUT_ABOVE", 0)
    host.serve(POSTGRES)
    for _ in range(PORTS // 2):
        host.connect(THERE, source=HERE)
    exhaust(host, BOUND, lambda: host.bind(HERE), PORTS // 2)


def test_bind_to_what_connections_have(host: Host) -> None:
    """A port that connect() took, for any destination, is taken for bind() at the same source address."""
    host.serve(POSTGRES)
    for _ in range(PORTS - 10):
        host.connect(THERE, source=HERE)
    exhaust(host, BOUND, lambda: host.bind(HERE), 10)


def test_bind_to_what_time_wait_has(host: Host) -> None:
    """It is taken for bind() even where connect() would use it again."""
    set_sysctl(host.namespace, "tcp_tw_reuse", 1)
    host.serve(POSTGRES)
    for _ in range(PORTS - 10):
        host.leave_time_wait(THERE)
    exhaust(host, BOUND, lambda: host.bind(THERE), 10)


def test_udp(host: Host) -> None:
    """A connected socket takes its port for all destinations; those of another source address have theirs."""
    turns = iter(range(2 * PORTS))
    exhaust(host, BOUND, lambda: host.send(HERE, (THERE, ELSEWHERE)[next(turns) % 2]))
    host.send(THERE, HERE)


def test_sockets_at_every_address_take_ports_of_each(host: Host) -> None:
    for _ in range(PORTS // 2):
        host.send("")
    exhaust(host, BOUND, lambda: host.send(HERE, THERE), PORTS // 2)


def ports_by_destination(namespace: Namespace) -> dict[tuple[str, str], set[str]]:
    """Return the local ports towards the service, by source and destination, as ss lists them."""
    found = defaultdict(set)
    for line in namespace.run("ss", "-Htan", f"( dport = :{POSTGRES} )").splitlines():
        local, remote = line.split()[3:5]
        source, _, port = local.rpartition(":")
        found[source, remote].add(port)
    return found


@pytest.mark.usefixtures("ss")
@pytest.mark.parametrize("source", ["netlink", "procfs", "auto"])
def test_busiest_destination_is_that_of_ss(namespace: Namespace, source: str) -> None:
    """In either family, TIME_WAIT included; two destinations are not added up."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    set_sysctl(namespace, "tcp_tw_reuse", 0)
    namespace.run("ip", "address", "add", "::2/128", "dev", "lo")
    destinations = (
        Destination("127.0.0.1", 300, 1900),
        Destination("127.0.0.2", 100, 1800),
        Destination("::1", 100, 700),
        Destination("::2", 0, 500),
    )
    with outbound(namespace, POSTGRES, *destinations):
        busiest = take_samples(namespace, Settings(source=source))[BUSIEST]
        listed = {pair: len(ports) for pair, ports in ports_by_destination(namespace).items()}
    assert busiest == {
        ("tcp", "ipv4", "5432", "postgresql"): 2200,
        ("tcp", "ipv6", "5432", "postgresql"): 800,
    }
    assert sorted(listed.values()) == [500, 800, 1900, 2200]


def test_destinations_do_not_matter_below_a_tenth_of_the_ports(namespace: Namespace) -> None:
    """The series is there while it says something, and is gone when it does not."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    assert take_samples(namespace)[BUSIEST] == {}
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 999)):
        assert take_samples(namespace)[BUSIEST] == {}
    with outbound(namespace, POSTGRES, Destination("127.0.0.1", 1000)):
        assert list(take_samples(namespace)[BUSIEST].values()) == [1000]
    assert take_samples(namespace)[BUSIEST] == {}


def test_ephemeral_ports_are_those_not_reserved(namespace: Namespace) -> None:
    """Those reserved outside the range do not matter."""
    set_sysctl(namespace, "ip_local_port_range", "20000 29999")
    set_sysctl(namespace, "ip_local_reserved_ports", "8080,19990-20009,25000,29999-30010")
    assert take_samples(namespace)["netstat_ephemeral_ports"][()] == 10_000 - 10 - 1 - 1
