"""A configuration file is read within bounds of time and memory, and nothing in it can end the process."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.loader import ConfigError, load, parse
from exporter.config.settings import Ports, Settings, Switch
from tests.support.config.yaml_texts import ODD_YAML, needs_libyaml
from tests.support.daemon import run_once

MOST_SECONDS = 4.0
"""Of CPU, for a start of the command as well; before there were bounds, 7 to 28."""


def problems_of(content: bytes) -> tuple[str, ...]:
    """Return what is wrong with a configuration called ``c``."""
    with pytest.raises(ConfigError) as caught:
        parse(content, "c")
    return caught.value.problems


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (b"", (5.0, 30.0)),
        (b"max_interval: 5s", (5.0, 5.0)),
        (b"interval: 1m", (60.0, 60.0)),
        (b"interval: 1m\nmax_interval:", (60.0, 60.0)),
        (b"max_interval: 2m\ninterval: 1m", (60.0, 120.0)),
    ],
)
def test_longest_interval_is_never_below_the_interval(content: bytes, seconds: tuple[float, float]) -> None:
    settings = parse(content, "c")
    assert seconds == (settings.interval_seconds, settings.max_interval_seconds)


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"interval: 1m\nmax_interval: 30s", ["c:2:15: max_interval: must not be shorter than interval"]),
        (b"max_interval: 4s", ["c:1:15: max_interval: must not be shorter than interval"]),
        (
            b"max_interval: 4s\nlimit: 3\n",
            [
                "c:1:15: max_interval: must not be shorter than interval",
                "c:2:1: limit: unknown key; did you mean limits?",
            ],
        ),
        (
            b"max_interval: 4s\ninterval: 3\n",
            ["c:2:11: interval: '3' is not a duration from 100ms to 24h, such as 5s, 500ms or 1m30s"],
        ),
    ],
)
def test_a_longest_interval_below_the_interval_is_refused(content: bytes, problems: list[str]) -> None:
    assert tuple(problems) == problems_of(content)


NAMES = {8443: "api-gateway", 30000: "nodeport", 30001: "nodeport"}
GENERATED = Settings(
    cpu_budget=1e-05, ports=Ports(names=NAMES, always=(22, 443)), limits=Switch(enabled=False)
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b"---\n# Source: exporter/templates/config.yaml\ncpu_budget: 1e-05\ninterval: null\n"
            b"limits:\n  enabled: false\nowners: null\n"
            b"ports:\n  always:\n  - 22\n  - 443\n  names:\n"
            b'    "8443": api-gateway\n    30000-30001: nodeport\n',
            id="Helm's toYaml",
        ),
        pytest.param(
            b'{"cpu_budget":1.0e-05,"interval":null,"limits":{"enabled":false},"owners":null,"ports":{"always":'
            b'[22,443],"limit":100,"names":{"30000-30001":"nodeport","8443":"api-gateway"}},"tables":null}',
            id="Nix's toJSON",
        ),
        pytest.param(
            b"cpu_budget: 1e-05\nlimits:\n  enabled: false\nports:\n  always:\n  - 22\n  - 443\n  names:\n"
            b"    '8443': api-gateway\n    30000-30001: nodeport\n",
            id="Nix's formats.yaml",
        ),
        pytest.param(
            b"cpu_budget: '0.00001'\nlimits: {'enabled': \"false\"}\n"
            b"ports: {always: ['22', \"443\"], limit: '100', names: {'8443': 'api-gateway', "
            b"'30000-30001': nodeport}}\n",
            id="everything quoted",
        ),
        pytest.param(
            b"\xef\xbb\xbfcpu_budget: 0.00001\r\nlimits:\r\n  enabled: false\r\nports:\r\n"
            b"  always: [22, 443]\r\n  names: {8443: api-gateway, 30000-30001: nodeport}\r\n",
            id="a byte order mark and CR LF",
        ),
    ],
)
def test_a_file_that_a_tool_wrote_is_read(content: bytes) -> None:
    assert GENERATED == parse(content, "c")


EVERY_PORT = range(1, 65_536)
EVERY_PORT_ALWAYS = "ports: {always: [" + ", ".join(map(str, EVERY_PORT)) + "]}"


def test_a_list_of_every_port_is_read() -> None:
    assert tuple(EVERY_PORT) == parse(EVERY_PORT_ALWAYS.encode(), "c").ports.always


@needs_libyaml
@pytest.mark.parametrize(
    ("content", "first", "last"),
    [
        pytest.param(EVERY_PORT_ALWAYS, "ok", "ok", id="every port"),
        pytest.param(
            "".join(f"k{i}: 1\n" for i in range(90_000)),
            "1:1: k0: unknown key; allowed: ",
            "... and 89,980 more problems",
            id="unknown keys",
        ),
        pytest.param(
            "peaks: {" + "window: 5s," * 70_001 + "}",
            "1:20: peaks.window: given twice",
            "... and 69,980 more problems",
            id="repeated keys",
        ),
        pytest.param(
            "ports: {always: [" + "1," * 90_001 + "]}",
            "1:20: ports.always: 1 is given twice",
            "... and 89,980 more problems",
            id="repeated items",
        ),
        pytest.param(
            "ports:\n  names:\n" + "    1-65535: a\n" * 60_001,
            "4:5: ports.names.1-65535: some of it is named already",
            "... and 59,980 more problems",
            id="ranges",
        ),
    ],
)
def test_very_much_is_checked_quickly_and_only_the_first_problems_shown(
    tmp_path: Path, content: str, first: str, last: str
) -> None:
    config = tmp_path / "c"
    config.write_text(content)
    began = children_seconds()
    run = run_once("--config.check", f"--config.file={config}")
    assert children_seconds() - began < MOST_SECONDS
    lines = (run.stdout + run.stderr).splitlines()
    assert lines[0].removeprefix(f"{config}:").lstrip().startswith(first)
    assert lines[-1].endswith(last)
    assert len(lines) == (21 if run.returncode else 1)


def children_seconds() -> float:
    """Return the CPU time of all programs that have been run; neither other load nor coverage adds to it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@given(st.binary(max_size=200) | ODD_YAML)
def test_whatever_the_bytes_there_are_settings_or_a_config_error(content: bytes) -> None:
    """Every message can be written anywhere, and names the file or says how many more there are."""
    problems: tuple[str, ...] = ()
    try:
        assert isinstance(parse(content, "c"), Settings)
    except ConfigError as error:
        problems = error.problems
    assert all(problem.encode().startswith((b"c:", b"... and ")) for problem in problems)


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
        "import sys; from exporter.config.loader import *\n"
        "try: load(sys.argv[1])\n"
        "except ConfigError as e: print(e)"
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
