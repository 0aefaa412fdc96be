"""Passes as capabilities see them, made of sockets that a test says."""

from collections.abc import Mapping
from pathlib import Path

from exporter.kernel.procfs import Procfs
from exporter.sampling.attribution import Attribution
from exporter.sampling.capability import Pass
from exporter.sampling.ports import PortRules
from exporter.sampling.series import Series
from exporter.sampling.settings import Settings
from exporter.sampling.snapshot import SocketKey
from exporter.sampling.watched import Group, Watched
from tests.support.procfs_tree import CAPTURED
from tests.support.sampling.watched import SETTINGS

SERIES = SocketKey("tcp", "ipv4", "close_wait", "inbound", "80", "http")
RULES = PortRules(SETTINGS.names, SETTINGS.always, SETTINGS.ports_limit, range(32768, 61000))


def watch(*keys: int, table: str = "tcp", cgroup_id: int | None = None, inode: int = 0) -> Watched:
    """Return sockets in CLOSE_WAIT at port 80; with an inode they have that one and those after it."""
    family = "ipv6" if table.endswith("6") else "ipv4"
    watched = Watched([Group(SERIES._replace(family=family), cgroup_id)])
    watched.keys.extend(keys)
    watched.inodes.extend(inode + index if inode else 0 for index in range(len(keys)))
    watched.places.extend([0] * len(keys))
    return watched


def pass_over(watched: Mapping[str, Watched], settings: Settings, now: float, root: Path = CAPTURED) -> Pass:
    """Return a pass that found these sockets, with a series for them in every table."""
    series = Series(Attribution(RULES, {80}, {}), 0)
    for family in ("ipv4", "ipv6"):
        series.sockets[SERIES._replace(family=family)] = 0
    procfs = Procfs(str(root))
    return Pass(
        settings,
        procfs,
        sources={},
        counts={},
        series=series,
        watched=watched,
        now=now,
        deadline=float("inf"),
    )
