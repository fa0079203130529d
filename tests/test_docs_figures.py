"""The figures of the pages are those of the code. Each is read out of its page, so a change of one shows where it is written.

Figures that are measured and not chosen have the command or the test that shows them in docs/claims.md.
"""

import re
from functools import cache

import pytest

from bootstrap import demo
from chalicelib.accounts.sessions import service as sessions
from chalicelib.catalog import forms
from chalicelib.catalog import search as event_search
from chalicelib.checkin import api as checkin
from chalicelib.edge import auth
from chalicelib.images import model as images
from chalicelib.images import rendering
from chalicelib.inventory import model as stocks
from chalicelib.notifications import store as outbox
from chalicelib.outgoing_webhooks import model as webhooks
from chalicelib.payments import provider_tasks
from chalicelib.purchases.record import recent_purchases
from chalicelib.purchases.sweep import service as sweep
from chalicelib.purchases.sweep import swept_shards
from chalicelib.reconciliation import schedule
from chalicelib.reports import answers, rebuild
from chalicelib.settings import Settings
from chalicelib.tickets import model as tickets
from chalicelib.waiting_room import admission_plan
from devtools.dynamodb import store as local_store
from devtools.stripe import webhooks as fake_webhooks
from infra import cold_starts, event_sources, package, reconcile, web
from infra.local import schedules
from infra.template import queues
from tests.protocol.rules import RULES
from tests.test_tidy import ROOT

NUMBERS = {9: "nine", 10: "ten", 11: "eleven", 12: "twelve"}
DAY, HOUR, MINUTE, MB = 86_400, 3600, 60, 1024 * 1024


@cache
def text_of(page: str) -> str:
    """A page with single spaces, since lines break anywhere."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


FIGURES = [
    ("README.md", f"creates {NUMBERS[len(demo.load()['events'])]} demo events"),
    (
        "docs/accounts.md",
        f"an access token for {auth.ACCESS_SECONDS // MINUTE} minutes, a refresh token for {sessions.REFRESH_SECONDS // DAY} days",
    ),
    ("docs/architecture.md", f"deadline, {Settings().request_seconds} seconds after it begins"),
    ("docs/changes.md", f"in batches of up to {event_sources.BATCH_SIZE}, after {event_sources.WINDOW_SECONDS} seconds"),
    ("docs/changes.md", f"up to {event_sources.MAX_RETRY_ATTEMPTS} times"),
    ("docs/changes.md", f"twice for {rebuild.WAIT_SECONDS} seconds"),
    ("docs/checkin.md", f"{checkin.MAX_SCANS} scans at most"),
    ("docs/concurrency.md", f"for each of the {len(RULES)} rules"),
    ("docs/concurrency.md", f"up to {recent_purchases.MAX_AGE_SECONDS} seconds ago"),
    ("docs/concurrency.md", f"`size(holds) < {stocks.MAX_HOLDS}`"),
    ("docs/events.md", f"{forms.MAX_METADATA_BYTES // 1024} KB at most"),
    ("docs/events.md", f"({event_search.DEFAULT_LIMIT}, at most {event_search.MAX_LIMIT})"),
    ("docs/event-images.md", f"up to {images.MAX_IMAGE_BYTES // MB} MB"),
    ("docs/event-images.md", f"{rendering.MAX_PIXELS // 1_000_000} megapixels"),
    ("docs/fake-stripe.md", f"retried after {' min, '.join(str(wait // MINUTE) for wait in fake_webhooks.RETRY_SECONDS[:2])} min"),
    ("docs/local-store.md", f"more than {local_store.SNAPSHOT_AT_START_BYTES // MB} MB"),
    ("docs/local-store.md", f"more than {local_store.SNAPSHOT_BYTES // MB} MB"),
    ("docs/local-store.md", f"deletes {local_store.EXPIRY_BATCH_SIZE} items per entry"),
    ("docs/messages.md", f"It is deleted after {outbox.RETENTION_SECONDS // DAY} days"),
    ("docs/operations.md", f"for {queues.DEAD_LETTER_SECONDS // DAY} days; Stripe"),
    ("docs/operations.md", f"A run takes {sweep.MAX_SECONDS} seconds at most"),
    ("docs/operations.md", f"for at most {sweep.SECONDS_WITHOUT_PROVIDER} seconds"),
    ("docs/operations.md", f"{swept_shards.SLICE} shards of the whole table"),
    ("docs/operations.md", f"again after {provider_tasks.RETRY_SECONDS['error'] // MINUTE} minutes"),
    ("docs/operations.md", f"every {schedules.INTERVAL_SECONDS} seconds"),
    ("docs/performance.md", f"| {package.MAX_ZIP_BYTES / 1e6:.1f} MB |"),
    ("docs/performance.md", f"| {package.MAX_UNZIPPED_BYTES / 1e6:.1f} MB |"),
    ("docs/reconciliation.md", f"A span is {schedule.SPAN_SECONDS // MINUTE} minutes"),
    ("docs/reconciliation.md", f"at most {schedule.SPAN_SECONDS * schedule.MAX_SPANS_PER_RUN // HOUR} hours"),
    ("docs/reconciliation.md", f"after {schedule.MAX_PAYMENTS_PER_RUN:,} payments"),
    ("docs/reconciliation.md", f"at most {reconcile.MAX_SECONDS // DAY} days"),
    ("docs/reports.md", f"more than {answers.MAX_SEATS:,} seats"),
    ("docs/tickets.md", f"A purchase has {tickets.MAX_TICKETS} tickets at most"),
    ("docs/tickets.md", f"{tickets.CODE_LENGTH} random characters"),
    ("docs/waiting-room.md", f"at most {admission_plan.MAX_SEGMENTS} segments"),
    ("docs/web.md", f"More than {web.MAX_SCRIPT_BYTES[web.SHOP] // 1000} KB of JavaScript"),
    ("docs/webhooks.md", f"Deliveries are kept for {webhooks.KEPT_SECONDS // DAY} days"),
]


@pytest.mark.parametrize(("page", "figure"), FIGURES, ids=lambda value: value[:60])
def test_a_figure_is_that_of_the_code(page, figure):
    assert figure in text_of(page)


# What docs/performance.md calls a function -> what infra/cold_starts.py calls it.
CASES = {
    "api_handler": "api",
    "sweep": "sweep",
    "reconcile": "reconcile",
    "offer_tickets": "offers",
    "follow_changes": "follow",
    "send_messages": "messages",
    "send_webhooks": "send webhooks",
    "retry_webhooks": "retry webhooks",
    "project_reports": "reports",
    "process_image": "images",
}


def test_each_cold_start_is_in_the_table_with_a_figure_that_its_budget_was_made_of():
    """A budget is 2 % above what was measured, so a budget that was raised asks for a new figure."""
    assert {name.partition(":")[0] for name in cold_starts.BUDGETS} == set(CASES.values())
    for function, case in CASES.items():
        [row] = re.findall(rf"^\| `{function}` \| (.+)$", (ROOT / "docs/performance.md").read_text(), flags=re.MULTILINE)
        shown = [int(figure) for figure in re.findall(r"\b\d{3}\b", row)]
        budgets = [budget.max_modules for name, budget in cold_starts.BUDGETS.items() if name.startswith(f"{case}:")]
        assert len(shown) == len(budgets), function
        assert all(0.97 * budget <= figure <= budget for figure, budget in zip(shown, budgets, strict=True)), (function, shown, budgets)


CLAIMS = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("shown_by", sorted(set(re.findall(r"`((?:tests/\w|bench/|python -m |make )[^`]*)`", CLAIMS))))
def test_what_shows_a_claim_exists(shown_by):
    if shown_by.startswith("python -m "):
        path = shown_by.split()[2].replace(".", "/")
        assert (ROOT / f"{path}.py").exists() or (ROOT / path / "__main__.py").exists()
    elif shown_by.startswith("make "):
        assert re.search(rf"^{shown_by.split()[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    else:
        path, _, test = shown_by.partition("::")
        assert (ROOT / path).exists()
        assert not test or f"def {test}(" in (ROOT / path).read_text()
