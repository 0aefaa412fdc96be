"""Write the page that a person sees who opens the address in a browser."""

import html
import socket
from collections.abc import Iterator
from typing import Final

from exporter import __version__
from exporter.sampling.snapshot import Snapshot
from exporter.serving.metrics import ReloadStatus


def render_landing_page(snapshot: Snapshot | None, configuration: str, path: str, now_seconds: float) -> str:
    """Return what runs and how it fares; ``path`` is that of the metrics, ``now_seconds`` Unix time."""
    return _PAGE.format(
        host=html.escape(socket.gethostname()),
        version=html.escape(__version__),
        path=html.escape(path),
        last_pass=_describe_pass(snapshot, now_seconds),
        configuration=html.escape(configuration),
        tables="\n".join(_describe_tables(snapshot)) if snapshot else "",
    )


def describe_configuration(reload: ReloadStatus, *, configured: bool) -> str:
    """Return how the last reading of the configuration went, where there is one to be read."""
    if not reload.successful:
        return "wrong at the last reload, the old one is in force"
    return "read" if configured else "no file is given: the defaults hold"


def _describe_pass(snapshot: Snapshot | None, now_seconds: float) -> str:
    if snapshot is None:
        return "under way"
    age_seconds = max(0.0, now_seconds - snapshot.taken_at_seconds)
    cpu_milliseconds, pause_seconds = 1000 * snapshot.cpu_seconds, snapshot.interval_seconds
    return f"{age_seconds:.0f} s ago, with {cpu_milliseconds:.1f} ms of CPU, every {pause_seconds:.3g} s"


def _describe_tables(snapshot: Snapshot) -> Iterator[str]:
    for status in snapshot.tables:
        outcome = status.error or "read"
        cells = (status.table, f"{status.rows:,}", status.source, outcome)
        yield "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>netstat-exporter</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }}
dt {{ font-weight: 600; }}
td, th {{ padding-right: 2rem; text-align: left; }}
</style>
</head>
<body>
<h1>netstat-exporter</h1>
<p>Counts the sockets of {host} by protocol, state, direction and service port.</p>
<p><a href="{path}">Metrics</a> · <a href="/-/healthy">Health</a> · <a href="/-/ready">Readiness</a></p>
<dl>
<dt>Version</dt><dd>{version}</dd>
<dt>Last pass</dt><dd>{last_pass}</dd>
<dt>Configuration</dt><dd>{configuration}</dd>
</dl>
<table>
<tr><th>Table</th><th>Rows</th><th>Source</th><th></th></tr>
{tables}
</table>
</body>
</html>
"""
