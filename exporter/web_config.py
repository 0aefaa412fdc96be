"""Read the web configuration file: TLS, client certificates, users and headers, in exporter-toolkit's format.

Strict: every problem is told with its place, and a file with a problem counts for nothing. What promtool
accepts is accepted, and nothing else, but for what Python's ssl cannot do, which is then done more strictly:

- a certificate that is required is verified, also for RequireAnyClientCert;
- RequestClientCert, which lets everybody in, asks for none;
- of several curves the first alone is offered that can be chosen.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exporter.files import read_regular_file
from exporter.serving.security import WebSettings
from exporter.tls_context import (
    CIPHERS,
    CLIENT_AUTH_TYPES,
    CURVES,
    VERSIONS,
    TlsProblem,
    TlsWishes,
    make_context,
)
from exporter.yaml_nodes import Node, Scalar, YamlError, read_yaml
from exporter.yaml_values import Reader, ReadValue

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
"""Which headers may be set, each with the values it may have, where not any."""


class WebConfigError(ValueError):
    """The file cannot be used; each of ``problems`` says where and what."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a file says, and ``files``, itself among them, in which that may change."""

    settings: WebSettings
    files: tuple[str, ...]


def load_web_config(path: str) -> WebConfig:
    """Read a file, and the certificates it names, relative to its own folder; raises WebConfigError."""
    try:
        root = read_yaml(read_regular_file(path, _LARGEST_BYTES))
    except OSError as error:
        raise WebConfigError([f"{path}: {error.strerror}"]) from error
    except YamlError as error:
        raise WebConfigError([f"{path}:{error.line}:{error.column}: {error}"]) from error
    reader = Reader()
    values = reader.mapping(root, "", _KEYS)
    tls: dict[str, Any] = values.get("tls", {})
    wishes = TlsWishes(**{key: value for key, (_, value) in tls.items() if value is not None})
    context = None
    if not reader.problems and wishes.is_wanted:
        try:
            context = make_context(wishes.relative_to(os.path.dirname(path)))
        except TlsProblem as problem:
            key = next(key for key, (attribute, _) in _TLS_KEYS.items() if attribute == problem.attribute)
            node, _ = tls.get(problem.attribute, (root, None))
            reader.reject(node, f"tls_server_config.{key}", str(problem))
    if reader.problems:
        raise WebConfigError([f"{path}:{line}:{column}: {text}" for line, column, text in reader.problems])
    http: dict[str, Any] = values.get("http", {})
    names = wishes.client_allowed_sans
    settings = WebSettings(
        tls=context,
        allowed_names=None if names is None else frozenset(names),
        users=values.get("users", {}),
        headers=http.get("headers", {}),
    )
    files = (path, *wishes.relative_to(os.path.dirname(path)).files)
    return WebConfig(settings, files)


def _placed(read: ReadValue) -> ReadValue:
    """Return what reads a value together with its node."""
    return lambda reader, node, key: (node, read(reader, node, key))


def _read_text(reader: Reader, node: Node, key: str) -> str:
    return reader.text(node, key)


def _read_flag(reader: Reader, node: Node, key: str) -> bool | None:
    def match(text: str) -> bool | None:
        if text.lower() in _YES:
            return True
        return False if text.lower() in _NO else None

    return reader.matched(node, key, "true or false", match)


def _read_word(allowed: tuple[str, ...]) -> ReadValue:
    """Return what reads one of the allowed words; nothing at all is none."""

    def read(reader: Reader, node: Node, key: str) -> str | None:
        if isinstance(node, Scalar) and not node.text:
            return None
        return reader.matched(node, key, f"one of {', '.join(allowed)}", lambda text: _among(text, allowed))

    return read


def _among(text: str, allowed: tuple[str, ...]) -> str | None:
    return text if text in allowed else None


def _read_words(allowed: tuple[str, ...]) -> ReadValue:
    """Return what reads a list of allowed words, or of any where there are none; nothing at all is none."""

    def read(reader: Reader, node: Node, key: str) -> tuple[str, ...] | None:
        if isinstance(node, Scalar) and not node.text:
            return None
        read_item = _read_word(allowed) if allowed else _read_text
        return tuple(str(read_item(reader, item, key)) for item in reader.items(node, key))

    return read


def _read_map(check: Callable[[str, str], str | None], make: Callable[[str], object]) -> ReadValue:
    """Return what reads names with values, of which ``check`` says what is wrong."""

    def read(reader: Reader, node: Node, key: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in reader.pairs(node, key):
            name, text = reader.text(key_node, key), reader.text(value_node, key)
            problem = "given twice" if name in found else check(name, text)
            if problem:
                reader.reject(value_node, key, problem)
            found[name] = make(text)
        return found

    return read


def _check_header(name: str, value: str) -> str | None:
    if name not in _HEADERS:
        return f"this header cannot be set; allowed: {', '.join(_HEADERS)}"
    allowed = _HEADERS[name]
    return f"{name} has to be {' or '.join(allowed)}" if allowed and value not in allowed else None


def _check_hash(_: str, text: str) -> str | None:
    """Say what is wrong with a hash, which itself is never shown."""
    form = _HASH.fullmatch(text)
    if len(text.encode()) < _SHORTEST_HASH or not form or int(form["cost"]) not in _COSTS:
        return "the password is not a bcrypt hash; htpasswd -nBC 10 NAME makes one"
    return None


def _make_header_value(text: str) -> str:
    """Return what may stand in a header: a line break or a tab is a space there."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


_TLS_KEYS: Final[Mapping[str, tuple[str, ReadValue]]] = {
    "cert_file": ("cert_file", _placed(_read_text)),
    "key_file": ("key_file", _placed(_read_text)),
    "client_ca_file": ("client_ca_file", _placed(_read_text)),
    "client_auth_type": ("client_auth_type", _placed(_read_word(tuple(CLIENT_AUTH_TYPES)))),
    "client_allowed_sans": ("client_allowed_sans", _placed(_read_words(()))),
    "min_version": ("min_version", _placed(_read_word(tuple(VERSIONS)))),
    "max_version": ("max_version", _placed(_read_word(tuple(VERSIONS)))),
    "cipher_suites": ("cipher_suites", _placed(_read_words(tuple(CIPHERS)))),
    "curve_preferences": ("curve_preferences", _placed(_read_words(tuple(CURVES)))),
    "prefer_server_cipher_suites": ("prefer_server_cipher_suites", _placed(_read_flag)),
}
_KEYS: Final[Mapping[str, tuple[str, ReadValue]]] = {
    "tls_server_config": ("tls", lambda reader, node, key: reader.mapping(node, key, _TLS_KEYS)),
    "http_server_config": (
        "http",
        lambda reader, node, key: reader.mapping(
            node,
            key,
            {
                "http2": ("http2", _read_flag),  # HTTP/1.1 is what is spoken
                "headers": ("headers", _read_map(_check_header, _make_header_value)),
            },
        ),
    ),
    "basic_auth_users": ("users", _read_map(_check_hash, str.encode)),
}
