"""The manifests for Kubernetes, as kustomize renders them, and the commands of their documentation."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tests.support.daemon import ROOT
from tests.support.requirements import require_tool

Manifest = dict[str, Any]  # as deep as Kubernetes' own schemas, which the tests hold it to
FOLDER = ROOT / "kubernetes"
OPERATOR_FOLDER = FOLDER / "operator"
CHART = FOLDER / "helm" / "netstat-exporter"
RELEASE = "netstat-exporter"
MAKE = "make helm"

OLDEST = "1.25"
NEWEST = kubernetes_validate.latest_version()
OPERATOR = "monitoring.coreos.com/v1"


def render(folder: Path = FOLDER) -> list[Manifest]:
    """Return what ``kubectl apply --kustomize FOLDER`` would send; any kubectl from 1.20 on will do."""
    kubectl = require_tool("kubectl", MAKE)
    return _load(kubectl, "kustomize", str(folder))


def render_chart(*arguments: str) -> list[Manifest]:
    """Return what ``helm install`` would send; raises CalledProcessError."""
    given = (f"--namespace={RELEASE}", *arguments)
    return _load(require_tool("helm", MAKE), "template", RELEASE, str(CHART), *given)


def _load(*command: str) -> list[Manifest]:
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(finished.stdout))


def find(manifests: list[Manifest], kind: str) -> Manifest:
    """Return the only manifest of a kind."""
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def shipped_pod(manifests: list[Manifest], address: str) -> list[Manifest]:
    """Return the template of the DaemonSet as a pod, with its ConfigMap, for ``podman play kube``.

    What the kubelet does and Podman does not is done here: the pod's address takes its place in the
    arguments, and ports are left out, which a host's network does not map.
    """
    template = find(manifests, "DaemonSet")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (variable,) = container.pop("env")
    container["args"] = [text.replace(f"$({variable['name']})", address) for text in container["args"]]
    (port,) = container.pop("ports")
    for probe in ("livenessProbe", "readinessProbe"):
        assert container.pop(probe)["httpGet"]["port"] == port["name"]
    metadata = {"name": "netstat-exporter", **template["metadata"]}
    return [
        find(manifests, "ConfigMap"),
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]},
    ]


def documented_commands(document: str) -> Iterator[list[str]]:
    """Yield the words of each command in a document."""
    for line in (ROOT / "docs" / document).read_text().splitlines():
        if line.startswith("$ "):
            yield shlex.split(line.removeprefix("$ "))
