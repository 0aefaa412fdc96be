"""Render the rules for Prometheus and Kubernetes, and the dashboards, from the mixin.

``python -m mixin.render`` writes the files of this repository; the tests compare. With ``--config`` and
``--output`` it renders others: the configuration is jsonnet, JSON or YAML, with keys of ``_config`` as in
config.libsonnet.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import _jsonnet
import yaml

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parent
_SNIPPET: Final = """
local config = std.extVar('config');
assert std.isObject(config) : 'the configuration is not a mapping of keys to values';
local mixin = (import 'mixin.libsonnet') + { _config+:: config };
{ dashboards: mixin.grafanaDashboards }
"""

Rendered = Mapping[str, Any]
"""What the mixin has: of each file for Grafana its dashboard."""


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


def render(rendered: Rendered) -> Iterator[tuple[Path, str]]:
    """Yield each file, by its path below the folder that it is written to."""
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
