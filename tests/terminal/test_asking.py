"""A daemon is asked for its status, and whatever it answers or does not is said in a line."""

import base64
import socket
import ssl
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.status.encoding import encode_status
from exporter.terminal.asking import AbsentError, Daemon, ask_status
from exporter.terminal.errors import ShowError, UsageError
from tests.support.certificates import Certificates, make_certificates
from tests.support.status.answering import FINE, answering
from tests.support.status.hosts import leaky_host


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make an authority, and what it issues."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def server_context(certificates: Certificates, *, want_client: bool = False) -> ssl.SSLContext:
    """Return the context of a server, which may want to see a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.folder / "server.pem", certificates.folder / "server.key")
    if want_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.ca)
    return context


def test_the_status_is_the_one_that_the_daemon_has() -> None:
    with answering() as server:
        assert ask_status(Daemon(server.url)) == leaky_host()
        assert ask_status(Daemon(f"{server.url}/behind/")) == leaky_host()
    assert server.asked == [("/api/v1/status", None), ("/behind/api/v1/status", None)]


def test_a_user_is_named_with_the_password_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s€cret \nmore\n")
    with answering() as server:
        ask_status(Daemon(server.url, user="amélie", password_file=str(tmp_path / "password")))
    pair = base64.b64encode("amélie:s€cret ".encode()).decode()
    assert server.asked == [("/api/v1/status", f"Basic {pair}")]


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering() as server:
        assert ask_status(Daemon(server.url)).host == "web1"


def problem_of(daemon: Daemon) -> str:
    """Return why there is no status; with the address that was asked, which begins it."""
    with pytest.raises(ShowError) as caught:
        ask_status(daemon)
    assert not isinstance(caught.value, UsageError)
    assert str(caught.value).startswith(daemon.url)
    return str(caught.value).removeprefix(daemon.url)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((401, b""), ": user or password is missing or wrong: give --user and --password-file"),
        ((404, b""), ": has no /api/v1/status; it is older than this command, or not netstat-exporter"),
        ((503, b""), ": its first pass is not finished, or it is busy; try again"),
        ((500, b"broken\n"), ": 500 Internal Server Error: broken"),
        ((302, b""), ": 302 Found: "),
        ((200, b"<html>"), "/api/v1/status: not JSON: Expecting value: line 1 column 1 (char 0)"),
        ((200, b"{}"), "/api/v1/status: schema_version is None, not 1"),
        ((200, FINE[1].replace(b'"host":"web1",', b"")), "/api/v1/status: status: host missing"),
        ((200, b"[" * 100_000), "/api/v1/status: not JSON: maximum recursion depth exceeded"),
    ],
)
def test_an_answer_that_is_no_status_is_explained(answer: tuple[int, bytes], problem: str) -> None:
    with answering(answer) as server:
        assert problem_of(Daemon(server.url)).startswith(problem)


def test_an_address_at_which_nothing_listens_is_told_from_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(AbsentError, match=f"^{url}: Connection refused$"):
        ask_status(Daemon(url))


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b""])
def test_what_is_no_http_is_said(greeting: bytes) -> None:
    """As from SSH, or from a daemon with TLS, which hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=greet, args=(listening, greeting))
        thread.start()
        problem = problem_of(Daemon(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        thread.join()
    assert problem == ": no answer in HTTP; an address with TLS begins with https://"


def test_a_daemon_without_tls_that_is_asked_over_it_is_said() -> None:
    with answering() as server:
        problem = problem_of(Daemon(server.url.replace("http:", "https:")))
    assert problem == ": does not speak TLS; an address without it begins with http://"


def greet(listening: socket.socket, greeting: bytes) -> None:
    """Answer one client as another protocol would."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(greeting)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9068",
        "ftp://localhost",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://a..b",
        f"http://{64 * 'a'}.example",
        "http://a b/",
        "http://a\n/",
        "http://user:s3cret@host/",
        "http://host/?x=1",
        "",
    ],
)
def test_a_wrong_address_is_refused_and_no_password_shown(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask_status(Daemon(url))
    assert "s3cret" not in str(caught.value)


def test_tls_verifies_the_daemon_by_the_given_authority(certificates: Certificates) -> None:
    with answering(context=server_context(certificates)) as server:
        url = f"https://localhost:{server.server_port}"
        assert ask_status(Daemon(url, ca_file=str(certificates.ca))) == leaky_host()
        assert "its certificate cannot be verified: unable to get local issuer" in problem_of(Daemon(url))


def test_a_certificate_of_ones_own_is_shown_to_who_asks_for_it(certificates: Certificates) -> None:
    files = {name: str(certificates.folder / f"client.{name}") for name in ("pem", "key")}
    with answering(context=server_context(certificates, want_client=True)) as server:
        url = f"https://localhost:{server.server_port}"
        known = Daemon(url, ca_file=str(certificates.ca))
        assert "if it asks for a client certificate, give --cert-file" in problem_of(known)
        named = known._replace(cert_file=files["pem"], key_file=files["key"])
        assert ask_status(named) == leaky_host()


def test_a_reset_after_the_handshake_has_the_same_hint(certificates: Certificates) -> None:
    """As the reset of a server that wants a certificate may come before what it says."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:

        def reset() -> None:
            connection, _ = server.accept()
            with server_context(certificates).wrap_socket(connection, server_side=True) as encrypted:
                encrypted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        resetting = pool.submit(reset)
        known = Daemon(f"https://localhost:{server.getsockname()[1]}", ca_file=str(certificates.ca))
        assert "if it asks for a client certificate, give --cert-file" in problem_of(known)
        resetting.result()


@pytest.mark.parametrize(
    ("daemon", "problem"),
    [
        (Daemon("https://localhost:1", ca_file="/nowhere"), "--ca-file: /nowhere: No such file or directory"),
        (
            Daemon("https://localhost:1", cert_file="/nowhere"),
            "--cert-file: /nowhere: No such file or directory",
        ),
        (
            Daemon("http://localhost:1", user="a", password_file="/nowhere"),  # noqa: S106 - the name of a file
            "--password-file: /nowhere: No such file or directory",
        ),
    ],
)
def test_a_file_that_is_not_there_is_said_by_its_flag(daemon: Daemon, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask_status(daemon)
    assert str(caught.value) == problem


def test_names_that_are_no_text_are_no_trouble() -> None:
    """A name may come from bytes of the kernel, and JSON from anywhere."""
    with answering((200, encode_status(leaky_host("\x1b[2J")))) as server:
        assert ask_status(Daemon(server.url)).leaks[0].owners[0].owner == "\x1b[2J"
