"""The page says in words what is in other, how the exporter fares, and what its largest numbers are of."""

from dataclasses import replace

from exporter.config.settings import Ports, Settings
from exporter.sampling.labels import ListenerKey, NamespaceLabels, Samples
from exporter.sampling.snapshot import FoldedPort
from exporter.serving.sections import describe_other, describe_source, list_notes
from exporter.serving.tiles import Tile, list_tiles
from tests.support.status.snapshots import CONTEXT, make_snapshot, sockets, status_of


def test_other_is_explained_in_sentences() -> None:
    samples: dict[str, Samples] = {
        "netstat_sockets": sockets("established", 9, "other"),
        "netstat_exporter_ports_folded": {(): 2.0},
        "netstat_exporter_sockets_folded": {(): 8.0},
    }
    folded = (
        FoldedPort(15432, 5, is_over_limit=True),
        FoldedPort(9644, 1, is_over_limit=False, direction="outbound"),
    )
    context = replace(CONTEXT, settings=Settings(ports=Ports(limit=7)))
    status = status_of(replace(make_snapshot(samples), folded=folded), context=context)
    first, limit, _, examples = describe_other(status)
    assert first == "9 sockets of the host are counted with the port other."
    assert limit == "8 of them are at 2 ports over the limit of 7 (ports.limit)."
    assert examples == "For example: 15432 (5, over the limit), outbound 9644 (1)."
    assert list(describe_other(status_of(make_snapshot({})))) == []


def test_where_the_configuration_is_from() -> None:
    texts = [
        describe_source(status_of(make_snapshot({}), context=context))
        for context in (
            CONTEXT,
            replace(CONTEXT, config_file="/etc/c.yaml"),
            replace(CONTEXT, config_file="/etc/c.yaml", is_reloaded=False),
        )
    ]
    assert texts == [
        "No file is given: these are the defaults.",
        "From /etc/c.yaml.",
        "/etc/c.yaml was wrong at the last reload: this is the configuration before.",
    ]


def test_notes_have_what_was_lost_and_not_read() -> None:
    samples: dict[str, Samples] = {
        "netstat_exporter_untracked_sockets": {(): 0.0},
        "netstat_exporter_network_namespaces": {("read",): 5.0, ("over_limit",): 1200.0, ("excluded",): 0.0},
    }
    status = status_of(make_snapshot(samples), context=replace(CONTEXT, log_lines_lost=3))
    assert list(list_notes(status)) == [
        "log lines lost: 3",
        "sockets not tracked: 0",
        "network namespaces read: 5",
        "network namespaces over limit: 1,200",
    ]


def test_tiles_have_the_worst_of_each_kind() -> None:
    queue = ListenerKey("tcp", "ipv4", "8080", "checkout")
    pod = NamespaceLabels("shop/web", "shop", "web")
    leaking = {
        "netstat_sockets": sockets("close_wait", 25),
        "netstat_stuck_sockets": sockets("close_wait", 21),
        "netstat_oldest_socket_age_seconds": sockets("close_wait", 61),
    }
    status = status_of(
        make_snapshot(
            {
                "netstat_sockets": sockets("listen", 1),
                "netstat_accept_queue_length": {queue: 5},
                "netstat_accept_queue_limit": {queue: 4},
                "netstat_accept_queue_utilization_ratio": {queue: 1.25},
                "netstat_tcp_memory_bytes": {(): 2**20},
                "netstat_tcp_memory_limit_bytes": {(): 2**30},
            },
            pods={pod: leaking},
        )
    )
    assert list(list_tiles(status)) == [
        Tile("Stuck in CLOSE_WAIT", "21", "shop/web, inbound 8080 (name-8080), oldest 1m 1s", "warning"),
        Tile("Fullest accept queue", "125 %", "8080 (name-8080): 5 of 4", "critical"),
        Tile("TCP memory", "0.1 %", "1.0 MiB of 1.0 GiB", "ok"),
    ]


def test_without_a_leak_the_first_tile_says_so() -> None:
    assert list(list_tiles(status_of(make_snapshot({})))) == [
        Tile("Stuck in CLOSE_WAIT", "0", "no socket is in CLOSE_WAIT", "ok")
    ]
