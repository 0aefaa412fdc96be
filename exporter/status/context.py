"""Hold what belongs to a status and is not in a snapshot."""

from dataclasses import dataclass

from exporter.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The host, the configuration and the exporter; ``age_seconds`` is that of a snapshot that is too old."""

    settings: Settings
    host: str
    config_file: str | None = None
    metrics_path: str = "/metrics"
    is_reloaded: bool = True
    log_lines_lost: int = 0
    age_seconds: float = 0.0
