"""The commands. Each takes its arguments, prints its result and returns the exit code (0 success or nothing to do, 1 refusals or drift)."""

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bootstrap import (
    event_export,
    eventbrite,
    pretix,
    promoter_archive,
    promoter_export,
    promoter_import,
    stripe_import,
    ticket_import,
    waitlist_import,
)
from bootstrap.files import load_files
from bootstrap.interrupts import NOT_CONFIRMED
from bootstrap.output import Output, terminal_text
from bootstrap.sale_import import SaleImport
from bootstrap.stripe_import import ImportDefaults
from bootstrap.ticket_file import FIELDS, FileUnusable
from bootstrap.ticket_import import ImportReport, Source
from chalicelib.accounts import profiles
from chalicelib.accounts import service as accounts
from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import document, rollout
from chalicelib.bootstrap_file.findings import DocumentFault, InvalidDocument, quoted
from chalicelib.bootstrap_file.plan import Plan
from chalicelib.bootstrap_file.rollout import ApplyRefused
from chalicelib.bootstrap_file.validation import Tree, ValidDocument, validate_files, validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge.csv_replies import csv_text
from chalicelib.foundation import clock, settings
from chalicelib.promotions import service as promotions

LISTED_VERSIONS = 10
PROGRESS_TICKETS = 10_000  # tickets between two progress lines of an import


class CommandError(Exception):
    """The command cannot work with its arguments; the message names the reason and the remedy."""


class NotApproved(Exception):
    """Nobody approved the reductions of a plan, so nothing was applied."""

    def __init__(self, planned: Plan) -> None:
        self.plan = planned
        super().__init__("not approved")


def validate(arguments: Namespace) -> int:
    valid = _load_document(arguments)
    events, ticket_types = len(valid.document.events), len(valid.document.ticket_types)
    details = {"valid": True, "checksum": valid.checksum, "events": events, "ticket_types": ticket_types, "warnings": _warnings(valid)}
    summary = f"valid: {events} events, {ticket_types} ticket types, checksum {valid.checksum}"
    return _print_result(arguments, details, [*_warning_lines(valid), summary])


def plan(arguments: Namespace) -> int:
    valid = _load_document(arguments)
    planned = rollout.plan(valid)
    notes = _notes(valid)
    details = {
        "head": planned.head.version,
        "checksum": planned.checksum,
        "unchanged": planned.is_empty,
        "changes": planned.changes,
        "reductions": planned.reductions,
        "refusals": planned.reasons,
        "warnings": _warnings(valid),
        "notes": notes,
    }
    _print_result(arguments, details, [*_warning_lines(valid), *_diff(planned), *notes, *planned.reasons])
    return 1 if planned.refusals else 0


def apply(arguments: Namespace) -> int:
    valid = _load_document(arguments)
    if not arguments.defer:
        return _apply(arguments, valid, "catalog.applied", {})
    valid, deferred = rollout.without_frozen(valid)
    lines = [str(refusal) for refusal in deferred]
    return _apply(arguments, valid, "catalog.applied", {"deferred": lines} if lines else {}, lines)


def rollback(arguments: Namespace) -> int:
    valid = validate_tree(_version_tree(arguments.version))
    return _apply(arguments, valid, "catalog.rolled_back", {"rolled_back_to": arguments.version})


def status(arguments: Namespace) -> int:
    head, served = catalog.load_head_and_catalog()
    if not head.version:
        lines = ["no file was applied yet; run `make apply`"]
        return _print_result(arguments, {"version": 0, "revision": head.revision}, lines)
    counts = {
        "events": sum(event.managed_by == "bootstrap" and not event.removed for event in served.events.values()),
        "ticket_types": sum(tier.managed_by == "bootstrap" and not tier.removed for tier in served.tiers.values()),
        "events_of_the_api": sum(event.managed_by == "api" for event in served.events.values()),
        "tiers_of_the_api": sum(tier.managed_by == "api" for tier in served.tiers.values()),
        "paused": sum(event.paused for event in served.events.values()),
    }
    versions = catalog.list_versions(LISTED_VERSIONS)
    document_version = _version_tree(head.version).get("version")
    called = f" (the file calls it {quoted(document_version)})" if document_version else ""
    details = {
        "version": head.version,
        "document_version": document_version,
        "revision": head.revision,
        "checksum": head.checksum,
        "applied_at": clock.iso(head.applied_at),
        "applied_by": head.applied_by,
        **counts,
        "versions": [{"version": version.version, "at": clock.iso(version.applied_at), "by": version.applied_by} for version in versions],
    }
    lines = [
        f"version {head.version} is served{called}, applied {clock.iso(head.applied_at)} by {head.applied_by}",
        f"checksum: {head.checksum}",
        f"from files: {counts['events']} events, {counts['ticket_types']} ticket types",
        f"from the API: {counts['events_of_the_api']} events, {counts['tiers_of_the_api']} ticket types",
        f"paused: {counts['paused']} events",
        "latest versions:",
        *(f"  version {version.version}, {clock.iso(version.applied_at)}, {version.applied_by}" for version in versions),
    ]
    return _print_result(arguments, details, lines)


def drift(arguments: Namespace) -> int:
    planned = rollout.plan(_load_document(arguments))
    differs = not planned.is_empty
    lines = ["no drift: the store matches the file"]
    if differs:
        lines = ["drift: the store differs from the file; `apply` restores it", *_diff(planned), *planned.reasons]
    _print_result(arguments, {"drift": differs, "differences": [*planned.changes, *planned.reasons]}, lines)
    return 1 if differs else 0


def export(arguments: Namespace) -> int:
    if arguments.event is not None:
        return _export_event(arguments)
    version = arguments.version or catalog.load_head_and_catalog()[0].version
    if not version:
        raise CommandError("no file was applied yet, so there is nothing to export; run `make apply` first")
    return _write_document(arguments, _version_tree(version), [], [], "")


def _export_event(arguments: Namespace) -> int:
    current = catalog.load_current()
    event = current.events.get(arguments.event)
    if event is None or event.removed or event.deleted_at is not None:
        raise CommandError(f"there is no event {quoted(arguments.event)}; copy the id from the address of its page")
    exported = event_export.to_document(current, event, promotions.list_codes(event.id), settings.current().stage)
    advice = "Correct these in the file, then run `validate` with it."
    return _write_document(arguments, exported.tree, exported.differences, _find_faults(exported.tree), advice)


def _write_document(arguments: Namespace, tree: Tree, notes: list[str], faults: list[DocumentFault], advice: str) -> int:
    """Write a document to --output, or to standard output, and print its notes and faults. Returns the exit code."""
    text = _document_text(tree)
    if arguments.output is None:
        print(text, end="")
    else:
        _write_file(Path(arguments.output), text)
        if arguments.json:
            _print_result(arguments, {"file": arguments.output, "notes": notes, "faults": faults}, [])
    return _print_faults(notes, faults, advice)


def _find_faults(tree: Tree) -> list[DocumentFault]:
    try:
        validate_tree(tree)
    except InvalidDocument as error:
        return error.faults
    return []


def _print_faults(notes: list[str], faults: list[DocumentFault], advice: str) -> int:
    """Print the notes and the faults of a document that was written, as messages. Returns the exit code."""
    if lines := [*notes, *map(str, faults), *([advice] if faults else [])]:
        print(terminal_text(lines), file=sys.stderr)
    return int(bool(faults))


def schema(arguments: Namespace) -> int:  # noqa: ARG001
    print(document.json_schema().decode(), end="")
    return 0


def import_stripe(arguments: Namespace) -> int:
    defaults = ImportDefaults(arguments.date, arguments.venue, arguments.capacity)
    try:
        imported = stripe_import.to_document(stripe_import.load_prices(), settings.current().stage, defaults)
    except stripe_import.AccountUnreadable as error:
        raise CommandError(str(error)) from None
    notes = [f"left out: {line}" for line in imported.skipped]
    advice = "Stripe does not have these values. Fill them in, then run `validate` with the file."
    return _write_document(arguments, imported.tree, notes, _find_faults(imported.tree), advice)


def import_pretix(arguments: Namespace) -> int:
    """Report what an export of pretix contains and, with --output, write a folder with the files that the other commands read."""
    file, defaults = Path(arguments.file), ImportDefaults(arguments.date, arguments.venue, arguments.capacity)
    try:
        source = pretix.read_export(file)
        imported = pretix.convert(source, file, arguments.currency, arguments.timezone, defaults, is_open=arguments.open)
        waiting, notes = pretix.read_waiting(Path(arguments.waiting_list), source, imported.tree) if arguments.waiting_list else ({}, [])
    except FileUnusable as error:
        raise CommandError(str(error)) from None
    return _write_sale(arguments, imported, waiting, notes)


def import_eventbrite(arguments: Namespace) -> int:
    """Report what the reports of Eventbrite contain and, with --output, write a folder with the files that the other commands read."""
    defaults, named = ImportDefaults(arguments.date, arguments.venue, arguments.capacity), dict(arguments.map)
    options = (arguments.currency, arguments.timezone, defaults, arguments.name)
    try:
        attendees = eventbrite.read_report(Path(arguments.file), ("barcode", "ticket_type"), named)
        orders = eventbrite.read_report(Path(arguments.orders), ("order",), named) if arguments.orders else None
        people = eventbrite.read_report(Path(arguments.waiting_list), ("email",), named) if arguments.waiting_list else None
        imported = eventbrite.convert(attendees, orders, *options, is_open=arguments.open)
        waiting, notes = eventbrite.read_waiting(people, imported.tree) if people else ({}, [])
        eventbrite.check_named(named, [report for report in (attendees, orders, people) if report])
    except FileUnusable as error:
        raise CommandError(str(error)) from None
    return _write_sale(arguments, imported, waiting, notes)


def _write_sale(arguments: Namespace, imported: SaleImport, waiting: Mapping[str, list[dict[str, str]]], notes: list[str]) -> int:
    """Report a sale of another system and, with --output, write its files."""
    counts = {
        "events": len(imported.tree["events"]),
        "ticket_types": len(imported.tree["ticket_types"]),
        "orders": imported.orders,
        "tickets": sum(map(len, imported.tickets.values())),
        "waiting": sum(map(len, waiting.values())),
    }
    notes = [*imported.notes, *notes]
    if arguments.output is not None:
        tables = {f"{event_id}-tickets.csv": _csv(tuple(FIELDS), rows) for event_id, rows in imported.tickets.items() if rows}
        tables |= {f"{event_id}-waiting.csv": _csv(("email", "tier"), rows) for event_id, rows in waiting.items() if rows}
        _write_folder(Path(arguments.output), {"event.json": _document_text(imported.tree), **tables})
    names = ("events", "ticket types", "paid orders", "tickets", "entries of the waiting list")
    summary = ", ".join(f"{count} {name}" for count, name in zip(counts.values(), names, strict=True))
    end = "This was a dry run: nothing was written. To write the files, add --output FOLDER." if arguments.output is None else None
    faults = _find_faults(imported.tree)
    _print_result(arguments, {**counts, "notes": notes, "faults": faults}, [*notes, summary, *([end] if end else [])])
    return _print_faults([], faults, "The export does not have these values. Name them: see --help.")


def export_promoter(arguments: Namespace) -> int:
    """Write all data of a promoter to an archive, and list what the archive lacks."""
    now, stage, left_out = clock.now(), settings.current().stage, list[str]()
    promoter_id = _promoter_id(arguments.promoter)
    promoter, account = profiles.find_promoter(promoter_id), accounts.find_account(promoter_id)
    assert promoter is not None
    assert account is not None
    current = catalog.load_current()
    members = promoter_export.export_members(promoter, current, stage, left_out)
    try:
        manifest = promoter_archive.write_archive(Path(arguments.output), members, left_out, stage, account.email, clock.iso(now))
    except OSError as error:
        raise CommandError(f"{arguments.output} cannot be written ({error.strerror or error}); choose another file") from None
    for name in manifest.files:
        if name.startswith("events/"):
            event_id = name.removeprefix("events/").removesuffix(".json")
            dynamo.transact(
                [audit.entry_item(f"event#{event_id}", "event.exported", arguments.actor, now, {"file": Path(arguments.output).name})]
            )
    lines = [f"left out: {line}" for line in manifest.left_out]
    advice = "The archive has the codes of valid tickets and personal data. Keep it as safe as the tickets."
    return _print_result(arguments, msgspec.to_builtins(manifest), [*lines, _archive_summary(manifest), advice])


def import_promoter(arguments: Namespace) -> int:
    """Check an archive against this stage and, with --apply, import it."""
    try:
        with promoter_archive.open_archive(Path(arguments.file)) as archive:
            checked = promoter_import.check(archive, arguments.promoter)
            known = [event.id for event in checked.events if event.is_known]
            lines = [f"promoter {checked.promoter_id} gets the events", *(f"event {event_id}: was imported before" for event_id in known)]
            lines.append(_archive_summary(archive.manifest))
            if arguments.apply:
                lines = []
                for line in promoter_import.apply(checked, arguments.actor, clock.now()):
                    lines.append(line)
                    print(terminal_text([line]), file=sys.stderr)
    except (promoter_archive.ArchiveInvalid, promoter_import.ImportRefused, FileUnusable) as error:
        raise CommandError(str(error)) from None
    end = (
        "The events are drafts until the promoter publishes them." if arguments.apply else "This was a dry run. To import it, add --apply."
    )
    details = {"promoter_id": checked.promoter_id, "applied": arguments.apply, "steps": lines}
    return _print_result(arguments, details, [*([] if arguments.apply else lines), end])


def _promoter_id(named: str) -> str:
    try:
        return promoter_import.find_promoter_id(named)
    except promoter_import.ImportRefused as error:
        raise CommandError(str(error)) from None


def _archive_summary(manifest: promoter_archive.Manifest) -> str:
    counts = Counter[str]()
    for name, entry in manifest.files.items():
        counts[name.partition("/")[0]] += entry.rows
    names = {"events": "events", "orders": "orders", "tickets": "valid tickets", "waiting": "entries of waitlists", "team.csv": "roles"}
    return ", ".join(f"{counts[folder]} {name}" for folder, name in names.items())


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    return csv_text(columns, ([row.get(column, "") for column in columns] for row in rows)).replace("\r\n", "\n")


def _write_folder(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{folder} cannot be written ({error.strerror or error}); choose another folder with --output") from None


def import_waitlist(arguments: Namespace) -> int:
    try:
        people = waitlist_import.read_people(Path(arguments.file))
        ticket_import.find_event(arguments.event)
    except (ticket_import.EventUnusable, FileUnusable) as error:
        raise CommandError(str(error)) from None
    report = waitlist_import.import_people(arguments.event, people, clock.now(), is_dry_run=not arguments.apply)
    lines = [
        *(f"{email}: has no account with a verified address, so nobody can offer this person tickets" for email in report.without_account),
        *(f"{email}: {reason}" for email, reason in report.refused.items()),
        f"{report.joined} {'joined' if arguments.apply else 'can join'}, {report.known} joined before, "
        f"{len(report.without_account)} without an account, {len(report.refused)} refused",
        *([] if arguments.apply else ["This was a dry run: nobody joined. To import the people, add --apply."]),
    ]
    return _print_result(arguments, msgspec.to_builtins(report), lines) or int(bool(report.refused))


def import_tickets(arguments: Namespace) -> int:
    try:
        source = ticket_import.find_source(Path(arguments.file), arguments.event, dict(arguments.map), dict(arguments.tier))
        report = ticket_import.check(source)
        written = _write_tickets(source, report, arguments.actor) if arguments.apply and not report.is_refused else 0
    except (ticket_import.EventUnusable, FileUnusable) as error:
        raise CommandError(str(error)) from None
    except ticket_import.ImportStopped as stopped:
        raise CommandError(f"Stopped: {stopped}. {stopped.written} tickets were imported. Run the command again for the others.") from None
    if report.is_refused:
        end = "Nothing was imported. Correct the faults listed above, then run the command again."
    elif arguments.apply:
        end = f"imported {written} tickets"
    else:
        end = "This was a dry run: nothing was imported. To import the tickets, add --apply."
    _print_result(arguments, {**msgspec.to_builtins(report), "imported": written}, [*_import_lines(report), end])
    return int(report.is_refused)


def _write_tickets(source: Source, report: ImportReport, actor: str) -> int:
    written = shown = 0
    for written in ticket_import.write(source, report, actor):
        if written - shown >= PROGRESS_TICKETS:
            print(f"{written} tickets ...", file=sys.stderr)
            shown = written
    return written


def _import_lines(report: ImportReport) -> list[str]:
    """Return the lines that describe a checked file to the operator."""
    more = report.fault_count - len(report.faults)
    tiers = [
        f"tier {tier_id}: {tier.new} new, {'no limit of its own' if tier.available is None else f'{tier.available} left before'}"
        for tier_id, tier in report.tiers.items()
    ]
    summary = f"{report.new} new, {report.known} imported before, {report.fault_count} with faults"
    return [*map(str, report.faults), *([f"... and {more} more"] if more else []), *report.shortages, *tiers, summary]


def print_invalid_document(output: Output, error: InvalidDocument) -> int:
    """Print the faults of an invalid file. Returns the exit code."""
    count = "1 fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
    summary = f"{count}; nothing was changed. Correct the file and run the command again."
    return output.print_failure(summary, 1, map(str, error.faults), valid=False, faults=error.faults)


def print_refusal(output: Output, error: ApplyRefused) -> int:
    """Print why the current state of the store forbids an apply. Returns the exit code."""
    summary = "Refused: nothing was applied. Resolve the lines marked with ! and run the command again."
    return output.print_failure(summary, 1, error.reasons, result="refused", reasons=error.reasons, changes=error.plan.changes)


def _apply(arguments: Namespace, valid: ValidDocument, action: str, audited: dict[str, Any], deferred: Sequence[str] = ()) -> int:
    approve = None if arguments.yes else partial(_approve, arguments)
    applied = rollout.apply(valid, arguments.actor, clock.now(), action=action, details=audited, approve=approve)
    summary = {
        "applied": f"applied as version {applied.version}",
        "healed": f"version {applied.version} is already served; its stock was corrected",
        "unchanged": f"version {applied.version} is already served; nothing to do",
    }[applied.result]
    details = {"result": applied.result, "version": applied.version, "checksum": valid.checksum, "changes": applied.plan.changes}
    details |= {"deferred": list(deferred)} if deferred else {}
    left_out = [f"deferred: {line}" for line in deferred]
    return _print_result(arguments, details, [*(_diff(applied.plan) if applied.result != "unchanged" else []), *left_out, summary])


def print_unapproved(output: Output, error: NotApproved) -> int:
    """Print what nobody approved. Returns the exit code."""
    reductions = error.plan.reductions
    lines = [] if sys.stdin.isatty() and not output.is_json else reductions  # the question has already shown them
    summary = "Nothing was applied, because this would close or shrink what is on sale. To approve it: --yes (with make: YES=1)."
    return output.print_failure(summary, NOT_CONFIRMED, lines, result="not_approved", reductions=reductions)


def _write_file(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be written ({error.strerror or error}); choose another file with --output") from None


def _document_text(tree: Tree) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _approve(arguments: Namespace, planned: Plan) -> None:
    """Ask the operator to approve what a plan closes or shrinks. Raises NotApproved unless the answer is yes."""
    if not planned.reductions:
        return
    if arguments.json or not sys.stdin.isatty():
        raise NotApproved(planned)
    print(terminal_text(["This would close or shrink what is on sale:", *planned.reductions]), file=sys.stderr)
    print("Apply it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotApproved(planned)


def _load_document(arguments: Namespace) -> ValidDocument:
    return validate_files(load_files([Path(file) for file in arguments.files]), settings.current().stage)


def _version_tree(version: int) -> Tree:
    document = catalog.load_document(version)
    if document is None:
        raise CommandError(f"there is no version {version}; the command `status` lists the latest versions")
    tree: Tree = msgspec.json.decode(document)
    return tree


def _diff(planned: Plan) -> list[str]:
    compared = f"compared with version {planned.head.version}:" if planned.head.version else "compared with an empty catalog:"
    return [compared, *planned.changes] if planned.changes else [f"{compared} no change that buyers can see"]


def _warnings(valid: ValidDocument) -> list[DocumentFault]:
    return [warning.fault for warning in valid.warnings]


def _warning_lines(valid: ValidDocument) -> list[str]:
    return [f"warning: {warning}" for warning in valid.warnings]


def _notes(valid: ValidDocument) -> list[str]:
    """Return notes about keys of the file that have no effect."""
    text = "has no effect: every apply closes what the file no longer contains, and sold tickets stay valid"
    return [f"{key}: {text}" for key in ("clear_existing", "clearExisting") if valid.tree.get(key)][:1]


def _print_result(arguments: Namespace, details: dict[str, Any], lines: Sequence[str]) -> int:
    Output("", arguments.json).print_result(details, lines)
    return 0
