"""Write the completions of bash, zsh and fish, from the parser of the command line.

``python -m completions.generate`` writes; the tests compare.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import shtab

from exporter.flags import make_parser

FOLDER: Final = Path(__file__).parent
FILES: Final = {
    "bash": "netstat-exporter.bash",
    "zsh": "_netstat-exporter",
    "fish": "netstat-exporter.fish",
}
_PATHS: Final = {"FILE": shtab.FILE, "DIRECTORY": shtab.DIRECTORY}


def render_completion(shell: str) -> str:
    """Return the completion of a shell."""
    parser = make_parser()
    for action in _find_actions(parser):
        if action.metavar in _PATHS:
            action.complete = _PATHS[action.metavar]  # type: ignore[attr-defined]  # as shtab wants it
    return "".join(f"{line.rstrip()}\n" for line in shtab.complete(parser, shell).strip().splitlines())


def _find_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the flags of a parser, and those of its subcommands."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public name for them, and shtab reads it too
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for subparser in action.choices.values():
                yield from _find_actions(subparser)


def main() -> None:
    """Write the files."""
    for shell, name in FILES.items():
        (FOLDER / name).write_text(render_completion(shell))


if __name__ == "__main__":
    main()
