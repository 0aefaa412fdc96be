"""When a leak will end its process is known to anybody beforehand, whether or not a table lists the leak."""

import errno
import statistics
import time
from bisect import bisect
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.daemon import ALONE, Daemon, Labels, running_daemon
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.hoarder import hoarding
from tests.support.live.namespace import Namespace, inside
from tests.support.live.pods import running_pod
from tests.support.patience import wait_until

pytestmark = pytest.mark.live

CONFIG = f"interval: 100ms\ncpu_budget: 1\n{ALONE}"
FILES = 256
CLOSES, RESETS = 8080, 8081
UNITS = {CLOSES: "closes.service", RESETS: "resets.service"}
PREDICT_AT = FILES // 2
MEASURE_EVERY = 16
TOLERANCE = 0.2
SHOP, VISITS = "files-of-this-test", 20


def test_predicted_time_is_when_accept_fails(
    namespace: Namespace, unprivileged: list[str], folder: Path
) -> None:
    """Of two processes with 256 files each, seen by a user without any capability.

    Time is told in visits: a machine that is busy with something else does not keep their pace.
    """
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    with ExitStack() as stack:
        slice_ = stack.enter_context(made_cgroup("none.service")).parent
        hoarders = {}
        for port, unit in UNITS.items():
            cgroup = slice_ / unit
            cgroup.mkdir()
            hoarders[port] = stack.enter_context(
                hoarding([*namespace.command(), *enter(cgroup)], port, FILES)
            )
        stack.enter_context(inside(namespace.path))
        daemon = stack.enter_context(running_daemon(f"--config.file={config}", prefix=[*unprivileged]))
        wait_until(lambda: len(read(daemon, "netstat_owner_open_files")) == len(UNITS))
        assert set(read(daemon, "netstat_owner_open_files_limit").values()) == {FILES}
        seen: dict[str, list[tuple[float, float]]] = {unit: [] for unit in UNITS.values()}
        visited_at: list[float] = []
        for visit in range(1, FILES + 1):
            for port, hoarder in hoarders.items():
                hoarder.visit(resets=port == RESETS)
            visited_at.append(time.monotonic())
            if visit <= PREDICT_AT and visit % MEASURE_EVERY == 0:
                wait_for_pass(daemon)
                for unit, files in read(daemon, "netstat_owner_open_files").items():
                    seen[unit].append((visit, files))
            if visit == PREDICT_AT:
                assert count_close_wait(daemon) == {CLOSES: PREDICT_AT, RESETS: 0}
        for port, unit in UNITS.items():
            ended = hoarders[port].wait()
            assert ended.number == errno.EMFILE
            left = bisect(visited_at, ended.at_seconds) - PREDICT_AT
            assert predict(seen[unit]) - PREDICT_AT == pytest.approx(left, rel=TOLERANCE)


def test_a_pod_that_leaks_says_how_many_files_are_left(
    isolation: None, unprivileged: list[str], folder: Path
) -> None:
    """Whether a table lists the leak or not; with the labels of the sockets, by which alerts join them."""
    del isolation
    config = folder / "config.yaml"
    config.write_text(f"interval: 100ms\ncpu_budget: 1\nnamespaces: {{include: [{SHOP}/*]}}\n")
    flags = (f"--config.file={config}", f"--path.pod-logs={folder}")
    with ExitStack() as stack:
        pod = stack.enter_context(running_pod(folder, SHOP, "web"))
        hoarder = stack.enter_context(hoarding([*pod.enter, *pod.network.command()], CLOSES, FILES))
        daemon = stack.enter_context(running_daemon(*flags, prefix=unprivileged))

        def open_files() -> dict[Labels, float]:
            return in_pod(daemon, "netstat_owner_open_files")

        wait_until(lambda: len(open_files()) == 1)
        ((labels, before),) = open_files().items()
        assert {("pod", "web"), ("namespace", SHOP), ("netns", f"{SHOP}/web")} <= labels
        with inside(pod.network.path):
            for visit in range(VISITS):
                hoarder.visit(resets=visit % 2 == 1)
        wait_until(lambda: open_files() == {labels: before + VISITS})
        assert in_pod(daemon, "netstat_owner_open_files_limit") == {labels: FILES}
        ((leak, number),) = in_pod(daemon, "netstat_owner_sockets").items()
        assert number == VISITS / 2
        assert labels < leak


def wait_for_pass(daemon: Daemon) -> None:
    """Wait until a pass that began after this call has ended."""

    def count_passes() -> float:
        return sum(
            number
            for (name, _), number in daemon.samples().items()
            if name == "netstat_exporter_passes_total"
        )

    passes = count_passes()
    wait_until(lambda: count_passes() >= passes + 2, pause_seconds=0.1)


def in_pod(daemon: Daemon, metric: str) -> dict[Labels, float]:
    """Return the samples of a metric in the pod."""
    return {
        labels: value
        for (name, labels), value in daemon.samples().items()
        if name == metric and ("namespace", SHOP) in labels
    }


def read(daemon: Daemon, metric: str) -> dict[str, float]:
    """Return the samples of a metric by owner."""
    return {
        dict(labels)["owner"]: value for (name, labels), value in daemon.samples().items() if name == metric
    }


def count_close_wait(daemon: Daemon) -> dict[int, float]:
    """Return the connections to each process in CLOSE_WAIT; a scraper's own may be there, too."""
    found = [
        (dict(labels)["port"], value)
        for (name, labels), value in daemon.samples().items()
        if name == "netstat_sockets" and ("state", "close_wait") in labels
    ]
    return {port: sum(value for shown, value in found if shown == str(port)) for port in UNITS}


def predict(seen: list[tuple[float, float]]) -> float:
    """Return when the limit is reached, as predict_linear() of Prometheus does."""
    slope, intercept = statistics.linear_regression(*zip(*seen, strict=True))
    return (FILES - intercept) / slope
