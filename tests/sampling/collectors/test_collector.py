"""A table is looked at again by the source that it was counted by, and by its text where netlink fails."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.kernel.netlink import Reason, SockDiagError
from exporter.sampling.capability import Pass
from exporter.sampling.sources import NETLINK, PROCFS
from tests.support.procfs_tree import print_table
from tests.support.sampling.watched import lay_out, pass_over

TEXT = print_table("tcp")


def parse(blocks: Iterable[bytes]) -> bytes:
    """Return the whole text."""
    return b"".join(blocks)


def ask(_: float) -> bytes:
    """Answer as netlink would."""
    return b"asked"


@pytest.fixture
def seen(tmp_path: Path) -> Pass:
    """Return a pass over a table by netlink, a table by procfs, and one that is gone meanwhile."""
    tree = lay_out(tmp_path)
    tree.fill("tcp")
    tree.write("udp", TEXT)
    return pass_over(tree.procfs(), sources={"tcp": NETLINK, "udp": PROCFS, "udp6": PROCFS})


def test_source_is_that_of_the_count(seen: Pass) -> None:
    assert [b"asked", TEXT, b""] == [seen.look(table, ask, parse) for table in ("tcp", "udp", "udp6")]


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.TRANSIENT])
def test_where_netlink_fails_the_text_is_read(seen: Pass, reason: Reason) -> None:
    def fail(_: float) -> bytes:
        raise SockDiagError(reason, "fails")

    assert TEXT == seen.look("tcp", fail, parse)


def test_where_the_kernel_is_busy_it_is_asked_again(seen: Pass) -> None:
    answers = iter([SockDiagError(Reason.TRANSIENT, "busy")])

    def busy_once(_: float) -> bytes:
        for error in answers:
            raise error
        return b"asked again"

    assert seen.look("tcp", busy_once, parse) == b"asked again"


def test_where_netlink_takes_too_long_the_text_is_not_tried(seen: Pass) -> None:
    def fail(_: float) -> bytes:
        raise SockDiagError(Reason.TIMEOUT, "too long")

    with pytest.raises(SockDiagError, match="too long"):
        seen.look("tcp", fail, parse)


def test_all_looks_share_one_deadline(seen: Pass) -> None:
    """However many there are, a pass takes no longer for it."""
    assert seen.look("tcp", lambda deadline: deadline, lambda _: 0.0) == seen.deadline
