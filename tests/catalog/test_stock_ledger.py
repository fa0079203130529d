"""The public chain of an event's capacities, holdbacks and totals, and the program that checks it."""

import json
from itertools import product

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.bootstrap_file import plan, rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.catalog import stock_ledger
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, secret_settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.capacity import resize_stock
from chalicelib.waiting_room import verify
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.catalog.test_holdbacks import create_pooled, hold_back, holdback
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store", "time")


def ledger(api, event_id: str) -> list[dict]:
    """All entries, as the public gets them."""
    page = api.get(f"/events/{event_id}/stock-ledger").json
    found = [*page["entries"]]
    for number in range(1, page["pages"]):
        found += api.get(f"/events/{event_id}/stock-ledger?page={number}").json["entries"]
    return found


def changes(api, event_id: str) -> list[tuple]:
    """The cause of each entry that is not about totals, with what its first line says."""
    entries = [entry for entry in ledger(api, event_id) if entry["kind"] != "totals"]
    lines = [entry["lines"][0] for entry in entries]
    return [(entry.get("cause"), line.get("capacity"), line.get("held_back", {})) for entry, line in zip(entries, lines, strict=True)]


def totals(api, event_id: str) -> list[dict]:
    """The lines of the last entry, without what they say about holdbacks."""
    last = ledger(api, event_id)[-1]
    assert last["kind"] == "totals"
    return [{name: line[name] for name in line if name not in ("tier_id", "held_back")} for line in last["lines"]]


def test_each_change_of_a_capacity_or_a_holdback_is_an_entry_with_its_reason(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3)])
    hold_back(api, tier_id, holdback(3), holdback(2, "band", reason="artist", label="The band's families"))
    time.advance(5)
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 12}, **promoter()).status == 200
    hold_back(api, tier_id, holdback(1), holdback(2, "band", reason="artist"))
    assert api.patch(f"/tiers/{tier_id}", json={"name": "Stalls"}, **promoter()).status == 200
    assert changes(api, event_id) == [
        ("manager", 10, {"press": 3}),
        ("manager", 10, {"press": 3, "artist": 2}),
        ("manager", 12, {"press": 3, "artist": 2}),
        ("manager", 12, {"press": 1, "artist": 2}),
    ]
    assert [entry["at"] for entry in ledger(api, event_id)] == [clock.iso(time.now - 5)] * 2 + [clock.iso(time.now)] * 2
    assert "families" not in json.dumps(ledger(api, event_id))
    invariants.check(time.now)


def test_a_ledger_begins_with_the_publication(api, time):
    draft = create_draft(api)["id"]
    tier_id = create_kind(api, draft)["id"]
    hold_back(api, tier_id, holdback(2))
    assert api.get(f"/events/{draft}/stock-ledger").status == 404
    assert stock_ledger.find_last(draft) is None
    for state in ("publish", "unpublish"):
        assert api.post(f"/events/{draft}/{state}", **promoter()).status == 200
    hold_back(api, tier_id, holdback(4))
    assert api.post(f"/events/{draft}/publish", **promoter()).status == 200
    assert changes(api, draft) == [("manager", 10, {"press": 2}), ("manager", 10, {"press": 4})]
    invariants.check(time.now)


def test_a_release_names_what_caused_it(api, time):
    at = clock.iso(time.now + 60)
    event_id, tier_id = create_published(
        api, holdbacks=[holdback(3, release_at=at), holdback(1, "house", reason="house", release_when_sold_out=True)]
    )
    time.advance(60)
    builders.run_sweep()
    for buyer in ("ada", "bob", "eve"):
        builders.buy(api, buyer, event_id, tier_id, 3)
    builders.run_sweep()
    assert changes(api, event_id) == [("manager", 10, {"press": 3, "house": 1}), ("time", 10, {"house": 1}), ("sold_out", 10, {})]
    time.advance(10)
    catalog.follow_sales([event_id], time.now)
    assert totals(api, event_id) == [{"capacity": 10, "available": 1, "held": 0, "sold": 9, "returned": 0, "unpaid": 0, "moving": 0}]
    invariants.check(time.now)


def test_the_limit_of_an_event_has_a_line_of_its_own(api, time):
    event_id, floor, balcony = create_pooled(api, holdbacks=[holdback(4)])
    builders.buy(api, "ada", event_id, balcony, 2)
    builders.reserve(api, "bob", event_id, floor, 1)
    catalog.follow_sales([event_id], time.now)
    lines = {line.get("tier_id"): line for line in ledger(api, event_id)[-1]["lines"]}
    assert {name: (line["capacity"], line["available"], line["held"], line["sold"]) for name, line in lines.items()} == {
        floor: (8, 3, 1, 0),
        balcony: (8, 6, 0, 2),
        None: (10, 3, 1, 2),
    }
    assert lines[None]["held_back"] == lines[floor]["held_back"] == {"press": 4}
    invariants.check(time.now)


def test_a_kind_without_a_limit_has_no_sum(api, time):
    event_id, tier_id = create_published(api, capacity=None)
    builders.buy(api, "ada", event_id, tier_id, 2)
    catalog.follow_sales([event_id], time.now)
    assert totals(api, event_id) == [{"held": 0, "sold": 2, "returned": 0, "unpaid": 0}]
    invariants.check(time.now)


def test_hidden_kinds_have_a_pseudonym(api, time):
    event_id, tier_id = create_published(api)
    assert api.patch(f"/tiers/{tier_id}", json={"hidden": True}, **promoter()).status == 200
    shown = ledger(api, event_id)
    assert [entry["lines"][0]["tier_id"] == tier_id for entry in shown] == [True, False]
    assert shown[1]["lines"][0]["tier_id"].startswith("hidden:")
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_totals_follow_the_sales_every_ten_seconds_and_the_sweep_adds_the_last_ones(api, time):
    event_id, tier_id = create_published(api)
    sold = []
    for number in range(12):
        builders.buy(api, f"buyer{number}", event_id, tier_id) if number < 10 else None
        builders.project_changes()
        sold.append(len([entry for entry in ledger(api, event_id) if entry["kind"] == "totals"]))
        time.advance(4)
    assert sold[0] == 1
    assert sold[-1] <= 5
    builders.run_sweep()
    assert totals(api, event_id) == [{"capacity": 10, "available": 0, "held": 0, "sold": 10, "returned": 0, "unpaid": 0, "moving": 0}]
    count = len(ledger(api, event_id))
    for _ in range(3):
        time.advance(60)
        builders.project_changes()
        builders.run_sweep()
    assert len(ledger(api, event_id)) == count  # nothing has changed
    assert all(entry["exact"] for entry in ledger(api, event_id) if entry["kind"] == "totals")
    invariants.check(time.now)


def test_returned_tickets_are_counted(api, time):
    event_id, tier_id = create_published(api)
    order = builders.buy(api, "ada", event_id, tier_id, 3).json["order"]["id"]
    refunded = builders.refund(api, order, tickets=builders.ticket_ids(order, 1, 2))
    assert refunded.status in (200, 201, 202), refunded.json
    time.advance(10)
    catalog.follow_sales([event_id], time.now)
    assert totals(api, event_id) == [{"capacity": 10, "available": 9, "held": 0, "sold": 1, "returned": 2, "unpaid": 0, "moving": 0}]
    invariants.check(time.now)


@pytest.mark.parametrize("is_pooled", [False, True])
def test_tickets_that_were_reserved_and_not_paid_for_are_counted(api, time, monkeypatch, is_pooled):
    """They count if the buyer gives them up or does not pay in time, also after a crash. Those of a refused request do not count."""
    event_id, tier_id = create_pooled(api)[:2] if is_pooled else create_published(api)
    given_up = builders.reserve(api, "ada", event_id, tier_id, 1).json["id"]
    assert api.delete(f"/reservations/{given_up}", user="ada").status == 200
    builders.reserve(api, "bob", event_id, tier_id, 2)
    refused = builders.reserve(api, "bob", event_id, tier_id, 1)
    assert (refused.status, refused.json["error"]) == (409, "active_reservation_exists")
    with monkeypatch.context() as patch:
        patch.setattr(inventory, "release_holds", lambda *_, **__: 0)  # as if each release crashed
        crashed = builders.reserve(api, "eve", event_id, tier_id, 1).json["id"]
        assert api.delete(f"/reservations/{crashed}", user="eve").status == 200
    builders.buy(api, "kim", event_id, tier_id, 1)
    time.advance(3600)
    builders.run_sweep()
    time.advance(10)
    catalog.follow_sales([event_id], time.now)
    assert {(line["held"], line["sold"], line["unpaid"]) for line in ledger(api, event_id)[-1]["lines"] if line["sold"]} == {(0, 1, 4)}
    invariants.check(time.now)


def test_complimentary_tickets_are_entries_and_count_as_issued(api, time):
    event_id, tier_id = create_published(api)
    [order, single] = builders.issue_complimentary(api, (event_id, tier_id), 2, 1)
    issue = ledger(api, event_id)[-1]
    assert (issue["kind"], issue["issued"]) == ("issue", {"tier_id": tier_id, "reason": "press", "quantity": 3})
    time.advance(10)
    builders.run_sweep()
    catalog.follow_sales([event_id], time.now)
    assert totals(api, event_id)[0]["issued"] == {"press": 3}
    kept_off_sale = builders.refund(api, single, key="kept", return_seats=False)
    assert kept_off_sale.status in (200, 201, 202), kept_off_sale.json
    assert ledger(api, event_id)[-1]["kind"] == "totals"  # the seat has not come back
    time.advance(10)
    assert builders.refund(api, order).status in (200, 201, 202)
    revocation = ledger(api, event_id)[-1]
    assert (revocation["kind"], revocation["revoked"]) == ("revoke", {"tier_id": tier_id, "reason": "press", "quantity": 2})
    assert verify.check_ledger(pages(event_id)).faults == []
    time.advance(10)
    catalog.follow_sales([event_id], time.now)
    assert totals(api, event_id)[0]["issued"] == {"press": 1}
    invariants.check(time.now)


def test_a_purchase_writes_no_entry_and_reads_none(api, time):
    event_id, tier_id = create_published(api)
    with record_calls() as calls:
        builders.buy(api, "ada", event_id, tier_id, 2)
    assert not any("stock-ledger" in table for call in calls.entries for table in call.tables)


def test_the_second_of_two_writers_is_refused_and_its_change_is_rebuilt(api, time, monkeypatch):
    event_id, tier_id = create_published(api, holdbacks=[holdback(1)])
    find_last = stock_ledger.find_last

    def find_and_lose(event_id: str):
        found = find_last(event_id)
        monkeypatch.setattr(stock_ledger, "find_last", find_last)
        stock_ledger.record_totals([event_id])  # another writer takes the number
        return found

    monkeypatch.setattr(stock_ledger, "find_last", find_and_lose)
    assert hold_back(api, tier_id, holdback(2)).status == 200
    assert [entry["kind"] for entry in ledger(api, event_id)] == ["change", "totals", "change"]
    builders.reserve(api, "ada", event_id, tier_id)
    time.advance(1)
    monkeypatch.setattr(stock_ledger, "find_last", find_and_lose)
    assert stock_ledger.record_totals([event_id]) == [None]  # the other writer's totals are as good
    assert [entry["kind"] for entry in ledger(api, event_id)] == ["change", "totals", "change", "totals"]
    invariants.check(time.now)


def test_totals_that_were_read_while_tickets_moved_are_not_called_exact(api, time, monkeypatch):
    event_id, tier_id = create_published(api)
    read = stock_ledger.read_shards_by_stock

    def read_and_sell(counts):
        found = read(counts)
        monkeypatch.setattr(stock_ledger, "read_shards_by_stock", read)
        time.advance(1)
        builders.reserve(api, "ada", event_id, tier_id)
        return found

    monkeypatch.setattr(stock_ledger, "read_shards_by_stock", read_and_sell)
    [stored] = stock_ledger.record_totals([event_id])
    assert (stored.entry.exact, stored.entry.counted_from, stored.entry.at) == (False, clock.iso(time.now - 1), clock.iso(time.now))
    invariants.check(time.now)


def tree(**tiers) -> dict:
    """A bootstrap file with an event of these ticket types."""
    content = {"version": "1", "generated": "2026-05-01T00:00:00Z", "environment": "test", "events": {"fest": event("fest")}}
    states = {"available": {"purchasable": True, "display": True}}
    return content | {"ticket_types": {name: ticket(name, **fields) for name, fields in tiers.items()}, "ticket_states": states}


def apply(**tiers) -> None:
    rollout.apply(validate_tree(tree(**tiers)), "ops", clock.now())


def test_every_version_of_a_bootstrap_file_is_in_the_ledger(api, time):
    apply(**{"fest-pass": {}})
    builders.buy(api, "ada", "fest", "fest-pass", 2)
    apply(**{"fest-pass": {"holdbacks": [{"id": "press", "reason": "press", "quantity": 3}]}})
    apply(**{"fest-pass": {"holdbacks": [{"id": "press", "reason": "press", "quantity": 1}]}})
    assert [(cause, held_back) for cause, _, held_back in changes(api, "fest")] == [
        ("file", {}),
        ("file", {"press": 3}),
        ("file", {"press": 1}),
    ]
    invariants.check(time.now)


def test_what_a_crashed_apply_leaves_out_is_added_before_the_next_version_is_served(api, time, monkeypatch):
    apply(**{"fest-pass": {}})
    calls = []
    record_file = catalog.record_file

    def crash_after_the_publication(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise faults.Crash
        record_file(*arguments)

    monkeypatch.setattr(catalog, "record_file", crash_after_the_publication)
    with pytest.raises(faults.Crash):
        apply(**{"fest-pass": {"holdbacks": [{"id": "press", "reason": "press", "quantity": 3}]}})
    assert len(changes(api, "fest")) == 1
    apply(**{"fest-pass": {}})
    assert [held_back for _, _, held_back in changes(api, "fest")] == [{}, {"press": 3}, {}]
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_a_pause_of_a_bootstrap_event_without_a_ledger_adds_nothing_and_the_sweep_begins_it(api, time):
    """As after the deployment of the version that introduces the ledger."""
    apply(**{"fest-pass": {}})
    for row in stock_ledger.StockLedgerRow.scan():
        row.delete()
    builders.buy(api, "ada", "fest", "fest-pass", 2)
    builders.project_changes()
    assert [entry["kind"] for entry in ledger(api, "fest")] == ["change", "totals"]
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_a_ledger_that_cannot_be_written_delays_no_other_follower(api, time, monkeypatch):
    event_id, tier_id = create_published(api)
    builders.buy(api, "ada", event_id, tier_id)

    def fail(*_, **__):
        raise dynamo.StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(stock_ledger, "record_totals", fail)
        builders.project_changes()
    assert len(ledger(api, event_id)) == 1
    time.advance(60)
    builders.run_sweep()
    assert len(ledger(api, event_id)) == 2


def test_an_entry_of_another_version_keeps_the_fields_that_this_version_does_not_know(api, time):
    """While a release is rolled out or back, both versions write to the same ledger."""
    event_id, tier_id = create_published(api)
    last = stock_ledger.find_last(event_id)
    new = json.loads(stock_ledger._next(event_id, last, "totals", last.entry.lines).body) | {"zones": [{"name": "north"}]}
    assert stock_ledger._put(
        event_id,
        replace(stock_ledger._next(event_id, last, "totals", []), body=json.dumps(new, sort_keys=True, separators=(",", ":")).encode()),
    )
    hold_back(api, tier_id, holdback(2))
    page = msgspec.json.decode(msgspec.json.encode(stock_ledger.load_page(event_id, 0)))
    assert [entry.get("zones") for entry in page["entries"]] == [None, [{"name": "north"}], None]
    invariants.check(time.now)


# The document and the program that checks it.


def long_ledger(api, time, entries: int) -> tuple[str, str]:
    event_id, tier_id = create_published(api, capacity=10_000)
    last = stock_ledger.find_last(event_id)
    while last is None or last.entry.number < entries:
        last = stock_ledger._next(event_id, last, "totals", last.entry.lines)
        assert stock_ledger._put(event_id, last)
    return event_id, tier_id


def test_full_pages_are_cached_for_long(api, time):
    event_id, _ = long_ledger(api, time, stock_ledger.PAGE_ENTRIES + 1)
    first, second = (api.get(f"/events/{event_id}/stock-ledger?page={page}") for page in (0, 1))
    assert [len(page.json["entries"]) for page in (first, second)] == [stock_ledger.PAGE_ENTRIES, 1]
    assert [page.headers["Cache-Control"] for page in (first, second)] == ["public, max-age=3600", "public, max-age=5"]
    assert api.get(f"/events/{event_id}/stock-ledger?page=2").status == 404
    assert api.get("/events/none/stock-ledger").status == 404


@pytest.mark.not_on_moto
def test_a_page_with_very_many_ticket_types_fits_into_a_reply(api, time, monkeypatch):
    monkeypatch.setattr(plan, "MAX_FILE_TIERS", 1_000)  # as earlier releases allowed
    apply(**{f"type-{number:04}": {} for number in range(1_000)})
    [last] = stock_ledger.record_totals(["fest"])
    while last.entry.number < stock_ledger.PAGE_ENTRIES:
        last = stock_ledger._next("fest", last, "totals", last.entry.lines)
        assert stock_ledger._put("fest", last)
    page = api.get("/events/fest/stock-ledger")
    assert (page.status, page.headers["content-encoding"], len(page.json["entries"])) == (200, "gzip", stock_ledger.PAGE_ENTRIES)
    assert len(json.dumps(page.body.decode())) > 6_000_000  # as Lambda counts a reply that is not zipped
    assert verify.check_ledger([page.json]).faults == []


@pytest.fixture
def check(tmp_path, capsys):
    """A function that runs the program on pages and, perhaps, on the pages of an earlier download. Returns its exit code and its text."""

    def run(pages, earlier=None, *options):
        for name, documents in (("now", pages), ("earlier", earlier or [])):
            (tmp_path / name).mkdir(exist_ok=True)
            for number, page in enumerate(documents):
                (tmp_path / name / str(number)).write_text(json.dumps(page))
        compared = ["--earlier", str(tmp_path / "earlier")] if earlier is not None else []
        code = verify.main(["--ledger", str(tmp_path / "now"), *compared, *options])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def pages(event_id: str) -> list[dict]:
    first = stock_ledger.load_page(event_id, 0)
    return [msgspec.json.decode(msgspec.json.encode(stock_ledger.load_page(event_id, number))) for number in range(first.pages)]


def sign(page: dict) -> None:
    """Sign a page again, as a dishonest shop could."""
    last = page["entries"][-1]
    page["hash"] = verify._entry_hash(last)
    message = f"{stock_ledger.ALGORITHM}\n{page['event_id']}\n{last['number']}\n{page['hash']}"
    page["signature"] = secret_settings.derived_signing_key("stock ledger").sign(message.encode()).hex()


def chain(page: dict) -> None:
    """Give all entries of a page the right hashes again, and sign it."""
    for before, after in zip(page["entries"], page["entries"][1:], strict=False):
        after["previous"] = verify._entry_hash(before)
    sign(page)


def test_the_program_accepts_an_honest_ledger_and_its_earlier_downloads(api, time, check):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3)])
    earlier = pages(event_id)
    builders.buy(api, "ada", event_id, tier_id, 2)
    catalog.follow_sales([event_id], time.now)
    code, text = check(pages(event_id), earlier, "--key", earlier[0]["public_key"])
    assert (code, "all checks passed" in text, "1 earlier downloads compared" in text) == (0, True, True), text
    assert f"{tier_id}: capacity 10, available 5, held 0, sold 2, returned 0, unpaid 0, moving 0, held back (press) 3" in text
    assert check(pages(event_id), None, "--key", "00" * 32)[0] == 1


def test_the_program_reads_all_pages(api, time, check):
    event_id, _ = long_ledger(api, time, 2 * stock_ledger.PAGE_ENTRIES + 5)
    code, text = check(pages(event_id))
    assert (code, "entries 1 to 105" in text) == (0, True), text


def _grow_unseen(page):
    page["entries"][2]["lines"][0]["held_back"]["press"] = 4
    page["entries"][2]["lines"][0]["moving"] -= 1
    chain(page)


def _rewrite(page):
    page["entries"][1]["lines"][0]["held_back"] = {"press": 1}
    sign(page)


def _drop(page):
    del page["entries"][1]
    sign(page)


def _begin_later(page):
    del page["entries"][0]
    sign(page)


def _sell_more(page):
    page["entries"][2]["lines"][0]["sold"] += 1
    chain(page)


def _another_event(page):
    page["event_id"] = "another"
    sign(page)


def _unsigned(page):
    page["signature"] = "00" * 64


def _beginning_with_nothing(page):
    page["entries"][0]["previous"] = None
    chain(page)


def _backwards(page):
    page["entries"][2]["at"] = "2020-01-01T00:00:00Z"
    chain(page)


@pytest.mark.parametrize(
    ("forge", "fault"),
    [
        (_grow_unseen, "entry 3: changes a capacity or the held-back tickets, and does not say so"),
        (_rewrite, "entry 3: does not name the hash of the entry before"),
        (_drop, "entry 3: follows entry 1"),
        (_begin_later, "page 0: begins with entry 2"),
        (_sell_more, "the numbers add up to 11, and the capacity is 10"),
        (_another_event, "entry 1: does not name the event as its beginning"),
        (_beginning_with_nothing, "entry 1: does not name the event as its beginning"),
        (_unsigned, "page 0: its signature is not valid"),
        (_backwards, "entry 3: is earlier than the entry before"),
    ],
)
def test_the_program_finds_what_a_dishonest_shop_could_do(api, time, check, forge, fault):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3)])
    hold_back(api, tier_id, holdback(2))
    builders.buy(api, "ada", event_id, tier_id, 2)
    catalog.follow_sales([event_id], time.now)
    [page] = pages(event_id)
    assert [entry["kind"] for entry in page["entries"]] == ["change", "change", "totals"]
    forge(page)
    code, text = check([page])
    assert (code, fault in text) == (1, True), text


# The encodings of the eight points whose order divides 8. With such a key, anybody can make signatures that fit.
SMALL_KEYS = [
    *("01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 32, "00" * 31 + "80"),
    *("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc" + last for last in ("05", "85")),
    *("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03" + last for last in ("7a", "fa")),
]


def test_the_program_refuses_keys_with_which_anybody_can_sign(api, time, check):
    event_id, _ = create_published(api)
    [page] = pages(event_id)
    for key, commitment in product(SMALL_KEYS, repeat=2):
        code, text = check([page | {"public_key": key, "signature": commitment + "00" * 32}])
        assert (code, "page 0: its signature is not valid" in text) == (1, True), (key, commitment, text)


def test_the_program_ends_although_a_ledger_has_no_last_page(api, time, check):
    event_id, _ = create_published(api)
    [page] = pages(event_id)
    endless = [page | {"page": number, "pages": verify.MAX_LEDGER_PAGES + 1} for number in range(2)]
    code, text = check(endless)
    assert (code, "announces 10001 pages, and this program reads at most 10000" in text) == (2, True), text
    for count in ("many", None):
        code, text = check([page | {"pages": count}])
        assert (code, "this is not page 0 of a stock ledger" in text) == (2, True), text


def test_two_downloads_prove_that_the_shop_showed_two_ledgers(api, time, check):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3)])
    hold_back(api, tier_id, holdback(2))
    [honest], [other] = pages(event_id), pages(event_id)
    other["entries"][1]["lines"][0]["held_back"] = {"press": 1}
    chain(other)
    assert check([other])[0] == 0  # by itself it looks honest
    code, text = check([honest], [other])
    assert (code, "entry 2: the shop signed another entry 2 earlier" in text) == (1, True), text
    shorter = json.loads(json.dumps(honest))
    del shorter["entries"][1]
    sign(shorter)
    code, text = check([shorter], [honest])
    assert (code, "the ledger ends with entry 1, and the earlier download with entry 2" in text) == (1, True), text


def test_tickets_that_are_in_no_stock_for_long_are_a_fault(api, time, check):
    event_id, tier_id = create_published(api)
    tier = catalog.load_current().tiers[tier_id]
    resize_stock(tier.stock_id, tier.shards, 8)
    stock_ledger.record_totals([event_id])
    time.advance(verify.MAX_MOVING_SECONDS + 1)
    builders.buy(api, "ada", event_id, tier_id)
    stock_ledger.record_totals([event_id])
    code, text = check(pages(event_id))
    assert (code, "tickets were neither in the stock nor held back for 601 seconds" in text) == (1, True), text


@pytest.mark.parametrize("document", ["[]", "{}", '{"algorithm": "fairgate stock ledger, 1"}', '{"algorithm": "another"}'])
def test_the_program_says_when_it_cannot_check(tmp_path, capsys, document):
    (tmp_path / "ledger").write_text(document)
    assert verify.main(["--ledger", str(tmp_path / "ledger")]) == 2
    assert "nothing was checked" in capsys.readouterr().err
    assert verify.main([]) == verify.main(["proof", "--ledger", "ledger"]) == 2
