"""Take a picture of the dashboard: a Prometheus watches a bad day, and Grafana's own components draw it.

    make picture

It needs root, Prometheus, Chromium and npm, and takes some minutes.
"""

import argparse
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.support.daemon import ROOT
from tests.support.dashboard import Panel, Query, read_dashboard
from tests.support.live.watched import watched_incident
from tests.support.prometheus import Prometheus

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
PICTURE: Final = ROOT / "docs" / "images" / "dashboard.png"
WIDTH_PIXELS, CELL_PIXELS, GAP_PIXELS = 1360, 38, 8
STEP_SECONDS: Final = 2


class Range(NamedTuple):
    """The time that the picture shows."""

    start: int
    end: int


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and does not tell."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def answer(panel: Panel, prometheus: Prometheus, shown: Range) -> dict[str, object]:
    """Return a panel with what Prometheus answers to its queries."""
    targets = []
    for target in panel.get("targets", []):
        expression = Query(panel["title"], target["refId"], target["expr"]).chosen
        if target["instant"]:
            found = prometheus.query(expression).items()
            series: list[object] = [{"metric": dict(labels), "value": value} for labels, value in found]
        else:
            over_time = prometheus.query_range(expression, shown.start, shown.end, STEP_SECONDS)
            series = [{"metric": one.labels, "values": one.values} for one in over_time]
        targets.append({**target, "answer": series})
    return {**panel, "targets": targets}


def ask_everything(seconds: int, folder: Path) -> dict[str, object]:
    """Watch a bad day for so long, and return the dashboard with all its answers."""
    with watched_incident(folder, "1s") as prometheus:
        start = int(time.time())
        time.sleep(seconds)  # the time that the picture shows
        shown = Range(start, start + seconds)
        panels = [answer(panel, prometheus, shown) for panel in read_dashboard()["panels"]]
    return {"dashboard": {"panels": panels}, "range": {**shown._asdict(), "step": STEP_SECONDS}}


def build_page(folder: Path) -> None:
    """Write the page without its answers."""
    (folder / "index.html").write_text((FOLDER / "index.html").read_text())
    (folder / "public").symlink_to(MODULES / "@grafana" / "ui" / "dist" / "public")
    # Grafana's modules that bundlers prefer, *.mjs, are bundled with the wrong defaults of CommonJS ones.
    aliases = [
        f"--alias:@grafana/{each}={MODULES}/@grafana/{each}/dist/cjs/index.cjs" for each in ("data", "ui")
    ]
    bundle = ["--bundle", "--format=esm", "--minify", "--jsx=automatic", "--define:global=window"]
    loaders = [f"--loader:.{kind}=dataurl" for kind in ("ttf", "woff", "woff2")]
    command = [f"{MODULES}/.bin/esbuild", f"{FOLDER}/dashboard.jsx", f"--outfile={folder}/bundle.js"]
    subprocess.run([*command, "--log-level=error", *bundle, *loaders, *aliases], check=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback, and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def draw(folder: Path, picture: Path, rows: int) -> None:
    """Draw the first rows of the page as a browser does."""
    panels = read_dashboard()["panels"]
    headings = [panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"]
    bottoms = [panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels]
    height_pixels = GAP_PIXELS + CELL_PIXELS * [*headings, max(bottoms)][rows]
    picture.parent.mkdir(exist_ok=True)
    with served(folder) as address:
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                "--force-device-scale-factor=1.5",
                f"--window-size={WIDTH_PIXELS},{height_pixels}",
                "--virtual-time-budget=20000",
                f"--screenshot={picture}",
                address,
            ],
            check=True,
            stderr=subprocess.DEVNULL,  # it misses a desktop
        )


def main() -> None:
    """Watch, build, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--rows", type=int, default=3, help="how many of the dashboard's rows")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    flags = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        answers = ask_everything(flags.seconds, folder)
        (folder / "page").mkdir()
        (folder / "page" / "answers.json").write_text(json.dumps(answers))
        build_page(folder / "page")
        draw(folder / "page", flags.picture.absolute(), flags.rows)


if __name__ == "__main__":
    main()
