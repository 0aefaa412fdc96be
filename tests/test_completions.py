"""The completions are what the parser gives, and real shells complete with them.

``make golden`` writes them again.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from completions.generate import FILES, FOLDER, render_completion
from tests.support.requirements import require_command
from tests.support.terminal import run_on_terminal


@pytest.mark.parametrize("shell", FILES)
def test_a_completion_is_that_of_the_parser(shell: str) -> None:
    assert render_completion(shell) == (FOLDER / FILES[shell]).read_text()


SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "--interactive"),
}
"""Of every shell: how it starts without anybody's settings."""

SETTINGS = {
    "bash": """source {file}; netstat-exporter() {{ echo "<$*>"; }}; PS1='rea''dy '\n""",
    "zsh": "fpath=({folder} $fpath); autoload -Uz compinit; compinit -D; "
    """netstat-exporter() {{ print -r -- "<$*>" }}; PS1='rea''dy '\n""",
    "fish": """source {file}; function netstat-exporter; echo "<$argv>"; end; """
    "function fish_prompt; echo 'rea''dy '; end\n",
}
"""What it is told then: the completions, and a command that shows what it is given."""


@pytest.mark.parametrize(
    ("keys", "completed"),
    [
        ("--log.form\tj\t", "<--log.format json>"),
        ("--web.conf\t{folder}/we\t", "<--web.config.file {folder}/web.yaml>"),
        ("--web.listen-address :1 --onc\t", "<--web.listen-address :1 --once>"),
        ("sho\t--state last\t", "<show --state last_ack>"),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_flags_values_and_files(
    shell: str, keys: str, completed: str, tmp_path: Path
) -> None:
    require_command(shell, shell)
    (tmp_path / "web.yaml").touch()
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(tmp_path))
    with run_on_terminal(SHELLS[shell], 200, own) as terminal:
        terminal.type(SETTINGS[shell].format(file=FOLDER / FILES[shell], folder=FOLDER))
        terminal.read_until("ready ")
        terminal.type(f"netstat-exporter {keys.format(folder=tmp_path)}")
        terminal.read_until(completed.format(folder=tmp_path)[1:-1].rpartition(" ")[2])
        terminal.type("\n")
        terminal.read_until(completed.format(folder=tmp_path))


def complete_in_bash(words: Sequence[str]) -> list[str]:
    """Return what bash offers for the last of the words."""
    script = (
        f'source "{FOLDER / FILES["bash"]}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_netstat_exporter; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(
        ["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True, timeout=30
    )
    return run.stdout.split()


def test_bash_offers_every_value_of_a_choice() -> None:
    require_command("bash", "bash")
    assert complete_in_bash(["netstat-exporter", "--log.level", ""]) == ["debug", "info", "warning", "error"]
