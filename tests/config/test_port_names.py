"""Ports have the names that the operator gave them, one each; a single port's beats that of a range."""

import pytest

from exporter.config.nodes import read_yaml
from exporter.config.port_names import read_port_names
from exporter.config.values import Reader


def read(content: str) -> tuple[dict[int, str], list[str]]:
    """Return names by port, and what is wrong."""
    reader = Reader()
    names = read_port_names(reader, read_yaml(content.encode()), "names")
    return dict(names), reader.messages("c")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("{}", {}),
        ("{8443: api, '65535': last, 1: \"a b: c\"}", {8443: "api", 65535: "last", 1: "a b: c"}),
        ("{30-32: range, 31: single}", {30: "range", 31: "single", 32: "range"}),
        ("{31: single, 30-32: range}", {30: "range", 31: "single", 32: "range"}),
        ("{7-7: one}", {7: "one"}),
        ("{80: 'null', 81: \"~\"}", {80: "null", 81: "~"}),
        ("{80: " + "n" * 64 + "}", {80: "n" * 64}),
    ],
)
def test_names_by_port(content: str, names: dict[int, str]) -> None:
    assert (names, []) == read(content)


def test_every_port_may_have_a_name_of_its_own() -> None:
    names = {port: f"n{port}" for port in range(1, 65_536)}
    assert (names, []) == read("".join(f"{port}: {name}\n" for port, name in names.items()))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{022: x}", "c:1:2: names: '022' is not a port or a range of ports, such as 8443 or 30000-32767"),
        ("{22:22: x}", "c:1:2: names: '22:22' is not a port or a range"),
        ("{0: x}", "c:1:2: names: '0' is not a port or a range"),
        ("{65536: x}", "c:1:2: names: '65536' is not a port or a range"),
        ("{1-70000: x}", "c:1:2: names: '1-70000' is not a port or a range"),
        ("{9-8: x}", "c:1:2: names: '9-8' is not a port or a range"),
        ("{[80]: x}", "c:1:2: names: a sequence is not a port or a range"),
        ("{80: a, 80: b}", "c:1:9: names.80: some of it is named already"),
        ("{80: a, 80-80: b}", "c:1:9: names.80-80: some of it is named already"),
        ("{1-9: a, 9-10: b}", "c:1:10: names.9-10: some of it is named already"),
        ("{9-10: b, 1-9: a}", "c:1:11: names.1-9: some of it is named already"),
        ("{1-65535: a, 5-6: a}", "c:1:14: names.5-6: some of it is named already"),
        ("{80: other}", "c:1:6: names.80: 'other' is not a name of 1 to 64 printable characters, not other"),
        ("{80: }", "c:1:6: names.80: '' is not a name"),
        ("{80: null}", "c:1:6: names.80: 'null' is not a name"),
        ('{80: "a\\nb"}', "c:1:6: names.80: "),
        ("{80: " + "n" * 65 + "}", "c:1:6: names.80: "),
        ("{80: [a]}", "c:1:6: names.80: a sequence is not a name"),
        ("[80]", "c:1:1: names: must be a mapping of ports to names"),
    ],
)
def test_problem_has_its_place_and_what_is_allowed(content: str, problem: str) -> None:
    assert read(content)[1][0].startswith(problem)
