"""A read that hangs costs its own result, and one thread, however often it is asked for."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event

import pytest

from exporter.sampling.reading.guard import Guard, HangError
from tests.support.patience import PATIENCE_SECONDS, wait_until


@pytest.fixture
def guard() -> Iterator[Guard]:
    """Return a guard, whose thread ends with the test."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture
def hang() -> Iterator[Callable[[], str]]:
    """Return a read that hangs until the test ends."""
    release = Event()

    def wait() -> str:
        release.wait()
        return "late"

    yield wait
    release.set()


def test_result_and_error_are_handed_on(guard: Guard) -> None:
    assert guard.read("a", lambda: "found", PATIENCE_SECONDS) == "found"
    with pytest.raises(ZeroDivisionError):
        guard.read("a", lambda: 1 / 0, PATIENCE_SECONDS)
    assert guard.read("a", lambda: "found", PATIENCE_SECONDS) == "found"


def test_all_reads_share_one_thread(guard: Guard) -> None:
    names = {guard.read(str(i), threading.get_ident, PATIENCE_SECONDS) for i in range(50)}
    assert len(names) == 1
    assert threading.get_ident() not in names


def test_cpu_time_is_added_up(guard: Guard) -> None:
    """That of the thread that reads, also where the read fails; what waits costs nothing."""

    def burn() -> None:
        started = time.thread_time()
        while time.thread_time() - started < 0.02:
            pass
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        guard.read("a", burn, PATIENCE_SECONDS)
    assert 0.02 <= guard.cpu_seconds < 1
    before = guard.cpu_seconds
    guard.read("a", lambda: Event().wait(0.1), PATIENCE_SECONDS)
    assert guard.cpu_seconds - before < 0.09


def test_what_hangs_is_not_begun_again_and_others_are_read(guard: Guard, hang: Callable[[], str]) -> None:
    """Two hundred times, and without waiting but the first time."""
    begun = []

    def work() -> str:
        begun.append(1)
        return hang()

    assert guard.read("b", lambda: 1, PATIENCE_SECONDS) == 1
    threads = set(threading.enumerate())
    started = time.monotonic()
    for number in range(200):
        with pytest.raises(HangError, match="timeout: the read hangs"):
            guard.read("a", work, 0.05)
        assert guard.is_hanging("a")
        assert guard.read("b", partial(abs, -number), PATIENCE_SECONDS) == number
        assert len(set(threading.enumerate()) - threads) == 1
    assert len(begun) == 1
    assert time.monotonic() - started < PATIENCE_SECONDS


def test_each_that_hangs_costs_one_thread(guard: Guard, hang: Callable[[], str]) -> None:
    threads = set(threading.enumerate())
    for _ in range(20):
        for name in ("a", "b", "c"):
            with pytest.raises(HangError):
                guard.read(name, hang, 0.01)
    assert len(set(threading.enumerate()) - threads) == 3


def test_what_hung_is_read_again_once_it_is_over(guard: Guard) -> None:
    """Its late result is nobody's, its cost is not counted, and its thread ends."""
    release, threads = Event(), set(threading.enumerate())

    def late() -> str:
        release.wait()
        return "late"

    with pytest.raises(HangError):
        guard.read("a", late, 0.01)
    release.set()
    wait_until(lambda: not guard.is_hanging("a"))
    assert guard.read("a", lambda: "new", PATIENCE_SECONDS) == "new"
    assert guard.cpu_seconds < 1
    guard.close()
    wait_until(lambda: not set(threading.enumerate()) - threads)


def test_without_room_for_a_thread_that_read_fails(guard: Guard) -> None:
    usual = threading.stack_size(1 << 48)  # more than there is to address, even where memory is overcommitted
    try:
        with pytest.raises(HangError, match="cannot read: "):
            guard.read("a", lambda: 1, PATIENCE_SECONDS)
    finally:
        threading.stack_size(usual)
    assert guard.read("a", lambda: 1, PATIENCE_SECONDS) == 1


def test_close_ends_the_thread() -> None:
    threads = set(threading.enumerate())
    guard = Guard()
    guard.read("a", lambda: 1, PATIENCE_SECONDS)
    guard.close()
    guard.close()
    wait_until(lambda: not set(threading.enumerate()) - threads)
