"""The real daemon answers every client as it should, and none can keep it from answering Prometheus."""

import gzip
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from statistics import median

import psutil
import pytest

from exporter.serving.admission import MAX_CONNECTIONS
from tests.support.daemon import Daemon, parse_page, running_daemon
from tests.support.patience import PATIENCE_SECONDS, wait_until

IDLE_CLIENTS = 1500
BEING_TURNED_AWAY = 10  # of them at once, at most; without a limit there would be all
SCRAPES = 200
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Run one daemon for all of these tests: what one client does must not matter to the next."""
    with running_daemon("--web.max-requests=40") as running:
        yield running
        code, log = running.stop()
        assert code == 0
        assert "Traceback" not in log


@pytest.fixture(autouse=True)
def _prometheus_is_served_afterwards(daemon: Daemon) -> Iterator[None]:
    """After each test the daemon holds few descriptors and threads, and answers."""
    yield
    wait_for_connections(daemon, at_most=1)
    assert daemon.ask().status == 200
    assert len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 30
    assert len(os.listdir(f"/proc/{daemon.process.pid}/task")) < 10


def wait_for_connections(daemon: Daemon, at_most: int) -> None:
    """Wait until the daemon has closed all but so many of its connections."""
    wait_until(lambda: count_sockets(daemon) <= at_most + OWN_SOCKETS)


OWN_SOCKETS = 3  # the listener, and the pair by which the event loop is woken


def count_sockets(daemon: Daemon) -> int:
    """Return how many sockets the daemon holds."""
    folder = f"/proc/{daemon.process.pid}/fd"
    found = 0
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found += os.readlink(f"{folder}/{name}").startswith("socket:")
    return found


def exchange(daemon: Daemon, request: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back before the connection ends."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE_SECONDS) as client:
        answer = b""
        try:
            client.sendall(request)
            while chunk := client.recv(1 << 16):
                answer += chunk
        except ConnectionError:
            pass
        return answer


def unzip(daemon: Daemon) -> str:
    """Return the page that comes gzipped."""
    return gzip.decompress(daemon.ask(headers={"Accept-Encoding": "gzip"}).body).decode()


def test_metrics_are_text_and_gzipped_for_whom_it_is_accepted(daemon: Daemon) -> None:
    plain = daemon.ask()
    assert plain.status == 200
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "server" not in plain.headers
    assert parse_page(plain.body.decode())
    zipped = daemon.ask(headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    # Of two scrapes the second may be of another pass, which found other ports.
    wait_until(lambda: parse_page(unzip(daemon)).keys() == daemon.samples().keys())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/?refresh=off", 200),
        ("GET", "/?refresh=<script>", 400),
        ("GET", "/?" + "refresh=off&" * 1000, 400),
        ("GET", "/api/v1/status", 200),
        ("HEAD", "/api/v1/status", 200),
        ("POST", "/api/v1/status", 405),
        ("GET", "/api/v1/status?x=%ff", 400),
        ("GET", "/api/v1/status/", 404),
        ("GET", "/api", 404),
        ("HEAD", "/metrics", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("HEAD", "/-/ready", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
        ("GET", "/-/reload", 405),
        ("POST", "/-/reload", 403),
        ("GET", "/metrics/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/../metrics", 404),
        ("GET", "/%2e%2e/etc/passwd", 404),
        ("GET", "/metrics?" + "name[]=up&" * 1000, 200),
        ("GET", "/<script>", 404),
        ("GET", "/%ff%zz", 404),
    ],
)
def test_every_route_and_no_other_answers(daemon: Daemon, method: str, path: str, status: int) -> None:
    answer = daemon.ask(path, method)
    assert status == answer.status
    assert b"<script>" not in answer.body
    assert (answer.body == b"") == (method == "HEAD")
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
        b"GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 64 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (16 << 10) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny",
    ],
)
def test_what_is_no_good_request_is_refused_and_the_connection_closed(
    daemon: Daemon, request_bytes: bytes
) -> None:
    """And the client is told, whatever it has sent beyond."""
    answer = exchange(daemon, request_bytes)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    assert b"Connection: close\r\n" in answer
    assert b"Traceback" not in answer
    assert b"bytearray" not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /metrics HTTP/1.0\r\n\r\n",
        b"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET http://any.example/metrics?x=y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%6detrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n",
        b"\r\nGET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"X: y\r\n" * 62 + b"\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"y" * 15_000 + b"\r\n\r\n",
    ],
)
def test_what_is_odd_but_right_is_answered(daemon: Daemon, request_bytes: bytes) -> None:
    """An offer to speak HTTP/2 may be left aside: Java's client makes it in every first request."""
    assert exchange(daemon, request_bytes).startswith(b"HTTP/1.1 200 OK\r\n")


def test_gzip_that_is_refused_is_not_sent(daemon: Daemon) -> None:
    assert "content-encoding" not in daemon.ask(headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_requests_that_are_sent_ahead_are_answered_in_order_up_to_a_hundred(daemon: Daemon) -> None:
    request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange(daemon, request * 150).count(b"HTTP/1.1 200") == 100


def test_a_request_in_pieces_is_a_request(daemon: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in SCRAPE:
            client.send(bytes([byte]))
        assert client.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("sent", [b"", b"GET / HT", SCRAPE, SCRAPE * 20])
def test_a_client_that_half_closes_leaves_nothing_in_close_wait(daemon: Daemon, sent: bytes) -> None:
    """It is answered, and of all programs this one does not stay in that state, even if it does not read."""
    with ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        time.sleep(1)  # longer than this it may not take
        assert psutil.CONN_CLOSE_WAIT not in own_states(daemon)
        if sent == SCRAPE:
            assert client.recv(15) == b"HTTP/1.1 200 OK"


def own_states(daemon: Daemon) -> list[str]:
    """Return the states of the daemon's TCP sockets."""
    return [one.status for one in psutil.Process(daemon.process.pid).net_connections("tcp")]


def test_idle_and_trickling_clients_do_not_keep_prometheus_out(daemon: Daemon) -> None:
    """They are so many, and are gone after some seconds; meanwhile /metrics answers or says it is busy."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        clients = []
        for number in range(IDLE_CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            if number % 2:
                client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
            clients.append(client)
        assert count_sockets(daemon) <= MAX_CONNECTIONS + OWN_SOCKETS + BEING_TURNED_AWAY
        started = time.monotonic()
        statuses, answered_seconds = set(), []
        while count_sockets(daemon) > 1 + OWN_SOCKETS:
            assert time.monotonic() - started < PATIENCE_SECONDS
            for client in clients[1::2]:
                try:
                    client.send(b"x")
                except OSError:
                    continue
            asked = time.monotonic()
            statuses.add(daemon.ask().status)
            answered_seconds.append(time.monotonic() - asked)
            time.sleep(0.2)
        assert statuses <= {200, 503}
        assert median(answered_seconds) < 1  # a machine that stands still for a while is nobody's fault
        assert daemon.ask().status == 200


def test_so_many_scrapes_at_once_are_answered_or_told_to_come_again(daemon: Daemon) -> None:
    with ThreadPoolExecutor(SCRAPES) as pool:
        answers = list(pool.map(lambda _: daemon.ask(), range(SCRAPES)))
    assert {answer.status for answer in answers} <= {200, 503}
    busy = [answer for answer in answers if answer.status == 503]
    assert all(answer.headers["retry-after"] == "1" for answer in busy)
    assert any(answer.status == 200 for answer in answers)


def test_a_client_that_leaves_in_the_middle_is_nobodys_trouble(daemon: Daemon) -> None:
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() sends RST
            client.sendall(SCRAPE)
    assert daemon.ask().status == 200


def test_a_client_that_leaves_is_let_go_at_once(daemon: Daemon) -> None:
    """An exporter of CLOSE_WAIT does not keep its own sockets in it until they are idle.

    One that came before it, and stays, is still served.
    """
    with closing(HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE_SECONDS)) as stays:
        stays.request("GET", "/metrics")
        assert stays.getresponse().read()
        with socket.create_connection(("127.0.0.1", daemon.port)) as leaves:
            leaves.sendall(SCRAPE)
            assert leaves.recv(1)
        wait_for_connections(daemon, at_most=1)
        stays.request("GET", "/metrics")
        assert stays.getresponse().read()


@pytest.mark.parametrize("stays", [False, True])
def test_a_client_that_asks_without_reading_is_cut_off(daemon: Daemon, stays: bool) -> None:  # noqa: FBT001
    """The kernel gives it up; whether it stays or leaves, Prometheus is served."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", daemon.port))
        client.settimeout(PATIENCE_SECONDS)
        client.sendall(SCRAPE * 10_000)
        if stays:
            wait_for_connections(daemon, at_most=0)


def test_few_descriptors_are_enough_to_recover_with() -> None:
    """Under ulimit -n 30 a crowd gets nothing, costs next to no CPU, and leaves the daemon as it was."""
    prefix = ("sh", "-c", 'ulimit -n 30 && exec "$@"', "sh")
    with running_daemon(prefix=prefix) as daemon:
        with ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            before = cpu_seconds(daemon)
            time.sleep(2)
            assert cpu_seconds(daemon) - before < 0.5
        wait_for_connections(daemon, at_most=0)
        assert daemon.ask().status == 200


def cpu_seconds(daemon: Daemon) -> float:
    """Return the CPU time that the daemon has used."""
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_what_is_under_way_when_it_is_stopped_is_finished() -> None:
    """A client whose request came before SIGTERM gets its answer; one that comes after is refused."""
    with running_daemon() as daemon, socket.create_connection(("127.0.0.1", daemon.port)) as client:
        client.sendall(SCRAPE)
        client.settimeout(PATIENCE_SECONDS)
        first = client.recv(1)
        code, _ = daemon.stop(signal.SIGTERM)
        rest = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert code == 0
        assert (first + rest).startswith(b"HTTP/1.1 200")
        assert rest.endswith(b"\n")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", daemon.port))
