"""What CloudFormation would refuse in the template of a stage, and what is unwise in it, as cfn-lint finds it.

`python -m infra.lint` looks at the templates of all stages, without building what they deploy.
"""

import sys
import tempfile
from pathlib import Path

from cfnlint.api import ManualArgs
from cfnlint.api import lint as run_cfn_lint

from infra import chalice_package
from infra.template.stages import deployed_stages

# CloudFormation takes a template of this size from a bucket, and a 20th of it without one.
MAX_TEMPLATE_BYTES = 1_000_000


def main() -> int:
    problems = []
    for stage in deployed_stages():
        with tempfile.TemporaryDirectory() as folder:
            chalice_package.write(stage, "arm64", Path(folder), template_alone=True)
            problems += [f"{stage}: {problem}" for problem in template_problems(Path(folder) / "sam.json")]
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def template_problems(file: Path) -> list[str]:
    """The errors and warnings of a template, each with its place; an empty list if there are none."""
    text = file.read_text()
    found = [
        f"{'.'.join(str(part) for part in match.path or [])}: {match.message} ({match.rule.id})"
        for match in run_cfn_lint(text, config=ManualArgs(ignore_checks=["I"]))
    ]
    if len(text) > MAX_TEMPLATE_BYTES:
        found.append(f"the template has {len(text):,} bytes, and CloudFormation takes {MAX_TEMPLATE_BYTES:,} at most")
    return found


if __name__ == "__main__":
    sys.exit(main())
