"""What the documents say is what the code does.

``make golden`` writes the reference of docs/metrics.md again.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.flags import EVERY_OPTION, OF_SHOW, OPTIONS
from exporter.sampling.labels import Metric
from exporter.sampling.sampler import METRICS
from exporter.serving.admission import CONNECTION_REASONS, REQUEST_REASONS
from exporter.serving.metrics import OWN_METRICS
from tests.support.daemon import ROOT

EVERY_METRIC: tuple[Metric, ...] = (*METRICS, *OWN_METRICS)
REFERENCE = ROOT / "docs" / "metrics.md"
BEFORE = re.compile(r"^ *\| `[^|]*\|", re.MULTILINE)  # what something was called before
MARKED = re.compile(r"(?<=<!-- reference -->\n).*(?=<!-- /reference -->)", re.DOTALL)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def render_reference() -> Iterator[str]:
    """Yield a line for each metric of the page."""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in EVERY_METRIC:
        kind = "counter" if metric.name.endswith("_total") else "gauge"
        labels = " ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {kind} | {labels} | {metric.help} |"


def test_reference_is_that_of_the_code(request: pytest.FixtureRequest) -> None:
    reference = "".join(f"{line}\n" for line in render_reference())
    text = REFERENCE.read_text()
    if request.config.getoption("--update-golden"):
        REFERENCE.write_text(MARKED.sub(lambda _: reference, text))
    (found,) = MARKED.findall(REFERENCE.read_text())
    assert reference == found


def test_every_reason_of_a_rejection_is_explained() -> None:
    explained = re.findall(r"^\| `reason` of .*", REFERENCE.read_text(), re.MULTILINE)
    named = [set(re.findall(r"`([a-z_]+)`: ", line)) for line in explained]
    assert [set(CONNECTION_REASONS), set(REQUEST_REASONS)] == named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_metrics_named_in_a_document_exist(document: Path) -> None:
    names = {metric.name for metric in EVERY_METRIC}
    text = document.read_text()
    if document.name == "CHANGELOG.md":
        text = BEFORE.sub("", text)
    named = set(re.findall(r"\bnetstat_[a-z_]+[a-z]\b(?!-|\.py|\.go)", text))  # a wheel, modules
    assert named <= names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_in_a_document_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_flag_is_in_a_document_and_every_flag_of_a_document_is_one() -> None:
    documents = {"README.md": OPTIONS, "docs/command-line.md": OF_SHOW}
    for name, options in documents.items():
        named = set(re.findall(r"(?<=`)--[a-z][a-z.-]+", (ROOT / name).read_text())) - {"--help"}
        assert options.keys() <= named <= EVERY_OPTION.keys()


def test_contributing_leads_to_every_module() -> None:
    """Of the folders where most changes are made; and each file it names is there."""
    named = set(re.findall(r"`([a-z_/]+\.py)`", (ROOT / "CONTRIBUTING.md").read_text()))
    folders = [ROOT / "exporter" / folder for folder in ("kernel", "sampling", "config")]
    modules = {module.name for folder in folders for module in folder.rglob("*.py")} - {"__init__.py"}
    assert modules <= {name.rpartition("/")[2] for name in named}
    paths = {name for name in named if "/" in name and not name.startswith("tests/")}
    assert [name for name in paths if not (ROOT / "exporter" / name).exists()] == []
