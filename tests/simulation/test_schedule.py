"""The scheduler: one at a time, replayable, exhaustive when asked, and never hanging."""

import threading

import pytest

from chalicelib import dynamo
from chalicelib.purchases.record.store import PurchaseRow
from tests.simulation import faults as bed
from tests.simulation import schedule
from tests.simulation.interleavings import by_seed, explore, for_seeds, in_order, replay
from tests.simulation.schedule import Stalled

pytestmark = pytest.mark.usefixtures("store")


def fresh():
    PurchaseRow("p", state="held", version=0).save()


def version():
    return int(PurchaseRow.find("p").version)


def lossy():
    """A counter as it should not be."""
    seen = version()
    PurchaseRow("p", state="held", version=seen + 1).save()


def safe():
    while True:
        seen = version()
        if dynamo.update_if(PurchaseRow("p"), [PurchaseRow.version.set(seen + 1)], PurchaseRow.version == seen):
            return


def counting(add):
    def scenario(play):
        fresh()
        play({"ada": add, "bob": add})
        assert version() == 2

    return scenario


def test_seeds_find_a_lost_update_and_name_the_seed_and_the_schedule():
    with pytest.raises(AssertionError) as failed:
        for_seeds(range(50), counting(lossy))
    (note,) = failed.value.__notes__
    assert note.startswith("seed ")
    assert "ada          GetItem            purchases" in note
    order = eval(note.rpartition("again: replay(scenario, ")[2][:-1])
    with pytest.raises(AssertionError):
        replay(counting(lossy), order)


def test_seeds_find_nothing_where_nothing_is():
    assert len(for_seeds(range(30), counting(safe))) == 30


def test_a_seed_replays():
    def traces(seed):
        fresh()
        return [(step.actor, step.call, step.outcome) for step in by_seed(seed)({"ada": safe, "bob": safe, "eve": safe}).steps]

    assert len({tuple(traces(3)) for _ in range(3)}) == 1
    assert len({tuple(traces(seed)) for seed in range(10)}) > 5


def test_one_seed_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("BED_SEED", "17")
    assert [run.origin for run in for_seeds(range(50), counting(safe))] == ["seed 17"]


def test_all_schedules_of_two_actors_with_two_calls_each():
    """Orders of aabb: 4! / (2! 2!) = 6."""
    orders = set()

    def scenario(play):
        fresh()
        orders.add(tuple(play({"a": lossy, "b": lossy}).order))

    assert len(explore(scenario, preemptions=9)) == 6
    assert len(orders) == 6
    orders.clear()
    assert len(explore(scenario, preemptions=0)) == 2
    assert orders == {("a", "a", "b", "b"), ("b", "b", "a", "a")}


def test_exploration_finds_a_lost_update():
    with pytest.raises(AssertionError):
        explore(counting(lossy), preemptions=1)
    explore(counting(safe), preemptions=2)


def test_an_order_is_kept():
    fresh()
    run = in_order(["bob", "ada", "bob", "ada"])({"ada": lossy, "bob": lossy})
    assert run.order == ["bob", "ada", "bob", "ada"]
    assert version() == 1


def test_the_scheduler_kills_actors_before_or_after_their_calls():
    ends = set()

    def scenario(play):
        fresh()
        run = play({"ada": safe, "bob": safe}, crashes=1)
        assert len(run.crashed) <= 1
        assert version() in ((2,) if not run.crashed else (1, 2))
        ends.add((len(run.crashed), version()))

    for_seeds(range(40), scenario)
    assert ends == {(0, 2), (1, 1), (1, 2)}


def test_a_dead_actor_makes_no_further_call():
    def stubborn():
        for _ in range(3):
            try:
                lossy()
            finally:
                lossy()

    for seed in range(20):
        fresh()
        run = by_seed(seed)({"ada": stubborn}, crashes=1)
        if run.crashed:
            assert run.steps[-1].outcome.endswith(("dies before it", "and dies"))


def test_waiting_for_somebody_who_is_not_on_turn_is_an_error_and_not_a_standstill():
    lock = threading.Lock()

    def locked():
        with lock:
            lossy()

    fresh()
    with pytest.raises(Stalled, match=r"bob waits(?s:.*)with lock"):
        in_order([])({"ada": locked, "bob": locked}, stall_seconds=0.2)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, schedule.Actor)]


def test_no_end_is_an_error():
    fresh()
    with pytest.raises(Stalled, match="no end"):
        in_order([])({"ada": lambda: [version() for _ in range(99)]}, most_steps=20)


def test_waiting_of_the_product_is_a_point_where_others_go_on():
    def wait():
        with bed.process("ada"), bed.fail(1, bed.conflict):
            dynamo.transact([dynamo.put(PurchaseRow("q", state="held", version=1))])
        return "awake"

    run = by_seed(0)({"ada": wait, "bob": version_twice})
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
        by_seed(0)({"ada": fail, "bob": version_twice})
    assert failed.value.__notes__ == ["in the actor ada"]
