"""The figures of the pages, so that page and code cannot part.

`CHOSEN` has those that somebody has chosen, in the words of the page and with the values of the code; `tests/shown_figures.py` has the
others.
"""

import re

from stripe import _version as stripe_version

from bootstrap import demo, files, ticket_import
from chalicelib import secret_settings
from chalicelib.accounts import mails, passwords
from chalicelib.accounts import model as accounts
from chalicelib.accounts.attempts import service as attempts
from chalicelib.accounts.sessions import service as sessions
from chalicelib.admin import live_sale, system
from chalicelib.audit import service as audit
from chalicelib.audit import store as audit_log
from chalicelib.catalog import custom_options, forms, publications, tier_management
from chalicelib.catalog import search as event_search
from chalicelib.checkin import api as checkin
from chalicelib.checkin import manifest
from chalicelib.edge import auth, scheduled
from chalicelib.images import model as images
from chalicelib.images import rendering
from chalicelib.images import service as image_service
from chalicelib.inventory import model as stocks
from chalicelib.messages import event_notices
from chalicelib.messages import service as messages
from chalicelib.notifications import delivery, sns
from chalicelib.notifications import store as outbox
from chalicelib.outgoing_webhooks import model as webhooks
from chalicelib.outgoing_webhooks import sender, transport
from chalicelib.packages import forms as package_forms
from chalicelib.payments import provider_tasks
from chalicelib.payments.providers import stripe as stripe_provider
from chalicelib.payments.providers import stripe_client, stripe_http
from chalicelib.privacy import api as privacy
from chalicelib.promotions import forms as promotion_forms
from chalicelib.promotions import model as promotions
from chalicelib.purchases.checkout import answers, checkout_page
from chalicelib.purchases.imports import model as imports
from chalicelib.purchases.package_orders import api as package_orders
from chalicelib.purchases.provider_events import store as provider_events
from chalicelib.purchases.record import recent_purchases
from chalicelib.purchases.refunds import due_refunds
from chalicelib.purchases.refunds import processing as refunds
from chalicelib.purchases.reservations import hold_recovery, offers
from chalicelib.purchases.sweep import service as sweep
from chalicelib.purchases.sweep import swept_shards
from chalicelib.reconciliation import compare, schedule
from chalicelib.reports import analytics, buyer_index, rebuild, sales
from chalicelib.reports import answers as answer_reports
from chalicelib.rollouts import document, rollout
from chalicelib.settings import STRIPE_CALLS_PER_PAYMENT, Settings
from chalicelib.tickets import model as tickets
from chalicelib.tickets import qr, qr_replies
from chalicelib.tickets.seats import service as seats
from chalicelib.waiting_room import admission_plan, draw, due_changes
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waitlist import model as waitlist
from chalicelib.waitlist import service as waitlist_entries
from devtools.dynamodb import store as local_store
from devtools.stripe import charges, idempotency_keys, pending_outcomes, request_log
from devtools.stripe import events as fake_events
from devtools.stripe import webhooks as fake_webhooks
from infra import event_sources, package, reconcile, web
from infra.local import local_stripe, schedules
from infra.template import alarms, queues
from tests.figure_words import (
    DAY,
    HALF_AN_HOUR,
    HOUR,
    MB,
    MINUTE,
    in_words,
    limits,
    listed,
    of_browser,
    page_of,
    part,
    rate,
    times,
    to,
    word,
)
from tests.protocol.rules import RULES
from tests.runbook_figures import MAIL_HOURS, RUNBOOK
from tests.test_tidy import MAX_FILE_LINES, MAX_FUNCTION_LINES

USUAL = Settings()
CHOSEN: dict[str, list[str]] = {
    "README.md": [
        f"creates {word(len(demo.load()['events']))} demo events",
        f"nobody else can buy them for {in_words(USUAL.hold_seconds)}",
    ],
    "CONTRIBUTING.md": [f"at most {MAX_FILE_LINES} lines, functions {MAX_FUNCTION_LINES}"],
    "docs/accounts.md": [
        f"an access token for {auth.ACCESS_SECONDS // MINUTE} minutes, a refresh token for {sessions.REFRESH_SECONDS // DAY} days",
        f"a link by mail, valid for {in_words(mails.LINK_SECONDS['reset_password'])}; it sets the password",
        f"that verifies an address again, valid for {in_words(mails.LINK_SECONDS['verify_email'])}",
        f"a link to another address, valid for {in_words(mails.LINK_SECONDS['change_email'])}",
        f"{accounts.MIN_PASSWORD_LENGTH} to {accounts.MAX_PASSWORD_LENGTH} characters, of any kind",
        f"among the first {passwords.MIN_GUESSES:,} guesses",
        f"({USUAL.password_memory_kib // 1024} MiB, two passes, one thread",
        f"| of an account | {attempts.FREE_ATTEMPTS} | one attempt after 1 s, 2 s, 4 s, ... "
        f"up to {attempts.MAX_DELAY_SECONDS // MINUTE} minutes |",
        f"| of a source address | {attempts.FREE_ATTEMPTS} times `FAIRGATE_ADDRESS_FACTOR`",
        f"begins anew {in_words(attempts.WINDOW_SECONDS)} after its first attempt",
        f"by up to {in_words(attempts.MAX_DELAY_SECONDS)} at a time",
        f"until its {auth.ACCESS_SECONDS // MINUTE} minutes are over",
        f"within {in_words(sessions.GRACE_SECONDS)}, the token before the present one",
        f"so it counts within {auth.ACCESS_SECONDS // MINUTE} minutes",
        f"so within {auth.ACCESS_SECONDS // MINUTE} minutes",
        f"works at {auth.MAX_EVENTS} events at most",
        f"{page_of(privacy.ExportQuery)[0]} orders on a page",
        f"replies to Idempotency-Keys and links after {in_words(USUAL.idempotency_seconds)} at most",
        f"refresh tokens {in_words(sessions.REFRESH_SECONDS)} after",
        f"places in waiting rooms {in_words(waiting_room.ENTRY_RETENTION_SECONDS)} after the sale",
        f"after {USUAL.purchase_ttl_seconds // DAY} days; mails after {outbox.RETENTION_SECONDS // DAY} days",
        f"entries of the waitlist {waitlist_entries.KEPT_SECONDS // DAY} days after the event",
        f"of guests {seats.RETENTION_SECONDS // DAY} days after it",
        f"expires after {webhooks.KEPT_SECONDS // DAY} days",
        f"deleted; {in_words(sessions.REFRESH_SECONDS)} without use",
        f"replies for {in_words(USUAL.idempotency_seconds)}",
    ],
    "docs/access.md": [f"within {auth.ACCESS_SECONDS // MINUTE} minutes; a promoter's right"],
    "docs/api-guide.md": [f"valid for {auth.ACCESS_SECONDS // MINUTE} minutes"],
    "docs/api.md": [],
    "docs/architecture.md": [f"deadline, {USUAL.request_seconds} seconds after it begins"],
    "docs/backup.md": [],
    "docs/bootstrap.md": [
        f"at most {files.MAX_BYTES // MB} MB for each file and {files.MAX_DEPTH} levels deep",
        f"array of at most {document.MAX_PROMO_CODES}, optional",
        f"array of at most {custom_options.MAX_OPTIONS}, optional",
        f"after {in_words(publications.MAX_SECONDS)} by the sweep",
        f"more than {rollout.MAX_SHARDS_READ:,} shards",
        f"may take {USUAL.request_seconds} seconds",
    ],
    "docs/changes.md": [
        f"in batches of up to {event_sources.BATCH_SIZE}, after {event_sources.WINDOW_SECONDS} seconds",
        f"up to {event_sources.MAX_RETRY_ATTEMPTS} times",
        f"twice for {rebuild.WAIT_SECONDS} seconds",
    ],
    "docs/checkin.md": [
        f"When nobody comes for {in_words(of_browser('door/scanner.tsx', 'IDLE_MS') // 1000)} the camera sleeps",
        f"A session that ends (after {in_words(sessions.REFRESH_SECONDS)} without the network)",
        f"without waiting {in_words(of_browser('door/door.ts', 'FRESH_SECONDS'))}",
        f"10,000 tickets are {10_000 // of_browser('door/door.ts', 'PAGE_SIZE')} requests",
        f"its own last {word(of_browser('door/scan-log.ts', 'MAX_SCANS'))} scans",
        f"more than {in_words(of_browser('door/door.ts', 'KEEP_SECONDS'))} after the doors have closed",
        f"{auth.ACCESS_SECONDS // MINUTE} minutes later at most, it deletes the list",
        f"asks for changes once {in_words(of_browser('door/door.ts', 'FRESH_SECONDS'))} while it is looked at",
        f"without an answer it tries every {of_browser('door/door.ts', 'RETRY_SECONDS')} seconds",
        f"`as_of` is {in_words(manifest.OVERLAP_SECONDS)} before the request",
        f"Text of {tickets.CODE_LENGTH} letters and digits",
        f"has {5 * tickets.CODE_LENGTH} random bits",
        f"the access token ends within {auth.ACCESS_SECONDS // MINUTE} minutes",
        f"{checkin.MAX_SCANS} scans at most",
        f"in `duplicates` ({tickets.MAX_DUPLICATES} at most)",
    ],
    "docs/concurrency.md": [
        f"for each of the {len(RULES)} rules",
        f"up to {recent_purchases.MAX_AGE_SECONDS} seconds ago",
        f"`size(holds) < {stocks.MAX_HOLDS}`",
    ],
    "docs/deployment.md": [f"takes {package.MAX_ZIP_BYTES // 1_000_000} MB there"],
    "docs/drops.md": [
        f"let in more than {USUAL.stripe_call_rate // STRIPE_CALLS_PER_PAYMENT} buyers a second",
        f"every {in_words(live_sale.MAX_AGE_SECONDS)}: queue",
    ],
    "docs/event-images.md": [
        f"up to {images.MAX_IMAGE_BYTES // MB} MB, {rendering.MAX_SIDE:,} pixels a side and {rendering.MAX_PIXELS // 1_000_000} megapixels",
        f"less than {rendering.MIN_SIDE} a side",
        f"older than {in_words(image_service.UNUSED_SECONDS)}",
        f"at most {rendering.MAX_SHOWN_SIDE:,} pixels a side",
        f"for {in_words(image_service.UPLOAD_SECONDS)} and for one file of this type and of {images.MAX_IMAGE_BYTES // MB} MB at most",
    ],
    "docs/events.md": [
        f"{forms.MAX_METADATA_BYTES // 1024} KB at most",
        f"holds its tickets ({to(limits(forms.HoldSeconds)).replace(',', '')})",
        f"`capacity` | {to(limits(forms.Capacity))} tickets over all tiers",
        f"`capacity` | {to(limits(forms.Capacity))} tickets, or null for no limit",
        f"an event has {tier_management.MAX_TIERS} at most",
        f"({event_search.DEFAULT_LIMIT}, at most {event_search.MAX_LIMIT})",
        f"by the sweep: some {due_refunds.MAX_PER_SWEEP} each minute",
    ],
    "docs/fake-stripe.md": [
        f"(`{stripe_client.API_VERSION}`, stripe {stripe_version.VERSION})",
        f"({local_stripe.PORT} the first time)",
        f'("then") comes {pending_outcomes.OUTCOME_DELAY_SECONDS} seconds later',
        f"For {idempotency_keys.RETENTION_SECONDS // HOUR} hours, the same request",
        f"retried after {', '.join(f'{wait // MINUTE} min' for wait in fake_webhooks.RETRY_SECONDS if wait < HOUR)}",
        f"{', '.join(f'{wait // HOUR} h' for wait in fake_webhooks.RETRY_SECONDS[2:5])} and then every",
        f"then every {fake_webhooks.RETRY_SECONDS[-1] // HOUR} h, {in_words(round(sum(fake_webhooks.RETRY_SECONDS) / DAY) * DAY)} in all",
        f"as Stripe does after {fake_events.RETENTION_SECONDS // DAY} days",
        f"over the last {request_log.MAX_ENTRIES:,} requests",
        f"2.9 % + {charges.FEE_FIXED} in any currency",
    ],
    "docs/glossary.md": [
        f"never published, once {in_words(scheduled.INTERVALS['sweep'])}",
        f"held for {in_words(USUAL.waitlist_offer_seconds)}",
        f"run the draw, for {in_words(due_changes.OPENING_LEASE_SECONDS)}",
        f"in a queue for {word(queues.DEAD_LETTER_SECONDS // DAY // 7)} weeks",
    ],
    "docs/local-store.md": [
        f"more than {local_store.SNAPSHOT_AT_START_BYTES // MB} MB",
        f"more than {local_store.SNAPSHOT_BYTES // MB} MB",
        f"deletes {local_store.EXPIRY_BATCH_SIZE} items per entry",
    ],
    "docs/messages.md": [
        f"{USUAL.mail_rate} mails a second",
        f"{in_words(event_notices.QUIET_SECONDS)} after the last such change",
        f"several edits within {in_words(event_notices.QUIET_SECONDS)} make one mail",
        f"time is left, {in_words(messages.MAX_REMINDER_SECONDS)} at most",
        f"lasts less than {in_words(messages.MIN_REMINDED_SECONDS)}",
        f"it failed for {in_words(webhooks.DISABLE_AFTER_SECONDS)} or replied {sender.GONE}",
        f"sent once more {in_words(delivery.CLAIM_SECONDS)} later",
        f"is tried {word(delivery.MAX_ATTEMPTS)} times in about {MAIL_HOURS}",
        f"older than {in_words(messages.MAX_AGE_SECONDS)}, after an outage",
        f"It is deleted after {outbox.RETENTION_SECONDS // DAY} days",
        f"sends a mail once more, within {in_words(scheduled.INTERVALS['send_messages'])}",
        f"The goal is {alarms.DELIVERY_GOAL} %",
        f"did not take for {in_words(sns.MAX_AGE_SECONDS)}",
    ],
    "docs/migration.md": [
        f"A code has {imports.MIN_CODE_LENGTH} to {imports.MAX_CODE_LENGTH} printable ASCII characters",
        f"If it has {tickets.CODE_LENGTH} letters and digits",
        f"a barcode of {tickets.CODE_LENGTH} digits",
        f"lists {ticket_import.MAX_FAULTS:,} faults at most",
    ],
    "docs/operations.md": [
        f"for {queues.DEAD_LETTER_SECONDS // DAY} days; Stripe",
        f"it has {secret_settings.MIN_SECRET_LENGTH} characters or more",
        f"remove the old one after {auth.ACCESS_SECONDS // MINUTE} minutes",
        f"`default:<jwt_secret>` for {auth.ACCESS_SECONDS // MINUTE} minutes",
        f"read the secret again within {in_words(secret_settings.MAX_AGE_SECONDS)}",
        f"try again every {in_words(secret_settings.RETRY_SECONDS).removeprefix('a ')}",
        f"A job that has missed {word(system.LATE_INTERVALS)} runs is `late`",
        f"A run takes {sweep.MAX_SECONDS} seconds at most",
        f"for at most {sweep.SECONDS_WITHOUT_PROVIDER} seconds",
        f"up to {word(provider_tasks.MAX_AT_ONCE)} at once (`FAIRGATE_STRIPE_CALL_RATE` / "
        f"{provider_tasks.CALLS_PER_THREAD / provider_tasks.RATE_SHARE:g})",
        f"due again after {provider_tasks.RETRY_SECONDS['unanswered']} seconds if Stripe or DynamoDB did not answer",
        f"after {provider_tasks.RETRY_SECONDS['error'] // MINUTE} minutes after an error",
        f"again after {provider_tasks.RETRY_SECONDS['error'] // MINUTE} minutes |",
        f"and after {in_words(hold_recovery.BANK_CHECK_SECONDS)} while a bank decides",
        f"After {word(provider_tasks.MAX_UNANSWERED)} tasks in a row without an answer",
        f"if it has changed or after {in_words(USUAL.cache_seconds)}",
        f"until {in_words(swept_shards.LINGER_SECONDS)} after its last hold",
        f"{swept_shards.SLICE} shards of the whole table",
        f"began {in_words(publications.MAX_SECONDS)} ago and never ended",
        f"join a waiting room {rate(USUAL.limit_join)[0]} times a minute (for each event), reserve and open a checkout "
        f"{rate(USUAL.limit_reserve)[0]} times, and confirm {rate(USUAL.limit_confirm)[0]} times; "
        f"a source address may do {word(USUAL.address_factor)} times as much",
        f"with {rate(USUAL.limit_reserve)[0]} in {rate(USUAL.limit_reserve)[1]} seconds, one more every "
        f"{rate(USUAL.limit_reserve)[1] // rate(USUAL.limit_reserve)[0]} seconds",
        f"every {schedules.INTERVAL_SECONDS} seconds",
    ],
    "docs/orders.md": [f"gets the same reply for {in_words(USUAL.idempotency_seconds)}"],
    "docs/packages.md": [
        f"up to {limits(package_forms.PackageName)[1]} characters, unique in its event",
        f"{to(limits(package_forms.Seats))}: how many people one package admits",
        f"WebP up to {images.MAX_IMAGE_BYTES // MB} MB",
        f"up to {word(custom_options.MAX_OPTIONS)} questions",
        f"one or more of {custom_options.MIN_CHOICES} to {custom_options.MAX_CHOICES} choices",
        f"up to {custom_options.MAX_ANSWER_LENGTH} characters (`text_input`)",
        f"The first {package_orders.MAX_ASSIGNED}; `next_cursor` leads",
    ],
    "docs/payments.md": [
        f"{answers.MAX_DETAILS_BYTES // 1024} KB together, {answers.MAX_ANSWERS_BYTES // 1024} KB where",
        f"after {checkout_page.MIN_PAGE_SECONDS // MINUTE} minutes at the earliest",
        f"asks Stripe again every {in_words(hold_recovery.BANK_CHECK_SECONDS)}",
        f"per second ({USUAL.stripe_call_rate} in live mode",
        f"waits {stripe_http.READ_SECONDS} s for its answer, and the SDK repeats it {times(stripe_client.RETRIES)}",
        f"at most {stripe_provider.SIGNATURE_TOLERANCE_SECONDS} s old",
        f"is kept for {provider_events.RETENTION_SECONDS // DAY} days",
        f"the second attempt follows {in_words(refunds.RETRY_SECONDS[2])} later, the third {in_words(refunds.RETRY_SECONDS[3])} after",
        f"refund is checked every {in_words(refunds.PENDING_CHECK_SECONDS)}",
        f"tried again, {word(refunds.MAX_REFUND_ATTEMPTS)} times in all",
    ],
    "docs/performance.md": [f"| {package.MAX_ZIP_BYTES / 1e6:.1f} MB |", f"| {package.MAX_UNZIPPED_BYTES / 1e6:.1f} MB |"],
    "docs/promo-codes.md": [
        f"`code` | {to(re.findall(r'{(.*),(.*)}', str(promotion_forms.CodeText))[0])} letters, digits and hyphens",
        f"`percentage`: 1 to {promotion_forms.MAX_PERCENTAGE}",
        f"`max_total_uses` | {to(limits(promotion_forms.TotalUses))}, optional",
        f"`max_uses_per_donor` | {to(limits(promotion_forms.UsesPerDonor))}, optional",
        f"more than {promotions.MAX_SHARDS * stocks.MAX_HOLDS // 1000 * 1000:,} checkouts are using it",
    ],
    "docs/promoters.md": [
        f"the time to choose: {USUAL.pass_seconds // MINUTE} minutes",
        f"the time to pay: {USUAL.hold_seconds // MINUTE} minutes",
        f"in full, about {due_refunds.MAX_PER_SWEEP} a minute",
    ],
    "docs/reconciliation.md": [
        f"Every {scheduled.INTERVALS['reconcile'] // MINUTE} minutes a schedule",
        f"the {word(compare.MAX_RECHECKS)} oldest of them",
        f"ends at {schedule.SETTLE_SECONDS // MINUTE} minutes and the length of a hold ago",
        f"A span is {schedule.SPAN_SECONDS // MINUTE} minutes",
        f"at most {schedule.SPAN_SECONDS * schedule.MAX_SPANS_PER_RUN // HOUR} hours",
        f"catches up {schedule.SPAN_SECONDS * schedule.MAX_SPANS_PER_RUN // HOUR} hours",
        f"after {schedule.MAX_PAYMENTS_PER_RUN:,} payments",
        f"begins {word(schedule.FIRST_RUN_SECONDS // HOUR)} hour back",
        # At worst the hold, the time that payments settle, and the wait for the next run.
        f"its tickets within {HALF_AN_HOUR[USUAL.hold_seconds + schedule.SETTLE_SECONDS + scheduled.INTERVALS['reconcile'] <= HOUR // 2]}",
        f"fetched once {in_words(schedule.DAY_SECONDS)}",
        f"at most {reconcile.MAX_SECONDS // DAY} days, hour by hour",
        f"more than {compare.MAX_UNKNOWN_PAYMENTS} such payments",
        f"| none | {4 * DAY // schedule.SPAN_SECONDS:,} |",
        f"for every further {stripe_provider.MAX_PAGE_SIZE} objects",
        f"accepts ({USUAL.stripe_call_rate // STRIPE_CALLS_PER_PAYMENT} a second)",
    ],
    "docs/reports.md": [
        f"the last {analytics.DEFAULT_DAYS} days unless they are given, {analytics.MAX_DAYS} at most",
        f"the {analytics.MAX_GATES} gates with most",
        f"then has {sales.MAX_WITH_GUESTS} lines at most",
        "{} unless it is given and {:,} at most".format(*page_of(sales.SalesQuery)),
        f"`limit` of them, {page_of(answer_reports.AnswersQuery)[1]:,} unless it is given and at most",
        f"more than {answer_reports.MAX_SEATS:,} seats",
        f"an order with more than {buyer_index.MAX_NAMES} names the first {buyer_index.MAX_NAMES}",
        f"A page reads {audit.MAX_ROWS_READ:,} entries at most",
        f"the {audit_log.MAX_DAYS} days before `to`",
    ],
    "docs/runbook.md": RUNBOOK,
    "docs/tickets.md": [
        f"A purchase has {tickets.MAX_TICKETS} tickets at most",
        f"{tickets.CODE_LENGTH} random characters",
        f"That is {5 * tickets.CODE_LENGTH} bits",
        f"a browser's cache ({in_words(int(qr_replies.QR_HEADERS['Cache-Control'].partition('max-age=')[2]))})",
        f"a secret has {secret_settings.MIN_SECRET_LENGTH} characters or more",
        f"quiet zone of {word(qr.BORDER)} modules",
        f"lists 1 to {auth.MAX_EVENTS} event ids",
    ],
    "docs/try-a-drop.md": [f"After {in_words(USUAL.hold_seconds)} the tickets go back"],
    "docs/waiting-room.md": [
        f"| {USUAL.wave_size}, {USUAL.wave_seconds}, {USUAL.pass_seconds} |",
        f"a lease of {in_words(due_changes.OPENING_LEASE_SECONDS)}",
        f"between {admission_plan.RESIZE_FIRST_SECONDS} and {admission_plan.RESIZE_LAST_SECONDS} seconds before the wave",
        f"at most {admission_plan.MAX_SEGMENTS} segments",
        f"may take {admission_plan.MAX_SEGMENTS // 4} places at once and {admission_plan.MAX_SEGMENTS // 4} more one after the other",
        f"an admin's change after {admission_plan.MAX_AFTER_ADMIN} is refused",
        f"waits for one of {admission_plan.MAX_AFTER_PAUSE}",
        f"(the last {draw.position.cache_parameters()['maxsize']:,})",
    ],
    "docs/waitlist.md": [
        f"it is held for them, for {in_words(USUAL.waitlist_offer_seconds)}, and passes on",
        f"`FAIRGATE_WAITLIST_OFFER_SECONDS` ({in_words(USUAL.waitlist_offer_seconds)}), but {part(waitlist.OFFER_SHARE)}",
        f"and {USUAL.waitlist_shortest_offer_seconds // MINUTE} minutes at least",
        f"`FAIRGATE_WAITLIST_PATIENCE_SECONDS` ({in_words(USUAL.waitlist_patience_seconds)})",
        f"`FAIRGATE_WAITLIST_KEEP_SECONDS` ({in_words(USUAL.waitlist_keep_seconds)})",
        f"passed over for {in_words(USUAL.waitlist_patience_seconds)} again, "
        f"tickets are kept back for {in_words(2 * USUAL.waitlist_keep_seconds)}",
        f"until the next run, {in_words(scheduled.INTERVALS['offer_tickets'])} later",
        f"Each offer is a hold for {in_words(offers.WRITE_SECONDS)}",
        f"In the last {in_words(waitlist.LAST_DAY_SECONDS).removeprefix('a ')} before the event",
    ],
    "docs/web.md": [f"More than {web.MAX_SCRIPT_BYTES[web.SHOP] // 1000} KB of JavaScript"],
    "docs/webhooks.md": [
        f"an endpoint gets {word(sender.MAX_OF_ENDPOINT)} requests at once",
        f"Answer with a 2xx within {in_words(int(transport.SECONDS))}",
        f"again after {listed(wait // MINUTE for wait in webhooks.RETRY_DELAYS if wait < HOUR)} minutes, "
        f"and {listed(wait // HOUR for wait in webhooks.RETRY_DELAYS if wait >= HOUR)} hours",
        f"**For {in_words(sum(webhooks.RETRY_DELAYS) // DAY * DAY)}.**",
        f"asks for more, up to {in_words(webhooks.MAX_RETRY_AFTER)}",
        f"failed for {in_words(webhooks.DISABLE_AFTER_SECONDS)} without a success",
        f"Deliveries are kept for {webhooks.KEPT_SECONDS // DAY} days",
        f"{webhooks.MAX_REPLAYED} with each call",
        f"For {webhooks.PREVIOUS_SECRET_SECONDS // HOUR} hours requests are signed by both",
        f"A promoter has {word(webhooks.MAX_ENDPOINTS)} endpoints at most",
        f"each of which waits up to {in_words(event_sources.WINDOW_SECONDS)} for more",
    ],
}
