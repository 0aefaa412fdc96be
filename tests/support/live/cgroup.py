"""A cgroup of a test's own, in the tree of cgroup2, wherever that is mounted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import requirements
from tests.support.leftovers import cgroup_name, remove_cgroups

ENTER = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def find_root() -> Path:
    """Return the root of the tree, which is nobody's cgroup."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        found = [words[1] for words in map(str.split, mounts) if words[2] == "cgroup2"]
    requirements.require("needs cgroup2", "mount -t cgroup2 none /sys/fs/cgroup", met=bool(found))
    return Path(found[0])


@contextmanager
def made_cgroup(name: str, slice_suffix: str = "") -> Iterator[Path]:
    """Make a cgroup in a slice, and take both away at the end, when the processes in it are gone."""
    parent = find_root() / f"{cgroup_name()}{slice_suffix}.slice"
    made = parent / name
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        assert parent in set(remove_cgroups(parent.name))


def enter(cgroup: Path) -> list[str]:
    """Return the beginning of a command line that runs the rest of it in the cgroup."""
    return ["sh", "-c", ENTER, str(cgroup)]
