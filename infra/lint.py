"""Check the templates of all stages with cfn-lint, and that the committed policies are fresh: `python -m infra.lint`.

It finds errors that CloudFormation would reject, and warnings. It does not build the packages.
"""

import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from cfnlint.api import ManualArgs
from cfnlint.api import lint as run_cfn_lint

from bootstrap import interrupts
from infra import chalice_package
from infra.template.stages import ROOT, deployed_stages

# CloudFormation's limit for templates in a bucket; otherwise the limit is about a 20th.
MAX_TEMPLATE_BYTES = 1_000_000
# Holds an empty file for each template without problems: a full run checks, packages and tests the same template, and each check takes
# many seconds.
FAULTLESS = ROOT / ".build" / "faultless-templates"


def main(argv: Sequence[str] | None = None) -> int:
    ArgumentParser(prog="python -m infra.lint", description=__doc__).parse_args(argv)
    problems = chalice_package.stale_files()
    for stage in deployed_stages():
        with tempfile.TemporaryDirectory() as folder:
            chalice_package.write(stage, "arm64", Path(folder), template_alone=True)
            problems += [f"{stage}: {problem}" for problem in template_problems(Path(folder) / "sam.json")]
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def template_problems(file: Path) -> list[str]:
    """Return the errors and warnings of a template, each with its location."""
    text = file.read_text()
    known = FAULTLESS / sha256(f"cfn-lint {version('cfn-lint')}, {MAX_TEMPLATE_BYTES}: {text}".encode()).hexdigest()
    if known.exists():
        return []
    found = [
        f"{'.'.join(str(part) for part in match.path or [])}: {match.message} ({match.rule.id})"
        for match in run_cfn_lint(text, config=ManualArgs(ignore_checks=["I"]))
    ]
    if len(text) > MAX_TEMPLATE_BYTES:
        found.append(f"the template has {len(text):,} bytes; CloudFormation accepts at most {MAX_TEMPLATE_BYTES:,}")
    if not found:
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()
    return found


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "Nothing was changed."))
