"""A flag, which its environment variable sets where the command line does not.

``--web.listen-address`` is ``NETSTAT_EXPORTER_WEB_LISTEN_ADDRESS``. An empty variable counts as not set, so
that a template can leave one out.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "NETSTAT_EXPORTER_"
SEPARATOR: Final = ","

_SWITCH: Final = {"true": True, "1": True, "false": False, "0": False}
# What Kubernetes and Docker set for a service that is called netstat-exporter.
_OF_SERVICES: Final = re.compile(rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Option:
    """A flag: what it is for, and how its value is read.

    ``read`` raises ArgumentTypeError for a wrong word. ``action`` is argparse's. With a ``constant`` the
    flag may stand without a value. One that ``has_variable`` is a setting; the others are commands, such as
    ``--once``.
    """

    help: str
    metavar: str | None = None
    default: object = None
    read: Callable[[str], object] = str
    choices: tuple[str, ...] | None = None
    action: str = "store"
    constant: object = None
    has_variable: bool = True

    def add_to(self, parser: argparse.ArgumentParser, flag: str) -> None:
        """Add the flag to a parser; its value is None where it is not given."""
        how: dict[str, object] = {"help": self.help, "action": self.action, "default": None}
        if self.default:
            how["help"] = f"{self.help} (default: {self.default})"
        if self.action != "store_true":
            how |= {"metavar": self.metavar, "type": self.read, "choices": self.choices}
        if self.constant is not None:
            how |= {"nargs": "?", "const": self.constant}
        parser.add_argument(flag, dest=name_attribute(flag), **how)  # type: ignore[arg-type]

    def read_variable(self, text: str) -> object:
        """Return the value that an environment variable gives; raises ArgumentTypeError."""
        if self.action == "store_true":
            if text.lower() not in _SWITCH:
                raise argparse.ArgumentTypeError(f"{text!r} is not true or false")
            return _SWITCH[text.lower()]
        if self.action == "append":
            return [self.read(word.strip()) for word in text.split(SEPARATOR)]
        if self.choices and text not in self.choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(self.choices)}")
        return self.read(text)


def name_attribute(flag: str) -> str:
    """Return the name of a flag's attribute: ``web_listen_address``."""
    return flag.removeprefix("--").replace(".", "_").replace("-", "_")


def name_variable(flag: str) -> str:
    """Return the name of a flag's environment variable: ``NETSTAT_EXPORTER_WEB_LISTEN_ADDRESS``."""
    return PREFIX + name_attribute(flag).upper()


def find_unknown(options: Mapping[str, Option], environment: Iterable[str]) -> Iterator[str]:
    """Yield the variables that begin like ours and belong to no flag, sorted."""
    known = {name_variable(flag) for flag, option in options.items() if option.has_variable}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known and not _OF_SERVICES.fullmatch(name):
            yield name
