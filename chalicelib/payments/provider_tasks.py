"""Concurrent calls to the external provider about many payments, within its rate limit and the job's deadline.

The worker threads only call the provider; charges also save the payment's id. The caller's thread handles the answers, so jobs need not be
thread-safe.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import chain
from typing import Any, Literal, TypeVar

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, parallel, settings
from chalicelib.foundation.log import logger
from chalicelib.payments import service as payments
from chalicelib.payments.model import REFUSED_SECONDS, SECONDS_TO_REPEAT, AccountRefused, ProviderUnavailable, TooManyCalls, repeat_refused

T = TypeVar("T")

# `unanswered` means that the provider or the store did not answer, so the task itself may be fine. `error` means that the task failed, or
# that the provider refuses calls for its account.
Failure = Literal["unanswered", "error"]

# Seconds until a failed task is tried again, by reason. The delay lets other tasks come first in the next run.
RETRY_SECONDS: dict[Failure, int] = {"unanswered": 30, "error": 900}

# A job uses at most RATE_SHARE of the provider's rate limits; the rest is for buyers. Because a task makes at most one call to an endpoint,
# the limit of an endpoint is also a limit of tasks per second.
RATE_SHARE = 0.8
NEWEST_SHARE = 0.2  # weight of the newest task in the moving averages of the seconds that a call and a task take
# An account counts as silent if this many of its tasks in a row got no answer. The provider or the store counts as down if, since the last
# answer to any task, this many tasks of the operator's account, or tasks of MAX_SILENT_ACCOUNTS different accounts, got no answer.
MAX_UNANSWERED = 3
MAX_SILENT_ACCOUNTS = 5
SECONDS_TO_FINISH = 3  # reserved for handling the last answers
SECONDS_FOR_TASK = SECONDS_TO_FINISH + SECONDS_TO_REPEAT  # with less time left, no task is started


class ProviderTask(Struct, frozen=True):
    """One question for the provider: `ask` only calls the provider, and `finish` gets the answer.

    If either fails, `postpone` gets the reason and delays the task, so that other tasks come first in the next run. `ask` makes at most
    `max_calls` calls to the provider, one after the other and each to another endpoint, for the connected `account` or, with None, for
    the operator's account. It is repeated if the provider got too many calls.
    """

    name: str
    ask: Callable[[], Any]
    finish: Callable[[Any], None]
    postpone: Callable[[Failure], None]
    max_calls: int = 2
    account: str | None = None


class TasksResult(Struct):
    """The numbers of finished and postponed tasks. `gave_up` means that the provider or the store is down."""

    finished: int = 0
    postponed: int = 0
    gave_up: bool = False


def run_each(tasks: Iterable[ProviderTask]) -> TasksResult:
    """Run the tasks in order, several at once while the provider answers. Returns how many were finished and postponed.

    A task that fails is postponed, and the other tasks continue. The tasks of a connected account that has become silent are postponed
    without a call. No task is started once the provider or the store counts as down, or too little time is left. Raises SettingsError.
    """
    result, waiting = TasksResult(), iter(tasks)
    if (first := next(waiting, None)) is None:
        return result  # return before reading the provider's rate, which needs the provider's key
    waiting = chain((first,), waiting)
    call_rate, endpoint_rate = payments.call_rate(), payments.endpoint_rate()
    call_seconds = task_seconds = parallel.MIN_CALL_SECONDS
    silence, set_aside = _Silence(), list[ProviderTask]()
    with ThreadPoolExecutor(parallel.MAX_THREADS) as pool:
        running: dict[Future[_Answer], ProviderTask] = {}
        at_once = 1  # until the provider answers for the first time

        def start(at_once: int) -> None:
            """Start tasks until `at_once` are running or too little time is left."""
            while len(running) < at_once and deadline.remaining() >= SECONDS_FOR_TASK:
                if (task := next(waiting, None)) is None:
                    return
                if silence.has(task.account):
                    set_aside.append(task)
                else:
                    running[pool.submit(copy_context().run, _ask, task)] = task

        start(at_once)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                if _finish(task, future, result, silence):
                    if future.exception() is None:
                        seconds = future.result().seconds
                        call_seconds += NEWEST_SHARE * (seconds / task.max_calls - call_seconds)
                        task_seconds += NEWEST_SHARE * (seconds - task_seconds)
                    at_once = min(tasks_at_once(call_rate, call_seconds), tasks_at_once(endpoint_rate, task_seconds))
                elif silence.in_a_row[-1] is None:
                    at_once = 1
                # The next call waits neither for the other answers nor for the writes of their tasks.
                start(0 if silence.is_everywhere else at_once)
    for task in set_aside:
        if deadline.remaining() >= SECONDS_FOR_TASK:
            _postpone(task, "unanswered", result)
    result.gave_up = silence.is_everywhere
    return result


def tasks_at_once(rate: int, seconds: float) -> int:
    """Return how many tasks at once make RATE_SHARE of `rate` calls a second if there is one call in `seconds`."""
    return parallel.calls_at_once(rate * RATE_SHARE, seconds)


def alternate(*groups: Iterable[T]) -> Iterator[T]:
    """Yield the tasks of several groups in turn, so that no group waits for all tasks of another group."""
    iterators = [iter(group) for group in groups]
    while iterators:
        for iterator in list(iterators):
            task = next(iterator, None)
            if task is None:
                iterators.remove(iterator)
            else:
                yield task


def take_turns(tasks: Iterable[T], account_of: Callable[[T], str | None]) -> Iterator[T]:
    """Yield tasks, or what they are about, so that the accounts take turns. The order within each account stays."""
    by_account = defaultdict[str | None, list[T]](list)
    for task in tasks:
        by_account[account_of(task)].append(task)
    return alternate(*by_account.values())


class _Silence:
    """Which accounts have not answered. `in_a_row` has the account of each task without an answer since the last answer to any task."""

    def __init__(self) -> None:
        self.in_a_row: list[str | None] = []
        self._by_account: Counter[str] = Counter()

    @property
    def is_everywhere(self) -> bool:
        """Whether the provider or the store is down."""
        return self.in_a_row.count(None) >= MAX_UNANSWERED or len({*self.in_a_row}) >= MAX_SILENT_ACCOUNTS

    def has(self, account: str | None) -> bool:
        """Whether a connected account is silent."""
        return account is not None and self._by_account[account] >= MAX_UNANSWERED

    def add(self, account: str | None) -> None:
        self.in_a_row.append(account)
        self.add_refused(account)

    def add_refused(self, account: str | None) -> None:
        """Note that the provider, which is not down, accepted no call for this account."""
        if account is not None:
            self._by_account[account] += 1

    def end(self, account: str | None) -> None:
        """Note an answer to a task of this account."""
        self.in_a_row.clear()
        if account is not None:
            del self._by_account[account]


class _Answer(Struct, frozen=True):
    """The value that `ask` returned, and the seconds that `ask` took when it was not refused."""

    value: Any
    seconds: float


def _ask(task: ProviderTask) -> _Answer:
    """Ask the provider. While a refused call waits, its thread starts no other task, so the job makes fewer calls."""
    with deadline.within(deadline.remaining() - SECONDS_TO_FINISH):
        return repeat_refused(REFUSED_SECONDS, _ask_once, task)


def _ask_once(task: ProviderTask) -> _Answer:
    started_at = clock.monotonic()
    value = task.ask()
    return _Answer(value, clock.monotonic() - started_at)


def _finish(task: ProviderTask, future: "Future[_Answer]", result: TasksResult, silence: _Silence) -> bool:
    """Pass the answer to the task, or postpone the task if it failed. Returns whether the provider and the store answered."""
    failure: Failure | None = None
    silent: str | None = None
    is_refused = False
    try:
        task.finish(future.result().value)
    except settings.SettingsError:
        raise
    except ProviderUnavailable as error:  # already logged where it was raised
        # After AccountRefused, the provider has answered, and accepts calls for other accounts.
        failure = "error" if isinstance(error, AccountRefused) else "unanswered"
        silent = task.account if error.setup_error is None else None
        is_refused = isinstance(error, TooManyCalls)
    except Exception as error:
        # An error of the task is, for example, that the provider no longer has the payment.
        failure = "unanswered" if isinstance(error, dynamo.STORE_ERRORS) else "error"
        logger.exception("provider.task_failed", task=task.name)
    else:
        result.finished += 1
    if is_refused:
        silence.add_refused(silent)
    elif failure == "unanswered":
        silence.add(silent)
    else:
        silence.end(task.account)
    if failure is not None:
        _postpone(task, failure, result)
    return is_refused or failure != "unanswered"


def _postpone(task: ProviderTask, failure: Failure, result: TasksResult) -> None:
    result.postponed += 1
    try:
        task.postpone(failure)
    except dynamo.STORE_ERRORS:
        logger.exception("provider.not_postponed", task=task.name)
