"""The commands about what is on sale, from `fairgate validate` to `fairgate schema`; `infra/cli.py` lists them."""

import getpass
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from contextlib import nullcontext

from bootstrap import aws_errors, commands
from bootstrap.files import SHIPPED_FILE, default_files
from bootstrap.output import Output, add_json_option
from bootstrap.target import NoStore, Target, choose_target
from bootstrap.ticket_file import FIELDS
from chalicelib.bootstrap_file.findings import InvalidDocument
from chalicelib.bootstrap_file.rollout import ApplyRefused
from chalicelib.dynamodb import dynamo
from chalicelib.foundation.settings import SettingsError
from infra import cli

_WITHOUT_STORE = (commands.validate, commands.import_stripe, commands.import_pretix, commands.import_eventbrite, commands.schema)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code; docs/command-line.md has their meanings."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as error:
        return int(error.code or 0)
    output = Output("", getattr(arguments, "json", False))
    try:
        needs_store = arguments.run not in _WITHOUT_STORE
        with choose_target(default_files()) if needs_store else nullcontext(Target("", list(map(str, default_files())))) as target:
            if needs_store:
                print(f"store: {target.name}", file=sys.stderr)
            arguments.files = getattr(arguments, "files", None) or target.files
            code: int = arguments.run(arguments)
            return code
    except InvalidDocument as error:
        return commands.print_invalid_document(output, error)
    except ApplyRefused as error:
        return commands.print_refusal(output, error)
    except commands.NotApproved as error:
        return commands.print_unapproved(output, error)
    except (commands.CommandError, NoStore) as error:
        return output.print_failure(str(error), 1)
    except SettingsError as error:
        return output.print_failure(f"{error}. docs/settings.md lists the settings and their values.", 2)
    except dynamo.STORE_ERRORS as error:
        otherwise = "Buyers see either the old version or the new one, never a mixture. Run the command again to finish."
        return output.print_failure(f"the store failed: {str(error).rstrip('.')}. {aws_errors.advice(error) or otherwise}", 1)


def parser() -> ArgumentParser:
    description = "Put the events and ticket types of a file on sale. docs/bootstrap.md explains the commands and the format of the file."
    parser = ArgumentParser(prog="fairgate", description=description)
    default_name = f"{SHIPPED_FILE.parent.name}/{SHIPPED_FILE.name}, or the ones that BOOTSTRAP_FILE_PATH names"
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    for name, run, text in (
        ("validate", commands.validate, "check files without a store, and list every fault with its JSON path"),
        ("plan", commands.plan, "show what apply would change, and how many tickets are sold or on hold"),
        ("apply", commands.apply, "put the content of the files on sale, all or nothing"),
        ("drift", commands.drift, "compare the store with the files; exits with 1 if they differ"),
    ):
        command = add(name, help=text, description=text)
        file_help = f"bootstrap files, merged into one document (default: {default_name}; for a local run, also its demo)"
        command.add_argument("files", nargs="*", metavar="FILE", help=file_help)
        command.set_defaults(run=run)
        if run is commands.apply:
            _add_approval_option(command)
            command.add_argument(
                "--defer", action="store_true", help="apply everything except changes that are frozen around the opening of a sale"
            )
        _add_common_options(command)
    status = add("status", help="show which version is on sale, since when, and who applied it")
    status.set_defaults(run=commands.status)
    _add_common_options(status)
    rollback = add("rollback", help="apply the document of an older version as a new version")
    rollback.add_argument("version", type=int, metavar="VERSION", help="number of the older version; `status` lists the versions")
    rollback.set_defaults(run=commands.rollback)
    _add_approval_option(rollback)
    _add_common_options(rollback)
    export = add("export", help="write the document on sale in the format of a bootstrap file")
    chosen = export.add_mutually_exclusive_group()
    chosen.add_argument(
        "--event", metavar="ID", help="export only this event, in its current state; also works for events created through the API"
    )
    chosen.add_argument("--version", type=int, help="version to export (default: the version on sale)")
    export.add_argument("--output", "-o", metavar="FILE", help="write to this file instead of standard output")
    export.set_defaults(run=commands.export)
    _add_common_options(export)
    text = "write the products and prices of a Stripe account to a bootstrap file, and list what is missing"
    stripe = add("import-stripe", help=text, description=text)
    stripe.add_argument("--date", help="date for events whose product has no `date` in its metadata")
    stripe.add_argument("--venue", help="venue for events whose product has no `venue` in its metadata")
    stripe.add_argument("--capacity", type=int, help="number of tickets for each price whose product has no `capacity` in its metadata")
    stripe.add_argument("--output", "-o", metavar="FILE", help="write to this file instead of standard output")
    stripe.set_defaults(run=commands.import_stripe)
    _add_common_options(stripe)
    text = "convert the export of a pretix event into files for apply, import-tickets and import-waitlist, and list what stays behind"
    export_of_pretix = add("import-pretix", help=text, description=text)
    export_of_pretix.add_argument("file", metavar="FILE", help="pretix export `Order data (JSON)`; docs/migration.md describes the steps")
    export_of_pretix.add_argument("--currency", required=True, help="currency of the prices, such as EUR")
    export_of_pretix.add_argument("--date", help="date of the event; not needed for an event series, whose dates are in the export")
    export_of_pretix.add_argument("--venue", help="venue of the event; not needed for an event series with locations")
    export_of_pretix.add_argument("--timezone", help="time zone of the event, such as Europe/Berlin (default: UTC)")
    export_of_pretix.add_argument("--capacity", type=int, help="number of tickets for each ticket type whose quota is unlimited")
    export_of_pretix.add_argument("--waiting-list", metavar="CSV", help="pretix export `Waiting list`, as CSV in English")
    export_of_pretix.set_defaults(run=commands.import_pretix)
    _add_sale_options(export_of_pretix)
    text = "convert reports from Eventbrite into files for apply, import-tickets and import-waitlist, and list what stays behind"
    reports = add("import-eventbrite", help=text, description=text)
    reports.add_argument("file", metavar="FILE", help="attendee report as CSV, with the barcodes; docs/migration.md describes the steps")
    reports.add_argument("--orders", metavar="CSV", help="order report, if the attendee report lacks the buyers' addresses")
    reports.add_argument("--waiting-list", metavar="CSV", help="waitlist report")
    reports.add_argument("--name", help="name of the event, if the report lacks it")
    reports.add_argument("--currency", help="currency of the prices, such as EUR, if the report lacks it")
    reports.add_argument("--date", help="date of the event, if the report lacks it")
    reports.add_argument("--venue", help="venue of the event, if the report lacks it")
    reports.add_argument("--timezone", help="time zone of the event, such as Europe/Berlin, if the report lacks it (default: UTC)")
    reports.add_argument("--capacity", type=int, help="number of tickets of each type (default: the number sold)")
    map_help = "name of a field's column, if it is not one of Eventbrite's names, such as barcode=Strichcode"
    reports.add_argument("--map", action="append", type=_pair, default=[], metavar="FIELD=COLUMN", help=map_help)
    reports.set_defaults(run=commands.import_eventbrite)
    _add_sale_options(reports)
    text = "add people from another system's waitlist to a waitlist; without --apply, only show who can join"
    waitlist = add("import-waitlist", help=text, description=text)
    waitlist.add_argument("file", metavar="FILE", help="CSV file in UTF-8 with the columns email and tier")
    waitlist.add_argument("--event", required=True, metavar="ID", help="event of the waitlist")
    waitlist.add_argument("--apply", action="store_true", help="add the people; without this option, only show who can join")
    waitlist.set_defaults(run=commands.import_waitlist)
    _add_common_options(waitlist)
    text = "import a CSV file of tickets that another system sold; without --apply, only show what would be imported"
    tickets = add("import-tickets", help=text, description=text)
    tickets.add_argument("file", metavar="FILE", help="CSV file in UTF-8 with a header; docs/migration.md describes it")
    tickets.add_argument("--event", required=True, metavar="ID", help="event of the tickets")
    map_help = f"name of a field's column, if it differs from the field's name ({', '.join(FIELDS)})"
    tickets.add_argument("--map", action="append", type=_pair, default=[], metavar="FIELD=COLUMN", help=map_help)
    tier_help = "tier whose tickets have NAME in the column `tier`"
    tickets.add_argument("--tier", action="append", type=_pair, default=[], metavar="NAME=TIER_ID", help=tier_help)
    tickets.add_argument(
        "--apply",
        action="store_true",
        help="import the tickets if no row has a fault; without this option, only show what would be imported",
    )
    tickets.set_defaults(run=commands.import_tickets)
    _add_common_options(tickets)
    text = "write all events, tickets, orders and people of a promoter to an archive for `import-promoter`"
    archive = add("export-promoter", help=text, description=text)
    archive.add_argument("promoter", metavar="PROMOTER", help="email address or id of the promoter's account")
    archive.add_argument("--output", "-o", metavar="FILE", required=True, help="write this ZIP file; docs/promoter-archive.md describes it")
    archive.set_defaults(run=commands.export_promoter)
    _add_common_options(archive)
    text = "import the archive of a promoter; without --apply, only check it and show what it contains"
    moved = add("import-promoter", help=text, description=text)
    moved.add_argument("file", metavar="FILE", help="archive from `export-promoter`")
    moved.add_argument("--promoter", help="email address or id of the account that gets the events (default: the address in the archive)")
    moved.add_argument("--apply", action="store_true", help="import the archive; without this option, only check it")
    moved.set_defaults(run=commands.import_promoter)
    _add_common_options(moved)
    text = "write the JSON Schema of the file format, for editors and CI"
    schema = add("schema", help=text, description=text)
    schema.set_defaults(run=commands.schema)
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise ArgumentTypeError(f"write it as NAME=VALUE, not {text!r}")
    return name, value


def _add_sale_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--open", action="store_true", help="put the ticket types on sale; without this option, their status is `coming-soon`"
    )
    command.add_argument(
        "--output", "-o", metavar="FOLDER", help="write the files to this folder; without this option, only print a report"
    )
    _add_common_options(command)


def _add_approval_option(command: ArgumentParser) -> None:
    command.add_argument("--yes", "-y", action="store_true", help="do not ask before closing or shrinking what is on sale")


def _add_common_options(command: ArgumentParser) -> None:
    command.add_argument("--actor", default=_user_name(), help="name to record in the audit log (default: your user name on this machine)")
    add_json_option(command)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name, as in containers
        return "bootstrap"


if __name__ == "__main__":
    sys.exit(cli.main())
