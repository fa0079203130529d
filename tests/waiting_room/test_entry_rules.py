"""Who gets a place: one for each address after the code by email, one for each account, and what the public sees of the refusals."""

import random
import re
from collections import Counter
from functools import partial

import pytest

from chalicelib.accounts import store as accounts
from chalicelib.accounts.model import Account
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.foundation import deadline, settings
from chalicelib.notifications import service as notifications
from chalicelib.waiting_room import draw, room_cache, service, tokens
from chalicelib.waiting_room.service import CODE_SECONDS, MAX_CODE_ATTEMPTS
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, reserve

ADA = "ada@example.com"


@pytest.fixture(autouse=True)
def mails(monkeypatch):
    """The mails that were sent, as drafts."""
    sent = []
    monkeypatch.setattr(notifications, "send", lambda draft, **_: sent.append(draft) or True)
    return sent


@pytest.fixture
def verified_sale(api, time):
    return create_sale(api, time, entry="verified_address", wave_size=10, pass_seconds=300)


def mail_code(api, event_id, user, email=ADA):
    return api.post(f"/events/{event_id}/waiting-room/code", json={"email": email}, user=user)


def send_code(api, event_id, user, code, email=ADA):
    return api.post(f"/events/{event_id}/waiting-room/address", json={"email": email, "code": code}, user=user)


def prove(api, mails, event_id, user, email=ADA):
    """The proof that the user gets with the code of an email."""
    assert mail_code(api, event_id, user, email).status == 200
    assert mails[-1].to == email
    reply = send_code(api, event_id, user, mails[-1].values["code"], email)
    assert reply.status == 200, reply.json
    return reply.json["address_proof"]


def try_join(api, event_id, user, proof=None):
    return api.post(f"/events/{event_id}/waiting-room/join", json={} if proof is None else {"address_proof": proof}, user=user)


def join_proven(api, mails, event_id, user, email=ADA):
    reply = try_join(api, event_id, user, prove(api, mails, event_id, user, email))
    assert reply.status == 200, reply.json
    return reply.json["token"]


def create_account(user_id, email=ADA, *, verified_at=1, locked_at=None):
    account = Account(user_id=user_id, email=email, roles=("user",), created_at=1, verified_at=verified_at, locked_at=locked_at)
    dynamo.transact(accounts.create_items(account, "no hash"))


def get_proof(api, event_id, time):
    time.advance(room_cache.MAX_AGE_SECONDS)
    return api.get(f"/events/{event_id}/waiting-room/proof").json


def test_a_code_by_email_gives_an_address_its_place(api, time, mails, verified_sale):
    event_id, tier_id = verified_sale
    assert api.get(f"/events/{event_id}/waiting-room/state").json["entry"] == "verified_address"
    refused = try_join(api, event_id, "u0")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "entry_refused", "address_required")
    token = join_proven(api, mails, event_id, "u0")
    [mail] = mails
    assert re.fullmatch("[0-9]{6}", mail.values["code"])
    assert mail.values["code"] in mail.compose().text
    time.advance(SECONDS_TO_OPENING)
    assert get_status(api, event_id, token)["position"] == 1
    assert reserve(api, event_id, tier_id, "u0", token).status == 201
    invariants.check(time.now)


def test_the_store_has_neither_the_address_nor_the_code(api, mails, verified_sale):
    join_proven(api, mails, verified_sale[0], "u0", "zoe@example.com")  # digests in hex never contain this name
    stored = " ".join(str(row.to_dynamodb_dict()) for row in WaitingRoomRow.scan())
    assert "zoe" not in stored
    assert mails[-1].values["code"] not in stored


def test_a_person_who_comes_back_with_another_browser_gets_the_same_place(api, time, mails, verified_sale):
    event_id, tier_id = verified_sale
    for number in range(4):
        join_proven(api, mails, event_id, f"other-{number}", f"{number}@example.com")
    first = join_proven(api, mails, event_id, "old-browser")
    second = join_proven(api, mails, event_id, "new-browser", "Ada@Example.com")
    time.advance(SECONDS_TO_OPENING + 60)
    assert get_status(api, event_id, second)["position"] == get_status(api, event_id, first)["position"]
    assert get_status(api, event_id, second)["total"] == 5
    refused = reserve(api, event_id, tier_id, "old-browser", first)
    assert (refused.status, refused.json["error"]) == (403, "token_of_another_user")
    assert reserve(api, event_id, tier_id, "new-browser", second).status == 201
    invariants.check(time.now)


def test_a_place_moves_back_and_buys_once(api, time, mails, verified_sale):
    event_id, tier_id = verified_sale
    proofs = {user: prove(api, mails, event_id, user) for user in ("phone", "laptop")}
    places = {user: try_join(api, event_id, user, proofs[user]).json["token"] for user in ("phone", "laptop")}
    places["phone"] = try_join(api, event_id, "phone", proofs["phone"]).json["token"]
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "laptop", places["laptop"]).json["error"] == "token_of_another_user"
    reservation_id = reserve(api, event_id, tier_id, "phone", places["phone"]).json["id"]
    busy = try_join(api, event_id, "laptop", proofs["laptop"])
    assert (busy.status, busy.json["error"]) == (409, "place_in_use")
    builders.start_checkout(api, "phone", reservation_id)
    assert builders.confirm(api, "phone", reservation_id).status == 201
    late = try_join(api, event_id, "laptop", proofs["laptop"]).json
    assert get_status(api, event_id, late["token"])["position"] == 2  # a new place, because the first one has bought
    assert reserve(api, event_id, tier_id, "laptop", places["laptop"]).json["error"] == "token_of_another_user"
    invariants.check(time.now)


def test_a_place_does_not_move_while_an_expired_reservation_can_be_paid(shop, time, mails):
    """Until the sweep ends the reservation and its payment. Otherwise, two users could buy with one place."""
    event_id, tier_id = create_sale(shop.api, time, entry="verified_address", wave_size=10, pass_seconds=3000)
    shop.event_id = event_id
    proofs = {user: prove(shop.api, mails, event_id, user) for user in ("phone", "laptop")}
    token = try_join(shop.api, event_id, "phone", proofs["phone"]).json["token"]
    time.advance(SECONDS_TO_OPENING)
    for is_paid in (False, True):
        reservation_id = reserve(shop.api, event_id, tier_id, "phone", token, 4).json["id"]
        session = shop.request_checkout(reservation_id, "phone").json
        time.advance(settings.current().hold_seconds + 1)
        busy = try_join(shop.api, event_id, "laptop", proofs["laptop"])
        assert (busy.status, busy.json.get("error")) == (409, "place_in_use")
        if is_paid:
            shop.pay(session)
            shop.fake.deliver()
        builders.run_sweep()
    late = try_join(shop.api, event_id, "laptop", proofs["laptop"]).json
    assert get_status(shop.api, event_id, late["token"])["position"] == 2  # a new place, because the first one has bought
    assert len(shop.api.get("/me/tickets", user="phone").json["tickets"]) == 4


def test_a_proof_is_for_one_user_and_event(api, time, mails, verified_sale):
    event_id, _ = verified_sale
    other_event_id, _ = create_sale(api, time, "Other", entry="verified_address")
    proof = prove(api, mails, event_id, "u0")
    attempts = {"u1": (event_id, proof), "u0": (other_event_id, proof), "u2": (event_id, f"{proof[:-1]}!")}
    for user, (event, sent) in attempts.items():
        assert try_join(api, event, user, sent).json["reason"] == "address_required"
    assert try_join(api, event_id, "u0", proof).status == 200


def test_a_code_is_guessed_five_times_at_most_and_expires(api, time, mails, verified_sale):
    event_id, _ = verified_sale
    assert send_code(api, event_id, "u0", "123456").json["error"] == "code_expired"  # no code was mailed
    mail_code(api, event_id, "u0")
    code = mails[-1].values["code"]
    wrong = "000000" if code != "000000" else "000001"
    assert send_code(api, event_id, "u1", code).json["error"] == "code_expired"  # it is another user's code
    assert [send_code(api, event_id, "u0", wrong).json["error"] for _ in range(MAX_CODE_ATTEMPTS)] == ["code_invalid"] * MAX_CODE_ATTEMPTS
    refused = send_code(api, event_id, "u0", code)
    assert (refused.status, refused.json["error"]) == (410, "code_expired")
    mail_code(api, event_id, "u0")
    time.advance(CODE_SECONDS)
    assert send_code(api, event_id, "u0", mails[-1].values["code"]).json["error"] == "code_expired"
    mail_code(api, event_id, "u0")
    assert send_code(api, event_id, "u0", mails[-1].values["code"]).status == 200
    for malformed in ("12345", "1234567", "12345x", ""):
        assert send_code(api, event_id, "u0", malformed).status == 400


def test_codes_are_limited_for_each_mailbox_and_refused_without_the_rule(api, time, mails, verified_sale, sale):
    event_id, _ = verified_sale
    with settings.override(rate_limits="on", limit_mail="2/900"):
        replies = [mail_code(api, event_id, f"u{number}", f"ada+{number}@gmail.com").status for number in range(3)]
    assert replies == [200, 200, 429]
    account_event_id, _ = create_sale(api, time, "Accounts", entry="account")
    for event, rule in ((sale[0], "open"), (account_event_id, "account")):
        refused = mail_code(api, event, "u0")
        assert (refused.status, refused.json["error"], refused.json["entry"]) == (409, "code_not_needed", rule)
    assert len(mails) == 2


def test_codes_are_counted_before_they_are_sent_on_every_instance(api, mails, verified_sale):
    statuses = []
    with settings.override(rate_limits="on", limit_mail="2/900"):
        for number in range(6):
            rate_limits._local_counters.forget()  # another instance
            statuses.append(mail_code(api, verified_sale[0], f"u{number}").status)
    assert (statuses, len(mails)) == ([200] * 2 + [429] * 4, 2)


def test_a_crowd_behind_one_network_address_gets_its_codes(api, time, mails, verified_sale):
    """As many as its share of the stage's limit, which the operator raises for a large drop."""
    with settings.override(rate_limits="on", limit_mail="2/900", limit_requested_mail="400/3600"):
        replies = [mail_code(api, verified_sale[0], f"u{number}", f"{number}@example.com").status for number in range(21)]
    assert replies == [200] * 20 + [429]
    time.advance(3600)
    with settings.override(rate_limits="on", limit_mail="2/900", limit_requested_mail="4000/3600"):
        replies = [mail_code(api, verified_sale[0], f"v{number}", f"v{number}@example.com").status for number in range(100)]
    assert replies == [200] * 100


@pytest.mark.parametrize("attacked", ["codes", "links"])
def test_codes_and_links_of_accounts_do_not_use_up_the_limit_of_each_other(api, mails, verified_sale, monkeypatch, attacked):
    monkeypatch.setattr(deadline.time, "sleep", lambda _: None)
    requests = {
        "codes": lambda number, ip: api.post(
            f"/events/{verified_sale[0]}/waiting-room/code", json={"email": f"{number}@example.com"}, user=f"u{number}", source_ip=ip
        ),
        "links": lambda number, ip: api.post("/lost-tickets", json={"email": f"{number}@example.com"}, source_ip=ip),
    }
    other = requests["links" if attacked == "codes" else "codes"]
    with settings.override(rate_limits="on", limit_requested_mail="3/3600"):
        for number in range(6):
            assert requests[attacked](number, f"198.51.100.{number}").status == 200
        assert len(mails) == 3
        assert other(6, "198.51.100.1").status == 200
    assert len(mails) == 4


def test_a_stranger_in_one_network_keeps_no_code_from_the_owner(api, time, mails, verified_sale, monkeypatch):
    monkeypatch.setattr(deadline.time, "sleep", lambda _: None)
    path = f"/events/{verified_sale[0]}/waiting-room/code"
    with settings.override(rate_limits="on"):
        for _ in range(20):
            api.post(path, json={"email": ADA}, user="stranger", source_ip="198.51.100.9")
            time.advance(60)
        assert 8 <= len(mails) <= 9
        for _ in range(20):
            api.post(path, json={"email": ADA}, user="stranger", source_ip="198.51.100.9")
        count = len(mails)
        assert api.post(path, json={"email": ADA}, user="owner", source_ip="203.0.113.7").status == 200
    assert len(mails) == count + 1
    assert send_code(api, verified_sale[0], "owner", mails[-1].values["code"]).status == 200


@pytest.mark.parametrize("limits", [{"limit_recipient": "1/86400"}, {"limit_requested_mail": "1/3600"}])
def test_a_code_that_limits_withhold_does_not_replace_the_code_in_the_last_email(api, mails, verified_sale, monkeypatch, limits):
    monkeypatch.setattr(deadline.time, "sleep", lambda _: None)
    path = f"/events/{verified_sale[0]}/waiting-room/code"
    with settings.override(rate_limits="on", **limits):
        for number in range(2):
            assert api.post(path, json={"email": ADA}, user="u0", source_ip=f"198.51.100.{number}").status == 200
    assert len(mails) == 1
    assert send_code(api, verified_sale[0], "u0", mails[0].values["code"]).status == 200


def test_a_code_carries_no_text_of_an_unverified_promoter_to_strangers(api, time, mails):
    """Otherwise, anybody who registers could send a text to any address."""
    opens, trap = builders.clock.iso(time.now + SECONDS_TO_OPENING), "Your bank account is locked"
    room = {"entry": "verified_address"}
    starts = builders.clock.iso(time.now + 30 * 86_400)
    body = {"name": trap, "venue": "Hall", "starts_at": starts, "on_sale_at": opens, "waiting_room": room}
    nora = builders.token("nora", "promoter")
    event_id = api.post("/events", json=body, token=nora).json["id"]
    builders.create_tier(api, event_id)
    with settings.override(mail_provider="ses"):
        published = api.post(f"/events/{event_id}/publish", token=nora)
    assert published.status == 200, published.json
    for language in ("en", "es"):
        path = f"/events/{event_id}/waiting-room/code"
        assert api.post(path, json={"email": ADA}, user="u0", headers={"Accept-Language": language}).status == 200
        mail = mails[-1].compose()
        assert mails[-1].values["code"] in mail.subject
        assert [part for part in (mail.subject, mail.text, mail.html) if trap in part] == []
    assert api.put("/promoters/nora", json={"name": "Nights", "verified": True}, token=builders.admin_token()).status == 200
    assert mail_code(api, event_id, "u0").status == 200
    assert trap in mails[-1].compose().subject


def test_an_account_proves_its_verified_address(api, time, mails, verified_sale):
    event_id, tier_id = verified_sale
    guest = join_proven(api, mails, event_id, "guest")
    create_account("ada")
    joined = try_join(api, event_id, "ada").json["token"]
    create_account("new", "new@example.com", verified_at=None)
    assert try_join(api, event_id, "new").json["reason"] == "address_required"
    create_account("locked", "locked@example.com", locked_at=1)
    assert try_join(api, event_id, "locked").json["reason"] == "address_required"
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "guest", guest).json["error"] == "token_of_another_user"
    assert reserve(api, event_id, tier_id, "ada", joined).status == 201


def test_accounts_only(api, time, mails):
    event_id, _ = create_sale(api, time, entry="account")
    create_account("ada")
    create_account("tagged", "a.d.a+2@gmail.com")
    create_account("plain", "ada@gmail.com")
    create_account("new", "new@example.com", verified_at=None)
    for user in ("guest", "new"):
        refused = try_join(api, event_id, user)
        assert (refused.status, refused.json["error"], refused.json["reason"]) == (403, "entry_refused", "account_required")
    for user in ("ada", "tagged", "plain", "ada"):
        assert try_join(api, event_id, user).status == 200
    assert get_proof(api, event_id, time)["total"] == 2
    assert get_proof(api, event_id, time)["excluded"] == {"account_required": 2, "address_used": 1}


@pytest.mark.slow
@pytest.mark.not_on_moto
@pytest.mark.parametrize("rule", ["verified_address", "account"])
def test_a_thousand_accounts_with_ten_addresses_get_ten_places(api, time, rule):
    event_id, tier_id = create_sale(api, time, entry=rule, wave_size=1000, pass_seconds=3000)
    joined = {}
    for number in range(1000):
        name, tag = f"b.uyer{number % 10}", "" if number < 10 else f"+{number}"
        create_account(f"u{number}", f"{name}{tag}@gmail.com")
        joined[f"u{number}"] = join(api, event_id, f"u{number}")
    proof = get_proof(api, event_id, time)
    assert (proof["entry"], proof["total"], proof["excluded"]) == (rule, 10, {"address_used": 990})
    time.advance(SECONDS_TO_OPENING + 60)
    assert sorted(get_status(api, event_id, joined[f"u{number}"])["position"] for number in range(990, 1000)) == list(range(1, 11))
    replies = Counter(reserve(api, event_id, tier_id, user, token).json.get("error") for user, token in joined.items())
    assert replies == {None: 10, "token_of_another_user": 990}


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_odds_depend_neither_on_the_time_of_joining_nor_on_the_number_of_devices(api, time, mails, verified_sale):
    """Ada joins first, with one device. Bob joins last, with three. Each position is equally likely for both."""
    event_id, _ = verified_sale
    people = [
        ("ada", ADA),
        *((f"u{number}", f"{number}@example.com") for number in range(8)),
        *((f"bob-{device}", "bob@example.com") for device in range(3)),
    ]
    arrivals = {}
    for user, email in people:
        time.advance(10)
        arrivals[user] = tokens.read_token(join_proven(api, mails, event_id, user, email))
    n, draws = get_proof(api, event_id, time)["total"], 100_000
    assert n == 10
    rng = random.Random(5)
    keys = [rng.randbytes(32) for _ in range(draws)]
    for arrival in (arrivals["ada"], arrivals["bob-2"]):
        counts = Counter(draw.position(key, n, (0,), arrival.counter, arrival.number, 1) for key in keys)
        assert sorted(counts) == list(range(1, n + 1))
        deviation = sum((count - draws / n) ** 2 / (draws / n) for count in counts.values())
        assert deviation < 27.9  # chi-squared with 9 degrees of freedom exceeds this in one of 1,000 cases


def test_the_rule_follows_the_event_until_somebody_has_joined(api, time, mails):
    event_id, _ = create_sale(api, time, opens_in=10 * 86_400)

    def change(rule):
        with settings.override(mail_provider="ses"):
            return api.patch(f"/events/{event_id}", json={"waiting_room": {"entry": rule}}, token=builders.admin_token())

    assert change("verified_address").status == 200
    assert get_proof(api, event_id, time)["entry"] == "verified_address"
    join_proven(api, mails, event_id, "u0")
    assert change("account").status == 200
    assert get_proof(api, event_id, time)["entry"] == "verified_address"
    api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token())
    assert get_proof(api, event_id, time)["entry"] == "account"


def test_who_joined_at_the_moment_of_a_stricter_rule_has_to_verify(api, time, mails):
    """An instance that has not seen the change yet gives a place to a user, although the room asks for an address."""
    seconds = 2 * 86_400
    event_id, tier_id = create_sale(api, time, opens_in=seconds)
    cached = room_cache.get_room(event_id, time.now)
    stricter = {"waiting_room": {"entry": "verified_address"}}
    with settings.override(mail_provider="ses"):
        assert api.patch(f"/events/{event_id}", json=stricter, token=builders.admin_token()).status == 200
    assert get_proof(api, event_id, time)["entry"] == "verified_address"
    entrant = service.Entrant(tokens.user_key("ada"), None, "ada")
    token = service._join(cached, entrant, lambda: None, lambda _: False, lambda *_: [], lambda: None, 0, time.now).view.token
    time.advance(seconds)
    refused = reserve(api, event_id, tier_id, "ada", token)
    assert (refused.status, refused.json["error"]) == (404, "entry_unknown")
    proven = join_proven(api, mails, event_id, "ada")
    time.advance(60)
    assert reserve(api, event_id, tier_id, "ada", proven).status == 201


def test_a_rule_costs_a_join_no_write_and_a_purchase_nothing(api, time, mails, sale, verified_sale):
    def calls_of(send):
        with record_calls() as calls:
            assert send().status in (200, 201)
        return [(entry.operation, entry.tables) for entry in calls.entries]

    proof = prove(api, mails, verified_sale[0], "u0")
    for event_id, _ in (sale, verified_sale):  # create the rooms
        api.get(f"/events/{event_id}/waiting-room/state")
    joins = [calls_of(lambda: try_join(api, sale[0], "u0")), calls_of(lambda: try_join(api, verified_sale[0], "u0", proof))]
    assert joins[0] == joins[1]
    places = [try_join(api, sale[0], "u0").json["token"], try_join(api, verified_sale[0], "u0", proof).json["token"]]
    time.advance(SECONDS_TO_OPENING)
    for event_id, _ in (sale, verified_sale):
        api.get(f"/events/{event_id}/waiting-room/state")
    reservations = [calls_of(partial(reserve, api, *shop, "u0", token)) for shop, token in zip((sale, verified_sale), places, strict=True)]
    assert reservations[0] == reservations[1]


def test_a_stricter_rule_cancels_no_tickets(api, time):
    """A rule decides about places, and so before the draw. Nobody who has bought or is buying loses anything by another rule."""
    event_id, tier_id = create_sale(api, time)
    place = try_join(api, event_id, "u0").json["token"]
    time.advance(SECONDS_TO_OPENING)
    order_id = reserve(api, event_id, tier_id, "u0", place, 2).json["id"]
    builders.start_checkout(api, "u0", order_id)
    assert builders.confirm(api, "u0", order_id).status == 201
    time.advance(73 * 3600)
    buying = try_join(api, event_id, "buying").json["token"]
    time.advance(2)
    held = reserve(api, event_id, tier_id, "buying", buying)
    assert held.status == 201, held.json
    with settings.override(mail_provider="ses"):
        rule = {"waiting_room": {"entry": "account"}}
        assert api.patch(f"/events/{event_id}", json=rule, token=builders.admin_token()).status == 200
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    time.advance(2)
    assert try_join(api, event_id, "u0").json["reason"] == "account_required"
    builders.start_checkout(api, "buying", held.json["id"])
    assert builders.confirm(api, "buying", held.json["id"]).status == 201
    time.advance(60)
    builders.run_sweep()
    assert [len(api.get("/me/tickets", user=user).json["tickets"]) for user in ("u0", "buying")] == [2, 1]
    invariants.check(time.now)


def test_publishing_asks_for_a_mail_provider(api):
    on_sale_at = builders.clock.iso(builders.clock.now() + 3 * 86_400)
    waiting_room = {"entry": "verified_address"}
    event_id = builders.create_event(api, on_sale_at=on_sale_at, status="draft", waiting_room=waiting_room)
    builders.create_tier(api, event_id)

    def publish():
        return api.post(f"/events/{event_id}/publish", token=builders.admin_token())

    refused = publish()
    assert (refused.status, refused.json["error"]) == (409, "event_incomplete")
    assert [problem["path"] for problem in refused.json["problems"]] == ["$.waiting_room.entry"]
    with settings.override(mail_provider="ses"):
        assert publish().status == 200
    assert catalog.load_current().events[event_id].status == "active"


def test_a_published_event_gets_no_rule_with_addresses_without_a_mail_provider(api, time):
    event_id, _ = create_sale(api, time, opens_in=10 * 86_400)
    room = {"waiting_room": {"entry": "verified_address"}}
    refused = api.patch(f"/events/{event_id}", json=room, token=builders.admin_token())
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "invalid_input", "$.waiting_room.entry")
    assert catalog.load_current().events[event_id].entry_rule == "open"


def test_the_figures_of_refusals_are_not_needed_to_refuse(api, time, monkeypatch):
    event_id, _ = create_sale(api, time, entry="account")

    def fail(*_):
        raise dynamo.StoreUnavailable("down")

    monkeypatch.setattr(service.store, "count_excluded", fail)
    assert try_join(api, event_id, "u0").json["error"] == "entry_refused"
    assert get_proof(api, event_id, time)["excluded"] == {}
