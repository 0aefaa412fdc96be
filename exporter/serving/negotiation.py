"""Say in which form a client wants its answer: RFC 9110, section 12.5."""

from typing import Final

from prometheus_client.exposition import choose_encoder

_GZIP_NAMES: Final = ("gzip", "x-gzip", "*")  # the one named counts before the one that stands for all


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether gzip is wanted; with ``q=0`` it is refused, and with a weight that is none, too."""
    weights = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameters = item.partition(";")
        weights[coding.strip()] = _read_weight(parameters)
    return next((weights[name] > 0 for name in _GZIP_NAMES if name in weights), False)


def prefers_openmetrics(accept: str) -> bool:
    """Tell whether OpenMetrics is wanted before the text format."""
    try:
        _, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client on a version that is none
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
