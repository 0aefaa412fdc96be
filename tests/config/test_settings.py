"""The tree has every key, and config.example.yaml is that tree with its defaults."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import pytest

from exporter.config.keys import keys_of
from exporter.config.loader import ConfigError, load, parse
from exporter.config.nodes import Mapping, Node, Scalar, read_yaml
from exporter.config.settings import (
    MOVED,
    TRACKABLE_STATES,
    Ages,
    ClosedConnections,
    Idle,
    Memory,
    Namespaces,
    Owners,
    Peaks,
    Ports,
    Settings,
    Switch,
    Tracked,
)
from tests.support.daemon import ROOT

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXAMPLE = ROOT / "config.example.yaml"
KEYS = ", ".join(keys_of(Settings))
OFF = Switch(enabled=False)


def problems_of(content: bytes) -> tuple[str, ...]:
    """Return what is wrong with a configuration called ``c``."""
    with pytest.raises(ConfigError) as caught:
        parse(content, "c")
    return caught.value.problems


def paths_of_tree(settings: "DataclassInstance", path: str = "") -> Iterator[str]:
    """Yield the path of each key of a tree of settings, in its order."""
    for word, declared in keys_of(type(settings)).items():
        value = getattr(settings, declared.name)
        yield f"{path}{word}"
        if is_dataclass(value) and not isinstance(value, type):
            yield from paths_of_tree(value, f"{path}{word}.")


def paths_of_file(node: Node, path: str = "") -> Iterator[str]:
    """Yield the path of each key of a file, in its order."""
    for key, value in node.pairs if isinstance(node, Mapping) else ():
        assert isinstance(key, Scalar)
        yield f"{path}{key.text}"
        yield from paths_of_file(value, f"{path}{key.text}.")


@pytest.mark.parametrize(
    "content", [b"", b"# only a comment\n", b"{}", b"null", b"ports:\n", b"ports: {names:}", b"peaks: null"]
)
def test_nothing_said_is_the_default(content: bytes) -> None:
    assert Settings() == parse(content, "c")


def test_example_shows_every_key_in_order_with_its_default() -> None:
    assert Settings() == load(str(EXAMPLE))
    assert list(paths_of_tree(Settings())) == list(paths_of_file(read_yaml(EXAMPLE.read_bytes())))


def test_example_is_easy_to_read() -> None:
    assert [] == [line for line in EXAMPLE.read_text().splitlines() if len(line) > 110]


def test_every_key_is_read() -> None:
    content = b"""
        interval: 1m30s
        max_interval: 2m
        cpu_budget: 1
        timeout: 500ms
        source: netlink
        tables: [unix, raw6]
        ports:
          names: {8443: api-gateway, 30000-30002: nodeport, 30001: admin, 443: "quoted: name"}
          always: [22, 443]
          limit: 7
        tracked: {states: [fin_wait2, time_wait], limit: 10}
        ages: {enabled: false, stuck_after: 5m}
        owners: {enabled: false, by: unit, limit: 9}
        open_files: {enabled: false}
        unanswered: {enabled: false}
        idle: {enabled: false, after: 10m, every: 5m}
        queues: {enabled: false}
        accept_queues: {enabled: false}
        listeners: {enabled: false}
        ephemeral_ports: {enabled: false}
        limits: {enabled: false}
        tcp_counters: {enabled: false}
        closed_connections: {enabled: true, cpu_budget: 0.5}
        memory: {enabled: false, when: always, every: 30s}
        udp_drops: {enabled: false}
        peaks: {enabled: false, states: [listen], window: 5m}
        namespaces: {enabled: false, limit: 8, ports_limit: 6, max_age: 1m, include: [a/*], exclude: ["*"]}
    """
    names = {8443: "api-gateway", 30000: "nodeport", 30001: "admin", 30002: "nodeport", 443: "quoted: name"}
    expected = Settings(
        interval_seconds=90.0,
        max_interval_seconds=120.0,
        cpu_budget=1.0,
        timeout_seconds=0.5,
        source="netlink",
        tables=("unix", "raw6"),
        ports=Ports(names=names, always=(22, 443), limit=7),
        tracked=Tracked(states=("fin_wait2", "time_wait"), limit=10),
        ages=Ages(enabled=False, stuck_after_seconds=300.0),
        owners=Owners(enabled=False, by="unit", limit=9),
        open_files=OFF,
        unanswered=OFF,
        idle=Idle(enabled=False, after_seconds=600.0, every_seconds=300.0),
        queues=OFF,
        accept_queues=OFF,
        listeners=OFF,
        ephemeral_ports=OFF,
        limits=OFF,
        tcp_counters=OFF,
        closed_connections=ClosedConnections(enabled=True, cpu_budget=0.5),
        memory=Memory(enabled=False, when="always", every_seconds=30.0),
        udp_drops=OFF,
        peaks=Peaks(enabled=False, states=("listen",), window_seconds=300.0),
        namespaces=Namespaces(
            enabled=False, limit=8, ports_limit=6, max_age_seconds=60.0, include=("a/*",), exclude=("*",)
        ),
    )
    assert expected == parse(content, "c")
    same = {
        name.name
        for name in fields(Settings)
        if getattr(expected, name.name) == getattr(Settings(), name.name)
    }
    assert set() == same


def test_every_problem_is_reported_at_once_with_its_place() -> None:
    content = b"""\
interval: 5
cpu_budgt: 0.05
timeout: 10s
timeout: 10s
tables: [tcp, tcp, udpx]
ports:
  names: {022: x, 22:22: y, 30000-32767: nodeport, 30005-30006: q, 80: other}
  always: [22, 65536, no]
  limit: 0
"""
    assert problems_of(content) == (
        "c:1:11: interval: '5' is not a duration from 100ms to 24h, such as 5s, 500ms or 1m30s",
        "c:2:1: cpu_budgt: unknown key; did you mean cpu_budget?",
        "c:4:1: timeout: given twice",
        "c:5:15: tables: tcp is given twice",
        "c:5:20: tables: 'udpx' is not one of tcp, tcp6, udp, udp6, udplite, udplite6, raw, raw6, unix",
        "c:7:11: ports.names: '022' is not a port or a range of ports, such as 8443 or 30000-32767",
        "c:7:19: ports.names: '22:22' is not a port or a range of ports, such as 8443 or 30000-32767",
        "c:7:52: ports.names.30005-30006: some of it is named already",
        "c:7:72: ports.names.80: 'other' is not a name of 1 to 64 printable characters, not other",
        "c:8:16: ports.always: '65536' is not a number from 1 to 65535",
        "c:8:23: ports.always: 'no' is not a number from 1 to 65535",
        "c:9:10: ports.limit: '0' is not a number from 1 to 10000",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<<: {limit: 1}", f"c:1:1: <<: unknown key; allowed: {KEYS}"),
        (b"[]", "c:1:1: must be a mapping of keys to values"),
        (b"5", "c:1:1: must be a mapping of keys to values"),
        (b"tables: []", "c:1:9: tables: must have at least 1"),
        (b"tables: tcp", "c:1:9: tables: must be a list"),
        (b"interval: {a: 1}", "c:1:11: interval: a mapping is not a duration"),
        (b"timeout: 99ms", "c:1:10: timeout: '99ms' is not a duration"),
        (b"timeout: ''", "c:1:10: timeout: '' is not a duration"),
        (b"cpu_budget: 0", "c:1:13: cpu_budget: '0' is not a share over 0"),
        (b"source: fast", "c:1:9: source: 'fast' is not one of auto, procfs, netlink"),
        (b"ports: {limit: 10001}", "c:1:16: ports.limit: '10001' is not a number from 1 to 10000"),
        (b"ports: {always: [null]}", "c:1:18: ports.always: 'null' is not a number from 1 to 65535"),
        (
            b"tracked: {states: [listen]}",
            "c:1:20: tracked.states: 'listen' is not one of established, syn_sent",
        ),
        (b"tracked: {states: []}", "c:1:19: tracked.states: must have at least 1; to switch off"),
        (b"tracked: {limit: 0}", "c:1:18: tracked.limit: '0' is not a number from 1 to 1000000"),
        (b"tracked: {limit: 1e+06}", "c:1:18: tracked.limit: '1e+06' is not a number from 1 to 1000000"),
        (b"owners: {by: root}", "c:1:14: owners.by: 'root' is not one of auto, unit, process"),
        (b"limits: {enabled: yes}", "c:1:19: limits.enabled: 'yes' is not true or false"),
        (b"limits: {enabled: True}", "c:1:19: limits.enabled: 'True' is not true or false"),
        (b"udp_drops: 1", "c:1:12: udp_drops: must be a mapping of keys to values, such as {enabled: false}"),
        (b"peaks: {states: [TIME_WAIT]}", "c:1:18: peaks.states: 'TIME_WAIT' is not one of established"),
        (
            b"peaks: {states: []}",
            "c:1:17: peaks.states: must have at least 1; to switch it off, use peaks.enabled: false",
        ),
        (b"peaks: {window: 1}", "c:1:17: peaks.window: '1' is not a duration"),
        (b"? [a]\n: b", "c:1:3: must be a single word or number"),
    ],
)
def test_problem_has_its_place_and_what_is_allowed(content: bytes, problem: str) -> None:
    assert problems_of(content)[0].startswith(problem)


def test_any_state_of_tcp_but_listen_can_be_tracked() -> None:
    assert ("established", "syn_sent", "close_wait") == tuple(
        state for state in TRACKABLE_STATES if state in {"established", "syn_sent", "close_wait", "listen"}
    )
    assert 10 == len(TRACKABLE_STATES)


def test_keys_of_the_first_version_name_the_new_ones() -> None:
    content = b"""\
stuck:
  states: []
  after: 60s
  limit: 200000
owners:
  by: none
room: true
drops: true
peaks:
  states: []
"""
    assert problems_of(content) == (
        "c:1:1: stuck: this key is now tracked and ages",
        "c:2:3: stuck.states: this key is now tracked.states",
        "c:3:3: stuck.after: this key is now ages.stuck_after",
        "c:4:3: stuck.limit: this key is now tracked.limit",
        "c:6:7: owners.by: none is now owners.enabled: false",
        "c:7:1: room: this key is now limits.enabled and ephemeral_ports.enabled",
        "c:8:1: drops: this key is now udp_drops.enabled",
        "c:10:11: peaks.states: must have at least 1; to switch it off, use peaks.enabled: false",
    )


def test_what_a_key_is_now_is_a_key() -> None:
    named = {word for now in MOVED.values() for word in now.split(" and ")}
    assert named <= set(paths_of_tree(Settings()))
    assert MOVED.keys().isdisjoint(paths_of_tree(Settings()))
