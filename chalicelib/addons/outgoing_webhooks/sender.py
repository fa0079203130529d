"""Send queued messages. For each attempt, a run claims the delivery, sends the message once and records the result.

The endpoint that has taken the least time so far comes next, and each has only a few attempts in progress at once, so a slow or broken
endpoint delays only its own messages.
Signatures follow Standard Webhooks (https://www.standardwebhooks.com), version `v1`: HMAC-SHA256 with a shared secret.
"""

import hmac
import random
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from threading import Lock

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.addons.outgoing_webhooks import endpoints, store
from chalicelib.addons.outgoing_webhooks.model import (
    DISABLE_AFTER_SECONDS,
    MAX_ATTEMPTS_KEPT,
    Delivery,
    DisabledReason,
    Endpoint,
    QueuedDelivery,
    SendAttempt,
    retry_delay,
)
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, deadline, log, outbound_http, parallel
from chalicelib.foundation.log import logger
from chalicelib.foundation.outbound_http import DestinationRefused, HostReply, SendFailed

MAX_AT_ONCE = 32  # parallel attempts of a run
MAX_PER_ENDPOINT = 4  # parallel attempts of a run to one endpoint
MAX_FAILURES = 3  # in a row; then the endpoint's remaining messages wait for the next run
MAX_DUE = 500  # deliveries per endpoint and run
PORTION = 64  # endpoints whose due deliveries are read at once
SECONDS_TO_SEND = 20  # of each run; with less time left, no more deliveries are read
CLAIM_SECONDS = 60  # longer than an attempt can take
# The longest time that an attempt takes: look up the name, send, and write the result.
MIN_SECONDS = outbound_http.LOOKUP_SECONDS + outbound_http.SECONDS + 3
HEADERS = {"Content-Type": "application/json", "User-Agent": "Fairgate-Webhooks/1"}
GONE = 410


class EndpointRun(Struct):
    """An endpoint's part of a run: the ids of due deliveries, the seconds that its attempts took, and the number of failures in a row.

    `failing_since` is the stored value.
    """

    endpoint: Endpoint
    ids: deque[str]
    failing_since: int | None
    seconds: float = 0.0
    failures: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def order(self) -> tuple[bool, float]:
        """Runs with a smaller order are next: those that work before those that fail, and then those that have taken less time."""
        return self.failing_since is not None, self.seconds


def signed_headers(message_id: str, timestamp: int, body: bytes, signing_secrets: Iterable[str]) -> dict[str, str]:
    """Return the headers that identify and sign a message sent at `timestamp` (epoch seconds), with a signature for each secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    keys = [b64decode(secret.removeprefix(endpoints.SECRET_PREFIX)) for secret in signing_secrets]
    signatures = [f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def send_queued(queued: Iterable[QueuedDelivery]) -> int:
    """Make the first attempts of queued deliveries. Returns the number of attempts."""
    by_endpoint: dict[tuple[str, str], list[str]] = {}
    for delivery in queued:
        by_endpoint.setdefault((delivery.promoter_id, delivery.endpoint_id), []).append(delivery.id)
    found = parallel.call_each(lambda key: store.find_endpoint(*key), list(by_endpoint))
    runs = [
        _new_run(endpoint, delivery_ids)
        for endpoint, delivery_ids in zip(found, by_endpoint.values(), strict=True)
        if endpoint is not None and _may_receive(endpoint)
    ]
    return _run(runs)


def send_due(now: int) -> dict[str, int]:
    """Attempt the due deliveries of all endpoints, in a random order, until time runs out. Returns a report of the run.

    The order is random so that neither unresponsive endpoints nor a large number of endpoints delay the same endpoints in every run. Gives
    up on the due deliveries of disabled endpoints and of stopped promoters, who can replay them later.
    """
    all_endpoints = list(store.scan_endpoints())
    random.shuffle(all_endpoints)
    due: dict[str, list[tuple[int, str]]] = {}
    for start in range(0, len(all_endpoints), PORTION):
        if deadline.remaining() < SECONDS_TO_SEND:
            break
        due |= _list_due(all_endpoints[start : start + PORTION], now)
    runs: list[EndpointRun] = []
    ended = found = oldest = 0
    for endpoint in all_endpoints[: len(due)]:
        deliveries = due[endpoint.id]
        if not _may_receive(endpoint):
            ended += _give_up(endpoint, [delivery_id for _, delivery_id in deliveries], now)
        elif deliveries:
            runs.append(_new_run(endpoint, [delivery_id for _, delivery_id in deliveries]))
            found += len(deliveries)
            if endpoint.failing_since is None:  # a failing endpoint causes its own delays
                oldest = max(oldest, now - deliveries[0][0])
    if all_endpoints:  # every metric costs money, so a stage without endpoints writes none
        log.gauge("outgoing_webhooks_oldest_seconds", oldest)
    left = len(all_endpoints) - len(due)
    return {
        "endpoints": len(all_endpoints),
        "endpoints_left": left,
        "due": found,
        "attempts": _run(runs),
        "ended": ended,
        "oldest_seconds": oldest,
    }


def _list_due(endpoints_read: Sequence[Endpoint], now: int) -> dict[str, list[tuple[int, str]]]:
    """List the due deliveries of endpoints by endpoint id, the earliest due first."""
    lanes = [(endpoint.id, lane) for endpoint in endpoints_read for lane in range(store.LANES)]
    found: dict[str, list[tuple[int, str]]] = {endpoint.id: [] for endpoint in endpoints_read}
    found_in_lanes = parallel.call_each(lambda each: store.list_due(*each, now, MAX_DUE), lanes)
    for (endpoint_id, _), deliveries in zip(lanes, found_in_lanes, strict=True):
        found[endpoint_id] += deliveries
    return {endpoint_id: sorted(deliveries)[:MAX_DUE] for endpoint_id, deliveries in found.items()}


def _may_receive(endpoint: Endpoint) -> bool:
    return endpoint.is_enabled and endpoint.promoter_id not in catalog.snapshot().stopped_promoters


def _new_run(endpoint: Endpoint, delivery_ids: Iterable[str]) -> EndpointRun:
    return EndpointRun(endpoint, deque(delivery_ids), endpoint.failing_since)


def _give_up(endpoint: Endpoint, delivery_ids: list[str], now: int) -> int:
    ended = sum(parallel.call_each(lambda delivery_id: store.give_up(endpoint.id, delivery_id, now), delivery_ids))
    log.count("outgoing_webhooks_dead", ended)
    return ended


def _run(runs: list[EndpointRun]) -> int:
    """Make attempts until none are left or time runs out. Returns the number of attempts."""
    # There is one turn for each parallel attempt to an endpoint. A worker takes a turn, and puts it back after the attempt.
    attempts = [run for number in range(MAX_PER_ENDPOINT) for run in runs if number < len(run.ids)]
    turns = [(run.order, number, run) for number, run in enumerate(attempts)]
    heapify(turns)
    lock = Lock()

    def take_turn() -> tuple[int, EndpointRun, str] | None:
        with lock:
            while turns:
                order, number, run = heappop(turns)
                if order < run.order:  # its other attempts took time
                    heappush(turns, (run.order, number, run))
                elif run.ids and run.failures < MAX_FAILURES:
                    return number, run, run.ids.popleft()
        return None  # other workers hold the remaining turns

    def work(_: int) -> int:
        made = 0
        while deadline.remaining() > MIN_SECONDS and (turn := take_turn()) is not None:
            number, run, delivery_id = turn
            made += _attempt(run, delivery_id)
            with lock:
                heappush(turns, (run.order, number, run))
        return made

    return sum(parallel.call_each(work, range(min(MAX_AT_ONCE, len(attempts)))))


def _attempt(run: EndpointRun, delivery_id: str) -> bool:
    """Make an attempt and record its result. Returns False if the delivery is no longer due or another run has claimed it."""
    now = clock.now()
    claimed = store.claim(run.endpoint.id, delivery_id, now, now + CLAIM_SECONDS)
    if claimed is None:
        return False
    began = clock.monotonic()
    reply, attempt = _send(run.endpoint, claimed, now)
    seconds = clock.monotonic() - began
    with run.lock:
        run.seconds += seconds
    _record_result(run, claimed, replace(attempt, milliseconds=round(1000 * seconds)), reply)
    return True


def _send(endpoint: Endpoint, delivery: Delivery, now: int) -> tuple[HostReply | None, SendAttempt]:
    attempt = SendAttempt(at=now, milliseconds=0)
    body = delivery.message.payload.encode()
    headers = HEADERS | signed_headers(delivery.id, now, body, endpoint.secrets(now))
    try:
        destination = outbound_http.parse(endpoint.url)
        reply = outbound_http.post(destination, outbound_http.resolve(destination), headers, body)
    except DestinationRefused as error:
        return None, replace(attempt, error="unresolved" if error.unresolved else "address_refused")
    except SendFailed as error:
        return None, replace(attempt, error=error.error)
    text = reply.body.decode(errors="replace")
    return reply, replace(attempt, status=reply.status, reply=text, error=None if reply.is_success else "status")


def _record_result(run: EndpointRun, claimed: Delivery, attempt: SendAttempt, reply: HostReply | None) -> None:
    """Write the result of an attempt to its delivery, and update the state of the endpoint."""
    now = clock.now()
    attempts = [*(replace(earlier, reply="") for earlier in claimed.attempts), attempt][-MAX_ATTEMPTS_KEPT:]
    if attempt.error is None:
        store.finish_attempt(claimed, "delivered", attempts, None)
        log.count("outgoing_webhooks_delivered")
        _record_success(run)
        return
    is_gone = attempt.status == GONE
    delay = None if is_gone else retry_delay(claimed.attempts_made - claimed.round_start, reply.retry_after if reply else None)
    store.finish_attempt(claimed, "failed" if delay is None else "pending", attempts, None if delay is None else now + delay)
    log.count("outgoing_webhooks_failed")
    if delay is None:
        log.count("outgoing_webhooks_dead")
    _record_failure(run, claimed, now, is_gone=is_gone)


def _record_success(run: EndpointRun) -> None:
    with run.lock:
        run.failures = 0
        if run.failing_since is not None:
            run.failing_since = None
            store.set_failing(run.endpoint, None)


def _record_failure(run: EndpointRun, claimed: Delivery, now: int, *, is_gone: bool) -> None:
    with run.lock:
        run.failures += 1
        if run.failing_since is None:
            run.failing_since = now
            store.set_failing(run.endpoint, now)
        if is_gone or now - run.failing_since >= DISABLE_AFTER_SECONDS:
            run.failures = MAX_FAILURES
            reason: DisabledReason = "gone" if is_gone else "failing"
            endpoints.disable_endpoint(run.endpoint, reason, claimed.message.event_id, now)
            logger.warning("outgoing_webhooks.endpoint_disabled", endpoint_id=run.endpoint.id, reason=reason)
