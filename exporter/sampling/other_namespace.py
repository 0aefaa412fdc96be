"""Read one network namespace beside the host's own, when something has changed in it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from exporter.config.settings import PROCFS, Settings
from exporter.kernel.namespaces import (
    Fingerprint,
    NamespaceGoneError,
    NamespaceProcfs,
    find_filled,
    read_fingerprint,
)
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling.labels import Samples, SocketKey
from exporter.sampling.namespace_names import GivenNames, NamespaceName, name_namespace
from exporter.sampling.namespace_sampler import NamespaceSampler
from exporter.sampling.reading.guard import DirectReads
from exporter.sampling.reading.namespace_finder import FoundNamespace
from exporter.sampling.reading.reader import KernelReader
from exporter.sampling.services.counting import Counters
from exporter.sampling.services.ports import PortRules

_PROCESSES_TRIED: Final = 3
_YOUNG_PASSES: Final = 3
_PASSES_OF_A_NAME: Final = 12
_RETRY_SECONDS: Final = 60
_WAITING: Final = "netstat_accept_queue_length"
_SOCKETS: Final = "netstat_sockets"
_FOLDED: Final = "netstat_exporter_ports_folded"
_PORT: Final = SocketKey._fields.index("port")


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What a pass needs to read other namespaces; ``now`` is on the monotonic clock."""

    settings: Settings
    rules: PortRules
    counters: Counters
    now: float


class OtherNamespace:
    """What was read of a namespace, and when.

    ``found_at``, ``checked_at``, ``tried_at`` and ``read_at`` are on the monotonic clock. ``is_gone`` is
    whether it has ended since it was found. ``label`` is its name, with a number where ``base_label``, the
    name alone, is that of others, too. ``ports`` is how many would have series if there were no limit.
    """

    __slots__ = (
        "_fingerprint",
        "_passes",
        "_ports_limit",
        "_procfs",
        "_read",
        "_sampler",
        "_table_error",
        "access_error",
        "base_label",
        "checked_at",
        "found",
        "found_at",
        "is_gone",
        "label",
        "name",
        "ports",
        "read_at",
        "samples",
        "totals",
        "tried_at",
    )

    def __init__(self, root: str, found: FoundNamespace, now: float) -> None:
        self.found = found
        self.name: NamespaceName | None = None
        self.label = self.base_label = ""
        self.samples: Mapping[str, Samples] = {}
        self.totals: Mapping[str, float] = {}
        self.access_error: Exception | None = None
        self._table_error: Exception | None = None
        self.is_gone = False
        self.found_at = now
        self.checked_at = self.tried_at = self.read_at = -math.inf
        self._procfs = NamespaceProcfs(root, found.inode)
        self._sampler: NamespaceSampler | None = None
        self._fingerprint: Fingerprint | None = None
        self._read: Fingerprint | None = None
        self.ports = 0
        self._passes = self._ports_limit = 0

    @property
    def number(self) -> int:
        """What identifies it, even if its inode is used again."""
        return self.found.number

    @property
    def error(self) -> Exception | None:
        """Why it could not be read, or not the whole of it."""
        return self.access_error or self._table_error

    def is_changed(self, ports_limit: int, now: float) -> bool:
        """Return whether something has happened since it was read; accept() leaves no trace but in the queue.

        Or it shows more ports than it may by now. Tables that failed are not read again at once: what they
        cost others lack.
        """
        if self._table_error is not None:
            return now - self.tried_at >= _RETRY_SECONDS
        return (
            self._read is None
            or self._read != self._fingerprint
            or _WAITING in self.samples
            or min(self.ports, self._ports_limit) > ports_limit
        )

    @property
    def tracked_sockets(self) -> int:
        """The number of sockets that are remembered one by one."""
        return self._sampler.tracked_sockets if self._sampler else 0

    def count_pass(self) -> bool:
        """Count a pass, and return whether to look for the name in it.

        That is at first, and now and then, as its process may change its cgroup.
        """
        self._passes += 1
        return (
            self.name is None
            or self._passes <= _YOUNG_PASSES
            or (self._passes + self.number) % _PASSES_OF_A_NAME == 0
            or self.name.has_pod_without_name
        )

    def find_name(self, procfs: Procfs, names: GivenNames) -> None:
        """Find its name; a pod whose folder of logs is gone keeps it."""
        try:
            name = name_namespace(procfs, self.found, names)
        except ProcfsError as error:
            self._note(error)
            return
        if name is None:
            self.is_gone = True
        elif not (name.has_pod_without_name and self.name is not None and self.name.owner == name.owner):
            self.name = name

    def check(self, now: float) -> None:
        """Find out whether something has changed."""
        self.checked_at = now
        for pid in self.found.processes[:_PROCESSES_TRIED]:
            try:
                with self._procfs.opened(pid):
                    self._fingerprint = read_fingerprint(self._procfs)
            except ProcfsError as error:
                self._note(error)
            else:
                self._note(None)
                return

    def read(self, plan: ReadPlan, tracked_limit: int) -> None:
        """Read and count its tables; at most so many sockets are tracked."""
        self.tried_at = plan.now
        settings = replace(plan.settings, tracked=replace(plan.settings.tracked, limit=tracked_limit))
        if self._sampler is None:
            self._sampler = NamespaceSampler(KernelReader(self._procfs, PROCFS, DirectReads()), is_host=False)
        for pid in self.found.processes[:_PROCESSES_TRIED]:
            try:
                with self._procfs.opened(pid):
                    self._sample(plan, settings, self._sampler)
            except ProcfsError as error:
                self._note(error)
            else:
                self._note(None)
                return

    def age(self, now: float) -> None:
        """Let time pass where nothing happens: sockets in tracked states grow older."""
        if self._sampler is not None and (aged := self._sampler.age(now)):
            self.samples = {**self.samples, **_choose_shown(aged)}

    def _note(self, error: ProcfsError | None) -> None:
        self.is_gone = isinstance(error, NamespaceGoneError)
        self.access_error = None if self.is_gone else error

    def _sample(self, plan: ReadPlan, settings: Settings, sampler: NamespaceSampler) -> None:
        fingerprint = read_fingerprint(self._procfs)
        empty = set(settings.tables).difference(find_filled(fingerprint))
        owner = self.name.owner if self.name else ""
        readings, samples, outcomes, _ = sampler.sample(
            settings, plan.rules, plan.counters, plan.now, owner=owner, found=self.found, empty=empty
        )
        failed = [reading.error for reading in readings.values()] + [outcome.error for outcome in outcomes]
        self._table_error = next(filter(None, failed), None)
        if self._table_error is not None:
            self._procfs.check_there()
        self.samples = _choose_shown(samples)
        self.totals = {
            name: found[()] for name, found in samples.items() if _is_about_exporter(name) and found[()]
        }
        shown = {key[_PORT] for key in self.samples.get(_SOCKETS, {})}
        self.ports = len(shown) + int(self.totals.get(_FOLDED, 0))
        self._ports_limit = plan.rules.limit
        if self._table_error is None:
            self.read_at, self._read = plan.now, fingerprint


def _choose_shown(samples: Mapping[str, Samples]) -> dict[str, Samples]:
    """Return the samples that have labels of a namespace, without those of which there are none."""
    return {name: found for name, found in samples.items() if found and not _is_about_exporter(name)}


def _is_about_exporter(metric: str) -> bool:
    return metric.startswith("netstat_exporter_")
