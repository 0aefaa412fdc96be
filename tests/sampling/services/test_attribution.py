"""A socket that is looked at alone has the service that counting its whole table gives it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.kernel import states
from exporter.kernel.tables import TABLES
from exporter.sampling.attribution import Attribution
from exporter.sampling.ports import PortRules
from tests.support.procfs_tree import Printed
from tests.support.sampling.port_rules import count_rows, ports, rules


@pytest.mark.parametrize("table", ["udp", "udp6", "udplite"])
@given(rules=rules, local=ports, remote=ports | st.just(0))
def test_udp(table: str, rules: PortRules, local: int, remote: int) -> None:
    counted = count_rows(table, [Printed(local, remote, states.CLOSE)], rules)
    attribution = Attribution(rules, (), {})
    found = attribution.find_udp_service(TABLES[table].protocol, local, remote)
    assert [found] == list(counted.tallies)
