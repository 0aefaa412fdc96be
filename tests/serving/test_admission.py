"""No client keeps another out, however many connections it makes and however soon it comes again."""

import pytest

from exporter.serving.admission import MAX_CONNECTIONS_OF_CLIENT, Admission, identify

MOST = 100
HERE, THERE = b"here", b"there"


class Guest:
    """A connection."""

    def __init__(self, *, idle: bool = True) -> None:
        self.idle = idle
        self.inside = True

    def is_idle(self) -> bool:
        """Tell what it was made to be."""
        return self.idle

    def displace(self) -> None:
        """Leave."""
        self.inside = False


def let_in(admission: Admission, client: bytes, *, number: int = 1, idle: bool = True) -> list[Guest]:
    """Return those that were let in."""
    guests = []
    for _ in range(number):
        if admission.try_admit(client):
            guests.append(Guest(idle=idle))
            admission.enter(client, guests[-1])
    return guests


def test_a_client_has_its_share_and_others_the_rest() -> None:
    admission = Admission(MOST)
    assert len(let_in(admission, HERE, number=MOST, idle=False)) == MOST // 2
    assert admission.rejections.connections["client_limit"] == MOST - MOST // 2
    assert let_in(admission, THERE)


def test_who_is_idle_for_longest_makes_way() -> None:
    admission = Admission(1000)
    guests = let_in(admission, HERE, number=MAX_CONNECTIONS_OF_CLIENT)
    guests[0].idle = False
    (newest,) = let_in(admission, HERE)
    assert [guest.inside for guest in (*guests[:3], newest)] == [True, False, True, True]
    assert admission.rejections.connections["displaced"] == 1


def test_who_comes_again_at_once_displaces_no_more_than_so_many() -> None:
    admission = Admission(1000)
    let_in(admission, HERE, number=10_000)
    assert admission.rejections.connections["displaced"] < 1000
    assert admission.rejections.connections["client_limit"] > 8000


def test_a_full_house_makes_room_for_whom_it_has_fewest_of() -> None:
    """Even those who are busy make way, as long as their client has more than the one that comes."""
    admission = Admission(MOST)
    crowds = [let_in(admission, client, number=50, idle=False) for client in (b"one", b"two")]
    assert let_in(admission, THERE)
    assert sum(guest.inside for crowd in crowds for guest in crowd) == MOST - 1
    assert not let_in(admission, b"one", idle=False)


def test_a_full_house_of_single_busy_clients_turns_away() -> None:
    admission = Admission(3)
    for number in range(3):
        assert let_in(admission, bytes([number]), idle=False)
    assert not let_in(admission, THERE)
    assert admission.rejections.connections["limit"] == 1


def test_who_leaves_gives_the_room_back_once() -> None:
    admission = Admission(2)
    (guest,) = let_in(admission, HERE)
    admission.leave(HERE, guest)
    admission.leave(HERE, guest)
    assert admission.connections() == []
    assert len(let_in(admission, HERE, idle=False) + let_in(admission, THERE, number=2, idle=False)) == 2


def test_a_burst_is_answered_at_once_and_more_has_to_wait_but_nobody_else() -> None:
    admission = Admission(MOST)
    delays = [admission.delay(HERE, is_probe=False) for _ in range(1000)]
    assert delays[:50] == [0] * 50
    assert 1 < delays[-1] < 2
    assert admission.delay(THERE, is_probe=False) == 0
    assert admission.delay(HERE, is_probe=True) == 0


def test_a_crowd_of_clients_waits_and_who_asks_seldom_does_not() -> None:
    """However many addresses an attacker has, so many requests a second are answered."""
    admission = Admission(MOST)
    clients = [number.to_bytes(2, "big") for number in range(500)]
    first = [admission.delay(client, is_probe=False) for client in clients]
    again = [admission.delay(client, is_probe=False) for client in clients * 2]
    assert set(first) == {0}
    assert again[-1] > 1
    assert admission.delay(THERE, is_probe=False) == 0


def test_clients_beyond_number_are_not_remembered() -> None:
    admission = Admission(MOST)
    for number in range(20_000):
        admission.delay(number.to_bytes(4, "big"), is_probe=False)
    assert len(admission._busy_until) <= 4096  # noqa: SLF001 - what it remembers is memory that it takes


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%lo", "fe80::2", True),
    ],
)
def test_a_client_is_an_address_or_a_network(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    assert same == (identify(one) == identify(other))
