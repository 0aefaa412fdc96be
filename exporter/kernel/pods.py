"""List the pods of a node from the folder of their logs, which the kubelet makes without asking any API.

Each has a folder ``NAMESPACE_POD_UID``, made by root, of letters, digits, dots and dashes.

Source: ``BuildPodLogsDirectory`` in pkg/kubelet/kuberuntime/helpers.go of Kubernetes.
"""

import os
import re
from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple

DEFAULT_POD_LOGS: Final = "/var/log/pods"
MAX_PODS: Final = 10_000

_FOLDER: Final = re.compile(r"([a-z0-9-]{1,63})_([a-z0-9.-]{1,253})_([0-9a-f-]{32,36})", re.ASCII)


class Pod(NamedTuple):
    """A pod, as Kubernetes calls it."""

    namespace: str
    name: str


def list_pods(directory: str) -> tuple[Mapping[str, Pod], bool]:
    """Return the pods of a node by uid, and whether these are all: no more than MAX_PODS entries are read.

    Raises OSError where the folder cannot be read.
    """
    with os.scandir(directory) as entries:
        found = (_FOLDER.fullmatch(entry.name) for entry in islice(entries, MAX_PODS))
        pods = {match[3]: Pod(match[1], match[2]) for match in found if match}
        return pods, next(entries, None) is None
