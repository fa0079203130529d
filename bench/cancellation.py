"""`python -m bench.cancellation`: how long the refunds of a cancelled event with 100,000 orders take.

Calls to the store and to the provider are given the latency of AWS and Stripe; the work in between takes as long as it takes on this
machine. It measures a sample of orders and refunds, and computes the figures for the whole event. Takes half a minute.
"""

import time
from collections.abc import Iterator

from bench.app_in_process import app_in_process
from bench.measure import Measure
from chalicelib.foundation import clock
from chalicelib.payments import provider_tasks
from chalicelib.payments.provider_tasks import ProviderTask
from chalicelib.purchases import event_cancellation, sweep
from tests import builders
from tests.simulation.interception import Listener, StoreCall, intercept

ORDERS = 100_000  # of the event
SAMPLE = 400  # orders and refunds that are measured
PROVIDER_SECONDS = 0.35  # for one call
STORE_SECONDS = {"TransactWriteItems": 0.010}
OTHER_STORE_SECONDS = 0.005


class _Latency(Listener):
    rank = 20

    def before(self, call: StoreCall) -> None:
        time.sleep(STORE_SECONDS.get(call.operation, OTHER_STORE_SECONDS))


def take_measures() -> Iterator[Measure]:
    requested = _measure_requests()
    made = _measure_provider_calls()
    # A run of the sweep each minute first requests refunds, and then makes those that are due.
    request_seconds = sweep.SECONDS_FOR_CANCELLATIONS - event_cancellation.SECONDS_RESERVED
    provider_seconds = sweep.MAX_SECONDS - request_seconds - provider_tasks.SECONDS_FOR_TASK
    yield Measure("refunds requested per second", requested, "/s")
    yield Measure("refunds made at the provider per second", made, "/s")
    slower = min(requested * request_seconds, made * provider_seconds)
    yield Measure(f"minutes to refund {ORDERS:,} orders", ORDERS / slower, "min")


def _measure_requests() -> float:
    """Cancel an event and request the refunds of its orders. Returns refunds a second."""
    now = [clock.now()]
    with app_in_process() as api, clock.override(lambda: float(now[0])):
        event_id, tier_id = builders.create_shop(api, capacity=4 * SAMPLE)
        for number in range(SAMPLE):
            builders.create_order(api, (event_id, tier_id), 1, f"buyer-{number}")
        assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200
        now[0] += event_cancellation.HEARD_SECONDS
        with intercept(_Latency()):
            begun = time.perf_counter()
            assert event_cancellation.process_cancellations(now[0]) == SAMPLE
            return SAMPLE / (time.perf_counter() - begun)


def _measure_provider_calls() -> float:
    """Make calls of PROVIDER_SECONDS, and record each result in a transaction. Returns refunds a second after the first ones."""

    def ask() -> None:
        time.sleep(PROVIDER_SECONDS)

    def finish(_: None) -> None:
        time.sleep(STORE_SECONDS["TransactWriteItems"])
        ended.append(time.perf_counter())

    ended: list[float] = []
    count = 4 * SAMPLE
    provider_tasks.run_each(ProviderTask(str(number), ask, finish, lambda _: None, max_calls=1) for number in range(count))
    first = count // 4  # by then, the number of tasks at once has grown to what the rate allows
    return (count - first) / (ended[-1] - ended[first - 1])


def main() -> None:
    for measure in take_measures():
        print(measure.text_line())


if __name__ == "__main__":
    main()
