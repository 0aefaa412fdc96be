"""Take the picture of the status page: a unit and a pod leak, and a real browser looks.

    make status-picture

It needs root and Chromium, and takes a minute.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from tests.support.daemon import ROOT
from tests.support.live.browser import browsing
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.incident import NAMES, incident
from tests.support.live.leaker import leaking
from tests.support.live.namespace import two_hosts
from tests.support.live.pods import running_pod
from tests.support.live.watched import daemon_inside

PICTURE: Final = ROOT / "docs" / "images" / "status-page.png"
WIDTH_PIXELS: Final = 1200
LEAKED_IN_POD: Final = 25
CONFIG: Final = {
    "interval": "2s",
    "cpu_budget": 1,
    "ports": {"names": NAMES},
    "ages": {"stuck_after": "10s"},
    "idle": {"after": "1m", "every": "10s"},
    "namespaces": {"include": ["shop/*"]},
}


def take(seconds: int, picture: Path, height_pixels: int) -> None:
    """Let it leak for so long, and take the picture."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        logs = folder / "pods"
        logs.mkdir()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(CONFIG))
        server, client = stack.enter_context(two_hosts())
        pod = stack.enter_context(running_pod(logs, "shop", "web-7c9d"))
        leaker = stack.enter_context(leaking([*pod.enter, *pod.network.command()]))
        unit = stack.enter_context(made_cgroup("checkout.service"))
        flags = [f"--config.file={config}", f"--path.pod-logs={logs}"]
        daemon = stack.enter_context(daemon_inside(server, *flags))
        stack.enter_context(incident(server, client, enter(unit)))
        for number in range(LEAKED_IN_POD):
            leaker.tell(f"leak {40_000 + number}")
        time.sleep(seconds)  # the time that the picture shows
        browser = stack.enter_context(browsing())
        browser.resize(WIDTH_PIXELS)
        browser.prefer(dark=False)
        browser.open(f"http://127.0.0.1:{daemon.port}/")
        picture.write_bytes(browser.picture(height_pixels))


def main() -> None:
    """Take it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--height", type=int, default=1300)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    flags = parser.parse_args()
    take(flags.seconds, flags.picture, flags.height)


if __name__ == "__main__":
    main()
