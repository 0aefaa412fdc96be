"""What most tests of the sampling begin with."""

from pathlib import Path

import pytest

from exporter.sampling.sampler import Sampler
from tests.support.procfs_tree import ProcfsTree
from tests.support.sampling.watched import SETTINGS, lay_out


@pytest.fixture
def tree(tmp_path: Path) -> ProcfsTree:
    """Lay out a procfs."""
    return lay_out(tmp_path)


@pytest.fixture
def sampler(tree: ProcfsTree) -> Sampler:
    """Return a sampler of it."""
    return Sampler(tree.procfs(), SETTINGS)
