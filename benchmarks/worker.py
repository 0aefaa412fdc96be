"""Do one piece of work for every line of standard input, and answer with the CPU seconds it took.

    python -m benchmarks.worker read|dump-one|dump|dump-families|pass|unanswered|psutil TABLES [CONFIG]
    python -m benchmarks.worker events NUMBER ONE_IN
    python -m benchmarks.worker status page|json

TABLES are those of tcp, of udp, or the ``default`` ones, which the exporter reads without a configuration.
"""

import gc
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.shipped import hide_rich

BUFFER_BYTES: Final = 1 << 18
_PATIENCE_SECONDS: Final = 60.0
_LATE_SECONDS: Final = 0.2  # within them the last events have come

Work = Callable[[], float | None]
"""Returns the CPU seconds of the part that counts; None for all of it."""

_TABLES: Final = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6"), "default": ("tcp", "tcp6", "udp", "udp6")}
_PROTOCOLS: Final = {"tcp": (socket.IPPROTO_TCP,), "udp": (socket.IPPROTO_UDP,)}
_NETLINK_SOCK_DIAG: Final = 4
_TCPDIAG_GETSOCK: Final = 18
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST_DUMP: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_STATES_IN_PROCFS: Final = 0xFFF  # without those that are bound only, for which another hash is walked
_ANSWER: Final = struct.Struct("=4xH10xi")
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBxxI48x")
_TCPDIAG_REQUEST: Final = struct.Struct("=52xI4x")


def bare_read(protocol: str, config: str) -> Work:
    """Read the tables and throw them away: what the kernel alone costs over procfs."""
    del config

    def work() -> None:
        for table in _TABLES[protocol]:
            descriptor = os.open(f"/proc/self/net/{table}", os.O_RDONLY)
            while os.read(descriptor, BUFFER_BYTES):
                pass
            os.close(descriptor)

    return work


def bare_dump(
    protocol: str, config: str, families: Sequence[int] = (socket.AF_INET, socket.AF_INET6)
) -> Work:
    """Dump the sockets of each family and throw them away: what the kernel alone costs over netlink."""
    del config
    buffer = bytearray(BUFFER_BYTES)
    numbers = _PROTOCOLS.get(protocol, (socket.IPPROTO_TCP, socket.IPPROTO_UDP))

    def work() -> None:
        for number in numbers:
            for family in families:
                _dump(_SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, number, _STATES_IN_PROCFS), buffer)

    return work


def bare_dump_of_one_family(protocol: str, config: str) -> Work:
    """Dump the sockets of IPv4, which are all but a few, and throw them away."""
    return bare_dump(protocol, config, (socket.AF_INET,))


def bare_dump_of_families(protocol: str, config: str) -> Work:
    """Dump TCP's sockets of both families at once, as we do, and throw them away."""
    del protocol, config
    buffer = bytearray(BUFFER_BYTES)
    return lambda: _dump(_TCPDIAG_GETSOCK, _TCPDIAG_REQUEST.pack(_STATES_IN_PROCFS), buffer)


def _dump(kind: int, question: bytes, buffer: bytearray) -> None:
    request = _HEADER.pack(_HEADER.size + len(question), kind, _NLM_F_REQUEST_DUMP, 1, 0) + question
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asking:
        asking.send(request)
        kind = 0
        while kind != _NLMSG_DONE:
            asking.recv_into(buffer)
            kind, error = _ANSWER.unpack_from(buffer)
            if kind == _NLMSG_ERROR or (kind == _NLMSG_DONE and error):
                raise OSError(-error, os.strerror(-error))


def our_pass(protocol: str, config: str) -> Work:
    """Take a snapshot as the daemon does."""
    hide_rich()
    import structlog  # noqa: PLC0415 - each worker's memory is that of what it does

    from exporter.flags import parse_flags  # noqa: PLC0415
    from exporter.kernel.procfs import Procfs  # noqa: PLC0415
    from exporter.loading import load_names, load_settings  # noqa: PLC0415
    from exporter.sampling.sampler import Sampler  # noqa: PLC0415

    del protocol
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    flags = parse_flags([f"--config.file={config}"])
    settings = load_settings(flags)
    sampler = Sampler(Procfs(), settings, load_names(flags, settings))
    gc.collect()
    gc.freeze()

    def work() -> None:
        if any(table.error for table in sampler.take_snapshot().tables):
            raise RuntimeError("a table could not be read")

    return work


def observe_unanswered(protocol: str, config: str) -> Work:
    """Let the observer of the collector unanswered see the blocks of a dump, and measure the observer alone.

    It costs less than two passes differ by. Wall time is measured, as a look at the CPU clock would cost as
    much as a block.
    """
    from exporter.config.settings import Ports  # noqa: PLC0415 - as in our_pass
    from exporter.kernel.sockdiag import walk_tables  # noqa: PLC0415
    from exporter.kernel.tables import TABLES  # noqa: PLC0415
    from exporter.sampling.collectors.unanswered import TryingObserver  # noqa: PLC0415
    from exporter.sampling.services.counting import TableCounter  # noqa: PLC0415
    from exporter.sampling.services.names import name_ports  # noqa: PLC0415
    from exporter.sampling.services.ports import DEFAULT_EPHEMERAL, PortRules  # noqa: PLC0415

    del config
    rules = PortRules(name_ports({}, b""), frozenset(), Ports().limit, DEFAULT_EPHEMERAL)
    tables = [TABLES[name] for name in _TABLES[protocol]]

    def work() -> float:
        observers = {table.name: TryingObserver(TableCounter(table, rules)) for table in tables}
        spent_seconds = 0.0
        for table, rows in walk_tables(tables, time.monotonic() + _PATIENCE_SECONDS):
            started = time.perf_counter()
            observers[table.name].observe(rows)
            spent_seconds += time.perf_counter() - started
        return spent_seconds

    return work


def psutil_connections(protocol: str, config: str) -> Work:
    """List the connections and their processes."""
    import psutil  # noqa: PLC0415

    del config

    def work() -> None:
        psutil.net_connections(protocol)

    return work


def read_events(number: str, one_in: str) -> Work:
    """Read the events of connections that another process closes, or one in so many of them."""
    from benchmarks.closing import start_closer  # noqa: PLC0415
    from exporter.kernel.close_events import CloseEvents  # noqa: PLC0415
    from exporter.sampling.reading.event_reader import EventReader  # noqa: PLC0415
    from exporter.sampling.services.closings import ClosingCounts  # noqa: PLC0415

    closer = start_closer(int(number) // 2)

    def work() -> None:
        counts = ClosingCounts()
        reader, events = EventReader(counts.add), CloseEvents()
        events.sample(int(one_in))
        reader.start(events, 1.0)
        print(file=closer.stdin, flush=True)
        if closer.stdout is None or not closer.stdout.readline():
            raise RuntimeError("no connections were closed")
        time.sleep(_LATE_SECONDS)
        reader.stop()
        found = sum(counts.take_events().values())
        if one_in == "1" and found + reader.lost < int(number):
            raise RuntimeError(f"{found} events were read and {reader.lost} lost")

    return work


def make_status_page(form: str, config: str) -> Work:
    """Make the status of a large host, with the history that a page shows, and its page or its JSON."""
    from exporter.serving.status_bodies import make_json, make_page, make_status  # noqa: PLC0415 - as in our_pass
    from exporter.status.history import POINTS, History  # noqa: PLC0415
    from tests.support.status.crowd import make_crowd  # noqa: PLC0415
    from tests.support.status.snapshots import CONTEXT  # noqa: PLC0415

    del config
    history = History()
    snapshots = [make_crowd(5.0 * number) for number in range(POINTS + 1)]
    for snapshot in snapshots:
        history.add(snapshot)
    newest = snapshots[-1]
    gc.collect()
    gc.freeze()

    def work() -> None:
        status = make_status(newest, history, CONTEXT)
        if form == "page":
            make_page(status, 5)
        else:
            make_json(status)

    work()  # the template is compiled once for all pages
    return work


WORKS: Final = {
    "events": read_events,
    "status": make_status_page,
    "read": bare_read,
    "dump-one": bare_dump_of_one_family,
    "dump": bare_dump,
    "dump-families": bare_dump_of_families,
    "pass": our_pass,
    "unanswered": observe_unanswered,
    "psutil": psutil_connections,
}


def main(name: str, protocol: str, config: str = "") -> None:
    """Work when told to."""
    work = WORKS[name](protocol, config)
    for _ in sys.stdin:
        started = time.process_time()
        counted_seconds = work()
        spent_seconds = time.process_time() - started
        print(spent_seconds if counted_seconds is None else counted_seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
