"""Parse the kernel's own counters and limits: sockstat, the pairs of lines in netstat and snmp, sysctls.

1. Bytes in, numbers out; what is not there, or is no number, is absent, and nothing is raised.
2. netstat and snmp have pairs of lines with one prefix, names and then values. Which names there are differs
   between kernels, so a number is found by its name, never by its place.
3. In sockstat ``inuse`` and ``tw`` are those of a network namespace, ``orphan`` and ``mem`` the whole host's.

Source: net/ipv4/proc.c, ``proc_do_large_bitmap`` in kernel/sysctl.c.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

Numbers = Mapping[str, int]

_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
_NUMBERS: Final = re.compile(r"-?[0-9]{1,20}(?: -?[0-9]{1,20})*")
_PORTS: Final = re.compile(rb"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def parse_pairs(text: bytes, prefix: str) -> Numbers:
    """Return numbers by name, of the pairs of lines with a prefix, from the text of netstat or snmp."""
    found: dict[str, int] = {}
    start = f"{prefix}: ".encode()
    own_lines = b"\n".join(line for line in text.split(b"\n") if line.startswith(start))
    for (_, *names), (_, *values) in pairwise(_split_lines(own_lines)):
        if names and not _NUMBER.fullmatch(names[0]):
            found.update(_name_numbers(names, values))
    return found


def parse_sockstat(text: bytes) -> Mapping[str, Numbers]:
    """Return numbers by name, by protocol (``TCP``, ``UDP6``), from the text of sockstat or sockstat6."""
    return {
        protocol.rstrip(":"): _name_numbers(words[::2], words[1::2])
        for protocol, *words in _split_lines(text)
    }


def parse_numbers(text: bytes) -> tuple[int, ...]:
    """Return the numbers of a sysctl; nothing when one of its words is no number."""
    words = text.decode(errors="replace").split()
    return tuple(map(int, words)) if all(map(_NUMBER.fullmatch, words)) else ()


def parse_port_list(text: bytes) -> tuple[range, ...]:
    """Return the ranges in a sysctl that lists ports, such as ``8080,9000-9010``."""
    found = filter(None, map(_PORTS.fullmatch, text.strip().split(b",")))
    return tuple(range(int(ports[1]), int(ports[2] or ports[1]) + 1) for ports in found)


def _split_lines(text: bytes) -> Iterator[list[str]]:
    """Yield the words of every line that has one."""
    return (words for line in text.decode(errors="replace").split("\n") if (words := line.split()))


def _name_numbers(names: Sequence[str], values: Sequence[str]) -> dict[str, int]:
    if _NUMBERS.fullmatch(" ".join(values)):  # in C: a pass reads some hundred numbers
        return dict(zip(names, map(int, values), strict=False))
    pairs = zip(names, values, strict=False)
    return {name: int(value) for name, value in pairs if _NUMBER.fullmatch(value)}
