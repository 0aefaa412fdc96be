"""Choose the format that a client accepts: RFC 9110, section 12.5."""

from typing import Final

from prometheus_client.exposition import choose_encoder

_GZIP_NAMES: Final = ("gzip", "x-gzip", "*")  # the one named counts before the one that stands for all


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether gzip is accepted; ``q=0`` or an invalid weight refuses it."""
    weights = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameters = item.partition(";")
        weights[coding.strip()] = _read_weight(parameters)
    return next((weights[name] > 0 for name in _GZIP_NAMES if name in weights), False)


def prefers_openmetrics(accept: str) -> bool:
    """Return whether OpenMetrics is preferred to the text format."""
    try:
        _, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client on an invalid version
        return False
    return content_type.startswith("application/openmetrics-text")


def _read_weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
