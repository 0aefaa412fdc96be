"""What was not seen for a while is forgotten."""

from exporter.sampling.recent import Recent


def test_forgotten_after_its_time_and_not_before() -> None:
    recent = Recent[str](600)
    recent.see(["a", "b"], 1000)
    recent.see(["b"], 1600)
    assert list(recent) == ["a", "b"]
    recent.see([], 1600.5)
    assert (list(recent), "a" in recent, "b" in recent, len(recent)) == (["b"], False, True, 1)


def test_seen_again_after_it_was_forgotten() -> None:
    recent = Recent[int](1)
    for now in (0, 10, 20):
        recent.see([7], now)
        assert list(recent) == [7]
    recent.see([], 30)
    assert not recent
