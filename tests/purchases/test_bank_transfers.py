"""Orders that are paid by bank transfer: who may order in this way, and what becomes of every cent that arrives, in time or late."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, settings
from chalicelib.inventory.availability import read_stock
from chalicelib.purchases import refunds_at_provider
from chalicelib.purchases import store as purchases
from tests import builders, invariants, pdfs
from tests.purchases.bank_transfers import ACCOUNT, create_shop, manager, order, record, reference, reserve, save_promoter, shown
from tests.purchases.reservations.test_access_codes import uses

DAY = 86_400
SELLER = {"name": "Nora's Nights Ltd", "address": "1 Harbor Street\nLisbon", "tax_id": "PT501234567"}


@pytest.fixture(autouse=True)
def _check(api, time):
    yield
    invariants.check(time.now)


@pytest.fixture
def shop(api):
    return create_shop(api)


def listed(api, shop):
    reply = api.get(f"/events/{shop[0]}/bank-transfers", **manager())
    assert reply.status == 200, reply.json
    return [shown(order) for order in reply.json["orders"]]


def ledger(api, order_id):
    """The entries of the order as (kind, cents), and its balance."""
    reply = api.get(f"/admin/orders/{order_id}", token=builders.admin_token())
    assert reply.status == 200, reply.json
    return [(entry["kind"], entry["amount_cents"]) for entry in reply.json["transactions"]], reply.json["balance_cents"]


def held_back(shop):
    """(available, held, sold) of the stock of the holdback."""
    tier = catalog.load_current().tiers[shop[1]]
    stock_id = tier.holdback_stock_id("firms")
    stock = read_stock({stock_id: 1})[stock_id]
    return stock.available, stock.held, stock.sold


def sweep_after(time, seconds):
    time.advance(seconds)
    catalog.invalidate()
    builders.run_sweep()


def test_a_buyer_with_the_code_gets_the_bank_details_and_days_to_pay(api, time, shop):
    assert reserve(api, shop)["bank_transfer_days"] == 7
    session = order(api, shop, user="bob", quantity=1)
    transfer = session["payment"]["bank_transfer"]
    assert session["payment"]["provider"] == "bank_transfer"
    assert {name: transfer[name] for name in ACCOUNT} == ACCOUNT
    assert (transfer["amount_cents"], transfer["received_cents"], transfer["until"]) == (5000, 0, clock.iso(time.now + 7 * DAY))
    refused = builders.confirm(api, "bob", session["id"], simulate=None)
    assert (refused.status, refused.json["error"], refused.json["payment_status"]) == (409, "payment_not_completed", "processing")
    pending = api.get(f"/orders/{session['id']}", user="bob").json["order"]
    assert (pending["status"], pending["bank_transfer"]) == ("pending", transfer)


def test_the_exact_amount_gets_the_tickets_once(api, time, shop):
    session = order(api, shop)
    sweep_after(time, 6 * DAY)
    assert held_back(shop) == (2, 2, 0)
    text = f"Invoice 7, order {reference(session).lower().replace('-', ' ')} thank you"
    assert record(api, shop, (text, 10000)) == [("recorded", "paid", 10000, [])]
    assert held_back(shop) == (2, 0, 2)
    assert record(api, shop, (text, 10000)) == [("known", "paid", 10000, [])]
    assert ledger(api, session["id"]) == ([("captured", 10000)], 10000)
    assert len(api.get(f"/orders/{session['id']}", user="ada").json["tickets"]) == 2
    assert uses(shop[0], "FIRMS") == (1, 0)


def test_too_little_waits_for_the_rest(api, time, shop):
    session = order(api, shop)
    assert record(api, shop, (reference(session), 6000)) == [("recorded", "pending", 6000, [])]
    assert api.get(f"/orders/{session['id']}", user="ada").json["order"]["bank_transfer"]["received_cents"] == 6000
    assert record(api, shop, (reference(session), 4000)) == [("recorded", "paid", 10000, [])]
    assert ledger(api, session["id"]) == ([("captured", 10000)], 10000)


def test_two_equal_transfers_of_a_day_both_count(api, time, shop):
    session = order(api, shop)
    both = [(reference(session), 5000)] * 2
    assert record(api, shop, both[0]) == [("recorded", "pending", 5000, [])]
    assert record(api, shop, *both) == [("known", "pending", 5000, []), ("recorded", "paid", 10000, [])]


def test_too_little_is_sent_back_when_the_time_has_passed(api, time, shop):
    session = order(api, shop)
    record(api, shop, (reference(session), 6000))
    sweep_after(time, 7 * DAY + 1)
    assert held_back(shop) == (4, 0, 0)
    assert listed(api, shop) == [("refunded", 6000, [6000])]
    assert ledger(api, session["id"]) == ([("captured", 6000)], 6000)
    assert record(api, shop, (reference(session), -5000)) == [("no_refund", "refunded", 6000, [6000])]
    assert record(api, shop, (reference(session), -6000)) == [("recorded", "refunded", 6000, [])]
    assert record(api, shop, (reference(session), -6000)) == [("known", "refunded", 6000, [])]
    assert ledger(api, session["id"]) == ([("captured", 6000), ("refunded", -6000)], 0)


def test_too_much_gets_the_tickets_and_the_rest_is_sent_back(api, time, shop):
    session = order(api, shop)
    assert record(api, shop, (reference(session), 10500)) == [("recorded", "paid", 10500, [500])]
    assert record(api, shop, (reference(session), 10500)) == [("known", "paid", 10500, [500])]
    assert record(api, shop, (reference(session), 2000)) == [("recorded", "paid", 12500, [500, 2000])]
    assert ledger(api, session["id"])[1] == 12500
    assert record(api, shop, (reference(session), -2000), (reference(session), -500))[1] == ("recorded", "paid", 12500, [])
    assert ledger(api, session["id"])[1] == 10000


def test_nothing_that_arrives_ends_the_reservation_in_time(api, time, shop):
    session = order(api, shop)
    sweep_after(time, 7 * DAY - 1)
    assert held_back(shop) == (2, 2, 0)
    sweep_after(time, 2)
    assert held_back(shop) == (4, 0, 0)
    assert api.get(f"/orders/{session['id']}", user="ada").json["order"]["status"] == "expired"
    assert listed(api, shop) == [("expired", 0, [])]


def test_a_late_transfer_gets_tickets_while_there_are_some(api, time, shop):
    late, later = order(api, shop, "ada", 3), order(api, shop, "bob", 1)
    sweep_after(time, 7 * DAY + 1)
    cleo = order(api, shop, "cleo", 1)
    assert record(api, shop, (reference(late), 15000)) == [("recorded", "paid", 15000, [])]
    assert record(api, shop, (reference(later), 5000)) == [("recorded", "refunded", 5000, [5000])]
    assert record(api, shop, (reference(cleo), 5000)) == [("recorded", "paid", 5000, [])]
    assert held_back(shop) == (0, 0, 4)


def test_a_buyer_who_cancels_gets_back_what_has_arrived(api, time, shop):
    session = order(api, shop)
    record(api, shop, (reference(session), 6000))
    cancelled = api.post(f"/orders/{session['id']}/cancel", user="ada")
    assert (cancelled.status, cancelled.json["order"]["status"]) == (200, "refunded")
    assert held_back(shop) == (4, 0, 0)
    assert listed(api, shop) == [("refunded", 6000, [6000])]


def cancel(api, shop, order_id, **who):
    return api.post(f"/events/{shop[0]}/bank-transfers/{order_id}/cancel", **(who or manager()))


def test_a_manager_ends_orders_that_only_block_the_holdback(api, time, shop):
    session, partly = order(api, shop, "ada"), order(api, shop, "bob")
    record(api, shop, (reference(partly), 6000))
    for _ in range(2):
        ended = cancel(api, shop, session["id"])
        assert (ended.status, ended.json["status"], ended.json["to_return_cents"]) == (200, "cancelled", [])
        returned = cancel(api, shop, partly["id"])
        assert (returned.status, returned.json["status"], returned.json["to_return_cents"]) == (200, "refunded", [6000])
    assert held_back(shop) == (4, 0, 0)
    assert uses(shop[0], "FIRMS") == (0, 0)
    assert reserve(api, shop, "ada"), "the buyer may order again"
    for order_id, received in ((session["id"], 0), (partly["id"], 6000)):
        history = api.get("/admin/audit", query={"subject": f"order#{order_id}"}, token=builders.admin_token()).json["entries"]
        entries = [(entry["actor"], entry["details"]) for entry in history if entry["action"] == "bank_transfer.cancelled"]
        assert entries == [("nora", {"received_cents": received})]
    assert record(api, shop, (reference(session), 10000)) == [("recorded", "refunded", 10000, [10000])], "bought again meanwhile"


def test_a_manager_can_end_only_waiting_transfers_of_the_event(api, time, shop):
    paid, plain, waiting = order(api, shop, "ada"), builders.reserve(api, "bob", *shop).json["id"], order(api, shop, "cleo")
    record(api, shop, (reference(paid), 10000))
    builders.start_checkout(api, "bob", plain)
    refused = cancel(api, shop, paid["id"])
    assert (refused.status, refused.json["error"]) == (409, "order_paid")
    other = builders.create_shop(api)
    api.patch(f"/events/{other[0]}", json={"promoter_id": "nora"}, token=builders.admin_token())
    assert [cancel(api, shop, plain).status, cancel(api, other, waiting["id"]).status, cancel(api, shop, "nothing").status] == [404] * 3
    for token in (builders.token("olaf", "promoter"), builders.staff_token(shop[0])):
        assert cancel(api, shop, waiting["id"], token=token).status == 403
    assert held_back(shop) == (0, 2, 2)


def test_buyers_see_what_becomes_of_money_that_came_too_late(api, time, shop):
    """Emails link to the page of the order, and it takes the promoter days to send the money back."""
    session = order(api, shop, quantity=3)
    sweep_after(time, 7 * DAY + 1)
    order(api, shop, "bob", 3)
    assert record(api, shop, (reference(session), 15000)) == [("recorded", "refunded", 15000, [15000])]

    def seen():
        reply = api.get(f"/orders/{session['id']}", user="ada")
        assert (reply.status, reply.json["tickets"]) == (200, [])
        return reply.json["order"]["status"], [(refund["status"], refund["amount_cents"]) for refund in reply.json["order"]["refunds"]]

    assert seen() == ("refunded", [("due", 15000)])
    record(api, shop, (reference(session), -15000))
    assert seen() == ("refunded", [("succeeded", 15000)])
    assert api.get(f"/orders/{session['id']}", user="bob").status == 404


def test_managers_send_the_money_of_refunds_back_by_hand(api, time, shop):
    session = order(api, shop)
    record(api, shop, (reference(session), 10000))
    refunded = builders.refund(api, session["id"], tickets=builders.ticket_ids(session["id"], 1))
    assert (refunded.status, refunded.json["refund"]["status"]) == (201, "due")
    sweep_after(time, 3 * DAY)
    assert listed(api, shop) == [("partially_refunded", 10000, [5000])]
    [case] = api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    assert (case["order_id"], case["amount_cents"], case["next_try_at"]) == (session["id"], 5000, None)
    assert record(api, shop, (reference(session), -5000)) == [("recorded", "partially_refunded", 10000, [])]
    assert api.get("/admin/reconciliation", token=builders.admin_token()).json["open"] == []
    assert ledger(api, session["id"])[1] == 5000


@pytest.mark.parametrize(("day", "left"), [("2026-09-02", []), ("2026-09-01", [5000])])
def test_two_managers_record_what_they_have_sent_back_at_the_same_moment(api, time, shop, monkeypatch, day, left):
    """Two different refunds of one amount are both recorded. The same row of both managers is recorded once, with the same answer."""
    session = order(api, shop)
    record(api, shop, (reference(session), 10000))
    for number in (1, 2):
        refunded = builders.refund(api, session["id"], key=f"refund-{number}", tickets=builders.ticket_ids(session["id"], number))
        assert refunded.status == 201
    record_status = refunds_at_provider.record_status

    def be_slower(*arguments):
        monkeypatch.undo()
        assert record(api, shop, (reference(session), -5000, day)) == [("recorded", "refunded", 10000, [5000])]
        return record_status(*arguments)

    monkeypatch.setattr(refunds_at_provider, "record_status", be_slower)
    assert record(api, shop, (reference(session), -5000)) == [("recorded", "refunded", 10000, left)]
    assert ledger(api, session["id"])[1] == sum(left)


def test_no_more_transfers_than_an_order_can_keep_are_recorded(api, time, shop):
    session = order(api, shop)
    days = [f"2026-08-{day:02}" for day in range(1, 26)]
    for count in range(1, 5):
        rows = [(reference(session), count, day) for day in days]
        assert {row[0] for row in record(api, shop, *rows)} == {"recorded"}
    assert record(api, shop, (reference(session), 9000)) == [("too_many", "pending", 250, [])]
    assert record(api, shop, (reference(session), 4, days[-1])) == [("known", "pending", 250, [])]
    sweep_after(time, 7 * DAY + 1)
    assert record(api, shop, (reference(session), 9000), (reference(session), -250)) == [
        ("too_many", "refunded", 250, [250]),
        ("recorded", "refunded", 250, []),
    ]


def test_money_for_a_paid_order_counts_towards_the_limit(api, time, shop):
    session = order(api, shop, quantity=1)
    assert record(api, shop, (reference(session), 5000)) == [("recorded", "paid", 5000, [])]
    days = [f"2026-08-{day:02}" for day in range(1, 26)]
    rows = [(reference(session), count, day) for count in range(1, 5) for day in days]
    results = [row[0] for row in record(api, shop, *rows)]
    assert results == ["recorded"] * 99 + ["too_many"]


def test_an_order_that_cannot_be_read_does_not_hold_up_the_others(api, time, shop):
    broken, other = order(api, shop, "ada"), order(api, shop, "bob")
    rows = (reference(broken), 10000), (reference(other), 10000)
    with builders.unreadable(broken["id"]):
        assert record(api, shop, *rows) == [("failed",), ("recorded", "paid", 10000, [])]
        assert listed(api, shop) == [("paid", 10000, [])]
    assert record(api, shop, *rows) == [("recorded", "paid", 10000, []), ("known", "paid", 10000, [])]


def test_a_text_without_one_order_is_left_to_people(api, time, shop):
    first, second = order(api, shop, "ada"), order(api, shop, "bob")
    both = f"{reference(first)} and {reference(second)}"
    assert record(api, shop, (both, 20000), ("Thank you", 10000)) == [("several_orders",), ("no_order",)]


def test_without_the_code_or_a_verified_promoter_nobody_pays_by_transfer(api, time, shop):
    plain = builders.reserve(api, "ada", *shop)
    assert "bank_transfer_days" not in plain.json
    refused = builders.start_checkout(api, "ada", plain.json["id"], provider="bank_transfer")
    assert (refused.status, refused.json["error"]) == (400, "payment_provider_not_offered")
    profile = {"name": "Nora", "bank_account": ACCOUNT | {"iban": "ES9121000418450200051332"}}
    changed = api.put("/promoters/nora", json=profile, **manager())
    assert (changed.status, changed.json["verified"]) == (200, False)  # a thief of the session gets no money
    refused = builders.start_checkout(api, "bob", reserve(api, shop, "bob")["id"], provider="bank_transfer")
    assert refused.json["error"] == "payment_provider_not_offered"


def test_wrong_terms_and_accounts_are_refused(api, time, shop):
    body = {"code": "OTHER", "opens_package_ids": [shop[1]], "bank_transfer_days": 7}
    refused = api.post(f"/admin/events/{shop[0]}/promo-codes", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, "$.bank_transfer_days")
    wrong = {"name": "Nora", "bank_account": ACCOUNT | {"iban": "PT50000201231234567890155"}}
    refused = api.put("/promoters/nora", json=wrong, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, "$.bank_account")


@pytest.mark.parametrize("day", ["2026-99-99", "2026-02-30", "\u0662026-09-01", "2026-9-1"])
def test_a_day_that_is_not_in_the_calendar_is_refused(api, time, shop, day):
    rows = [{"reference": "x", "amount_cents": 1, "date": day}]
    refused = api.post(f"/events/{shop[0]}/bank-transfers", json={"rows": rows}, **manager())
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, "$.rows[0].date", "wrong_form")
    assert refused.json["message"] == "The text is not in the expected format. A day, such as 2026-11-26."


def test_only_managers_see_and_record_transfers(api, time, shop):
    for token in (builders.token("olaf", "promoter"), builders.staff_token(shop[0])):
        assert api.get(f"/events/{shop[0]}/bank-transfers", token=token).status == 403
        rows = {"rows": [{"reference": "x", "amount_cents": 1, "date": "2026-09-01"}]}
        assert api.post(f"/events/{shop[0]}/bank-transfers", json=rows, token=token).status == 403


def test_a_cancelled_event_owes_all_that_has_arrived(api, time, shop):
    paid, partly, unpaid = order(api, shop, "ada", 1), order(api, shop, "bob", 1), order(api, shop, "cleo", 1)
    record(api, shop, (reference(paid), 5000), (reference(partly), 2000))
    assert api.post(f"/events/{shop[0]}/cancel", token=builders.admin_token()).status == 200
    for _ in range(3):
        sweep_after(time, 120)
    assert listed(api, shop) == [("cancelled", 0, []), ("refunded", 2000, [2000]), ("refunded", 5000, [5000])]
    assert api.post(f"/events/{shop[0]}/cancel", token=builders.admin_token()).json["status"] == "finished"
    assert record(api, shop, (reference(unpaid), 5000)) == [("recorded", "refunded", 5000, [5000])]


def test_the_list_has_pages(api, time, shop):
    for user in ("ada", "bob", "cleo"):
        order(api, shop, user, 1)
    numbers, cursor = [], None
    while cursor is not None or not numbers:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get(f"/events/{shop[0]}/bank-transfers", query=query, **manager()).json
        numbers += [shown["number"] for shown in page["orders"]]
        cursor = page["next_cursor"]
    assert len(numbers) == len(set(numbers)) == 3


def test_orders_that_ended_unpaid_are_listed_until_they_are_deleted(api, time, shop):
    session = order(api, shop)
    row_id = f"{session['id']}{purchases.BANK_TRANSFER}"
    assert purchases.CheckoutDetailsRow.find(row_id).ttl is None
    sweep_after(time, 7 * DAY + 1)
    assert purchases.CheckoutDetailsRow.find(row_id).ttl == purchases.load(session["id"]).ended_at + settings.current().purchase_ttl_seconds
    assert listed(api, shop) == [("expired", 0, [])]
    assert record(api, shop, (reference(session), 10000)) == [("recorded", "paid", 10000, [])]
    assert purchases.CheckoutDetailsRow.find(row_id).ttl is None
    assert listed(api, shop) == [("paid", 10000, [])]


def test_orders_that_are_cancelled_again_and_again_do_not_slow_a_statement_down(api, time, shop, monkeypatch):
    monkeypatch.setattr(purchases, "MAX_ENDED_TRANSFERS", 2)
    waiting, ended = order(api, shop, "ada", 1), []
    for _ in range(3):
        time.advance(1)
        ended.append(order(api, shop, "bob", 1))
        assert api.post(f"/orders/{ended[-1]['id']}/cancel", user="bob").status == 200
    assert [status for status, *_ in listed(api, shop)] == ["cancelled"] * 3 + ["pending"]
    results = record(api, shop, *((reference(session), 5000) for session in (waiting, *ended)))
    assert [result for result, *_ in results] == ["recorded", "no_order", "recorded", "recorded"]


def test_the_statement_does_not_say_that_the_shop_has_the_money(api, time, shop):
    record(api, shop, (reference(order(api, shop)), 10000))
    pages = api.get(f"/events/{shop[0]}/statement.pdf", **manager())
    assert "Bank transfer (the promoter's account), USD" in " ".join(page.text for page in pdfs.read(pages.body))


@pytest.mark.not_on_moto  # it reads the streams
def test_a_company_gets_an_invoice_and_a_credit_note(api, time, shop):
    save_promoter(api, bank_account=ACCOUNT, invoices=SELLER)
    buyer = {"company": "Ada & Sons", "address": "2 Mill Lane\nPorto"}
    session = order(api, shop, invoice=buyer)
    record(api, shop, (reference(session), 10000))
    builders.refund(api, session["id"], tickets=builders.ticket_ids(session["id"], 1))
    builders.project_changes()
    record(api, shop, (reference(session), -5000))
    builders.project_changes()
    issued = api.get(f"/orders/{session['id']}/invoices", user="ada").json["invoices"]
    assert [(document["kind"], document["total_cents"]) for document in issued] == [("invoice", 10000), ("credit_note", -5000)]
