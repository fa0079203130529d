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

from devtools.dynamodb.engine import Engine, Pending
from devtools.dynamodb.journal import StoreFailed
from infra.local.workers import Workers

SECONDS = 60
Step = Callable[[], object]


class Disk:
    """Changes of an engine, by number, and what is on disk. `waiting` is released by each thread that begins to wait."""

    def __init__(self, workers: Workers) -> None:
        self.engine = Engine()
        self.waiting = threading.Semaphore(0)
        self.is_full = False
        self._durable = 0
        self._changed = threading.Condition()
        workers.hold_back_for(self.engine)

    def change(self, number: int) -> bool:
        """Make a change; returns whether the calling thread continues before the change is on disk."""
        assert self.engine.hold_back is not None
        return self.engine.hold_back(Pending(lambda: self._wait(number), [], False))

    def write(self, durable: int) -> None:
        with self._changed:
            self._durable = durable
            self._changed.notify_all()

    def _wait(self, number: int) -> None:
        self.waiting.release()
        with self._changed:
            assert self._changed.wait_for(lambda: self._durable >= number or self.is_full, SECONDS)
            if self._durable < number:
                raise StoreFailed("the disk is full")


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


@pytest.mark.usefixtures("patience")
def test_tasks_that_do_not_wait_are_processed_by_one_thread_in_order(desk):
    for number in range(1000):
        desk.tasks.put(lambda number=number: (number, threading.get_ident()))
    found = [desk.next_result() for _ in range(1000)]
    assert [number for number, _ in found] == list(range(1000))
    assert len({thread for _, thread in found}) == 1


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


@pytest.fixture
def disk(desk) -> Disk:
    return Disk(desk.workers)


def run_in_thread(*call) -> None:
    """As the app does it when it calls Stripe for several orders at once."""
    thread = threading.Thread(target=call[0], args=call[1:])
    thread.start()
    thread.join()


def write(disk: Disk, number: int, result: object) -> object:
    """A task that makes this change."""
    assert disk.change(number)
    return result


def test_a_result_leaves_when_what_its_task_wrote_is_on_disk(desk, disk):
    for number in (1, 2, 3):
        desk.tasks.put(lambda number=number: write(disk, number, f"wrote {number}"))
    desk.tasks.put(lambda: "wrote nothing")
    assert desk.next_result() == "wrote nothing"
    disk.write(2)
    assert [desk.next_result(), desk.next_result()] == ["wrote 1", "wrote 2"]
    desk.tasks.put(lambda: "wrote nothing")
    assert desk.next_result() == "wrote nothing"
    disk.write(3)
    assert desk.next_result() == "wrote 3"


def test_a_task_needs_all_changes_that_it_read_and_wrote(desk, disk):
    desk.tasks.put(lambda: [write(disk, number, number) for number in (2, 5, 3)])
    disk.write(4)
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    disk.write(5)
    assert desk.next_result() == [2, 5, 3]


@pytest.mark.usefixtures("patience")
def test_a_waiting_write_does_not_delay_later_tasks_of_its_thread(desk, disk):
    desk.tasks.put(lambda: write(disk, 1, threading.get_ident()))
    desk.tasks.put(threading.get_ident)
    later = desk.next_result()
    disk.write(1)
    assert desk.next_result() == later


def test_a_full_disk_lets_tasks_end_without_their_results(desk, disk):
    desk.tasks.put(lambda: write(disk, 1, "written"))
    desk.tasks.put(lambda: write(disk, 2, "lost"))
    desk.tasks.put(lambda: "other")
    assert desk.next_result() == "other"
    disk.is_full = True
    disk.write(1)
    assert [desk.next_result(), desk.next_result()] == ["written", None]


@pytest.mark.parametrize("run", [lambda send: send(), lambda send: run_in_thread(copy_context().run, send)])
def test_a_task_sends_nothing_to_others_before_what_it_wrote_is_on_disk(desk, disk, run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def write_and_call() -> str:
            write(disk, 1, None)
            connection = HTTPConnection(*listener.getsockname(), timeout=SECONDS)
            run(lambda: connection.request("POST", "/payments", body=b"{}"))
            connection.close()
            return "sent"

        desk.tasks.put(write_and_call)
        assert disk.waiting.acquire(timeout=SECONDS)
        with pytest.raises(BlockingIOError):
            listener.accept()
        disk.write(1)
        assert desk.next_result() == "sent"
        called, _ = listener.accept()
        with called:
            assert called.recv(4) == b"POST"


def test_others_work_while_a_task_waits_before_it_calls_another_program(desk, disk):
    tasks = 20  # more than threads
    with socket.create_server(("127.0.0.1", 0), backlog=tasks) as listener:

        def send() -> str:
            write(disk, 1, None)
            HTTPConnection(*listener.getsockname(), timeout=SECONDS).request("POST", "/payments", body=b"{}")
            return "sent"

        for _ in range(tasks):
            desk.tasks.put(send)
        for _ in range(4):
            assert disk.waiting.acquire(timeout=SECONDS)
        disk.write(1)
        assert [desk.next_result() for _ in range(tasks)] == ["sent"] * tasks


def test_other_threads_hold_nothing_back(disk):
    assert not disk.change(1)


def test_threads_of_one_group_hold_nothing_back_for_the_engine_of_another(desk):
    other = Desk(1)
    disk = Disk(other.workers)
    desk.tasks.put(lambda: disk.change(1))
    assert desk.next_result() is False
    other.stop()


def test_two_groups_hold_back_for_one_engine(desk, disk):
    other = Desk(1)
    other.workers.hold_back_for(disk.engine)
    for each in (desk, other):
        each.tasks.put(lambda: write(disk, 1, "written"))
    disk.write(1)
    assert [desk.next_result(), other.next_result()] == ["written", "written"]
    other.stop()
