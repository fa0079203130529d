"""Tasks for the payment provider run several at once, in the caller's context, without blocking each other."""

import threading
from collections import Counter
from concurrent.futures import ALL_COMPLETED, wait
from contextvars import ContextVar

import pytest

from bench.cancellation import Endpoint, VirtualTime
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, parallel, settings
from chalicelib.payments import provider_tasks
from chalicelib.payments.model import AccountRefused, ProviderUnavailable, TooManyCalls
from chalicelib.payments.provider_tasks import (
    MAX_SILENT_ACCOUNTS,
    MAX_UNANSWERED,
    REFUSED_SECONDS,
    ProviderTask,
    alternate,
    run_each,
    take_turns,
    tasks_at_once,
)


class Work:
    """Makes tasks, and notes which were asked, finished and postponed."""

    def __init__(self):
        self.asked, self.finished, self.postponed = [], [], []

    def task(self, name, error=None, ask=None, finish=None, max_calls=1, account=None):
        def answer():
            self.asked.append(name)
            if error is not None:
                raise error
            return ask() if ask is not None else name

        def note(found):
            self.finished.append(found)
            if finish is not None:
                finish()

        return ProviderTask(str(name), answer, note, lambda failure: self.postponed.append((name, failure)), max_calls, account)


@pytest.fixture
def work():
    return Work()


def test_each_task_is_finished_with_its_answer_by_the_thread_of_the_caller(work):
    threads = []
    result = run_each(work.task(name, finish=lambda: threads.append(threading.get_ident())) for name in range(20))
    assert (sorted(work.finished), set(threads)) == (list(range(20)), {threading.get_ident()})
    assert (result.finished, result.postponed, result.gave_up) == (20, 0, False)


def test_several_run_at_once_after_the_provider_has_answered_the_first(work):
    together = threading.Barrier(8)  # opens only if so many tasks ask at the same time
    waiting = [work.task(name, ask=lambda: together.wait(timeout=60)) for name in range(8)]
    with settings.override(stripe_endpoint_rate=100):
        assert run_each([work.task("first"), *waiting]).finished == 9


@pytest.mark.parametrize(("call_seconds", "at_once"), [(0, 8), (0.25, 20), (0.35, 28), (2, 32)])
def test_slower_calls_are_made_more_at_once(call_seconds, at_once):
    """At 100 calls a second, of which a job makes 80."""
    assert tasks_at_once(100, call_seconds) == at_once


def test_the_number_at_once_follows_the_seconds_of_the_calls(work, time):
    """After slow calls, 32 calls run at once: the barrier opens only if 32 tasks ask at the same time."""
    together = threading.Barrier(32)
    slow = [work.task(name, ask=lambda: time.advance(30)) for name in range(10)]
    waiting = [work.task(name, ask=lambda: together.wait(timeout=60)) for name in range(32)]
    with settings.override(stripe_endpoint_rate=100):
        assert run_each([*slow, *waiting]).finished == 42


@pytest.mark.parametrize(
    ("max_calls", "endpoint_rate", "tasks_a_second"), [(1, 25, 20), (2, 25, 20), (1, 100, 80), (2, 100, 40), (2, 30, 24)]
)
def test_an_endpoint_gets_no_more_calls_than_it_accepts(work, max_calls, endpoint_rate, tasks_a_second):
    """A call takes 0.35 seconds, and the calls of a task go to different endpoints. A job makes 80% of the accepted calls."""
    virtual = VirtualTime()
    endpoints, begun = [Endpoint(endpoint_rate) for _ in range(max_calls)], Counter()

    def ask():
        begun[int(virtual.now())] += 1
        for endpoint in endpoints:
            assert endpoint.accepts(virtual.now())
            virtual.waited += 0.35

    def finish():
        virtual.waited += 0.005

    with clock.override(virtual.now), virtual.simulated(), settings.override(stripe_endpoint_rate=endpoint_rate), deadline.within(50):
        run_each(work.task(name, ask=ask, finish=finish, max_calls=max_calls) for name in range(5000))
    assert work.postponed == []
    assert sum(list(begun.values())[10:30]) == pytest.approx(20 * tasks_a_second, rel=0.08)


def refuse(times):
    """Return a question that the provider refuses so many times, because it got too many calls."""
    refusals = iter(range(times))

    def ask():
        if next(refusals, None) is not None:
            raise TooManyCalls()

    return ask


def test_a_call_that_is_one_too_many_is_repeated_after_seconds(work, time, monkeypatch):
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: time.advance(int(seconds)))
    begun = time.now
    result = run_each([work.task("refused", ask=refuse(len(REFUSED_SECONDS)))])
    assert (result.finished, work.postponed, time.now - begun) == (1, [], sum(REFUSED_SECONDS))


@pytest.mark.usefixtures("waits")
def test_a_provider_that_refuses_calls_is_not_silent(work):
    """The tasks of the operator's account go on, and each is postponed only once."""
    tasks = [work.task(name, ask=refuse(99)) for name in range(3 * MAX_UNANSWERED)]
    result = run_each([*tasks, work.task("accepted")])
    assert (result.gave_up, result.finished) == (False, 1)
    assert sorted(work.postponed) == [(name, "unanswered") for name in range(3 * MAX_UNANSWERED)]
    assert Counter(work.asked) == {name: 1 + len(REFUSED_SECONDS) for name in range(3 * MAX_UNANSWERED)} | {"accepted": 1}


@pytest.mark.usefixtures("waits")
def test_refused_accounts_do_not_make_the_provider_silent(work):
    tasks = [work.task(number, ask=refuse(99), account=f"acct_{number}") for number in range(2 * MAX_SILENT_ACCOUNTS)]
    assert not run_each([*tasks, work.task("accepted")]).gave_up
    assert work.finished == ["accepted"]


@pytest.mark.usefixtures("waits")
def test_an_account_whose_calls_are_all_refused_postpones_its_other_tasks_without_a_call(work):
    with settings.override(stripe_call_rate=1):
        run_each(work.task(number, ask=refuse(99), account="acct_1") for number in range(10))
    assert {*work.asked} == {*range(MAX_UNANSWERED)}
    assert work.postponed == [(name, "unanswered") for name in range(10)]


def test_a_refused_call_is_not_repeated_without_time_for_it(work, time):
    with deadline.within(provider_tasks.SECONDS_FOR_TASK):
        run_each([work.task("refused", ask=refuse(1))])
    assert (work.asked, work.postponed) == (["refused"], [("refused", "unanswered")])


def test_the_waits_for_refused_calls_do_not_count_as_slow_calls(work, time, monkeypatch):
    """Otherwise a job would make even more calls at once."""
    monkeypatch.setattr(deadline.time, "sleep", lambda seconds: time.advance(100))
    seen = []
    monkeypatch.setattr(provider_tasks, "tasks_at_once", lambda rate, seconds: seen.append(seconds) or 1)
    run_each(work.task(name, ask=refuse(1)) for name in range(5))
    assert max(seen) <= parallel.MIN_CALL_SECONDS


def test_the_next_call_does_not_wait_for_other_answers_to_be_handled(work, monkeypatch):
    """Eight answers arrive together. The next call begins when the first of them is handled, so the second one sees it."""
    monkeypatch.setattr(provider_tasks, "wait", lambda running, return_when: wait(running, return_when=ALL_COMPLETED))
    has_begun = threading.Event()

    def finish():
        if len(work.finished) == 3:  # the first task alone, and two of the eight
            assert has_begun.wait(timeout=60)

    tasks = [work.task(name, ask=has_begun.set if name == 9 else None, finish=finish) for name in range(10)]
    with settings.override(stripe_endpoint_rate=100):
        assert run_each(tasks).finished == 10


@pytest.mark.parametrize(("rate", "at_once"), [(1, 1), (25, 2), (100, 8), (10_000, 32)])
def test_concurrency_follows_from_the_rate_of_the_provider(work, rate, at_once):
    lock, running, most = threading.Lock(), 0, 0

    def ask():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    with settings.override(stripe_call_rate=rate, stripe_endpoint_rate=rate):
        run_each(work.task(name, ask=ask) for name in range(100))
    assert 1 <= most <= at_once


def test_the_threads_have_the_context_of_the_caller(work):
    variable = ContextVar("variable", default="")
    variable.set("of the caller")
    with deadline.within(60):
        run_each([work.task("task", ask=lambda: (variable.get(), deadline.remaining() <= 60))])
    assert work.finished == [("of the caller", True)]


def test_an_error_postpones_its_task_and_not_the_others(work):
    result = run_each([work.task("broken", KeyError("x")), work.task("unanswered", ProviderUnavailable()), work.task("sound")])
    assert (work.finished, work.postponed) == (["sound"], [("broken", "error"), ("unanswered", "unanswered")])
    assert (result.finished, result.postponed, result.gave_up) == (1, 2, False)


@pytest.mark.parametrize("error", [ProviderUnavailable(), dynamo.StoreUnavailable("down")], ids=["provider", "store"])
def test_nothing_is_begun_after_several_in_a_row_got_no_answer(work, error):
    assert run_each(work.task(name, error) for name in range(10)).gave_up
    assert work.asked == list(range(MAX_UNANSWERED))
    assert work.postponed == [(name, "unanswered") for name in range(MAX_UNANSWERED)]


def test_one_account_that_the_provider_refuses_does_not_hold_up_the_others(work):
    refused = [work.task(name, error=AccountRefused()) for name in range(2 * MAX_UNANSWERED)]
    result = run_each([*refused, work.task("of another account")])
    assert (work.finished, result.gave_up) == (["of another account"], False)
    assert sorted(work.postponed) == [(name, "error") for name in range(2 * MAX_UNANSWERED)]


def test_one_account_without_an_answer_postpones_only_its_own_tasks(work):
    silent = [work.task(name, ProviderUnavailable(), account="acct_silent") for name in range(10)]
    others = [work.task(f"{account} {number}", account=account) for account in (None, "acct_1") for number in range(4)]
    result = run_each([*silent, *others])
    assert (len(work.finished), result.gave_up) == (8, False)
    assert [name for name in work.asked if isinstance(name, int)] == list(range(MAX_UNANSWERED))
    assert work.postponed == [(name, "unanswered") for name in range(10)]


def test_an_account_that_answers_now_and_then_is_not_silent(work):
    tasks = [work.task(name, ProviderUnavailable() if name % 3 else None, account="acct_1") for name in range(12)]
    with settings.override(stripe_call_rate=1):
        run_each(tasks)
    assert work.asked == list(range(12))


def test_several_accounts_without_an_answer_mean_that_the_provider_is_down(work):
    tasks = [work.task(number, ProviderUnavailable(), account=f"acct_{number % 9}") for number in range(90)]
    assert run_each(tasks).gave_up
    assert work.asked == list(range(MAX_SILENT_ACCOUNTS))


@pytest.mark.parametrize("error", [ProviderUnavailable(setup_error="AuthenticationError"), dynamo.StoreUnavailable("down")])
def test_a_refused_key_or_a_failing_store_is_no_matter_of_the_account(work, error):
    assert run_each(work.task(name, error, account="acct_1") for name in range(10)).gave_up
    assert work.asked == list(range(MAX_UNANSWERED))


def test_a_broken_task_now_and_then_stops_nothing(work):
    tasks = [work.task(name, ProviderUnavailable() if name % 2 else None) for name in range(10)]
    assert not run_each(tasks).gave_up
    assert len(work.finished) == len(work.postponed) == 5


def test_nothing_is_begun_without_time_for_it(work, time):
    def pass_time():
        time.advance(10)

    with deadline.within(37), settings.override(stripe_call_rate=1):
        run_each(work.task(name, ask=pass_time, max_calls=10) for name in range(10))
    assert work.asked == [0, 1, 2]


def test_a_wrong_setting_ends_the_job(work):
    with pytest.raises(settings.SettingsError):
        run_each([work.task("task", settings.SettingsError("the key"))])


def test_a_task_that_cannot_even_be_postponed_does_not_keep_the_others(work):
    def fail(failure):
        raise dynamo.StoreUnavailable("down")

    broken = ProviderTask("broken", lambda: 1 / 0, print, fail)
    assert run_each([broken, work.task("sound")]).finished == 1


def test_a_crash_of_a_thread_is_one_of_the_job(work):
    with pytest.raises(KeyboardInterrupt):
        run_each([work.task("task", KeyboardInterrupt())])


def test_groups_take_turns_until_the_last_one_is_done():
    assert list(alternate("ab", "123", "")) == ["a", "1", "b", "2", "3"]
    assert list(alternate()) == []
    assert list(take_turns(["a1", "a2", "b1", "a3", "b2"], lambda name: name[0])) == ["a1", "b1", "a2", "b2", "a3"]
