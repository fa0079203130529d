"""The scheduler runs actors one at a time, replays schedules, explores all schedules, and never hangs."""

import threading

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.purchases.store import PurchaseRow
from tests import seeds
from tests.simulation import faults
from tests.simulation.interleavings import explore, ordered_play, replay, run_seeds, seeded_play
from tests.simulation.scheduler import Stalled, ThreadActor

pytestmark = pytest.mark.usefixtures("store")


def put_counter():
    PurchaseRow("p", state="held", version=0).save()


def version():
    return int(PurchaseRow.find("p").version)


def increment_blindly():
    """Increment the counter without a condition, so that two concurrent increments may lose an update."""
    before = version()
    PurchaseRow("p", state="held", version=before + 1).save()


def increment():
    while True:
        before = version()
        if dynamo.update_if(PurchaseRow("p"), [PurchaseRow.version.set(before + 1)], PurchaseRow.version == before):
            return


def two_increments(add):
    def scenario(play):
        put_counter()
        play({"ada": add, "bob": add})
        assert version() == 2

    return scenario


def test_seeds_find_a_lost_update_and_name_the_seed_and_the_schedule():
    with pytest.raises(AssertionError) as failed:
        run_seeds(50, two_increments(increment_blindly))
    (note,) = failed.value.__notes__
    assert note.startswith("seed ")
    assert "ada          GetItem            purchases" in note
    order = eval(note.rpartition("to replay it: replay(scenario, ")[2][:-1])
    with pytest.raises(AssertionError):
        replay(two_increments(increment_blindly), order)


def test_seeds_find_no_race_in_correct_code():
    assert len(run_seeds(30, two_increments(increment))) == seeds.count(30)


def test_a_seed_replays():
    def traces(seed):
        put_counter()
        return [
            (step.actor, step.call, step.outcome)
            for step in seeded_play(seed)({"ada": increment, "bob": increment, "eve": increment}).steps
        ]

    assert len({tuple(traces(3)) for _ in range(3)}) == 1
    assert len({tuple(traces(seed)) for seed in range(10)}) > 5


def test_the_first_seed_and_their_count_can_be_chosen(monkeypatch):
    monkeypatch.setattr(seeds, "first", 17)
    monkeypatch.setattr(seeds, "_count", 2)
    assert [run.origin for run in run_seeds(50, two_increments(increment))] == ["seed 17", "seed 18"]


def test_all_schedules_of_two_actors_with_two_calls_each():
    """There are 4! / (2! 2!) = 6 orders of aabb."""
    orders = set()

    def scenario(play):
        put_counter()
        orders.add(tuple(play({"a": increment_blindly, "b": increment_blindly}).order))

    assert len(explore(scenario, preemptions=9)) == 6
    assert len(orders) == 6
    orders.clear()
    assert len(explore(scenario, preemptions=0)) == 2
    assert orders == {("a", "a", "b", "b"), ("b", "b", "a", "a")}


def test_exploration_finds_a_lost_update():
    with pytest.raises(AssertionError):
        explore(two_increments(increment_blindly), preemptions=1)
    explore(two_increments(increment), preemptions=2)


def test_an_order_is_kept():
    put_counter()
    run = ordered_play(["bob", "ada", "bob", "ada"])({"ada": increment_blindly, "bob": increment_blindly})
    assert run.order == ["bob", "ada", "bob", "ada"]
    assert version() == 1


def test_the_scheduler_crashes_actors_before_or_after_their_calls():
    outcomes = set()

    def scenario(play):
        put_counter()
        run = play({"ada": increment, "bob": increment}, crashes=1)
        assert len(run.crashed) <= 1
        assert version() in ((2,) if not run.crashed else (1, 2))
        outcomes.add((len(run.crashed), version()))

    run_seeds(200, scenario)
    assert outcomes == {(0, 2), (1, 1), (1, 2)}


def test_a_crashed_actor_makes_no_further_call():
    def stubborn():
        for _ in range(3):
            try:
                increment_blindly()
            finally:
                increment_blindly()

    for seed in range(20):
        put_counter()
        run = seeded_play(seed)({"ada": stubborn}, crashes=1)
        if run.crashed:
            assert run.steps[-1].outcome.endswith(("crashes before it", "and crashes"))


@pytest.mark.slow
def test_waiting_for_an_actor_out_of_turn_is_an_error():
    lock = threading.Lock()

    def locked():
        with lock:
            increment_blindly()

    put_counter()
    with pytest.raises(Stalled, match=r"bob waits(?s:.*)with lock"):
        ordered_play([])({"ada": locked, "bob": locked}, stall_seconds=2)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, ThreadActor)]


def test_a_run_without_end_is_an_error():
    put_counter()
    with pytest.raises(Stalled, match="not ended after 20 steps"):
        ordered_play([])({"ada": lambda: [version() for _ in range(99)]}, max_steps=20)


def test_while_the_product_waits_other_actors_continue():
    def wait():
        with faults.process("ada"), faults.fail(1, faults.conflict):
            dynamo.transact([dynamo.transact_put(PurchaseRow("q", state="held", version=1))])
        return "awake"

    run = seeded_play(0)({"ada": wait, "bob": version_twice})
    assert run.results["ada"] == "awake"
    assert " waits " in str(run)


def version_twice():
    return version_or_none(), version_or_none()


def version_or_none():
    return PurchaseRow.find("p")


def test_an_actor_that_fails_fails_the_run():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as failed:
        seeded_play(0)({"ada": fail, "bob": version_twice})
    assert failed.value.__notes__ == ["in the actor ada"]
