"""YAML is read as text with places, whichever parser PyYAML has, and what could surprise is refused."""

import codecs
import contextlib
from collections.abc import Callable
from functools import partial

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.nodes import Mapping, Node, Scalar, Sequence, YamlError, read_yaml
from tests.support.config.yaml_texts import ODD_YAML, needs_libyaml

Read = Callable[[bytes], Node]
SLOW = partial(read_yaml, fast=False)
FAST = partial(read_yaml, fast=True)

parsers = pytest.mark.parametrize(
    "read", [SLOW, pytest.param(FAST, marks=needs_libyaml)], ids=["PyYAML", "libyaml"]
)

DOCUMENTS = (
    b"interval: 5s\ncpu_budget: 0.05\nports:\n  names: {8443: api, '30000-32767': \"node port\"}\n",
    b'{"ports":{"always":[22,443],"names":{"8443":"api-gateway"}},"source":"auto"}\n',
    b'ports:\n  always:\n  - 22\n  - "443"\n# a comment\ntables:\n- tcp\n- udp # another\n',
    b"--- # Source: values.yaml\na: >-\n  folded\n  text\nb: |\n  kept\n...\n",
    "ports: {names: {80: \N{SNOWMAN} \U0001f9ca}}".encode(),
)


def plain(node: Node) -> object:
    """Return what PyYAML's BaseLoader, which leaves every scalar a text, makes of the same."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Mapping):
        return {plain(key): plain(value) for key, value in node.pairs}
    return [plain(item) for item in node.items]


@parsers
@pytest.mark.parametrize("content", DOCUMENTS)
def test_texts_are_those_that_pyyaml_reads(read: Read, content: bytes) -> None:
    expected = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506
    assert expected == plain(read(content))


@needs_libyaml
@pytest.mark.parametrize("content", DOCUMENTS)
def test_both_parsers_find_the_same_at_the_same_places(content: bytes) -> None:
    assert SLOW(content) == FAST(content)


@parsers
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"# only a comment\n", b"---\n", b"{}", b"null\n", b"~", codecs.BOM_UTF8]
)
def test_a_file_without_a_value_is_an_empty_mapping(read: Read, content: bytes) -> None:
    assert read(content) == Mapping(1, 1, ())


@parsers
def test_a_byte_order_mark_and_line_ends_of_windows_change_no_place(read: Read) -> None:
    unix = b"interval: 5s\nports:\n  limit: 7\n"
    windows = codecs.BOM_UTF8 + unix.replace(b"\n", b"\r\n")
    assert read(unix) == read(windows)


@parsers
def test_null_is_told_from_the_word(read: Read) -> None:
    node = read(b"[null, ~, Null, '', 'null', \"~\", none, 0]")
    assert isinstance(node, Sequence)
    found = [item.null for item in node.items if isinstance(item, Scalar)]
    assert [True, True, True, False, False, False, False, False] == found


@parsers
@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        (b"a: b: c", (1, 5), "not valid YAML: mapping values are not allowed"),
        (b"ports: {", (1, 9), "not valid YAML: expected the node content, but found '<stream end>'"),
        (b"ports:\n  always:\n\t- 22", (3, 1), "not valid YAML: found character '\\t' that cannot start"),
        (b"interval: 5s\n---\ninterval: 5s", (2, 1), "more than one document"),
        (b"interval: &a 5s", (1, 11), "anchors and aliases are not allowed"),
        (b"ports: *a", (1, 8), "anchors and aliases are not allowed"),
        (b"interval: !!python/object/apply:os.system [ls]", (1, 11), "tags are not allowed"),
        (b"interval: !!str 5s", (1, 11), "tags are not allowed"),
        (b"\n\ninterval: \xff", (3, 1), "not UTF-8"),
        (codecs.BOM_UTF8 + b"\n\xff", (2, 1), "not UTF-8"),
        (b"\ninterval: \x00", (2, 11), "a character that is not allowed: #x0000"),
        (b"a: \x1b[31m", (1, 4), "a character that is not allowed: #x001b"),
        (codecs.BOM_UTF8 * 2, (1, 1), "a character that is not allowed: #xfeff"),
        (b"[" * 100_000, (1, 12), "nested too deeply"),
        (b"- " * 100_000, (1, 23), "nested too deeply"),
        (b'interval: "\\UFFFFFFFF"', (1, 1), "not valid YAML: a number that is too large"),
        (b"%YAML 1." + b"9" * 5000 + b"\n---\n", (1, 1), "not valid YAML: a number that is too large"),
    ],
)
def test_refused_with_place_and_reason(
    read: Read, content: bytes, place: tuple[int, int], problem: str
) -> None:
    with pytest.raises(YamlError) as caught:
        read(content)
    assert str(caught.value).startswith(problem)
    assert place == (caught.value.line, caught.value.column)


@parsers
@given(content=st.binary(max_size=200) | ODD_YAML)
def test_whatever_the_bytes_there_is_a_node_or_a_yaml_error(read: Read, content: bytes) -> None:
    try:
        read(content)
    except YamlError as error:
        place = (error.line, error.column)
    else:
        place = (1, 1)
    assert min(place) >= 1


@needs_libyaml
@pytest.mark.parametrize("content", [b"ports: {names:}", b"[a:, b]"])
def test_what_libyaml_alone_refuses_is_read(content: bytes) -> None:
    with pytest.raises(yaml.YAMLError):
        list(yaml.parse(content, Loader=yaml.CSafeLoader))
    assert SLOW(content) == FAST(content)


@needs_libyaml
@given(ODD_YAML)
def test_libyaml_finds_what_pyyaml_finds(content: bytes) -> None:
    with contextlib.suppress(YamlError):
        assert SLOW(content) == FAST(content)
