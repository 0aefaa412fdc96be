"""Fill the network namespace that we are in with as many sockets as asked for, and keep them there.

They are those of one unit, as on a host that runs systemd.

A process may hold some thousand descriptors, so several processes do it. A socket in TIME_WAIT needs no
descriptor, but lasts 60 seconds only. So it is sent a segment that is out of its window, which makes it last
another 60: ``tcp_timewait_state_process`` in net/ipv4/tcp_minisocks.c.
"""

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Final

from benchmarks.sockets import PER_UDP_HOLDER, SERVICE_PORTS, divide
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import ROOT

SYSCTLS: Final = {
    "tcp_max_tw_buckets": 4_000_000,
    "tcp_tw_reuse": 0,  # a TIME_WAIT that was made stays
    "tcp_rfc1337": 1,  # ... also when a listener answers its acknowledgement with a reset
    "tcp_fin_timeout": 1,  # the peers of CLOSE_WAIT leave quickly
}
PATIENCE_SECONDS: Final = 60
_REFRESH_SECONDS: Final = 15
_HOLDERS_AT_ONCE: Final = 4  # more take longer than what they leave in TIME_WAIT lasts
_PER_HOLDER: Final = {"tcp": 20_000, "udp": PER_UDP_HOLDER}

_STATES: Final = {b"01": "established", b"05": "fin_wait2", b"06": "time_wait", b"08": "close_wait"}
# Version and length, protocol, source and destination; the kernel fills in the rest. See raw(7).
_IP: Final = Struct("!B8xB2x4s4s")
_TCP: Final = Struct("!HH8xHHHH")
_FOUR_WORDS: Final = Struct("!4H")
_IP_VERSION_AND_WORDS: Final = 0x45
_ACK_IN_FIVE_WORDS: Final = 0x5010


class LoadError(Exception):
    """The sockets could not be made."""


class Load:
    """The sockets of the namespace; they only ever become more. See ``sockets`` for their kinds."""

    def __init__(self, close_wait_share: float, ports: int, unit: Path) -> None:
        self._kinds = {"tcp": close_wait_share, "udp": ports}
        self._close_wait_share = close_wait_share
        self._unit = unit
        self._holders: list[subprocess.Popen[str]] = []
        self._wanted = {protocol: Counter[str]() for protocol in _PER_HOLDER}
        self._refreshed_at_seconds = 0.0

    def grow(self, protocol: str, count: int) -> str:
        """Make sockets until there are ``count``, and say what is there; raises LoadError."""
        started: list[subprocess.Popen[str]] = []
        while started or self._wanted[protocol].total() < count:
            missing = count - self._wanted[protocol].total()
            if missing and len(started) < _HOLDERS_AT_ONCE:
                started.append(self._start_holder(protocol, min(missing, _PER_HOLDER[protocol])))
                continue
            holder = started.pop(0)
            if not holder.stdout or not holder.stdout.readline():
                raise LoadError(f"{count} {protocol} sockets could not be made; see above")
            self.keep()
        self._refreshed_at_seconds = 0.0
        self.keep()
        return self._verify(protocol)

    def keep(self) -> None:
        """Let the sockets in TIME_WAIT stay for another while, unless that was asked for lately."""
        if self._wanted["tcp"] and time.monotonic() > self._refreshed_at_seconds + _REFRESH_SECONDS:
            self._refreshed_at_seconds = time.monotonic()
            refresh_time_wait()

    def _verify(self, protocol: str) -> str:
        """Return what the kernel says is there, once that is what is wanted and no FIN_WAIT2."""
        wanted = self._wanted[protocol]
        full = wanted.total() - wanted["time_wait"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            states = count_states() if protocol == "tcp" else Counter[str]()
            sockstat = read_sockstat(protocol)  # after the states: its tw has those in FIN_WAIT2, too
            if protocol == "udp":
                states["udp"] = sockstat["inuse"]
            enough = sockstat["inuse"] >= full and sockstat.get("tw", 0) >= wanted["time_wait"]
            if enough and wanted <= states and not states["fin_wait2"]:
                found = ", ".join(f"{states[name]:,} {name}" for name in wanted)
                return f"{found} (sockstat: {', '.join(f'{k} {v}' for k, v in sockstat.items())})"
            self.keep()
            if time.monotonic() > deadline:
                raise LoadError(f"there should be {dict(wanted)}, there are {dict(states)}, {sockstat}")
            time.sleep(0.1)

    def close(self) -> None:
        """End the processes; the namespace's own end removes what they leave."""
        for holder in self._holders:
            with holder:
                holder.kill()

    def _start_holder(self, protocol: str, count: int) -> "subprocess.Popen[str]":
        number = len(self._holders) + 1
        words = (protocol, str(number), str(count), str(self._kinds[protocol]))
        command = [*enter(self._unit), sys.executable, "-m", "benchmarks.sockets", *words]
        pipe = subprocess.PIPE
        holder = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._holders.append(holder)
        shares = divide(count, self._close_wait_share)
        self._wanted[protocol].update(shares._asdict() if protocol == "tcp" else {"udp": count})
        return holder


@contextmanager
def growing_load(close_wait_share: float = 0, ports: int = 0) -> Iterator[Load]:
    """Set the namespace up for many sockets, and end those that make them in the end."""
    for name, value in SYSCTLS.items():
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as setting:
            setting.write(str(value))
    with made_cgroup("load.service") as unit:
        load = Load(close_wait_share, ports, unit)
        try:
            yield load
        finally:
            load.close()


def read_sockstat(protocol: str) -> Mapping[str, int]:
    """Return the kernel's own counters of a protocol, such as ``inuse``."""
    with open("/proc/self/net/sockstat", encoding="ascii") as file:
        lines = dict(line.split(": ") for line in file)
    words = lines[protocol.upper()].split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def count_states() -> Counter[str]:
    """Return the TCP sockets by state, the states that we make only."""
    return Counter(_STATES.get(row[3], "other") for row in _read_tcp())


def refresh_time_wait() -> None:
    """Send every socket in TIME_WAIT that we made an acknowledgement out of its window."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        for _, local, remote, state, *_ in _read_tcp():
            peer = _read_address(remote)
            if _STATES.get(state) == "time_wait" and peer[1] in SERVICE_PORTS:
                segment, host = write_segment(peer, _read_address(local))
                sender.sendto(segment, (host, 0))


def write_segment(source: tuple[bytes, int], destination: tuple[bytes, int]) -> tuple[bytes, str]:
    """Return a datagram with nothing but an acknowledgement, and the host that it goes to."""
    (source_host, source_port), (host, port) = source, destination
    total = (
        sum(_FOUR_WORDS.unpack(source_host + host))
        + socket.IPPROTO_TCP
        + _TCP.size
        + source_port
        + port
        + _ACK_IN_FIVE_WORDS
    )
    checksum = ~(total % 0xFFFF) & 0xFFFF
    segment = _TCP.pack(source_port, port, _ACK_IN_FIVE_WORDS, 0, checksum, 0)
    header = _IP.pack(_IP_VERSION_AND_WORDS, socket.IPPROTO_TCP, source_host, host)
    return header + segment, socket.inet_ntoa(host)


def _read_tcp() -> Iterator[list[bytes]]:
    with open("/proc/self/net/tcp", "rb") as file:
        file.readline()
        for line in file:
            yield line.split(maxsplit=4)


def _read_address(text: bytes) -> tuple[bytes, int]:
    host, port = text.split(b":")
    return int(host, 16).to_bytes(4, sys.byteorder), int(port, 16)
