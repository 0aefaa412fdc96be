"""Network namespaces beside our own are found, named and counted, through /proc alone."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.config.settings import Ages, Namespaces, Settings
from exporter.kernel.procfs import Procfs
from exporter.sampling.sampler import Sampler
from exporter.sampling.snapshot import NamespaceSamples, Snapshot
from tests.support import requirements
from tests.support.daemon import parse_page, run_once, running_daemon
from tests.support.live.leaker import leaking
from tests.support.live.namespace import Namespace, inside, private_namespace
from tests.support.live.podman import running_container
from tests.support.live.pods import Pod, running_pod
from tests.support.live.sampling import NAMES
from tests.support.patience import wait_until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("isolation")]

SHOP = "shop-of-this-test"
RESULTS = "netstat_exporter_network_namespaces"
SETTINGS = Settings(
    tables=("tcp", "tcp6", "udp", "udp6"),
    cpu_budget=1.0,
    ages=Ages(stuck_after_seconds=0.1),
    namespaces=Namespaces(include=(f"{SHOP}/*",)),
)


@pytest.fixture
def logs() -> Iterator[Path]:
    """Make a folder for the logs of pods."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def sampler(logs: Path) -> Sampler:
    """Return a sampler that sees the pods of this test alone."""
    return Sampler(Procfs(), SETTINGS, NAMES, str(logs))


def by_pod(snapshot: Snapshot) -> Mapping[str, NamespaceSamples]:
    """Return what is known of the pods of this test."""
    assert [each.error for each in snapshot.collectors if each.error] == []
    return {each.labels.pod: each for each in snapshot.namespaces if each.labels.namespace == SHOP}


def sockets_of(pod: NamespaceSamples) -> dict[tuple[str, str, str], float]:
    """Return the sockets of a pod by state, direction and port, without zeros."""
    return {
        (state, direction, port): number
        for (_, _, state, direction, port, _), number in pod.samples["netstat_sockets"].items()
        if number
    }


def results_of(snapshot: Snapshot) -> dict[str, float]:
    """Return the namespaces by result."""
    return {key[0]: number for key, number in snapshot.samples["netstat_exporter_network_namespaces"].items()}


def see(sampler: Sampler) -> Mapping[str, NamespaceSamples]:
    """Take a pass and return the pods of this test."""
    return by_pod(sampler.take_snapshot())


@contextmanager
def listening(network: Namespace, port: int, backlog: int = 128) -> Iterator[socket.socket]:
    """Listen inside a namespace."""
    with inside(network.path):
        listener = socket.create_server(("127.0.0.1", port), backlog=backlog)
    with listener:
        yield listener


def test_a_leak_in_a_pod_has_its_name_owner_and_age(sampler: Sampler, logs: Path) -> None:
    with running_pod(logs, SHOP, "web-7c9d") as pod, leaking([*pod.enter, *pod.network.command()]) as leaker:
        for port in range(20_001, 20_006):
            leaker.tell(f"leak {port}")
        (web,) = see(sampler).values()
        assert web.labels == (f"{SHOP}/web-7c9d", SHOP, "web-7c9d")
        assert sockets_of(web)["close_wait", "outbound", "631"] == 5
        ((_, owned),) = web.samples["netstat_owner_sockets"].items()
        assert owned == 5
        assert all(key[-1].startswith("pod:") for key in web.samples["netstat_owner_sockets"])

        def is_stuck() -> bool:
            (web,) = see(sampler).values()
            return sum(web.samples.get("netstat_stuck_sockets", {}).values()) == 5

        wait_until(is_stuck)  # although nothing happens there any more
        leaker.tell("drop")
        (web,) = see(sampler).values()
        assert "close_wait" not in {state for state, _, _ in sockets_of(web)}
        assert {key[2] for key in web.samples["netstat_sockets"]} >= {"close_wait"}  # at 0


def test_an_unchanged_namespace_is_not_read_again(sampler: Sampler, logs: Path) -> None:
    with running_pod(logs, SHOP, "web") as pod, listening(pod.network, 8080):
        assert sockets_of(see(sampler)["web"]) == {("listen", "inbound", "8080"): 1}
        assert results_of(sampler.take_snapshot())["unchanged"] == 1
        with listening(pod.network, 8081):
            assert ("listen", "inbound", "8081") in sockets_of(see(sampler)["web"])
        assert ("listen", "inbound", "8081") not in sockets_of(see(sampler)["web"])


def test_accept_queue_and_overflows_of_a_pod(sampler: Sampler, logs: Path) -> None:
    """The queue is right after accept(), which leaves no trace in the fingerprint."""
    with ExitStack() as stack:
        pod = stack.enter_context(running_pod(logs, SHOP, "web"))
        listener = stack.enter_context(listening(pod.network, 8080, backlog=1))
        with inside(pod.network.path):
            for _ in range(5):
                client = stack.enter_context(socket.socket())
                client.settimeout(0)
                client.connect_ex(listener.getsockname())
        web = see(sampler)["web"]
        assert list(web.samples["netstat_accept_queue_length"].values()) == [2]
        wait_until(
            lambda: see(sampler)["web"].samples.get("netstat_listen_overflows_total", {}).get((), 0) > 0
        )
        with listener.accept()[0]:
            lengths = see(sampler)["web"].samples["netstat_accept_queue_length"].values()
            assert list(lengths) in ([1], [2])  # a client that waited may have come in


def test_a_pod_of_several_containers_is_counted_once(sampler: Sampler, logs: Path) -> None:
    with running_pod(logs, SHOP, "web") as pod, listening(pod.network, 8080):
        command = [*pod.enter, *pod.network.command("sleep", "60")]
        with subprocess.Popen(command) as other:
            found = see(sampler)
            other.kill()
        assert sockets_of(found["web"]) == {("listen", "inbound", "8080"): 1}


def test_a_pod_in_the_network_of_the_host_is_no_other_namespace(sampler: Sampler, logs: Path) -> None:
    with running_pod(logs, SHOP, "web") as pod, subprocess.Popen([*pod.enter, "sleep", "60"]) as on_host:
        found = see(sampler)
        on_host.kill()
    assert list(found) == ["web"]


def test_nothing_keeps_a_pod_that_has_ended(sampler: Sampler, logs: Path) -> None:
    """Its series end at once, and its cable vanishes with its namespace, whoever looked into it."""
    with ExitStack() as stack:
        host = stack.enter_context(private_namespace())
        with running_pod(logs, SHOP, "web") as pod:
            host.run(*f"ip link add cable type veth peer name eth0 netns {pod.network.keeper}".split())
            with listening(pod.network, 8080):
                assert "web" in see(sampler)
        assert "web" not in see(sampler)
        wait_until(lambda: "cable" not in host.run("ip", "-o", "link"))


def test_a_process_that_enters_its_namespace_late_is_found_there(sampler: Sampler, logs: Path) -> None:
    """A container's first process is there before its namespace is."""
    with running_pod(logs, SHOP, "web") as pod:
        late = [*pod.enter, "sh", "-c", "read go; exec unshare --net sh -c 'echo gone; exec cat'"]
        with subprocess.Popen(late, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert results_of(sampler.take_snapshot())["read"] == 1
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "gone\n"
            found = sampler.take_snapshot()
            process.kill()
        assert results_of(found)["read"] == 1
        labels = [each.labels.netns for each in found.namespaces]
        assert labels == [f"{SHOP}/web", f"{SHOP}/web#2"]


def test_without_its_folder_of_logs_a_pod_has_its_uid(logs: Path) -> None:
    settings = replace(SETTINGS, namespaces=Namespaces(include=("pod:*",)))
    sampler = Sampler(Procfs(), settings, NAMES, str(logs / "missing"))
    with running_pod(logs, SHOP, "web") as pod, listening(pod.network, 8099):
        uid = next(logs.iterdir()).name.rpartition("_")[2]
        found = {each.labels: each for each in sampler.take_snapshot().namespaces}
        assert sockets_of(found[f"pod:{uid[:8]}", "", ""]) == {("listen", "inbound", "8099"): 1}  # type: ignore[index]


def test_more_namespaces_than_the_limit_are_counted(logs: Path) -> None:
    settings = replace(
        SETTINGS, namespaces=Namespaces(include=(f"{SHOP}/*",), exclude=(f"{SHOP}/c",), limit=1)
    )
    sampler = Sampler(Procfs(), settings, NAMES, str(logs))
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            stack.enter_context(running_pod(logs, SHOP, name))
        sampler.take_snapshot()
        results = results_of(sampler.take_snapshot())
    assert (results["over_limit"], results["unchanged"]) == (1, 1)
    assert results["excluded"] >= 1


def test_the_daemon_serves_them(logs: Path) -> None:
    """The host's own series have empty labels as soon as a pod is seen: see honor_labels of Prometheus."""
    config = logs.parent / f"{logs.name}.yaml"
    with ExitStack() as stack:
        pod: Pod = stack.enter_context(running_pod(logs, SHOP, "web"))
        stack.enter_context(listening(pod.network, 8080))
        config.write_text(f"interval: 100ms\nnamespaces: {{include: ['{SHOP}/*']}}\n")
        flags = (f"--config.file={config}", f"--path.pod-logs={logs}")
        daemon = stack.enter_context(running_daemon(*flags))
        wait_until(lambda: b'pod="web"' in daemon.ask().body)
        sockets = {
            labels: number for (name, labels), number in daemon.samples().items() if name == "netstat_sockets"
        }
        names = {frozenset(dict(labels).keys()) for labels in sockets}
        (every,) = names
        assert {"netns", "namespace", "pod"} < every
        webs = {
            dict(labels)["netns"]: number for labels, number in sockets.items() if ("pod", "web") in labels
        }
        assert webs == {f"{SHOP}/web": 1}
    config.unlink()


def test_a_container_of_podman_has_its_name(logs: Path) -> None:
    settings = replace(SETTINGS, namespaces=Namespaces(include=("podman:web-of-this-test",)))
    sampler = Sampler(Procfs(), settings, NAMES, str(logs))
    with running_container(logs, "web-of-this-test") as network, listening(network, 8080):
        (web,) = sampler.take_snapshot().namespaces
    assert web.labels == ("podman:web-of-this-test", "", "")
    assert sockets_of(web) == {("listen", "inbound", "8080"): 1}


@contextmanager
def named_namespace(name: str) -> Iterator[Namespace]:
    """Make a network namespace that ip netns knows, and a process in it."""
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        known = f"/run/netns/{name} ".encode() in Path("/proc/1/mountinfo").read_bytes()
        requirements.require("needs the mounts of process 1", "run it outside of containers", met=known)
        with subprocess.Popen(
            ["ip", "netns", "exec", name, "sh", "-c", "echo up && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as inside_it:
            assert inside_it.stdout is not None
            assert inside_it.stdout.readline() == b"up\n"
            yield Namespace(inside_it.pid)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_ip_netns_gives_a_name_to_whoever_may_know_it(logs: Path, unprivileged: list[str]) -> None:
    """Nobody sees the same sockets, under the name of their owner, and no error."""
    name = f"blue-{os.getpid()}"
    with named_namespace(name) as network, listening(network, 8093):
        flags = ("--once", f"--path.pod-logs={logs}")
        by_root, by_nobody = run_once(*flags), run_once(*flags, prefix=unprivileged)
    listeners = [
        {
            dict(labels).get("netns", ""): number
            for (metric, labels), number in parse_page(run.stdout).items()
            if metric == "netstat_sockets" and {("port", "8093"), ("state", "listen")} <= labels and number
        }
        for run in (by_root, by_nobody)
    ]
    assert listeners[0] == {name: 1}
    assert list(listeners[1].values()) == [1]
    assert name not in by_nobody.stdout
    assert "ip netns" not in by_nobody.stderr


def test_hidden_processes_are_said(logs: Path, unprivileged: list[str]) -> None:
    """With hidepid nobody sees the others: no number is shown for what is not known, and nothing twice."""
    remount = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    hidden = ["unshare", "--mount", "sh", "-c", remount, "sh"]
    with running_pod(logs, SHOP, "web"), private_namespace() as host, listening(host, 8094):
        prefix = [*host.command(), *hidden, *unprivileged]
        run = run_once("--once", f"--path.pod-logs={logs}", prefix=prefix)
    samples = parse_page(run.stdout)
    listeners = {("port", "8094"), ("state", "listen")}
    found = [labels for name, labels in samples if name == "netstat_sockets" and listeners <= labels]
    assert [dict(labels).get("netns") for labels in found] == [None]
    results = {dict(labels)["result"]: n for (name, labels), n in samples.items() if name == RESULTS}
    assert results["unreadable"] == 1  # those of the same user are seen, if there are any
    assert 0 not in results.values()
    assert "processes are hidden" in run.stderr
    assert SHOP not in run.stdout


def count_what_is_held() -> tuple[int, int]:
    """Return the number of our open files, and of our threads."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def test_processes_that_come_and_go_change_nothing(sampler: Sampler, logs: Path) -> None:
    """Each has a network namespace, which is gone before or while it is read; nothing of it stays open."""
    churn = "while :; do for i in 1 2 3 4 5 6 7 8; do unshare --net true & done; wait; done"
    with running_pod(logs, SHOP, "web") as pod, listening(pod.network, 8080):
        see(sampler)
        before = count_what_is_held()
        with subprocess.Popen(["sh", "-c", churn], process_group=0) as churning:
            try:
                for _ in range(20):
                    assert sockets_of(see(sampler)["web"]) == {("listen", "inbound", "8080"): 1}
            finally:
                os.killpg(churning.pid, signal.SIGKILL)
        assert results_of(sampler.take_snapshot())["unreadable"] == 0
        wait_until(lambda: count_what_is_held() == before)
