"""Read the web configuration file: TLS, client certificates, users and headers, in exporter-toolkit's format.

Every problem is reported with its place, and a file with a problem is not used. It accepts what promtool
accepts. What Python's ssl cannot do is done more strictly:

- a required certificate is verified, also for RequireAnyClientCert;
- RequestClientCert, which allows every client, asks for no certificate;
- of several curves only the first supported one is offered.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final, TypeVar

from exporter.config.keys import key, read_section, section
from exporter.config.nodes import Node, Scalar, Sequence, YamlError, read_yaml
from exporter.config.values import Reader, ReadValue
from exporter.files import read_regular_file
from exporter.serving.security import WebSettings
from exporter.serving.tls_context import (
    CIPHERS,
    CLIENT_AUTH_TYPES,
    CURVES,
    VERSIONS,
    TlsProblem,
    TlsSettings,
    make_context,
)

T = TypeVar("T")

_LARGEST_BYTES: Final = 1 << 20
_HASH: Final = re.compile(r"\$[0-2].?\$(?P<cost>[0-9]{2})\$?.*", re.ASCII)
_SHORTEST_HASH: Final = 59
_COSTS: Final = range(4, 32)
_YES: Final = ("y", "yes", "on", "true")
_NO: Final = ("n", "no", "off", "false")
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The headers that may be set, each with its allowed values; empty for any."""


class WebConfigError(ValueError):
    """The file cannot be used; each of ``problems`` says where and what."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The settings of a file, and the ``files`` that they were read from, itself first."""

    settings: WebSettings
    files: tuple[str, ...]


def _read_text(reader: Reader, node: Node, path: str) -> str:
    return reader.text(node, path)


def _read_flag(reader: Reader, node: Node, path: str) -> bool | None:
    def match(text: str) -> bool | None:
        if text.lower() in _YES:
            return True
        return False if text.lower() in _NO else None

    return reader.matched(node, path, "true or false", match)


def _read_word(allowed: Collection[str]) -> ReadValue[str]:
    """Return a reader of one of the allowed words; an empty word is no value."""

    def read(reader: Reader, node: Node, path: str) -> str | None:
        if isinstance(node, Scalar) and not node.text:
            return None
        return reader.matched(
            node, path, f"one of {', '.join(allowed)}", lambda text: text if text in allowed else None
        )

    return read


def _read_words(allowed: Collection[str]) -> ReadValue[tuple[str, ...]]:
    """Return a reader of a list of allowed words, of any words if empty; an empty text is no value."""

    def read(reader: Reader, node: Node, path: str) -> tuple[str, ...] | None:
        if isinstance(node, Scalar) and not node.text:
            return None
        if not isinstance(node, Sequence):
            reader.reject(node, path, "must be a list")
            return None
        read_item = _read_word(allowed) if allowed else _read_text
        return tuple(str(read_item(reader, item, path)) for item in node.items)

    return read


def _read_map(
    check: Callable[[str, str], str | None], make: Callable[[str], T]
) -> ReadValue[Mapping[str, T]]:
    """Return a reader of names with values; ``check`` returns what is wrong with a pair."""

    def read(reader: Reader, node: Node, path: str) -> Mapping[str, T]:
        found: dict[str, T] = {}
        for key_node, value_node in reader.pairs(node, path, "names to values"):
            name, text = reader.text(key_node, path), reader.text(value_node, path)
            problem = "given twice" if name in found else check(name, text)
            if problem:
                reader.reject(value_node, path, problem)
            found[name] = make(text)
        return found

    return read


def _check_header(name: str, value: str) -> str | None:
    if name not in _HEADERS:
        return f"this header cannot be set; allowed: {', '.join(_HEADERS)}"
    allowed = _HEADERS[name]
    return f"{name} has to be {' or '.join(allowed)}" if allowed and value not in allowed else None


def _check_hash(_: str, text: str) -> str | None:
    """Return what is wrong with a hash; the hash itself is never shown."""
    form = _HASH.fullmatch(text)
    if len(text.encode()) < _SHORTEST_HASH or not form or int(form["cost"]) not in _COSTS:
        return "the password is not a bcrypt hash; htpasswd -nBC 10 NAME makes one"
    return None


def _make_header_value(text: str) -> str:
    """Return a valid header value: line breaks and tabs become spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


@dataclass(frozen=True, slots=True)
class _Tls:
    """The section about TLS; keys that are not given are None, and have the defaults of ``TlsSettings``."""

    cert_file: str | None = key("cert_file", _read_text, None)
    key_file: str | None = key("key_file", _read_text, None)
    client_ca_file: str | None = key("client_ca_file", _read_text, None)
    client_auth_type: str | None = key("client_auth_type", _read_word(CLIENT_AUTH_TYPES), None)
    client_allowed_sans: tuple[str, ...] | None = key("client_allowed_sans", _read_words(()), None)
    min_version: str | None = key("min_version", _read_word(VERSIONS), None)
    max_version: str | None = key("max_version", _read_word(VERSIONS), None)
    cipher_suites: tuple[str, ...] | None = key("cipher_suites", _read_words(CIPHERS), None)
    curve_preferences: tuple[str, ...] | None = key("curve_preferences", _read_words(CURVES), None)
    prefer_server_cipher_suites: bool | None = key("prefer_server_cipher_suites", _read_flag, None)

    def make_settings(self) -> TlsSettings:
        """Return the settings of TLS."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return TlsSettings(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class _Http:
    """The section about HTTP; http2 is accepted and has no effect, only HTTP/1.1 is served."""

    http2: bool = key("http2", _read_flag, default=True)
    headers: Mapping[str, str] = key(
        "headers", _read_map(_check_header, _make_header_value), MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class _Root:
    """The whole file."""

    tls: _Tls = section("tls_server_config", _Tls)
    http: _Http = section("http_server_config", _Http)
    users: Mapping[str, bytes] = key(
        "basic_auth_users", _read_map(_check_hash, str.encode), MappingProxyType({})
    )


_READ: Final = read_section(_Root)


def load_web_config(path: str) -> WebConfig:
    """Read a file, and the certificates it names, relative to its own folder; raises WebConfigError."""
    try:
        node = read_yaml(read_regular_file(path, _LARGEST_BYTES))
    except OSError as error:
        raise WebConfigError([f"{path}: {error.strerror}"]) from error
    except YamlError as error:
        raise WebConfigError([f"{path}:{error.line}:{error.column}: {error}"]) from error
    reader = Reader()
    root = _READ(reader, node, "")
    tls = root.tls.make_settings()
    context = None
    if not reader.problems and tls.is_enabled:
        try:
            context = make_context(tls.relative_to(os.path.dirname(path)))
        except TlsProblem as problem:
            place = f"tls_server_config.{problem.attribute}"
            reader.reject(reader.places.get(place, node), place, str(problem))
    if reader.problems:
        raise WebConfigError(reader.messages(path))
    names = tls.client_allowed_sans
    settings = WebSettings(
        tls=context,
        allowed_names=None if names is None else frozenset(names),
        users=root.users,
        headers=root.http.headers,
    )
    return WebConfig(settings, (path, *tls.relative_to(os.path.dirname(path)).files))
