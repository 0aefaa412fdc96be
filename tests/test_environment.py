"""Environment variables set flags that are not given, and what is wrong with one is said by its name."""

import re
from pathlib import Path

import pytest

from exporter.flags import EVERY_OPTION, OPTIONS, Flags, parse_flags
from exporter.options import find_unknown, name_attribute, name_variable
from tests.support.daemon import ROOT, run_once, running_daemon

VALUES = {
    "--config.file": ("/etc/c.yaml", "/etc/c.yaml"),
    "--web.config.file": ("/etc/web.yaml", "/etc/web.yaml"),
    "--web.listen-address": ("127.0.0.1:9068, [::1]:9069", ["127.0.0.1:9068", "[::1]:9069"]),
    "--web.systemd-socket": ("true", True),
    "--web.telemetry-path": ("/sockets", "/sockets"),
    "--web.max-requests": ("7", 7),
    "--web.enable-lifecycle": ("TRUE", True),
    "--path.procfs": ("/host/proc", "/host/proc"),
    "--path.services": ("/host/services", "/host/services"),
    "--path.pod-logs": ("/host/pods", "/host/pods"),
    "--log.level": ("debug", "debug"),
    "--log.format": ("json", "json"),
}
"""Of every setting: what its variable says, and what comes of it."""


def parse(*arguments: str, **variables: str) -> Flags:
    """Parse with variables of the environment, whose names are given without what all have in common."""
    return parse_flags(arguments, {f"NETSTAT_EXPORTER_{name}": text for name, text in variables.items()})


def test_every_setting_has_a_variable() -> None:
    assert set(VALUES) == {flag for flag, option in OPTIONS.items() if option.has_variable}


@pytest.mark.parametrize("flag", VALUES)
def test_a_variable_sets_its_flag_and_nothing_else(flag: str) -> None:
    text, value = VALUES[flag]
    flags, plain = parse_flags([], {name_variable(flag): text}), parse_flags([], {})
    name = name_attribute(flag)
    assert getattr(flags, name) == value
    assert getattr(plain, name) == OPTIONS[flag].default != value
    changed = {each for each in vars(plain) if getattr(flags, each) != getattr(plain, each)}
    assert changed == {name, "variables"}


@pytest.mark.parametrize("flag", VALUES)
def test_an_empty_variable_is_none(flag: str) -> None:
    assert vars(parse_flags([], {name_variable(flag): ""})) == vars(parse_flags([], {}))


def test_a_flag_wins_also_over_a_variable_that_is_wrong() -> None:
    flags = parse(
        "--web.max-requests=3", "--web.listen-address=:1", WEB_MAX_REQUESTS="x", WEB_LISTEN_ADDRESS=":2,:3"
    )
    assert (flags.web_max_requests, flags.web_listen_address) == (3, [":1"])


def test_a_flag_wins_over_the_variable_of_one_that_it_excludes() -> None:
    assert parse("--web.systemd-socket", WEB_LISTEN_ADDRESS=":1").web_listen_address is None
    assert not parse("--web.listen-address=:1", WEB_SYSTEMD_SOCKET="true").web_systemd_socket
    assert parse(WEB_SYSTEMD_SOCKET="false", WEB_LISTEN_ADDRESS=":1").web_listen_address == [":1"]


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        (
            {"WEB_MAX_REQUESTS": "0"},
            "variable NETSTAT_EXPORTER_WEB_MAX_REQUESTS: '0' is not a number from 1 to 10000",
        ),
        ({"WEB_TELEMETRY_PATH": "/-/x"}, "variable NETSTAT_EXPORTER_WEB_TELEMETRY_PATH: '/-/x' is reserved"),
        ({"WEB_TELEMETRY_PATH": "/api/v1/status"}, "'/api/v1/status' is reserved"),
        (
            {"LOG_LEVEL": "loud"},
            "variable NETSTAT_EXPORTER_LOG_LEVEL: 'loud' is not one of debug, info, warning, error",
        ),
        (
            {"WEB_ENABLE_LIFECYCLE": "on"},
            "variable NETSTAT_EXPORTER_WEB_ENABLE_LIFECYCLE: 'on' is not true or false",
        ),
        (
            {"WEB_SYSTEMD_SOCKET": "1", "WEB_LISTEN_ADDRESS": ":1"},
            "NETSTAT_EXPORTER_WEB_SYSTEMD_SOCKET and NETSTAT_EXPORTER_WEB_LISTEN_ADDRESS exclude each other",
        ),
        ({"LOG_LEVEL": "\udcff\x1b[2J"}, r"'\udcff\x1b[2J' is not one of debug, info, warning, error"),
    ],
)
def test_a_wrong_variable_is_an_error_that_names_it(
    variables: dict[str, str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(**variables)
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(("name", "text"), [("WEB_LISTEN_ADDRESS", "9068"), ("PATH_PROCFS", "/nowhere")])
def test_what_is_found_wrong_later_names_the_variable_too(name: str, text: str) -> None:
    run = run_once(prefix=("env", f"NETSTAT_EXPORTER_{name}={text}"))
    assert run.returncode == 2
    assert run.stderr.startswith(f"netstat-exporter: NETSTAT_EXPORTER_{name}: ")


def test_a_command_looks_at_no_variable_of_its_name() -> None:
    flags = parse(ONCE="true", CONFIG_CHECK="true", VERSION="true")
    assert (flags.once, flags.config_check, flags.version) == (False, False, False)


def test_a_version_is_printed_whatever_the_environment() -> None:
    assert parse("--version", LOG_LEVEL="loud").version


def test_unknown_variables_are_those_that_no_flag_and_no_service_has() -> None:
    """Kubernetes sets variables for a service of our name, which are no mistake of the operator."""
    mistakes = {"NETSTAT_EXPORTER_LISTEN_ADDRESS", "NETSTAT_EXPORTER_ONCE", "NETSTAT_EXPORTER_PORTS"}
    fine = {
        "PATH",
        "NETSTAT_EXPORTER",
        "NETSTAT_EXPORTER_LOG_LEVEL",
        "NETSTAT_EXPORTER_URL",
        "NETSTAT_EXPORTER_SERVICE_HOST",
        "NETSTAT_EXPORTER_SERVICE_PORT",
        "NETSTAT_EXPORTER_SERVICE_PORT_METRICS",
        "NETSTAT_EXPORTER_PORT",
        "NETSTAT_EXPORTER_PORT_9068_TCP_ADDR",
    }
    assert list(find_unknown(EVERY_OPTION, mistakes | fine)) == sorted(mistakes)


def test_the_daemon_heeds_them_and_warns_of_unknown_ones(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval: 100ms\n")
    variables = ("WEB_TELEMETRY_PATH=/sockets", f"CONFIG_FILE={config}", "LISTEN_ADDRESS=:1")
    prefix = ("env", *(f"NETSTAT_EXPORTER_{variable}" for variable in variables))
    with running_daemon(prefix=prefix) as daemon:
        event = daemon.wait_for("unknown environment variable")
        assert (event["level"], event["variable"]) == ("warning", "NETSTAT_EXPORTER_LISTEN_ADDRESS")
        assert daemon.ask("/sockets").status == 200
        assert daemon.ask("/metrics").status == 404


@pytest.mark.parametrize("document", ["README.md", "docs/command-line.md"])
def test_a_variable_named_in_a_document_is_one(document: str) -> None:
    named = set(re.findall(r"NETSTAT_EXPORTER_[A-Z_]+", (ROOT / document).read_text()))
    assert named
    assert not list(find_unknown(EVERY_OPTION, named))
