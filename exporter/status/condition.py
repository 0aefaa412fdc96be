"""Define what a status has about the exporter itself: tables, collectors, configuration, links."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from exporter.status.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A table of the kernel, as the last pass read it."""

    severity: Severity
    table: Annotated[str, "the kernel's name"]
    source: Annotated[str, "`procfs` or `netlink`"]
    rows: Annotated[int | None, "rows that the kernel listed, null where it failed"]
    difference: Annotated[int | None, "sockets counted minus the kernel's own count"]
    duration_seconds: Annotated[float, "time to read and count it"]
    error: Annotated[str, "why it failed, empty on success"] = ""
    failing_seconds: Annotated[float | None, "for how long it has failed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorRow:
    """A collector, as it went in the last pass."""

    severity: Severity
    collector: Annotated[str, "its name, as in the configuration"]
    duration_seconds: Annotated[float, "time that it took after the tables were read"]
    error: Annotated[str, "why it failed, empty on success"] = ""
    failing_seconds: Annotated[float | None, "for how long it has failed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key of the configuration in force."""

    key: Annotated[str, "such as `ports.limit`"]
    value: Annotated[str, "as it is written in YAML"]
    is_default: Annotated[bool, "whether it is the default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where to read more."""

    metrics: Annotated[str, "path of the metrics"]
    documentation: Annotated[str, "address of the documentation of this version"]
    runbooks: Annotated[str, "address of the runbooks of this version"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """The state of the exporter itself."""

    version: Annotated[str, "its version"]
    interval_seconds: Annotated[float, "pause between passes, now"]
    duration_seconds: Annotated[float, "time that the last pass took"]
    cpu_seconds: Annotated[float, "CPU time that the last pass took"]
    series: Annotated[int, "series of the metrics page that come from the snapshot"]
    config_file: Annotated[str | None, "the configuration file, null without one"]
    is_reloaded: Annotated[bool, "whether the last reload of the configuration succeeded"]
    log_lines_lost: Annotated[int, "log lines that standard error did not take"]
    unattributed: Annotated[int | None, "sockets in tracked states whose owner is not known"]
    untracked: Annotated[int | None, "sockets in tracked states beyond `tracked.limit`"]
    namespaces: Annotated[Mapping[str, int], "other network namespaces by result of the last pass"]
    oldest_reading_seconds: Annotated[float | None, "age of the oldest reading among them"]
