"""Show open files and their limit by owner; at the limit accept() fails.

A leak of connections ends its process there, whether or not a table still lists what was leaked: a connection
that the other side reset is in no table, and its descriptor is still open.

In another network namespace it is the fullest of all its processes, under the owner of the namespace.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from exporter.config.settings import Settings
from exporter.sampling.collectors.collector import Collector, Pass
from exporter.sampling.labels import UNKNOWN_OWNER, Metric, Samples
from exporter.sampling.reading.reader import FILE_SECONDS
from exporter.sampling.services.expiring import ExpiringSet
from exporter.sampling.services.open_files import FileUsage, FileUsages, Limits, NamespaceFiles
from exporter.sampling.services.series import SERIES_KEPT_SECONDS, SPARSE_KEPT_SECONDS

_SHARE_OF_BUDGET: Final = 0.014  # 3.5 ms at the default interval and budget
_ROUND_INTERVALS: Final = 3


class OpenFiles(Collector):
    """Remembers who had listeners or tracked sockets within an hour.

    It has no sockets tracked by itself: where ages and owners are disabled, it knows the listeners only.
    """

    name = "open_files"
    metrics: ClassVar = (
        Metric(
            "netstat_owner_open_files",
            "Open files of the process nearest to its limit, by owner of listeners or tracked sockets "
            "(size of /proc/PID/fd, Linux 6.2 or newer).",
            ("owner",),
        ),
        Metric(
            "netstat_owner_open_files_limit",
            "Maximum number of open files of the process nearest to its limit, by owner of listeners or "
            'tracked sockets (soft limit "Max open files" in /proc/PID/limits).',
            ("owner",),
        ),
    )

    needs_listeners = True
    in_every_namespace = True

    def __init__(self) -> None:
        self._usages = FileUsages()
        self._cgroups = ExpiringSet[int](SERIES_KEPT_SECONDS)
        self._files = NamespaceFiles()
        self._needed_at = -math.inf

    @staticmethod
    def is_enabled(settings: Settings) -> bool:
        """Return whether the settings enable it."""
        return settings.open_files.enabled

    def collect(self, seen: Pass) -> Mapping[str, Samples]:
        """Return the open files of each owner that could be looked at until now."""
        usages = self._look_at_host(seen) if seen.is_host else self._look_at_namespace(seen)
        return {
            "netstat_owner_open_files": {(owner,): usage.open for owner, usage in usages.items()},
            "netstat_owner_open_files_limit": {(owner,): usage.limit for owner, usage in usages.items()},
        }

    def _look_at_host(self, seen: Pass) -> Mapping[str, FileUsage]:
        listening = {listener.cgroup_id for listeners in seen.listeners.values() for listener in listeners}
        tracked = {group.cohort.cgroup_id for each in seen.tracked.values() for group in each.groups}
        known = (listening | tracked) - {0}
        lived = self._usages.cgroups
        if lived is not None:  # or cgroups that are gone add up for an hour
            self._cgroups.discard(each for each in self._cgroups if each not in lived)
        self._cgroups.see(known, seen.now)
        if not self._cgroups:
            return {}
        limits = _limits_of(seen.settings)
        return seen.reader.read(
            self.name,
            lambda procfs: self._usages.update(procfs, self._cgroups, limits, seen.now),
            limits.seconds + FILE_SECONDS,
        )

    def _look_at_namespace(self, seen: Pass) -> Mapping[str, FileUsage]:
        found = seen.found
        has_listeners = any(count.listeners for count in seen.counts.values())
        if has_listeners or any(tracked.groups for tracked in seen.tracked.values()):
            self._needed_at = seen.now
        if found is None or seen.now - self._needed_at > SPARSE_KEPT_SECONDS:
            return {}
        usage = seen.reader.read(self.name, lambda procfs: self._files.update(procfs, found))
        return {seen.owner or UNKNOWN_OWNER: usage} if usage else {}


def _limits_of(settings: Settings) -> Limits:
    seconds = settings.interval_seconds * settings.cpu_budget * _SHARE_OF_BUDGET
    if math.isinf(settings.cpu_budget):  # no later pass goes on
        seconds = settings.timeout_seconds
    return Limits(settings.owners.limit, seconds, _ROUND_INTERVALS * settings.interval_seconds)
