"""The options of `make deploy`: environment variables, or the arguments that override them."""

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from bootstrap import aws_stage
from chalicelib.foundation.settings import REGION_VARIABLES, SettingsError
from infra.template.functions import ARCHITECTURES
from infra.template.stages import ROOT

SKIPPABLE = ("check", "test", "package")
# The names that AWS allows for stacks and for buckets.
_STACK_NAME, _BUCKET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}"), re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Options(Struct, frozen=True):
    """`folder` is the output of `make package`. `url` is the API's address if buyers use another address than the stack's own."""

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
    """Read the options. Ends the process with exit code 2 if an option is wrong. A dry run needs no region."""
    own = parser()
    given = own.parse_args(argv)
    skip, files, parameters = frozenset(given.skip.replace(",", " ").split()), tuple(given.files.split()), given.parameters.split()
    try:
        _check_stage_and_switches(given)
    except SettingsError as error:
        own.error(str(error))
    if given.architecture not in ARCHITECTURES:
        own.error(f"ARCH must be {' or '.join(ARCHITECTURES)}, not {given.architecture!r}")
    if unknown := sorted(skip - set(SKIPPABLE)):
        own.error(f"SKIP must be a list of {', '.join(SKIPPABLE)}; it has {', '.join(unknown)}")
    if missing := [file for file in files if not Path(file).is_file()]:
        own.error(f"FILES names {missing[0]}, which is not a file")
    if wrong := [word for word in parameters if "=" not in word]:
        own.error(f"PARAMETERS must be `Name=value`, separated by spaces, not {wrong[0]!r}")
    if given.stack and not _STACK_NAME.fullmatch(given.stack):
        own.error(f"STACK must be letters, digits and `-`, a letter first, at most 128 characters, not {given.stack!r}")
    if given.bucket and not _BUCKET_NAME.fullmatch(given.bucket):
        own.error(f"BUCKET must be the name of a bucket (3 to 63 lowercase letters, digits, `.` and `-`), not {given.bucket!r}")
    if given.url and urlsplit(given.url).scheme not in ("http", "https"):
        own.error(f"API_URL must start with https:// or http://, not be {given.url!r}")
    return Options(
        stage=given.stage,
        stack=given.stack or f"fairgate-{given.stage}",
        folder=Path(given.folder).absolute() if given.folder else ROOT / ".build" / given.stage,
        bucket=given.bucket,
        files=files,
        parameters=dict(word.split("=", 1) for word in parameters),
        architecture=given.architecture,
        url=given.url,
        skip=skip,
        yes=given.yes == "1",
        dry_run=given.dry_run == "1",
    )


def parser() -> ArgumentParser:
    usage = "make deploy STAGE=dev (or fairgate --stage dev deploy; --help lists the options)"
    description = "Deploy a stage to AWS; docs/deployment.md explains each step."
    parser = ArgumentParser(prog="deploy", usage=usage, description=description)
    add = parser.add_argument
    variable = os.environ.get
    add("--stage", default=variable("STAGE", ""), help="name of the stage (STAGE)")
    add("--stack", default=variable("STACK", ""), help="name of the stage's CloudFormation stack (STACK; default: fairgate-STAGE)")
    add(
        "--bucket",
        default=variable("BUCKET", ""),
        help="S3 bucket for packages (BUCKET; default: a bucket that is created for the account and region)",
    )
    add("--files", default=variable("FILES", ""), help="bootstrap files, separated by spaces (FILES; default: the project's own)")
    add("--parameters", default=variable("PARAMETERS", ""), help="template parameters: 'Name=value Other=value' (PARAMETERS)")
    add("--architecture", default=variable("ARCH", "arm64"), help="processor architecture of the functions (ARCH; default: arm64)")
    add("--folder", default=variable("FOLDER", ""), help="output folder of `make package` (FOLDER; default: .build/STAGE)")
    add("--url", default=variable("API_URL", ""), help="address of the API for the smoke test (API_URL; default: the address in the stack)")
    add("--skip", default=variable("SKIP", ""), help="steps to leave out: check, test, package (SKIP)")
    add("--yes", action="store_const", const="1", default=variable("YES", ""), help="make changes without asking (YES=1)")
    add(
        "--dry-run",
        action="store_const",
        const="1",
        default=variable("DRY_RUN", ""),
        help="only show the steps; needs no AWS account (DRY_RUN=1)",
    )
    return parser


def _check_stage_and_switches(given: Namespace) -> None:
    aws_stage.check_stage(given.stage)
    _check_switch("YES", given.yes, "do not ask")
    _check_switch("DRY_RUN", given.dry_run, "only show the steps")
    if given.dry_run != "1" or any(map(os.environ.get, REGION_VARIABLES)):
        aws_stage.check_region(os.environ)


def _check_switch(variable: str, value: str, meaning: str) -> None:
    """Raise SettingsError unless the value is 1, 0 or empty: DRY_RUN=yes must not deploy."""
    if value not in ("", "0", "1"):
        raise SettingsError(f"{variable} must be 1 ({meaning}) or 0, not {value!r}")
