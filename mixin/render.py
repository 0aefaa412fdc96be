"""Render the rules for Prometheus and Kubernetes, and the dashboards, from the mixin.

``python -m mixin.render`` writes the files of this repository; the tests compare. With ``--config`` and
``--output`` it renders others: the configuration is jsonnet, JSON or YAML, with keys of ``_config`` as in
config.libsonnet.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import _jsonnet
import yaml

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parent
_WIDTH: Final = 120
_SNIPPET: Final = """
local config = std.extVar('config');
assert std.isObject(config) : 'the configuration is not a mapping of keys to values';
local mixin = (import 'mixin.libsonnet') + { _config+:: config };
{
  alerts: mixin.prometheusAlerts,
  optional: mixin.prometheusOptionalAlerts,
  recording: mixin.prometheusRules,
  dashboards: mixin.grafanaDashboards,
}
"""

_KEYS: Final = (
    "alert",
    "record",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
    "summary",
    "description",
)
_RENDERED: Final = """\
# Rendered from mixin/ by python -m mixin.render: change it there, see mixin/README.md.
"""
_ALERTS: Final = f"""\
{_RENDERED}# Alerts on what netstat-exporter counts, and the series that they rest on.
# Each alert has a runbook in docs/runbooks.
"""
_RECORDING: Final = f"""\
{_RENDERED}# A fleet at a glance: all instances of a job together, by service port.
# Load alerts.yml as well: the ratios rest on the series of each instance that it records.
"""
_OPTIONAL: Final = f"""\
{_RENDERED}# Alerts that are off by default: load this file as well, beside alerts.yml, where they are wanted.
"""
_KUBERNETES: Final = f"""\
{_RENDERED}# alerts.yml and recording.yml for the Prometheus Operator.
# Your Prometheus may want a label here: see its ruleSelector.
"""

Rendered = Mapping[str, Any]
"""What the mixin has: rules in groups as alerts, optional and recording; dashboards by their files' names."""


class MixinError(Exception):
    """The configuration is not one; the text says why, a line for each problem."""


def read_config(path: Path) -> str:
    """Return a configuration as jsonnet.

    Raises MixinError if the file cannot be read.
    """
    if path.suffix in {".jsonnet", ".libsonnet"}:
        return f"import {json.dumps(str(path.resolve()))}"
    try:
        config = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MixinError(f"{path}: {error}") from error
    return json.dumps(config)


def evaluate(config: str = "{}") -> Rendered:
    """Return what the mixin has with a configuration in jsonnet.

    Raises MixinError if that is not valid.
    """
    try:
        text = _jsonnet.evaluate_snippet(
            "mixin", _SNIPPET, jpathdir=[str(FOLDER)], ext_codes={"config": config}
        )
    except RuntimeError as error:
        raise MixinError(_say(str(error))) from error
    rendered: Rendered = json.loads(text)
    return rendered


def _say(error: str) -> str:
    """Return what jsonnet says without its stack."""
    lines = [line for line in error.splitlines() if line and not line.startswith("\t")]
    return "\n".join(lines).removeprefix("RUNTIME ERROR: ")


class _Dumper(yaml.SafeDumper):
    """Writes YAML as people do: lists are indented, and text of several lines or a long one is a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > _WIDTH else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _in_order(content: Any) -> Any:  # noqa: ANN401 - what JSON has
    """Return content with what tells a rule from others first; jsonnet sorts its keys by the alphabet."""
    if isinstance(content, list):
        return [_in_order(item) for item in content]
    if isinstance(content, dict):
        return {key: _in_order(content[key]) for key in sorted(content, key=_place)}
    return content


def _place(key: str) -> int:
    return _KEYS.index(key) if key in _KEYS else len(_KEYS)


def _to_yaml(header: str, content: Rendered) -> str:
    text = yaml.dump(_in_order(content), Dumper=_Dumper, sort_keys=False, width=_WIDTH)
    return header + re.sub(r"\n( +- alert: )", r"\n\n\1", text)


def render(rendered: Rendered) -> Iterator[tuple[Path, str]]:
    """Yield each file, by its path below the folder that it is written to."""
    alerts, recording = rendered["alerts"], rendered["recording"]
    yield Path("prometheus/alerts.yml"), _to_yaml(_ALERTS, alerts)
    yield Path("prometheus/recording.yml"), _to_yaml(_RECORDING, recording)
    yield Path("prometheus/optional.yml"), _to_yaml(_OPTIONAL, rendered["optional"])
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "netstat-exporter",
            "labels": {"app.kubernetes.io/name": "netstat-exporter"},
        },
        "spec": {"groups": alerts["groups"] + recording["groups"]},
    }
    yield Path("kubernetes/operator/prometheusrule.yaml"), _to_yaml(_KUBERNETES, manifest)
    for name, dashboard in rendered["dashboards"].items():
        yield Path("grafana", name), json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all files, or say what is wrong with the configuration."""
    parser = argparse.ArgumentParser(prog="python -m mixin.render", description=__doc__)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="keys of _config as jsonnet, JSON or YAML"
    )
    parser.add_argument("--output", type=Path, default=ROOT, metavar="DIR", help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        files = list(render(evaluate(read_config(options.config) if options.config else "{}")))
    except MixinError as error:
        print(error, file=sys.stderr)  # noqa: T201 - whoever runs it reads it
        return 2
    for path, text in files:
        written = options.output / path
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
