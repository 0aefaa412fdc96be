"""What was not seen for a while is forgotten."""

from exporter.sampling.services.expiring import ExpiringSet


def test_forgotten_after_its_time_and_not_before() -> None:
    expiring = ExpiringSet[str](600)
    expiring.see(["a", "b"], 1000)
    expiring.see(["b"], 1600)
    assert list(expiring) == ["a", "b"]
    expiring.see([], 1600.5)
    assert (list(expiring), "a" in expiring, "b" in expiring, len(expiring)) == (["b"], False, True, 1)


def test_seen_again_after_it_was_forgotten() -> None:
    expiring = ExpiringSet[int](1)
    for now in (0, 10, 20):
        expiring.see([7], now)
        assert list(expiring) == [7]
    expiring.see([], 30)
    assert not expiring


def test_members_can_be_forgotten_while_they_are_looked_at() -> None:
    expiring = ExpiringSet[int](60)
    expiring.see(range(5), 0)
    expiring.discard(number for number in expiring if number % 2)
    assert list(expiring) == [0, 2, 4]
    expiring.discard([7])
