"""Add up the samples of a metric by some of their labels."""

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from exporter.sampling.labels import Samples
from exporter.sampling.sampler import METRICS

Join = Callable[[float, float], float]

_LABELS: Final = {metric.name: metric.labels for metric in METRICS}


def has_label(metric: str, label: str) -> bool:
    """Return whether a metric has a label."""
    return label in _LABELS[metric]


def group(
    samples: Mapping[str, Samples],
    metric: str,
    labels: tuple[str, ...],
    join: Join = operator.add,
    wanted: Mapping[str, str] | None = None,
) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by some labels; ``join`` joins those that differ in others only.

    If there are ``wanted`` labels, only samples that have them count.
    """
    found: dict[tuple[str, ...], float] = {}
    series = samples.get(metric)
    if not series:
        return found
    pick = _make_picker(metric, labels)
    if wanted:
        pick_wanted, values = _make_picker(metric, tuple(wanted)), tuple(wanted.values())
        series = {key: value for key, value in series.items() if pick_wanted(key) == values}
    for key, value in series.items():
        at = pick(key)
        found[at] = join(found[at], value) if at in found else value
    return found


@cache
def _make_picker(metric: str, labels: tuple[str, ...]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Return what picks the values of some labels from those of a sample, in C if there are several."""
    places = [_LABELS[metric].index(label) for label in labels]
    if not places:
        return lambda _: ()
    if len(places) == 1:
        (place,) = places
        return lambda key: (key[place],)
    return operator.itemgetter(*places)
