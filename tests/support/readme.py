"""The commands of the README, to be run as they stand."""

import shlex

from tests.support.daemon import ROOT


def readme_commands(section: str) -> list[list[str]]:
    """Return the words of each command in a section's first example, which root runs without sudo."""
    text = (ROOT / "README.md").read_text().partition(f"# {section}\n")[2]
    example = text.partition("```console\n")[2].partition("```")[0]
    return [shlex.split(line.removeprefix("$ ").removeprefix("sudo ")) for line in example.splitlines()]
