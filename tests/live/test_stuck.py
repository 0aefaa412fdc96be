"""The age of a real socket grows as long as it is leaked, and is never that of another."""

import time
from dataclasses import replace

import pytest

from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import Snapshot, SocketKey
from exporter.sampling.stuck import OLDEST_AGE, STUCK_SOCKETS
from tests.live.leaker import leaking
from tests.live.namespace import Namespace, inside
from tests.sampling.watched import SETTINGS

pytestmark = pytest.mark.live

LEAK = SocketKey("tcp", "ipv4", "close_wait", "outbound", "631", "ipp")
LEAKED_FROM = 40000


class TextOnly(Procfs):
    """A procfs of which it cannot be told whose network namespace it shows."""

    def shows_own_namespace(self) -> bool:
        """Tell that netlink is of no use."""
        return False


def age_of(snapshot: Snapshot) -> float | None:
    """Return the age of the oldest leak."""
    return snapshot.measures[OLDEST_AGE].get(LEAK)


@pytest.mark.parametrize("procfs", [Procfs, TextOnly])
def test_age_of_a_leak(namespace: Namespace, procfs: type[Procfs]) -> None:
    """It grows, survives a reload, ends with the socket, and begins anew with the next of the same ports."""
    settings = replace(SETTINGS, stuck_after_seconds=1e-6)
    with leaking(namespace.command()) as leaker, inside(namespace.path):
        sampler = Sampler(procfs(), settings)
        leaker.tell(f"leak {LEAKED_FROM}")
        before = time.monotonic()
        assert age_of(sampler.take_snapshot()) == 0
        sampler.change_settings(replace(settings, tables=("tcp", "tcp6"), stuck_limit=7))
        grown = sampler.take_snapshot()
        assert 0 < (age_of(grown) or 0) < time.monotonic() - before
        assert grown.measures[STUCK_SOCKETS][LEAK] == 1
        leaker.tell("drop")
        leaker.tell(f"leak {LEAKED_FROM}")
        renewed = sampler.take_snapshot()
        assert age_of(renewed) == 0 == renewed.measures[STUCK_SOCKETS][LEAK]
        leaker.tell(f"leak {LEAKED_FROM + 1}")
        assert sampler.take_snapshot().measures[STUCK_SOCKETS][LEAK] == 1
        leaker.tell("drop")
        gone = sampler.take_snapshot()
        assert age_of(gone) == 0 == gone.measures[STUCK_SOCKETS][LEAK]
