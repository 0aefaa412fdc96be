"""Keep the names that others have given: the kubelet to pods, and root to network namespaces.

They are listed when something new needs a name, not in every pass.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.kernel.netns_names import list_netns_names
from exporter.kernel.pods import MAX_PODS, Pod, list_pods
from exporter.kernel.procfs import ProcfsError
from exporter.sampling.namespace_names import GivenNames
from exporter.sampling.other_namespace import OtherNamespace
from exporter.sampling.reading.guard import HangError
from exporter.sampling.reading.reader import KernelReader

_PODS_SECONDS: Final = 10.0


class NameLists:
    """Remembers the lists; ``pods_error`` and ``netns_error`` are why one could not be read, or empty."""

    def __init__(self, reader: KernelReader, pod_logs: str) -> None:
        self.pods_error = ""
        self.netns_error = ""
        self._reader = reader
        self._pod_logs = pod_logs
        self._pods: Mapping[str, Pod] = {}
        self._pods_at = -math.inf
        self._netns: Mapping[int, bytes] = {}

    def update(self, known: Iterable[OtherNamespace], now: float) -> GivenNames:
        """Return the names for the namespaces that are known at ``now``, on the monotonic clock."""
        known = list(known)
        if any(each.name is None or each.name.has_pod_without_name for each in known):
            self._list_pods(now)
        # A number may be another namespace's by now, but then that one is new.
        if self.netns_error or any(each.found_at == now for each in known):
            self._list_netns()
        return GivenNames(self._pods, self._netns)

    def _list_pods(self, now: float) -> None:
        if now - self._pods_at < _PODS_SECONDS:
            return
        self._pods_at = now
        try:
            self._pods, is_complete = self._reader.read("pods", lambda _: list_pods(self._pod_logs))
        except (OSError, HangError) as error:  # an earlier list still holds: no uid is given twice
            self.pods_error = str(error)
        else:
            self.pods_error = "" if is_complete else f"{self._pod_logs}: more than {MAX_PODS} entries"

    def _list_netns(self) -> None:
        try:
            self._netns = self._reader.read("names of ip netns", list_netns_names)
        except (ProcfsError, HangError) as error:
            self._netns = {}
            self.netns_error = str(error)
        else:
            self.netns_error = ""
