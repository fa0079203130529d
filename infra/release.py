"""`make release VERSION=1.2.0`: save a stage, run the checks and tests, move the unreleased changes of CHANGELOG.md, commit, and tag.

Nothing is pushed. `describe_build` names the version and the commit of the code that is packaged.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bootstrap import interrupts
from infra.template.stages import ROOT

SAVED_STAGES = Path("tests") / "infra" / "saved_stages"  # what released versions stored, which later versions must read
_UNRELEASED = "## Unreleased\n"
_UPGRADING = "### Upgrading\n"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")  # https://semver.org, without pre-releases
_VERSION_LINE = re.compile(r'^version = "(.+)"$', re.MULTILINE)


class NotReleased(Exception):
    """The message names the reason and the remedy."""


def describe_build(root: Path = ROOT) -> str:
    """Return the version and commit of the code in a folder, such as `1.2.0+3f9c2ab41d07`. Uncommitted changes add `.changed`.

    Without a git repository it is the version alone.
    """
    version = _read_version(root)
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        is_changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, NotReleased):
        return version
    return f"{version}+{commit}{'.changed' if is_changed else ''}"


def release(version: str, root: Path, today: str, save_stage: Callable[[], bool], run_checks: Callable[[], bool]) -> None:
    """Commit and tag a version. Raises NotReleased, and leaves the folder as it was, if something is missing or a step fails.

    `save_stage` adds what this version stores to SAVED_STAGES. `run_checks` includes the tests, which read that stage.
    """
    _require_newer(version, _read_version(root))
    if _git(root, "branch", "--show-current") != "main":
        raise NotReleased("Releases are made on the branch main. Run: git switch main")
    if _git(root, "status", "--porcelain"):
        raise NotReleased("There are uncommitted changes. Commit or stash them first.")
    if _git(root, "tag", "--list", f"v{version}"):
        raise NotReleased(f"The tag v{version} exists already.")
    changelog, project = root / "CHANGELOG.md", root / "pyproject.toml"
    written = _with_version(changelog.read_text(), version, today)
    try:
        if not save_stage() or not _git(root, "status", "--porcelain", "--", str(SAVED_STAGES)):
            raise NotReleased("No stage of this version was saved, so later versions could not be tested with its data.")
        if not run_checks():
            raise NotReleased("The checks or tests failed. The reason is above.")
    except BaseException:
        _git(root, "clean", "--quiet", "--force", "-d", "--", str(SAVED_STAGES))
        raise
    changelog.write_text(written)
    project.write_text(_VERSION_LINE.sub(f'version = "{version}"', project.read_text(), count=1))
    _git(root, "add", "--", str(SAVED_STAGES), changelog.name, project.name)
    _git(root, "commit", "--quiet", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"Fairgate {version}")


def _require_newer(version: str, current: str) -> None:
    wanted, known = _VERSION.fullmatch(version), _VERSION.fullmatch(current)
    if wanted is None:
        raise NotReleased(f"VERSION must be three numbers, such as 1.2.0, not {version!r}.")
    if known is not None and [int(part) for part in wanted.groups()] <= [int(part) for part in known.groups()]:
        raise NotReleased(f"VERSION must be higher than the current version, {current}.")


def _with_version(changelog: str, version: str, today: str) -> str:
    """Return the changelog with the unreleased changes under a version. They must say what operators do when they upgrade."""
    before, heading, rest = changelog.partition(_UNRELEASED)
    unreleased = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not heading or not unreleased.strip():
        raise NotReleased('CHANGELOG.md has no changes under "## Unreleased".')
    if _UPGRADING not in unreleased:
        raise NotReleased('Add "### Upgrading" to the unreleased changes of CHANGELOG.md: what operators must do, or "Nothing to do."')
    return f"{before}{heading}\n## {version} - {today}\n{rest}"


def _read_version(root: Path) -> str:
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReleased(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def main() -> int:
    version = os.environ.get("VERSION", "")

    def succeeds(*words: str) -> bool:
        return subprocess.run(words, cwd=ROOT, check=False).returncode == 0

    save_stage = partial(succeeds, sys.executable, "-m", "pytest", "-n", "0", "--quiet", "tests/infra/save_stage.py")
    run_checks = partial(succeeds, "make", "--no-print-directory", "check", "test")
    try:
        release(version, ROOT, f"{datetime.now(UTC):%Y-%m-%d}", save_stage=save_stage, run_checks=run_checks)
    except NotReleased as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    print(f"v{version} is committed and tagged. Publish it: git push --follow-tags")
    return 0


if __name__ == "__main__":
    undo = f"git restore --staged --worktree CHANGELOG.md pyproject.toml {SAVED_STAGES}"
    sys.exit(interrupts.run(main, f"If `git log` shows no release commit, there is no release: run `{undo}`."))
