"""What the kernel may choose itself, what has a name, and what a service's number says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.services.ports import OTHER_PORT, OUTBOUND, PORTS, direction_of, fold, port_of
from tests.support.sampling.port_rules import make_rules

ranges = st.builds(range, st.integers(-5, PORTS + 5), st.integers(-5, PORTS + 5))


@pytest.mark.parametrize(
    ("service", "direction", "port", "other"),
    [
        (80, "inbound", 80, OTHER_PORT),
        (80 + OUTBOUND, "outbound", 80, OUTBOUND),
        (OTHER_PORT, "inbound", 0, OTHER_PORT),
        (65535 + OUTBOUND, "outbound", 65535, OUTBOUND),
    ],
)
def test_service(service: int, direction: str, port: int, other: int) -> None:
    assert (direction_of(service), port_of(service)) == (direction, port)
    assert (fold(service, {port}), fold(service, ())) == (service, other)


def test_names_are_those_of_the_protocol_and_those_always_shown() -> None:
    rules = make_rules(names={7: "ours"}, always=[50000])
    assert {7, 22, 631, 40001, 50000} <= set(rules.named("tcp"))
    assert 9999 not in rules.named("tcp")
    assert rules.is_named("tcp", 22)
    assert rules.is_named("udp", 50000)
    assert not rules.is_named("tcp", 9999)
    assert 10514 not in rules.named("udp")


@pytest.mark.parametrize("port", [32767, 61000, 0, 40000, 40009])
def test_not_ephemeral(port: int) -> None:
    """Outside the range, or reserved in it."""
    assert not make_rules(reserved=[range(40000, 40010)]).is_ephemeral[port]


@given(ephemeral=ranges, reserved=st.lists(ranges, max_size=4))
def test_ephemeral_ports_are_those_in_the_range_that_are_not_reserved(
    ephemeral: range, reserved: list[range]
) -> None:
    """Whatever the kernel says, there is a flag for every port and for no other."""
    rules = make_rules(ephemeral=ephemeral, reserved=reserved)
    expected = set(ephemeral) & set(range(PORTS))
    for ports in reserved:
        expected -= set(ports)
    assert len(rules.is_ephemeral) == PORTS
    assert {port for port, flag in enumerate(rules.is_ephemeral) if flag} == expected
    assert rules.ephemeral_ports == len(expected)
