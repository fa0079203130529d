"""A month of four promoters and the shop: their sales, refunds, disputes and payouts at the fake Stripe, and books that agree at its end.

The promoters have accounts of their own, and the operator takes a fee, and sells tickets of its own. The taxes of one promoter are
calculated by Stripe. Buyers pay at once, late or not at all, return tickets, get refunds and dispute payments. At the end, six books must
say the same to the cent, for each seller and in all: the orders, the payment ledger, the statements that sellers download, their invoices,
Stripe's balance transactions, and the payouts to the banks. The calculated taxes must also be those of Stripe's tax reports.
"""

import csv
import io
import random
from collections import Counter, defaultdict
from fractions import Fraction
from math import floor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from chalicelib.accounts.profiles import SHOP
from chalicelib.addons.documents.api import INVOICE_COLUMNS
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases import event_cancellation
from chalicelib.purchases import store as purchases
from chalicelib.purchases.model import Purchase
from chalicelib.reconciliation import compare
from devtools.stripe.fake import PUBLISHABLE_KEY
from tests import builders, invariants, store_calls
from tests.client import Client, ClientReply
from tests.payment_pages import DECLINED, VISA
from tests.stripe_shop import StripeShop, open_shop, sdk_client

SETTINGS = {
    "connected_accounts": "standard",
    "application_fee_cents": 45,
    "application_fee_basis_points": 175,
    "checkout_page": "own",
    "stripe_publishable_key": PUBLISHABLE_KEY,
}
DAY = 86_400
AUTOMATIC = "quinn"  # whose taxes Stripe calculates
# Per seller: the taxes of the tickets of an event, one for each of its ticket types.
SELLERS = {
    "nora": ({"percent": "19"}, {"percent": "7"}),
    "ollie": ({"percent": "21"}, {"percent": "0", "exempt_because": "Exempt: concerts of choirs"}),
    "pat": (None, {"percent": "7.7"}),
    AUTOMATIC: (None, {"percent": "7.7"}),  # which counts for nothing
    SHOP: ({"percent": "19"}, {"percent": "7"}),
}
DENVER = {"address": "1 Main Street", "city": "Denver", "postal_code": "80202", "region": "CO", "country": "US"}
EVENTS_OF_EACH = 4
PRICES = (1999, 3333, 4750, 8900)  # odd, so that shares of fees and taxes are rounded
FEES = (None, {"cents": 50, "percent": "7.5"})  # in the prices
COMPANY = {"company": "Ada & Sons", "address": "2 Mill Lane\nPorto", "vat_id": "PT509999999"}


class Account(Struct):
    """A promoter or the shop, with the account at Stripe and what is sold there. The id None is the operator's own account."""

    promoter: str
    id: str | None
    event_ids: list[str] = field(default_factory=list)
    tier_ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class MonthReport(Struct):
    """What happened in a month: counts, and the cents that the promoters' accounts kept before Stripe's own fees."""

    counts: Counter[str]
    net_cents: int


class Month:
    """A month with this many orders, which a seed decides. `run` plays it and compares the books at its end."""

    def __init__(self, api: Client, time: Any, shop: StripeShop, *, orders: int, seed: int) -> None:
        self.api, self.time, self.shop, self.fake = api, time, shop, shop.fake
        self.orders, self.random, self.counts = orders, random.Random(seed), Counter[str]()
        self.later = defaultdict[int, list[tuple[Any, ...]]](list)  # day -> what happens on it, as (action, arguments)
        self.browsers: dict[str | None, Any] = {}
        self.by_hand = set[str]()  # refunds at Stripe of which only a person can say for which tickets they are
        self.accounts = [self._open_seller(seller) for seller in SELLERS]
        self.cancelled = self.accounts[0].event_ids[-1]

    def run(self, days: int) -> MonthReport:
        for day in range(days):
            for number in range(self.orders * day // days, self.orders * (day + 1) // days):
                self.time.advance(DAY * days // self.orders // 2)
                self._order(day, days, f"buyer{number}")
            for action, *arguments in self.later.pop(day, []):
                action(*arguments)
            if day == days * 2 // 3:
                self._cancel_event()
            self._end_day()
        for _ in range(4):  # until every hold has ended, and the last hour of sales has been compared
            self._end_day()
        self._compare_books()
        return MonthReport(self.counts, sum(totals.net_cents for account in self.accounts for totals in self._totals(account)))

    # What promoters do.

    def _open_seller(self, promoter: str) -> Account:
        seller = {"name": f"{promoter.title()} Ltd", "address": "1 Harbor Street", "tax_id": "PT501234567", "prefix": promoter[:2].upper()}
        admin = {"token": builders.admin_token()}
        account = Account(promoter, None)
        if promoter == SHOP:
            assert self.api.put("/admin/shop-invoices", json={"invoices": seller}, **admin).status == 200
            self.browsers[None] = sdk_client(self.fake, self.fake.publishable_key)
        else:
            profile = {"name": promoter.title(), "verified": True, "invoices": seller}
            assert self.api.put(f"/promoters/{promoter}", json=profile, **admin).status == 200
            assert self.api.post(f"/promoters/{promoter}/payment-account", **self._manager(account)).status == 200
            account.id = catalog.load_current().accounts[promoter].id
            self.fake.complete_onboarding(account.id)
            self.fake.deliver()
            self.browsers[account.id] = sdk_client(self.fake, self.fake.publishable_key, account.id)
        if promoter == AUTOMATIC:
            chosen = {"default_taxes": [], "automatic_tax": True}
            assert self.api.put(f"/promoters/{promoter}/default-taxes", json=chosen, **self._manager(account)).status == 200
        for number in range(EVENTS_OF_EACH):
            returns = {"policy": "refund", "fee_cents": 100, "fee_percent": 10, "until": clock.iso(self.time.now + 90 * DAY)}
            starts_at = clock.iso(self.time.now + 100 * DAY)
            event_id = builders.create_event(self.api, f"{promoter} {number}", starts_at=starts_at, purchase_limit=8)
            changes = {"returns": returns, **DENVER, **({} if promoter == SHOP else {"promoter_id": promoter})}
            assert self.api.patch(f"/events/{event_id}", json=changes, **admin).status == 200
            account.event_ids.append(event_id)
            for tax in SELLERS[promoter]:
                kind = {"name": f"Kind {len(account.tier_ids[event_id]) + 1}", "price_cents": self.random.choice(PRICES)}
                body = {**kind, "capacity": self.orders, "tax": tax, "included_fee": self.random.choice(FEES)}
                created = self.api.post(f"/events/{event_id}/tiers", json=body, **self._manager(account))
                assert created.status == 201, created.json
                account.tier_ids[event_id].append(created.json["id"])
            builders.create_promo_code(self.api, event_id, "SAVE", discount_value=15)
        return account

    def _manager(self, account: Account) -> dict[str, str]:
        return {"token": builders.admin_token() if account.promoter == SHOP else builders.token(account.promoter, "promoter")}

    def _cancel_event(self) -> None:
        reply = self.api.post(f"/events/{self.cancelled}/cancel", token=builders.token(self.accounts[0].promoter, "promoter"))
        assert reply.status in (200, 202), reply.json

    # What buyers do.

    def _order(self, day: int, days: int, user: str) -> None:
        account = self.random.choice(self.accounts)
        event_id = self.random.choice([event_id for event_id in account.event_ids if day < days * 2 // 3 or event_id != self.cancelled])
        first, second = account.tier_ids[event_id]
        quantities = {first: self.random.randint(1, 3), second: self.random.choice((0, 0, 1, 2))}
        reservation = builders.reserve_items(self.api, user, event_id, quantities)
        assert reservation.status == 201, reservation.json
        options = {"promo_code": "SAVE"} if self.random.random() < 0.2 else {}
        options |= {"invoice": COMPANY} if self.random.random() < 0.2 else {}
        session = self.shop.request_checkout(reservation.json["id"], user, **options)
        assert session.status == 201, session.json
        self.shop.browser = self.browsers[account.id]
        end = self.random.choices(("paid", "unconfirmed", "declined", "abandoned", "late"), (86, 5, 3, 3, 3))[0]
        self.counts[end] += 1
        getattr(self, f"_be_{end}")(session.json, user)
        if end in ("paid", "unconfirmed"):
            self._plan_sequel(day, account, session.json["id"], user)

    def _be_paid(self, session: dict[str, Any], user: str) -> None:
        self.shop.pay(session, VISA)
        assert self.shop.confirm(session, user).status == 201

    def _be_unconfirmed(self, session: dict[str, Any], user: str) -> None:
        self.shop.pay(session, VISA)

    def _be_declined(self, session: dict[str, Any], user: str) -> None:
        self.shop.pay(session, DECLINED, expect="declined")

    def _be_abandoned(self, session: dict[str, Any], user: str) -> None:
        """Leave without paying."""

    def _be_late(self, session: dict[str, Any], user: str) -> None:
        self.fake.deliver()
        self.shop.expire_without_asking_stripe(session["id"])
        self.shop.pay(session, VISA)

    def _plan_sequel(self, day: int, account: Account, order_id: str, user: str) -> None:
        sequels = (None, self._refund, self._refund_some, self._return, self._refund_at_stripe, self._dispute)
        sequel = self.random.choices(sequels, (84, 3, 5, 4, 2, 2))[0]
        if sequel is not None:
            self.later[day + self.random.randint(1, 9)].append((sequel, account, order_id, user))

    # What happens to orders.

    def _refund(self, account: Account, order_id: str, user: str) -> None:
        self._count("refund", builders.refund(self.api, order_id, key=f"whole-{order_id}").status)

    def _refund_some(self, account: Account, order_id: str, user: str) -> None:
        for number in range(1, self.random.randint(2, 3)):
            refunded = builders.refund(self.api, order_id, key=f"{number}-{order_id}", tickets=[f"{order_id}-{number}"])
            self._count("ticket refund", refunded.status)

    def _return(self, account: Account, order_id: str, user: str) -> None:
        self._count("return", self.api.post(f"/orders/{order_id}/return", json={}, user=user).status)

    def _refund_at_stripe(self, account: Account, order_id: str, user: str) -> None:
        """The promoter pays a part back in Stripe's dashboard."""
        self._turn_to(account)
        charge = self.shop.fetch_charge(order_id)
        if not charge.disputed and charge.amount - charge.amount_refunded > 500:
            self.by_hand.add(self.shop.refund_in_dashboard(order_id, 500).id)
            self.counts["refund at Stripe"] += 1

    def _dispute(self, account: Account, order_id: str, user: str) -> None:
        self._turn_to(account)
        charge = self.shop.fetch_charge(order_id)
        if charge.amount_refunded == 0:
            dispute = self.fake.create_dispute(charge.id)
            self.fake.deliver()
            self.time.advance(3600)
            self.fake.close_dispute(dispute["id"], won=(won := self.random.random() < 0.5))
            self.counts["dispute won" if won else "dispute lost"] += 1

    def _count(self, what: str, status: int) -> None:
        self.counts[what if status < 300 else f"{what} refused"] += 1

    def _turn_to(self, account: Account) -> None:
        self.shop.dashboard = sdk_client(self.fake, self.fake.api_key, account.id)

    # What runs by itself.

    def _end_day(self) -> None:
        """Deliver webhooks, run the schedules, and pay out what is on the accounts."""
        for _ in range(4):
            self.fake.deliver()
            builders.run_sweep()
            builders.project_changes()
            self.time.advance(DAY // 8)
        self.fake.complete_pending()
        self.fake.deliver()
        self._compare_with_stripe()
        for account in [account.id for account in self.accounts]:
            if sum(moved["net"] for moved in self.fake.objects("balance_transaction", account=account)) > 0:
                self.fake.create_payout(account=account)

    def _compare_with_stripe(self) -> None:
        """Compare the day with Stripe, of which the product compares each hour by itself."""
        with store_calls.made_by("reconcile"):
            report = compare.compare_span(self.time.now - DAY, self.time.now, self.time.now)
        assert (report.repaired, report.findings) == ({}, {}), report

    # The books.

    def _totals(self, account: Account) -> list[Any]:
        return [totals for event_id in account.event_ids for totals in ledger.statement(event_id)]

    def _compare_books(self) -> None:
        """Assert that all books agree, and that nothing is left to do."""
        invariants.check(self.time.now, recovered=True)
        assert {case.id for case in money_cases.list_open_cases()} == self.by_hand
        cancellation = event_cancellation.find_cancellation(self.cancelled)
        assert cancellation is not None
        assert cancellation.finished_at is not None
        for account in self.accounts:
            self._compare_account(account)
        at_stripe = self.fake.objects("application_fee")
        fees = sum(totals.fee_cents for account in self.accounts for totals in self._totals(account))
        assert fees == sum(fee["amount"] - fee["amount_refunded"] for fee in at_stripe)
        own = [moved for moved in self._movements(None) if moved["type"] in ("application_fee", "application_fee_refund")]
        assert fees == sum(moved["net"] for moved in own), "the operator gets its fees beside its own sales"

    def _compare_account(self, account: Account) -> None:
        manager = self._manager(account)
        statements = [self.api.get(f"/events/{event_id}/statement", **manager).json for event_id in account.event_ids]
        shown = [totals for statement in statements for totals in statement["totals"]]
        found = Counter[str]()
        for totals in shown:
            assert totals["account"] == account.id, totals
            found.update({name: cents for name, cents in totals.items() if name.endswith("_cents")})
        assert found["net_cents"] == found["captured_cents"] - found["refunded_cents"] - found["disputed_cents"] - found["fee_cents"]
        downloaded = [row for event_id in account.event_ids for row in self._download_statement(event_id, manager)]
        assert sum(int(row["amount_cents"]) for row in downloaded) == found["net_cents"]
        invoices = self._list_invoices(account, manager)
        assert sum(invoice["total_cents"] for invoice in invoices) == found["net_cents"] + found["fee_cents"]
        taxes = sum(share["tax_cents"] for totals in shown for share in totals["taxes"])
        assert sum(invoice["tax_cents"] for invoice in invoices) == taxes
        assert sum(invoice["included_fee_cents"] for invoice in invoices) == found["included_fee_cents"]
        self._compare_bookkeeping(account, manager, invoices)
        movements = [moved for moved in self._movements(account.id) if not moved["type"].startswith("application_fee")]
        stripes = sum(detail["amount"] for moved in movements for detail in moved["fee_details"] if detail["type"] == "stripe_fee")
        assert sum(moved["net"] for moved in movements) + stripes == found["net_cents"]
        if account.id is not None:
            paid_out = sum(payout["amount"] for payout in self.fake.objects("payout", account=account.id))
            page = self.api.get(f"/promoters/{account.promoter}/payouts", **manager).json
            left = sum(balance["available_cents"] + balance["pending_cents"] for balance in page["balances"])
            assert paid_out + left == found["net_cents"] - stripes
        self._compare_orders(account, found, shown)

    def _compare_bookkeeping(self, account: Account, manager: dict[str, str], invoices: list[Any]) -> None:
        """Compare the file for bookkeeping with the invoices: its amounts, taxes and fees, which have no sign."""
        added, query = Counter[str](), {"format": "csv"}
        while query:
            reply = self.api.get(f"/promoters/{account.promoter}/invoices", query=query, **manager)
            for row in csv.DictReader(io.StringIO(reply.body.decode()), INVOICE_COLUMNS if "cursor" in query else None):
                sign = {"S": 1, "H": -1}[row["debit_credit"]]
                added.update({name: sign * int(row[name].replace(".", "")) for name in ("amount", "tax", "included_fee")})
            query = _next_query(reply)
        expected = {"amount": "total_cents", "tax": "tax_cents", "included_fee": "included_fee_cents"}
        assert added == {name: sum(invoice[of] for invoice in invoices) for name, of in expected.items()}

    def _compare_orders(self, account: Account, found: Counter[str], shown: list[Any]) -> None:
        """Compare the statements with the orders: with what they cost, what was paid back, and the taxes that remain."""
        orders = [order for order in purchases.scan_purchases() if order.event_id in account.event_ids and order.payment]
        orders = [order for order in orders if order.was_order or order.refunds]
        captured = sum(charge["amount_captured"] for charge in self.fake.objects("charge", account=account.id) if charge["paid"])
        assert found["captured_cents"] == captured == sum(order.total_cents for order in orders)
        assert found["refunded_cents"] == sum(order.refunded_cents for order in orders)
        stated, kept = Counter[str](), Counter[str]()
        for totals in shown:
            stated.update({share["percent"]: share["tax_cents"] for share in totals["taxes"]})
        for order in orders:
            left = Counter[str]()
            for entry in ledger.list_purchase_entries(order.event_id, order.id):
                left.update({share.percent: share.tax_cents for share in entry.taxes})
            is_gone = order.refunded_cents + sum(dispute.amount_cents for dispute in order.disputes if dispute.status == "lost")
            expected = _taxes(order) if is_gone == 0 else {} if is_gone == order.total_cents else left
            assert +left == +Counter(expected), order
            kept.update(left)
        assert +stated == +kept
        if account.promoter == AUTOMATIC:
            self._compare_tax_reports(account, orders)

    def _compare_tax_reports(self, account: Account, orders: list[Purchase]) -> None:
        """Compare the taxes of the orders with the sales in Stripe's tax reports, which have no other sales."""
        tax = sdk_client(self.fake, self.fake.api_key, account.id).v1.tax
        sales = [
            transaction for transaction in self.fake.objects("tax.transaction", account=account.id) if transaction["type"] == "transaction"
        ]
        reported = {
            sale["reference"]: [(line.amount, line.amount_tax) for line in tax.transactions.line_items.list(sale["id"]).data]
            for sale in sales
        }
        assert all(line.tax is None or line.calculated_tax is not None for order in orders for line in order.lines)
        assert reported == {
            order.payment.provider_id: [
                (share.gross_cents, share.tax_cents) for line in order.lines if (share := line.calculated_tax) is not None
            ]
            for order in orders
            if order.payment is not None
        }

    def _movements(self, account: str | None) -> list[Any]:
        return [moved for moved in self.fake.objects("balance_transaction", account=account) if moved["type"] != "payout"]

    def _list_invoices(self, account: Account, manager: dict[str, str]) -> list[Any]:
        found, query = [], {"limit": 100}
        while query:
            page = self.api.get(f"/promoters/{account.promoter}/invoices", query=query, **manager).json
            found += page["invoices"]
            query = {"limit": 100, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        return found

    def _download_statement(self, event_id: str, manager: dict[str, str]) -> list[dict[str, str]]:
        parts, query = [], {"format": "csv"}
        while query:
            reply = self.api.get(f"/events/{event_id}/statement", query=query, **manager)
            parts.append(reply.body.decode())
            query = _next_query(reply)
        return list(csv.DictReader(io.StringIO("".join(parts))))


def _next_query(reply: ClientReply) -> dict[str, str]:
    """Return the query for the next part of a file. Empty after the last part."""
    link = reply.headers.get("link")
    return dict(parse_qsl(urlsplit(link.partition(">")[0].lstrip("<")).query)) if link else {}


def _taxes(order: Purchase) -> dict[str, int]:
    """Return the taxes in the lines of an order, by rate: as calculated, or else total x rate / (100 + rate), rounded half up."""
    taxes = Counter[str]()
    for line in order.lines:
        if line.calculated_tax is not None:
            taxes[line.calculated_tax.percent] += line.calculated_tax.tax_cents
        elif line.tax is not None:
            rate = Fraction(line.tax.percent)
            taxes[line.tax.percent] += floor(line.total_cents * rate / (100 + rate) + Fraction(1, 2))
    return taxes


def run_month(api: Client, time: Any, *, orders: int, seed: int, days: int = 30) -> MonthReport:
    """Play a month of so many orders and days. Raises AssertionError if two books differ."""
    with open_shop(api, time, **SETTINGS) as shop:
        shop.fake.add_webhook_endpoint(shop._receive_webhook, name="connected accounts", connect=True)
        return Month(api, time, shop, orders=orders, seed=seed).run(days)
