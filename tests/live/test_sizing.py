"""docs/sizing.md says how many series there are: as many as real listeners and connections bring.

``make golden`` writes its table again.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from exporter.config.settings import Settings, Switch
from exporter.sampling.collectors import COLLECTORS
from exporter.sampling.sampler import METRICS
from exporter.serving.metrics import ReloadStatus, Status
from exporter.serving.page import encode_text
from tests.support.daemon import ROOT, parse_page
from tests.support.live.namespace import SERVER_ADDRESSES, Namespace, inside, two_hosts
from tests.support.live.sampling import make_sampler

pytestmark = pytest.mark.live

SIZING = ROOT / "docs" / "sizing.md"
MARKED = re.compile(r"(?<=<!-- sizes -->\n).*(?=<!-- /sizes -->)", re.DOTALL)
FIRST_TCP, FIRST_UDP = 21000, 22000
FAMILIES = (socket.AF_INET, socket.AF_INET6)
MOST_SERIES = 660
PASSES = 3


class Size(NamedTuple):
    """How many services there are, each with a socket for IPv4 and one for IPv6, or with one for both."""

    tcp: int
    udp: int
    dual_stack: bool

    @property
    def title(self) -> str:
        """The head of its column."""
        sockets = "one socket" if self.dual_stack else "two sockets"
        return f"{self.tcp} TCP and {self.udp} UDP, {sockets} each"


class Page(NamedTuple):
    """The series of a page by what brings them, and its bytes."""

    series: Mapping[str, int]
    size_bytes: int


SIZES = tuple(Size(tcp, udp, dual) for tcp, udp in ((20, 10), (70, 30)) for dual in (True, False))
ITSELF = "the exporter itself"


@contextmanager
def serving(size: Size, server: Namespace, client: Namespace) -> Iterator[None]:
    """Let every socket of TCP have a connection from another host, and those of UDP none."""
    with ExitStack() as held:
        for family in FAMILIES[size.dual_stack :]:
            with inside(server.path):
                listeners = [held.enter_context(listen(number, family, size)) for number in range(size.tcp)]
                for number in range(size.udp):
                    held.enter_context(receive(number, family, size))
            address = SERVER_ADDRESSES[FAMILIES.index(family)]
            with inside(client.path):
                for number in range(size.tcp):
                    held.enter_context(socket.create_connection((address, FIRST_TCP + number)))
            for listener in listeners:
                held.enter_context(listener.accept()[0])
        yield


def listen(number: int, family: socket.AddressFamily, size: Size) -> socket.socket:
    """Return the listener of a service."""
    return socket.create_server(("", FIRST_TCP + number), family=family, dualstack_ipv6=size.dual_stack)


def receive(number: int, family: socket.AddressFamily, size: Size) -> socket.socket:
    """Return the UDP socket of a service."""
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not size.dual_stack)
    receiver.bind(("", FIRST_UDP + number))
    return receiver


def measure(size: Size) -> Page:
    """Return the page of a host with so many services and default settings, when passes go on."""
    with two_hosts() as (server, client), serving(size, server, client), inside(server.path):
        # How many owners of processes there are depends on where the tests run.
        sampler = make_sampler(Settings(open_files=Switch(enabled=False)))
        for _ in range(PASSES):
            snapshot = sampler.take_snapshot()
    text = encode_text(snapshot, Status(ReloadStatus(successful=True, success_at_seconds=0.0)))
    series = {
        name: sum(len(snapshot.samples.get(metric.name, ())) for metric in collector.metrics)
        for name, collector in COLLECTORS.items()
    }
    everything = len(parse_page(text.decode()))
    return Page({**series, ITSELF: everything - sum(series.values())}, len(text))


def render(pages: Mapping[Size, Page]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"| series of | {' | '.join(size.title for size in pages)} | switch |"
    yield f"|---|{'---|' * len(pages)}---|"
    for name in (*COLLECTORS, ITSELF):
        numbers = " | ".join(str(page.series[name]) for page in pages.values())
        can_be_off = name in Settings.__dataclass_fields__
        yield f"| {name.replace('_', ' ')} | {numbers} | {f'`{name}.enabled`' if can_be_off else ''} |"
    yield f"| **all** | {' | '.join(str(sum(page.series.values())) for page in pages.values())} | |"
    kilobytes = " | ".join(str(round(page.size_bytes, -4) // 1000) for page in pages.values())
    yield f"| kB of text | {kilobytes} | |"


@pytest.mark.usefixtures("isolation")
def test_sizes_are_those_of_real_hosts(request: pytest.FixtureRequest) -> None:
    """Each column is measured; the bytes, which depend on how long numbers are, to ten thousand."""
    pages = {size: measure(size) for size in SIZES}
    table = "".join(f"{line}\n" for line in render(pages))
    if request.config.getoption("--update-golden"):
        SIZING.write_text(MARKED.sub(lambda _: table, SIZING.read_text()))
    (found,) = MARKED.findall(SIZING.read_text())
    assert table == found
    assert all(sum(pages[size].series.values()) <= MOST_SERIES for size in SIZES[:2])
    assert len(METRICS) <= sum(pages[SIZES[0]].series.values())
