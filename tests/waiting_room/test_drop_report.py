"""The sale report: the program and the page make the same one from the public documents of the event."""

import json
import random
from datetime import UTC, datetime
from typing import get_args
from unittest.mock import Mock

import msgspec
import pytest
from botocore.exceptions import EndpointConnectionError
from moto.cloudwatch import models as moto_cloudwatch

from chalicelib.catalog import sale_rules, stock_ledger
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, memory, sdk_calls, settings
from chalicelib.waiting_room import admission_plan, verify
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import EntryReason
from tests import builders, invariants, javascript
from tests.addons.waitlist import ballots
from tests.catalog.test_holdbacks import holdback
from tests.catalog.test_stock_ledger import ledger
from tests.simulation.call_log import record_calls
from tests.waiting_room import sale
from tests.waiting_room.test_entry_rules import create_account

SHOP = "https://shop.example/api/v1"
OPENS = 1_900_000_000
EVENT = {"id": "drop", "name": "Drop", "on_sale_at": None, "tiers": []}
PROOF = {"entry": "open", "total": 0, "excluded": {}, "room": 1, "algorithm": "", "commitment": "", "key": "", "entries": None}
ON_AWS = pytest.mark.parametrize("store_engine", ["moto"], indirect=True)  # which has CloudWatch; the local store has no figures
# Each case: the arguments of `makeReport`.
RUN = """
import { createInterface } from "node:readline";
import { makeReport } from "$WEB/src/drop-report.ts";

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(makeReport(...JSON.parse(line))));
"""


@pytest.fixture
def report(api, store, time, monkeypatch, capsys):
    """A function that runs the program on an event of the API. Returns its exit code, the report and the text about faults.

    `forge` changes the documents that the program gets. The page must make the same report.
    """

    def run(event_id, *options, forge=lambda path, document: None):
        loaded = {}

        def load(source):
            path = source.removeprefix(f"{SHOP}/events/{event_id}")
            document = api.get(source.removeprefix(SHOP)).json
            forge(path, document)
            return loaded.setdefault(path, document)

        monkeypatch.setattr(verify, "_load_document", load)
        monkeypatch.setattr(verify.time, "time", lambda: time.now)
        capsys.readouterr()
        code = verify.main(["--report", f"{SHOP}/events/{event_id}", *options])
        printed = capsys.readouterr()
        if code == verify.EXIT_NOT_CHECKED:
            return code, None, printed.err
        made = json.loads(printed.out[printed.out.index('{\n  "format"') :])  # the API logs to standard output too
        pages = [loaded[path] for path in loaded if path.startswith("/stock-ledger")]
        room = [loaded.get(f"/waiting-room/{name}") for name in ("proof", "state")]
        case = [loaded[""], *room, [entry for page in pages for entry in page["entries"]], time.now]
        assert javascript.run_module(RUN, [case]) == [made]
        return code, made, printed.err

    return run


def _follow(event_id, time):
    time.advance(10)
    catalog.follow_sales([event_id], time.now)


def _drop(api, time):
    """A sale of 8 tickets, of which 2 are held back, to 12 people in the draw and a late one. Returns the event and the tier."""
    event_id, tier_id = sale.create_sale(api, time, capacity=8)
    token = builders.admin_token()
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": [holdback(2)]}, token=token).status == 200
    tokens = sale.join_many(api, event_id, 12)
    time.advance(sale.SECONDS_TO_OPENING)
    sale.join(api, event_id, "late")
    first, second = sale.users_by_position(api, event_id, tokens)[:2]
    assert sale.reserve(api, event_id, tier_id, first, tokens[first], 2).status == 201  # and never pays
    _follow(event_id, time)
    reserved = sale.reserve(api, event_id, tier_id, second, tokens[second], 4).json["id"]
    checkout = builders.start_checkout(api, second, reserved, key=reserved).json["id"]
    assert builders.confirm(api, second, checkout).status == 201
    _follow(event_id, time)
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": [holdback(1)]}, token=token).status == 200
    time.advance(600)
    builders.run_sweep()
    _follow(event_id, time)
    return event_id, tier_id


def test_the_report_of_a_drop(api, time, report):
    event_id, tier_id = _drop(api, time)
    code, made, faults = report(event_id)
    assert (code, "all checks passed" in faults) == (0, True), faults
    assert made["entrants"] == {"rule": "open", "drawn": 12, "late": 1, "excluded": {}, "ballot": False}
    proof = api.get(f"/events/{event_id}/waiting-room/proof").json
    assert {name: made["draw"][name] for name in ("commitment", "key", "root")} == {
        "commitment": proof["commitment"],
        "key": proof["key"],
        "root": proof["entries"]["root"],
    }
    turns = {1: 0, 2: 0, 3: 0, 6: 30, 9: 60, 11: 90, 12: 90}
    assert made["waits"] == [{"place": place, "seconds": [wait, wait]} for place, wait in turns.items()]
    counted = {"capacity": 8, "held_back": {"press": 1}, "available": 3, "held": 0, "sold": 4, "returned": 0, "unpaid": 2, "moving": 0}
    assert made["tickets"] == [
        {
            "tier_id": tier_id,
            "name": "Floor",
            "at_opening": {"capacity": 8, "held_back": {"press": 2}},
            "counted": counted,
            "sold_out_seconds": [10, 20],
        }
    ]
    assert [(change["at"], change["kind"], change["cause"]) for change in made["changes_after_opening"]] == [
        (clock.iso(time.now - 610), "change", "manager")
    ]
    late = [120 - 10, 120]  # the turn was after 120 s, and the number was given out between the closing of the draw and the first totals
    assert made["late_waits"] == {"counted": 1, "places": [{"place": 13, "seconds": late}], "p95_seconds": late}
    assert (made["figures"], made["unknown"]) == (None, ["latency", "errors"])
    invariants.check(time.now)


def test_nobody_waits_for_a_turn_in_a_ballot(api, time, report):
    event_id, _ = ballots.create_ballot(api, time)
    ballots.register(api, event_id, "ada", "bob")
    ballots.make_draw(time)
    sale.join(api, event_id, "late")
    _follow(event_id, time)
    code, made, faults = report(event_id)
    assert (code, made["entrants"]) == (0, {"rule": "open", "drawn": 2, "late": 1, "excluded": {}, "ballot": True}), faults
    assert (made["waits"], made["late_waits"], made["unknown"]) == (None, None, ["latency", "errors"])


def test_the_report_of_a_ballot_with_better_odds_counts_entrants_by_their_numbers(api, time, report):
    for user in ("ada", "bob"):
        create_account(user, f"{user}@example.com")
    for _ in range(2):
        event_id, _ = ballots.create_ballot(api, time, capacity=1, entry="account", better_odds=True)
        ballots.register(api, event_id, "ada", "bob")
        ballots.draw(api, time, "ada", "bob")
    _follow(event_id, time)
    code, made, faults = report(event_id)
    assert (code, made["entrants"]["drawn"], made["entrants"]["by_weight"]) == (0, 3, [1, 1, 0, 0, 0]), faults


def test_waits_of_late_arrivals_are_between_two_totals(api, time, report):
    with settings.override(waiting_room_counters=2):
        event_id, tier_id = sale.create_sale(api, time)
        sale.join(api, event_id, "first")
        time.advance(sale.SECONDS_TO_OPENING)
        sale.get_status(api, event_id, sale.join(api, event_id, "second"))
    for number in range(3):
        time.advance(60)
        token = sale.join(api, event_id, f"late{number}")
        time.advance(30)
        assert sale.reserve(api, event_id, tier_id, f"late{number}", token).status == 201
        _follow(event_id, time)
    code, made, faults = report(event_id)
    assert (code, made["late_waits"]["counted"], made["unknown"]) == (0, 4, ["latency", "errors"]), faults
    assert all(0 <= seconds[0] <= 30 <= seconds[1] + 30 for seconds in (wait["seconds"] for wait in made["late_waits"]["places"]))
    invariants.check(time.now)


def test_nobody_knows_when_people_joined_whom_the_ledger_does_not_count(api, time, report):
    event_id, _ = sale.create_sale(api, time)
    sale.join(api, event_id, "early")
    time.advance(sale.SECONDS_TO_OPENING)
    sale.join(api, event_id, "late")
    time.advance(2)
    made = report(event_id)[1]
    assert (made["late_waits"], "waits_of_late_arrivals" in made["unknown"]) == (None, True)


def test_a_room_that_was_reset_has_late_arrivals_of_its_own(api, time, report):
    event_id, _ = _drop(api, time)
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    time.advance(1)
    sale.join(api, event_id, "new")
    code, made, faults = report(event_id)
    assert (code, made["late_waits"]) == (0, None), faults
    sale.join(api, event_id, "late-again")
    time.advance(2)
    stock_ledger.record_totals([event_id])
    code, made, faults = report(event_id)
    assert (code, ledger(api, event_id)[-1]["late"]["room"], made["late_waits"]["counted"]) == (0, 2, made["entrants"]["late"]), faults


def test_totals_read_the_late_counters_in_one_call(api, time):
    event_id, _ = _drop(api, time)
    sale.join(api, event_id, "another")
    with record_calls() as calls:
        stock_ledger.record_totals([event_id])
    [call] = [call for call in calls.entries if any("waiting-room" in table for table in call.tables)]
    assert (call.operation, call.round_trips) == ("BatchGetItem", 1)
    assert ledger(api, event_id)[-1]["late"]["counts"] == [2]


def test_turns_that_have_not_come_have_no_wait(api, time, report):
    event_id, _ = sale.create_sale(api, time)
    sale.join_many(api, event_id, 12)
    time.advance(sale.SECONDS_TO_OPENING + 30)
    sale.join(api, event_id, "late")
    waits = {wait["place"]: wait["seconds"] for wait in report(event_id)[1]["waits"]}
    assert (waits[6], waits[9]) == ([30, 30], None)


def test_there_is_no_report_before_the_opening(api, time, report):
    event_id, _ = sale.create_sale(api, time)
    code, _, reason = report(event_id)
    assert (code, "the sale has not opened yet" in reason) == (2, True), reason


def test_an_event_without_a_waiting_room_has_no_draw(api, time, report):
    event_id = builders.create_event(api)
    tier_id = builders.create_tier(api, event_id, capacity=2)
    builders.buy(api, "ada", event_id, tier_id, 2)
    _follow(event_id, time)
    code, made, faults = report(event_id)
    assert (code, made["entrants"], made["draw"], made["waits"]) == (0, None, None, None), faults
    assert made["tickets"][0]["sold_out_seconds"] == [0, 10]


def test_what_an_older_ledger_does_not_count_is_unknown(api, time, report):
    """Such a ledger has the right hashes; here, the program finds the changed entries."""
    event_id, _ = _drop(api, time)

    def forge(path, document):
        for line in document["entries"][-1]["lines"] if path.startswith("/stock-ledger") else []:
            line.pop("unpaid", None)

    assert "unpaid" in report(event_id, forge=forge)[1]["unknown"]


def _fewer_late(path, document):
    for entry in document["entries"][-1:] if path.startswith("/stock-ledger") else []:
        entry["late"]["counts"] = [0]


def _sell_more(path, document):
    if path.startswith("/stock-ledger"):
        document["entries"][-1]["lines"][0]["sold"] += 1


def _another_plan(path, document):
    if path == "/waiting-room/state":
        document["commitment"] = "00" * 32


def _another_event(path, document):
    if path.startswith("/waiting-room/"):
        document["event_id"] = "another"


def _without_beginning(path, document):
    if path.startswith("/stock-ledger"):
        del document["entries"][0]


@pytest.mark.parametrize(
    ("forge", "fault"),
    [
        (_sell_more, "the numbers add up to"),
        (_fewer_late, "fewer late arrivals than in an earlier entry"),
        (_another_plan, "belongs to another draw"),
        (_another_event, "belongs to the event another"),
        (_without_beginning, "begins with entry 2"),
    ],
)
def test_faults_of_the_documents_are_printed_apart_from_the_report(api, time, report, forge, fault):
    event_id, _ = _drop(api, time)
    code, _, faults = report(event_id, forge=forge)
    assert (code, fault in faults) == (1, True), faults


def test_a_page_with_another_number_does_not_hide_what_is_before_it(api, time, report):
    event_id, _ = _drop(api, time)

    def forge(path, document):
        _without_beginning(path, document)
        document |= {"page": 1, "pages": 2} if path.startswith("/stock-ledger") else {}

    code, _, reason = report(event_id, forge=forge)
    assert (code, "this is not page 0 of a stock ledger" in reason) == (2, True), reason


def test_what_was_not_checked_is_printed_apart_from_the_report(api, time, report):
    event_id, _ = _drop(api, time)
    text = report(event_id)[2]
    assert ("NOT CHECKED" in text, "all checks passed, but some were not made" in text) == (True, True), text


def test_the_ledger_of_another_event_is_a_fault(api, time, report):
    event_id, _ = _drop(api, time)
    other_id = builders.create_event(api, "Other")
    builders.create_tier(api, other_id)

    def forge(path, document):
        if path.startswith("/stock-ledger"):
            document.update(api.get(f"/events/{other_id}{path}").json)

    code, _, faults = report(event_id, forge=forge)
    assert (code, f"belongs to the event {other_id}" in faults) == (1, True), faults


def test_options_compare_the_report_with_what_somebody_noted(api, time, report):
    event_id, _ = _drop(api, time)
    for option, value in (("--commitment", "00" * 32), ("--root", "00" * 32), ("--key", "00" * 32)):
        code, _, faults = report(event_id, option, value)
        assert (code, "that you noted" in faults) == (1, True), (option, faults)


def _random_plan(rng):
    """A plan after pauses, changes of its rate and people let in at once, and the same plan as the shop may have shortened it."""
    plan, at = admission_plan.initial_plan(OPENS, rng.randrange(1, 9), rng.randrange(5, 60)), OPENS
    for _ in range(rng.randrange(6)):
        at += rng.randrange(1, 200)
        change = rng.choice(["pause", "resume", "rate", "let_in"])
        if change == "rate":
            plan = admission_plan.set_rate(plan, at, rng.randrange(1, 9), rng.randrange(5, 60))
        elif change == "let_in":
            plan = admission_plan.let_in(plan, at, rng.randrange(1, 30))
        else:
            plan = getattr(admission_plan, change)(plan, at)
    return plan, admission_plan.shorten(plan, at + rng.randrange(400), 60)


def _encode(plan: list[Segment]) -> list[dict]:
    return msgspec.to_builtins(plan)


def test_waits_agree_with_the_plan_and_old_ones_say_between_which_times():
    rng = random.Random(4)
    cases, expected = [], []
    for _ in range(2_000):
        (plan, shown), n, now = _random_plan(rng), rng.randrange(300), OPENS + rng.randrange(3_000)
        waits = verify._waits(_encode(shown), n, now)
        for place, seconds in ((wait["place"], wait["seconds"]) for wait in waits):
            turn = admission_plan.admission_time(plan, place, 0)
            if seconds is not None:
                assert turn is not None
                assert seconds[0] <= turn - OPENS <= seconds[1]
            elif len(shown) > 1 or shown[0].wave_size:
                assert turn is None or turn > now or shown[1].since > now
        cases.append((shown, n, now))
        expected.append(waits)
    assert any(wait["seconds"] and wait["seconds"][0] < wait["seconds"][1] for waits in expected for wait in waits)
    arguments = [[EVENT, PROOF | {"n": n}, {"segments": _encode(shown)}, [], now] for shown, n, now in cases]
    assert javascript.run_module(RUN, arguments) == [verify.make_report(*given) for given in arguments]


def _random_late_sale(rng):
    """A sale with several late counters, and what its ledger counts. Returns its plan, n, the time, the entries and who joined when."""
    n, counters, size = rng.randrange(40), rng.randrange(1, 4), rng.randrange(1, 6)
    given, joined = [0] * counters, dict[int, int]()
    for at in sorted(rng.randrange(OPENS - 60, OPENS + 1_500) for _ in range(rng.randrange(60))):
        counter = rng.choice([number for number in range(counters) if given[number] < min(given) + 2])
        joined[n + given[counter] * counters + counter + 1] = at
        given[counter] += 1
    entries, read_at = [], OPENS
    while read_at < OPENS + 1_800:
        read_at += rng.randrange(3, 120)
        counts = [0] * counters
        for place, at in joined.items():
            counts[(place - n - 1) % counters] += at <= read_at
        late = {"room": 1, "closed_at": clock.iso(OPENS - 60), "counts": counts}
        times = {"counted_from": clock.iso(read_at - rng.randrange(2)), "at": clock.iso(read_at + rng.randrange(2))}
        entries.append({"number": len(entries) + 1, "kind": "totals", "lines": [], "late": late} | times)
    plan, at = admission_plan.initial_plan(OPENS, size, rng.randrange(5, 90)), OPENS
    for _ in range(rng.randrange(5)):
        at += rng.randrange(1, 400)
        change, last = rng.choice(["pause", "resume", "rate", "cap"]), max((p for p, then in joined.items() if then <= at), default=n)
        if change == "rate":
            plan = admission_plan.set_rate(plan, at, rng.randrange(1, 6), rng.randrange(5, 90))
        elif change == "cap":
            plan = admission_plan.cap_unused_admissions(plan, at, max(n, last)) or plan
        else:
            plan = getattr(admission_plan, change)(plan, at)
    now = max(at, OPENS + rng.randrange(2_500))
    return plan, admission_plan.shorten(plan, at + rng.randrange(400), 60), n, now, entries, joined


def test_waits_of_late_arrivals_enclose_the_truth():
    """Both programs say the same of random sales, whose plans and counters the program does not see whole."""
    rng, arguments, enclosed, exact = random.Random(5), [], 0, 0
    for _ in range(1_000):
        plan, shown, n, now, entries, joined = _random_late_sale(rng)
        proof = PROOF | {"n": n, "total": n + len(joined)}
        arguments.append([EVENT, proof, {"segments": _encode(shown)}, [entry for entry in entries if entry["at"] <= clock.iso(now)], now])
        found = verify.make_report(*arguments[-1])["late_waits"]
        for wait in found["places"] if found else []:
            place, seconds = wait["place"], wait["seconds"]
            turn = admission_plan.admission_time(plan, place, joined[place])
            if seconds is not None:
                assert turn is not None
                assert seconds[0] <= turn - joined[place] <= seconds[1]
                enclosed, exact = enclosed + 1, exact + (seconds[1] - seconds[0] < 120)
        if found and found["p95_seconds"]:
            places = [place for place in verify._places(max(joined) - n, range(1, 101)) if n + place in joined]
            turns = [(admission_plan.admission_time(plan, n + place, joined[n + place]), joined[n + place]) for place in places]
            if all(turn is not None for turn, _ in turns) and max(joined.values()) < OPENS + 1_500 < now - 300:
                true = sorted(turn - at for turn, at in turns)[-(-95 * len(turns) // 100) - 1]
                assert found["p95_seconds"][0] <= true <= found["p95_seconds"][1]
    assert min(enclosed, exact) > 500
    assert javascript.run_module(RUN, arguments) == [verify.make_report(*given) for given in arguments]


@pytest.fixture
def measure(store, monkeypatch):
    """A function that lets API Gateway measure requests: `measure(at, [milliseconds of each], errors)`. moto has no percentiles."""

    def percentile(statistics, name):
        values = sorted(statistics.metric_single_values_list)
        return values[-(-int(name[1:]) * len(values) // 100) - 1] if name.startswith("p") else original(statistics, name)

    original = moto_cloudwatch.Statistics.get_statistics_for_type
    monkeypatch.setattr(moto_cloudwatch.Statistics, "get_statistics_for_type", percentile)
    client = sdk_calls._client(settings.current().region)
    dimensions = [{"Name": "ApiName", "Value": f"fairgate-{settings.current().stage}"}, {"Name": "Stage", "Value": "api"}]

    def run(at, milliseconds, errors=0):
        values = [("Latency", value) for value in milliseconds] + [("Count", len(milliseconds)), ("5XXError", errors)]
        data = [{"MetricName": name, "Dimensions": dimensions, "Timestamp": at, "Value": value} for name, value in values]
        client.put_metric_data(Namespace="AWS/ApiGateway", MetricData=data)

    return run


def _figures(api, event_id):
    return [entry["figures"] for entry in ledger(api, event_id) if entry["kind"] == "figures"]


def _drop_with_traffic(api, time, measure):
    """A drop of 7 people whose line empties a minute after the opening. Returns the event and the time of the opening."""
    event_id, _ = sale.create_sale(api, time)
    sale.join_many(api, event_id, 7)
    time.advance(sale.SECONDS_TO_OPENING)
    sale.join(api, event_id, "late")
    opened_at = int(time.now)
    measure(opened_at, [10, 20, 400])
    measure(opened_at + 130, [30], errors=1)
    return event_id, opened_at


@ON_AWS
@pytest.mark.not_on_moto
def test_figures_of_the_stage_are_added_once_after_a_drop(api, time, measure, report, monkeypatch):
    event_id, opened_at = _drop_with_traffic(api, time, measure)
    for seconds in (30, 60, 13 * 60):
        time.advance(seconds)
        assert builders.run_sweep()["figures_recorded"] == 0
    time.advance(60)
    assert builders.run_sweep()["figures_recorded"] == 1
    monkeypatch.setattr(sdk_calls, "read_metrics", Mock(side_effect=AssertionError))  # the figures are read once
    for seconds in (60, 400, 400):
        time.advance(seconds)
        assert builders.run_sweep()["figures_recorded"] == 0
    memory.forget_everything()  # as another instance
    for seconds in (60, 400):
        time.advance(seconds)
        assert builders.run_sweep()["figures_recorded"] == 0
    [figures] = _figures(api, event_id)
    since = opened_at - opened_at % 60
    assert {name: figures[name] for name in ("room", "since", "bucket_seconds")} == {
        "room": 1,
        "since": clock.iso(since),
        "bucket_seconds": 60,
    }
    assert figures["buckets"][:4] == [
        {"requests": 3, "p50_ms": 20, "p95_ms": 400},
        {"requests": 0},
        {"requests": 1, "errors": 1, "p50_ms": 30, "p95_ms": 30},
        {"requests": 0},
    ]
    assert figures["until"] == clock.iso(since + 60 * len(figures["buckets"]))
    code, made, faults = report(event_id)
    assert (code, made["unknown"], made["changes_after_opening"]) == (0, [], []), faults
    assert (made["figures"]["requests"], made["figures"]["errors"], made["figures"]["limits"]) == (4, 1, list(verify.FIGURES_LIMITS))
    invariants.check(time.now)


@ON_AWS
@pytest.mark.not_on_moto
def test_a_drop_whose_figures_fail_does_not_keep_another_from_having_them(api, time, measure, monkeypatch):
    drops = [_drop_with_traffic(api, time, measure)[0] for _ in range(2)]
    read = sale_rules.read_line

    def fail(event, now):
        if event.id == failing:
            raise dynamo.StoreUnavailable("broken")
        return read(event, now)

    failing = min(drops)
    monkeypatch.setattr(sale_rules, "read_line", fail)
    for seconds in (30, 60, 14 * 60, 60):
        time.advance(seconds)
        builders.run_sweep()
    assert [len(_figures(api, event_id)) for event_id in sorted(drops)] == [0, 1]


@ON_AWS
@pytest.mark.not_on_moto
def test_two_sweeps_at_once_add_figures_once(api, time, measure, monkeypatch):
    event_id, _ = _drop_with_traffic(api, time, measure)
    read, others = stock_ledger._read_figures, [1]

    def read_while_another_sweep_runs(*arguments):
        if others:
            others.pop()
            assert stock_ledger.record_figures(int(time.now)) == 1
        return read(*arguments)

    monkeypatch.setattr(stock_ledger, "_read_figures", read_while_another_sweep_runs)
    time.advance(60)
    builders.run_sweep()
    time.advance(1_000)
    assert builders.run_sweep()["figures_recorded"] == 0
    assert len(_figures(api, event_id)) == 1
    invariants.check(time.now)


@ON_AWS
@pytest.mark.not_on_moto
def test_without_cloudwatch_everything_else_is_done_and_figures_follow(api, time, measure, monkeypatch):
    event_id, _ = _drop_with_traffic(api, time, measure)
    time.advance(60)
    builders.run_sweep()
    time.advance(1_000)
    with monkeypatch.context() as patch:
        patch.setattr(sdk_calls, "read_metrics", Mock(side_effect=EndpointConnectionError(endpoint_url="https://monitoring")))
        done = builders.run_sweep()
        assert (done["figures_recorded"], done["finished"]) == (None, True)
    time.advance(60)
    assert builders.run_sweep()["figures_recorded"] == 1
    assert len(_figures(api, event_id)) == 1


@ON_AWS
@pytest.mark.not_on_moto
def test_a_line_that_never_empties_is_measured_for_72_hours(api, time, measure):
    event_id, opened_at = _drop_with_traffic(api, time, measure)
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    time.advance(stock_ledger.MAX_MEASURED_SECONDS)
    measure(int(time.now) - 60, [50])
    builders.run_sweep()
    assert _figures(api, event_id) == []  # CloudWatch may not have the last minutes
    time.advance(stock_ledger.SETTLING_SECONDS)
    builders.run_sweep()
    [figures] = _figures(api, event_id)
    assert figures["until"] == clock.iso(opened_at - opened_at % 60 + stock_ledger.MAX_MEASURED_SECONDS + 60)
    assert 30 < len(figures["buckets"]) <= stock_ledger.MAX_BUCKETS
    assert sum(bucket["requests"] for bucket in figures["buckets"]) == 5


@ON_AWS
@pytest.mark.not_on_moto
def test_a_waiting_room_that_nobody_joined_has_no_figures(api, time, measure):
    event_id, _ = sale.create_sale(api, time)
    time.advance(sale.SECONDS_TO_OPENING)
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 200
    measure(int(time.now), [10])
    for _ in range(3):
        time.advance(1_200)
        assert builders.run_sweep()["figures_recorded"] == 0


@ON_AWS
@pytest.mark.not_on_moto
def test_only_whole_figures_are_added(api, time, measure, monkeypatch):
    event_id, opened_at = _drop_with_traffic(api, time, measure)
    time.advance(60)
    builders.run_sweep()
    time.advance(1_000)
    opened = datetime.fromtimestamp(opened_at - opened_at % 60, UTC)
    client = sdk_calls._client(settings.current().region)
    partial = {"MetricDataResults": [{"Id": "requests", "StatusCode": "PartialData", "Timestamps": [opened], "Values": [1.0]}]}
    with monkeypatch.context() as patch:
        patch.setattr(client, "get_metric_data", lambda **_: partial)
        assert builders.run_sweep()["figures_recorded"] == 0
    time.advance(60)
    assert builders.run_sweep()["figures_recorded"] == 1
    assert _figures(api, event_id)[0]["buckets"][0]["requests"] == 3


def test_a_local_stage_is_not_measured(api, time, report):
    event_id, _ = _drop(api, time)
    time.advance(2_000)
    assert builders.run_sweep()["figures_recorded"] == 0
    assert _figures(api, event_id) == []


NAMES = """
for (const language of ["en", "es"])
  for (const part of ["report", "draw"]) {
    const texts = (await import(`$WEB/src/texts/${language}-${part}.ts`))[`${part}Texts`];
    console.log(JSON.stringify(Object.keys(texts.excluded)));
  }
"""


def test_the_pages_name_every_reason_for_which_people_got_no_place():
    assert list(map(set, javascript.run_module(NAMES, []))) == 4 * [set(get_args(EntryReason))]
