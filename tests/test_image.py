"""The image is small and unprivileged, and counts what ss counts, alone and as the pod that is shipped."""

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

import pytest
import yaml

import exporter
from hatch_build import describe
from tests.support.daemon import ROOT, Labels, parse_page
from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.image import Store, make_store
from tests.support.live.leaker import leaking
from tests.support.live.machine import MachineError
from tests.support.live.small_host import SmallHost, small_host
from tests.support.live.sockets import held_sockets
from tests.support.live.ss import listed_by_ss
from tests.support.manifests import documented_commands, render, shipped_pod
from tests.support.patience import wait_until
from tests.support.requirements import require, require_command, require_root

pytestmark = [pytest.mark.live, pytest.mark.long]

MOST_BYTES = 80_000_000
PORT = "9068"
QUICK = "interval: 100ms\ncpu_budget: 1\n"
FETCH = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{PORT}/metrics').read().decode())"
COMMANDS = (
    *(("buildah", "buildah"), ("podman", "podman"), ("runc", "runc"), ("mmdebstrap", "mmdebstrap")),
    ("make", "make"),
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Give a place for images that has the base of ours; its path is short, as Podman wants it."""
    require_root()
    for command, package in COMMANDS:
        require_command(command, package)
    with TemporaryDirectory() as folder:
        try:
            made = make_store(Path(folder))
        except MachineError as error:
            require(str(error), "let this machine reach its mirrors of packages", met=False)
        yield made


@pytest.fixture(scope="module")
def image(store: Store) -> str:
    """Build the image, and return its name."""
    return store.build()


@pytest.fixture(scope="module")
def files(store: Store, image: str) -> Iterator[Path]:
    """Give the files of the image."""
    with store.files(image) as folder:
        yield folder


@pytest.fixture
def host(store: Store, image: str) -> Iterator[SmallHost]:
    """Start a host that can run the image."""
    assert image.endswith(f":{exporter.__version__}")
    with small_host(store) as host:
        yield host


def regular_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the paths of files in an image, as they are there, and what they are."""
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            yield path.relative_to(folder), status


def scrape(host: SmallHost) -> dict[tuple[str, Labels], float]:
    """Return the samples of the page, as Prometheus gets it on the host."""
    return parse_page(host.run("python3", "-c", FETCH))


def counted(host: SmallHost) -> Counter[tuple[str, str]]:
    """Return how many TCP sockets the page has by family and state, but for those of the scrapes."""
    found = Counter[tuple[str, str]]()
    for (name, pairs), value in scrape(host).items():
        labels = dict(pairs)
        if name == "netstat_sockets" and labels["protocol"] == "tcp" and labels["port"] != PORT:
            found[labels["family"], labels["state"]] += int(value)
    return +found


def listed(host: SmallHost) -> Counter[tuple[str, str]]:
    """Return the same by ss."""
    families = (("-4", "ipv4"), ("-6", "ipv6"))
    return Counter(
        (family, row.state)
        for option, family in families
        for row in listed_by_ss(host.network, "-t", "tcp", option)
        if int(PORT) not in {row.local_port, row.remote_port}
    )


def owners(host: SmallHost) -> set[str]:
    """Return who has sockets that are tracked."""
    return {dict(labels)["owner"] for name, labels in scrape(host) if name == "netstat_owner_sockets"}


def is_served(host: SmallHost) -> bool:
    """Tell whether the page has counts."""
    try:
        return ("netstat_exporter_passes_total", frozenset({("result", "success")})) in scrape(host)
    except CalledProcessError:
        return False


def assert_counts_are_those_of_ss(host: SmallHost) -> None:
    """Make sockets in every state, and compare."""
    wait_until(lambda: is_served(host))
    with held_sockets("connections", host.network) as made:
        assert len(made) > len({one.state for one in made}) > 8
        wait_until(lambda: counted(host) == listed(host))
        assert counted(host)["ipv6", "close_wait"] > 0
    # Over netlink, in the host's network namespace: nothing else has these.
    assert {"netstat_accept_queue_limit", "netstat_ephemeral_ports"} <= {name for name, _ in scrape(host)}


def assert_has_no_privilege(host: SmallHost, container: str) -> None:
    """Look at the process, and at what it may do with its root."""
    inspected = json.loads(host.podman("inspect", container))[0]
    pid = inspected["State"]["Pid"]
    fields = dict(line.split(":\t", 1) for line in host.run("cat", f"/proc/{pid}/status").splitlines())
    assert set(fields["Uid"].split()) == {"65534"}
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
    root = next(line for line in host.run("cat", f"/proc/{pid}/mountinfo").splitlines() if " / / " in line)
    assert root.split()[5].split(",")[0] == "ro"
    writable = [mount for mount in inspected["Mounts"] if mount["RW"]]
    assert writable == []


def test_the_image_is_small_and_has_no_program_but_python(files: Path) -> None:
    found = dict(regular_files(files))
    assert sum(status.st_size for status in found.values()) <= MOST_BYTES
    programs = {path.name for path in found if path.parent.name in {"bin", "sbin"}}
    assert {re.sub(r"[0-9.]+$", "", name) for name in programs} == {"python", "netstat-exporter"}
    assert not [path for path in found if path.name in {"sh", "dash", "bash", "busybox", "pip", "dpkg"}]
    special = stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH
    assert not [path for path, status in found.items() if status.st_mode & special]
    assert {status.st_uid for status in found.values()} == {0}


def test_the_image_has_names_of_ports_and_of_what_it_is_made_of(files: Path) -> None:
    assert "postgresql\t5432/tcp" in (files / "etc" / "services").read_text()
    packages = {path.name for path in (files / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3", "netbase"} <= packages
    assert list(files.glob("opt/netstat-exporter/lib/*/site-packages/netstat_exporter-*.dist-info"))


def test_the_image_says_what_it_is(store: Store, image: str, files: Path) -> None:
    oci = json.loads(store.run("inspect", "--type=image", image))["OCIv1"]
    labels = oci["config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == exporter.__version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    for key in ("title", "description", "source", "documentation"):
        assert labels[f"org.opencontainers.image.{key}"]
    (written,) = files.glob("opt/netstat-exporter/lib/*/site-packages/exporter/revision.txt")
    assert written.read_text().strip() == labels["org.opencontainers.image.revision"] == describe(ROOT)
    assert oci["config"]["User"] == "65534:65534"
    assert list(oci["config"]["ExposedPorts"]) == [f"{PORT}/tcp"]
    assert "Healthcheck" not in oci["config"]


def test_the_same_sources_make_the_same_image(store: Store, image: str) -> None:
    first = store.run("images", "--quiet", "--no-trunc", image)
    assert store.build("--no-cache") == image
    assert store.run("images", "--quiet", "--no-trunc", image) == first


def test_podman_runs_it_as_documented(host: SmallHost) -> None:
    """It counts over netlink, without a privilege, and ends at once when it is told to."""
    (words,) = [words for words in documented_commands("containers.md") if words[:2] == ["podman", "run"]]
    container = host.podman(*words[1:2], "--pull=never", *words[2:]).strip()
    assert_counts_are_those_of_ss(host)
    assert_has_no_privilege(host, container)
    host.podman("stop", "--time=20", container)
    assert host.podman("inspect", "--format={{.State.ExitCode}}", container) == "0\n"


def test_podman_runs_the_pod_that_is_shipped(host: SmallHost, tmp_path: Path) -> None:
    """As a node would: the DaemonSet's template, with a configuration in the ConfigMap that goes with it."""
    config_map, pod = shipped_pod(render(), address="127.0.0.1")
    config_map["data"]["config.yaml"] += QUICK
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(yaml.safe_dump_all([config_map, pod]))
    host.podman("play", "kube", "--network=host", str(manifest))
    assert_counts_are_those_of_ss(host)
    assert_has_no_privilege(host, "netstat-exporter-netstat-exporter")
    with made_cgroup("shop.service") as cgroup, leaking([*host.network.command(), *enter(cgroup)]) as leaker:
        leaker.tell("leak 40000")
        wait_until(lambda: "shop.service" in owners(host))
