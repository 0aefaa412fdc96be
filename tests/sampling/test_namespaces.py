"""All namespaces are read in turn, within a budget, and what fails in one of them costs no other."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import thread_time

import pytest

from exporter.config.settings import Namespaces as NamespaceSettings
from exporter.kernel import states
from exporter.kernel.namespaces import NamespaceProcfs
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.sampling import namespaces as namespaces_module
from exporter.sampling.known_namespaces import PORTS_OF_A_NAMESPACE
from exporter.sampling.namespace_names import GivenNames
from exporter.sampling.other_namespace import OtherNamespace
from exporter.sampling.sampler import Sampler
from exporter.sampling.services.series import SPARSE_KEPT_SECONDS
from exporter.sampling.snapshot import Snapshot
from tests.support.namespaces_tree import NamespacesTree
from tests.support.patience import wait_until
from tests.support.procfs_tree import Printed
from tests.support.sampling.host import Clock, collector_of
from tests.support.sampling.settings import NAMES, SETTINGS

LISTENING = Printed(8080, state=states.LISTEN)
LEAKED = Printed(8080, 9, states.CLOSE_WAIT)
MANY = [Printed(8080, 9, states.CLOSE_WAIT, peer=peer, inode=peer) for peer in range(1, 1501)]


class Node:
    """A host whose namespaces are the services of units, and a sampler of it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.tree = NamespacesTree(root)
        self.clock = clock
        self.settings = SETTINGS
        self.nets: dict[str, Path] = {}
        self.sampler = Sampler(Procfs(str(root)), self.settings, NAMES, str(root / "no pods"))

    def add(self, name: str, *rows: Printed) -> Path:
        """Start a service with these sockets."""
        net = self.nets[name] = self.tree.add_namespace(*rows)
        self.tree.add_process(1000 + len(self.nets), net, f"/system.slice/{name}.service")
        return net

    def change(self, **settings: object) -> None:
        """Let other settings for namespaces hold."""
        self.settings = replace(SETTINGS, namespaces=replace(NamespaceSettings(), **settings))  # type: ignore[arg-type]
        self.sampler.change_settings(self.settings, NAMES)

    def see(self, seconds: float = 5.0) -> Snapshot:
        """Take a pass so much later."""
        self.clock.now += seconds
        return self.sampler.take_snapshot()


@pytest.fixture
def node(tmp_path: Path, clock: Clock) -> Node:
    """Return a host."""
    return Node(tmp_path, clock)


def results_of(snapshot: Snapshot) -> dict[str, float]:
    """Return the namespaces by result, without zeros."""
    found = snapshot.samples["netstat_exporter_network_namespaces"]
    return {key[0]: number for key, number in found.items() if number}


def sockets_of(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """Return the sockets of each namespace by state, without zeros."""
    return {
        each.labels.netns: {key[2]: n for key, n in each.samples.get("netstat_sockets", {}).items() if n}
        for each in snapshot.namespaces
    }


def age_of(snapshot: Snapshot) -> float:
    """Return the age of the oldest reading."""
    (age,) = snapshot.samples["netstat_exporter_network_namespace_oldest_reading_age_seconds"].values()
    return age


def test_only_what_has_changed_is_read_again(node: Node) -> None:
    node.add("a", LISTENING)
    net = node.add("b", LISTENING)
    assert results_of(node.see()) == {"read": 2}
    assert results_of(node.see()) == {"unchanged": 2}
    node.tree.fill(net, LISTENING, LEAKED)
    snapshot = node.see()
    assert results_of(snapshot) == {"read": 1, "unchanged": 1}
    expected = {"a.service": {"listen": 1}, "b.service": {"listen": 1, "close_wait": 1}}
    assert sockets_of(snapshot) == expected


def test_all_are_read_within_the_greatest_age_a_few_in_each_pass(node: Node) -> None:
    for number in range(20):
        node.add(f"s{number:02}", LISTENING)
    node.see()
    read = []
    for _ in range(2 * 60):
        snapshot = node.see()
        read.append(results_of(snapshot).get("read", 0))
        assert age_of(snapshot) <= SETTINGS.namespaces.max_age_seconds
    assert max(read) <= 1
    assert sum(read) >= 2 * 20


def test_a_tracked_socket_grows_older_though_nothing_is_read(node: Node) -> None:
    node.add("a", LISTENING, LEAKED)
    node.see()
    snapshot = node.see(600.0 / 9)
    (found,) = snapshot.namespaces
    assert results_of(snapshot) == {"unchanged": 1}
    ((_, age_seconds),) = found.samples["netstat_oldest_socket_age_seconds"].items()
    assert age_seconds == pytest.approx(600.0 / 9)
    assert set(found.samples["netstat_stuck_sockets"].values()) == {1}
    assert {key[-1] for key in found.samples["netstat_owner_sockets"]} == {"a.service"}


def test_open_files_where_something_listens_or_leaks(node: Node) -> None:
    """They are shown for a while after that, too."""
    net = node.add("a", LISTENING)
    process = node.tree.root / "1001"
    (process / "fd").write_bytes(bytes(100))  # its size is the number of files
    (process / "limits").write_text(
        "Max open files            256                  4096                 files\n"
    )

    def files_of(snapshot: Snapshot) -> dict[tuple[str, ...], float]:
        (found,) = snapshot.namespaces
        return dict(found.samples.get("netstat_owner_open_files", {}))

    assert files_of(node.see()) == {("a.service",): 100}
    node.tree.fill(net, Printed(8080, 9), Printed(8080, 10))
    (process / "fd").write_bytes(bytes(90))
    assert files_of(node.see()) == {("a.service",): 90}
    assert files_of(node.see(SPARSE_KEPT_SECONDS + 1)) == {}
    node.tree.fill(net, LEAKED)
    assert files_of(node.see()) == {("a.service",): 90}


def test_series_end_with_their_namespace(node: Node) -> None:
    node.add("a", LISTENING)
    node.see()
    node.tree.remove_process(1001)
    snapshot = node.see()
    assert (snapshot.namespaces, results_of(snapshot)) == ((), {})


def test_one_that_is_expensive_does_not_keep_others_from_being_read(node: Node) -> None:
    """It takes its turn, and what it costs over the budget is made up for."""
    big = node.add("big", *MANY)
    small = [node.add(f"s{number}", LISTENING) for number in range(20)]
    node.sampler.change_settings(replace(SETTINGS, cpu_budget=0.001), NAMES)  # 5 ms a pass
    for number in range(300):
        (big / "snmp").write_text(f"Tcp: InSegs\nTcp: {number}\n")
        for net in small:
            (net / "snmp").write_text(f"Tcp: InSegs\nTcp: {number}\n")
        snapshot = node.see()
        if len(sockets_of(snapshot)) == 21:
            break
    assert len(sockets_of(snapshot)) == 21
    assert age_of(snapshot) <= 5.0 * (number + 1)
    assert results_of(snapshot)["deferred"] > 0


def test_the_host_is_read_as_often_however_much_others_cost(node: Node) -> None:
    for number in range(10):
        node.add(f"s{number}", *MANY)
    node.sampler.change_settings(replace(SETTINGS, cpu_budget=0.005, max_interval_seconds=3600.0), NAMES)
    intervals = [node.see().interval_seconds for _ in range(10)]
    assert max(intervals) <= 2 * SETTINGS.interval_seconds


def test_one_that_hangs_is_left_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces_module, "_batch_seconds", lambda _: 0.3)
    hung = node.add("hung", LISTENING)
    node.add("well", LISTENING)
    node.see()
    release = Event()
    read = NamespaceProcfs.read_net

    def hang(procfs: NamespaceProcfs, name: str) -> bytes | None:
        if procfs.net_directory.endswith("/1001/net"):
            release.wait()
        return read(procfs, name)

    monkeypatch.setattr(NamespaceProcfs, "read_net", hang)
    for _ in range(3):
        snapshot = node.see()
        assert results_of(snapshot) == {"unreadable": 1, "unchanged": 1}
        assert list(sockets_of(snapshot)) == ["well.service"]
        assert collector_of(snapshot, "namespaces").error == ""
    release.set()
    node.tree.fill(hung, LISTENING, LEAKED)
    wait_until(lambda: sockets_of(node.see()).get("hung.service") == {"listen": 1, "close_wait": 1})


def test_one_whose_table_fails_costs_no_other(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.add("bad", LISTENING)
    node.add("well", LISTENING)
    node.see()
    read = NamespaceProcfs.read_blocks

    def fail(procfs: NamespaceProcfs, table: str, deadline: float) -> Generator[bytes, None, None] | None:
        if procfs.net_directory.endswith("/1001/net"):
            raise ProcfsError("denied")
        return read(procfs, table, deadline)

    monkeypatch.setattr(NamespaceProcfs, "read_blocks", fail)
    for name in ("bad", "well"):
        node.tree.fill(node.nets[name], LISTENING, LEAKED)
    snapshot = node.see()
    assert results_of(snapshot) == {"unreadable": 1, "read": 1}
    assert sockets_of(snapshot)["well.service"] == {"listen": 1, "close_wait": 1}
    assert sockets_of(snapshot).get("bad.service", {}) == {}
    monkeypatch.setattr(NamespaceProcfs, "read_blocks", read)
    assert results_of(node.see(30.0))["unreadable"] == 1  # it is tried again after a minute
    assert sockets_of(node.see(30.0))["bad.service"] == {"listen": 1, "close_wait": 1}


def test_hidden_processes_are_said_and_never_shown_as_none(node: Node) -> None:
    """With hidepid, process 1 is hidden, too."""
    node.add("own", LISTENING)
    node.see()
    (node.tree.root / "self").unlink()
    (node.tree.root / "self").symlink_to("1001")
    (node.tree.root / "1" / "net").unlink()
    snapshot = node.see()
    found = snapshot.samples["netstat_exporter_network_namespaces"]
    assert found["unreadable",] == 1
    assert ("deferred",) not in found


def test_what_is_excluded_or_too_much_is_counted(node: Node) -> None:
    for number in range(6):
        node.add(f"s{number}", LISTENING)
    node.change(limit=3, exclude=("s0*",))
    node.see()
    snapshot = node.see()
    assert results_of(snapshot) == {"unchanged": 3, "excluded": 1, "over_limit": 2}
    assert len(snapshot.namespaces) == 3


def test_who_makes_very_many_keeps_nobody_out(node: Node) -> None:
    for number in range(20):
        net = node.tree.add_namespace(LISTENING)
        node.tree.add_process(100 + number, net, "/user.slice/user-1000.slice/session-1.scope")
    node.add("shop", LISTENING)
    node.change(limit=5)
    node.see()
    names = [each.labels.netns for each in node.see().namespaces]
    assert "shop.service" in names
    assert len(names) == len(set(names)) == 5


def test_a_user_who_names_each_of_very_many_keeps_nobody_out(node: Node) -> None:
    manager = "/user.slice/user-1000.slice/user@1000.service"
    for number in range(20):
        node.tree.add_process(100 + number, node.tree.add_namespace(), f"{manager}/n{number}.service")
    node.see()
    for name in ("shop", "web", "db"):
        node.add(name, LISTENING)
    node.change(limit=5)
    node.see()
    names = {each.labels.netns for each in node.see().namespaces}
    assert {"shop.service", "web.service", "db.service"} < names
    assert len(names) == 5


def test_very_many_new_ones_do_not_keep_others_from_being_read(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait for their names, which are not looked for as long as it takes."""

    def find_name_slowly(namespace: OtherNamespace, procfs: Procfs, names: GivenNames) -> None:
        begun = thread_time()
        while thread_time() - begun < 0.001:
            pass
        find_name(namespace, procfs, names)

    find_name = OtherNamespace.find_name
    net = node.add("shop", LISTENING)
    node.change(include=("shop.service",))
    node.sampler.change_settings(replace(node.settings, cpu_budget=0.004), NAMES)
    node.see()
    monkeypatch.setattr(OtherNamespace, "find_name", find_name_slowly)
    pid, ages = 2000, []
    for number in range(8):
        for _ in range(20):
            pid += 1
            node.tree.add_process(pid, node.tree.add_namespace(), "/user.slice/user-1000.slice/x.scope")
        (net / "snmp").write_text(f"Tcp: InSegs\nTcp: {number}\n")
        snapshot = node.see()
        assert results_of(snapshot)["deferred"] > 0
        ages.append(age_of(snapshot))
    assert max(ages) <= 20
    assert ages.count(0) >= 3


def test_two_of_one_name_have_two_labels_whoever_comes_back(node: Node) -> None:
    """Also when one was beyond the limit, and the other took its label meanwhile."""
    cgroup = "/user.slice/user-1000.slice/session-1.scope"
    nets = [node.tree.add_namespace(LISTENING) for _ in range(3)]
    for number, net in enumerate(nets):
        node.tree.add_process(100 + number, net, cgroup)
    labels = ["user-1000", "user-1000#2", "user-1000#3"]
    assert list(sockets_of(node.see())) == labels
    for number in (1, 2, 3):
        node.change(limit=number)
        node.see()
        assert len(sockets_of(node.see())) == number
    node.tree.remove_process(100)
    assert set(sockets_of(node.see())) < set(labels)
    node.tree.add_process(104, node.tree.add_namespace(LISTENING), cgroup)
    assert list(sockets_of(node.see())) == labels


def test_one_with_very_many_tracked_sockets_leaves_others_their_part(node: Node) -> None:
    """All together hold to the limit, but for that part."""
    node.add("big", *MANY)
    node.add("shop", LEAKED)
    settings = replace(SETTINGS, tracked=replace(SETTINGS.tracked, limit=1000))
    node.sampler.change_settings(settings, NAMES)
    node.see()
    for name in ("big", "shop"):  # both orders
        (node.nets[name] / "snmp").write_text("Tcp: InSegs\nTcp: 99\n")
        snapshot = node.see(120.0)
        stuck = {
            each.labels.netns: sum(each.samples.get("netstat_stuck_sockets", {}).values())
            for each in snapshot.namespaces
        }
        assert stuck["shop.service"] == 1
        assert sum(stuck.values()) <= 1000 + 2


def test_a_pod_keeps_its_name_when_its_folder_is_gone(node: Node) -> None:
    uid = "0b1c2d3e-1111-2222-3333-444455556666"
    folder = node.tree.root / "no pods" / f"shop_web_{uid}"
    folder.mkdir(parents=True)
    node.tree.add_process(100, node.tree.add_namespace(LISTENING), f"/kubepods/burstable/pod{uid}/c")
    assert list(sockets_of(node.see())) == ["shop/web"]
    folder.rmdir()
    node.tree.add_process(101, node.tree.add_namespace(), f"/kubepods/burstable/pod{uid[::-1]}/c")
    for _ in range(13):
        assert "shop/web" in sockets_of(node.see())


def test_ports_beyond_the_limit_are_folded(node: Node) -> None:
    node.add("a", *(Printed(port, state=states.LISTEN, inode=port) for port in range(9001, 9011)))
    node.change(ports_limit=4)
    snapshot = node.see()
    (found,) = snapshot.namespaces
    ports = {key[4]: n for key, n in found.samples["netstat_sockets"].items()}
    assert ports["other"] == 6
    assert len(ports) == 5
    assert snapshot.samples["netstat_exporter_ports_folded"] == {(): 6}


def test_all_together_have_series_for_a_bounded_number_of_ports(node: Node) -> None:
    """Who has the most gets fewer, also of those that were read before there were so many."""

    def listeners(count: int) -> list[Printed]:
        return [Printed(port, state=states.LISTEN, inode=port) for port in range(9001, 9001 + count)]

    node.add("big", *listeners(30))
    node.change(limit=2)
    (found,) = node.see().namespaces
    assert len(found.samples["netstat_sockets"]) == 30 > 2 * PORTS_OF_A_NAMESPACE
    node.add("small", *listeners(3))
    for _ in range(3):
        snapshot = node.see()
    assert results_of(snapshot) == {"unchanged": 2}
    ports = {each.labels.netns: each.samples["netstat_sockets"] for each in snapshot.namespaces}
    shown = {name: len(found) for name, found in ports.items()}
    assert shown == {"big.service": 12 + 1, "small.service": 3}
    assert {name: sum(found.values()) for name, found in ports.items()} == {
        "big.service": 30,
        "small.service": 3,
    }


def test_switched_off_it_costs_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.add("a", LISTENING)
    node.change(enabled=False)
    monkeypatch.delattr(Procfs, "scan_processes")
    snapshot = node.see()
    assert snapshot.namespaces == ()
    assert "netstat_exporter_network_namespaces" not in snapshot.samples
    assert "namespaces" not in {status.collector for status in snapshot.collectors}
