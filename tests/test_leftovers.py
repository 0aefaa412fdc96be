"""What a run of the tests leaves behind is told and taken away; what others left stays."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import leftovers


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pretend that another run has begun, which waits for nothing, and return its folder."""
    monkeypatch.setattr(leftovers, "PATIENCE_SECONDS", 0)
    monkeypatch.setenv(leftovers.RUN, "run")
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_a_process_is_told_and_ended_and_no_other(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(subprocess.Popen(["sleep", "600"]))
        monkeypatch.setenv(leftovers.RUN, "another run")
        others = stack.enter_context(subprocess.Popen(["sleep", "601"]))
        stack.callback(others.kill)
        monkeypatch.setenv(leftovers.RUN, "run")
        assert leftovers.end_leftovers(run) == [f"process {ours.pid}: sleep 600"]
        assert ours.wait() < 0
        assert others.poll() is None


def test_files_are_told_and_removed_but_for_those_of_failed_tests(run: Path) -> None:
    for name in ("pytest-of-somebody", "folder"):
        (run / name).mkdir()
    (run / "file").touch()
    assert set(leftovers.end_leftovers(run)) == {f"file {run / name}" for name in ("folder", "file")}
    assert [path.name for path in run.iterdir()] == ["pytest-of-somebody"]
    leftovers.remove_run(run)
    assert not run.exists()
