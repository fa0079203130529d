"""Check the templates of all stages with cfn-lint, that the committed policies are fresh, and the licences of all dependencies.

`python -m infra.lint` finds errors that CloudFormation would reject, and warnings. It does not build the packages.
"""

import json
import re
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import PackageMetadata, distributions, version
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
# Licences of dependencies that put no condition on a program that uses them. The MPL and the OFL bind changes to their own files only.
ALLOWED_LICENCES = re.compile(r"\b(MIT|MIT-0|0?BSD|Apache|ISC|PSF|Python|MPL|Mozilla|Zope|OFL|Public Domain|CC0|BlueOak)\b")
NPM_LOCKS = ("web", "tests/browser", "bench/lighthouse")


def main(argv: Sequence[str] | None = None) -> int:
    ArgumentParser(prog="python -m infra.lint", description=__doc__).parse_args(argv)
    problems = [*chalice_package.stale_files(), *licence_problems()]
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


def licence_problems() -> list[str]:
    """Return the installed Python packages and the locked npm packages whose licence is unknown or not allowed."""
    licences = {found.name: _licence(found.metadata) for found in distributions()}
    for folder in NPM_LOCKS:
        packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        licences |= {path.rpartition("node_modules/")[2]: str(package.get("license")) for path, package in packages.items() if path}
    return [f"{name}: its licence is {text!r}" for name, text in sorted(licences.items()) if not ALLOWED_LICENCES.search(text)]


def _licence(metadata: PackageMetadata) -> str:
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    found = metadata.get_all("License-Expression") or classifiers or metadata.get_all("License") or []
    return ", ".join(map(str, found))


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "Nothing was changed."))
