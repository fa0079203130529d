"""Every fault of a document has a JSON path and says what is allowed; all of them come at once, and nothing is applied."""

import contextlib
import json

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from bootstrap.files import parse_json
from chalicelib.bootstrap_file import document, plan, rollout, validation
from chalicelib.bootstrap_file.document import to_promo_codes
from chalicelib.bootstrap_file.findings import InvalidDocument
from chalicelib.bootstrap_file.plan import build_plan
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog.model import Catalog, CatalogHead, VersionContent
from chalicelib.catalog.quotas import MAX_FILE_TIERS
from chalicelib.foundation import clock
from tests.bootstrap.conftest import EXAMPLE, event, ticket, valid_document
from tests.simulation import faults


def test_the_example_is_valid(run):
    result = run("validate", EXAMPLE)
    assert (result.code, result.err) == (0, "")
    assert "4 events, 4 ticket types" in result.out


def test_the_schema_is_current(run):
    current = (EXAMPLE.parent / "schema.json").read_text(encoding="utf-8")
    assert run("schema").out == current, "python -m bootstrap schema > bootstrap/schema.json"


def test_the_usual_status_and_currency_may_be_left_out(run, write, tree):
    full_checksum = run("validate", "--json", write(tree)).json["checksum"]
    del tree["events"]["fest"]["status"], tree["ticket_types"]["fest-pass"]["status"], tree["ticket_types"]["fest-pass"]["currency"]
    valid = valid_document(tree)
    assert validation.to_events(valid)["fest"].status == "active"
    tier = validation.to_tiers(valid)["fest-pass"]
    assert (tier.status, tier.currency) == ("available", "USD")
    assert valid.tree == tree
    assert valid.checksum != full_checksum, "the checksum is that of the file as it was written"


def _set(path, value):
    def change(tree):
        *parents, last = path
        for key in parents:
            tree = tree[key]
        tree[last] = value

    return change


def _drop(*path):
    def change(tree):
        *parents, last = path
        for key in parents:
            tree = tree[key]
        del tree[last]

    return change


def _use_event_capacity(**fields):
    """The event has room for 30, and its ticket type has no limit of its own, but these fields."""

    def change(tree):
        tree["events"]["fest"]["metadata"]["capacity"] = 30
        tree["ticket_types"]["fest-pass"] |= {"max_quantity": None, "shards": None} | fields

    return change


EVENT, PASS = ("events", "fest"), ("ticket_types", "fest-pass")
WINDOW = (*PASS, "availability")

TICKET = "$.ticket_types.fest-pass"
OPTIONS = f"{TICKET}.options"
ASKED = {"id": "dinner", "label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"]}
FAULTS = [
    ("no events", _drop("events"), "$.events", "missing"),
    ("no ticket types", _drop("ticket_types"), "$.ticket_types", "missing"),
    ("events are a list", _set(("events",), []), "$.events", "must be a JSON object"),
    ("an entry is no object", _set(EVENT, 7), "$.events.fest", "must be a JSON object"),
    ("unknown key at the top", _set(("extra",), 1), "$.extra", "unknown key; allowed keys are"),
    ("unknown key of an event", _set((*EVENT, "vennue"), "x"), "$.events.fest.vennue", "unknown key; allowed keys are"),
    ("unknown key of a ticket type", _set((*PASS, "price"), 1), "$.ticket_types.fest-pass.price", "unknown key; allowed keys are"),
    ("a field is missing", _drop(*PASS, "price_cents"), "$.ticket_types.fest-pass.price_cents", "missing"),
    ("wrong type", _set((*PASS, "price_cents"), "50"), "$.ticket_types.fest-pass.price_cents", "must be a whole number"),
    ("a name of only spaces", _set((*EVENT, "name"), "   "), "$.events.fest.name", "not blank"),
    ("a ticket name of only spaces", _set((*PASS, "name"), " \t"), "$.ticket_types.fest-pass.name", "not blank"),
    ("a venue of only spaces", _set((*EVENT, "venue"), " "), "$.events.fest.venue", "not blank"),
    ("true is no number", _set((*PASS, "max_quantity"), True), "$.ticket_types.fest-pass.max_quantity", "must be a whole number"),
    ("a fraction of a cent", _set((*PASS, "price_cents"), 1.5), "$.ticket_types.fest-pass.price_cents", "must be a whole number"),
    ("negative price", _set((*PASS, "price_cents"), -1), "$.ticket_types.fest-pass.price_cents", "from 0 to"),
    ("no capacity", _set((*PASS, "max_quantity"), 0), "$.ticket_types.fest-pass.max_quantity", "from 1 to"),
    (
        "no capacity anywhere",
        _drop(*PASS, "max_quantity"),
        "$.ticket_types.fest-pass.max_quantity",
        "set max_quantity, or metadata.capacity",
    ),
    (
        "capacity below sold, by the event",
        _use_event_capacity(sold_count=31),
        "$.ticket_types.fest-pass.max_quantity",
        "30 (metadata.capacity of",
    ),
    ("more shards than tickets, by the event", _use_event_capacity(shards=31), "$.ticket_types.fest-pass.shards", "30 or fewer"),
    ("clear_existing is no boolean", _set(("clear_existing",), "yes"), "$.clear_existing", "true or false"),
    ("clearExisting is no boolean", _set(("clearExisting",), 1), "$.clearExisting", "true or false"),
    ("no such currency", _set((*PASS, "currency"), "usd"), "$.ticket_types.fest-pass.currency", "ISO 4217"),
    ("no such tier status", _set((*PASS, "status"), "gone"), "$.ticket_types.fest-pass.status", "one of available, closed,"),
    ("no such event status", _set((*EVENT, "status"), "draft"), "$.events.fest.status", "one of active, cancelled,"),
    (
        "no such state",
        _set(("ticket_states", "lost"), {"purchasable": True, "display": True}),
        "$.ticket_states.lost",
        "unknown status; use one of available,",
    ),
    ("a state's message", _set(("ticket_states", "closed", "message"), 5), "$.ticket_states.closed.message", "must be text or null"),
    (
        "limit of 0",
        _set((*WINDOW, "max_per_transaction"), 0),
        "$.ticket_types.fest-pass.availability.max_per_transaction",
        "from 1 to 1,000",
    ),
    (
        "huge limit",
        _set((*WINDOW, "max_per_transaction"), 1001),
        "$.ticket_types.fest-pass.availability.max_per_transaction",
        "from 1 to 1,000",
    ),
    (
        "limit above the other limit",
        _set((*PASS, "per_user_limit"), 5),
        "$.ticket_types.fest-pass.availability.max_per_transaction",
        "per_user_limit",
    ),
    ("admits too many", _set((*PASS, "admits"), 101), "$.ticket_types.fest-pass.admits", "from 1 to 100"),
    ("sponsorship is no boolean", _set((*PASS, "is_sponsorship"), 1), "$.ticket_types.fest-pass.is_sponsorship", "true or false"),
    ("options are no array", _set((*PASS, "options"), {}), "$.ticket_types.fest-pass.options", "a JSON array of at most 4 values"),
    ("too many options", _set((*PASS, "options"), [ASKED | {"id": str(n)} for n in range(5)]), f"{OPTIONS}", "of at most 4 values"),
    ("an option is no object", _set((*PASS, "options"), ["dinner"]), f"{OPTIONS}[0]", "must be a JSON object"),
    ("an option without a label", _set((*PASS, "options"), [{"id": "dinner", "option_type": "boolean"}]), f"{OPTIONS}[0].label", "missing"),
    ("no such option type", _set((*PASS, "options"), [ASKED | {"option_type": "radio"}]), f"{OPTIONS}[0].option_type", "one of boolean,"),
    ("unknown key of an option", _set((*PASS, "options"), [ASKED | {"required": True}]), f"{OPTIONS}[0].required", "unknown key"),
    ("one choice", _set((*PASS, "options"), [ASKED | {"choices": ["Fish"]}]), f"{OPTIONS}[0].choices", "needs 2 to 10 choices"),
    (
        "choices of a text",
        _set((*PASS, "options"), [ASKED | {"option_type": "text_input"}]),
        f"{OPTIONS}[0].choices",
        "Only a `multi_select`",
    ),
    ("one option twice", _set((*PASS, "options"), [ASKED, ASKED]), f"{OPTIONS}[1].id", "is already the id of another option"),
    ("more shards than tickets", _set((*PASS, "shards"), 11), "$.ticket_types.fest-pass.shards", "11 shards"),
    ("key is not the id", _set((*PASS, "id"), "other"), "$.ticket_types.fest-pass.id", "must repeat the entry's key"),
    ("event key is not the id", _set((*EVENT, "id"), "other"), "$.events.fest.id", "must repeat the entry's key"),
    ("an id with a hash", _set((*EVENT, "id"), "a#b"), "$.events.fest.id", "a#b"),
    ("unknown event", _set((*PASS, "event_id"), "nowhere"), "$.ticket_types.fest-pass.event_id", 'no event "nowhere"'),
    ("capacity below sold", _set((*PASS, "sold_count"), 11), "$.ticket_types.fest-pass.max_quantity", "below sold_count 11"),
    ("ends before it starts", _set((*EVENT, "end_date"), "2026-08-31"), "$.events.fest.end_date", "before it starts"),
    ("sale opens after the start", _set((*EVENT, "on_sale_at"), "2026-09-02"), "$.events.fest.on_sale_at", "has started"),
    ("sale ends first", _set((*WINDOW, "end_date"), "2025-01-01"), "$.ticket_types.fest-pass.availability.end_date", "before it starts"),
    ("no date", _set((*EVENT, "date"), "soon"), "$.events.fest.date", "must be a day (2026-09-01)"),
    ("no such day", _set((*EVENT, "date"), "2026-02-30"), "$.events.fest.date", "day"),
    ("no such year", _set((*EVENT, "date"), "0001-01-01"), "$.events.fest.date", "year"),
    ("no such hour", _set((*WINDOW, "start_date"), "2026-01-01T25:00:00Z"), "$.ticket_types.fest-pass.availability.start_date", "hour"),
    ("no such zone", _set((*EVENT, "metadata", "timezone"), "Mars/Base"), "$.events.fest.metadata.timezone", "Mars/Base"),
    ("a zone's folder", _set((*EVENT, "metadata", "timezone"), "America"), "$.events.fest.metadata.timezone", "timezone"),
    ("a path as zone", _set((*EVENT, "metadata", "timezone"), "../etc"), "$.events.fest.metadata.timezone", "timezone"),
    ("description is a number", _set((*EVENT, "metadata", "description"), 1), "$.events.fest.metadata.description", "must be text"),
    ("waves of 0", _set((*EVENT, "waiting_room"), {"wave_size": 0}), "$.events.fest.waiting_room.wave_size", "from 1 to"),
    (
        "same price id",
        _set(("ticket_types", "b"), ticket("b", stripe_price_id="price_fest-pass")),
        "$.ticket_types.b.stripe_price_id",
        "dup",
    ),
    ("a fee above the price", _set((*PASS, "included_fee"), {"cents": 10**8}), f"{TICKET}.included_fee.cents", "cannot be higher"),
    ("a fee of 100 percent", _set((*PASS, "included_fee"), {"percent": "100"}), f"{TICKET}.included_fee.percent", "below 100"),
    ("an exempt rate", _set((*PASS, "tax"), {"percent": "7", "exempt_because": "x"}), f"{TICKET}.tax.exempt_because", "no tax"),
    ("no such country", _set((*EVENT, "country"), "UK"), "$.events.fest.country", "no country with the code `UK`"),
    ("a region without a country", _set((*EVENT, "region"), "CN"), "$.events.fest.country", "needs its country"),
    ("same name", _set(("ticket_types", "b"), ticket("b", name=" FEST-pass ")), "$.ticket_types.b.name", "duplicate"),
    ("two currencies", _set(("ticket_types", "b"), ticket("b", currency="EUR")), "$.ticket_types.b.currency", "USD"),
    ("an odd key", _set(("events", "a b"), event("a b")), "$.events['a b'].id", "a b"),
]


@pytest.mark.parametrize(("change", "path", "message"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
def test_a_fault_is_named_with_its_path(run, write, tree, change, path, message):
    change(tree)
    result = run("validate", write(tree))
    assert result.code == 1
    named = [line for line in result.err.splitlines() if f" {path}: " in line]
    assert named, result.err
    assert message in named[0]


def test_all_faults_are_listed_at_once_also_as_json(run, write, tree):
    for index in range(30):
        tree["ticket_types"][f"t{index}"] = ticket(f"t{index}", price_cents=-1, status="?", event_id="nowhere")
    result = run("validate", "--json", write(tree))
    assert result.code == 1
    paths = [fault["path"] for fault in result.json["faults"]]
    assert len([path for path in paths if path.endswith(("price_cents", "status"))]) == 60
    assert "60 faults" in result.err


def test_a_file_with_too_many_ticket_types_in_an_event_is_refused_but_such_a_version_is_applied_again(run, write, tree, store, monkeypatch):
    tree["ticket_types"] = {f"slot-{number:03}": ticket(f"slot-{number:03}", "fest") for number in range(MAX_FILE_TIERS)}
    assert run("validate", write(tree)).code == 0
    tree["ticket_types"]["slot-500"] = ticket("slot-500", "fest")
    for command in ("validate", "apply"):
        result = run(command, write(tree))
        assert result.code == 1
        assert '$.ticket_types.slot-500.event_id: "fest" has 501 ticket types, but an event may have 500' in result.err
    with monkeypatch.context() as earlier:
        earlier.setattr(plan, "MAX_FILE_TIERS", 501)
        rollout.apply(validate_tree(tree), "an earlier release", clock.now())
    assert run("apply", write(tree | {"ticket_types": {"slot-000": ticket("slot-000", "fest")}})).code == 0
    assert run("rollback", 1).code == 0


def test_a_currency_that_does_not_exist_is_refused_but_such_a_version_is_applied_again(run, write, tree, store):
    good = write(tree)
    rollout.apply(validate_tree(tree | {"ticket_types": {"fest-pass": ticket("fest-pass", "fest", currency="EUE")}}), "before", clock.now())
    assert run("apply", good).code == 0
    assert run("rollback", 1).code == 0
    tree["ticket_types"]["fest-pass"] |= {"currency": "KWD", "price_cents": 5125}
    assert "$.ticket_types.fest-pass.price_cents: The third decimal of an amount in KWD must be 0" in run("validate", write(tree)).err
    tree["ticket_types"]["fest-pass"]["currency"] = "EUE"
    result = run("validate", write(tree))
    assert (result.code, "$.ticket_types.fest-pass.currency: There is no currency with the code `EUE`" in result.err) == (1, True)


def test_ticket_types_that_are_no_longer_in_the_file_count_too(run, write, tree, store, monkeypatch):
    monkeypatch.setattr(plan, "MAX_FILE_TIERS", 3)
    for month, code in (("may", 0), ("june", 1), ("may", 0)):
        tree["ticket_types"] = {f"{month}-{number}": ticket(f"{month}-{number}", "fest") for number in range(2)}
        result = run("apply", write(tree))
        assert result.code == code, result.err
        if code:
            assert "it would have 4 ticket types, including types that are no longer in the file, but an event may have 3" in result.err


def test_ticket_types_that_move_to_another_event_count_there(run, write, tree, store, monkeypatch):
    monkeypatch.setattr(plan, "MAX_FILE_TIERS", 3)
    tree["events"]["gala"] = event("gala")
    for event_id, code in (("gala", 0), ("fest", 1)):
        tree["ticket_types"] = {f"t{number}": ticket(f"t{number}", event_id if number else "fest") for number in range(4)}
        result = run("apply", write(tree))
        assert result.code == code, result.err
    assert "it would have 4 ticket types" in result.err


def test_faults_of_single_fields_do_not_hide_broken_rules(run, write, tree):
    tree["events"]["fest"]["venue"] = 5
    tree["ticket_types"]["fest-pass"]["sold_count"] = 99
    result = run("validate", write(tree))
    assert "$.events.fest.venue" in result.err
    assert "below sold_count" in result.err
    assert "there is no event" not in result.err  # it is there, only faulty


@pytest.mark.parametrize("command", ["apply", "plan", "drift"])
def test_an_invalid_file_never_reaches_the_store(run, write, tree, store, command):
    tree["ticket_types"]["fest-pass"]["event_id"] = "nowhere"
    with faults.record_calls() as calls:
        assert run(command, write(tree)).code == 1
    assert calls == []


def test_a_fault_of_an_events_capacity_is_reported_once(run, write, tree):
    tree["events"]["fest"]["metadata"]["capacity"] = "30"
    del tree["ticket_types"]["fest-pass"]["max_quantity"]
    assert "1 fault;" in run("validate", write(tree)).err


def test_order_and_spacing_do_not_change_the_checksum(run, write, tree):
    turned = {key: tree[key] for key in reversed(tree)}
    first = run("validate", "--json", write(tree)).json["checksum"]
    second = run("validate", "--json", write(json.dumps(turned, indent=7).encode(), "turned.json")).json["checksum"]
    assert first == second
    tree["events"]["fest"]["venue"] += "!"
    assert run("validate", "--json", write(tree)).json["checksum"] != first


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["2026-02-30", "fest", "UTC", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("version",),
    ("events",),
    ("ticket_types",),
    ("ticket_states", "closed"),
    EVENT,
    *((*EVENT, name) for name in msgspec.structs.asdict(document.EventEntry("a", "a", "a", "a"))),
    (*EVENT, "metadata", "timezone"),
    *((*EVENT, "promo_codes", 0, name) for name in document.PromoCodeEntry.__struct_fields__),
    *((*PASS, name) for name in msgspec.structs.asdict(document.TicketEntry("a", "a", "a", 0))),
    *((*WINDOW, name) for name in ("start_date", "end_date", "max_per_transaction")),
]


@hypothesis.settings(max_examples=300)
@hypothesis.given(changes=st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=4))
def test_every_document_is_either_valid_or_has_named_faults(changes):
    """No value anywhere makes validation fail in another way than with faults, and a valid document can be served."""
    promo_code = {"code": "SAVE", "discount_type": "fixed_amount", "discount_value": "5.00"}
    tree = {"version": "1", "events": {"fest": event("fest", promo_codes=[promo_code])}, "ticket_types": {"fest-pass": ticket("fest-pass")}}
    tree |= {"ticket_states": {"closed": {"purchasable": False, "display": False}}}
    for path, value in changes:
        with contextlib.suppress(KeyError, TypeError, IndexError):
            _set(path, value)(tree)
    valid, faults = None, []
    try:
        valid = validate_tree(parse_json(json.dumps(tree).encode()))
    except InvalidDocument as error:
        faults = error.faults
    assert (valid is None) is bool(faults)
    assert all(fault.path.startswith("$") and str(fault).isprintable() for fault in faults)
    if valid:
        content = build_plan(valid, CatalogHead(), Catalog.build((), ()), (), {}, now=0).content(1, 0)
        assert msgspec.json.decode(msgspec.json.encode(content), type=VersionContent) == content
        assert all(promo_code.capacity for promo_code in to_promo_codes(valid.document.events, valid.document.ticket_types))
