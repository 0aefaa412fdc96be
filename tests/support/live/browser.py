"""Look at a page in a real Chromium, over a pipe: its DevTools protocol, a NUL after each message.

Chromium reads messages at descriptor 3 and answers at 4; see --remote-debugging-pipe.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.support import requirements

_END: Final = b"\0"
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_TOO_LOUD: Final = ("error", "warning", "assert")


class BrowserError(Exception):
    """Chromium refused a command, or ended."""


class Browser:
    """A tab of Chromium. ``complaints`` are what its console, its log and its policies reported."""

    def __init__(self, commands: int, answers: int) -> None:
        self.complaints: list[str] = []
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._number = 0
        self._session = ""
        self._loaded = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def resize(self, width: int, height: int = 900) -> None:
        """Have a window of a size, as a phone or a desktop has."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def prefer(self, *, dark: bool) -> None:
        """Prefer dark or light colours."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Load a page, and wait until it is there."""
        before = self._loaded
        found = self._call("Page.navigate", url=address)
        if "errorText" in found:
            raise BrowserError(found["errorText"])
        self.wait_for_load(before)

    def wait_for_load(self, before: int | None = None) -> None:
        """Wait until a page has loaded once more."""
        before = self._loaded if before is None else before
        while self._loaded <= before:
            self._receive()

    def ask(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Return what an expression of JavaScript is."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def picture(self, height: int | None = None) -> bytes:
        """Return the page as PNG, from its top down to a height."""
        clip = {"x": 0, "y": 0, "scale": 1, "width": self.ask("innerWidth"), "height": height or 0}
        more = {"clip": clip, "captureBeyondViewport": True} if height else {}
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", **more)["data"])

    def _call(self, method: str, **parameters: object) -> Mapping[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + _END)
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def _receive(self) -> Mapping[str, Any]:
        """Return the next message, and note what is of interest in events."""
        while _END not in self._buffer:
            chunk = os.read(self._answers, 1 << 20)
            if not chunk:
                raise BrowserError("Chromium has ended")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(_END)
        found: Mapping[str, Any] = json.loads(message)
        parameters = found.get("params", {})
        match found.get("method"):
            case "Page.loadEventFired":
                self._loaded += 1
            case "Runtime.exceptionThrown":
                self.complaints.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in _TOO_LOUD:
                self.complaints.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in _TOO_LOUD:
                self.complaints.append(str(parameters["args"]))
        return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run Chromium with a profile of its own, which is gone at the end."""
    chromium = requirements.require_command("chromium", "chromium")
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        shell = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        process = subprocess.Popen(
            ["bash", "-c", shell, "bash", chromium, *_FLAGS, f"--user-data-dir={Path(profile)}"],
            env={**os.environ, "TMPDIR": profile},  # it leaves something there
            pass_fds=[to_browser, from_browser],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it misses a desktop
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Browser(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            process.terminate()
            process.wait()
