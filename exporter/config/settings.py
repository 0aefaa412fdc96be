"""Define the configuration: one tree of frozen settings, each key with its reader, bounds and default.

``config.example.yaml`` says what each key means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exporter.config.keys import ENABLED, key, section
from exporter.config.port_names import LAST_PORT, read_port_names
from exporter.config.values import (
    read_choice,
    read_duration,
    read_flag,
    read_list,
    read_number,
    read_pattern,
    read_share,
)
from exporter.kernel import states
from exporter.kernel.tables import TABLES

AUTO: Final = "auto"
PROCFS: Final = "procfs"
NETLINK: Final = "netlink"
SOURCES: Final = (AUTO, PROCFS, NETLINK)

UNIT: Final = "unit"
PROCESS: Final = "process"
OWNERS_BY: Final = (AUTO, UNIT, PROCESS)

PRESSURE: Final = "pressure"
ALWAYS: Final = "always"
MEMORY_WHEN: Final = (PRESSURE, ALWAYS)

TRACKABLE_STATES: Final = tuple(name for code, name in states.TCP.items() if code != states.LISTEN)

MOVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "room": "limits.enabled and ephemeral_ports.enabled",
        "drops": "udp_drops.enabled",
        "stuck": "tracked and ages",
        "stuck.states": "tracked.states",
        "stuck.after": "ages.stuck_after",
        "stuck.limit": "tracked.limit",
    }
)
"""Keys of earlier versions, with what they are now."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A collector that can only be enabled or disabled."""

    enabled: bool = key(ENABLED, read_flag, default=True)


@dataclass(frozen=True, slots=True)
class Ports:
    """Which ports have which names, which are always shown, and how many at most have series of their own."""

    names: Mapping[int, str] = key("names", read_port_names, MappingProxyType({}))
    always: tuple[int, ...] = key("always", read_list(read_number(1, LAST_PORT)), ())
    limit: int = key("limit", read_number(1, 10_000), 100)


@dataclass(frozen=True, slots=True)
class Tracked:
    """Which states of TCP are followed socket by socket, and how many sockets at most."""

    states: tuple[str, ...] = key(
        "states",
        read_list(
            read_choice(TRACKABLE_STATES),
            when_empty="must have at least 1; to switch off what it is for, use ages.enabled: false and "
            "owners.enabled: false",
        ),
        ("close_wait",),
    )
    limit: int = key("limit", read_number(1, 1_000_000), 200_000)


@dataclass(frozen=True, slots=True)
class Ages:
    """How long a tracked socket may be in its state before it counts as stuck."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    stuck_after_seconds: float = key("stuck_after", read_duration, 60.0)


@dataclass(frozen=True, slots=True)
class Owners:
    """How the owners of tracked sockets are found, and how many at most have series of their own."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    by: str = key("by", read_choice(OWNERS_BY, moved={"none": "owners.enabled: false"}), AUTO)
    limit: int = key("limit", read_number(1, 10_000), 50)


@dataclass(frozen=True, slots=True)
class Idle:
    """For how long a connection must have had no data to be idle, and how often that is asked."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    after_seconds: float = key("after", read_duration, 3600.0)
    every_seconds: float = key("every", read_duration, 60.0)


@dataclass(frozen=True, slots=True)
class Memory:
    """When the memory of sockets is asked for, and how often."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    when: str = key("when", read_choice(MEMORY_WHEN), PRESSURE)
    every_seconds: float = key("every", read_duration, 60.0)


@dataclass(frozen=True, slots=True)
class ClosedConnections:
    """Whether the kernel's events of closed connections are read, and for what share of a core at most."""

    enabled: bool = key(ENABLED, read_flag, default=False)
    cpu_budget: float = key("cpu_budget", read_share, 0.02)


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of which states the highest counts are shown, and over how long."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    states: tuple[str, ...] = key(
        "states",
        read_list(
            read_choice(tuple(states.TCP.values())),
            when_empty="must have at least 1; to switch it off, use peaks.enabled: false",
        ),
        ("syn_recv", "time_wait", "close_wait"),
    )
    window_seconds: float = key("window", read_duration, 60.0)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Which other network namespaces are read, how many at most, and how old a reading may be."""

    enabled: bool = key(ENABLED, read_flag, default=True)
    limit: int = key("limit", read_number(1, 10_000), 500)
    ports_limit: int = key("ports_limit", read_number(1, 1000), 50)
    max_age_seconds: float = key("max_age", read_duration, 300.0)
    include: tuple[str, ...] = key("include", read_list(read_pattern), ())
    exclude: tuple[str, ...] = key("exclude", read_list(read_pattern), ())


@dataclass(frozen=True, slots=True)
class Settings:
    """What to read, from which source, how often, and at what cost.

    ``interval_seconds`` is the pause between passes. It is extended up to ``max_interval_seconds`` so that
    passes use at most ``cpu_budget`` of one core. A table that takes longer than ``timeout_seconds`` is
    skipped in that pass.
    """

    interval_seconds: float = key("interval", read_duration, 5.0)
    max_interval_seconds: float = key("max_interval", read_duration, 30.0)
    cpu_budget: float = key("cpu_budget", read_share, 0.05)
    timeout_seconds: float = key("timeout", read_duration, 10.0)
    source: str = key("source", read_choice(SOURCES), AUTO)
    tables: tuple[str, ...] = key(
        "tables",
        read_list(read_choice(tuple(TABLES)), when_empty="must have at least 1"),
        ("tcp", "tcp6", "udp", "udp6"),
    )
    ports: Ports = section("ports", Ports)
    tracked: Tracked = section("tracked", Tracked)
    ages: Ages = section("ages", Ages)
    owners: Owners = section("owners", Owners)
    open_files: Switch = section("open_files", Switch)
    unanswered: Switch = section("unanswered", Switch)
    idle: Idle = section("idle", Idle)
    queues: Switch = section("queues", Switch)
    accept_queues: Switch = section("accept_queues", Switch)
    listeners: Switch = section("listeners", Switch)
    ephemeral_ports: Switch = section("ephemeral_ports", Switch)
    limits: Switch = section("limits", Switch)
    tcp_counters: Switch = section("tcp_counters", Switch)
    closed_connections: ClosedConnections = section("closed_connections", ClosedConnections)
    memory: Memory = section("memory", Memory)
    udp_drops: Switch = section("udp_drops", Switch)
    peaks: Peaks = section("peaks", Peaks)
    namespaces: Namespaces = section("namespaces", Namespaces)
