"""The git hook, which CI also runs on the commits of a branch, refuses long subjects."""

import os
import subprocess

import pytest

from tests.repository import ROOT

HOOKS = ROOT / ".ci" / "hooks"
LONGEST = "ü" * 72  # two bytes each


@pytest.fixture
def git(tmp_path):
    """Call git in a new repository; returns the finished process."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]

    def call(*arguments):
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert call("init", "--initial-branch=main").returncode == 0
    assert call("commit", "--allow-empty", "-m", "x" * 100).returncode == 0  # an old commit
    return call


@pytest.mark.parametrize(
    ("message", "is_accepted"),
    [
        (LONGEST, True),
        (f"\n# {'a comment' * 20}\n{LONGEST}\n\n{'a reason ' * 20}", True),
        (f"{LONGEST}x", False),
        (f"# A comment\n{LONGEST}x\n", False),
    ],
)
def test_the_hook_refuses_a_commit_with_a_long_subject(git, message, is_accepted):
    git("config", "core.hooksPath", str(HOOKS))
    done = git("commit", "--allow-empty", "--cleanup=strip", "-m", message)
    assert (done.returncode == 0) == is_accepted
    assert ("a subject of 73 characters" in done.stderr) != is_accepted


@pytest.mark.parametrize(("subject", "is_accepted"), [(LONGEST, True), (f"{LONGEST}x", False)])
def test_the_commits_of_a_branch_are_checked_without_earlier_ones_and_merges(git, tmp_path, subject, is_accepted):
    git("checkout", "-b", "branch")
    for message in (subject, "Short"):
        git("commit", "--allow-empty", "-m", message)
    git("checkout", "-b", "merged", "main")
    git("commit", "--allow-empty", "-m", "Other work")
    assert git("merge", "--no-ff", "-m", "m" * 100, "branch").returncode == 0
    done = subprocess.run([HOOKS / "commit-msg", "main..HEAD"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == is_accepted
    assert (subject in done.stderr) != is_accepted


def test_a_range_that_git_does_not_know_is_not_accepted(git, tmp_path):
    assert subprocess.run([HOOKS / "commit-msg", "nothing..HEAD"], cwd=tmp_path, capture_output=True, timeout=60).returncode != 0
