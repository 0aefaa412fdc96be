"""Certificates to test TLS with, made in a moment by an authority of one's own."""

from dataclasses import dataclass
from pathlib import Path

import trustme

SERVER_NAME = "localhost"


@dataclass(frozen=True)
class Certificates:
    """The files of an authority, of a server on the loopback, and of a client that it knows."""

    folder: Path
    authority: trustme.CA

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def issue(self, stem: str, *names: str) -> tuple[Path, Path]:
        """Write a certificate and its key for these names, and return both files."""
        issued = self.authority.issue_cert(*names)
        certificate, key = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        issued.private_key_pem.write_to_path(str(key))
        for file in (certificate.with_suffix(".new"),):
            file.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
            file.rename(certificate)
        return certificate, key


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and write what server.pem, server.key, client.pem and client.key are to be."""
    made = Certificates(folder, trustme.CA())
    made.authority.cert_pem.write_to_path(str(made.ca))
    made.issue("server", SERVER_NAME, "127.0.0.1")
    made.issue("client", "prometheus.example")
    return made
