"""python -m bootstrap validate|plan|apply|status|drift|rollback|export"""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from bootstrap import commands
from bootstrap.apply import Refused
from bootstrap.faults import Faulty
from chalicelib import dynamo
from chalicelib.settings import SettingsError

STORE_ERRORS: tuple[type[Exception], ...] = (*dynamo.STORE_ERRORS, dynamo.StoreUnavailable)
DEFAULT_FILE = Path(__file__).parent / "bootstrap-tickets.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 done or nothing to do, 1 faults, refusals, drift or a store out of reach, 2 wrong arguments."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:
        return int(error.code or 0)
    try:
        code: int = arguments.run(arguments)
        return code
    except Faulty as error:
        lines = commands.faults(arguments, error)
    except Refused as error:
        lines = commands.refused(arguments, error)
    except commands.Unusable as error:
        lines = [str(error)]
    except SettingsError as error:
        lines = [f"settings: {error}"]
    except STORE_ERRORS as error:
        lines = [f"the store failed: {error}", "what is served is whole, the old or the new; running this again finishes it"]
    print("\n".join(lines), file=sys.stderr)
    return 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m bootstrap", description="What is sold, from a file to the store. See docs/bootstrap.md.")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    for name, run, text in (
        ("validate", commands.validate, "check files without a store; every fault with its JSON path"),
        ("plan", commands.plan, "show what apply would do, to sold and held stock too"),
        ("apply", commands.apply, "make the files what is served"),
        ("drift", commands.drift, "compare the store with the files; 1 if they differ"),
    ):
        command = add(name, help=text, description=text)
        command.add_argument("files", nargs="*", metavar="FILE", default=[str(DEFAULT_FILE)], help="several are merged into one")
        command.set_defaults(run=run)
        _common(command)
    status = add("status", help="what is served")
    status.set_defaults(run=commands.status)
    _common(status)
    rollback = add("rollback", help="apply an older version again, as a new one")
    rollback.add_argument("version", type=int, metavar="VERSION")
    rollback.set_defaults(run=commands.rollback)
    _common(rollback)
    export = add("export", help="write the document that is served, in the file's format")
    export.add_argument("--version", type=int, help="another version than the head")
    export.add_argument("--output", "-o", metavar="FILE", help="instead of the standard output")
    export.set_defaults(run=commands.export)
    _common(export)
    return parser


def _common(command: ArgumentParser) -> None:
    command.add_argument("--actor", default=_me(), help="who does it, for the audit")
    command.add_argument("--json", action="store_true", help="for scripts")


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in containers
        return "bootstrap"


if __name__ == "__main__":
    sys.exit(main())
