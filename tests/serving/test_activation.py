"""The daemon serves on the sockets that a service manager made, and says when there are none."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest

from exporter.serving.activation import take_listeners
from exporter.serving.addresses import ServerError
from tests.support.daemon import COMMAND, PATIENCE_SECONDS, ROOT, Daemon, run_once

FLAG = "--web.systemd-socket"
ANY_PORT = ("127.0.0.1", 0)
CLOSE_ON_EXEC = 0o2000000


def start(handed: Sequence[socket.socket], variables: str = "") -> "subprocess.Popen[str]":
    """Start the daemon as systemd does: what is handed over are its descriptors from 3 on."""
    variables = variables or f"LISTEN_PID=$$ LISTEN_FDS={len(handed)} LISTEN_FDNAMES=x"
    descriptors = [os.dup(each.fileno()) for each in handed]  # the originals may be those from 3 on
    moves = " ".join(f"{number}<&{each}" for number, each in enumerate(descriptors, start=3))
    # The shell's process becomes the daemon's: its number is what LISTEN_PID has to be.
    script = f'export {variables}; exec "$@" {moves}'
    try:
        return subprocess.Popen(
            ["bash", "-c", script, "bash", *COMMAND, "--log.format=json", FLAG],
            cwd=ROOT,
            pass_fds=descriptors,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def refusal(handed: Sequence[socket.socket], variables: str = "") -> str:
    """Return why the daemon does not start, which ends it with 2."""
    with start(handed, variables) as process:
        _, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    (line,) = error.splitlines()
    assert line.startswith(f"netstat-exporter: {FLAG}: ")
    return str(line)


def test_it_serves_on_every_socket_it_was_handed() -> None:
    """No child of it would have them, and they listen on when it has ended."""
    with (
        socket.create_server(ANY_PORT) as ipv4,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as ipv6,
    ):
        ports = [each.getsockname()[1] for each in (ipv4, ipv6)]
        with start([ipv4, ipv6]) as process:
            daemon = Daemon(process, ports[0])
            addresses = f"127.0.0.1:{ports[0]}, [::1]:{ports[1]}"
            assert daemon.wait_for("started")["addresses"] == addresses
            assert daemon.ask("/-/healthy").status == 200
            for descriptor in (3, 4):
                with open(f"/proc/{process.pid}/fdinfo/{descriptor}") as file:
                    (flags,) = [line.split()[1] for line in file if line.startswith("flags:")]
                assert int(flags, 8) & CLOSE_ON_EXEC
            assert daemon.stop()[0] == 0
        with socket.create_connection(("127.0.0.1", ports[0])):
            pass


def test_no_scrape_is_lost_while_it_restarts() -> None:
    """Whoever comes at the moment of SIGTERM is answered, by this daemon or the next."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(ANY_PORT))
        port = listening.getsockname()[1]
        clients = [HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS) for _ in range(20)]
        with start([listening]) as process:
            assert Daemon(process, port).ask("/-/healthy").status == 200
            process.send_signal(signal.SIGSTOP)
            for client in clients:
                stack.enter_context(closing(client)).request("GET", "/-/healthy")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            assert process.wait(PATIENCE_SECONDS) == 0
        with start([listening]) as process:
            try:
                assert {client.getresponse().status for client in clients} == {200}
            finally:
                process.terminate()


@pytest.mark.parametrize(
    "variables",
    ["LISTEN_FDS=1", "LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_PID=$$", "LISTEN_PID=$$ LISTEN_FDS=0", "X="],
)
def test_without_a_socket_it_does_not_start(variables: str) -> None:
    with socket.create_server(ANY_PORT) as listening:
        assert "systemd passed no socket" in refusal([listening], variables)


def test_a_descriptor_that_is_not_there_is_told() -> None:
    with socket.create_server(ANY_PORT) as listening:
        assert "descriptor 4: Bad file descriptor" in refusal([listening], "LISTEN_PID=$$ LISTEN_FDS=2")


def test_a_socket_that_does_not_listen_for_tcp_is_told() -> None:
    """Such as one of a unit with Accept=yes, which is a connection."""
    connection, other_end = socket.socketpair()
    with connection, other_end, socket.socket() as silent, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for wrong in (connection, silent, datagrams):
            assert "descriptor 3: not a listening TCP socket; see systemd.socket(5)" in refusal([wrong])


def test_the_environment_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(ServerError):
        take_listeners()
    assert not [name for name in os.environ if name.startswith("LISTEN_")]


def test_a_socket_and_an_address_exclude_each_other() -> None:
    run = run_once(FLAG, "--web.listen-address=127.0.0.1:0")
    assert run.returncode == 2
    assert f"{FLAG} and --web.listen-address exclude each other" in run.stderr
