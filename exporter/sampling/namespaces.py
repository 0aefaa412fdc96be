"""Sample all network namespaces but the host's own, within a share of the CPU budget.

Every pass finds the namespaces and compares their fingerprints. The tables are read where something has
changed, the one that was read the longest ago first, and of the others as many that each is read within
``namespaces.max_age``: queues change without a trace in the fingerprint. What does not fit is deferred to a
later pass. So neither the host's own tables nor other namespaces wait for one that is expensive.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from exporter.config.settings import UNIT, Settings
from exporter.kernel.procfs import Procfs
from exporter.kernel.tables import TABLES
from exporter.sampling.known_namespaces import KnownNamespaces, choose, fit_ports, label
from exporter.sampling.name_lists import NameLists
from exporter.sampling.namespace_results import RESULTS, Found, add_up, gather, measure
from exporter.sampling.namespace_schedule import Schedule
from exporter.sampling.other_namespace import OtherNamespace, ReadPlan
from exporter.sampling.passes import Outcome
from exporter.sampling.reading.batches import MOST_HANGS, Batches
from exporter.sampling.reading.namespace_finder import MAX_QUESTIONS, FoundNamespace, NamespaceFinder, Search
from exporter.sampling.reading.reader import FILE_SECONDS, KernelReader
from exporter.sampling.services.counting import Counters
from exporter.sampling.services.ports import PortRules

log = structlog.get_logger()

NAME: Final = "namespaces"
TABLE_SECONDS: Final = 1.0
"""The timeout of a table of another namespace."""

_EVERY_PROCESS: Final = 1 << 30
_LEAST_SHARE: Final = 2.0  # of what it costs to find them: something is left for reading in any case
_SHARE_OF_NAMES: Final = 0.25
_SHARE_OF_CHECKS: Final = 0.5
_LONGEST_BATCH_SECONDS: Final = 60.0
_HIDDEN: Final = "processes of other users are hidden: hidepid of the procfs, or ProtectProc= of the unit"


class Namespaces:
    """Remembers the namespaces from pass to pass; ``pod_logs`` is where the kubelet has the logs of pods."""

    def __init__(self, reader: KernelReader, root: str, pod_logs: str) -> None:
        self._reader = reader
        self._lists = NameLists(reader, pod_logs)
        self._finder = NamespaceFinder()
        self._known = KnownNamespaces(root)
        self._batches = Batches[OtherNamespace](reader, "network namespaces")
        self._rules: tuple[PortRules, PortRules] | None = None  # the host's, and those of namespaces
        self._own_counters: Counters | None = None
        self._debt_seconds = 0.0
        self._schedule = Schedule()
        self._problems = set[str]()

    @staticmethod
    def longest_pass_seconds(allowed_seconds: float) -> float:
        """Return the longest time of a pass that may use so much CPU time."""
        return 3 * MOST_HANGS * _batch_seconds(allowed_seconds) + 3 * FILE_SECONDS

    def sample(
        self, settings: Settings, rules: PortRules, counters: Counters, now: float, allowed_seconds: float
    ) -> Found:
        """Read what is due; ``allowed_seconds`` is the CPU time to use, on average over passes.

        ``rules`` and ``counters`` are the host's, ``now`` is on the monotonic clock.
        """
        started, started_cpu = time.monotonic(), self._reader.cpu_seconds
        found, error, debt_seconds = Found(), None, self._debt_seconds
        try:
            found = self._sample(settings, rules, counters, now, allowed_seconds)
        except Exception as failure:  # noqa: BLE001 - as of any other collector
            error = failure
        cpu_seconds = self._reader.cpu_seconds - started_cpu
        return found._replace(
            outcomes=(Outcome(NAME, time.monotonic() - started, error),),
            cpu_seconds=cpu_seconds,
            charged_seconds=cpu_seconds - (self._debt_seconds - debt_seconds),
        )

    def _sample(
        self, settings: Settings, rules: PortRules, counters: Counters, now: float, allowed_seconds: float
    ) -> Found:
        started = self._reader.cpu_seconds
        is_blind, found = self._find(is_complete=math.isinf(allowed_seconds))
        allowed_seconds = max(allowed_seconds, _LEAST_SHARE * (self._reader.cpu_seconds - started))

        def left() -> float:
            return allowed_seconds - self._debt_seconds - (self._reader.cpu_seconds - started)

        known = self._known.update(found, now)
        self._batches.forget_finished()
        named, unnamed = self._name(known, left() * _SHARE_OF_NAMES, now)
        chosen, excluded, over_limit = choose(named, settings.namespaces)
        label(chosen)
        by_check = sorted(chosen, key=lambda each: (each.checked_at, each.number))
        self._go(by_check, lambda _, each: each.check(now), left() * _SHARE_OF_CHECKS, now)
        ports_limit = fit_ports(chosen, settings.namespaces)
        due = self._schedule.choose(chosen, settings.namespaces.max_age_seconds, ports_limit, now)
        plan = self._plan(settings, rules, counters, ports_limit, now)
        self._read(due, chosen, plan, left(), now)
        self._debt_seconds = max(0.0, -left())
        shown = [each for each in chosen if not each.is_gone]
        wanted = {each.number for each in due}
        results = Counter({"excluded": excluded, "over_limit": over_limit, "unreadable": int(is_blind)})
        results.update(dict.fromkeys(RESULTS, 0))
        results.update(
            self._result_of(each, now, is_due=each.number in wanted) for each in (*shown, *unnamed)
        )
        if is_blind:  # then none of them is known to be 0
            results = +results
        self._report(shown, is_blind=is_blind)
        readable = [each for each in shown if not self._batches.is_hanging(each)]
        return Found(gather(readable, now), measure(shown, results, now), add_up(readable))

    def _find(self, *, is_complete: bool) -> tuple[bool, Sequence[FoundNamespace]]:
        """Return the namespaces of all processes that are not hidden, and whether some are."""
        limit = _EVERY_PROCESS if is_complete else MAX_QUESTIONS

        def search(procfs: Procfs) -> tuple[bool, Search]:
            return procfs.hides_processes(), self._finder.search(procfs, limit)

        is_blind, seen = self._reader.read("processes of namespaces", search)
        found = self._finder.finish(seen)
        return is_blind or seen.home is None or self._finder.denied > 0, found

    def _name(
        self, known: Sequence[OtherNamespace], limit_seconds: float, now: float
    ) -> tuple[Sequence[OtherNamespace], Sequence[OtherNamespace]]:
        """Find the names that are due, new ones first; return what has a name, and what has none yet."""
        names = self._lists.update(known, now)
        due = [each for each in known if each.count_pass()]
        due.sort(key=lambda each: (each.name is not None, each.number))
        self._go(due, lambda procfs, each: each.find_name(procfs, names), limit_seconds, now)
        named = [each for each in known if each.name is not None]
        return named, [each for each in due if each.name is None and not each.is_gone]

    def _go(
        self,
        namespaces: Iterable[OtherNamespace],
        work: Callable[[Procfs, OtherNamespace], None],
        limit_seconds: float,
        now: float,
    ) -> None:
        """Do some work at each namespace, as long as the time lasts; one that hangs is begun again."""

        def isolate(procfs: Procfs, namespace: OtherNamespace) -> None:
            try:
                work(procfs, namespace)
            except Exception as error:  # noqa: BLE001 - the one place where a namespace's failure ends
                namespace.access_error = error

        waiting = [each for each in namespaces if not self._batches.is_hanging(each)]
        if waiting:
            stuck = self._batches.run(waiting, isolate, limit_seconds, _batch_seconds(limit_seconds))
            for each in stuck:
                self._known.replace(each, now)

    def _read(
        self,
        due: Sequence[OtherNamespace],
        chosen: Iterable[OtherNamespace],
        plan: ReadPlan,
        limit_seconds: float,
        now: float,
    ) -> None:
        """Read what is due. All share the limit of tracked sockets, and each has a part of it in any case."""
        tracked, settings = sum(each.tracked_sockets for each in chosen), plan.settings
        least = settings.tracked.limit // settings.namespaces.limit

        def read(_: Procfs, namespace: OtherNamespace) -> None:
            nonlocal tracked
            tracked -= namespace.tracked_sockets
            namespace.read(plan, max(settings.tracked.limit - tracked, least))
            tracked += namespace.tracked_sockets

        self._go(due, read, limit_seconds, now)

    def _plan(
        self,
        settings: Settings,
        rules: PortRules,
        counters: Counters,
        ports_limit: int,
        now: float,
    ) -> ReadPlan:
        own_rules = self._find_rules(rules, ports_limit)
        if own_rules.directions != rules.directions:
            counters = self._own_counters = self._own_counters or Counters(own_rules)
        return ReadPlan(_settings_of(settings), own_rules, counters, now)

    def _find_rules(self, rules: PortRules, limit: int) -> PortRules:
        """Return the rules for other namespaces, the same ones as long as the host's are the same."""
        if self._rules is None or self._rules[0] is not rules or self._rules[1].limit != limit:
            self._rules = rules, rules.of_namespace(limit)
        return self._rules[1]

    def _result_of(self, namespace: OtherNamespace, now: float, *, is_due: bool) -> str:
        if namespace.error is not None or self._batches.is_hanging(namespace):
            return "unreadable"
        if namespace.read_at == now:
            return "read"
        return "deferred" if is_due or namespace.checked_at != now else "unchanged"

    def _report(self, shown: Iterable[OtherNamespace], *, is_blind: bool) -> None:
        """Log what begins or ends to be a problem."""
        failed = next((each for each in shown if each.error is not None), None)
        unnamed = any(each.name is not None and each.name.has_pod_without_name for each in shown)
        self._log_change("processes are hidden", _HIDDEN if is_blind else "")
        self._log_change("names of pods cannot be read", self._lists.pods_error if unnamed else "")
        self._log_change("names of ip netns cannot be read", self._lists.netns_error)
        self._log_change(
            "network namespace cannot be read", f"{failed.label}: {failed.error}" if failed else ""
        )

    def _log_change(self, problem: str, error: str) -> None:
        if error and problem not in self._problems:
            log.warning(problem, error=error)
        elif not error and problem in self._problems:
            log.info("network namespaces recovered", problem=problem)
        (self._problems.add if error else self._problems.discard)(problem)


def _settings_of(settings: Settings) -> Settings:
    """Return the settings for other namespaces: what cannot be had there, or costs too much, is left out."""
    return replace(
        settings,
        tables=tuple(name for name in settings.tables if TABLES[name].sockstat),
        timeout_seconds=min(settings.timeout_seconds, TABLE_SECONDS),
        owners=replace(settings.owners, by=UNIT),
    )


def _batch_seconds(limit_seconds: float) -> float:
    """Return the timeout of a batch that may use so much CPU time."""
    return min(4 * limit_seconds + 5 * TABLE_SECONDS, _LONGEST_BATCH_SECONDS)
