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
        ("validate", commands.validate, "check files and list every fault with its JSON path; needs no store"),
        ("plan", commands.plan, "show what apply would change, including sold and held tickets"),
        ("apply", commands.apply, "put the content of the files on sale, all or nothing"),
        ("drift", commands.drift, "compare the store with the files; exits with 1 if they differ"),
    ):
        command = add(name, help=text, description=text)
        file_help = f"bootstrap files, merged into one document (default: {default_name}; for a local run also its demo)"
        command.add_argument("files", nargs="*", metavar="FILE", help=file_help)
        command.set_defaults(run=run)
        if run is commands.apply:
            _add_approval_option(command)
            command.add_argument("--defer", action="store_true", help="leave out changes that are frozen around an opening, apply the rest")
        _add_common_options(command)
    status = add("status", help="show which version is served, since when and by whom")
    status.set_defaults(run=commands.status)
    _add_common_options(status)
    rollback = add("rollback", help="apply the document of an older version as a new version")
    rollback.add_argument("version", type=int, metavar="VERSION", help="number of the older version; `status` lists the versions")
    rollback.set_defaults(run=commands.rollback)
    _add_approval_option(rollback)
    _add_common_options(rollback)
    export = add("export", help="write the document on sale in the format of a bootstrap file")
    chosen = export.add_mutually_exclusive_group()
    chosen.add_argument("--event", metavar="ID", help="only this event in its current state; works for events created through the API too")
    chosen.add_argument("--version", type=int, help="version to write (default: the one on sale)")
    export.add_argument("--output", "-o", metavar="FILE", help="write to this file instead of the standard output")
    export.set_defaults(run=commands.export)
    _add_common_options(export)
    text = "write the products and prices of a Stripe account to a bootstrap file, and list what is missing"
    stripe = add("import-stripe", help=text, description=text)
    stripe.add_argument("--date", help="date of events whose product has no `date` in its metadata")
    stripe.add_argument("--venue", help="venue of events whose product has no `venue` in its metadata")
    stripe.add_argument("--capacity", type=int, help="number of tickets per price whose product has no `capacity` in its metadata")
    stripe.add_argument("--output", "-o", metavar="FILE", help="write to this file instead of the standard output")
    stripe.set_defaults(run=commands.import_stripe)
    _add_common_options(stripe)
    text = "convert the export of a pretix event to files for apply, import-tickets and import-waitlist, and list what stays behind"
    export_of_pretix = add("import-pretix", help=text, description=text)
    export_of_pretix.add_argument("file", metavar="FILE", help="the export `Order data (JSON)`; docs/migration.md describes the steps")
    export_of_pretix.add_argument("--currency", required=True, help="currency of the prices, such as EUR")
    export_of_pretix.add_argument("--date", help="date of the event; the dates of an event series are in the export")
    export_of_pretix.add_argument("--venue", help="venue of the event, unless it is a series with locations")
    export_of_pretix.add_argument("--timezone", help="time zone of the event, such as Europe/Berlin (default: UTC)")
    export_of_pretix.add_argument("--capacity", type=int, help="number of tickets of each type whose quota has no limit")
    export_of_pretix.add_argument("--waiting-list", metavar="CSV", help="the export `Waiting list`, as CSV in English")
    export_of_pretix.set_defaults(run=commands.import_pretix)
    _add_sale_options(export_of_pretix)
    text = "convert the reports of Eventbrite to files for apply, import-tickets and import-waitlist, and list what stays behind"
    reports = add("import-eventbrite", help=text, description=text)
    reports.add_argument(
        "file", metavar="FILE", help="the report on attendees, as CSV with the barcodes; docs/migration.md describes the steps"
    )
    reports.add_argument("--orders", metavar="CSV", help="the report on orders, if the report on attendees lacks the buyers' addresses")
    reports.add_argument("--waiting-list", metavar="CSV", help="the report on the waitlist")
    reports.add_argument("--name", help="name of the event, unless the report has it")
    reports.add_argument("--currency", help="currency of the prices, such as EUR, unless the report has it")
    reports.add_argument("--date", help="date of the event, unless the report has it")
    reports.add_argument("--venue", help="venue of the event, unless the report has it")
    reports.add_argument("--timezone", help="time zone of the event, such as Europe/Berlin, unless the report has it (default: UTC)")
    reports.add_argument("--capacity", type=int, help="number of tickets of each type (default: as many as were sold)")
    map_help = "the column of a field, if the report has another name for it, such as barcode=Strichcode"
    reports.add_argument("--map", action="append", type=_pair, default=[], metavar="FIELD=COLUMN", help=map_help)
    reports.set_defaults(run=commands.import_eventbrite)
    _add_sale_options(reports)
    text = "let people who waited in another system join a waitlist; without --apply, only show who can join"
    waitlist = add("import-waitlist", help=text, description=text)
    waitlist.add_argument("file", metavar="FILE", help="CSV file in UTF-8 with the columns email and tier")
    waitlist.add_argument("--event", required=True, metavar="ID", help="event of the waitlist")
    waitlist.add_argument("--apply", action="store_true", help="let the people join")
    waitlist.set_defaults(run=commands.import_waitlist)
    _add_common_options(waitlist)
    text = "import tickets that another system sold from a CSV file; without --apply, only show what would be imported"
    tickets = add("import-tickets", help=text, description=text)
    tickets.add_argument("file", metavar="FILE", help="CSV file in UTF-8 with a header; docs/migration.md describes it")
    tickets.add_argument("--event", required=True, metavar="ID", help="event of the tickets")
    map_help = f"the column of a field ({', '.join(FIELDS)}), if it has another name"
    tickets.add_argument("--map", action="append", type=_pair, default=[], metavar="FIELD=COLUMN", help=map_help)
    tier_help = "the tier that the file calls NAME"
    tickets.add_argument("--tier", action="append", type=_pair, default=[], metavar="NAME=TIER_ID", help=tier_help)
    tickets.add_argument("--apply", action="store_true", help="import the tickets, unless a row has a fault")
    tickets.set_defaults(run=commands.import_tickets)
    _add_common_options(tickets)
    text = "write all events, tickets, orders and people of a promoter to an archive, which `import-promoter` reads"
    archive = add("export-promoter", help=text, description=text)
    archive.add_argument("promoter", metavar="PROMOTER", help="address or id of the promoter's account")
    archive.add_argument("--output", "-o", metavar="FILE", required=True, help="write this ZIP file; docs/promoter-archive.md describes it")
    archive.set_defaults(run=commands.export_promoter)
    _add_common_options(archive)
    text = "import the archive of a promoter; without --apply, check it and show what it has"
    moved = add("import-promoter", help=text, description=text)
    moved.add_argument("file", metavar="FILE", help="archive that `export-promoter` wrote")
    moved.add_argument("--promoter", help="address or id of the account that gets the events (default: the address in the archive)")
    moved.add_argument("--apply", action="store_true", help="import the archive")
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
    command.add_argument("--open", action="store_true", help="put the ticket types on sale; otherwise they are coming soon")
    command.add_argument("--output", "-o", metavar="FOLDER", help="write the files to this folder; without it, only report")
    _add_common_options(command)


def _add_approval_option(command: ArgumentParser) -> None:
    command.add_argument("--yes", "-y", action="store_true", help="close or shrink what is on sale without asking")


def _add_common_options(command: ArgumentParser) -> None:
    command.add_argument("--actor", default=_user_name(), help="name for the audit log (default: the user of this machine)")
    add_json_option(command)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name, as in containers
        return "bootstrap"


if __name__ == "__main__":
    sys.exit(cli.main())
