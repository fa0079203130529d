"""Admission as a function of time, against a second-by-second model and random histories of what admins do to it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from chalicelib.waiting_room import admission_plan
from chalicelib.waiting_room.admission_plan import Segment

OPENS = 1_000
HORIZON = 400  # seconds that the model looks ahead

sizes = st.integers(0, 7)
intervals = st.integers(1, 20)
plans = st.builds(admission_plan.initial_plan, st.just(OPENS), st.integers(1, 7), intervals)


@st.composite
def changes(draw):
    """(seconds until it, arrivals until it, what to do). A request may be a little older than the change before it."""
    move = draw(
        st.one_of(
            st.just(("pause",)),
            st.just(("resume",)),
            st.tuples(st.just("set_rate"), sizes, intervals),
            st.tuples(st.just("let_in"), st.integers(1, 10)),
            st.tuples(st.just("follow_stock"), sizes),
            st.just(("cap_unused_admissions",)),
        )
    )
    return draw(st.integers(-2, 40)), draw(st.integers(0, 10)), move


@dataclass
class Story:
    """A room that lives: its plan, the time, and everybody who joined with the second of their joining; position = index + 1."""

    plan: list[Segment]
    now: int = OPENS - 60
    joined: list[int] = field(default_factory=list)

    def step(self, seconds, arrivals, move):
        self.now += seconds
        self.joined += [self.now] * arrivals
        name, *arguments = move
        if name == "cap_unused_admissions":
            arguments = [len(self.joined)]
        self.plan = getattr(admission_plan, name)(self.plan, self.now, *arguments) or self.plan

    def settle(self):
        """To a time that nothing that was done is later than."""
        self.now = max(self.now, self.plan[-1].since)
        return self

    def admitted_at(self):
        return [admission_plan.admitted_at(self.plan, number + 1, joined) for number, joined in enumerate(self.joined)]


histories = st.lists(changes(), max_size=14)


def first_second(plan, position, joined, until):
    """The model: look at every second. None if it is not until then."""
    return next((second for second in range(joined, until) if admission_plan.admitted_count(plan, second) >= position), None)


@pytest.mark.no_cover
@given(plans, histories, st.integers(1, 60), st.integers(-80, 300))
@effort(max_examples=300, deadline=None)
def test_the_moment_of_admission_is_the_first_second_that_admits(plan, history, position, joined):
    story = Story(plan)
    for change in history:
        story.step(*change)
    joined += OPENS
    until = max(joined, story.now) + HORIZON
    moment = admission_plan.admitted_at(story.plan, position, joined)
    assert (moment if moment is not None and moment < until else None) == first_second(story.plan, position, joined, until)


@pytest.mark.no_cover
@given(plans, histories)
@effort(max_examples=500, deadline=None)
def test_nobody_is_sent_back_by_whatever_is_done(plan, history):
    story = Story(plan)
    for change in history:
        before = Story(story.plan, story.now, list(story.joined))
        story.step(*change)
        for old, new in zip(before.admitted_at(), story.admitted_at(), strict=False):
            if old is not None and old <= story.now:
                assert new == old, change
            else:
                assert new is None or new >= story.now, change
    assert [segment.since for segment in story.plan] == sorted(segment.since for segment in story.plan)
    story.settle()  # before it, a cap of a second later has taken back admissions that nobody had used
    total = len(story.joined)
    admitted = [min(total, admission_plan.admitted_count(story.plan, second)) for second in range(story.now, story.now + 60)]
    assert admitted == sorted(admitted)


@pytest.mark.no_cover
@given(plans, histories)
@effort(max_examples=300, deadline=None)
def test_a_change_admits_nobody_by_itself_but_who_is_let_in(plan, history):
    story = Story(plan)
    for seconds, arrivals, (name, *arguments) in history:
        seconds = abs(seconds)
        before = admission_plan.admitted_count(story.plan, story.now + seconds)
        story.step(seconds, arrivals, (name, *arguments))
        admits = admission_plan.admitted_count(story.plan, story.now) - before
        if name == "let_in":
            assert admits == (arguments[0] if story.now >= OPENS else 0)
        elif name == "cap_unused_admissions":
            assert admits <= 0
        elif name in ("set_rate", "resume"):  # the wait that had passed may be enough now
            assert admits in (0, story.plan[-1].wave_size)
        else:
            assert admits == 0


@pytest.mark.no_cover
@given(plans, histories, st.integers(0, 100), st.integers(1, 500), st.integers(1, 60), st.integers(10, 200))
@effort(max_examples=300, deadline=None)
def test_a_pause_costs_nobody_any_wait_or_pass_time(plan, history, until, length, position, pass_seconds):
    story = Story(plan)
    for change in history:
        story.step(*change)
    story.settle()
    running = admission_plan.resume(story.plan, story.now)
    begins = story.now + until
    ends = begins + length
    paused = admission_plan.resume(admission_plan.pause(running, begins), ends)
    moment, later = (admission_plan.admitted_at(one, position, OPENS - 1) for one in (running, paused))
    if moment is None:
        assert later is None
    elif moment <= begins:
        assert later == moment
    else:
        assert later == moment + length
    if moment is not None:
        for second in range(0, 300, 7):
            left = admission_plan.running_seconds(running, moment, begins + second)
            assert admission_plan.running_seconds(paused, later, ends + second) == left
        assert admission_plan.running_seconds(paused, begins, ends) == 0


@pytest.mark.no_cover
@given(plans, st.lists(st.tuples(st.integers(0, 5), changes()), max_size=8), st.integers(0, 10))
def test_what_is_done_before_the_opening_changes_the_plan_and_not_its_time(plan, history, more):
    story = Story(plan)
    for gap, (_, arrivals, move) in history:
        story.step(gap, arrivals, move)
    assert len(story.plan) == 1
    assert story.plan[0].since == OPENS
    assert admission_plan.admitted_count(story.plan, OPENS - 1) == 0
    opened = admission_plan.resume(story.plan, OPENS - 1)
    assert admission_plan.admitted_count(opened, OPENS) == opened[0].base + opened[0].wave_size
    let = admission_plan.let_in(opened, OPENS - 1, more)
    assert admission_plan.admitted_count(let, OPENS) == admission_plan.admitted_count(opened, OPENS) + more


def test_a_room_that_opens_paused_lets_its_first_wave_in_when_it_goes_on():
    paused = admission_plan.pause(admission_plan.initial_plan(OPENS, 5, 30), OPENS - 100)
    assert admission_plan.admitted_count(paused, OPENS + 1_000) == 0
    assert admission_plan.admitted_at(paused, 1, OPENS - 50) is None
    assert admission_plan.is_paused(paused, OPENS - 100)
    assert admission_plan.is_paused(paused, OPENS)
    going = admission_plan.resume(paused, OPENS + 1_000)
    assert [admission_plan.admitted_at(going, position, OPENS - 50) for position in (5, 6)] == [OPENS + 1_000, OPENS + 1_030]


@pytest.mark.no_cover
@given(st.integers(1, 7), intervals, st.integers(0, 100), sizes, intervals)
def test_another_rate_counts_the_wait_so_far(size, interval, after, new_size, new_interval):
    plan = admission_plan.initial_plan(OPENS, size, interval)
    now = OPENS + after
    waited = after % interval
    changed = admission_plan.set_rate(plan, now, new_size, new_interval)
    due = now + max(0, new_interval - waited)
    before = admission_plan.admitted_count(plan, now)
    assert admission_plan.admitted_count(changed, due) == before + new_size
    if due > now:
        assert admission_plan.admitted_count(changed, due - 1) == before


@pytest.mark.no_cover
@given(plans, histories, st.integers(0, 40))
def test_no_more_than_a_wave_piles_up_behind_an_empty_line(plan, history, total):
    story = Story(plan)
    for change in history:
        story.step(*change)
    story.settle()
    capped = admission_plan.cap_unused_admissions(story.plan, story.now, total)
    latest = [segment for segment in story.plan if segment.since <= story.now][-1:]
    if capped is None:
        assert not latest or latest[0].paused or admission_plan.admitted_count(story.plan, story.now) <= total + latest[0].wave_size
        return
    assert admission_plan.admitted_count(capped, story.now) == total + latest[0].wave_size
    due = story.now + latest[0].interval - latest[0].phase(story.now)  # the waves keep their rhythm
    assert admission_plan.admitted_count(capped, due) - admission_plan.admitted_count(capped, due - 1) == latest[0].wave_size
    assert admission_plan.cap_unused_admissions(capped, story.now, total) is None


@pytest.mark.no_cover
@given(plans, st.integers(0, 100), sizes)
def test_a_wave_that_follows_the_shop_changes_at_the_gate(plan, after, target):
    now, (first,) = OPENS + after, plan
    changed = admission_plan.follow_stock(plan, now, target)
    wait = first.interval - after % first.interval
    if target == first.wave_size or (wait > admission_plan.RESIZE_WINDOW_SECONDS and target > 0):
        assert changed is None
    else:
        assert admission_plan.admitted_count(changed, now + wait) == admission_plan.admitted_count(plan, now) + target
        assert admission_plan.admitted_count(changed, now) == admission_plan.admitted_count(plan, now)


@pytest.mark.no_cover
@given(plans, st.lists(changes(), max_size=25), st.integers(1, 120), st.integers(0, 40))
@effort(max_examples=300, deadline=None)
def test_a_shortened_plan_says_the_same_about_everybody_who_is_not_over(plan, history, pass_seconds, later):
    full, short = Story(plan), Story(plan)
    for change in history:
        full.step(*change)
        short.step(*change)
        short.plan = admission_plan.shorten(short.plan, short.now, pass_seconds)
    assert short.plan[-1] == full.plan[-1]
    now = full.settle().now + later
    for old, new in zip(full.admitted_at(), short.admitted_at(), strict=True):
        left = [
            pass_seconds - admission_plan.running_seconds(one, moment, now)
            for one, moment in ((full.plan, old), (short.plan, new))
            if moment
        ]
        assert (old is None) == (new is None)
        assert old == new or max(left) <= 0


def test_a_room_that_is_steered_for_days_keeps_its_plan_short():
    story = Story(admission_plan.initial_plan(OPENS, 3, 30))
    for number in range(2_000):
        story.step(30, 3, ("set_rate", 1 + number % 5, 30))
        story.plan = admission_plan.shorten(story.plan, story.now, 180)
    assert len(story.plan) < 12
    assert admission_plan.shorten(story.plan, story.now, 180) == story.plan


@pytest.mark.no_cover
def test_a_room_that_stands_open_for_a_week_keeps_its_plan_short():
    """Looked at every second or so, with somebody now and then: an empty line is no reason to write down every wave."""
    story = Story(admission_plan.initial_plan(OPENS, 3, 30))
    story.now = OPENS
    for second in range(0, 7 * 86_400, 7):
        story.step(7, int(second % 1_001 == 0), ("cap_unused_admissions",))
    assert len(story.plan) < 10
    assert story.admitted_at() == story.joined


def test_a_request_that_is_older_than_the_last_change_undoes_nothing():
    """It began in the second before, and read the plan after: what was let in stays in, and no segment lies out of order."""
    let = admission_plan.let_in(admission_plan.initial_plan(OPENS, 5, 30), OPENS + 40, 7)
    for changed in (
        admission_plan.pause(let, OPENS + 39),
        admission_plan.set_rate(let, OPENS + 39, 1, 60),
        admission_plan.let_in(let, OPENS + 39, 0),
    ):
        assert admission_plan.admitted_count(changed, OPENS + 40) == 17
        assert [segment.since for segment in changed] == [OPENS, OPENS + 40, OPENS + 40]
    assert admission_plan.admitted_count(admission_plan.pause(let, OPENS - 1), OPENS + 40) == 17
    assert admission_plan.admitted_count(admission_plan.cap_unused_admissions(let, OPENS + 39, 4), OPENS + 40) == 9
    assert admission_plan.follow_stock(admission_plan.follow_stock(let, OPENS + 39, 0), OPENS + 39, 0) is None
