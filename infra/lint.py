"""Check the templates of all stages with cfn-lint, the committed policies, the licenses of dependencies, and all files for secrets.

`python -m infra.lint` finds errors that CloudFormation would reject, and warnings. It does not build the packages.
"""

import json
import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib.metadata import PackageMetadata, distributions, version
from pathlib import Path

from cfnlint.api import ManualArgs
from cfnlint.api import lint as run_cfn_lint
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

from bootstrap import interrupts
from infra import chalice_package
from infra.template.stages import ROOT, deployed_stages

# CloudFormation's limit for templates in a bucket; otherwise the limit is about a 20th.
MAX_TEMPLATE_BYTES = 1_000_000
# Holds an empty file for each template without problems: a full run checks, packages and tests the same template, and each check takes
# many seconds.
FAULTLESS = ROOT / ".build" / "faultless-templates"
# Licenses of dependencies that put no condition on a program that uses them. The MPL and the OFL bind changes to their own files only.
ALLOWED_LICENSES = re.compile(r"\b(MIT|MIT-0|0?BSD|Apache|ISC|PSF|Python|MPL|Mozilla|Zope|OFL|Public Domain|CC0|BlueOak)\b")
# Packages that were looked at: python-stdnum (LGPL) is used as it is and can be replaced in the zips; python-bidi (LGPL) and saxonche (MPL
# 2.0, which its metadata lacks) only run tests.
CHECKED_PACKAGES = {"python-bidi", "python-stdnum", "saxonche"}
# Detectors of detect-secrets that guess: they would report the ids, digests, addresses and passwords of the tests and examples.
GUESSING_DETECTORS = {"BasicAuthDetector", "IPPublicDetector"}
NPM_LOCKS = ("web", "tests/browser", "bench/lighthouse")


def main(argv: Sequence[str] | None = None) -> int:
    ArgumentParser(prog="python -m infra.lint", description=__doc__).parse_args(argv)
    committed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    problems = [*chalice_package.stale_files(), *license_problems(), *secret_problems(ROOT / name for name in committed if name)]
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


def license_problems() -> list[str]:
    """Return the installed Python packages and the locked npm packages whose license is unknown or not allowed."""
    licenses = {found.name: _license(found.metadata) for found in distributions() if found.name not in CHECKED_PACKAGES}
    for folder in NPM_LOCKS:
        packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        licenses |= {path.rpartition("node_modules/")[2]: str(package.get("license")) for path, package in packages.items() if path}
    return [f"{name}: its license is {text!r}" for name, text in sorted(licenses.items()) if not ALLOWED_LICENSES.search(text)]


def secret_problems(files: Iterable[Path]) -> list[str]:
    """Return the places of files that hold a private key, a token, or a key of a service whose keys have a known form."""
    kinds: Iterable[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
    known = [kind() for kind in kinds if issubclass(kind, RegexBasedDetector) and kind.__name__ not in GUESSING_DETECTORS]
    return [
        f"{file}, line {text[: text.find(secret)].count(chr(10)) + 1}: {detector.secret_type}"
        for file in files
        for text in [file.read_bytes().decode("utf-8", "replace")]  # not line by line, which takes ten times as long
        for detector in known
        for secret in detector.analyze_string(text)
    ]


def _license(metadata: PackageMetadata) -> str:
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    found = metadata.get_all("License-Expression") or classifiers or metadata.get_all("License") or []
    return ", ".join(map(str, found))


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "Nothing was changed."))
