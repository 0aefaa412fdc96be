"""The manifests are what Kubernetes and the Operator take, and grant what they say and no more."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import exporter
from exporter.flags import parse_flags
from exporter.serving.addresses import bind
from tests.support.daemon import ROOT, run_once
from tests.support.manifests import (
    FOLDER,
    NEWEST,
    OLDEST,
    OPERATOR,
    OPERATOR_FOLDER,
    Manifest,
    documented_commands,
    find,
    render,
)
from tests.support.rules import assert_promtool_accepts


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """Return everything that is shipped."""
    return [*render(), *render(OPERATOR_FOLDER)]


@pytest.fixture(scope="module")
def pod(manifests: list[Manifest]) -> Manifest:
    """Return the specification of the pods."""
    return dict(find(manifests, "DaemonSet")["spec"]["template"]["spec"])


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(manifests: list[Manifest], version: str) -> None:
    checked = [manifest for manifest in manifests if manifest["apiVersion"] != OPERATOR]
    for manifest in checked:
        assert kubernetes_validate.validate(manifest, version, strict=True)
    assert {"Namespace", "ServiceAccount", "ConfigMap", "DaemonSet", "NetworkPolicy"} == {
        manifest["kind"] for manifest in checked
    }


def test_a_field_that_kubernetes_does_not_know_is_found(manifests: list[Manifest]) -> None:
    manifest = find(render(), "DaemonSet")
    manifest["spec"]["template"]["spec"]["containers"][0]["readonly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    assert manifest != find(manifests, "DaemonSet")


def test_everything_goes_to_one_namespace(manifests: list[Manifest]) -> None:
    (name,) = {manifest["metadata"].get("namespace") for manifest in manifests} - {None}
    assert find(manifests, "Namespace")["metadata"]["name"] == name


def test_the_exporter_alone_needs_no_operator() -> None:
    assert OPERATOR not in {manifest["apiVersion"] for manifest in render()}
    assert {manifest["apiVersion"] for manifest in render(OPERATOR_FOLDER)} == {OPERATOR}


def test_every_file_is_applied() -> None:
    """But for the configuration, which the ConfigMap has.

    The resources of a folder are files in it: kubectl 1.20, which Debian has, takes no folders there.
    """
    for folder in (FOLDER, OPERATOR_FOLDER):
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        present = {path.name for path in folder.iterdir() if path.is_file()}
        assert present - {"kustomization.yaml", "config.yaml"} == set(kustomization["resources"])


def test_a_pod_keeps_what_the_level_restricted_asks_for_but_what_an_exporter_needs(pod: Manifest) -> None:
    """See Pod Security Standards; hostPath, hostNetwork and hostPort are what only "privileged" allows."""
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["seccompProfile"]) == (
        True,
        65534,
        {"type": "RuntimeDefault"},
    )
    assert (pod["hostNetwork"], pod["hostPID"], pod["hostIPC"]) == (True, False, False)
    assert pod["automountServiceAccountToken"] is False
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    assert paths == {"/proc", "/sys/fs/cgroup", "/var/log/pods"}


def test_each_privilege_has_its_reason_beside_it() -> None:
    lines = (FOLDER / "daemonset.yaml").read_text().splitlines()
    asked = ("hostNetwork: true", "- name: proc", "- name: cgroup", "- name: pod-logs", "tolerations:")
    for words in asked:
        places = [number for number, line in enumerate(lines) if line.strip() == words]
        assert any("# " in line for number in places for line in lines[number - 2 : number]), words


def test_a_pod_runs_this_version_with_flags_that_are_right(pod: Manifest) -> None:
    (container,) = pod["containers"]
    assert container["image"] == f"netstat-exporter:{exporter.__version__}"
    flags = parse_flags(container["args"])
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "config"]
    assert flags.config_file == f"{mount['mountPath']}/config.yaml"
    assert flags.path_procfs in {mount["mountPath"] for mount in container["volumeMounts"]}
    (port,) = container["ports"]
    assert {address.rpartition(":")[2] for address in flags.web_listen_address or []} == {
        str(port["hostPort"])
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_pod_listens_on_its_address_of_either_family(pod: Manifest, address: str) -> None:
    (container,) = pod["containers"]
    (variable,) = container["env"]
    (listening,) = parse_flags(container["args"]).web_listen_address or []
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    with bind(listening.replace(f"$({variable['name']})", address).replace(":9068", ":0")) as made:
        assert made.getsockname()[0] == address


def test_the_configuration_is_right(manifests: list[Manifest], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(find(manifests, "ConfigMap")["data"]["config.yaml"])
    finished = run_once("--config.check", f"--config.file={path}")
    assert (finished.returncode, finished.stdout) == (0, f"{path}: ok\n")


def snake_case(name: str) -> str:
    """Return a key of the Operator as Prometheus spells it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def scrape_config(monitor: Manifest) -> dict[str, Any]:
    """Return what the Operator makes of the endpoint of a PodMonitor, key by key."""
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    special = {"path": "metrics_path", "relabelings": "relabel_configs"}
    spelled = {special.get(key, snake_case(key)): value for key, value in endpoint.items() if key != "port"}
    spelled["relabel_configs"] = [
        {snake_case(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]
    ]
    return {"job_name": "netstat-exporter", **spelled}


def test_a_pod_monitor_finds_the_pods_and_keeps_labels(manifests: list[Manifest], tmp_path: Path) -> None:
    monitor, daemon_set = find(manifests, "PodMonitor"), find(manifests, "DaemonSet")
    assert monitor["apiVersion"] == OPERATOR
    assert set(monitor["spec"]) == {"jobLabel", "selector", "podMetricsEndpoints"}
    template = daemon_set["spec"]["template"]
    assert monitor["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert "netstat" in template["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["honorLabels"] is True
    assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": [scrape_config(monitor)]}))
    assert_promtool_accepts("check", "config", path)


def test_prometheus_takes_the_rules(manifests: list[Manifest], tmp_path: Path) -> None:
    rules = find(manifests, "PrometheusRule")
    assert rules["apiVersion"] == OPERATOR
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rules["spec"]))
    assert_promtool_accepts("check", "rules", path)


def test_prometheus_takes_the_configuration_of_the_document(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "containers.md").read_text()
    path = tmp_path / "prometheus.yml"
    config = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    for scraped in config["scrape_configs"]:
        assert scraped.pop("kubernetes_sd_configs")  # Debian's Prometheus is built without it
        assert scraped["honor_labels"] is True
    path.write_text(yaml.safe_dump(config))
    assert_promtool_accepts("check", "config", path)


def test_documented_folders_can_be_applied() -> None:
    commands = [words for words in documented_commands("containers.md") if words[0] == "kubectl"]
    assert commands
    for verb, option, *folder in (words[1:] for words in commands):
        assert verb == "apply"
        if option == "--kustomize":
            assert render(ROOT / folder[0])
        else:
            assert (ROOT / option.removeprefix("--filename=")).is_file()
