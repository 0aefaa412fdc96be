"""Every table that can be watched is one that the kernel has."""

import pytest

from exporter.kernel.counters import parse_sockstat
from exporter.kernel.tables import TABLES
from tests.support.procfs_tree import CAPTURED, read_captured


@pytest.mark.parametrize("name", TABLES)
def test_table_is_known_by_its_file(name: str) -> None:
    table = TABLES[name]
    assert name == table.name == table.protocol + ("6" if table.family == "ipv6" else "")
    assert (CAPTURED / "self" / "net" / name).exists()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "unix"])
def test_sockstat_line_is_the_kernels(name: str) -> None:
    family = "sockstat6" if TABLES[name].family == "ipv6" else "sockstat"
    assert TABLES[name].sockstat in parse_sockstat(read_captured(family))
