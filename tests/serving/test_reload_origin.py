"""No page in anybody's browser makes the exporter read its configuration; its operator does."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.daemon import Daemon, running_daemon
from tests.support.patience import wait_until


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Run a daemon that can be told to reload."""
    with running_daemon("--web.enable-lifecycle") as running:
        yield running


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9068",
        "[::1]:9068",
        "localhost",
        "web1:9068",
        f"{socket.gethostname()}:9068",
        f"{socket.gethostname().upper()}.example.com",
    ],
)
def test_an_operator_reloads(daemon: Daemon, host: str) -> None:
    """As curl asks it: by address, by a short name, or by the name of the host."""
    assert daemon.ask("/-/reload", "POST", {"Host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:9068"},
        {"Origin": "null"},
        {"Referer": "http://page.example/"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "page.example:9068"},
        {"Host": "127.0.0.1.page.example"},
        {"Host": "[page.example"},
    ],
)
def test_a_page_does_not(daemon: Daemon, headers: dict[str, str]) -> None:
    """Neither as a form, nor as a script, nor where its own name leads here, as in DNS rebinding."""
    for method in ("POST", "PUT"):
        answer = daemon.ask("/-/reload", method, headers)
        assert (answer.status, b"browser" in answer.body) == (403, True)
    reason = ("netstat_exporter_http_requests_rejected_total", frozenset({("reason", "foreign_origin")}))
    wait_until(lambda: daemon.samples()[reason] > 0)
    assert daemon.ask(headers=headers).status == 200
