"""Hold the web settings in force: TLS, users and headers."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.serving.channel import TlsChannel


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The settings of the web configuration file; the defaults allow everybody, without TLS.

    ``allowed_names`` are the alternative names of which a client's certificate must have one, None for any.
    ``users`` have their bcrypt hashes, ``headers`` are added to every answer.
    """

    tls: ssl.SSLContext | None = None
    allowed_names: frozenset[str] | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


OPEN: Final = WebSettings()


class Security:
    """The settings in force; while ``is_broken``, every request is answered with 500."""

    def __init__(self, settings: WebSettings = OPEN) -> None:
        self.settings = settings
        self.is_broken = False

    def allows(self, channel: TlsChannel) -> bool:
        """Return whether a client's certificate, which TLS has verified, is allowed."""
        allowed = self.settings.allowed_names
        return allowed is None or not allowed.isdisjoint(channel.alternative_names())
