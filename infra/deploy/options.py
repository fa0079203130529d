"""The options of `make deploy`: variables of the environment, which arguments replace."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from infra.package import ARCHITECTURES
from infra.template.stages import ROOT, deployed_stages

SKIPPABLE = ("check", "test", "package")


class Options(Struct, frozen=True):
    """`folder` is what `make package` writes; `url` is the API's address if buyers use another than the stack's own."""

    stage: str
    stack: str
    folder: Path
    bucket: str = ""
    files: tuple[str, ...] = ()
    parameters: dict[str, str] = {}
    architecture: str = "arm64"
    url: str = ""
    skip: frozenset[str] = frozenset()
    yes: bool = False
    dry_run: bool = False


def read_options(argv: Sequence[str] | None) -> Options:
    """The options; ends the process with exit code 2 if one is wrong."""
    parser = ArgumentParser(prog="python -m infra.deploy", description="Deploy a stage to AWS; docs/deployment.md explains each step.")
    add = parser.add_argument
    variable = os.environ.get
    add("--stage", default=variable("STAGE", ""), help="the stage (STAGE)")
    add("--stack", default=variable("STACK", ""), help="the name of its CloudFormation stack (STACK; fairgate-STAGE)")
    add("--bucket", default=variable("BUCKET", ""), help="the bucket for packages (BUCKET; one is made for the account and the region)")
    add("--files", default=variable("FILES", ""), help="bootstrap files, separated by spaces (FILES; the project's own)")
    add("--parameters", default=variable("PARAMETERS", ""), help="parameters of the template: 'Name=value Other=value' (PARAMETERS)")
    add("--architecture", default=variable("ARCH", "arm64"), help="the processors of the functions (ARCH; arm64)")
    add("--folder", default=variable("FOLDER", ""), help="what `make package` wrote (FOLDER; .build/STAGE)")
    add("--url", default=variable("API_URL", ""), help="the API's address for the smoke test (API_URL; that of the stack)")
    add("--skip", default=variable("SKIP", ""), help="steps that were done already: check, test, package (SKIP)")
    add("--yes", action="store_true", default=variable("YES") == "1", help="do not ask before something is changed (YES=1)")
    add("--dry-run", action="store_true", default=variable("DRY_RUN") == "1", help="only show the steps; needs no account (DRY_RUN=1)")
    given = parser.parse_args(argv)
    stages, skip = deployed_stages(), frozenset(given.skip.replace(",", " ").split())
    if given.stage not in stages:
        parser.error(f"the stage must be {' or '.join(stages)}, not {given.stage!r}: make deploy STAGE={stages[0]}")
    if given.architecture not in ARCHITECTURES:
        parser.error(f"ARCH must be {' or '.join(ARCHITECTURES)}, not {given.architecture!r}")
    if unknown := sorted(skip - set(SKIPPABLE)):
        parser.error(f"SKIP may have {', '.join(SKIPPABLE)}, not {', '.join(unknown)}")
    parameters = given.parameters.split()
    if wrong := [word for word in parameters if "=" not in word]:
        parser.error(f"PARAMETERS must be `Name=value`, separated by spaces, not {wrong[0]!r}")
    return Options(
        stage=given.stage,
        stack=given.stack or f"fairgate-{given.stage}",
        folder=Path(given.folder).absolute() if given.folder else ROOT / ".build" / given.stage,
        bucket=given.bucket,
        files=tuple(given.files.split()),
        parameters=dict(word.split("=", 1) for word in parameters),
        architecture=given.architecture,
        url=given.url,
        skip=skip,
        yes=given.yes,
        dry_run=given.dry_run,
    )
