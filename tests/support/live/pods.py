"""Pods as the kubelet lays them out, of plain processes: a cgroup, a network namespace, a folder for logs."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.live.cgroup import enter, made_cgroup
from tests.support.live.namespace import Namespace, private_namespace


class Pod(NamedTuple):
    """A running pod; ``enter`` begins the command line of another process in its cgroup."""

    network: Namespace
    enter: list[str]


@contextmanager
def running_pod(logs: Path, namespace: str, name: str) -> Iterator[Pod]:
    """Run one, with a process that keeps its network namespace; all of it is gone at the end."""
    uid = str(uuid.uuid4())
    container = hashlib.sha256(uid.encode()).hexdigest()
    (logs / f"{namespace}_{name}_{uid}").mkdir()
    folder = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice/cri-containerd-{container}.scope"
    with made_cgroup(folder, f"-{uid}") as cgroup, private_namespace(enter(cgroup)) as network:
        yield Pod(network, enter(cgroup))
