"""Texts that are nearly a configuration, and the parser that is wanted for them."""

import pytest
import yaml
from hypothesis import strategies as st

needs_libyaml = pytest.mark.skipif(
    not yaml.__with_libyaml__,
    reason="PyYAML is without libyaml: pip install --force-reinstall --only-binary=:all: PyYAML",
)

_KEYS = (
    "interval",
    "max_interval",
    "tables",
    "ports",
    "names",
    "always",
    "limit",
    "tracked",
    "states",
    "peaks",
)
_MOVED = ("stuck", "after", "room", "drops")
_VALUES = (
    "null",
    "true",
    "false",
    "auto",
    "tcp",
    "close_wait",
    "5s",
    "60s",
    "1e+06",
    "22",
    "30000-32767",
    "none",
)
_MARKS = tuple("{}[]:,-#&*!|>'\"%@`\t\n ")
_JOINTS = (": ", ", ", "\n  ", "\n- ", "\r\n", "\ufeff")

ODD_YAML = (
    st.lists(st.sampled_from((*_KEYS, *_MOVED, *_VALUES, *_MARKS, *_JOINTS)), max_size=40)
    .map("".join)
    .map(str.encode)
)
"""Words of a configuration and marks of YAML, in any order."""
