"""What connect() and bind() cannot take now is counted, in bounded memory."""

import pytest

from exporter.kernel import states
from exporter.kernel.diag_rows import DiagRows
from exporter.kernel.netlink import Block
from exporter.kernel.tables import TABLES
from exporter.sampling.services import port_usage
from exporter.sampling.services.port_usage import (
    Address,
    PortUsage,
    Reuse,
    count_bound,
    count_busiest,
    make_address,
)
from tests.support.sampling.netlink import Diag

CHOSEN = bytes(20_000 <= port < 21_000 for port in range(65536))
LOOPBACK = bytes([127, 0, 0, 1]).ljust(16, b"\0")
REMOTE = bytes([10, 0, 0, 9]).ljust(16, b"\0")
MAPPED = bytes.fromhex("00000000 00000000 0000ffff")
NEVER, ALWAYS, ON_LOOPBACK = Reuse(), Reuse(always=True), Reuse(on_loopback=True)


def use(*sockets: Diag, family: str = "ipv4", reuse: Reuse = NEVER, crowded: object = None) -> PortUsage:
    """Return what sockets use."""
    wanted = {5432} if crowded else None
    usage = PortUsage(family, lambda: CHOSEN, wanted, reuse)
    table = TABLES["tcp" if family == "ipv4" else "tcp6"]
    for each in sockets:
        message = each.message(family)
        usage.observe(DiagRows(table, Block(message, len(message))))
    return usage


def opened(local: int, remote: int = 5432, own: bytes = REMOTE, peer: bytes = REMOTE) -> Diag:
    """Return a connection that this host opened."""
    return Diag(local, remote, own=own, peer=peer, inode=1)


def test_destinations_are_not_added_up() -> None:
    """Nor are ports, and those that the kernel did not choose are none."""
    other = bytes([10, 0, 0, 8]).ljust(16, b"\0")
    sockets = [opened(20_000 + i) for i in range(4)]
    sockets += [opened(20_000 + i, peer=other) for i in range(3)]
    sockets += [opened(20_000 + i, 3306) for i in range(9)] + [opened(80)]
    assert count_busiest([use(*sockets)]) == {("ipv4", 5432): 4, ("ipv4", 3306): 9}
    assert count_busiest([use(*sockets, crowded=True)]) == {("ipv4", 5432): 4}


@pytest.mark.parametrize("crowded", [None, {0, 5432}])
def test_what_has_no_remote_port_has_no_destination(crowded: set[int] | None) -> None:
    usage = PortUsage("ipv4", lambda: CHOSEN, crowded, NEVER)
    message = opened(20_000, 0).message("ipv4")
    usage.observe(DiagRows(TABLES["tcp"], Block(message, len(message))))
    assert count_busiest([usage]) == {}
    assert count_bound([usage.ports_by_address()]) == 1


@pytest.mark.parametrize(
    ("reuse", "own", "age_milliseconds", "expected"),
    [
        (NEVER, LOOPBACK, 30_000, 1),
        (ALWAYS, REMOTE, 30_000, 0),
        (ALWAYS, REMOTE, 1000, 1),
        (ALWAYS, REMOTE, 1001, 0),
        (ON_LOOPBACK, REMOTE, 30_000, 1),
        (ON_LOOPBACK, LOOPBACK, 30_000, 0),
        (ON_LOOPBACK, LOOPBACK, 500, 1),
        (Reuse(always=True, delay_milliseconds=0), REMOTE, 1, 0),
    ],
)
def test_time_wait_is_free_where_the_kernel_would_reuse_it(
    reuse: Reuse, own: bytes, age_milliseconds: int, expected: int
) -> None:
    """A connection is never free; bind() may not take the port in either case."""
    socket = opened(20_000, own=own, peer=own)
    waiting = socket._replace(state=states.TIME_WAIT, timer=3, expires=60_000 - age_milliseconds, inode=0)
    usage = use(waiting, opened(20_001, 443, own, own), reuse=reuse)
    assert count_busiest([usage]).get(("ipv4", 5432), 0) == expected
    assert count_busiest([usage])["ipv4", 443] == 1
    assert count_bound([usage.ports_by_address()]) == 2


def test_mapped_and_plain_addresses_share_a_pool() -> None:
    mapped = MAPPED + REMOTE[:4]
    plain = use(opened(20_000), opened(20_001))
    both = [plain, use(opened(20_002, own=mapped, peer=mapped), family="ipv6")]
    assert count_busiest(both) == {("ipv4", 5432): 3}
    assert count_bound(each.ports_by_address() for each in both) == 3


def test_addresses() -> None:
    assert make_address(REMOTE, "ipv4") == make_address(MAPPED + REMOTE[:4], "ipv6") == Address(REMOTE[:4])
    assert make_address(bytes(15) + b"\1", "ipv6").is_loopback
    assert not make_address(bytes(15) + b"\2", "ipv6").is_loopback
    assert make_address(LOOPBACK, "ipv4").is_loopback
    assert make_address(bytes(16), "ipv6").is_any
    assert make_address(bytes(16), "ipv6").family == "ipv6"


def test_a_socket_at_any_address_takes_the_port_of_all() -> None:
    """And one port is taken once, whoever shares it."""
    usage = use(opened(20_000), opened(20_001), opened(20_001, 443), Diag(20_002), Diag(20_001))
    assert count_bound([usage.ports_by_address()]) == 3
    assert count_bound([use(Diag(20_002)).ports_by_address()]) == 1
    assert count_bound([]) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many destinations there are, the busiest is found, as it is there from the beginning."""
    monkeypatch.setattr(port_usage, "MAX_DESTINATIONS", 100)
    monkeypatch.setattr(port_usage, "MAX_ADDRESSES", 10)
    sockets = []
    for number in range(300):
        address = (1_000_000 + number).to_bytes(4).ljust(16, b"\0")
        sockets += [opened(20_000 + number, peer=address, own=address), opened(20_000 + number)]
    usage = use(*sockets)
    assert count_busiest([usage])["ipv4", 5432] == 300
    assert len(usage.ports) == 10
    assert sum(map(len, usage.count_destinations().values())) <= 101
