"""`fairgate reconcile --since TIME --until TIME`: compare Fairgate's books with the payment provider's for a period.

`fairgate reconcile --records` compares Fairgate's records with each other instead.

It compares the stage that the environment names; see docs/reconciliation.md. The scheduled comparison may run at the same time.
"""

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any

from msgspec import to_builtins

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from bootstrap.output import Output, add_json_option
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, secret_settings, settings
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.reconciliation import compare, records
from chalicelib.reconciliation.compare import ReconciliationReport
from chalicelib.reconciliation.records import RecordsReport
from infra import cli

SPAN_SECONDS = 3600  # longer than the schedule's, because this command has no time limit
MAX_SECONDS = 31 * 86_400

REPAIRED = {
    "paid_without_tickets": "payments had arrived unnoticed: each one now has its tickets or is refunded",
    "payment_over": "payments could no longer succeed: their tickets are back in stock",
    "refunds_differ": "refunds or their outcomes were missing: recorded",
    "disputes_differ": "disputes or their outcomes were missing: recorded",
    "accounts_differ": "promoters' accounts had changed unnoticed: their events are paused, or on sale again",
}
FINDINGS = {
    "amounts_differ": "the payment provider's amount or currency differs from Fairgate's",
    "tickets_without_payment": "tickets whose payment the payment provider does not know",
    "unknown_purchase": "a payment for a purchase that this store does not know",
    "account_refused": "a promoter's account was not compared, because the payment provider refuses calls for it or does not answer them",
    "not_dealt_with": "failed with an error; see the log",
}


class ComparisonFailed(Exception):
    """The comparison could not start or finish; the message names the reason and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print the report. Returns the exit status: 0, 1 if findings or failed refunds are open, or 2 after a failure."""
    try:
        chosen = parser().parse_args(argv)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    output = Output("reconcile", chosen.json)
    # Log lines go to standard error, so that standard output holds only the report.
    try:
        with redirect_stdout(sys.stderr):
            _check_arguments(chosen)
            _check_stage(chosen)
            report = records.run(clock.now(), whole=True) if chosen.records else _compare(chosen)
            open_cases = [case for case in money_cases.list_open_cases() if case.needs_person]
    except (ComparisonFailed, settings.SettingsError) as error:
        return output.print_failure(str(error), 2)
    except dynamo.STORE_ERRORS as error:
        return output.print_failure(f"{store_failure(error)} All repairs up to now are saved.", 2)
    output.print_result(_json_report(report, open_cases), _lines(report, open_cases))
    return 1 if open_cases else 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="fairgate reconcile",
        description="Compare Fairgate's books with the payment provider's; see docs/reconciliation.md.",
    )
    parser.add_argument("--since", type=_time, metavar="TIME", help="start of the period, e.g. 2026-11-01T00:00:00Z")
    parser.add_argument("--until", type=_time, metavar="TIME", help="end of the period (exclusive)")
    parser.add_argument("--records", action="store_true", help="compare the stage's records with each other instead")
    add_json_option(parser)
    parser.add_argument(
        "--pay-back-unknown", action="store_true", help="refund the payments of unknown purchases, no matter how many there are"
    )
    return parser


def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time like 2026-11-01T00:00:00Z") from None
    if time.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} has no time zone; end it with Z for UTC")
    return int(time.timestamp())


def _check_arguments(chosen: Namespace) -> None:
    if chosen.records:
        if chosen.since or chosen.until or chosen.pay_back_unknown:
            raise ComparisonFailed("--records compares all records, so it takes none of --since, --until and --pay-back-unknown")
        return
    if chosen.since is None or chosen.until is None:
        raise ComparisonFailed("set --since and --until, or --records")
    if chosen.since >= chosen.until:
        raise ComparisonFailed("--since must be before --until")
    if chosen.until > clock.now():
        raise ComparisonFailed(f"--until is in the future; it is {clock.iso(clock.now())}")
    if chosen.until - chosen.since > MAX_SECONDS:
        raise ComparisonFailed("the period is longer than 31 days; compare it in parts")


def _check_stage(chosen: Namespace) -> None:
    aws_stage.require(os.environ)
    stage = settings.current().stage
    if not payments.has_external_provider() and not chosen.records:
        keys = " or ".join(f"{settings.PREFIX}{provider.name.upper()}_API_KEY" for provider in payments.descriptions())
        raise ComparisonFailed(f"stage {stage} has no payment provider; set {keys} or FAIRGATE_SECRETS_ARN")
    secret_settings.secret("ticket_keys")  # needed to issue the tickets of payments that nobody had noticed
    if not catalog.load_current().events:
        raise ComparisonFailed(
            f"the store of stage {stage} has no events; set FAIRGATE_STAGE, FAIRGATE_REGION or FAIRGATE_STORE_ENDPOINT to use another store"
        )


def _compare(chosen: Namespace) -> ReconciliationReport:
    now, report = clock.now(), ReconciliationReport(chosen.since, chosen.since)
    limit = compare.RefundLimit(None) if chosen.pay_back_unknown else compare.RefundLimit()
    while report.until < chosen.until:
        until = min(report.until + SPAN_SECONDS, chosen.until)
        print(f"{clock.iso(report.until)} to {clock.iso(until)} ...", file=sys.stderr, flush=True)
        try:
            report.add(compare.compare_span(report.until, until, now, limit))
        except ProviderUnavailable:
            raise ComparisonFailed(
                f"The payment provider does not respond, or refuses the key. Continue later with --since {clock.iso(report.until)}"
            ) from None
        except compare.StoreIsBehind as error:
            raise ComparisonFailed(
                f"{error}, so none of them was refunded. Check that this is the complete store of stage {settings.current().stage}. "
                f"If it is, refund them with --since {clock.iso(report.until)} --pay-back-unknown"
            ) from None
    return report


def _json_report(report: ReconciliationReport | RecordsReport, open_cases: list[Case]) -> dict[str, Any]:
    view = report.view() if isinstance(report, ReconciliationReport) else to_builtins(report)
    return {"stage": settings.current().stage, **view, "open": [case.view() for case in open_cases]}


def _lines(report: ReconciliationReport | RecordsReport, open_cases: list[Case]) -> list[str]:
    lines = _comparison(report) if isinstance(report, ReconciliationReport) else _records_comparison(report)
    if open_cases:
        lines.append("Open cases of any period to resolve by hand:")
        lines += [f"  order {case.purchase_id}: {case.kind} {case.id} {json.dumps(case.details)}" for case in open_cases]
    return lines


def _comparison(report: ReconciliationReport) -> list[str]:
    return [
        f"Stage {settings.current().stage}, {clock.iso(report.since)} to {clock.iso(report.until)}:",
        f"  payments {report.payments}, refunds {report.refunds}, disputes {report.disputes}, lost webhooks {report.unheard}",
        "Repaired:" if report.repaired else "Nothing had to be repaired.",
        *(f"  {number} {REPAIRED[kind]}" for kind, number in sorted(report.repaired.items())),
        "Differences to resolve by hand:" if report.findings else "No differences are left to resolve.",
        *(f"  {number} {kind}: {FINDINGS[kind]}" for kind, number in sorted(report.findings.items())),
    ]


def _records_comparison(report: RecordsReport) -> list[str]:
    return [
        f"Stage {settings.current().stage}: {report.purchases} purchases, {report.shards} shards, {report.events} events.",
        f"{report.differences} of them contradict other records." if report.differences else "All records agree.",
        *(f"  event {event_id}: sold tickets during the run, so its stock was not compared" for event_id in report.skipped),
    ]


if __name__ == "__main__":
    sys.exit(cli.main(["reconcile", *sys.argv[1:]]))
