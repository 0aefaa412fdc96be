"""Take pictures of the dashboards: a Prometheus watches a bad day, and Grafana's own components draw them.

    make picture

It needs root, Prometheus, Chromium, npm and runc, and takes some minutes.
"""

import argparse
import json
import math
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
from tests.support.dashboard import FILES, FLEET, HOST, Panel, Query, read_dashboard
from tests.support.live.watched import watched_incident
from tests.support.prometheus import Prometheus

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
PICTURES: Final = ROOT / "docs" / "images"
ROWS: Final = {HOST: 3, FLEET: 3}
"""How many rows of each dashboard are on its picture."""
WIDTH_PIXELS, CELL_PIXELS, GAP_PIXELS = 1360, 38, 8
STEP_SECONDS: Final = 2


class Range(NamedTuple):
    """The time that the pictures show."""

    start: int
    end: int


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and does not tell."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def write_number(value: float) -> float | None:
    """Return what JSON has of a number: nothing of one that is none or has no end."""
    return value if math.isfinite(value) else None


def answer(panel: Panel, prometheus: Prometheus, shown: Range) -> dict[str, object]:
    """Return a panel with what Prometheus answers to its queries."""
    targets = []
    for target in panel.get("targets", []):
        expression = Query("", panel["title"], target["refId"], target["expr"]).chosen
        if target["instant"]:
            found = prometheus.query(expression).items()
            series: list[object] = [
                {"metric": dict(labels), "value": write_number(value)} for labels, value in found
            ]
        else:
            over_time = prometheus.query_range(expression, shown.start, shown.end, STEP_SECONDS)
            series = [
                {"metric": one.labels, "values": [(at, write_number(value)) for at, value in one.values]}
                for one in over_time
            ]
        targets.append({**target, "answer": series})
    return {**panel, "targets": targets}


def ask_everything(seconds: int, folder: Path) -> dict[Path, object]:
    """Watch a bad day for so long, and return each dashboard with all its answers."""
    with watched_incident(folder, "1s") as prometheus:
        start = int(time.time())
        time.sleep(seconds)  # the time that the pictures show
        shown = Range(start, start + seconds)
        return {
            path: {
                "dashboard": {
                    "panels": [answer(panel, prometheus, shown) for panel in read_dashboard(path)["panels"]]
                },
                "range": {**shown._asdict(), "step": STEP_SECONDS},
            }
            for path in FILES
        }


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


def draw(folder: Path, picture: Path, height_pixels: int) -> None:
    """Draw so much of the page as a browser does."""
    picture.parent.mkdir(exist_ok=True)
    with served(folder) as address:
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                "--force-device-scale-factor=1.25",
                f"--window-size={WIDTH_PIXELS},{height_pixels}",
                "--virtual-time-budget=20000",
                f"--screenshot={picture}",
                address,
            ],
            check=True,
            stderr=subprocess.DEVNULL,  # it misses a desktop
        )


def measure_height(path: Path, rows: int) -> int:
    """Return how many pixels the first rows of a dashboard are high."""
    panels = read_dashboard(path)["panels"]
    headings = [panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    return GAP_PIXELS + CELL_PIXELS * [*headings, bottom][min(rows, len(headings))]


def main() -> None:
    """Watch, build, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--all", action="store_true", help="draw all rows of the dashboards")
    parser.add_argument("--output", type=Path, default=PICTURES)
    flags = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        answers = ask_everything(flags.seconds, folder)
        page = folder / "page"
        page.mkdir()
        build_page(page)
        for path, answered in answers.items():
            (page / "answers.json").write_text(json.dumps(answered, allow_nan=False))
            picture = flags.output.absolute() / f"{path.stem}.png"
            draw(page, picture, measure_height(path, 100 if flags.all else ROWS[path]))


if __name__ == "__main__":
    main()
