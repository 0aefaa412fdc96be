"""Read the operator's configuration file: settings out, or every problem at once."""

from dataclasses import replace
from typing import Final

from exporter.config.keys import read_section
from exporter.config.nodes import Node, YamlError, read_yaml
from exporter.config.settings import MOVED, Settings
from exporter.config.values import Reader
from exporter.files import read_regular_file

_LARGEST_BYTES: Final = 1 << 20
_READ: Final = read_section(Settings)


class ConfigError(ValueError):
    """The configuration cannot be used; each of ``problems`` says where, which key, and what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load(path: str) -> Settings:
    """Read a configuration file, once.

    Raises ConfigError, also for a file that cannot be read.
    """
    try:
        content = read_regular_file(path, _LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: {getattr(error, 'strerror', None) or error}"]) from error
    return parse(content, path)


def parse(content: bytes, name: str) -> Settings:
    """Return the settings that the content of a file called ``name`` stands for.

    Raises ConfigError, with the first twenty problems and how many more there are.
    """
    reader = Reader(MOVED)
    try:
        settings = _read_settings(reader, read_yaml(content))
    except YamlError as error:
        raise ConfigError([f"{name}:{error.line}:{error.column}: {error}"]) from error
    if reader.problems:
        raise ConfigError(reader.messages(name))
    return settings


def _read_settings(reader: Reader, node: Node) -> Settings:
    """Return the settings; where ``max_interval`` is not given, a longer interval is the longest, too."""
    settings = _READ(reader, node, "")
    wrong = {problem.key for problem in reader.problems}
    if settings.max_interval_seconds >= settings.interval_seconds or wrong & {"interval", "max_interval"}:
        return settings
    if "max_interval" in reader.places:
        reader.reject(reader.places["max_interval"], "max_interval", "must not be shorter than interval")
    return replace(settings, max_interval_seconds=settings.interval_seconds)
