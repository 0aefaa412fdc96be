"""A clone says which commit is checked out, as Git does; a build says what was written into it."""

import subprocess
from pathlib import Path

import pytest

from exporter.revision import UNKNOWN, find_revision
from hatch_build import describe
from tests.support.requirements import require_command

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
OTHER = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *words: str) -> str:
    """Run Git in a folder, and return what it printed."""
    run = subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a repository with a package and one commit."""
    require_command("git", "git")
    folder = tmp_path / "clone"
    (folder / "exporter").mkdir(parents=True)
    (folder / "exporter" / "module.py").touch()
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def revision(folder: Path) -> str:
    """Return what the package in a folder finds."""
    return find_revision(str(folder / "exporter"))


def test_a_clone_has_the_commit_that_is_checked_out(clone: Path) -> None:
    """Whether its reference is a file, is packed, or is not there."""
    commit = git(clone, "rev-parse", "HEAD")
    assert revision(clone) == commit
    git(clone, "tag", "v1")
    git(clone, "pack-refs", "--all")
    assert not (clone / ".git" / "refs" / "heads" / "main").exists()
    assert revision(clone) == commit
    git(clone, "checkout", "--quiet", "--detach")
    assert revision(clone) == describe(clone) == commit


def test_a_worktree_has_its_own_commit(clone: Path) -> None:
    git(clone, "worktree", "add", "--quiet", "-b", "topic", "../tree")
    tree = clone.parent / "tree"
    git(tree, "commit", "--quiet", "--allow-empty", "--message=second")
    assert revision(tree) == describe(tree) == git(tree, "rev-parse", "topic")
    assert revision(tree) != revision(clone)
    git(clone, "pack-refs", "--all")
    assert revision(tree) == git(tree, "rev-parse", "topic")


def test_a_build_of_changed_files_says_so(clone: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    (clone / "exporter" / "module.py").write_text("changed = True\n")
    assert describe(clone) == f"{commit}-dirty"


def test_what_is_written_into_a_build_comes_first(clone: Path) -> None:
    for written in (OTHER, f"{OTHER}-dirty"):
        (clone / "exporter" / "revision.txt").write_text(f"{written}\n")
        assert revision(clone) == written


@pytest.mark.parametrize("head", ["", "ref: refs/heads/gone", "ref: ", "not a commit", "\0\xff", OTHER[1:]])
def test_what_says_no_commit_is_unknown(clone: Path, head: str) -> None:
    (clone / "exporter" / "revision.txt").write_text("unknown\n")
    (clone / ".git" / "HEAD").write_text(head, encoding="latin-1")
    assert revision(clone) == UNKNOWN


def test_without_a_repository_of_its_own_it_is_unknown(clone: Path) -> None:
    """One further up is that of something else."""
    inner = clone / "inner"
    (inner / "exporter").mkdir(parents=True)
    assert revision(inner) == describe(inner) == UNKNOWN
