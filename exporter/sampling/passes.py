"""Run the collectors in a pass: each isolated from the others, and timed."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from exporter.kernel.tables import Table
from exporter.sampling.collectors.collector import (
    Collector,
    CollectorError,
    IsolatedObserver,
    PartialError,
    Pass,
    Plan,
)
from exporter.sampling.labels import Samples
from exporter.sampling.reading.walk import Observer
from exporter.sampling.services.counting import TableCounter


class Outcome(NamedTuple):
    """How a collector went in a pass."""

    collector: str
    duration_seconds: float
    error: Exception | None = None


class PassRun:
    """One run of all collectors; ``outcomes`` says how each went."""

    def __init__(self, collectors: Mapping[str, Collector]) -> None:
        self.outcomes: list[Outcome] = []
        self._collectors = collectors
        self._errors: dict[str, Exception] = {}

    def prepare(self, plan: Plan) -> None:
        """Prepare the collectors."""
        for name, collector in self._collectors.items():
            try:
                collector.prepare(plan)
            except Exception as error:  # noqa: BLE001 - as in collect
                self._errors[name] = error

    def observe(self, table: Table, counter: TableCounter, plan: Plan) -> Mapping[str, Observer]:
        """Return the observers of the collectors for the rows of a table."""
        observers = {}
        for name, collector in self._collectors.items():
            try:
                observer = collector.observe(table, counter, plan)
            except Exception as error:  # noqa: BLE001 - as in collect
                self._errors[name] = error
                continue
            if observer is not None:
                observers[name] = IsolatedObserver(observer)
        return observers

    def collect(self, seen: Pass) -> dict[str, Samples]:
        """Return the samples of all collectors; of one that failed, those that it could measure."""
        samples: dict[str, Samples] = {}
        for name, collector in self._collectors.items():
            started = time.monotonic()
            failure = self._errors.get(name)
            try:
                if failure is None:
                    found, failure = _collect(collector, seen)
                    samples.update(found)
            except Exception as error:  # noqa: BLE001 - the one place where a collector's failure ends
                failure = error
            self.outcomes.append(Outcome(name, time.monotonic() - started, failure))
        return samples


def _collect(collector: Collector, seen: Pass) -> tuple[Mapping[str, Samples], PartialError | None]:
    """Return what a collector measured, and why that is not all."""
    failure = None
    try:
        found = collector.collect(seen)
    except PartialError as error:
        found, failure = error.samples, error
    undeclared = found.keys() - {metric.name for metric in collector.metrics}
    if undeclared:
        raise CollectorError(f"undeclared metrics: {', '.join(sorted(undeclared))}")
    return found, failure
