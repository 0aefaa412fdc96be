"""Make the server's TLS context from the web configuration."""

import contextlib
import dataclasses
import os
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.files import read_regular_file

_LARGEST_BYTES: Final = 1 << 20

# Go's names of tls.CipherSuites(), with OpenSSL's; those of TLS 1.3 cannot be chosen in OpenSSL.
CIPHERS: Final[Mapping[str, str | None]] = {
    "TLS_AES_128_GCM_SHA256": None,
    "TLS_AES_256_GCM_SHA384": None,
    "TLS_CHACHA20_POLY1305_SHA256": None,
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
CURVES: Final[Mapping[str, str]] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
CLIENT_AUTH_TYPES: Final[Mapping[str, ssl.VerifyMode]] = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "RequireAnyClientCert": ssl.CERT_REQUIRED,
    "RequireClientCert": ssl.CERT_REQUIRED,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_PEM: Final = "-----BEGIN CERTIFICATE-----"


class TlsProblem(ValueError):  # noqa: N818 - a problem of the configuration, not an error of the exporter
    """The settings do not work; ``attribute`` names the wrong one."""

    def __init__(self, attribute: str, problem: str) -> None:
        super().__init__(problem)
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The TLS settings of the web configuration, in its own words."""

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = ""
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True

    @property
    def is_enabled(self) -> bool:
        """Return whether TLS is configured."""
        return bool(self.cert_file or self.key_file or self.client_ca_file or self.client_auth_type)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are read."""
        return tuple(filter(None, (self.cert_file, self.key_file, self.client_ca_file)))

    def relative_to(self, folder: str) -> "TlsSettings":
        """Return the same settings, with files relative to a folder."""

        def join(path: str) -> str:
            return os.path.join(folder, path) if path else ""

        return dataclasses.replace(
            self,
            cert_file=join(self.cert_file),
            key_file=join(self.key_file),
            client_ca_file=join(self.client_ca_file),
        )


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a context with the certificates as they are now; raises TlsProblem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_own_certificate(context, settings)
    _set_versions(context, settings)
    _set_ciphers(context, settings)
    _set_client_auth(context, settings)
    return context


def _load_own_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    for attribute in ("cert_file", "key_file"):
        path = getattr(settings, attribute)
        if not path:
            raise TlsProblem(attribute, "missing")
        _read(attribute, path)  # OpenSSL would block on a file that is not regular
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        text = f"no certificate with its key in {settings.cert_file} and {settings.key_file}: {reason}"
        raise TlsProblem("cert_file", text) from error


def _set_versions(context: ssl.SSLContext, settings: TlsSettings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the operator chose an old version
        context.minimum_version = VERSIONS[settings.min_version]
        context.maximum_version = VERSIONS[settings.max_version]


def _set_ciphers(context: ssl.SSLContext, settings: TlsSettings) -> None:
    if settings.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if settings.cipher_suites:
        ciphers = [name for suite in settings.cipher_suites if (name := CIPHERS[suite])]
        try:
            if ciphers:
                context.set_ciphers(":".join(ciphers))
            else:
                context.minimum_version = ssl.TLSVersion.TLSv1_3
        except (ssl.SSLError, ValueError) as error:
            raise TlsProblem("cipher_suites", "this host's OpenSSL supports none of these") from error
    for curve in settings.curve_preferences:
        with contextlib.suppress(ssl.SSLError, ValueError):  # such as X25519 before Python 3.15
            context.set_ecdh_curve(CURVES[curve])
            return


def _set_client_auth(context: ssl.SSLContext, settings: TlsSettings) -> None:
    mode = CLIENT_AUTH_TYPES[settings.client_auth_type or "NoClientCert"]
    if settings.client_ca_file:
        if settings.client_auth_type in {"", "NoClientCert"}:
            raise TlsProblem("client_ca_file", "client_auth_type does not ask for certificates")
        text = _read("client_ca_file", settings.client_ca_file).decode("latin-1")
        try:
            if _PEM in text:  # without a certificate every client is refused
                context.load_verify_locations(cadata=text.encode("ascii", "ignore").decode())
        except (ssl.SSLError, ValueError) as error:
            raise TlsProblem("client_ca_file", f"no certificates: {error}") from error
    elif mode != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if settings.client_allowed_sans is not None and mode != ssl.CERT_REQUIRED:
        raise TlsProblem("client_allowed_sans", "client_auth_type does not require certificates")
    context.verify_mode = mode


def _read(attribute: str, path: str) -> bytes:
    try:
        return read_regular_file(path, _LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise TlsProblem(attribute, f"{path}: {getattr(error, 'strerror', None) or error}") from error
