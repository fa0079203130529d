"""The figures of the runbook, in its words and with the values of the alarms."""

import re

from chalicelib import secret_settings
from chalicelib.catalog import publications
from chalicelib.notifications import delivery
from chalicelib.notifications import store as outbox
from chalicelib.outgoing_webhooks import model as webhooks
from chalicelib.outgoing_webhooks import sender
from infra import event_sources
from infra.template import alarms
from tests.figure_words import DAY, HOUR, in_words, part, word

# From the first to the last attempt to send a mail.
MAIL_SECONDS = sum(min(outbox.MAX_WAIT_SECONDS, delivery.FIRST_WAIT_SECONDS << attempt) for attempt in range(delivery.MAX_ATTEMPTS - 1))
MAIL_HOURS = in_words(round(MAIL_SECONDS / HOUR) * HOUR)
ALARMS = {alarm.name: alarm for alarm in alarms.alarms("prod")}


def period(name: str) -> str:
    """The time that an alarm looks at."""
    (seconds,) = {metric["Period"] for metric in ALARMS[name].metrics.values()}
    return in_words(seconds)


def lasting(name: str) -> str:
    """For how long what an alarm means goes on before it goes off."""
    (seconds,) = {metric["Period"] for metric in ALARMS[name].metrics.values()}
    return in_words(seconds * ALARMS[name].times)


def enough(name: str) -> str:
    """How many there must be at least, less one, for an alarm that is about a share of them."""
    [number] = re.findall(r"> (\d+),", ALARMS[name].value)
    return f"more than {number}"


def above(name: str, unit: int = 1) -> str:
    return f"{ALARMS[name].threshold / unit:g}"


RUNBOOK = [
    f"more than {above('errors')} % of the requests of {period('errors')} ended",
    f"for {lasting('slow')}, one request in twenty took more than {part(round(1000 / ALARMS['slow'].threshold))} a second",
    f"in {word(ALARMS['availability'].times)} of the last {word(ALARMS['availability'].out_of or 0)} hours more than "
    f"{above('availability')} % of the requests failed",
    f"99.9 % of a month, is lost in {word(round(30 * 0.1 / ALARMS['availability'].threshold))} days",
    f"{enough('purchases-fail')} attempts to reserve, check out and pay within {period('purchases-fail')}, "
    f"more than {above('purchases-fail')} %",
    f"{enough('payments-declined')} payments within {period('payments-declined')}, more than {above('payments-declined')} %",
    f"for {lasting('mails-fail')}, the mail server has refused more than {word(round(ALARMS['mails-fail'].threshold))} mails "
    f"in each {period('mails-fail')}",
    f"for {lasting('mails-late')}, a mail has been waiting in the outbox for more than "
    f"{part(HOUR // round(ALARMS['mails-late'].threshold))} of an hour",
    f"a mail is tried for {MAIL_HOURS}",
    f"did not take it in {MAIL_HOURS}",
    f"keeps the mails for {MAIL_HOURS}",
    f"{enough('mails-unwanted')} mails of {period('mails-unwanted')}, one in twenty",
    f"{enough('mails-undelivered')} mails of {period('mails-undelivered')}, less than {above('mails-undelivered')} %",
    f"for {lasting('catalog-stale')}, instances could not load",
    f"began {in_words(publications.MAX_SECONDS)} ago and never ended",
    f"more than {word(round(ALARMS['store-unavailable'].threshold))} requests of {period('store-unavailable')}",
    f"for {lasting('throttles')}, Lambda has refused calls in each {period('throttles')}",
    f"for {lasting('function-errors')}, schedules, consumers of changes or `process_image` have failed in each {period('function-errors')}",
    f"a consumer failed at {event_sources.MAX_RETRY_ATTEMPTS} times",
    f"for {lasting('changes-late')}, changes have come to their consumer more than "
    f"{in_words(ALARMS['changes-late'].threshold / 1000)} late",
    f"more than {above('webhooks-dead')} [webhooks of promoters](webhooks.md) were given up within {period('webhooks-dead')}, "
    f"after {in_words(sum(webhooks.RETRY_DELAYS) // DAY * DAY)} of attempts",
    f"is kept for {webhooks.KEPT_SECONDS // DAY} days",
    f"for {lasting('webhooks-late')}, webhooks have been due for more than {in_words(ALARMS['webhooks-late'].threshold)}",
    f"an endpoint has {word(sender.MAX_OF_ENDPOINT)} requests at once",
    f"no sweep has run for {lasting('sweep-silent')}",
    f"for {lasting('jobs-silent')}, one of the other jobs",
    f"for {lasting('sweep-behind')}, the sweep has left work over in each {period('sweep-behind')}",
    f"read it again within {in_words(secret_settings.RETRY_SECONDS)}",
]
