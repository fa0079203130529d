"""Clients on real threads and in real processes, whose histories must be linearizable, and the checker that decides that."""

from unittest import mock

import pytest

from chalicelib.foundation import settings
from chalicelib.purchases import store as purchases
from chalicelib.tickets import store as tickets
from chalicelib.waiting_room import store as waiting_room
from tests import engines, invariants, seeds
from tests.proof.clients import FIRST_PROCESS, Plan, run_clients
from tests.proof.linearizability import NotLinearizable, Operation, linearize, linearize_each
from tests.proof.processes import open_processes, run_processes
from tests.proof.shared import SHARED
from tests.simulation.faults import without_lower_bound


def register(state, call, answer):
    """The model of a register: write a value, read it."""
    match call:
        case ("write", value):
            yield value
        case ("read",) if answer == state:
            yield state


def history(*rows):
    """Operations of a register, each as (process, start, end, call, answer)."""
    return [Operation("register", *row) for row in rows]


WRITE_1, WRITE_2, READ = ("write", 1), ("write", 2), ("read",)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("a", 0, 1, WRITE_1, "ok"), ("b", 2, 3, READ, 1)],
        [("a", 0, 9, WRITE_1, "ok"), ("b", 2, 3, READ, 1), ("c", 4, 5, READ, 1)],
        [("a", 0, 9, WRITE_1, "ok"), ("b", 1, 8, READ, 0), ("c", 2, 7, READ, 1)],
        [("a", 0, 9, WRITE_1, "ok"), ("b", 0, 9, WRITE_2, "ok"), ("c", 1, 2, READ, 2), ("d", 3, 4, READ, 1)],
        [("a", 0, None, WRITE_1, None), ("b", 5, 6, READ, 0), ("c", 7, 8, READ, 1)],
        [("a", 0, None, WRITE_1, None), ("b", 5, 6, READ, 0), ("c", 7, 8, READ, 0)],
        [("a", 0, 2, WRITE_1, "ok"), ("b", 2, 3, READ, 0)],  # an end at the time of a start does not come before it
    ],
)
def test_a_history_with_an_order(rows):
    ordered = linearize(history(*rows), register, 0)
    state = 0
    for operation in ordered:
        (state,) = register(state, operation.input, operation.output)
    assert {operation for operation in history(*rows) if operation.end is not None} <= set(ordered)


@pytest.mark.parametrize(
    "rows",
    [
        [("a", 0, 1, READ, 1)],
        [("a", 0, 1, WRITE_1, "ok"), ("b", 2, 3, READ, 0)],  # a stale read
        [("a", 0, 9, WRITE_1, "ok"), ("b", 2, 3, READ, 1), ("c", 4, 5, READ, 0)],  # the second read goes back
        [("a", 0, 9, WRITE_1, "ok"), ("b", 0, 9, WRITE_2, "ok"), *[(f"r{n}", 10 + 2 * n, 11 + 2 * n, READ, 1 + n % 2) for n in range(2)]],
        [("a", 0, None, WRITE_1, None), ("b", 5, 6, READ, 1), ("c", 7, 8, READ, 0)],
        [("a", 5, None, WRITE_1, None), ("b", 1, 2, READ, 1)],  # a lost call takes no effect before its start
    ],
)
def test_a_history_without_an_order(rows):
    with pytest.raises(NotLinearizable, match="no order explains"):
        linearize(history(*rows), register, 0)


def test_each_object_has_an_order_of_its_own():
    calls = [Operation("x", "a", 0, 1, WRITE_1, "ok"), Operation("y", "a", 2, 3, WRITE_2, "ok"), Operation("x", "b", 4, 5, READ, 1)]
    linearize_each(calls, register, {"x": 0, "y": 0})
    with pytest.raises(NotLinearizable, match=r"y: no order(?s:.*)a: \('read',\) -> 1"):
        linearize_each([*calls, Operation("y", "a", 6, 7, READ, 1)], register, {"x": 0, "y": 0})


@pytest.fixture
def run_threads(api, time, threaded_store):
    """Runs clients on threads of this process, in empty tables, and linearizes their history."""

    def run(name, plan, *, is_checked=True):
        with engines.fresh_stage():
            shared, notes = SHARED[name], []
            shop = shared.open(api, time)
            run_clients(shared, api, time, shop, plan, notes.append)
            shared.check(shop, notes)
            if is_checked:
                invariants.check_recovery(time)

    with settings.override(request_seconds=100_000):  # a client moves the clock while others work
        yield run


@pytest.mark.parametrize("name", SHARED)
def test_clients_on_threads(run_threads, name, request):
    for seed in seeds.numbers(1 if request.config.option.proof == "some" else 6):
        run_threads(name, Plan(seed, crash_share=0.05 * (seed % 2)))


def test_clients_in_processes(request):
    """Two or three processes share a store over HTTP. In a complete run, one of them is killed while it works, and another one follows."""
    is_whole = request.config.option.proof == "all"
    with open_processes() as started:
        processes = {prefix: started.start(prefix) for prefix in (FIRST_PROCESS, "p1", "p2")[: 3 if is_whole else 2]}
        processes[FIRST_PROCESS].ask("create_tables")
        for name in SHARED:
            for number in range(2 if is_whole else 1):
                killed = "p2" if number % 2 else ""
                run_processes(
                    processes, name, Plan(seeds.first + number, clients=4, steps=15 if is_whole else 8), killed=killed, kill_after=50
                )
                if killed:
                    processes[killed] = started.start(killed)


def without_atomic_numbers(room, counter, weight=1):
    """Read the last number, then write the next one."""
    counter_id = waiting_room._counter_id(room, counter)
    row = waiting_room.WaitingRoomRow.find(counter_id) or waiting_room.WaitingRoomRow(counter_id)
    row.arrivals = int(row.arrivals or 0) + weight
    row.save()
    return row.arrivals


MISTAKES = {
    "stock": lambda: without_lower_bound("available"),
    "limit": lambda: mock.patch.object(purchases, "_may_buy", return_value=purchases.BuyerRow.active_id.does_not_exist()),
    "promo code": lambda: without_lower_bound("available"),
    "door": lambda: mock.patch.object(tickets, "_same_scans", return_value=tickets.TicketRow.id.exists()),
    "line": lambda: mock.patch.object(waiting_room, "take_arrival_number", without_atomic_numbers),
}


@pytest.mark.parametrize("name", SHARED)
def test_the_checker_refuses_the_history_of_a_shop_with_a_mistake(run_threads, name):
    """Threads decide when the mistake shows, so there are several tries."""

    def try_seeds():
        for seed in range(20):
            run_threads(name, Plan(seed), is_checked=False)

    with MISTAKES[name](), pytest.raises(NotLinearizable):
        try_seeds()
