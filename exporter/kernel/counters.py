"""Parse the kernel's own counters and limits: sockstat, the pairs of lines in netstat and snmp, sysctls.

1. Bytes in, numbers out; what is not there, or is no number, is absent, and nothing is raised.
2. netstat and snmp have pairs of lines with one prefix, names and then values. Which names there are differs
   between kernels, so a number is found by its name, never by its place.
3. In sockstat ``inuse`` and ``tw`` are those of a network namespace, ``orphan`` and ``mem`` the whole host's.

Source: net/ipv4/proc.c, ``proc_do_large_bitmap`` in kernel/sysctl.c.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

Numbers = Mapping[str, int]

_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}")
_PORTS: Final = re.compile(rb"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def parse_pairs(text: bytes) -> Mapping[str, Numbers]:
    """Return numbers by name, by the prefix of their lines, from the text of netstat or snmp."""
    found: dict[str, dict[str, int]] = {}
    for (prefix, *names), (prefix_of_values, *values) in pairwise(
        words for line in text.split(b"\n") if (words := line.split())
    ):
        if prefix == prefix_of_values and not any(map(_NUMBER.fullmatch, names)):
            numbers = found.setdefault(prefix.rstrip(b":").decode(errors="replace"), {})
            numbers.update(_name_numbers(zip(names, values, strict=False)))
    return found


def parse_sockstat(text: bytes) -> Mapping[str, Numbers]:
    """Return numbers by name, by protocol (``TCP``, ``UDP6``), from the text of sockstat or sockstat6."""
    lines = (line.split() for line in text.split(b"\n"))
    return {
        words[0].rstrip(b":").decode(errors="replace"): _name_numbers(
            zip(words[1::2], words[2::2], strict=False)
        )
        for words in lines
        if words
    }


def parse_numbers(text: bytes) -> tuple[int, ...]:
    """Return the numbers of a sysctl; nothing when one of its words is no number."""
    words = text.split()
    return tuple(map(int, words)) if all(map(_NUMBER.fullmatch, words)) else ()


def parse_port_list(text: bytes) -> tuple[range, ...]:
    """Return the ranges in a sysctl that lists ports, such as ``8080,9000-9010``."""
    found = filter(None, map(_PORTS.fullmatch, text.strip().split(b",")))
    return tuple(range(int(ports[1]), int(ports[2] or ports[1]) + 1) for ports in found)


def _name_numbers(words: Iterable[tuple[bytes, bytes]]) -> dict[str, int]:
    return {name.decode(errors="replace"): int(value) for name, value in words if _NUMBER.fullmatch(value)}
