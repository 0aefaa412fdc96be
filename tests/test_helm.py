"""The chart is what the plain manifests are, with values, and takes no value that it does not know."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import exporter
from tests.support.daemon import ROOT, run_once
from tests.support.manifests import (
    CHART,
    MAKE,
    NEWEST,
    OLDEST,
    OPERATOR,
    OPERATOR_FOLDER,
    RELEASE,
    Manifest,
    documented_commands,
    find,
    render,
    render_chart,
)
from tests.support.requirements import require_tool

FOR_THE_OPERATOR = ("--set=podMonitor.enabled=true", "--set=prometheusRule.enabled=true")
VALUES = {
    "image": {"repository": "registry.example.com/sockets", "tag": "9", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "config": {"ports": {"names": {8443: "api-gateway"}}, "interval": "15s"},
    "extraArgs": ["--log.level=debug"],
    "resources": {"requests": {"cpu": "1", "memory": "9Mi"}, "limits": {"memory": "128Mi"}},
    "nodeSelector": {"kubernetes.io/os": "linux", "disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "priorityClassName": "system-node-critical",
    "networkPolicy": {"enabled": True, "namespaceLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
}


@pytest.fixture
def values(tmp_path: Path) -> str:
    """Return the argument that gives every value."""
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(VALUES))
    return f"--values={path}"


def by_kind(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return manifests by kind, but for the namespace, which Helm makes."""
    return {manifest["kind"]: manifest for manifest in manifests if manifest["kind"] != "Namespace"}


def config_of(manifests: list[Manifest]) -> str:
    """Return the configuration of the exporter."""
    return str(find(manifests, "ConfigMap")["data"]["config.yaml"])


def test_helm_finds_no_fault() -> None:
    helm = require_tool("helm", MAKE)
    subprocess.run([helm, "lint", "--strict", CHART], check=True, capture_output=True)


def test_without_values_it_is_the_plain_manifests() -> None:
    """But for the configuration: kustomize names it by its content, and Helm has a sum of it."""
    chart, plain = by_kind(render_chart(*FOR_THE_OPERATOR)), by_kind([*render(), *render(OPERATOR_FOLDER)])
    config = yaml.safe_load(chart["ConfigMap"].pop("data")["config.yaml"])
    assert (yaml.safe_load(plain["ConfigMap"].pop("data")["config.yaml"]) or {}) == config
    assert plain["ConfigMap"]["metadata"].pop("name").startswith(chart["ConfigMap"]["metadata"].pop("name"))
    templates = [manifests["DaemonSet"]["spec"]["template"] for manifests in (chart, plain)]
    assert list(templates[0]["metadata"].pop("annotations")) == ["checksum/config"]
    for template in templates:
        (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "config"]
        assert volume["configMap"].pop("name").startswith(RELEASE)
    assert chart == plain


def test_the_operator_is_not_taken_for_granted() -> None:
    assert OPERATOR not in {manifest["apiVersion"] for manifest in render_chart()}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(values: str, version: str) -> None:
    for manifest in render_chart(values):
        if manifest["apiVersion"] != OPERATOR:
            assert kubernetes_validate.validate(manifest, version, strict=True)


def test_values_are_where_they_belong(values: str) -> None:
    chart = by_kind(render_chart(values))
    pod = chart["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example.com/sockets:9", "Always")
    assert container["args"][-1] == "--log.level=debug"
    assert container["resources"] == VALUES["resources"]
    for key in ("imagePullSecrets", "nodeSelector", "tolerations", "priorityClassName"):
        assert pod[key] == VALUES[key]
    (allowed,) = chart["NetworkPolicy"]["spec"]["ingress"]
    (source,) = allowed["from"]
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    for kind in ("PodMonitor", "PrometheusRule"):
        assert chart[kind]["metadata"]["labels"]["release"] == "prometheus"


def test_every_value_is_tried_and_every_one_can_be_given() -> None:
    assert set(VALUES) == set(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_the_configuration_is_the_exporter_s_and_a_change_rolls_the_pods(values: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config_of(render_chart(values)))
    finished = run_once("--config.check", f"--config.file={path}")
    assert (finished.returncode, finished.stdout) == (0, f"{path}: ok\n")
    sums = {
        find(render_chart(*given), "DaemonSet")["spec"]["template"]["metadata"]["annotations"][
            "checksum/config"
        ]
        for given in ((), (values,))
    }
    assert len(sums) == 2


@pytest.mark.parametrize("wrong", ["interval=1s", "image.pullPolicy=Sometimes", "podMonitor.label=a"])
def test_a_value_that_is_not_known_is_an_error(wrong: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        render_chart(f"--set={wrong}")
    assert "values don't meet the specifications" in raised.value.stderr


def test_it_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == exporter.__version__
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_the_rules_are_those_of_the_operator_s_folder() -> None:
    """A link, which Helm follows, also when it makes a package."""
    assert (CHART / "files" / "prometheusrule.yaml").resolve() == OPERATOR_FOLDER / "prometheusrule.yaml"


def test_the_documented_command_installs_it() -> None:
    (words,) = [words for words in documented_commands("containers.md") if words[0] == "helm"]
    assert words[1:4] == ["install", RELEASE, str(CHART.relative_to(ROOT))]
    given = [word for word in words[4:] if word.startswith("--set")]
    assert json.dumps(render_chart(*given))
