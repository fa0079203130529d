"""The report of a sale: the program and the page make the same one from the public documents of the event."""

import json
import random
from typing import get_args

import msgspec
import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.waiting_room import admission_plan, verify
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import EntryReason
from tests import builders, invariants, javascript
from tests.catalog.test_holdbacks import holdback
from tests.waiting_room import sale

SHOP = "https://shop.example/api/v1"
OPENS = 1_900_000_000
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
    assert made["entrants"] == {"rule": "open", "drawn": 12, "late": 1, "excluded": {}}
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
    assert made["unknown"] == ["latency", "errors", "waits_of_late_arrivals"]
    invariants.check(time.now)


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
    event = {"id": "drop", "name": "Drop", "on_sale_at": None, "tiers": []}
    proof = {"entry": "open", "total": 0, "excluded": {}, "room": 1, "algorithm": "", "commitment": "", "key": "", "entries": None}
    arguments = [[event, proof | {"n": n}, {"segments": _encode(shown)}, [], now] for shown, n, now in cases]
    assert javascript.run_module(RUN, arguments) == [verify.make_report(*given) for given in arguments]


NAMES = """
for (const language of ["en", "es"])
  for (const part of ["report", "draw"]) {
    const texts = (await import(`$WEB/src/texts/${language}-${part}.ts`))[`${part}Texts`];
    console.log(JSON.stringify(Object.keys(texts.excluded)));
  }
"""


def test_the_pages_name_every_reason_for_which_people_got_no_place():
    assert list(map(set, javascript.run_module(NAMES, []))) == 4 * [set(get_args(EntryReason))]
