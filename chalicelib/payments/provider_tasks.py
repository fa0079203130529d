"""Concurrent calls to the external provider about many payments, within its rate limit and the job's deadline.

The worker threads only call the provider; charges also save the payment's id. The caller's thread handles the answers, so jobs need not be
thread-safe.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import chain
from typing import Any, Literal

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, settings
from chalicelib.foundation.log import logger
from chalicelib.payments import service as payments
from chalicelib.payments.model import AccountRefused, ProviderUnavailable

# `unanswered` means that the provider or the store did not answer, so the task itself may be fine. `error` means that the task failed, or
# that the provider refuses calls for its account.
Failure = Literal["unanswered", "error"]

# Seconds until a failed task is tried again, by reason. The delay lets other tasks come first in the next run.
RETRY_SECONDS: dict[Failure, int] = {"unanswered": 30, "error": 900}

# A job uses at most RATE_SHARE of the provider's rate limit; the rest is for buyers. By Little's law, the number of tasks at once is
# calls per second x seconds per call.
RATE_SHARE = 0.8
MIN_CALL_SECONDS = 0.1  # a shorter call counts as this long
MAX_AT_ONCE = 32
NEWEST_SHARE = 0.2  # weight of the newest call in the moving average of the seconds a call takes
MAX_UNANSWERED = 3  # tasks in a row without an answer before the provider or the store counts as down
SECONDS_TO_FINISH = 3  # reserved for handling the last answers
SECONDS_FOR_TASK = SECONDS_TO_FINISH + 5  # with less time left, no task is started


class ProviderTask(Struct, frozen=True):
    """One question for the provider: `ask` only calls the provider, and `finish` gets the answer.

    If either fails, `postpone` gets the reason and delays the task, so that other tasks come first in the next run. `ask` makes at most
    `max_calls` calls to the provider, one after the other.
    """

    name: str
    ask: Callable[[], Any]
    finish: Callable[[Any], None]
    postpone: Callable[[Failure], None]
    max_calls: int = 2


class TasksResult(Struct):
    """The numbers of finished and postponed tasks. `gave_up` means that MAX_UNANSWERED tasks in a row got no answer."""

    finished: int = 0
    postponed: int = 0
    gave_up: bool = False


def run_each(tasks: Iterable[ProviderTask]) -> TasksResult:
    """Run the tasks in order, several at once while the provider answers. Returns how many were finished and postponed.

    A task that fails is postponed, and the other tasks continue. No task is started after MAX_UNANSWERED tasks in a row got no answer, or
    when too little time is left. Raises SettingsError.
    """
    result, waiting = TasksResult(), iter(tasks)
    if (first := next(waiting, None)) is None:
        return result  # return before reading the provider's rate, which needs the provider's key
    waiting = chain((first,), waiting)
    rate, call_seconds = payments.call_rate(), MIN_CALL_SECONDS
    unanswered = 0
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool:
        running: dict[Future[_Answer], ProviderTask] = {}
        at_once = 1  # until the provider answers for the first time
        _start_tasks(pool, running, waiting, at_once)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                is_answered = _finish(task, future, result)
                unanswered = 0 if is_answered else unanswered + 1
                if is_answered and future.exception() is None:
                    seconds = future.result().seconds / task.max_calls
                    call_seconds += NEWEST_SHARE * (seconds - call_seconds)
                at_once = tasks_at_once(rate, call_seconds) if is_answered else 1
                # The next call waits neither for the other answers nor for the writes of their tasks.
                _start_tasks(pool, running, waiting, at_once if unanswered < MAX_UNANSWERED else 0)
    result.gave_up = unanswered >= MAX_UNANSWERED
    return result


def tasks_at_once(rate: int, call_seconds: float) -> int:
    """Return how many tasks at once make RATE_SHARE of `rate` calls a second if each call takes `call_seconds`, from 1 to MAX_AT_ONCE."""
    return max(1, min(MAX_AT_ONCE, int(rate * RATE_SHARE * max(call_seconds, MIN_CALL_SECONDS))))


def alternate(*groups: Iterable[ProviderTask]) -> Iterator[ProviderTask]:
    """Yield tasks from several groups in turn, so that no group waits for all tasks of another group."""
    iterators = [iter(group) for group in groups]
    while iterators:
        for iterator in list(iterators):
            task = next(iterator, None)
            if task is None:
                iterators.remove(iterator)
            else:
                yield task


class _Answer(Struct, frozen=True):
    """The value that `ask` returned, and the seconds that `ask` took."""

    value: Any
    seconds: float


def _start_tasks(
    pool: ThreadPoolExecutor, running: dict["Future[_Answer]", ProviderTask], waiting: Iterator[ProviderTask], at_once: int
) -> None:
    """Start tasks until `at_once` are running or too little time is left."""
    while len(running) < at_once and deadline.remaining() >= SECONDS_FOR_TASK:
        task = next(waiting, None)
        if task is None:
            return
        running[pool.submit(copy_context().run, _ask, task)] = task


def _ask(task: ProviderTask) -> _Answer:
    started_at = clock.monotonic()
    with deadline.within(deadline.remaining() - SECONDS_TO_FINISH):
        value = task.ask()
    return _Answer(value, clock.monotonic() - started_at)


def _finish(task: ProviderTask, future: "Future[_Answer]", result: TasksResult) -> bool:
    """Pass the answer to the task, or postpone the task if it failed. Returns whether the provider and the store answered."""
    failure: Failure = "unanswered"
    try:
        task.finish(future.result().value)
    except settings.SettingsError:
        raise
    except ProviderUnavailable as error:  # already logged where it was raised
        if isinstance(error, AccountRefused):
            failure = "error"  # the provider has answered, and accepts calls for other accounts
    except Exception as error:
        if not isinstance(error, dynamo.STORE_ERRORS):
            failure = "error"  # for example, the provider no longer has the payment
        logger.exception("provider.task_failed", task=task.name)
    else:
        result.finished += 1
        return True
    result.postponed += 1
    try:
        task.postpone(failure)
    except dynamo.STORE_ERRORS:
        logger.exception("provider.not_postponed", task=task.name)
    return failure != "unanswered"
