"""Releases: what is refused, what a release commits, and how a build is named."""

import subprocess
import sys

import pytest

from infra import release as command
from infra.release import SAVED_STAGES, NotReleased, describe_build, release
from tests.infra import saved_stage
from tests.repository import ROOT

STAGE = SAVED_STAGES / "01" / "manifest.json"
CHANGELOG = """# Changelog

## Unreleased

### Added

- Holds are longer.

### Upgrading

Nothing to do.

## 0.1.0 - 2026-01-01

- The first version.
"""


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        done = subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch", "main")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.com")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "fairgate"\nversion = "0.1.0"\n')
    git("add", ".")
    git("commit", "--quiet", "--message", "Begin")
    return tmp_path, git


def test_a_release_moves_the_changes_under_its_version_commits_and_tags(repository):
    folder, git = repository
    release("0.2.0", folder, "2026-06-01", saving(folder), lambda: True)
    assert CHANGELOG.replace("## Unreleased\n", "## Unreleased\n\n## 0.2.0 - 2026-06-01\n") == (folder / "CHANGELOG.md").read_text()
    assert git("log", "-1", "--format=%s") == "Release 0.2.0"
    assert git("describe") == "v0.2.0"
    assert git("status", "--porcelain") == ""
    assert describe_build(folder) == f"0.2.0+{git('rev-parse', '--short=12', 'HEAD')}"


def test_a_release_has_a_saved_stage_which_its_tests_read(repository):
    folder, git = repository
    seen = []

    def run_checks():
        seen.append((folder / STAGE).exists())
        return True

    release("0.2.0", folder, "2026-06-01", saving(folder), run_checks)
    assert seen == [True]
    assert git("show", "--format=", "--name-only", "HEAD").split() == ["CHANGELOG.md", "pyproject.toml", str(STAGE)]


def test_the_saved_stages_are_those_that_the_tests_read():
    assert ROOT / SAVED_STAGES == saved_stage.FOLDER


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("", "three numbers"),
        ("1.2", "three numbers"),
        ("v1.2.0", "three numbers"),
        ("1.02.0", "three numbers"),
        ("0.1.0", "higher than the current version, 0.1.0"),
        ("0.0.9", "higher than the current version, 0.1.0"),
    ],
)
def test_a_version_is_three_numbers_and_higher_than_the_last(repository, version, reason):
    _assert_refused(repository, version, reason)


def test_a_branch_is_not_released(repository):
    repository[1]("switch", "--quiet", "--create", "idea")
    _assert_refused(repository, "0.2.0", "on the branch main")


def test_uncommitted_changes_are_not_released(repository):
    (repository[0] / "new.py").write_text("")
    _assert_refused(repository, "0.2.0", "uncommitted changes")


def test_a_tag_is_never_moved(repository):
    repository[1]("tag", "v0.2.0")
    _assert_refused(repository, "0.2.0", "v0.2.0 exists")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CHANGELOG.replace("### Upgrading\n\nNothing to do.\n", ""), "### Upgrading"),
        ("# Changelog\n\n## Unreleased\n\n## 0.1.0 - 2026-01-01\n\n### Upgrading\n", "no changes"),
        ("# Changelog\n", "no changes"),
    ],
)
def test_a_release_says_what_changed_and_how_to_upgrade(repository, text, reason):
    folder, git = repository
    (folder / "CHANGELOG.md").write_text(text)
    git("commit", "--quiet", "--all", "--message", "Change the changelog")
    _assert_refused(repository, "0.2.0", reason)


def test_a_failed_check_leaves_everything_as_it_was(repository):
    _assert_refused(repository, "0.2.0", "checks or tests failed", checks_pass=False)


def test_a_version_without_a_saved_stage_is_not_released(repository):
    _assert_refused(repository, "0.2.0", "No stage of this version", save_stage=lambda: True)
    _assert_refused(repository, "0.2.0", "No stage of this version", save_stage=saving(repository[0], succeeds=False))


def test_an_interrupted_release_leaves_everything_as_it_was(repository):
    def stop():
        raise KeyboardInterrupt

    folder, git = repository
    with pytest.raises(KeyboardInterrupt):
        release("0.2.0", folder, "2026-06-01", saving(folder), stop)
    assert git("status", "--porcelain") == ""


def test_the_command_saves_a_stage_and_runs_the_checks(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(command.subprocess, "run", lambda words, **_: ran.append(words) or subprocess.CompletedProcess(words, 0))
    monkeypatch.setattr(command, "release", lambda version, *_, save_stage, run_checks: ran.append((version, save_stage(), run_checks())))
    monkeypatch.setenv("VERSION", "1.2.0")
    assert command.main() == 0
    saved, checked, released = ran
    assert saved[:3] == (sys.executable, "-m", "pytest")
    assert (ROOT / saved[-1]).is_file()
    assert checked[-2:] == ("check", "test")
    assert released == ("1.2.0", True, True)
    assert "git push --follow-tags" in capsys.readouterr().out


def saving(folder, *, succeeds=True):
    """Return a function that saves a stage of one file."""

    def save_stage():
        (folder / STAGE).parent.mkdir(parents=True)
        (folder / STAGE).write_text(STAGE.name)
        return succeeds

    return save_stage


def _assert_refused(repository, version, reason, *, save_stage=None, checks_pass=True):
    folder, git = repository
    before = git("log", "--format=%H"), git("tag"), git("status", "--porcelain"), (folder / "CHANGELOG.md").read_text()
    with pytest.raises(NotReleased, match=reason):
        release(version, folder, "2026-06-01", save_stage or saving(folder), lambda: checks_pass)
    assert before == (git("log", "--format=%H"), git("tag"), git("status", "--porcelain"), (folder / "CHANGELOG.md").read_text())


def test_a_build_with_uncommitted_changes_says_so(repository):
    folder, git = repository
    (folder / "CHANGELOG.md").write_text("changed")
    assert describe_build(folder) == f"0.1.0+{git('rev-parse', '--short=12', 'HEAD')}.changed"


def test_a_build_without_a_repository_has_its_version(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.3.0"\n')
    assert describe_build(tmp_path) == "0.3.0"
