"""A procfs in a folder that has processes in several network namespaces."""

import itertools
from pathlib import Path

from tests.support.procfs_tree import Printed, print_table

FINGERPRINT = ("sockstat", "sockstat6", "snmp")


class NamespacesTree:
    """Processes are folders; those of one namespace share its folder ``net``. Process 1 is the host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = itertools.count(1)
        (root / "self").symlink_to("1")
        self.host = self.add_namespace()
        self.add_process(1, self.host)

    def add_namespace(self, *rows: Printed, listed: int | None = None) -> Path:
        """Make a namespace with these sockets of TCP; return its folder."""
        net = self.root / "namespaces" / str(next(self._numbers))
        net.mkdir(parents=True)
        self.fill(net, *rows, listed=listed)
        return net

    def fill(self, net: Path, *rows: Printed, listed: int | None = None) -> None:
        """Write its tables, and what belongs to them; sockstat may count other than what is listed."""
        number = len(rows) if listed is None else listed
        (net / "tcp").write_bytes(print_table("tcp", rows))
        (net / "tcp6").write_bytes(print_table("tcp6"))
        (net / "udp").write_bytes(print_table("udp"))
        (net / "sockstat").write_text(
            f"sockets: used 9\nTCP: inuse {number} orphan 0 tw 0 alloc 9 mem 1\nUDP: inuse 0 mem 0\n"
        )
        (net / "sockstat6").write_text("TCP6: inuse 0\nUDP6: inuse 0\n")
        (net / "snmp").write_text(f"Tcp: InSegs\nTcp: {number}\nUdp: InDatagrams\nUdp: 0\n")

    def add_process(
        self, pid: int, net: Path | None, cgroup: str = "/", program: str = "sleep", started: int = 1
    ) -> Path:
        """Make a process, or a zombie, which has no ``net``."""
        folder = self.root / str(pid)
        folder.mkdir()
        if net is not None:
            (folder / "net").symlink_to(net)
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "comm").write_text(f"{program}\n")
        (folder / "stat").write_text(f"{pid} ({program}) S 1{' 0' * 17} {started} 0\n")
        return folder

    def remove_process(self, pid: int) -> None:
        """Let a process end."""
        folder = self.root / str(pid)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
