"""docs/status-api.md and the JSON Schema are those of the code. ``make golden`` writes them again."""

import json
import re

import jsonschema
import pytest

from exporter.status.encoding import encode_status
from tests.support.daemon import ROOT
from tests.support.status.schema import describe_schema, render_tables
from tests.support.status.snapshots import make_snapshot, sockets, status_of

PAGE = ROOT / "docs" / "status-api.md"
SCHEMA = ROOT / "docs" / "status.schema.json"
MARKED = re.compile(r"(?<=<!-- reference -->\n).*(?=<!-- /reference -->)", re.DOTALL)


def test_documents_are_those_of_the_code(request: pytest.FixtureRequest) -> None:
    reference = "".join(f"{line}\n" for line in render_tables())
    schema = json.dumps(describe_schema(), indent=1) + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(MARKED.sub(lambda _: reference, PAGE.read_text()))
        SCHEMA.write_text(schema)
    assert [reference] == MARKED.findall(PAGE.read_text())
    assert schema == SCHEMA.read_text()


def test_a_status_is_valid_by_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    status = status_of(make_snapshot({"netstat_sockets": sockets("close_wait", 30)}))
    jsonschema.validate(json.loads(encode_status(status)), schema)
