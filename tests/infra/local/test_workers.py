"""Threads that take turns: one works at a time, and none can stop the others."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from http.client import HTTPConnection
from queue import Empty, SimpleQueue

import pytest

from infra.local.workers import Workers

SECONDS = 60
Step = Callable[[], object]


class FakeJournal:
    """`commits` gets True for each commit that is only to be made if it is late, else False. `write` says what is on disk now."""

    def __init__(self) -> None:
        self.durable, self.failure = 0, None
        self.commits: SimpleQueue[bool] = SimpleQueue()
        self.on_commit: Callable[[], None] = lambda: None
        self.waiting = threading.Semaphore(0)  # released by each thread that begins to wait
        self._changed = threading.Condition()

    def commit(self, *, only_if_late: bool = False) -> None:
        self.commits.put(only_if_late)
        if not only_if_late:
            self.on_commit()

    def wait(self, number: int) -> None:
        self.waiting.release()
        with self._changed:
            assert self._changed.wait_for(lambda: self.durable >= number, SECONDS)

    def write(self, workers: Workers, durable: int) -> None:
        with self._changed:
            self.durable = durable
            self._changed.notify_all()
        workers.release()


class Desk:
    """Workers whose tasks are functions. `results` gets what they return, in the order in which they were finished."""

    def __init__(self, count: int) -> None:
        self.tasks: SimpleQueue[Step | str | None] = SimpleQueue()
        self.results: SimpleQueue[object] = SimpleQueue()
        self.inside = 0  # threads that receive or finish; only one may
        self.overlaps = 0
        self.workers = Workers[Step, object](
            count, self._receive, lambda task: task(), self._finish, wake=lambda: self.tasks.put("look around")
        )
        self.workers.start()

    def _receive(self) -> Step | None:
        with self._exclusively():
            pass
        while (task := self.workers.find_input(self._next_tasks).pop()) == "look around":
            pass
        with self._exclusively():
            if task is None:
                self.tasks.put(None)  # for those that come later
        return task

    def _next_tasks(self, waits: bool) -> list[Step | str | None]:
        try:
            return [self.tasks.get(block=waits)]
        except Empty:
            return []

    def _finish(self, task: Step, result: object) -> None:
        with self._exclusively():
            self.results.put(result)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        self.inside += 1
        for _ in range(5):
            self.overlaps += self.inside > 1
            os.sched_yield()  # so that another thread that may go on does so
        yield
        self.inside -= 1

    def next_result(self) -> object:
        return self.results.get(timeout=SECONDS)

    def stop(self) -> None:
        self.tasks.put(None)
        self.workers.join(SECONDS)
        assert self.overlaps == 0


@pytest.fixture
def patience(monkeypatch) -> None:
    """No thread loses its turn only because the machine is busy. Request this before `desk`."""
    monkeypatch.setattr(Workers, "_watch", lambda workers: None)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(4)
    yield desk
    desk.stop()
    assert not any(thread.is_alive() for thread in desk.workers._threads)


def test_tasks_that_do_not_wait_are_processed_by_one_thread_in_order(desk):
    for number in range(1000):
        desk.tasks.put(lambda number=number: (number, threading.get_ident()))
    found = [desk.next_result() for _ in range(1000)]
    assert [number for number, _ in found] == list(range(1000))
    assert len({thread for _, thread in found}) == 1


@pytest.mark.usefixtures("patience")
def test_while_a_task_waits_at_an_event_others_are_processed(desk):
    events = SimpleQueue()

    def wait(number: int) -> int:
        event = desk.workers.new_event()
        events.put(event)
        event.wait()
        return number

    for number in range(3):
        desk.tasks.put(lambda number=number: wait(number))
    waiting = [events.get(timeout=SECONDS) for _ in range(3)]
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    for event in reversed(waiting):
        event.set()
    assert [desk.next_result() for _ in range(3)] == [2, 1, 0]  # those that were woken go on in this order


def test_an_event_that_is_already_set_is_not_waited_for(desk):
    def wait() -> str:
        event = desk.workers.new_event()
        event.set()
        event.wait()
        return "went on"

    desk.tasks.put(wait)
    assert desk.next_result() == "went on"


def test_tasks_that_wait_for_anything_else_lose_their_turn(desk):
    locks = [threading.Lock() for _ in range(3)]
    for lock in locks:
        lock.acquire()
        desk.tasks.put(lambda lock=lock: lock.acquire(timeout=SECONDS))
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    for lock in locks:
        lock.release()
    assert [desk.next_result() for _ in range(3)] == [True, True, True]


def test_when_all_threads_wait_the_first_finished_one_continues(desk):
    lock = threading.Semaphore(0)
    for _ in range(4):
        desk.tasks.put(lambda: lock.acquire(timeout=SECONDS))
    desk.tasks.put(lambda: "other")
    lock.release()
    assert [desk.next_result(), desk.next_result()] == [True, "other"]
    lock.release(3)
    assert [desk.next_result() for _ in range(3)] == [True, True, True]


def test_many_tasks_that_wait_are_all_finished_one_at_a_time():
    desk = Desk(8)

    def work(number: int) -> int:
        for _ in range(5):
            event = desk.workers.new_event()
            threading.Thread(target=event.set).start()
            event.wait()
        return number

    for number in range(200):
        desk.tasks.put(lambda number=number: work(number))
    assert sorted(desk.next_result() for _ in range(200)) == list(range(200))
    desk.stop()


def test_other_threads_have_no_event(desk):
    assert desk.workers.new_event() is None


def test_the_journal_commits_when_no_thread_can_continue(desk):
    waiting = SimpleQueue()

    def wait() -> str:
        event = desk.workers.new_event()
        waiting.put(event)
        event.wait()
        return "went on"

    # Only commits let the tasks go on. There are more of them than threads.
    journal, events = FakeJournal(), SimpleQueue()
    journal.on_commit = lambda: None if waiting.empty() else events.put(waiting.get())
    desk.workers.journal = journal
    threading.Thread(target=lambda: [events.get(timeout=SECONDS).set() for _ in range(10)]).start()
    for _ in range(10):
        desk.tasks.put(wait)
    assert [desk.next_result() for _ in range(10)] == ["went on"] * 10


def test_it_commits_even_if_a_task_that_lost_its_turn_waits(desk):
    committed, began = SimpleQueue(), threading.Semaphore(0)

    def wait() -> str:
        began.release()
        lock.acquire(timeout=SECONDS)  # loses its turn here
        event = desk.workers.new_event()
        journal = FakeJournal()
        journal.on_commit = lambda: committed.put(event)
        desk.workers.journal = journal
        event.wait()
        return "went on"

    lock = threading.Lock()
    lock.acquire()
    desk.tasks.put(wait)
    assert began.acquire(timeout=SECONDS)
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    while desk.workers._turn is not None:  # until the receiver waits for input
        os.sched_yield()
    lock.release()
    committed.get(timeout=SECONDS).set()
    assert desk.next_result() == "went on"


@pytest.fixture
def journal(desk) -> FakeJournal:
    desk.workers.journal = FakeJournal()
    return desk.workers.journal


def run_in_thread(*call) -> None:
    """As the app does it when it calls Stripe for several orders at once."""
    thread = threading.Thread(target=call[0], args=call[1:])
    thread.start()
    thread.join()


def write(desk: Desk, entry: int, result: object) -> object:
    """A task that has written this entry of the journal."""
    assert desk.workers.hold_back(entry)
    return result


def test_a_result_leaves_when_what_its_task_wrote_is_on_disk(desk, journal):
    for entry in (1, 2, 3):
        desk.tasks.put(lambda entry=entry: write(desk, entry, f"wrote {entry}"))
    desk.tasks.put(lambda: "wrote nothing")
    assert desk.next_result() == "wrote nothing"
    journal.write(desk.workers, 2)
    assert [desk.next_result(), desk.next_result()] == ["wrote 1", "wrote 2"]
    desk.tasks.put(lambda: "wrote nothing")
    assert desk.next_result() == "wrote nothing"
    journal.write(desk.workers, 3)
    assert desk.next_result() == "wrote 3"


def test_a_task_needs_the_last_entry_of_all_that_it_read_and_wrote(desk, journal):
    desk.tasks.put(lambda: [write(desk, entry, entry) for entry in (2, 5, 3)])
    journal.write(desk.workers, 4)
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    journal.write(desk.workers, 5)
    assert desk.next_result() == [2, 5, 3]


def test_a_waiting_write_does_not_delay_later_tasks_of_its_thread(desk, journal):
    desk.tasks.put(lambda: write(desk, 1, threading.get_ident()))
    desk.tasks.put(threading.get_ident)
    later = desk.next_result()
    journal.write(desk.workers, 1)
    assert desk.next_result() == later


def test_a_journal_that_fails_lets_tasks_end_without_their_results(desk, journal):
    desk.tasks.put(lambda: write(desk, 1, "written"))
    desk.tasks.put(lambda: write(desk, 2, "lost"))
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    journal.failure = OSError("the disk is full")
    journal.write(desk.workers, 1)
    assert [desk.next_result(), desk.next_result()] == ["written", None]


def test_a_commit_is_requested_when_input_ends_and_results_are_held(desk, journal):
    desk.tasks.put(lambda: write(desk, 1, "written"))
    while journal.commits.get(timeout=SECONDS):
        pass  # only if late
    journal.write(desk.workers, 1)
    assert desk.next_result() == "written"


def test_a_task_waiting_for_the_journal_continues_under_load(desk, journal):
    waiting, rounds = SimpleQueue(), iter(range(1000))

    def wait() -> str:
        event = desk.workers.new_event()
        desk.tasks.put(keep_busy)
        waiting.put(event)
        event.wait()
        return "went on"

    def keep_busy() -> str:
        if next(rounds, None) is not None:
            desk.tasks.put(keep_busy)
        return "busy"

    def commit(*, only_if_late: bool = False) -> None:
        if only_if_late and not waiting.empty():
            waiting.get().set()

    journal.commit = commit
    desk.tasks.put(wait)
    assert "went on" in [desk.next_result() for _ in range(1002)]


@pytest.mark.parametrize("run", [lambda send: send(), lambda send: run_in_thread(copy_context().run, send)])
def test_a_task_sends_nothing_to_others_before_what_it_wrote_is_on_disk(desk, journal, run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def write_and_call() -> str:
            write(desk, 1, None)
            connection = HTTPConnection(*listener.getsockname(), timeout=SECONDS)
            run(lambda: connection.request("POST", "/payments", body=b"{}"))
            connection.close()
            return "sent"

        desk.tasks.put(write_and_call)
        assert journal.waiting.acquire(timeout=SECONDS)
        with pytest.raises(BlockingIOError):
            listener.accept()
        journal.write(desk.workers, 1)
        assert desk.next_result() == "sent"
        called, _ = listener.accept()
        with called:
            assert called.recv(4) == b"POST"


def test_other_threads_hold_nothing_back(desk, journal):
    assert not desk.workers.hold_back(1)


def test_threads_of_one_group_hold_nothing_back_for_the_journal_of_another(desk, journal):
    other = Desk(1)
    desk.tasks.put(lambda: other.workers.hold_back(1))
    assert desk.next_result() is False
    other.stop()
