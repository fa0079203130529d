"""The page of the fake Stripe has its calls, its cards and its controls, and no others."""

import inspect
import re

from devtools.stripe import cards
from devtools.stripe.fake import FakeStripe
from devtools.stripe.routes import ROUTES
from tests.test_tidy import ROOT

TEXT = (ROOT / "docs" / "fake-stripe.md").read_text(encoding="utf-8")
_OF_A_COLLECTION = {"POST": "create", "GET": "list"}
_OF_AN_OBJECT = {"POST": "update", "GET": "retrieve"}


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def listed_calls() -> dict[str, set[str]]:
    """Object -> calls, of the table. A row of several objects has their calls in the same order, or calls that all of them have."""
    found = {}
    for objects, calls in re.findall(r"^\| ([A-Z][\w ,]+) \| ([^|]+) \|$", section("Calls"), flags=re.MULTILINE):
        names = objects.lower().split(", ")
        parts = [part.replace(" and ", ", ") for part in re.sub(r" ?\([^)]*\)|: .*", "", calls).split(";")]
        for name, part in zip(names, parts if len(parts) == len(names) else parts[:1] * len(names), strict=True):
            found[name] = set(part.strip().split(", "))
    return found


def test_the_table_of_calls_is_that_of_the_routes():
    answered: dict[str, set[str]] = {}
    for route in ROUTES:
        collection, is_of_an_object, action = route.path.removeprefix("/v1/").partition("/:id")
        name = collection.replace("/", " ").replace("_", " ")
        call = action.strip("/").replace("_", " ") or (_OF_AN_OBJECT if is_of_an_object else _OF_A_COLLECTION)[route.method]
        answered.setdefault(name, set()).add(call)
    assert listed_calls() == answered


def test_the_cards_of_the_page_are_those_of_the_fake():
    """Rows name further cards by their last digits, and further test methods without what they have in common."""
    rows = section("Cards")
    methods = {**cards.CARDS, **cards.BANK_ACCOUNTS}
    common = ("pm_card_visa_debit", "pm_card_mastercard", "pm_card_amex", "pm_card_threeDSecureRequired", "pm_usBankAccount")
    others = [name for name in methods if not name.startswith(common) or name.startswith("pm_usBankAccount_")]
    assert [name for name in others if name not in rows and name.rpartition("_")[2].removeprefix("chargeDeclined") not in rows] == []
    digits = re.findall(r"\b\d{4}\b(?= \||,)|\b\d{12}\b", rows)
    assert [last for last in digits if not any(method.number.endswith(last) for method in methods.values())] == []


def test_the_controls_of_the_page_are_those_of_the_fake():
    controls = {name for name, _ in inspect.getmembers(FakeStripe) if not name.startswith("_")}
    for_saving = {"save_account", "restore_account"}
    assert sorted(name for name in controls - for_saving if name not in TEXT) == []
    named = set(re.findall(r"`(?:fake\.)?([a-z]+_[a-z_]+)\(", TEXT))
    assert sorted(named - controls) == []


def test_the_modules_of_the_page_exist():
    modules = {path.stem for path in (ROOT / "devtools" / "stripe").glob("[a-z]*.py")}
    rows = re.findall(r"^\| (`[a-z_`, ]+) \|", section("How it is built"), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} <= modules
