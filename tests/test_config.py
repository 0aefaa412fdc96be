"""The configuration is read strictly, and everything wrong with it is told at once, with its place."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config, ConfigError, Peaks, Ports, load, parse

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"


PORTS_KEYS = ("names", "always", "limit")
PEAKS_KEYS = ("states", "window")
KEYS = ("interval", "cpu_budget", "timeout", "source", "tables", "ports", "room", "drops", "peaks")


def problems_of(content: bytes) -> tuple[str, ...]:
    """Return what is wrong with a configuration called ``c``."""
    with pytest.raises(ConfigError) as caught:
        parse(content, "c")
    return caught.value.problems


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"# only a comment\n", b"---\n", b"{}", b"ports:\n", b"ports: {names:}"]
)
def test_nothing_said_is_the_default(content: bytes) -> None:
    assert Config() == parse(content, "c")


def test_example_shows_every_key_with_its_default() -> None:
    assert Config() == load(str(EXAMPLE))
    text = EXAMPLE.read_text()
    for key in (*KEYS, *(f"  {key}" for key in (*PORTS_KEYS, *PEAKS_KEYS))):
        assert f"\n{key}:" in text


def test_every_key_is_read() -> None:
    content = b"""
        interval: 1m30s
        cpu_budget: 1
        timeout: 500ms
        source: netlink
        tables: [unix, raw6]
        ports:
          names: {8443: api-gateway, 30000-30002: nodeport, 30001: admin, 443: "quoted: name"}
          always: [22, 443]
          limit: 7
        room: false
        drops: false
        peaks: {states: [listen], window: 5m}
    """
    names = {8443: "api-gateway", 30000: "nodeport", 30001: "admin", 30002: "nodeport", 443: "quoted: name"}
    expected = Config(
        interval_seconds=90.0,
        cpu_budget=1.0,
        timeout_seconds=0.5,
        source="netlink",
        tables=("unix", "raw6"),
        ports=Ports(names=names, always=(22, 443), limit=7),
        room=False,
        drops=False,
        peaks=Peaks(states=("listen",), window_seconds=300.0),
    )
    assert expected == parse(content, "c")


def test_every_problem_is_told_at_once_with_its_place() -> None:
    content = b"""\
interval: 5
cpu_budgt: 0.05
timeout: 10s
timeout: 10s
tables: [tcp, tcp, udpx]
ports:
  names: {022: x, 22:22: y, 30000-32767: nodeport, 30005-30006: q, 80: other}
  always: [22, 65536, no]
  limit: 0
"""
    assert problems_of(content) == (
        "c:1:11: interval: '5' is not a duration from 100ms to 24h, such as 5s, 500ms or 1m30s",
        "c:2:1: cpu_budgt: unknown key; did you mean cpu_budget?",
        "c:4:1: timeout: given twice",
        "c:5:15: tables: tcp is given twice",
        "c:5:20: tables: 'udpx' is not one of tcp, tcp6, udp, udp6, udplite, udplite6, raw, raw6, unix",
        "c:7:11: ports.names: '022' is not a port or a range of ports, such as 8443 or 30000-32767",
        "c:7:19: ports.names: '22:22' is not a port or a range of ports, such as 8443 or 30000-32767",
        "c:7:52: ports.names.30005-30006: some of it is named already",
        "c:7:72: ports.names.80: 'other' is not a name of 1 to 64 printable characters, not other",
        "c:8:16: ports.always: '65536' is not a number from 1 to 65535",
        "c:8:23: ports.always: 'no' is not a number from 1 to 65535",
        "c:9:10: ports.limit: '0' is not a number from 1 to 10000",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: b: c", "c:1:5: not valid YAML: mapping values are not allowed here"),
        (b"ports: {", "c:1:9: not valid YAML: expected the node content, but found '<stream end>'"),
        (b"interval: 5s\n---\ninterval: 5s", "c:2:1: more than one document"),
        (b"interval: &a 5s", "c:1:11: anchors and aliases are not allowed"),
        (b"ports: *a", "c:1:8: anchors and aliases are not allowed"),
        (b"interval: !!python/object/apply:os.system [ls]", "c:1:11: tags are not allowed"),
        (b"interval: !!str 5s", "c:1:11: tags are not allowed"),
        (b"\n\ninterval: \xff", "c:3:1: not UTF-8"),
        (b"\ninterval: \x00", "c:2:1: a character that YAML does not allow: #x0000"),
        (b"[" * 100_000, "c:1:12: nested too deeply"),
        (b"- " * 100_000, "c:1:23: nested too deeply"),
        (b"<<: {limit: 1}", f"c:1:1: <<: unknown key; allowed: {', '.join(KEYS)}"),
        (b'interval: "\\UFFFFFFFF"', "c:1:1: not valid YAML: a number that is too large"),
        (b"%YAML 1." + b"9" * 5000 + b"\n---\n", "c:1:1: not valid YAML: a number that is too large"),
        (b"[]", "c:1:1: must be a mapping of keys to values"),
        (b"5", "c:1:1: must be a mapping of keys to values"),
        (b"tables: []", "c:1:9: tables: must have at least 1"),
        (b"tables: tcp", "c:1:9: tables: must be a list"),
        (b"interval: {a: 1}", "c:1:11: interval: a mapping is not a duration"),
        (b"timeout: 99ms", "c:1:10: timeout: '99ms' is not a duration"),
        (b"timeout: 25h", "c:1:10: timeout: '25h' is not a duration"),
        (b"timeout: -5s", "c:1:10: timeout: '-5s' is not a duration"),
        (b"timeout: ''", "c:1:10: timeout: '' is not a duration"),
        (b"cpu_budget: 0", "c:1:13: cpu_budget: '0' is not a share over 0"),
        (b"cpu_budget: 1.01", "c:1:13: cpu_budget: '1.01' is not a share over 0"),
        (b"cpu_budget: nan", "c:1:13: cpu_budget: 'nan' is not a share over 0"),
        (b"ports: {limit: 10001}", "c:1:16: ports.limit: '10001' is not a number from 1 to 10000"),
        (b"ports: {limit: 1_0}", "c:1:16: ports.limit: '1_0' is not a number"),
        (b"ports: {limit: 0x10}", "c:1:16: ports.limit: '0x10' is not a number"),
        (b"ports: {limit: 2001-13-41}", "c:1:16: ports.limit: '2001-13-41' is not a number"),
        (b"ports: {limit: " + b"9" * 5000 + b"}", f"c:1:16: ports.limit: '{'9' * 60}...' is not a number"),
        (b"ports: {names: {1-70000: x}}", "c:1:17: ports.names: '1-70000' is not a port or a range"),
        (b"ports: {names: {9-8: x}}", "c:1:17: ports.names: '9-8' is not a port or a range"),
        (b"ports: {names: {80: a, 80: b}}", "c:1:24: ports.names.80: some of it is named already"),
        (b'ports: {names: {80: "a\\nb"}}', "c:1:21: ports.names.80: "),
        (b"ports: {names: {80: " + b"n" * 65 + b"}}", "c:1:21: ports.names.80: "),
        (b"ports: {names: {80: [a]}}", "c:1:21: ports.names.80: a sequence is not a name"),
        (b"room: yes", "c:1:7: room: 'yes' is not true or false"),
        (b"room: True", "c:1:7: room: 'True' is not true or false"),
        (b"drops: 1", "c:1:8: drops: '1' is not true or false"),
        (b"drops:", "c:1:7: drops: '' is not true or false"),
        (b"peaks: {states: [TIME_WAIT]}", "c:1:18: peaks.states: 'TIME_WAIT' is not one of established"),
        (b"peaks: {window: 1}", "c:1:17: peaks.window: '1' is not a duration"),
        (b"? [a]\n: b", "c:1:3: must be a single word or number"),
        (b'"\\ud800": 1', r"c:1:1: '\ud800': unknown key"),
    ],
)
def test_problem_is_told_with_its_place_and_what_is_allowed(content: bytes, problem: str) -> None:
    assert problems_of(content)[0].startswith(problem)


@given(
    st.binary(max_size=200)
    | st.text(alphabet="{}[]:,-#&*!|>'\"%@` \nabportslimit0123456789", max_size=80).map(str.encode)
)
def test_whatever_the_bytes_there_is_a_config_or_a_config_error(content: bytes) -> None:
    """Every message can be written anywhere, and names the file."""
    problems: tuple[str, ...] = ()
    try:
        parse(content, "c")
    except ConfigError as error:
        problems = (*error.problems, str(error))
    assert all(problem.encode().startswith(b"c:") for problem in problems)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo, dangling, looping = tmp_path / "fifo", tmp_path / "dangling", tmp_path / "looping"
    os.mkfifo(fifo)
    dangling.symlink_to(tmp_path / "nowhere")
    looping.symlink_to(looping)
    expected = {
        fifo: "not a regular file",
        tmp_path: "not a regular file",
        dangling: "No such file or directory",
        looping: "Too many levels of symbolic links",
        Path("/dev/zero"): "not a regular file",
        Path("/proc/self/mem"): "Input/output error",
    }
    for path, cause in expected.items():
        with pytest.raises(ConfigError) as caught:
            load(str(path))
        assert caught.value.problems == (f"{path}: {cause}",)


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match="null"):
        load("a\0b")


def test_a_huge_file_is_refused_in_little_memory(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(1 << 30)
    bombs = [huge]
    for index, content in enumerate((b"[" * 1_000_000, b"a: " + b"x" * 1_000_000, b"- {" * 300_000)):
        bombs.append(tmp_path / f"bomb{index}.yaml")
        bombs[-1].write_bytes(content)
    program = (
        "import sys; from exporter.config import *\ntry: load(sys.argv[1])\nexcept ConfigError as e: print(e)"
    )

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (100 << 20, 100 << 20))

    for bomb in bombs:
        run = subprocess.run(
            [sys.executable, "-c", program, str(bomb)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            preexec_fn=limit_memory,
        )
        assert run.stdout.startswith(str(bomb))
