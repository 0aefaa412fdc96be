"""Show the status of a host: that of the running daemon, or of passes of its own.

Exit codes: 0 when it was shown, 1 when there was nothing to show, 2 for a wrong flag, file or address, and
those of a shell for a program that a signal ended.
"""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from exporter.flags import Flags, parse_flags
from exporter.status.encoding import encode_status
from exporter.status.model import Status
from exporter.terminal.asking import AbsentError, Daemon, ask_status
from exporter.terminal.errors import ShowError, UsageError
from exporter.terminal.options import DEFAULT_URL
from exporter.terminal.screen import ClosedError, Screen
from exporter.terminal.sections import Peers
from exporter.terminal.selection import find_host_leaks, is_listening, select_port, select_services
from exporter.terminal.tables import clean
from exporter.terminal.view import View, Wanted

EXIT_OK: Final = 0
EXIT_NOTHING: Final = 1
EXIT_USAGE: Final = 2
_SIGNALLED: Final = 128


class Source:
    """Where the status is from: the daemon, or own passes if it is not there at the first time."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags
        self._daemon = Daemon(
            flags.url or DEFAULT_URL,
            flags.ca_file,
            flags.cert_file,
            flags.key_file,
            flags.user,
            flags.password_file,
        )
        self._take: Callable[[], Status] | None = None
        self._is_first = True
        self.note = ""

    def read(self) -> Status:
        """Return the status now; raises ShowError."""
        is_first, self._is_first = self._is_first, False
        if self._take is None:
            try:
                return ask_status(self._daemon)
            except AbsentError as error:
                if self._flags.url or not is_first:
                    raise
                self.note = f"counted by this command, as no daemon answers ({error})"
                if self._flags.json:  # which has no place for it
                    _say(self.note)
            from exporter.terminal.counting import OwnPasses  # noqa: PLC0415 - slow, and mostly not needed

            self._take = OwnPasses(self._flags).take_status
        return self._take()


def main(arguments: Sequence[str] | None = None) -> int:
    """Show it and return the exit code."""
    flags = parse_flags(arguments)
    if sys.stdout is None:  # it was closed before the start
        return _refuse("standard output is closed", EXIT_NOTHING)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    screen = Screen(in_place=bool(flags.watch))
    try:
        run(flags, screen)
    except ShowError as error:
        return _refuse(str(error), EXIT_USAGE if isinstance(error, UsageError) else EXIT_NOTHING)
    except ClosedError:
        return _SIGNALLED + signal.SIGPIPE
    return EXIT_OK


def run(flags: Flags, screen: Screen) -> None:
    """Show it once, or again and again until a signal comes."""
    if flags.peers and os.geteuid():
        raise UsageError("--peers: only root sees remote addresses")
    if flags.peers and not screen.is_terminal:
        raise UsageError("--peers: remote addresses are shown on a terminal only")
    source = Source(flags)
    if not flags.watch:
        screen.show(render(flags, screen, source))
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        while True:
            screen.show(_render_or_explain(flags, screen, source))
            time.sleep(flags.watch)
    finally:
        screen.leave()


def render(flags: Flags, screen: Screen, source: Source) -> list[str]:
    """Return the lines of a page."""
    everything = source.read()
    status = select(everything, flags)
    if flags.json:
        # ASCII only: a terminal obeys some control characters that JSON does not escape.
        return [json.dumps(json.loads(encode_status(status)), indent=None if flags.watch else 2)]
    peers = _find_peers(status) if flags.peers else ()
    unseen = everything.services_total - len(everything.services)
    wanted = Wanted(flags.listen, flags.state, flags.by, flags.port, unseen)
    return View(screen.width, screen.paint).render(status, wanted, source.note, peers)


def select(status: Status, flags: Flags) -> Status:
    """Return what of a status the flags ask for."""
    if flags.port:
        status = select_port(status, flags.port)
    if flags.listen:
        status = select_services(status, is_listening)
    if flags.state and not flags.by:  # what is added up has its other states, too
        status = select_services(status, lambda service: bool(service.states.get(flags.state or "")))
    return status


def _render_or_explain(flags: Flags, screen: Screen, source: Source) -> list[str]:
    """Return a page, or why there is none: the next one may come again."""
    try:
        return render(flags, screen, source)
    except ShowError as error:
        if isinstance(error, UsageError) or not screen.is_terminal:
            raise
        return [screen.paint(clean(str(error)), "critical")]


def _find_peers(status: Status) -> Sequence[Peers]:
    own = os.uname().nodename
    if status.host != own:
        raise UsageError(f"--peers: the status is of {status.host}, and this is {own}")
    from exporter.terminal.peers import find_peers  # noqa: PLC0415 - slow, and mostly not needed

    return find_peers(find_host_leaks(status))


def _refuse(problem: str, code: int) -> int:
    for line in problem.splitlines():
        _say(line)
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"netstat-exporter: {clean(text)}\n")


def _end(number: int, _: object) -> NoReturn:
    """End so that the terminal is left as it was; Ctrl-C is how a person ends watching."""
    raise SystemExit(EXIT_OK if number == signal.SIGINT else _SIGNALLED + number)
