"""The admission plan, against a model that looks at every second, and under random sequences of changes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from chalicelib.waiting_room import admission_plan
from chalicelib.waiting_room.admission_plan import Segment
from tests import seeds

OPENS = 1_000
MODEL_SECONDS = 400  # that the model looks ahead

sizes = st.integers(0, 7)
intervals = st.integers(1, 20)
plans = st.builds(admission_plan.initial_plan, st.just(OPENS), st.integers(1, 7), intervals)


@st.composite
def changes(draw):
    """(seconds since the last change, arrivals in them, the change). A request may be a little older than the change before it."""
    change = draw(
        st.one_of(
            st.just(("pause",)),
            st.just(("resume",)),
            st.tuples(st.just("set_rate"), sizes, intervals),
            st.tuples(st.just("let_in"), st.integers(1, 10)),
            st.tuples(st.just("resize_waves"), sizes),
            st.just(("cap_unused_admissions",)),
        )
    )
    return draw(st.integers(-2, 40)), draw(st.integers(0, 10)), change


@dataclass
class Simulation:
    """A room over time: its plan, the time, and the second in which each arrival joined; the position is the index + 1."""

    plan: list[Segment]
    now: int = OPENS - 60
    joined: list[int] = field(default_factory=list)

    def step(self, seconds, arrivals, change):
        """Let time pass and buyers join, then change the plan."""
        self.now += seconds
        self.joined += [self.now] * arrivals
        name, *arguments = change
        if name == "cap_unused_admissions":
            arguments = [len(self.joined)]
        self.plan = getattr(admission_plan, name)(self.plan, self.now, *arguments) or self.plan

    def settle(self):
        """Move the time to the last change, if it is before it."""
        self.now = max(self.now, self.plan[-1].since)
        return self

    def admission_times(self):
        return [admission_plan.admission_time(self.plan, number + 1, joined) for number, joined in enumerate(self.joined)]


change_lists = st.lists(changes(), max_size=14)


def first_admitting_second(plan, position, joined, until):
    """The model: the first second before `until` that admits the position, or None."""
    return next((second for second in range(joined, until) if admission_plan.admitted_count(plan, second) >= position), None)


@given(plans, change_lists, st.integers(1, 60), st.integers(-80, 300))
@effort(max_examples=seeds.examples(300))
def test_the_admission_time_is_the_first_second_that_admits(plan, change_list, position, joined):
    simulation = Simulation(plan)
    for change in change_list:
        simulation.step(*change)
    joined += OPENS
    until = max(joined, simulation.now) + MODEL_SECONDS
    admitted_at = admission_plan.admission_time(simulation.plan, position, joined)
    assert (admitted_at if admitted_at is not None and admitted_at < until else None) == first_admitting_second(
        simulation.plan, position, joined, until
    )


@given(plans, change_lists)
@effort(max_examples=seeds.examples(500))
def test_no_change_revokes_an_admission(plan, change_list):
    simulation = Simulation(plan)
    for change in change_list:
        before = Simulation(simulation.plan, simulation.now, list(simulation.joined))
        simulation.step(*change)
        for old, new in zip(before.admission_times(), simulation.admission_times(), strict=False):
            if old is not None and old <= simulation.now:
                assert new == old, change
            else:
                assert new is None or new >= simulation.now, change
    assert [segment.since for segment in simulation.plan] == sorted(segment.since for segment in simulation.plan)
    simulation.settle()  # before that second, a cap may have taken back admissions that nobody had used
    total = len(simulation.joined)
    admitted = [min(total, admission_plan.admitted_count(simulation.plan, second)) for second in range(simulation.now, simulation.now + 60)]
    assert admitted == sorted(admitted)


@given(plans, change_lists)
@effort(max_examples=seeds.examples(300))
def test_a_change_admits_at_once_only_the_people_let_in_by_hand(plan, change_list):
    simulation = Simulation(plan)
    for seconds, arrivals, (name, *arguments) in change_list:
        seconds = abs(seconds)
        before = admission_plan.admitted_count(simulation.plan, simulation.now + seconds)
        simulation.step(seconds, arrivals, (name, *arguments))
        admits = admission_plan.admitted_count(simulation.plan, simulation.now) - before
        if name == "let_in":
            assert admits == (arguments[0] if simulation.now >= OPENS else 0)
        elif name == "cap_unused_admissions":
            assert admits <= 0
        elif name in ("set_rate", "resume"):  # the time waited so far may be enough for a wave now
            assert admits in (0, simulation.plan[-1].wave_size)
        else:
            assert admits == 0


@given(plans, change_lists, st.integers(0, 100), st.integers(1, 500), st.integers(1, 60), st.integers(10, 200))
@effort(max_examples=seeds.examples(300))
def test_a_pause_costs_nobody_waiting_time_or_pass_time(plan, change_list, until, length, position, pass_seconds):
    simulation = Simulation(plan)
    for change in change_list:
        simulation.step(*change)
    simulation.settle()
    running = admission_plan.resume(simulation.plan, simulation.now)
    begins = simulation.now + until
    ends = begins + length
    paused = admission_plan.resume(admission_plan.pause(running, begins), ends)
    admitted_at, admitted_at_if_paused = (admission_plan.admission_time(plan, position, OPENS - 1) for plan in (running, paused))
    if admitted_at is None:
        assert admitted_at_if_paused is None
    elif admitted_at <= begins:
        assert admitted_at_if_paused == admitted_at
    else:
        assert admitted_at_if_paused == admitted_at + length
    if admitted_at is not None:
        for second in range(0, 300, 7):
            left = admission_plan.running_seconds(running, admitted_at, begins + second)
            assert admission_plan.running_seconds(paused, admitted_at_if_paused, ends + second) == left
        assert admission_plan.running_seconds(paused, begins, ends) == 0


@given(plans, st.lists(st.tuples(st.integers(0, 5), changes()), max_size=8), st.integers(0, 10))
def test_changes_before_the_opening_do_not_move_the_opening(plan, change_list, more):
    simulation = Simulation(plan)
    for seconds, (_, arrivals, change) in change_list:
        simulation.step(seconds, arrivals, change)
    assert len(simulation.plan) == 1
    assert simulation.plan[0].since == OPENS
    assert admission_plan.admitted_count(simulation.plan, OPENS - 1) == 0
    opened = admission_plan.resume(simulation.plan, OPENS - 1)
    assert admission_plan.admitted_count(opened, OPENS) == opened[0].base + opened[0].wave_size
    with_more = admission_plan.let_in(opened, OPENS - 1, more)
    assert admission_plan.admitted_count(with_more, OPENS) == admission_plan.admitted_count(opened, OPENS) + more


def test_a_room_that_opens_paused_admits_its_first_wave_on_resume():
    paused = admission_plan.pause(admission_plan.initial_plan(OPENS, 5, 30), OPENS - 100)
    assert admission_plan.admitted_count(paused, OPENS + 1_000) == 0
    assert admission_plan.admission_time(paused, 1, OPENS - 50) is None
    assert admission_plan.is_paused(paused, OPENS - 100)
    assert admission_plan.is_paused(paused, OPENS)
    resumed = admission_plan.resume(paused, OPENS + 1_000)
    assert [admission_plan.admission_time(resumed, position, OPENS - 50) for position in (5, 6)] == [OPENS + 1_000, OPENS + 1_030]


@given(st.integers(1, 7), intervals, st.integers(0, 100), sizes, intervals)
def test_a_new_rate_counts_the_time_waited_so_far(size, interval, after, new_size, new_interval):
    plan = admission_plan.initial_plan(OPENS, size, interval)
    now = OPENS + after
    waited = after % interval
    changed = admission_plan.set_rate(plan, now, new_size, new_interval)
    due = now + max(0, new_interval - waited)
    before = admission_plan.admitted_count(plan, now)
    assert admission_plan.admitted_count(changed, due) == before + new_size
    if due > now:
        assert admission_plan.admitted_count(changed, due - 1) == before


@given(plans, change_lists, st.integers(0, 40))
def test_no_more_than_one_wave_piles_up_while_the_queue_is_empty(plan, change_list, total):
    simulation = Simulation(plan)
    for change in change_list:
        simulation.step(*change)
    simulation.settle()
    capped = admission_plan.cap_unused_admissions(simulation.plan, simulation.now, total)
    last = [segment for segment in simulation.plan if segment.since <= simulation.now][-1:]
    if capped is None:
        assert not last or last[0].paused or admission_plan.admitted_count(simulation.plan, simulation.now) <= total + last[0].wave_size
        return
    assert admission_plan.admitted_count(capped, simulation.now) == total + last[0].wave_size
    due = simulation.now + last[0].interval - last[0].seconds_into_interval(simulation.now)  # the waves keep their rhythm
    assert admission_plan.admitted_count(capped, due) - admission_plan.admitted_count(capped, due - 1) == last[0].wave_size
    assert admission_plan.cap_unused_admissions(capped, simulation.now, total) is None


@given(plans, change_lists, st.integers(-2, 60), sizes)
@example(admission_plan.initial_plan(OPENS, 1, 1), [(40, 0, ("resume",)), (0, 0, ("set_rate", 0, 1))], 21, 0)
def test_a_new_size_counts_from_the_next_wave_on(plan, change_list, later, size):
    simulation = Simulation(plan)
    for change in change_list:
        simulation.step(*change)
    plan, now = simulation.plan, max(simulation.now + later, OPENS)
    wave, at = admission_plan.find_next_wave(plan, now), max(now, plan[-1].since)
    if wave is None:
        assert plan[-1].paused
        return
    resized = admission_plan.resize_waves(plan, now, size)
    counts = [admission_plan.admitted_count(resized, second) for second in (at, wave - 1, wave)]
    assert counts == [admission_plan.admitted_count(plan, at)] * 2 + [admission_plan.admitted_count(plan, at) + size]
    # All instances mean the same wave: before it was sized, and after its size was changed also those whose clocks are late.
    for second in range(max(OPENS, now - 2), wave):
        assert second < at or admission_plan.find_next_wave(plan, second) == wave
        assert (second < at and resized == plan) or admission_plan.find_next_wave(resized, second) == wave


@pytest.mark.parametrize("interval", [1, 2, 3, 30])
def test_every_wave_has_its_time_to_be_sized(interval):
    plan = admission_plan.initial_plan(OPENS, 5, interval)
    times = [
        (wave, wave - second)
        for second in range(OPENS, OPENS + 90)
        if admission_plan.is_time_to_size(plan, wave := admission_plan.find_next_wave(plan, second), second)
    ]
    assert {wave for wave, _ in times} == set(range(OPENS + interval, OPENS + 91, interval))
    assert {wait for _, wait in times} == set(range(min(2, interval), min(5, interval) + 1))
    assert admission_plan.find_next_wave(plan, OPENS - 3) is None
    assert admission_plan.find_next_wave(admission_plan.pause(plan, OPENS + 1), OPENS + interval - 1) is None


@given(plans, st.lists(changes(), max_size=25), st.integers(1, 120), st.integers(0, 40))
@effort(max_examples=seeds.examples(300))
def test_a_shortened_plan_is_the_same_for_everybody_with_a_valid_pass(plan, change_list, pass_seconds, later):
    full, short = Simulation(plan), Simulation(plan)
    for change in change_list:
        full.step(*change)
        short.step(*change)
        short.plan = admission_plan.shorten(short.plan, short.now, pass_seconds)
    assert short.plan[-1] == full.plan[-1]
    now = full.settle().now + later
    for old, new in zip(full.admission_times(), short.admission_times(), strict=True):
        seconds_left = [
            pass_seconds - admission_plan.running_seconds(plan, admitted_at, now)
            for plan, admitted_at in ((full.plan, old), (short.plan, new))
            if admitted_at
        ]
        assert (old is None) == (new is None)
        assert old == new or max(seconds_left) <= 0


def test_a_room_whose_rate_changes_for_days_keeps_its_plan_short():
    simulation = Simulation(admission_plan.initial_plan(OPENS, 3, 30))
    for number in range(2_000):
        simulation.step(30, 3, ("set_rate", 1 + number % 5, 30))
        simulation.plan = admission_plan.shorten(simulation.plan, simulation.now, 180)
    assert len(simulation.plan) < 12
    assert admission_plan.shorten(simulation.plan, simulation.now, 180) == simulation.plan


def test_a_room_that_is_open_for_a_week_keeps_its_plan_short():
    """Loaded every few seconds, with an arrival now and then: an unused wave must not add a segment each time."""
    simulation = Simulation(admission_plan.initial_plan(OPENS, 3, 30))
    simulation.now = OPENS
    for second in range(0, 7 * 86_400, 7):
        simulation.step(7, int(second % 1_001 == 0), ("cap_unused_admissions",))
    assert len(simulation.plan) < 10
    assert simulation.admission_times() == simulation.joined


def test_a_request_that_is_older_than_the_last_change_does_not_undo_it():
    """It began a second before the change that it reads: admitted buyers stay admitted, and the segments stay in order."""
    let_in = admission_plan.let_in(admission_plan.initial_plan(OPENS, 5, 30), OPENS + 40, 7)
    for changed in (
        admission_plan.pause(let_in, OPENS + 39),
        admission_plan.set_rate(let_in, OPENS + 39, 1, 60),
        admission_plan.let_in(let_in, OPENS + 39, 0),
    ):
        assert admission_plan.admitted_count(changed, OPENS + 40) == 17
        assert [segment.since for segment in changed] == [OPENS, OPENS + 40, OPENS + 40]
    assert admission_plan.admitted_count(admission_plan.pause(let_in, OPENS - 1), OPENS + 40) == 17
    assert admission_plan.admitted_count(admission_plan.cap_unused_admissions(let_in, OPENS + 39, 4), OPENS + 40) == 9
    capped = admission_plan.cap_unused_admissions(admission_plan.initial_plan(OPENS, 5, 30), OPENS + 90, 0)
    assert (
        admission_plan.admission_time(admission_plan.let_in(capped, OPENS + 89, 0), 6, OPENS) == OPENS + 120
    )  # the next wave is not early
