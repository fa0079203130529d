"""Helpers for tests of bank transfers: a shop that takes them, orders, and the rows of a bank statement."""

from tests import builders
from tests.purchases.reservations.test_access_codes import create_code

ACCOUNT = {"holder": "Nora's Nights Ltd", "iban": "PT50000201231234567890154", "bic": "BCOMPTPL"}
MANAGER = "nora"


def save_promoter(api, **fields):
    body = {"name": "Nora", "verified": True} | fields
    reply = api.put(f"/promoters/{MANAGER}", json=body, token=builders.admin_token())
    assert reply.status == 200, reply.json


def manager():
    return {"token": builders.token(MANAGER, "promoter")}


def create_shop(api):
    """An event of a promoter with a tier of 10 tickets at 50.00; 4 are held back for companies, who have 7 days and the code FIRMS."""
    save_promoter(api, bank_account=ACCOUNT)
    shop = builders.create_shop(api)
    assert api.patch(f"/events/{shop[0]}", json={"promoter_id": MANAGER}, token=builders.admin_token()).status == 200
    held_back = [{"id": "firms", "reason": "other", "label": "Companies", "quantity": 4}]
    assert api.patch(f"/tiers/{shop[1]}", json={"holdbacks": held_back}, token=builders.admin_token()).status == 200
    create_code(api, *shop, code="FIRMS", holdback_id="firms", bank_transfer_days=7)
    return shop


def reserve(api, shop, user="ada", quantity=2):
    wanted = {"tier_id": shop[1], "quantity": quantity, "promo_code": "FIRMS"}
    reply = api.post(f"/events/{shop[0]}/reservations", json=wanted, user=user)
    assert reply.status == 201, reply.json
    return reply.json


def order(api, shop, user="ada", quantity=2, **fields):
    """Order tickets by bank transfer. Returns the checkout session."""
    reserved = reserve(api, shop, user, quantity)
    reply = builders.start_checkout(api, user, reserved["id"], key=reserved["id"], provider="bank_transfer", **fields)
    assert reply.status == 201, reply.json
    return reply.json


def reference(session):
    return session["payment"]["bank_transfer"]["reference"]


def record(api, shop, *rows):
    """Record rows of the bank statement, given as (text, cents) or (text, cents, day). Returns (result, status, received, to return)."""
    body = [{"reference": row[0], "amount_cents": row[1], "date": row[2] if len(row) > 2 else "2026-09-01"} for row in rows]
    reply = api.post(f"/events/{shop[0]}/bank-transfers", json={"rows": body}, **manager())
    assert reply.status == 200, reply.json
    return [(row["result"], *shown(row["order"])) if row["order"] else (row["result"],) for row in reply.json["rows"]]


def shown(order):
    return order["status"], order["received_cents"], order["to_return_cents"]
