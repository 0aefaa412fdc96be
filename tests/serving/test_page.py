"""What a snapshot has is on the page, line for line, and nothing else is."""

import asyncio
import dataclasses
import gzip
import math
import time
import zlib
from types import MappingProxyType

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter.sampling.labels import QueueKey, SocketKey
from exporter.sampling.sampler import METRICS
from exporter.sampling.snapshot import Snapshot
from exporter.serving.messages import Answer
from exporter.serving.metrics import OWN_METRICS, OwnCollector, ReloadStatus, Status
from exporter.serving.page import Pages, encode_text
from tests.support.daemon import Labels, parse_page

HTTPS = SocketKey("tcp", "ipv4", "established", "inbound", "443", 'a "quoted\\" name\n')
LEAK = SocketKey("tcp", "ipv6", "close_wait", "outbound", "631", "ipp")
QUEUE = QueueKey("tcp", "ipv4", "inbound", "443", "https")
STATUS = Status(
    ReloadStatus(successful=True, success_at_seconds=1.5),
    connections_rejected={"limit": 6},
    requests_rejected={"busy": 7},
    log_lines_lost=8,
    snapshot_age_seconds=9.5,
)


def make_snapshot(sockets: dict[tuple[str, ...], float]) -> Snapshot:
    """Return a snapshot with a gauge of whole numbers, one of others, a counter, and one without labels."""
    return Snapshot(
        number=1,
        taken_at_seconds=1000.25,
        taken_at_monotonic=7.0,
        samples=MappingProxyType(
            {
                "netstat_sockets": sockets,
                "netstat_receive_queue_bytes": {QUEUE: 2**63},
                "netstat_exporter_malformed_rows_total": {("tcp",): 1, ("udp",): 0},
                "netstat_exporter_table_success": {("tcp",): True, ("udp",): False},
                "netstat_exporter_pass_duration_seconds": {(): 0.75},
            }
        ),
        tables=(),
        collectors=(),
        duration_seconds=0.75,
        cpu_seconds=0.25,
        interval_seconds=5.0,
    )


SNAPSHOT = make_snapshot({LEAK: 1, HTTPS: 12})


def sample(name: str, value: float, **labels: str) -> tuple[tuple[str, Labels], float]:
    """Return a sample as ``parse_page`` does."""
    return (name, frozenset(labels.items())), value


def test_page_has_exactly_what_the_snapshot_has() -> None:
    expected = dict(
        [
            sample("netstat_sockets", 12, **HTTPS._asdict()),
            sample("netstat_sockets", 1, **LEAK._asdict()),
            sample("netstat_receive_queue_bytes", 2**63, **QUEUE._asdict()),
            sample("netstat_exporter_malformed_rows_total", 1, table="tcp"),
            sample("netstat_exporter_malformed_rows_total", 0, table="udp"),
            sample("netstat_exporter_table_success", 1, table="tcp"),
            sample("netstat_exporter_table_success", 0, table="udp"),
            sample("netstat_exporter_pass_duration_seconds", 0.75),
            sample("netstat_exporter_config_last_reload_successful", 1),
            sample("netstat_exporter_config_last_reload_success_timestamp_seconds", 1.5),
            sample("netstat_exporter_snapshot_age_seconds", 9.5),
            sample("netstat_exporter_http_connections_rejected_total", 6, reason="limit"),
            sample("netstat_exporter_http_requests_rejected_total", 7, reason="busy"),
            sample("netstat_exporter_log_lines_lost_total", 8),
        ]
    )
    found = parse_page(encode_text(SNAPSHOT, STATUS).decode())
    build_info = [key for key in found if key[0] == "netstat_exporter_build_info"]
    assert len(build_info) == 1
    assert {name for name, _ in build_info[0][1]} == {
        "version",
        "revision",
        "python_version",
        "implementation",
    }
    del found[build_info[0]]
    assert expected == found


def test_series_come_in_one_order_whatever_the_snapshots_order() -> None:
    other = make_snapshot({HTTPS: 12, LEAK: 1})
    assert encode_text(SNAPSHOT, STATUS) == encode_text(other, STATUS)


def test_every_help_is_a_sentence() -> None:
    for text in [metric.help for metric in (*METRICS, *OWN_METRICS)]:
        assert text[0].isupper()
        assert text.endswith(".")


class Site:
    """A site whose snapshot can be set, and that is asked for its own status at every scrape."""

    def __init__(self, cpu_budget: float = math.inf) -> None:
        self.charged: list[float] = []
        self.snapshot: Snapshot | None = None
        self.age_seconds: float | None = None
        self.failure: Exception | None = None
        own = CollectorRegistry()
        own.register(OwnCollector(self.status))
        self.pages = Pages(lambda: self.snapshot, own, self.show_age, lambda: cpu_budget, self.charged.append)

    def take(self, snapshot: Snapshot, age_seconds: float = 0) -> None:
        """Have a snapshot that was taken so long ago."""
        self.snapshot = dataclasses.replace(snapshot, taken_at_monotonic=time.monotonic() - age_seconds)

    def show_age(self, age_seconds: float | None) -> None:
        """Have the status show an age."""
        self.age_seconds = age_seconds

    def status(self) -> Status:
        """Stand for the exporter's own status."""
        if self.failure:
            raise self.failure
        return Status(STATUS.reload, snapshot_age_seconds=self.age_seconds)

    def get(self, *asked: tuple[str, str]) -> list[Answer]:
        """Get pages, all at the same time."""

        async def get_all() -> list[Answer]:
            return await asyncio.gather(*(self.pages.get(accept, encoding) for accept, encoding in asked))

        return asyncio.run(get_all())


def read(answer: Answer) -> str:
    """Return the text of a page."""
    body = b"".join(answer.parts)
    return (gzip.decompress(body) if "Content-Encoding" in answer.headers else body).decode()


def age(answer: Answer) -> float:
    """Return the age of the snapshot on a page."""
    return parse_page(read(answer))["netstat_exporter_snapshot_age_seconds", frozenset()]


def test_a_snapshot_is_encoded_once_for_everybody_and_a_new_one_again() -> None:
    """Whoever asks gets the very same bytes of it, not a copy; so it is for each format."""
    site = Site()
    site.take(SNAPSHOT)

    async def scrape() -> None:
        pages = await asyncio.gather(*(site.pages.get("", "") for _ in range(50)))
        assert len({id(page.parts[0]) for page in pages}) == 1
        for asked in (("", "gzip"), ("application/openmetrics-text", "")):
            first, second = [await site.pages.get(*asked) for _ in range(2)]
            assert first.parts[-2] is second.parts[-2]
            assert first.parts[-2] is not pages[0].parts[0]
        site.take(make_snapshot({}))
        assert 'port="631"' not in read(await site.pages.get("", ""))

    asyncio.run(scrape())


def test_the_age_of_the_snapshot_is_that_of_the_moment() -> None:
    """It grows from scrape to scrape, though the page of the snapshot is encoded once."""
    site = Site()
    site.take(SNAPSHOT, age_seconds=100)

    async def scrape() -> None:
        first = age(await site.pages.get("", ""))
        assert first >= 100
        await asyncio.sleep(0.2)
        assert first + 0.2 <= age(await site.pages.get("", "")) < first + 100

    asyncio.run(scrape())


def test_encoding_keeps_to_the_cpu_budget() -> None:
    """Until it may be done again, the page is that of the snapshot before, and its age says so."""
    site = Site(cpu_budget=1e-9)
    site.take(SNAPSHOT, age_seconds=100)

    async def scrape() -> None:
        assert 'port="631"' in read(await site.pages.get("", ""))
        site.take(make_snapshot({}))
        later = await site.pages.get("", "")
        assert 'port="631"' in read(later)
        assert age(later) >= 100
        (cpu_seconds,) = site.charged  # into the budget of the passes
        assert cpu_seconds > 0

    asyncio.run(scrape())


def test_gzip_holds_the_same_page() -> None:
    """It is put together from two parts, and is one stream to whoever unzips it."""
    site = Site()
    site.take(SNAPSHOT)
    plain, zipped = site.get(("", ""), ("", "gzip"))
    assert drop_age(read(plain)) == drop_age(read(zipped))
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert unzip.decompress(b"".join(zipped.parts)).decode() == read(zipped)
    assert unzip.eof
    assert unzip.unused_data == b""


def drop_age(text: str) -> list[str]:
    """Return the lines of a page but for the age of its snapshot."""
    return [line for line in text.splitlines() if not line.startswith("netstat_exporter_snapshot_age")]


def test_before_the_first_snapshot_a_page_has_what_the_exporter_says_of_itself() -> None:
    (page,) = Site().get(("", ""))
    names = {name for name, _ in parse_page(read(page))}
    assert "netstat_exporter_build_info" in names
    assert "netstat_sockets" not in names


def test_openmetrics_is_given_to_whom_it_is_wanted() -> None:
    site = Site()
    site.take(SNAPSHOT)
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    (page,) = site.get((prometheus, ""))
    assert page.headers["Content-Type"].startswith(
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    families = {family.name for family in parse_openmetrics(read(page))}  # type: ignore[no-untyped-call]
    assert {"netstat_sockets", "netstat_exporter_passes"} <= families
    assert read(page).count("# EOF\n") == 1


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html",
        ";;;,,,=",
        "application/openmetrics-text;version=x.y",
        "text/plain;version=;",
        "\xff",
    ],
)
def test_whatever_is_accepted_there_is_a_page(accept: str) -> None:
    (page,) = Site().get((accept, ""))
    assert page.headers["Content-Type"].split(";")[0] in {"text/plain", "application/openmetrics-text"}
    assert read(page)


def test_a_page_that_cannot_be_encoded_is_tried_again() -> None:
    site = Site()
    site.failure = MemoryError()

    async def scrape() -> None:
        with pytest.raises(MemoryError):
            await site.pages.get("", "")
        site.failure = None
        assert read(await site.pages.get("", ""))

    asyncio.run(scrape())
