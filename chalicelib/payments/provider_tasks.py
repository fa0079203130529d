"""Ask the external provider about many payments, several at a time, within its rate and the deadline of the job.

The threads only ask. What follows from an answer is done by the caller's thread, so a job needs no thread safety of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, Literal

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log, settings
from chalicelib.payments.model import ProviderUnavailable

# `unanswered`: the provider or the store did not answer, which says nothing about the task; `error`: something is wrong with it.
Failure = Literal["unanswered", "error"]

# When a task that failed is tried again, in seconds by the reason; so those behind it are first next time.
RETRY_SECONDS: dict[Failure, int] = {"unanswered": 30, "error": 900}

MAX_AT_ONCE = 8
# A call takes a tenth of a second at least, so one thread makes at most ten calls a second. Of the provider's rate a job takes this much
# at most; the rest is for buyers.
RATE_SHARE = 0.8
CALLS_PER_THREAD = 10
MAX_UNANSWERED = 3  # in a row, before the provider or the store counts as down
SECONDS_TO_FINISH = 3  # kept free for what follows from the last answers
SECONDS_FOR_TASK = SECONDS_TO_FINISH + 5  # with less time left, a task is not begun


class ProviderTask(Struct, frozen=True):
    """`ask` calls the provider and nothing else; `finish` gets its answer. If there is none, `postpone` lets others be first next time."""

    name: str
    ask: Callable[[], Any]
    finish: Callable[[Any], None]
    postpone: Callable[[Failure], None]


class TasksResult(Struct):
    """How many tasks were finished and how many were postponed. `gave_up`: the provider or the store did not answer several in a row."""

    finished: int = 0
    postponed: int = 0
    gave_up: bool = False


def run_each(tasks: Iterable[ProviderTask]) -> TasksResult:
    """Run tasks in their order, several at once as long as the provider answers.

    A task that fails is postponed, and the others go on; but none is begun after MAX_UNANSWERED in a row, or when there is too little time.
    Raises SettingsError.
    """
    result, waiting = TasksResult(), iter(tasks)
    max_at_once = max(1, min(MAX_AT_ONCE, int(settings.current().stripe_call_rate * RATE_SHARE / CALLS_PER_THREAD)))
    unanswered = 0
    with ThreadPoolExecutor(max_at_once) as pool:
        running: dict[Future[Any], ProviderTask] = {}
        at_once = 1  # until the provider has answered
        while True:
            _begin(pool, running, waiting, at_once if unanswered < MAX_UNANSWERED else 0)
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                is_answered = _finish(running.pop(future), future, result)
                unanswered = 0 if is_answered else unanswered + 1
                at_once = max_at_once if is_answered else 1
    result.gave_up = unanswered >= MAX_UNANSWERED
    return result


def alternate(*groups: Iterable[ProviderTask]) -> Iterator[ProviderTask]:
    """The tasks of several groups in turn, so that none of them waits for all of another."""
    iterators = [iter(group) for group in groups]
    while iterators:
        for iterator in list(iterators):
            task = next(iterator, None)
            if task is None:
                iterators.remove(iterator)
            else:
                yield task


def _begin(pool: ThreadPoolExecutor, running: dict["Future[Any]", ProviderTask], waiting: Iterator[ProviderTask], at_once: int) -> None:
    """Begin tasks until `at_once` are running, if there is time."""
    while len(running) < at_once and deadline.remaining() >= SECONDS_FOR_TASK:
        task = next(waiting, None)
        if task is None:
            return
        running[pool.submit(copy_context().run, _ask, task)] = task


def _ask(task: ProviderTask) -> Any:
    with deadline.within(deadline.remaining() - SECONDS_TO_FINISH):
        return task.ask()


def _finish(task: ProviderTask, future: "Future[Any]", result: TasksResult) -> bool:
    """Do what follows from an answer, or postpone the task. Returns whether the provider and the store have answered."""
    failure: Failure = "unanswered"
    try:
        task.finish(future.result())
    except settings.SettingsError:
        raise
    except ProviderUnavailable:  # logged where it was raised
        pass
    except Exception as error:
        if not isinstance(error, dynamo.STORE_ERRORS):
            failure = "error"  # for example a payment that the provider has lost
        log.exception("provider.task_failed", task=task.name)
    else:
        result.finished += 1
        return True
    result.postponed += 1
    try:
        task.postpone(failure)
    except dynamo.STORE_ERRORS:
        log.exception("provider.not_postponed", task=task.name)
    return failure != "unanswered"
