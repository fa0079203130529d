"""What promoters may do before an admin has verified them, and how fast anybody may change the catalog."""

import pytest

from chalicelib.catalog import quotas
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth, rate_limits
from chalicelib.edge.languages import LANGUAGES
from chalicelib.foundation import clock, settings
from chalicelib.promotions import management
from tests import builders
from tests.promoters.test_suspension import DRAFT, TIER, change, sign_up_promoter
from tests.simulation.call_log import record_calls

CODE = {"code": "CODE", "discount_type": "percentage", "discount_value": 10}

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture(autouse=True)
def _strict(_settings):
    limits = {"unverified_events": 2, "unverified_tiers": 2, "unverified_tickets": 500, "unverified_codes": 2, "promoter_events": 3}
    with settings.override(publishing="verified", **limits):
        yield


def verify(api, promoter_id, **fields):
    body = {"name": "Pat", "verified": True} | fields
    assert api.put(f"/promoters/{promoter_id}", json=body, token=builders.admin_token()).status == 200


def create_draft(api, by, **fields):
    event_id = api.post("/events", json=DRAFT | fields, **by).json["id"]
    assert api.post(f"/events/{event_id}/tiers", json=TIER, **by).status == 201
    return event_id


def test_an_unverified_promoter_prepares_a_draft_and_publishes_it_after_the_verification(api):
    promoter_id, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    refused = api.post(f"/events/{event_id}/publish", **by)
    assert (refused.status, refused.json["error"]) == (403, "promoter_not_verified")
    assert api.get("/events").json == []
    coordinator = {"token": builders.auth.issue_token("cora", {"user"}, events={event_id: "coordinator"})}
    assert api.post(f"/events/{event_id}/publish", **coordinator).json["error"] == "promoter_not_verified"
    verify(api, promoter_id)
    assert api.post(f"/events/{event_id}/publish", **by).status == 200


def test_admins_publish_for_anybody_and_a_stage_may_let_all_promoters_publish(api):
    _, by = sign_up_promoter(api)
    first, second = create_draft(api, by), create_draft(api, by)
    assert api.post(f"/events/{first}/publish", token=builders.admin_token()).status == 200
    with settings.override(publishing="all"):
        assert api.post(f"/events/{second}/publish", **by).status == 200


def test_a_promoter_who_loses_the_verification_keeps_what_is_published(api):
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    event_id, draft = create_draft(api, by), create_draft(api, by)
    api.post(f"/events/{event_id}/publish", **by)
    verify(api, promoter_id, verified=False)
    assert [event["id"] for event in api.get("/events").json] == [event_id]
    assert api.post(f"/events/{draft}/publish", **by).status == 403


def test_events_are_counted_more_strictly_before_the_verification(api, time):
    promoter_id, by = sign_up_promoter(api)
    drafts = [create_draft(api, by, starts_at=clock.iso(time.now + 3600)) for _ in range(2)]
    refused = api.post("/events", json=DRAFT, **by)
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "event_quota_reached", 2)
    time.advance(7200)
    assert api.post("/events", json=DRAFT, **by).json["error"] == "event_quota_reached"  # past events count
    api.delete(f"/events/{drafts[0]}", **by)
    create_draft(api, by)
    verify(api, promoter_id)
    assert api.post("/events", json=DRAFT, **by).status == 201
    refused = api.post("/events", json=DRAFT, **by)
    assert refused.json["error"] == "event_limit_reached", "a draft counts, even if its date has passed"
    assert api.patch(f"/events/{drafts[1]}", json={"starts_at": clock.iso(time.now + 3600)}, **by).status == 200
    assert api.post(f"/events/{drafts[1]}/publish", **by).status == 200
    time.advance(quotas.RECENT_SECONDS)
    by = {"token": builders.token(promoter_id, "promoter")}
    assert api.post("/events", json=DRAFT, **by).status == 201, "a published event that has ended no longer counts"
    refused = api.post("/events", json=DRAFT, **by)
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "event_limit_reached", 3)
    assert "verify" not in refused.json["message"]
    assert api.post("/events", json=DRAFT | {"promoter_id": promoter_id}, token=builders.admin_token()).status == 201


def test_ticket_types_are_limited_before_the_verification(api):
    promoter_id, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    tiers = f"/events/{event_id}/tiers"
    assert api.post(tiers, json=TIER | {"name": "B"}, **by).status == 201
    refused = api.post(tiers, json=TIER | {"name": "C"}, **by)
    assert (refused.json["error"], refused.json["limit"]) == ("too_many_tiers", 2)
    verify(api, promoter_id)
    assert api.post(tiers, json=TIER | {"name": "C"}, **by).status == 201


@pytest.mark.needs_addon
def test_tickets_are_limited_before_the_verification(api, monkeypatch):
    promoter_id, by = sign_up_promoter(api)
    event_id = api.post("/events", json=DRAFT, **by).json["id"]
    tiers = f"/events/{event_id}/tiers"
    tier_id = api.post(tiers, json=TIER | {"capacity": 400}, **by).json["id"]
    refused = [
        api.post(tiers, json=TIER | {"name": "B", "capacity": 101}, **by),
        api.patch(f"/tiers/{tier_id}", json={"capacity": 501}, **by),
        api.post(f"/admin/events/{event_id}/tickets/packages/{tier_id}/duplicate", **by),
    ]
    assert {(reply.status, reply.json["error"], reply.json["limit"]) for reply in refused} == {(409, "too_many_tickets", 500)}
    assert [reply.json["path"] for reply in refused] == ["$.capacity", "$.capacity", "$.quantity_limit"]
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 10}, **by).status == 200
    refused = api.post(tiers, json=TIER | {"name": "B", "capacity": 101}, **by)
    assert refused.json["error"] == "too_many_tickets", "its stock still has the shards of 400 tickets"
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 400}, **by).status == 200
    assert api.delete(f"/tiers/{tier_id}", **by).status == 200
    assert api.post(tiers, json=TIER | {"name": "B", "capacity": 461}, **by).status == 409, "deleted tickets count a tenth"
    assert api.post(tiers, json=TIER | {"name": "B", "capacity": 460}, **by).status == 201
    verify(api, promoter_id)
    assert api.post(tiers, json=TIER | {"name": "C", "capacity": 501}, **by).status == 201
    monkeypatch.setattr(quotas, "MAX_EVENT_TICKETS", 1000)
    refused = api.post(tiers, json=TIER | {"name": "D", "capacity": 40}, **by)
    assert (refused.json["error"], refused.json["limit"]) == ("too_many_tickets", 1000)
    assert api.post(tiers, json=TIER | {"name": "D", "capacity": 39}, **by).status == 201


def test_promo_codes_are_limited(api, monkeypatch):
    promoter_id, by = sign_up_promoter(api)
    codes = f"/admin/events/{create_draft(api, by)}/promo-codes"

    def create(number):
        return api.post(codes, json=CODE | {"code": f"CODE-{number}"}, **by)

    assert [create(number).status for number in range(2)] == [201, 201]
    refused = create(2)
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "too_many_promo_codes", 2)
    assert create(1).json["error"] == "promo_code_taken"
    assert api.delete(f"{codes}/CODE-1", **by).status == 200
    assert create(2).status == 201
    verify(api, promoter_id)
    assert create(3).status == 201
    monkeypatch.setattr(management, "MAX_CODES", 3)
    assert create(4).json["limit"] == 3


def test_the_limit_of_changes_holds_over_all_instances(api):
    _, by = sign_up_promoter(api)
    with settings.override(rate_limits="on", limit_catalog="3/60", promoter_events=10, unverified_events=10):
        statuses = []
        for _ in range(5):
            rate_limits._local_counters.forget()  # each request gets a new instance
            statuses.append(api.post("/events", json=DRAFT, **by).status)
    assert statuses == [201] * 3 + [429] * 2


@pytest.mark.slow
@pytest.mark.needs_addon
def test_changes_of_large_stocks_count_by_their_writes(api, monkeypatch):
    """All sales share the table of the stock, so nobody may keep it busy by changing the capacity of a large draft."""
    _, by = sign_up_promoter(api)
    monkeypatch.setattr(rate_limits, "WRITES_PER_REQUEST", 5)
    with settings.override(rate_limits="on", limit_catalog="100/60", unverified_tickets=2400):
        event_id = api.post("/events", json=DRAFT | {"capacity": 2400}, **by).json["id"]  # 30 shards
        tier_id = api.post(f"/events/{event_id}/tiers", json=TIER | {"capacity": 2400}, **by).json["id"]
        package = f"/admin/events/{event_id}/tickets/packages/{tier_id}"
        changes = [(f"/events/{event_id}", "capacity", 2399), (f"/tiers/{tier_id}", "capacity", 2399), (package, "quantity_limit", 2300)]
        statuses = [api.patch(path, json={name: most - number}, **by).status for number in range(8) for path, name, most in changes]
        assert statuses == [200] * 15 + [429] * 9, "each counts as six of the hundred, and so did the event and the tier"
        assert api.patch(f"/tiers/{tier_id}", json={"name": "Balcony"}, **by).status == 200
        assert api.patch(f"/tiers/{tier_id}", json={"capacity": 2000}, token=builders.admin_token()).status == 200


@pytest.mark.needs_addon
def test_new_and_deleted_stocks_count_by_their_writes(api, monkeypatch):
    _, by = sign_up_promoter(api)
    monkeypatch.setattr(rate_limits, "WRITES_PER_REQUEST", 5)
    large = TIER | {"capacity": 1600}  # 20 shards
    held = [{"id": "press", "reason": "press", "quantity": 100}]
    with settings.override(rate_limits="on", limit_catalog="100/60", unverified_tickets=100_000, unverified_tiers=9):
        event_id = api.post("/events", json=DRAFT | {"capacity": 8000}, **by).json["id"]  # 100 shards: 20 of the hundred
        statuses = []
        for number in range(4):
            body = large | {"name": f"Tier {number}", "holdbacks": held}
            statuses.append(api.post(f"/events/{event_id}/tiers", json=body, **by).status)  # 120 shards: 24
        assert statuses == [201] * 4
        assert api.post("/events", json=DRAFT | {"capacity": 8000}, **by).status == 429
        [*tiers] = api.get(f"/events/{event_id}", **by).json["tiers"]
        assert api.delete(f"/tiers/{tiers[0]['id']}", **by).status == 429
        assert api.delete(f"/admin/events/{event_id}/tickets/packages/{tiers[0]['id']}", **by).status == 429
        copy = f"/admin/events/{event_id}/tickets/packages/{tiers[0]['id']}/duplicate"
        assert api.post(copy, **by).status == 429
        package = {"name": "Row", "price": 1, "quantity_limit": 1600}
        assert api.post(f"/admin/events/{event_id}/tickets/packages", json=package, **by).status == 429


def test_a_first_capacity_counts_by_the_shards_of_all_tiers(api, monkeypatch):
    _, by = sign_up_promoter(api)
    monkeypatch.setattr(rate_limits, "WRITES_PER_REQUEST", 5)
    with settings.override(rate_limits="on", limit_catalog="10/60", unverified_tickets=2_000):
        event_id = create_draft(api, by)
        body = TIER | {"name": "Large", "capacity": 1600, "holdbacks": [{"id": "press", "reason": "press", "quantity": 2}]}
        assert api.post(f"/events/{event_id}/tiers", json=body, **by).status == 201  # 20 shards: 4 of the ten
        with record_calls() as log:
            statuses = [api.patch(f"/events/{event_id}", json={"capacity": 1}, **by).status for _ in range(4)]
        assert statuses == [409, 409, 429, 429]
        assert not log.of("UpdateItem", "inventory"), "a capacity that is too small marks no shards"


@pytest.mark.not_on_moto
def test_many_codes_at_once_count_by_their_writes(api, monkeypatch):
    _, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    path, body = f"/admin/events/{event_id}/promo-codes/batch", {"discount_value": 10}
    with settings.override(rate_limits="on", limit_catalog="100/60", unverified_codes=2_000):
        assert [api.post(path, json=body | {"count": 50}, **by).status for _ in range(4)] == [201] * 4, "three items each"
        unlimited = body | {"count": 50, "max_total_uses": None}
        statuses = [api.post(path, json=unlimited, **by).status for _ in range(3)]
        assert statuses == [201, 201, 429], "66 items each, so that a request counts as 66 of the hundred"
        assert api.patch(f"/events/{event_id}", json={"name": "Other"}, **by).status == 200


def test_strangers_cannot_fill_the_memory_of_all_instances_with_long_drafts(api):
    """Anybody can register as a promoter, any number of times, and every instance has all drafts in its memory."""
    promoter_id, by = sign_up_promoter(api)
    long = {"description": "\U0001f600" * 10_000}
    with settings.override(unverified_kilobytes=64):
        event_id = api.post("/events", json=DRAFT | long, **by).json["id"]
        refused = api.post(f"/events/{event_id}/tiers", json=TIER | long, **by)
        assert (refused.status, refused.json["path"]) == (400, "$.description")
        tier_id = api.post(f"/events/{event_id}/tiers", json=TIER, **by).json["id"]
        assert api.patch(f"/tiers/{tier_id}", json=long, **by).status == 400
        assert api.patch(f"/events/{event_id}", json={"description": "short"}, **by).status == 200
        assert api.patch(f"/tiers/{tier_id}", json=long, **by).status == 200
        assert api.patch(f"/events/{event_id}", json=long, **by).status == 400
        verify(api, promoter_id)
        assert api.patch(f"/events/{event_id}", json=long, **by).status == 200


def test_strangers_cannot_fill_the_memory_of_all_instances_with_holdbacks(api):
    promoter_id, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    [tier] = api.get(f"/events/{event_id}", **by).json["tiers"]
    long = {"reason": "other", "quantity": 1, "label": "\U0001f600" * 100}
    many = [{"id": f"{number}", **long} for number in range(10)]
    with settings.override(unverified_kilobytes=4):
        assert api.patch(f"/tiers/{tier['id']}", json={"holdbacks": many}, **by).status == 400
        assert api.patch(f"/tiers/{tier['id']}", json={"holdbacks": many[:5]}, **by).status == 200
        verify(api, promoter_id)
        assert api.patch(f"/tiers/{tier['id']}", json={"holdbacks": many}, **by).status == 200


def test_strangers_cannot_fill_the_memory_of_all_instances_with_dates(api, time):
    promoter_id, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    long = {"starts_at": clock.iso(time.now + 86_400), "name": "\U0001f600" * 100}
    many = [{"id": f"{number:032}", **long} for number in range(60)]
    dates, ids = [date | {"name": "Night"} for date in many], [date["id"] for date in many]
    with settings.override(unverified_kilobytes=16, unverified_tiers=20):
        assert api.patch(f"/events/{event_id}", json={"dates": many}, **by).status == 400
        assert api.patch(f"/events/{event_id}", json={"dates": dates}, **by).status == 200
        replies = [api.post(f"/events/{event_id}/tiers", json=TIER | {"name": f"{number}", "date_ids": ids}, **by) for number in range(6)]
        assert [reply.status for reply in replies] == [201] * 5 + [400]
        verify(api, promoter_id)
        assert api.patch(f"/events/{event_id}", json={"dates": many}, **by).status == 200


def test_a_verified_promoter_cannot_fill_the_memory_of_all_instances(api, time, monkeypatch):
    """Five hundred events with 97 ticket types each would take gigabytes."""
    monkeypatch.setattr("chalicelib.catalog.quotas.MAX_PROMOTER_MEGABYTES", 1)
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    long = {"description": "\U0001f600" * 10_000, "metadata": {"notes": "x" * 8_000}}
    with settings.override(unverified_kilobytes=40, promoter_events=500, unverified_events=500):
        drafts = [api.post("/events", json=DRAFT | long, **by) for _ in range(25)]
        assert [draft.status for draft in drafts] == [201] * 21 + [400] * 4
        first = drafts[0].json["id"]
        refused = api.post(f"/events/{first}/tiers", json=TIER | long, **by)
        assert (refused.status, refused.json["path"]) == (400, "$.description")
        assert api.patch(f"/events/{first}", json={"name": "Other"}, **by).status == 200, "what is there already may stay"
        assert api.post("/events", json=DRAFT, **by).status == 201, "small events have a limit of their own"
        assert api.delete(f"/events/{first}", **by).status == 200
        assert api.post("/events", json=DRAFT | long, **by).status == 201


def test_a_verified_promoter_cannot_fill_the_memory_of_all_instances_with_events_that_are_soon_over(api, time, monkeypatch):
    monkeypatch.setattr("chalicelib.catalog.quotas.MAX_PROMOTER_MEGABYTES", 1)
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    long = {"description": "\U0001f600" * 10_000, "metadata": {"notes": "x" * 8_000}}

    def create_short(by=by, **fields):
        created = api.post("/events", json=DRAFT | {"starts_at": clock.iso(time.now + 60)} | fields, **by)
        if created.status == 201:
            assert api.post(f"/events/{created.json['id']}/tiers", json=TIER, **by).status == 201
            assert api.post(f"/events/{created.json['id']}/publish", **by).status == 200
            time.advance(120)
        return created

    with settings.override(unverified_kilobytes=40, promoter_events=30, unverified_events=30):
        assert [create_short(**long).status for _ in range(25)] == [201] * 21 + [400] * 4
        small = [create_short() for _ in range(10)]
        assert [created.status for created in small] == [201] * 9 + [409]
        time.advance(quotas.RECENT_SECONDS)
        later = {"token": builders.token(promoter_id, "promoter")}
        filled = [api.patch(f"/events/{each.json['id']}", json=long, **later).status for each in small[:9]]
        filled += [create_short(later, **long).status for _ in range(14)]
        assert filled == [200] * 9 + [201] * 12 + [400] * 2


def test_the_texts_of_an_event_fit_into_a_reply_to_its_managers(api, time):
    """In each language, 98 ticket types may have 40 KB of text; a reply of Lambda has at most 6 MB."""
    event_id, admin = builders.create_event(api), {"token": builders.admin_token()}
    random_text = "".join(chr(0x4E00 + number % 20_000) for number in range(10_000))
    long = {"description": random_text, "descriptions": dict.fromkeys(LANGUAGES, random_text)}
    replies = [api.post(f"/events/{event_id}/tiers", json=TIER | long | {"name": f"{number}"}, **admin) for number in range(48)]
    count = [reply.status for reply in replies].count(201)
    assert [reply.status for reply in replies] == [201] * count + [400] * (48 - count)
    assert (count > 30, replies[-1].json["path"]) == (True, "$.description")
    shown = api.get(f"/events/{event_id}", **admin)
    assert (shown.status, len(shown.json["tiers"]), len(shown.body) < 6_000_000) == (200, count, True)


def test_strangers_cannot_fill_the_memory_of_all_instances_with_default_taxes(api):
    promoter_id, by = sign_up_promoter(api)
    path, taxes = f"/promoters/{promoter_id}/default-taxes", {"default_taxes": [{"country": "ES", "tax": {"percent": "21"}}]}
    refused = api.put(path, json=taxes, **by)
    assert (refused.status, refused.json["error"]) == (403, "forbidden")
    assert catalog.load_current().choices == {}
    verify(api, promoter_id)
    assert api.put(path, json=taxes, **by).status == 200
    assert api.put(f"/promoters/{promoter_id}", json={"name": "Other"}, **by).json["verified"] is False
    assert api.put(path, json=taxes | {"default_taxes": []}, **by).status == 200, "to remove them takes no verification"


def test_strangers_cannot_fill_the_memory_of_all_instances_with_many_drafts(api):
    _, by = sign_up_promoter(api, "one@example.com")
    promoter_id, other = sign_up_promoter(api, "two@example.com")
    with settings.override(unverified_drafts=2):
        drafts = [api.post("/events", json=DRAFT, **each).json["id"] for each in (by, other)]
        refused = api.post("/events", json=DRAFT, **other)
        assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "event_quota_reached", 2)
        assert api.post(f"/events/{drafts[0]}/cancel", token=builders.admin_token()).status == 200
        assert api.post("/events", json=DRAFT, **other).status == 409
        verify(api, promoter_id)
        assert api.post("/events", json=DRAFT, **other).status == 201


def test_drafts_of_promoters_whom_an_admin_has_stopped_keep_nobody_out(api):
    stranger_id, by = sign_up_promoter(api, "one@example.com")
    _, other = sign_up_promoter(api, "two@example.com")
    drafts = [create_draft(api, by) for _ in range(2)]
    with settings.override(unverified_drafts=2):
        assert api.post("/events", json=DRAFT, **other).status == 409
        assert api.delete(f"/events/{drafts[0]}", **by).status == 200
        create_draft(api, by)
        assert change(api, stranger_id, locked=True).status == 200
        assert api.post("/events", json=DRAFT, **other).status == 201
        assert change(api, stranger_id, locked=False).status == 200
        assert api.post("/events", json=DRAFT, **other).status == 409


def test_cancelled_events_of_verified_promoters_and_past_ones_keep_nobody_out(api, time):
    promoter_id, by = sign_up_promoter(api, "one@example.com")
    _, other = sign_up_promoter(api, "two@example.com")
    cancelled = [create_draft(api, by, starts_at=clock.iso(time.now + 3600)) for _ in range(2)]
    for event_id in cancelled:
        assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200

    def create() -> int:
        with settings.override(unverified_drafts=2):
            reply = api.post("/events", json=DRAFT, **other)
        if reply.status == 201:
            api.delete(f"/events/{reply.json['id']}", **other)
        return reply.status

    assert create() == 409
    verify(api, promoter_id)
    assert create() == 201
    verify(api, promoter_id, verified=False)
    assert create() == 409
    time.advance(3601)
    assert create() == 201


def test_strangers_cannot_fill_the_memory_of_all_instances_with_deleted_entries(api):
    """What is deleted stays in the memory too, and the quotas of a promoter do not limit the number of promoters."""
    _, by = sign_up_promoter(api, "one@example.com")
    promoter_id, other = sign_up_promoter(api, "two@example.com")
    filled, draft, deleted = (create_draft(api, each) for each in (by, other, by))
    with settings.override(unverified_tiers=20):
        for number in range(28):
            tier_id = api.post(f"/events/{filled}/tiers", json=TIER | {"name": f"Tier {number}"}, **by).json["id"]
            assert api.delete(f"/tiers/{tier_id}", **by).status == 200
    with settings.override(unverified_drafts=3):
        assert api.delete(f"/events/{deleted}", **by).status == 200  # with its tier: thirty deleted entries count as a draft for others
        refused = api.post("/events", json=DRAFT, **other)
        assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "event_quota_reached", 3)
        assert api.post(f"/events/{draft}/tiers", json=TIER | {"name": "A"}, **other).status == 201
    with settings.override(unverified_drafts=1):
        refused = api.post(f"/events/{draft}/tiers", json=TIER | {"name": "B"}, **other)
        assert (refused.status, refused.json["error"]) == (409, "too_many_tiers")
        verify(api, promoter_id)
        assert api.post(f"/events/{draft}/tiers", json=TIER | {"name": "B"}, **other).status == 201
        assert api.post("/events", json=DRAFT, **other).status == 201


def test_ten_deleted_ticket_types_of_a_verified_promoter_count_as_one(api, monkeypatch):
    """They stay in the memory of every instance."""
    monkeypatch.setattr(quotas, "MAX_TIERS", 3)
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    tiers = f"/events/{create_draft(api, by)}/tiers"
    replies = []
    for number in range(21):
        created = api.post(tiers, json=TIER | {"name": f"Tier {number}"}, **by)
        replies.append(created.status)
        if created.status == 201:
            assert api.delete(f"/tiers/{created.json['id']}", **by).status == 200
    assert replies == [201] * 20 + [409]


def test_deleted_entries_keep_no_addresses_of_images(api):
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    image = {"image_url": f"https://example.com/{'x' * 1900}"}
    kept, deleted = create_draft(api, by, **image), create_draft(api, by, **image)
    tier_ids = [api.post(f"/events/{event_id}/tiers", json=TIER | image | {"name": "B"}, **by).json["id"] for event_id in (kept, deleted)]
    assert api.delete(f"/tiers/{tier_ids[0]}", **by).status == 200
    assert api.delete(f"/events/{deleted}", **by).status == 200
    current = catalog.load_current()
    assert [current.tiers[tier_id].image_url for tier_id in tier_ids] == [None, None]
    assert [current.events[event_id].image_url for event_id in (kept, deleted)] == [image["image_url"], None]


def test_a_stranger_cannot_keep_new_promoters_out_with_deleted_entries(api):
    """Nothing removes the deleted entries, not even a lock of the stranger."""
    _, by = sign_up_promoter(api, "one@example.com")
    _, other = sign_up_promoter(api, "two@example.com")
    filled, draft = create_draft(api, by), create_draft(api, other)
    for number in range(10):
        tier_id = api.post(f"/events/{filled}/tiers", json=TIER | {"name": f"Tier {number}"}, **by).json["id"]
        assert api.delete(f"/tiers/{tier_id}", **by).status == 200
    with settings.override(unverified_drafts=3):
        assert [api.post("/events", json=DRAFT, **each).status for each in (by, other)] == [409, 201]
    with settings.override(unverified_drafts=1):
        tiers = [
            api.post(f"/events/{event_id}/tiers", json=TIER | {"name": "A"}, **each) for event_id, each in ((filled, by), (draft, other))
        ]
        assert [reply.status for reply in tiers] == [409, 201]


def test_nobody_creates_and_deletes_without_end_before_the_verification(api):
    promoter_id, by = sign_up_promoter(api)
    long = {"description": "x" * 10_000, "metadata": {"text": "y" * 5_000}}
    kept = create_draft(api, by)
    for number in range(10):
        tier_id = api.post(f"/events/{kept}/tiers", json=TIER | long | {"name": f"Tier {number}"}, **by).json["id"]
        assert api.delete(f"/tiers/{tier_id}", **by).status == 200
        event_id = api.post("/events", json=DRAFT | long, **by).json["id"]
        assert api.delete(f"/events/{event_id}", **by).status == 200
    refused = api.post("/events", json=DRAFT, **by), api.post(f"/events/{kept}/tiers", json=TIER | {"name": "B"}, **by)
    assert [reply.json["error"] for reply in refused] == ["event_quota_reached", "too_many_tiers"]
    current = catalog.load_current()
    assert max(len(str(entry)) for entry in (*current.events.values(), *current.tiers.values())) < 3_000
    verify(api, promoter_id)
    assert api.post("/events", json=DRAFT, **by).status == 201
    assert api.post(f"/events/{kept}/tiers", json=TIER | {"name": "B"}, **by).status == 201


def test_nobody_puts_a_draft_on_the_start_page_by_cancelling_it(api):
    """Everybody sees cancelled events: their names, descriptions and reasons."""
    promoter_id, by = sign_up_promoter(api)
    event_id = create_draft(api, by, description="Call +1 555 0100")
    for caller in (by, {"token": auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})}):
        refused = api.post(f"/events/{event_id}/cancel", json={"reason": "Call +1 555 0100"}, **caller)
        assert (refused.status, refused.json["error"]) == (403, "promoter_not_verified")
    assert api.get("/events").json == []
    assert [api.get(path).status for path in (f"/events/{event_id}", f"/events/{event_id}/preview")] == [404, 404]
    verify(api, promoter_id)
    assert api.post(f"/events/{event_id}/cancel", **by).status == 200


def test_an_unverified_promoter_cancels_an_event_that_an_admin_has_published(api):
    _, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    assert api.post(f"/events/{event_id}/cancel", **by).status == 200


def test_new_reasons_for_a_cancellation_count_as_changes(api):
    """Each reason is a version of the catalog, which every instance reads. A cancelled event takes any number of them."""
    _, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200
    with settings.override(rate_limits="on", limit_catalog="3/60"):
        before = catalog.load_current().revision
        replies = [api.post(f"/events/{event_id}/cancel", json={"reason": f"Reason {number}"}, **by) for number in range(5)]
        assert [reply.status for reply in replies] == [200] * 3 + [429] * 2
        assert catalog.load_current().revision == before + 3
        assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200


def test_changes_of_the_catalog_are_limited_for_everybody_but_admins(api):
    _, by = sign_up_promoter(api)
    event_id = create_draft(api, by)
    with settings.override(rate_limits="on", limit_catalog="3/60"):
        for number in range(3):
            assert api.patch(f"/events/{event_id}", json={"name": f"Night {number}"}, **by).status == 200
        refused = [
            api.post("/events", json=DRAFT, **by),
            api.patch(f"/events/{event_id}", json={"name": "Other"}, **by),
            api.post(f"/events/{event_id}/publish", **by),
            api.post(f"/events/{event_id}/tiers", json=TIER, **by),
            api.post(f"/admin/events/{event_id}/promo-codes", json=CODE, **by),
            api.patch(f"/admin/events/{event_id}/promo-codes/CODE", json={"is_active": False}, **by),
            api.delete(f"/admin/events/{event_id}/promo-codes/CODE", **by),
        ]
        assert {(reply.status, reply.json["limiter"]) for reply in refused} == {(429, "catalog")}
        for number in range(5):
            assert api.patch(f"/events/{event_id}", json={"name": f"Day {number}"}, token=builders.admin_token()).status == 200
