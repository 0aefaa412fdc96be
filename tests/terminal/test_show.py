"""``netstat-exporter show`` as a person runs it: on a terminal, into a pipe, and wrongly."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping

import pytest

from exporter.flags import OF_SHOW, OPTIONS, parse_flags
from exporter.options import name_variable
from exporter.status.encoding import decode_status, encode_status
from tests.support.daemon import COMMAND, PATIENCE_SECONDS, ROOT, run_once
from tests.support.status.answering import answering
from tests.support.status.hosts import leaky_host
from tests.support.terminal import run_on_terminal

SHOW = (*COMMAND, "show")
NOBODY_THERE = "http://127.0.0.1:1"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
HOSTILE = "\x1b[2J\x9b31mevil\r\n"


def show(*flags: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, into a pipe."""
    return run_once("show", *flags)


def shown_on_terminal(*flags: str, environment: Mapping[str, str] | None = None, columns: int = 80) -> str:
    """Return all that it shows on a terminal."""
    with run_on_terminal([*SHOW, *flags], columns, environment) as terminal:
        return terminal.read_rest()


def test_a_pipe_gets_whole_lines_without_colours() -> None:
    with answering() as server:
        run = show(f"--url={server.url}")
    assert (run.returncode, run.stderr) == (0, "")
    assert "\x1b" not in run.stdout
    assert re.match(r"web1: 22,661 sockets, .* ago, every 5s\n", run.stdout)
    assert any(line.startswith("shop.service") for line in run.stdout.splitlines())


def test_a_terminal_gets_colours_and_lines_that_fit() -> None:
    with answering() as server:
        text = shown_on_terminal(f"--url={server.url}", columns=40)
        without = shown_on_terminal(f"--url={server.url}", columns=40, environment={"NO_COLOR": "1"})
    assert "\x1b[1;31m" in text
    assert COLOUR.sub("", text) == without
    assert max(len(line) for line in without.splitlines()) <= 40
    assert "\x1b" not in without


def test_a_terminal_that_knows_no_colours_gets_none() -> None:
    with answering() as server:
        text = shown_on_terminal(f"--url={server.url}", environment={"TERM": "dumb"})
    assert "\x1b" not in text


def test_json_is_what_the_daemon_has_and_gives_no_orders_to_a_terminal() -> None:
    status = leaky_host(HOSTILE)
    with answering((200, encode_status(status))) as server:
        text = shown_on_terminal(f"--url={server.url}", "--json")
        run = show(f"--url={server.url}", "--json")
    assert decode_status(run.stdout.encode()) == status
    assert all(letter.isascii() and (letter.isprintable() or letter in "\r\n") for letter in text)
    tool = subprocess.run(
        [*COMMAND[:1], "-m", "json.tool"], input=run.stdout, capture_output=True, text=True, check=True
    )
    assert json.loads(tool.stdout)["host"] == "web1"


def test_names_give_no_orders_to_a_terminal() -> None:
    with answering((200, encode_status(leaky_host(HOSTILE)))) as server:
        text = shown_on_terminal(f"--url={server.url}", environment={"NO_COLOR": "1"})
    assert all(letter.isprintable() or letter in "\r\n" for letter in text)
    assert "evil" in text


def test_filters_select_what_json_has_too() -> None:
    with answering() as server:
        found = {
            flag: json.loads(show(f"--url={server.url}", "--json", flag).stdout)["services"]
            for flag in ("--port=5432", "--state=CLOSE-WAIT", "--listen")
        }
    assert {flag: [row["port"] for row in rows] for flag, rows in found.items()} == {
        "--port=5432": ["5432"],
        "--state=CLOSE-WAIT": ["8080", "6379"],
        "--listen": ["8080"],
    }


@pytest.mark.parametrize("flags", [(), ("--json",), ("--watch=0.5",)])
def test_a_pipe_that_closes_ends_it_quietly(flags: tuple[str, ...]) -> None:
    """As ``ls | head``."""
    with answering() as server:
        command = [*SHOW, f"--url={server.url}", *flags]
        reader, writer = os.pipe()
        with subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
            os.close(writer)
            os.close(reader)
            assert process.stderr
            assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGPIPE
            assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("where", "problem"),
    [(">/dev/full", "standard output: No space left on device"), (">&-", "standard output is closed")],
)
def test_an_output_that_takes_nothing_is_said_in_a_line(where: str, problem: str) -> None:
    with answering() as server:
        line = f'exec "$@" {where}'
        run = subprocess.run(
            ["sh", "-c", line, "sh", *SHOW, f"--url={server.url}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    assert (run.returncode, run.stderr) == (1, f"netstat-exporter: {problem}\n")


def test_a_daemon_that_is_not_there_is_an_error_where_it_was_named() -> None:
    run = show(f"--url={NOBODY_THERE}")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"netstat-exporter: {NOBODY_THERE}: Connection refused\n"


def test_watching_replaces_the_page_in_place_and_leaves_the_terminal_as_it_was() -> None:
    with (
        answering() as server,
        run_on_terminal([*SHOW, f"--url={server.url}", "--watch=0.5"], 80) as terminal,
    ):
        terminal.read_until("\x1b[?1049h")
        terminal.read_until("web1: 22,661 sockets")
        server.answer = (200, encode_status(leaky_host("other.service")))
        page = terminal.read_until("other.service")
        assert "\x1b[H" in page
        server.answer = (503, b"")
        terminal.read_until("its first pass is not finished")
        server.answer = (200, encode_status(leaky_host()))
        terminal.read_until("shop.service")
        terminal.type("\x03")
        assert terminal.read_rest().endswith("\x1b[?25h\x1b[?1049l")
        assert terminal.process.returncode == 0


def test_ctrl_c_ends_it_without_a_trace_while_it_asks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with run_on_terminal([*SHOW, f"--url={url}"], 80) as terminal:
            asking, _ = silent.accept()
            with asking:
                asking.recv(1)
                terminal.type("\x03")
                assert terminal.read_rest().strip() in {"", "^C"}
            assert terminal.process.returncode == -signal.SIGINT


def test_sigterm_leaves_the_terminal_as_it_was_too() -> None:
    with (
        answering() as server,
        run_on_terminal([*SHOW, f"--url={server.url}", "--watch"], 80) as terminal,
    ):
        terminal.read_until("web1: ")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.read_rest().endswith("\x1b[?25h\x1b[?1049l")


def test_a_page_that_is_longer_than_the_terminal_says_how_much_is_left() -> None:
    with answering() as server, run_on_terminal([*SHOW, f"--url={server.url}", "--watch"], 40) as terminal:
        assert terminal.read_until("more lines").count("\n") < 24


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--state=loud"], "argument --state: invalid choice: 'loud'"),
        (["--watch=0"], "argument --watch: '0' is not a number of seconds from 0.5 to 3600"),
        (["--watch=nan"], "argument --watch: 'nan' is not a number"),
        (["--by=color"], "argument --by: invalid choice: 'color'"),
        (["--json", "--by=port"], "--json and --by exclude each other"),
        (["--json", "--peers"], "--json and --peers exclude each other"),
        (["--user=a"], "--user needs --password-file"),
        (["--key-file=a"], "--key-file needs --cert-file"),
        (["--once"], "unrecognized arguments: --once"),
        (["--url=nowhere"], "'nowhere' is not an address such as http://localhost:9068"),
        (["--url=http://\x1b2J"], "is not an address such as http://localhost:9068"),
    ],
)
def test_wrong_flags_are_said_and_end_it_with_2(flags: list[str], problem: str) -> None:
    run = show(*flags)
    assert (run.returncode, run.stdout) == (2, "")
    assert problem in run.stderr
    assert "\x1b" not in run.stderr


def test_flags_of_the_daemon_do_not_stand_before_it() -> None:
    run = run_once("--log.level=debug", "show")
    assert run.returncode == 2
    assert "show comes first, and its flags after it" in run.stderr


def test_remote_addresses_are_for_a_terminal_alone() -> None:
    run = show("--peers")
    assert run.returncode == 2
    assert run.stderr.startswith("netstat-exporter: --peers: ")


def test_the_address_may_come_from_the_environment() -> None:
    assert parse_flags(["show"], {"NETSTAT_EXPORTER_URL": "http://web2:9068"}).url == "http://web2:9068"
    assert parse_flags(["show"], {"NETSTAT_EXPORTER_LISTEN": "true"}).listen is False


def test_flags_of_both_have_one_variable_and_one_meaning() -> None:
    both = OF_SHOW.keys() & OPTIONS.keys()
    assert both == {"--config.file", "--path.procfs", "--path.services", "--path.pod-logs"}
    variables = {name_variable(flag): "/x" for flag in both}
    for words in ([], ["show"]):
        flags = parse_flags(words, variables)
        assert {flags.config_file, flags.path_procfs, flags.path_services, flags.path_pod_logs} == {"/x"}
