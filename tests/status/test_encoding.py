"""A status survives JSON, and what is none is refused with its place."""

import json
from dataclasses import asdict

import pytest

from exporter.status.encoding import StatusError, decode_status, encode_status
from tests.support.status.snapshots import make_snapshot, sockets, status_of

STATUS = status_of(make_snapshot({"netstat_sockets": {**sockets("close_wait", 30), **sockets("listen", 1)}}))


def test_a_status_is_the_same_after_json() -> None:
    assert STATUS == decode_status(encode_status(STATUS))


def test_what_a_later_version_adds_is_ignored() -> None:
    more = {**asdict(STATUS), "more": [1], "other": {**asdict(STATUS.other), "more": {}}}
    assert STATUS == decode_status(json.dumps(more).encode())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "schema_version is None, not 1"),
        (b'{"schema_version": 2}', "schema_version is 2, not 1"),
        (b'{"schema_version": 1}', "status: host, taken_at_seconds"),
        (json.dumps({**asdict(STATUS), "host": 1}).encode(), "status.host: int is not allowed here"),
        (
            json.dumps({**asdict(STATUS), "sockets": True}).encode(),
            "status.sockets: bool is not allowed here",
        ),
        (json.dumps({**asdict(STATUS), "leaks": {}}).encode(), "status.leaks: dict is not allowed here"),
        (json.dumps({**asdict(STATUS), "other": []}).encode(), "status.other: list is not allowed here"),
    ],
)
def test_what_is_no_status_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(StatusError, match="^" + problem.replace(".", r"\.")):
        decode_status(content)
