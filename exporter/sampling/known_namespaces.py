"""Decide which network namespaces are read, and give each a name that no other has.

Anybody can make network namespaces in a user namespace of their own. So there is a limit, and when it is
reached, each owner gets a place in turn: one with a thousand namespaces cannot exclude the others. A user who
names them by a thousand units is one owner. There is a limit to the ports of all of them, too.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from exporter.config.settings import Namespaces as NamespaceSettings
from exporter.sampling.namespace_names import LONGEST_NETNS, group_owners
from exporter.sampling.other_namespace import OtherNamespace
from exporter.sampling.reading.namespace_finder import FoundNamespace

PORTS_OF_A_NAMESPACE: Final = 10
"""How many ports of a namespace have series of their own, on average over as many as are allowed."""


class KnownNamespaces:
    """The namespaces that are known."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: dict[int, OtherNamespace] = {}

    def update(self, found: Iterable[FoundNamespace], now: float) -> Sequence[OtherNamespace]:
        """Return all namespaces that were found; those that are gone are forgotten."""
        known = {}
        for each in found:
            known[each.number] = self._known.get(each.number) or OtherNamespace(self._root, each, now)
            known[each.number].found = each
        self._known = known
        return list(known.values())

    def replace(self, stuck: OtherNamespace, now: float) -> None:
        """Begin again with a namespace, as what is known of it may still be changed by a read that hangs."""
        self._known[stuck.number] = OtherNamespace(self._root, stuck.found, now)


def fit_ports(namespaces: Sequence[OtherNamespace], settings: NamespaceSettings) -> int:
    """Return how many ports of a namespace may have series of their own.

    All together have series for ``PORTS_OF_A_NAMESPACE`` times ``namespaces.limit`` ports at most: with more,
    those with the most ports get fewer.
    """
    limit = settings.ports_limit
    while limit > 1 and sum(min(each.ports, limit) for each in namespaces) > (
        PORTS_OF_A_NAMESPACE * settings.limit
    ):
        limit //= 2
    return limit


def label(shown: Iterable[OtherNamespace]) -> None:
    """Give those a label that have a new name; of several of one name the first keeps it."""
    taken: set[str] = set()
    unlabelled = []
    for each in shown:
        if each.base_label == _name_of(each) and each.label not in taken:
            taken.add(each.label)
        else:
            unlabelled.append(each)
    used = Counter[str]()
    for each in unlabelled:
        each.label = each.base_label = name = _name_of(each)
        while each.label in taken:
            used[name] += 1
            each.label = f"{name[: LONGEST_NETNS - 8]}#{used[name] + 1}"
        taken.add(each.label)


def choose(
    namespaces: Sequence[OtherNamespace], settings: NamespaceSettings
) -> tuple[Sequence[OtherNamespace], int, int]:
    """Return the namespaces to read, and how many are excluded, and are beyond the limit."""
    wanted = [each for each in namespaces if _is_wanted(each, settings)]
    excluded = len(namespaces) - len(wanted)
    if len(wanted) <= settings.limit:
        return wanted, excluded, 0
    of_owner = Counter[str]()
    turns = []
    for each in sorted(wanted, key=lambda each: each.number):
        owner = group_owners(each.name.owner) if each.name else ""
        of_owner[owner] += 1
        turns.append((of_owner[owner], each.number, each))
    chosen = [each for *_, each in sorted(turns, key=lambda turn: turn[:2])[: settings.limit]]
    return chosen, excluded, len(wanted) - len(chosen)


def _name_of(namespace: OtherNamespace) -> str:
    return namespace.name.netns if namespace.name else ""


def _is_wanted(namespace: OtherNamespace, settings: NamespaceSettings) -> bool:
    name = _name_of(namespace)
    included = not settings.include or any(fnmatchcase(name, pattern) for pattern in settings.include)
    return included and not any(fnmatchcase(name, pattern) for pattern in settings.exclude)
