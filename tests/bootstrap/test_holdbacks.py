"""Tickets that are held back from sale by the bootstrap file."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.catalog import store
from chalicelib.foundation import clock
from chalicelib.inventory.availability import read_stock
from tests import builders, invariants
from tests.bootstrap.conftest import event, stock_of, ticket

pytestmark = pytest.mark.usefixtures("store", "time")


def press(quantity: int, **fields) -> dict:
    return {"id": "press", "reason": "press", "quantity": quantity} | fields


def pool():
    fest = catalog.load_current().events["fest"]
    return read_stock({fest.pool_id: fest.pool_shards})[fest.pool_id]


def test_a_file_holds_tickets_back(api, time, run, write, tree):
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(7)]
    assert "+ tier fest-pass: 10 tickets (7 held back)" in run("apply", write(tree)).out
    assert builders.reserve(api, "ada", "fest", "fest-pass", 4).status == 409
    assert builders.buy(api, "ada", "fest", "fest-pass", 2).status == 201
    assert run("apply", write(tree)).out == "version 1 is already served; nothing to do\n"
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(5), press(1, id="radio", label="Radio", release_at="2026-07-01T10:00:00Z")]
    result = run("apply", write(tree))
    assert "~ tier fest-pass: holdbacks.press" in result.out
    assert "capacity 3 -> 4 (sold 2, on hold 0, 2 left)" in result.out
    assert stock_of("fest-pass").available == 2
    invariants.check(time.now, recovered=True)


def test_a_file_never_holds_back_what_is_sold(api, time, run, write, tree):
    run("apply", write(tree))
    builders.buy(api, "ada", "fest", "fest-pass", 4)
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(7)]
    refused = run("apply", write(tree))
    assert refused.code == 1
    assert "! tier fest-pass: 7 tickets are held back, but only 6 are neither sold nor on hold (sold 4, on hold 0)" in refused.err
    assert stock_of("fest-pass").available == 6


def test_the_pool_of_the_event_holds_them_back_too(api, time, run, write, tree):
    tree["events"]["fest"]["capacity"] = 8
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3)]
    run("apply", write(tree))
    assert (pool().capacity, stock_of("fest-pass").capacity) == (5, 7)
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(1)]
    run("apply", write(tree))
    assert (pool().capacity, stock_of("fest-pass").capacity) == (7, 9)
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize(
    ("holdbacks", "fault"),
    [
        ([press(11)], "$.ticket_types.fest-pass.holdbacks: 11 tickets are too many to hold back: 10 in total, 0 of them sold"),
        ([press(1), press(2)], "$.ticket_types.fest-pass.holdbacks[1].id: "),
        ([press(1, reason="friends")], "$.ticket_types.fest-pass.holdbacks[0].reason: "),
        ([press(1, release_at="2026-07-01")], "$.ticket_types.fest-pass.holdbacks[0].release_at: "),
    ],
)
def test_a_file_with_wrong_holdbacks_is_refused(run, write, tree, holdbacks, fault):
    tree["ticket_types"]["fest-pass"]["holdbacks"] = holdbacks
    refused = run("apply", write(tree))
    assert refused.code != 0
    assert fault in refused.out + refused.err


def release_press(time) -> None:
    time.advance(600)
    catalog.invalidate()
    builders.run_sweep()


def test_what_was_released_is_not_held_back_again_by_the_same_file(api, time, run, write, tree):
    tree["events"]["fest"]["capacity"] = 9
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3, release_at=clock.iso(time.now + 600)), press(2, id="house", reason="house")]
    run("apply", write(tree))
    release_press(time)
    assert (stock_of("fest-pass").capacity, pool().capacity) == (8, 7)
    assert run("apply", write(tree)).out == "version 1 is already served; nothing to do\n"
    assert (stock_of("fest-pass").capacity, pool().capacity) == (8, 7)
    tree["ticket_types"]["fest-pass"]["price_cents"] = 6000
    result = run("apply", write(tree))
    assert result.code == 0
    assert "capacity" not in result.out
    builders.run_sweep()
    tier = catalog.load_current().tiers["fest-pass"]
    assert [(release.holdback_id, release.quantity, release.is_complete) for release in tier.releases] == [("press", 3, True)]
    assert (stock_of("fest-pass").capacity, pool().capacity) == (8, 7)
    invariants.check(time.now, recovered=True)


def test_every_instance_knows_what_a_file_has_released(time, run, write, tree):
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3, release_at=clock.iso(time.now + 600))]
    run("apply", write(tree))
    known = catalog.load_current()
    release_press(time)
    head = catalog.load_head()
    for loaded in (store.load(head), store.load(head, known), store.load_live(head)):
        assert loaded.tiers["fest-pass"].held_back == 0


def test_a_large_catalog_has_the_release_in_its_snapshot(api, time, run, write, tree, monkeypatch):
    monkeypatch.setattr(store, "MIN_SNAPSHOT_ENTRIES", 1)
    builders.create_shop(api)
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3, release_at=clock.iso(time.now + 600))]
    run("apply", write(tree))
    assert store.write_snapshot(catalog.load_current())
    release_press(time)
    tree["ticket_types"]["fest-pass"]["price_cents"] = 6000
    run("apply", write(tree))
    head = catalog.load_head()
    assert head.snapshot
    loaded = store.load(head)
    assert (loaded.tiers["fest-pass"].price_cents, loaded.tiers["fest-pass"].held_back) == (6000, 0)


def issue(api, quantity: int) -> str:
    """Issue complimentary tickets from the holdback. Returns what became of them."""
    row = {"id": f"{quantity} for ada", "name": "Ada", "email": "ada@example.com", "quantity": quantity}
    body = {"tier_id": "fest-pass", "holdback_id": "press", "rows": [row]}
    reply = api.post("/events/fest/complimentary-orders", json=body, token=builders.admin_token())
    assert reply.status == 200, reply.json
    return str(reply.json["rows"][0]["status"])


def test_an_apply_keeps_the_complimentary_tickets(api, time, run, write, tree):
    tree["events"]["fest"]["capacity"] = 8
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3)]
    run("apply", write(tree))
    assert issue(api, 2) == "issued"
    assert (pool().capacity, stock_of("fest-pass").capacity) == (5, 7)
    assert run("apply", write(tree)).out == "version 1 is already served; nothing to do\n"
    for holdbacks in ([press(1)], []):
        tree["ticket_types"]["fest-pass"]["holdbacks"] = holdbacks
        refused = run("apply", write(tree))
        assert refused.code == 1
        assert "2 complimentary tickets were issued from the holdback press" in refused.err
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(5)]
    run("apply", write(tree))
    assert (issue(api, 4), issue(api, 3)) == ("no_tickets_left", "issued")
    assert (pool().capacity, stock_of("fest-pass").capacity) == (3, 5)
    catalog.invalidate()
    assert catalog.load_current().tiers["fest-pass"].issuing == ["press"]
    invariants.check(time.now, recovered=True)


def test_an_interrupted_apply_lets_nobody_issue_more_than_the_served_file_holds_back(api, time, run, write, tree, monkeypatch):
    house = press(3, id="house", release_at=clock.iso(time.now + 600))
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(2), house]
    run("apply", write(tree))
    assert issue(api, 1) == "issued"
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(4), house]

    def crash(*_):
        raise RuntimeError

    changed = write(tree)
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "publish_version", crash)
        with pytest.raises(RuntimeError):
            run("apply", changed)
    assert issue(api, 3) == "no_tickets_left"
    release_press(time)
    assert stock_of("fest-pass").capacity == 8
    assert run("apply", write(tree)).code == 0
    assert (issue(api, 3), stock_of("fest-pass").capacity) == ("issued", 6)
    invariants.check(time.now, recovered=True)


def test_an_event_with_complimentary_tickets_leaves_the_file(api, time, run, write, tree):
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3)]
    run("apply", write(tree))
    assert issue(api, 2) == "issued"
    other = {"events": {"gala": event("gala")}, "ticket_types": {"gala-pass": ticket("gala-pass", "gala")}}
    left = run("apply", write(tree | other))
    assert left.code == 0, left.err
    back = run("apply", write(tree))
    assert (back.code, issue(api, 1), stock_of("fest-pass").capacity) == (0, "issued", 7)
    invariants.check(time.now, recovered=True)


def test_a_released_holdback_of_a_file_keeps_the_complimentary_tickets(api, time, run, write, tree):
    tree["ticket_types"]["fest-pass"]["holdbacks"] = [press(3, release_at=clock.iso(time.now + 60))]
    run("apply", write(tree))
    assert issue(api, 2) == "issued"
    time.advance(60)
    builders.run_sweep()
    assert stock_of("fest-pass").capacity == 8
    run("apply", write(tree))
    assert stock_of("fest-pass").capacity == 8
    invariants.check(time.now, recovered=True)
