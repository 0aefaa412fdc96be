"""Something is made once for all who ask at the same time, and again for another subject."""

import asyncio
import math

import pytest

from exporter.serving.sharing import Shared


class Maker:
    """Makes words of a number, and counts how often."""

    def __init__(self, cpu_budget: float = math.inf) -> None:
        self.subject: int | None = None
        self.made: list[tuple[int | None, str]] = []
        self.failure: Exception | None = None
        self.charged: list[float] = []
        self.shared = Shared(lambda: self.subject, self.make, lambda: cpu_budget, self.charged.append)

    def make(self, subject: int | None, variant: str) -> str:
        """Make a word, or fail."""
        self.made.append((subject, variant))
        if self.failure:
            raise self.failure
        return f"{variant} {subject}"


def test_each_variant_is_made_once_for_each_subject() -> None:
    maker = Maker()

    async def ask() -> None:
        assert await maker.shared.get("a") == "a None"
        maker.subject = 1
        assert set(await asyncio.gather(*(maker.shared.get("a") for _ in range(20)))) == {"a 1"}
        assert await maker.shared.get("b") == "b 1"
        maker.subject = 2
        assert await maker.shared.get("a") == "a 2"

    asyncio.run(ask())
    assert maker.made == [(None, "a"), (1, "a"), (1, "b"), (2, "a")]
    assert len(maker.charged) == 4


def test_when_the_budget_is_used_up_the_subject_stays() -> None:
    maker = Maker(cpu_budget=1e-9)

    async def ask() -> None:
        maker.subject = 1
        assert await maker.shared.get("a") == "a 1"
        maker.subject = 2
        assert await maker.shared.get("a") == "a 1"
        assert await maker.shared.get("b") == "b 1"  # all variants are of one subject

    asyncio.run(ask())


def test_what_fails_is_tried_again() -> None:
    maker = Maker()
    maker.failure = MemoryError()

    async def ask() -> None:
        for _ in range(2):
            with pytest.raises(MemoryError):
                await maker.shared.get("a")
        maker.failure = None
        assert await maker.shared.get("a") == "a None"

    asyncio.run(ask())
