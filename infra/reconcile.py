"""`python -m infra.reconcile --since TIME --until TIME`: our books against Stripe's for a range of time; see docs/reconciliation.md.

For the stage that the environment names. The schedule's own place is not touched, and both may run at once.
"""

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any

from chalicelib import clock, dynamo, settings
from chalicelib.cases import service as cases
from chalicelib.cases.service import Case
from chalicelib.catalog import service as catalog
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.reconciliation import comparison
from chalicelib.reconciliation.comparison import ReconciliationReport

SPAN_SECONDS = 3600  # longer than the schedule's: nothing cuts this short
MOST_SECONDS = 31 * 86_400

STORE_ERRORS: tuple[type[Exception], ...] = (*dynamo.STORE_ERRORS, dynamo.StoreUnavailable)

REPAIRED = {
    "paid_without_tickets": "payments that had come in: each has its tickets now, or goes back",
    "payment_over": "payments that could not be made any more: their tickets are back in the stock",
    "refunds_differ": "refunds that we had not heard of, or not the end of",
    "disputes_differ": "disputes that we had not heard of, or not the end of",
}
FINDINGS = {
    "amounts_differ": "Stripe has another sum or currency than we",
    "tickets_without_payment": "Stripe has no payment for these tickets",
    "unknown_purchase": "money for a purchase that this store does not have",
    "not_dealt_with": "something went wrong with it; the log says what",
}


class Unusable(Exception):
    """It cannot be done, or not to the end; the message says why and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing is left open, 1 when findings or failed refunds are, 2 when it could not be done."""
    # What is done to orders is in the report; the log's warnings go where they do not mix with it.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    try:
        chosen = _parser().parse_args(argv)
        with redirect_stdout(sys.stderr):
            _check(chosen)
            report = _compared(chosen)
            left = [one for one in cases.list_open() if one.needs_a_person]
    except SystemExit as ended:
        return int(ended.code or 0)
    except (Unusable, settings.SettingsError) as error:
        return _failed(str(error))
    except STORE_ERRORS as error:
        return _failed(f"the store failed, {error}")
    print(json.dumps(_facts(report, left)) if chosen.json else "\n".join(_lines(report, left)))
    return 1 if left else 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m infra.reconcile", description="Compare our books with Stripe's; see docs/reconciliation.md.")
    parser.add_argument("--since", type=_time, required=True, metavar="TIME", help="the first second, e.g. 2026-11-01T00:00:00Z")
    parser.add_argument("--until", type=_time, required=True, metavar="TIME", help="the second after the last one")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.add_argument(
        "--pay-back-unknown", action="store_true", help="also send back many payments whose purchases are not in this store"
    )
    return parser


def _time(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time like 2026-11-01T00:00:00Z") from None
    if found.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} does not say its time zone; end it with Z for UTC")
    return int(found.timestamp())


def _check(chosen: Namespace) -> None:
    if chosen.since >= chosen.until:
        raise Unusable("--since must be before --until")
    if chosen.until > clock.now():
        raise Unusable(f"--until is in the future; it is {clock.iso(clock.now())}")
    if chosen.until - chosen.since > MOST_SECONDS:
        raise Unusable("that are more than 31 days; take them in parts")
    stage = settings.current().stage
    if not settings.optional_secret("stripe_api_key"):
        raise Unusable(f"stage {stage} has no key of Stripe's; set FAIRGATE_STRIPE_API_KEY or FAIRGATE_SECRETS_ARN")
    settings.secret("ticket_keys")  # whose payment is found gets tickets
    if not catalog.load_current().events:
        raise Unusable(f"the store of stage {stage} has no events; FAIRGATE_STAGE, FAIRGATE_REGION or FAIRGATE_STORE_ENDPOINT name another")


def _compared(chosen: Namespace) -> ReconciliationReport:
    now, whole = clock.now(), ReconciliationReport(chosen.since, chosen.since)
    unknown_most = None if chosen.pay_back_unknown else comparison.MAX_UNKNOWN_PAYMENTS
    while whole.until < chosen.until:
        until = min(whole.until + SPAN_SECONDS, chosen.until)
        print(f"{clock.iso(whole.until)} to {clock.iso(until)} ...", file=sys.stderr, flush=True)
        try:
            whole.add(comparison.compare(whole.until, until, now, unknown_most))
        except ProviderUnavailable:
            raise Unusable(f"Stripe does not answer, or refuses the key. Go on with --since {clock.iso(whole.until)}") from None
        except comparison.StoreIsBehind as error:
            raise Unusable(
                f"{error}, and nothing was done about them. Is this the store of stage {settings.current().stage}, and whole? "
                f"If they are to go back: --since {clock.iso(whole.until)} --pay-back-unknown"
            ) from None
    return whole


def _facts(report: ReconciliationReport, left: list[Case]) -> dict[str, Any]:
    return {"stage": settings.current().stage, **report.shown(), "open": [one.shown() for one in left]}


def _lines(report: ReconciliationReport, left: list[Case]) -> list[str]:
    lines = [
        f"Stage {settings.current().stage}, {clock.iso(report.since)} to {clock.iso(report.until)}:",
        f"  payments {report.payments}, refunds {report.refunds}, disputes {report.disputes}, webhooks that never came {report.unheard}",
        "Put right:" if report.repaired else "Nothing had to be put right.",
        *(f"  {number} {REPAIRED[kind]}" for kind, number in sorted(report.repaired.items())),
        "Found:" if report.findings else "Nothing was found that has to be looked at.",
        *(f"  {number} {kind}: {FINDINGS[kind]}" for kind, number in sorted(report.findings.items())),
    ]
    if left:
        lines.append("Open, of any time, for a person to look at:")
        lines += [f"  order {one.purchase_id}: {one.kind} {one.id} {json.dumps(one.details)}" for one in left]
    return lines


def _failed(why: str) -> int:
    print(f"reconcile: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
