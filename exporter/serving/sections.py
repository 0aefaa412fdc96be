"""Say which tables the status page has, and in which order."""

from collections.abc import Iterator, Sequence

from exporter.serving import columns
from exporter.serving.sparkline import Sparklines
from exporter.serving.tables import MOST_ROWS, Cell, Column, R, Section, Table, make_table
from exporter.status.model import Status


def list_sections(status: Status) -> Iterator[Section]:
    """Yield the parts of the page about the host, and then those about the exporter."""
    lines = Sparklines(status.history_at_seconds)

    def table(caption: str, of: Sequence[Column[R]], rows: Sequence[R], total: int) -> Table:
        return make_table(caption, [*of, Column("Trend", trend)], rows, total)

    def trend(row: object) -> Cell:
        return Cell("", path=lines.draw(getattr(row, "history", ())))

    caption = "Sockets in CLOSE_WAIT: the other side has closed, and a process here has not"
    leaks = table(caption, columns.LEAKS, status.leaks, status.leaks_total)
    yield Section("leaks", "Who leaks?", "Nobody: no socket is in CLOSE_WAIT.", [leaks])
    caption = "What has a limit, the fullest first"
    resources = table(caption, columns.RESOURCES, status.resources, status.resources_total)
    yield Section("resources", "What runs out?", "The kernel shows no limits here.", [resources])
    caption = "What the kernel dropped or cut short because a limit was reached"
    losses = table(caption, columns.LOSSES, status.losses, status.losses_total)
    yield Section("losses", "What was dropped?", "", [losses])
    caption = "Connections whose peers do not answer, or that have had no data for long"
    silences = table(caption, columns.SILENCES, status.silences, status.silences_total)
    yield Section("silences", "Who does not answer?", "", [silences])
    of_services = columns.choose_service_columns(status.services[:MOST_ROWS])
    caption = "All services, the busiest first"
    services = table(caption, of_services, status.services, status.services_total)
    yield Section("services", "Sockets by port", "There are no sockets.", [services])
    caption = "Other network namespaces, the worst first"
    namespaces = table(caption, columns.NAMESPACES, status.namespaces, status.namespaces_total)
    yield Section("namespaces", "Pods and containers", "", [namespaces])
    tables = make_table("The kernel's tables, as the last pass read them", columns.TABLES, status.tables)
    collectors = make_table(
        "The collectors, as the last pass ran them", columns.COLLECTORS, status.collectors
    )
    yield Section("exporter", "Is the exporter fine?", "", [tables, collectors])
    settings = make_table("Every key, with its value", columns.SETTINGS, status.configuration)
    yield Section("configuration", "Configuration in force", "", [settings])


def list_notes(status: Status) -> Iterator[str]:
    """Yield what there is to know about the exporter beside its tables."""
    exporter = status.exporter
    for name, number in (
        ("log lines lost", exporter.log_lines_lost),
        ("sockets without a known owner", exporter.unattributed),
        ("sockets not tracked", exporter.untracked),
    ):
        if number is not None:
            yield f"{name}: {number:,}"
    for result, number in exporter.namespaces.items():
        if number:
            yield f"network namespaces {result.replace('_', ' ')}: {number:,}"


def describe_source(status: Status) -> str:
    """Return where the configuration is from."""
    exporter = status.exporter
    if exporter.config_file is None:
        return "No file is given: these are the defaults."
    if exporter.is_reloaded:
        return f"From {exporter.config_file}."
    return f"{exporter.config_file} was wrong at the last reload: this is the configuration before."


def describe_other(status: Status) -> Iterator[str]:
    """Yield what is in ``other``, and why, in sentences."""
    other = status.other
    if not other.sockets:
        return
    yield f"{other.sockets:,} sockets of the host are counted with the port other."
    if other.ports_over_limit:
        yield (
            f"{other.sockets_over_limit or 0:,} of them are at {other.ports_over_limit:,} ports over the "
            f"limit of {other.limit:,} (ports.limit)."
        )
    yield (
        "The others are at ports without a name and without a listener that have one socket each, or that "
        "the kernel chose. A port that is given a name (ports.names) has a row of its own."
    )
    if other.ports:
        shown = (
            f"{each.direction} {each.port} ({each.sockets:,}{', over the limit' * (each.reason == 'limit')})"
            for each in other.ports
        )
        yield f"For example: {', '.join(text.strip() for text in shown)}."
