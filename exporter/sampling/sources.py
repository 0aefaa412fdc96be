"""Choose by which of the kernel's interfaces a table is read, from pass to pass.

Small tables are read from procfs, whose text is there always and for everybody. Large ones cost a third over
netlink, and are less torn by the sockets that come and go meanwhile.
"""

from typing import Final

AUTO: Final = "auto"
PROCFS: Final = "procfs"
NETLINK: Final = "netlink"
SOURCES: Final = (AUTO, PROCFS, NETLINK)

LARGE_ROWS: Final = 2000
SMALL_ROWS: Final = 1000
RETRY_SECONDS: Final = 60


class SourceChoice:
    """The source of a protocol's tables: as ``wanted``, or by size; procfs for a while after netlink failed.

    ``reachable`` is whether netlink shows the network namespace that procfs does. Times are on the monotonic
    clock.
    """

    def __init__(self, wanted: str, *, reachable: bool) -> None:
        self._prefers_netlink = wanted == NETLINK
        self._follows_size = wanted == AUTO
        self._reachable = reachable
        self._failed_at: float | None = None

    def choose(self, now: float) -> str:
        """Return the source to read the table by."""
        return NETLINK if self._prefers_netlink and self.may_ask_netlink(now) else PROCFS

    def may_ask_netlink(self, now: float) -> bool:
        """Tell whether netlink can be asked, and has not failed lately."""
        return self._reachable and (self._failed_at is None or now - self._failed_at >= RETRY_SECONDS)

    def note_failure(self, now: float) -> None:
        """Take note that netlink failed."""
        self._failed_at = now

    def note_timeout(self) -> None:
        """Take note that the text of a table takes too long to read, however large it is."""
        if self._follows_size:
            self._prefers_netlink = True

    def note_rows(self, rows: int) -> None:
        """Take note of how many rows there are."""
        if self._follows_size:
            self._prefers_netlink = rows > (SMALL_ROWS if self._prefers_netlink else LARGE_ROWS)
