"""Who may ask, over what: TLS, users and headers as they hold now."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.serving.channel import TlsChannel


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the web configuration file says; without one, everybody may ask, without TLS.

    ``allowed_names`` are the alternative names of which a client's certificate must have one; None where
    any will do. ``users`` have their bcrypt hashes, ``headers`` are added to every answer.
    """

    tls: ssl.SSLContext | None = None
    allowed_names: frozenset[str] | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


OPEN: Final = WebSettings()


class Security:
    """The settings in force; while ``is_broken``, nobody is answered but with 500."""

    def __init__(self, settings: WebSettings = OPEN) -> None:
        self.settings = settings
        self.is_broken = False

    def allows(self, channel: TlsChannel) -> bool:
        """Tell whether a client's certificate, which TLS has verified, is one of those allowed."""
        allowed = self.settings.allowed_names
        return allowed is None or not allowed.isdisjoint(channel.alternative_names())
