"""With a web configuration the daemon lets in whom it should, over TLS, and learns of changes by itself."""

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.serving.test_attacks import attacking, is_under_attack
from tests.support.attackers import TLS_ATTACKS
from tests.support.certificates import Certificates, make_certificates
from tests.support.daemon import PATIENCE_SECONDS, Answer, Daemon, run_once, running_daemon
from tests.support.patience import wait_until

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
MUTUAL = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
PASSWORD = "correct horse"  # noqa: S105 - of a test
IDLE_HANDSHAKES = 300


def make_users(**passwords: str) -> str:
    """Return a section of users, whose hashes are the cheapest there are."""
    hashes = {
        name: bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode() for name, word in passwords.items()
    }
    return "basic_auth_users:\n" + "".join(f"  {name}: {hashed}\n" for name, hashed in hashes.items())


@dataclass
class Secured:
    """A daemon with a web configuration that can be changed."""

    daemon: Daemon
    file: Path
    certificates: Certificates

    def ask(
        self,
        path: str = "/metrics",
        *,
        certificate: str | None = None,
        user: tuple[str, str] | None = None,
        source: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> Answer:
        """Send a request over TLS, with a certificate of the client's and a password, where there are."""
        connection = http.client.HTTPSConnection(
            "localhost",
            self.daemon.port,
            timeout=PATIENCE_SECONDS,
            context=context or self.context(certificate),
            source_address=(source, 0),
        )
        headers = {"Authorization": encode(*user)} if user else {}
        with closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def context(self, certificate: str | None = None) -> ssl.SSLContext:
        """Return what trusts the authority, and shows a certificate."""
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        if certificate:
            folder = self.certificates.folder
            context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
        return context

    def is_let_in(self, certificate: str | None = None) -> bool:
        """Tell whether a certificate, or none, is good enough."""
        try:
            return self.ask(certificate=certificate).status == 200
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return False


def encode(name: str, password: str) -> str:
    """Return the header of basic authentication."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


@contextmanager
def running_secured(folder: Path, text: str, prefix: Sequence[str] = ()) -> Iterator[Secured]:
    """Run a daemon with this web configuration, and check that a crash did not go unseen."""
    certificates = make_certificates(folder)
    file = folder / "web.yml"
    file.write_text(text)
    with running_daemon(f"--web.config.file={file}", prefix=prefix, ready=False) as daemon:
        yield Secured(daemon, file, certificates)
        code, log = daemon.stop()
        assert code == 0
        assert "Traceback" not in log


def test_https_is_served_and_plain_http_is_not(tmp_path: Path) -> None:
    """Over HTTP/1.1, also for a client that would rather speak HTTP/2; headers are added to every answer."""
    headers = "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=1\n"
    with running_secured(tmp_path, f"{TLS}{headers}") as secured:
        wait_until(lambda: secured.ask("/-/ready").status == 200)
        context = secured.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", secured.daemon.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            assert client.selected_alpn_protocol() == "http/1.1"
        for path in ("/metrics", "/nothing"):
            assert secured.ask(path).headers["strict-transport-security"] == "max-age=1"
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            secured.daemon.ask()


@pytest.mark.parametrize(
    ("version", "spoken"), [("min_version: TLS13", "TLSv1.3"), ("max_version: TLS12", "TLSv1.2")]
)
def test_versions_are_those_that_are_wanted(tmp_path: Path, version: str, spoken: str) -> None:
    with running_secured(tmp_path, f"{TLS}  {version}\n") as secured:
        with (
            socket.create_connection(("127.0.0.1", secured.daemon.port)) as plain,
            secured.context().wrap_socket(plain, server_hostname="localhost") as client,
        ):
            assert client.version() == spoken
        only_other = secured.context()
        if spoken == "TLSv1.3":
            only_other.maximum_version = ssl.TLSVersion.TLSv1_2
        else:
            only_other.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises((ssl.SSLError, ConnectionError)):
            secured.ask(context=only_other)


def test_a_client_needs_a_certificate_of_the_authority(tmp_path: Path) -> None:
    with running_secured(tmp_path, MUTUAL) as secured:
        stranger = trustme.CA().issue_cert("prometheus.example")
        stranger.private_key_pem.write_to_path(str(tmp_path / "stranger.key"))
        stranger.cert_chain_pems[0].write_to_path(str(tmp_path / "stranger.pem"))
        verdicts = {name: secured.is_let_in(name) for name in ("client", None, "stranger")}
        assert verdicts == {"client": True, None: False, "stranger": False}


def test_a_client_needs_one_of_the_names_that_are_allowed(tmp_path: Path) -> None:
    allowed = "  client_allowed_sans: [other.example, prometheus.example]\n"
    with running_secured(tmp_path, f"{MUTUAL}{allowed}") as secured:
        secured.certificates.issue("another", "another.example")
        assert [secured.is_let_in(name) for name in ("client", "another")] == [True, False]


def test_users_need_their_password(tmp_path: Path) -> None:
    """And for everything: health, too. Whoever is refused is told what to show."""
    with running_secured(tmp_path, f"{TLS}{make_users(prometheus=PASSWORD)}") as secured:
        assert secured.ask(user=("prometheus", PASSWORD)).status == 200
        for user in (
            None,
            ("prometheus", "wrong"),
            ("nobody", PASSWORD),
            ("prometheus", "x" * 100),
            ("", ""),
        ):
            answer = secured.ask("/-/healthy", user=user)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith('Basic realm="netstat-exporter"')


def test_who_guesses_is_slowed_down_and_others_are_not(tmp_path: Path) -> None:
    """Nor is one at the same address who has been let in before."""
    right = ("prometheus", PASSWORD)
    with running_secured(tmp_path, f"{TLS}{make_users(prometheus=PASSWORD)}") as secured:
        assert secured.ask(user=right, source="127.0.0.2").status == 200
        guesses = [secured.ask(user=("prometheus", f"{n}"), source="127.0.0.2").status for n in range(20)]
        assert set(guesses) == {401, 429}
        assert guesses.count(429) >= 5
        assert secured.ask(user=right, source="127.0.0.2").status == 200
        assert secured.ask(user=right, source="127.0.0.3").status == 200


def test_an_unknown_user_takes_as_long_as_a_known_one(tmp_path: Path) -> None:
    """Here the hash is dear enough for a difference to show."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(11)).decode()
    with running_secured(tmp_path, f"{TLS}basic_auth_users:\n  known: {hashed}\n") as secured:

        def fastest(name: str, source: str) -> float:
            seconds = []
            for number in range(5):
                began = time.monotonic()
                assert secured.ask(user=(name, f"{number}"), source=source).status == 401
                seconds.append(time.monotonic() - began)
            return min(seconds)

        known, unknown = fastest("known", "127.0.0.2"), fastest("unknown", "127.0.0.3")
    assert 0.5 < known / unknown < 2


def test_a_certificate_that_is_renewed_is_shown_without_a_restart(tmp_path: Path) -> None:
    with running_secured(tmp_path, TLS) as secured:
        before = shown_certificate(secured)
        secured.certificates.issue("server", "localhost", "127.0.0.1")
        wait_until(lambda: shown_certificate(secured) != before)
        assert secured.ask().status == 200


def shown_certificate(secured: Secured) -> bytes | None:
    """Return the certificate that the daemon shows; None while it and its key are changed."""
    try:
        with (
            socket.create_connection(("127.0.0.1", secured.daemon.port)) as plain,
            secured.context().wrap_socket(plain, server_hostname="localhost") as client,
        ):
            return client.getpeercert(binary_form=True)
    except (ssl.SSLError, ConnectionError):
        return None


def test_users_change_without_a_restart_and_a_broken_file_opens_nothing(tmp_path: Path) -> None:
    """It is 500 for everybody, and a line in the log, until it is mended."""
    old, new = ("prometheus", PASSWORD), ("prometheus", "battery staple")
    with running_secured(tmp_path, f"{TLS}{make_users(prometheus=PASSWORD)}") as secured:
        assert secured.ask(user=old).status == 200
        secured.file.write_text(f"{TLS}{make_users(prometheus='battery staple')}")
        wait_until(lambda: secured.ask(user=new).status == 200, pause_seconds=0.3)
        assert secured.ask(user=old).status == 401
        secured.file.write_text("basic_auth_users: {}\nunknown: 1\n")
        event = secured.daemon.wait_for("web configuration invalid, answering every request with 500")
        assert str(event["problem"]).startswith(f"{secured.file}:2:1: unknown: unknown key; allowed: ")
        assert {secured.ask(path, user=new).status for path in ("/metrics", "/-/healthy")} == {500}
        secured.file.unlink()
        wait_until(lambda: secured.ask().status == 500)
        secured.file.write_text(f"{TLS}{make_users(prometheus=PASSWORD)}")
        wait_until(lambda: secured.ask(user=old).status == 200)


def test_a_client_without_tls_is_let_go_when_tls_begins(tmp_path: Path) -> None:
    with running_secured(tmp_path, "") as secured:
        with closing(http.client.HTTPConnection("127.0.0.1", secured.daemon.port)) as stays:
            stays.auto_open = 0
            stays.connect()
            stays.request("GET", "/-/healthy")
            assert stays.getresponse().read()
            secured.file.write_text(TLS)
            secured.daemon.wait_for("web configuration reloaded")
            wait_until(lambda: is_hung_up(stays))
        assert secured.ask().status == 200


def is_hung_up(connection: http.client.HTTPConnection) -> bool:
    """Tell whether a connection that stands is no longer answered on."""
    try:
        connection.request("GET", "/-/healthy")
        connection.getresponse().read()
    except (http.client.HTTPException, ConnectionError):
        return True
    return False


def test_idle_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    """Of one address, and another scrapes; they have an end, too."""
    with running_secured(tmp_path, TLS) as secured, ExitStack() as stack:
        for _ in range(IDLE_HANDSHAKES):
            client = stack.enter_context(socket.socket())
            client.bind(("127.0.0.2", 0))
            client.connect(("127.0.0.1", secured.daemon.port))
            client.sendall(b"\x16\x03\x01")
        assert [secured.ask().status for _ in range(20)] == [200] * 20
        wait_until(lambda: b'{reason="slow_request"} 0' not in secured.ask().body)


@pytest.mark.parametrize("name", TLS_ATTACKS)
def test_scrapes_over_tls_from_another_address_are_served(tmp_path: Path, name: str) -> None:
    with running_secured(tmp_path, TLS) as secured, attacking(name, secured.daemon.port):
        wait_until(lambda: is_under_attack(secured.daemon))
        assert [secured.ask().status for _ in range(50)] == [200] * 50


def test_a_wrong_file_ends_it_with_2_and_a_right_one_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("tls: {}\n")
    for more in ((), ("--config.check",)):
        run = run_once(f"--web.config.file={file}", *more)
        assert run.returncode == 2
        assert run.stderr.startswith(f"{file}:1:1: tls: unknown key")
    file.write_text("{}\n")
    run = run_once("--config.check", f"--web.config.file={file}")
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{file}: ok\n", "")
