"""The package installs, serves, upgrades and is purged on Debian as the README says; so does pipx."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError

import pytest

import exporter
from tests.support.daemon import ROOT, Labels, parse_page
from tests.support.live.debian_tree import PYTHONS, make_tree
from tests.support.live.machine import (
    WHEELS,
    Machine,
    MachineError,
    gather_wheels,
    require_machine,
    running_machine,
)
from tests.support.patience import wait_until
from tests.support.readme import readme_commands
from tests.support.requirements import require, require_command

pytestmark = [pytest.mark.live, pytest.mark.long]

DIST = ROOT / "dist"
UNIT = "netstat-exporter.service"
CONFIG = "/etc/netstat-exporter/config.yaml"
EXAMPLE = "/usr/share/netstat-exporter/config.example.yaml"
FLAGS = "/etc/default/netstat-exporter"
FETCH = "import urllib.request as u; print(u.urlopen('http://localhost:9068/metrics').read().decode())"
NOTES = ("/proc", "/sys", "/run", "/dev", "/tmp", "/var/log", "/var/cache", "/var/lib/apt", "/var/lib/dpkg")  # noqa: S108
USE_COMPILED = "import bcrypt, markupsafe._speedups, psutil, yaml; bcrypt.gensalt(); yaml.CSafeLoader"
BEFORE = ROOT / "tests" / "fixtures" / "0.1.0"  # what 0.1.0 installed
OLD_CONFIG = (BEFORE / "config.yaml").read_text()
NEW_CONFIG = """\
interval: 5s
cpu_budget: 0.05
ports:
  limit: 100
tracked:
  states: [close_wait]
  limit: 200000
ages:
  stuck_after: 60s
owners:
  by: auto
  limit: 50
peaks:
  states: [syn_recv, time_wait, close_wait]
  window: 60s
"""
RENAMED = {
    "stuck.states": "tracked.states",
    "stuck.limit": "tracked.limit",
    "stuck.after": "ages.stuck_after",
    "room": "limits.enabled and ephemeral_ports.enabled",
    "drops": "udp_drops.enabled",
}
OLD_FLAGS = '# as it was\nARGS="--config.file=/etc/netstat-exporter/config.yaml"\n'
SILENT = ("env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", 'exec "$@" </dev/null 2>&1', "sh")
BUNDLE = "/usr/lib/netstat-exporter"


@pytest.fixture(scope="module")
def package() -> Path:
    """Return the package that was built of the files that are here."""
    require_command("dpkg-deb", "dpkg")
    found = list(DIST.glob(f"netstat-exporter_{exporter.__version__}_*.deb"))
    require(f"needs the package in {DIST}", "make deb", met=len(found) == 1)
    return found[0]


@pytest.fixture(scope="module", params=PYTHONS)
def machine(
    request: pytest.FixtureRequest, package: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a Debian and install the package there."""
    require_machine()
    require_command("mmdebstrap", "mmdebstrap")
    folder, wheels = (tmp_path_factory.mktemp(f"{request.param}-{name}") for name in ("debian", "wheels"))
    try:
        tree = make_tree(request.param)
        gather_wheels(wheels, PYTHONS[request.param])
    except MachineError as error:
        require(str(error), "let this machine reach its mirrors of packages", met=False)
    make_older(package, folder)
    with running_machine(wheels, folder / "id", DIST, tree) as booted:
        booted.path("/older.deb").write_bytes((folder / "older.deb").read_bytes())
        yield booted


def make_older(package: Path, folder: Path) -> None:
    """Make a package of the version before, with other flags."""
    files = folder / "older"
    subprocess.run(["dpkg-deb", "--raw-extract", package, files], check=True)
    control = files / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(f"Version: {exporter.__version__}", "Version: 0.1.0~"))
    (files / FLAGS.removeprefix("/")).write_text(OLD_FLAGS)
    (files / "DEBIAN" / "md5sums").unlink()
    build = ("dpkg-deb", "--build", "-Znone", files, folder / "older.deb")
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)


def dpkg(machine: Machine, *words: str) -> str:
    """Run dpkg as nobody is there to answer, and return what was said."""
    return machine.run(*SILENT, "dpkg", *words)


def purge(machine: Machine) -> None:
    """Purge the package, and look that the service has ended with it."""
    dpkg(machine, "--purge", "netstat-exporter")
    with pytest.raises(CalledProcessError):
        scrape(machine)


def state(machine: Machine) -> tuple[str, str]:
    """Return how dpkg and systemd see it."""
    package = machine.run("dpkg-query", "--show", "--showformat=${db:Status-Status}", "netstat-exporter")
    return package, machine.run("systemctl", "show", "--value", "--property=ActiveState", UNIT).strip()


def scrape(machine: Machine) -> dict[tuple[str, Labels], float]:
    """Return the samples of the exporter's page."""
    return parse_page(machine.run("python3", "-c", FETCH))


def build_info(machine: Machine) -> dict[str, str]:
    """Return what the exporter says that it is."""
    (labels,) = [labels for name, labels in scrape(machine) if name == "netstat_exporter_build_info"]
    return dict(labels)


def list_files(machine: Machine) -> set[str]:
    """Return all files but those in which systemd, apt and dpkg note what they did."""
    pruned = [word for path in NOTES for word in ("-path", path, "-prune", "-o")]
    return set(machine.run("find", "/", *pruned, "-print").splitlines())


def test_the_package_is_built_of_what_is_here(package: Path, tmp_path: Path) -> None:
    """Its modules are the clone's: otherwise, run ``make deb`` again."""
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    bundle = tmp_path / BUNDLE.removeprefix("/")
    for path in (ROOT / "exporter").rglob("*.py"):
        assert (bundle / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    for source, built in (("config.example.yaml", EXAMPLE), ("debian/config.yaml", CONFIG)):
        assert (tmp_path / built.removeprefix("/")).read_text() == (ROOT / source).read_text()
    # Of what is compiled for one Python only there is one for each.
    libraries = {path.name.partition("-x86")[0] for path in bundle.rglob("*.so")}
    for version in PYTHONS.values():
        tag = f"cpython-{version.replace('.', '')}"
        assert {f"_yaml.{tag}", f"_speedups.{tag}"} <= libraries


def test_the_package_has_the_version_of_the_exporter() -> None:
    with open(ROOT / "debian" / "changelog") as file:
        assert file.readline().startswith(f"netstat-exporter ({exporter.__version__}) ")


def test_the_readme_leads_to_a_service_and_a_purge_leaves_nothing(
    machine: Machine, request: pytest.FixtureRequest
) -> None:
    """The service is enabled, runs with the libraries of its package, and takes its configuration."""
    before = list_files(machine)
    apt, status = readme_commands("On Debian")
    machine.run(*SILENT, *apt)
    assert state(machine) == ("installed", "active")
    assert machine.run("systemctl", "is-enabled", UNIT) == "enabled\n"
    assert "Active: active (running)" in machine.run(*status)
    python = PYTHONS[request.node.callspec.params["machine"]]
    assert_is_this_version(machine, python)

    machine.path(CONFIG).write_text("interval: 200ms\ncpu_budget: 1\n")
    machine.run("systemctl", "reload", UNIT)
    interval = ("netstat_exporter_pass_interval_seconds", frozenset[tuple[str, str]]())
    wait_until(lambda: scrape(machine)[interval] == 0.2)

    machine.path("/etc/netstat-exporter/web.yaml").touch()
    dpkg(machine, "--remove", "netstat-exporter")
    assert {CONFIG, FLAGS} <= list_files(machine) - before
    purge(machine)
    assert list_files(machine) - before == {"/etc/netstat-exporter", "/etc/netstat-exporter/web.yaml"}
    machine.run("rm", "-r", "/etc/netstat-exporter")


def assert_is_this_version(machine: Machine, python: str) -> None:
    """Look at what runs, with which Python, and whether its libraries work with that."""
    info = build_info(machine)
    assert (info["version"], info["python_version"].rpartition(".")[0]) == (exporter.__version__, python)
    assert f"package: {BUNDLE}/exporter" in machine.run("netstat-exporter", "--version")
    machine.run("python3", "-I", "-c", f"import sys; sys.path.insert(0, {BUNDLE!r}); {USE_COMPILED}")
    compiled = machine.path(f"{BUNDLE}/exporter/__pycache__/cli.cpython-{python.replace('.', '')}.pyc")
    assert compiled.exists()


def assert_names_what_has_to_change(machine: Machine, said: str) -> None:
    """Look that the keys are named, and that the service runs when they are changed."""
    assert state(machine) == ("installed", "failed")
    for old, new in RENAMED.items():
        assert f"{old}: this key is now {new}" in said
    machine.path(CONFIG).write_text(NEW_CONFIG)
    machine.run("systemctl", "restart", UNIT)
    assert state(machine) == ("installed", "active")


def test_an_upgrade_says_which_keys_to_change_and_does_not_fail(machine: Machine, package: Path) -> None:
    """It asks nothing: what nobody changed is replaced, what was changed and what was chosen stays."""
    dpkg(machine, "--install", "/older.deb")
    assert state(machine) == ("installed", "active")
    changed = f"# mine\n{OLD_CONFIG}"
    machine.path(CONFIG).write_text(changed)
    said = dpkg(machine, "--install", package.name)
    assert "After a change: systemctl restart netstat-exporter" in said
    assert machine.path(CONFIG).read_text() == changed
    assert machine.path(FLAGS).read_text() == (ROOT / "systemd" / "netstat-exporter.default").read_text()
    assert_names_what_has_to_change(machine, said)

    machine.path(FLAGS).write_text('ARGS="--web.systemd-socket"\n')
    machine.run("systemctl", "disable", "--quiet", "--now", UNIT)
    machine.run("systemctl", "enable", "--quiet", "--now", "netstat-exporter.socket")
    dpkg(machine, "--install", package.name)
    is_enabled = machine.run("sh", "-c", f"systemctl is-enabled netstat-exporter.socket {UNIT} || :")
    assert is_enabled.split() == ["enabled", "disabled"]
    assert build_info(machine)["version"] == exporter.__version__
    purge(machine)


def test_what_make_install_left_is_noticed_and_kept(machine: Machine, package: Path) -> None:
    """Its unit, which comes before that of the package, and its configuration, which is that of 0.1.0."""
    before = list_files(machine)
    unit = machine.path(f"/etc/systemd/system/{UNIT}")
    unit.write_text((BEFORE / UNIT).read_text())
    flags = f"{OLD_FLAGS}# mine\n"
    machine.path(CONFIG).parent.mkdir(exist_ok=True)
    for path, text in ((CONFIG, OLD_CONFIG), (FLAGS, flags)):
        machine.path(path).write_text(text)
    assert 'run "make uninstall"' in dpkg(machine, "--install", package.name)
    assert [OLD_CONFIG, flags] == [machine.path(path).read_text() for path in (CONFIG, FLAGS)]
    unit.unlink()
    machine.run("systemctl", "daemon-reload")
    said = machine.run(
        *SILENT, "sh", "-c", f"systemctl restart {UNIT}; journalctl --sync; journalctl --unit={UNIT}"
    )
    assert_names_what_has_to_change(machine, said)
    purge(machine)
    assert list_files(machine) - before == set()


def test_pipx_installs_the_wheel(machine: Machine) -> None:
    """Into an environment of its own, by the README's words."""
    pipx, once = readme_commands("With pipx or uv")
    found = f"PIP_FIND_LINKS={WHEELS} /usr/share/python-wheels"  # pipx wants a pip for itself
    home = ("env", "HOME=/root", "PATH=/root/.local/bin:/usr/bin:/bin", found)
    machine.run(*home, *pipx)
    assert "netstat_exporter_build_info" in machine.run(*home, *once)
    assert "/pipx/venvs/netstat-exporter/" in machine.run(*home, "netstat-exporter", "--version")
