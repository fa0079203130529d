"""Announcements: emails that managers write to ticket holders or to the waitlist, one for each address."""

import pytest

from chalicelib.addons.messages import event_notices, store
from chalicelib.audit import service as audit
from chalicelib.edge import auth
from chalicelib.foundation import clock, settings
from chalicelib.notifications.store import list_event_notifications
from tests import builders, invariants
from tests.addons.messages.test_order_notices import SPANISH, buy, create_account, html_of, offer_to, reminders
from tests.addons.waitlist import ballots, lines
from tests.simulation import faults
from tests.simulation.interference import interfere_before

TEXT = "The doors open at six.\n\nSee https://example.com/<map> & bring your ticket."


def save(api, shop, announcement_id="a1", **fields):
    body = {"subject": "Doors <open> early", "text": TEXT} | fields
    return api.put(f"/admin/events/{shop[0]}/announcements/{announcement_id}", json=body, token=builders.admin_token())


def stop(api, shop, announcement_id="a1"):
    return api.delete(f"/admin/events/{shop[0]}/announcements/{announcement_id}", token=builders.admin_token())


def listed(api, shop):
    return api.get(f"/admin/events/{shop[0]}/announcements", token=builders.admin_token()).json["announcements"]


def announced(post):
    return [mail for mail in post.deliver() if "Doors" in mail["Subject"]]


def receivers(post):
    return sorted(mail["To"] for mail in announced(post))


def text_of(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_each_address_gets_one_mail_and_refunded_and_former_holders_none(post, api, time):
    shop = builders.create_shop(api)
    for user in ("ada", "ada", "bob"):
        buy(api, shop, 2, user)
    buy(api, shop, user="zoe", customer_email="ADA@home.test")
    builders.refund(api, buy(api, shop, user="eve"))
    create_account("max", time)
    given = buy(api, shop, user="ida")
    offer = api.post(f"/tickets/{given}-1/transfer", user="ida")
    assert api.post(f"/transfers/{offer.json['token']}/accept", user="max").status == 201
    post.deliver()
    time.advance(60)
    assert save(api, shop).status == 200
    assert save(api, shop).status == 200
    found = receivers(post)
    assert sorted(address.lower() for address in found) == ["ada@home.test", "bob@home.test", "max@example.com"]
    time.advance(60)
    assert receivers(post) == found
    assert [(each["status"], each["tickets"]) for each in listed(api, shop)] == [("queued", 8)]
    assert store.list_due_announcements(time.now) == []
    invariants.check(time.now)


def test_the_preview_is_what_readers_get_in_their_language(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop, user="ada")
    buy(api, shop, user="bob", headers=SPANISH)
    body = {"subject": "Doors <open> early", "text": TEXT}
    path = f"/admin/events/{shop[0]}/announcements/preview"
    shown = [api.post(path, json=body, token=builders.admin_token(), headers=headers).json for headers in ({}, SPANISH)]
    assert save(api, shop).status == 200
    mails = sorted(announced(post), key=lambda mail: mail["To"])
    assert [mail["Subject"] for mail in mails] == [each["subject"] for each in shown] == ["Night: Doors <open> early"] * 2
    assert [text_of(mail).strip() for mail in mails] == [each["text"].strip() for each in shown]
    assert [html_of(mail).replace("\r\n", "\n").strip() for mail in mails] == [each["html"].strip() for each in shown]
    assert shown[0]["text"] != shown[1]["text"]
    assert "https://example.com/&lt;map&gt; &amp; bring" in shown[0]["html"]
    assert "<a " not in shown[0]["html"]


def test_replies_go_to_the_promoter(post, api, time):
    shop = builders.create_promoted_shop("nora")
    profile = {"name": "Nora", "email": "hi@nora.test", "verified": True}
    assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
    for user, announced_shop in (("ada", shop), ("bob", builders.create_shop(api))):
        buy(api, announced_shop, user=user)
        assert save(api, announced_shop).status == 200
    mails = {mail["To"]: mail for mail in announced(post)}
    assert {to: mail["Reply-To"] for to, mail in mails.items()} == {"ada@home.test": "hi@nora.test", "bob@home.test": None}
    assert "Reply to this email, and Nora will answer." in text_of(mails["ada@home.test"])


def test_an_announcement_has_a_text_for_each_language(post, api, time):
    shop = builders.create_shop(api)
    assert api.patch(f"/events/{shop[0]}", json={"names": {"es": "Noche"}}, token=builders.admin_token()).status == 200
    for user, language in (("ada", "en"), ("bob", "es"), ("eve", "de")):
        buy(api, shop, user=user, headers={"Accept-Language": language})
    texts = {"subjects": {"es": "Doors: abrimos antes"}, "texts": {"es": "Abrimos a las seis.", "de": "Ab sechs."}}
    saved = save(api, shop, text="From six.", **texts)
    assert (saved.status, saved.json["subjects"], saved.json["texts"]) == (200, texts["subjects"], texts["texts"])
    assert save(api, shop, text="From six.", **texts).json == saved.json
    mails = {mail["To"]: mail for mail in announced(post)}
    expected = {"ada": ("Night: Doors <open> early", "From six."), "bob": ("Noche: Doors: abrimos antes", "Abrimos a las seis.")}
    expected["eve"] = ("Night: Doors <open> early", "Ab sechs.")
    for user, (subject, text) in expected.items():
        mail = mails[f"{user}@home.test"]
        assert mail["Subject"] == subject
        assert text in text_of(mail)
    refused = save(api, shop, "a2", texts={"es": " "})
    assert (refused.status, refused.json["path"]) == (400, "$.texts.es")


def test_an_announcement_of_an_earlier_release_can_be_changed(api, time):
    """It was stored without texts in other languages."""
    shop = builders.create_shop(api)
    assert save(api, shop, send_at="2026-06-20T10:00:00Z").status == 200
    stored = store.AnnouncementRow.content.wire(store.find_announcement(shop[0], "a1"))["M"]
    assert "subject" in stored
    assert {"subjects", "texts"}.isdisjoint(stored)
    assert save(api, shop, send_at="2026-06-21T10:00:00Z", subjects={"es": "Doors"}).status == 200
    assert stop(api, shop).json["subjects"] == {"es": "Doors"}


@pytest.mark.parametrize(
    ("door", "expected"), [("entered", ["ada@home.test"]), ("not_entered", ["bob@home.test"]), (None, ["ada@home.test", "bob@home.test"])]
)
def test_the_door_and_the_ticket_type_choose_the_holders(post, api, time, door, expected):
    shop = builders.create_shop(api)
    other = shop[0], builders.create_tier(api, shop[0], name="Other")
    order = buy(api, shop, user="ada")
    buy(api, shop, user="bob")
    buy(api, other, user="eve")
    code = api.get(f"/orders/{order}", user="ada").json["tickets"][0]["code"]
    time.advance(29 * 86_400 + 72_000)
    assert api.post("/checkin", json={"code": code, "event_id": shop[0]}, token=builders.admin_token()).status == 200
    assert save(api, shop, tier_ids=[shop[1]], door=door).status == 200
    assert receivers(post) == expected


def test_people_on_the_waitlist_are_an_audience_of_their_own(post, api, time):
    event_id, tier_id, _ = lines.sold_out_shop(api, time)
    other = builders.create_tier(api, event_id, name="Other", capacity=1)
    for user in ("ada", "bob", "eve", "zoe"):
        create_account(user, time)
    assert lines.join(api, "ada", event_id, 2, SPANISH, tier_ids=[tier_id]).status == 201
    left = lines.join(api, "bob", event_id, tier_ids=[tier_id]).json
    builders.buy(api, "eve", event_id, other)
    time.advance(5)
    assert lines.join(api, "eve", event_id, tier_ids=[other]).status == 201
    assert lines.join(api, "zoe", event_id, tier_ids=[other, tier_id]).status == 201
    post.deliver()
    assert save(api, (event_id, tier_id), audience="waiting", tier_ids=[tier_id]).json["audience"] == "waiting"
    event_notices.queue_mails(time.now)
    assert api.delete(f"/waitlist/{left['id']}", user="bob").status == 200
    mails = announced(post)
    assert sorted(mail["To"] for mail in mails) == ["ada@example.com", "zoe@example.com"]
    assert "estás en la lista de espera" in text_of(next(mail for mail in mails if mail["To"] == "ada@example.com"))
    assert "you are on the waitlist" in text_of(next(mail for mail in mails if mail["To"] == "zoe@example.com"))
    assert [(each["status"], each["tickets"]) for each in listed(api, (event_id, tier_id))] == [("queued", 4)]
    assert save(api, (event_id, tier_id), "a2", audience="waiting").status == 200
    assert receivers(post) == [*(f"{user}@example.com" for user in ("ada", "ada", "eve", "zoe", "zoe"))]
    invariants.check(time.now)


def test_an_announcement_reaches_people_who_unsubscribed_from_reminders(post, api, time):
    event_id = offer_to(api, time, "ada", "bob")
    [offer] = [mail for mail in post.deliver() if mail["To"] == "ada@example.com" and mail["List-Unsubscribe"]]
    token = offer["List-Unsubscribe"].strip("<>").partition("token=")[2]
    assert api.request("POST", "/unsubscribe", query={"token": token}).status == 200
    time.advance(22 * 3600)
    assert [mail["To"] for mail in reminders(post)] == ["bob@example.com"]
    for user in ("ada", "bob"):
        [entry] = lines.own(api, user)
        builders.start_checkout(api, user, entry["offer"]["id"])
        assert builders.confirm(api, user, entry["offer"]["id"]).status == 201
    assert save(api, (event_id, "")).status == 200
    mails = announced(post)
    assert sorted(mail["To"] for mail in mails) == ["ada@example.com", "bob@example.com"]
    assert [mail["List-Unsubscribe"] for mail in mails] == [None, None]
    invariants.check(time.now)


def test_people_who_got_nothing_in_a_ballot_are_an_audience(post, api, time):
    event_id, _ = ballots.create_ballot(api, time, capacity=1)
    users = ("ada", "bob", "eve")
    for user in users:
        create_account(user, time)
    ballots.register(api, event_id, *users)
    winner, *losers = ballots.draw(api, time, *users)
    assert save(api, (event_id, ""), audience="waiting").status == 200
    assert receivers(post) == sorted(f"{user}@example.com" for user in losers)
    checkout_id = lines.own(api, winner)[0]["offer"]["id"]
    builders.start_checkout(api, winner, checkout_id)
    assert builders.confirm(api, winner, checkout_id).status == 201
    lines.run_allocator()
    post.provider.mails.clear()
    assert save(api, (event_id, ""), "a2", audience="holders").status == 200
    assert receivers(post) == [f"{winner}@example.com"]
    invariants.check(time.now)


def test_changes_of_an_announcement_have_a_limit_and_stopping_it_has_none(api, time):
    shop = builders.create_shop(api)
    coordinator = auth.issue_token("cleo", {"user"}, events={shop[0]: "coordinator"})
    path, body = f"/admin/events/{shop[0]}/announcements/a1", {"subject": "Doors", "send_at": "2026-06-20T10:00:00Z"}
    with settings.override(rate_limits="on", limit_catalog="2/60"):
        statuses = [api.put(path, json=body | {"text": f"Version {number}."}, token=coordinator).status for number in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert api.delete(path, token=coordinator).status == 200


def test_a_scheduled_announcement_is_changed_and_withdrawn(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    at = clock.iso(time.now + 3600)
    assert save(api, shop, send_at=at).json["status"] == "scheduled"
    assert save(api, shop, "a2", send_at=at).json["status"] == "scheduled"
    assert save(api, shop, subject="Doors close", send_at=clock.iso(time.now + 7200)).json["subject"] == "Doors close"
    assert stop(api, shop, "a2").json["status"] == "stopped"
    time.advance(3600)
    assert receivers(post) == []
    time.advance(3600)
    assert [mail["Subject"] for mail in announced(post)] == ["Night: Doors close"]
    assert save(api, shop).json["error"] == "announcement_started"
    assert stop(api, shop, "a3").status == 404
    actions = [entry.action for entry in audit.list_entries(f"event#{shop[0]}") if entry.action.startswith("announcement.")]
    assert sorted(actions) == ["announcement.changed", "announcement.created", "announcement.created", "announcement.stopped"]


def test_a_repeated_request_gets_what_is_stored(post, api, time):
    shop = builders.create_shop(api)
    at = clock.iso(time.now + 60)
    assert save(api, shop, send_at=at).status == 200
    time.advance(61)
    repeated = save(api, shop, send_at=at)
    assert (repeated.status, repeated.json["send_at"]) == (200, at)
    assert save(api, shop, send_at=at, subject="Doors close").json["error"] == "announcement_started"
    for call in range(1, 4):
        with interfere_before(call, lambda call=call: save(api, shop, f"b{call}")):
            assert save(api, shop, f"b{call}").status == 200


def test_announcements_that_are_not_due_cost_a_run_nothing(post, api, time, monkeypatch):
    """A stage may have thousands of them."""
    shop = builders.create_shop(api)
    buy(api, shop)
    for number in range(3):
        assert save(api, shop, f"a{number}", send_at=clock.iso(time.now + 3600)).status == 200
    read = []
    find = store.find_announcement
    monkeypatch.setattr(store, "find_announcement", lambda *given: (read.append(given), find(*given))[1])
    event_notices.queue_mails(time.now)
    assert read == []
    assert save(api, shop, "a1", send_at=clock.iso(time.now + 60)).status == 200
    time.advance(60)
    assert receivers(post) == ["ada@home.test"]
    time.advance(3600)
    assert receivers(post) == ["ada@home.test"] * 3
    assert store.list_due_announcements(time.now) == []


def test_a_stopped_announcement_sends_nothing_more(post, api, time):
    shop = builders.create_shop(api)
    for user in ("ada", "bob"):
        buy(api, shop, user=user)
    post.deliver()
    save(api, shop)
    event_notices.queue_mails(time.now)
    assert stop(api, shop).json["status"] == stop(api, shop).json["status"] == "stopped"
    assert receivers(post) == []
    mails = [found for found in list_event_notifications(shop[0], 10, None)[0] if found.kind == "announcement"]
    assert [mail.status for mail in mails] == ["dropped", "dropped"]


@pytest.mark.parametrize("is_queued_first", [False, True])
def test_an_announcement_waits_while_its_promoter_is_locked_and_mails_queued_before_are_dropped(post, api, time, is_queued_first):
    shop = builders.create_shop(api)
    create_account("pia", time, "promoter")
    admin = {"token": builders.admin_token()}
    assert api.put("/promoters/pia", json={"name": "Pia", "verified": True}, **admin).status == 200
    assert api.patch(f"/events/{shop[0]}", json={"promoter_id": "pia"}, **admin).status == 200
    buy(api, shop)
    post.deliver()
    assert save(api, shop).status == 200
    if is_queued_first:
        event_notices.queue_mails(time.now)
    assert api.patch("/admin/users/pia", json={"locked": True}, **admin).json["suspended_events"] == 1
    assert receivers(post) == []
    mails = [found.status for found in list_event_notifications(shop[0], 10, None)[0] if found.kind == "announcement"]
    assert mails == (["dropped"] if is_queued_first else [])
    assert api.patch("/admin/users/pia", json={"locked": False}, **admin).json["resumed_events"] == 1
    time.advance(60)
    assert receivers(post) == ([] if is_queued_first else ["ada@home.test"])
    invariants.check(time.now)


def test_a_ticket_refunded_before_the_mail_goes_out_gets_none(post, api, time):
    shop = builders.create_shop(api)
    order, kept = buy(api, shop, user="ada"), buy(api, shop, user="bob")
    gone = buy(api, shop, user="bob")
    post.deliver()
    save(api, shop)
    event_notices.queue_mails(time.now)
    builders.refund(api, order)
    builders.refund(api, gone)
    assert kept
    assert receivers(post) == ["bob@home.test"]


def test_somebody_who_only_keeps_a_ticket_of_another_type_gets_none(post, api, time):
    shop = builders.create_shop(api)
    other = shop[0], builders.create_tier(api, shop[0], name="Other")
    gone = [buy(api, shop, user=user) for user in ("ada", "bob")]
    buy(api, other, user="ada")
    buy(api, shop, user="bob")
    post.deliver()
    save(api, shop, tier_ids=[shop[1]])
    event_notices.queue_mails(time.now)
    for order in gone:
        builders.refund(api, order)
    assert receivers(post) == ["bob@home.test"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"subject": "Doors\r\nBcc: eve@example.com"}, "$.subject"),
        ({"subject": " "}, "$.subject"),
        ({"subject": "D" * 121}, "$.subject"),
        ({"text": " \n"}, "$.text"),
        ({"text": "D" * 5001}, "$.text"),
        ({"tier_ids": ["of-another-event"]}, "$.tier_ids"),
        ({"send_at": "2030-01-01T00:00:00Z"}, "$.send_at"),
        ({"audience": "everybody"}, "$.audience"),
        ({"audience": "waiting", "door": "entered"}, "$.door"),
    ],
)
def test_wrong_fields_are_named(post, api, time, fields, path):
    shop = builders.create_shop(api)
    reply = save(api, shop, **fields)
    assert (reply.status, reply.json["path"]) == (400, path)


def test_an_event_and_a_stage_have_limits(post, api, time):
    first, second = builders.create_shop(api), builders.create_shop(api)
    with settings.override(rate_limits="on", limit_announcement="2/86400", limit_all_announcements="3/86400"):
        assert [save(api, first, f"a{number}").status for number in range(3)] == [200, 200, 429]
        assert save(api, first, "a1").status == 200
        assert [save(api, second, f"a{number}").status for number in range(2)] == [200, 429]


def test_a_promoter_cannot_use_up_the_limit_of_the_stage(post, api, time):
    create_account("pia", time, "promoter")
    own, others = [builders.create_event(api) for _ in range(3)], builders.create_shop(api)
    profile = {"name": "Pia", "verified": True}
    assert api.put("/promoters/pia", json=profile, token=builders.admin_token()).status == 200
    for event_id in own:
        assert api.patch(f"/events/{event_id}", json={"promoter_id": "pia"}, token=builders.admin_token()).status == 200
    with settings.override(rate_limits="on", limit_announcement="1/86400", limit_all_announcements="8/86400"):
        assert [save(api, (event_id, "")).status for event_id in own] == [200, 200, 429]
        assert save(api, others).status == 200


def test_two_events_may_use_the_same_id(post, api, time):
    first, second = builders.create_shop(api), builders.create_shop(api)
    for shop in (first, second):
        buy(api, shop)
        assert save(api, shop).status == 200
    assert receivers(post) == ["ada@home.test"] * 2


def test_a_promoter_must_be_verified_and_strangers_may_not_write(post, api, time):
    event_id = builders.create_event(api)
    create_account("pia", time, "promoter")
    token = builders.admin_token()
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "pia"}, token=token).status == 200
    assert save(api, (event_id, "")).json["error"] == "announcements_need_verification"
    body = {"subject": "Doors", "text": "Open"}
    assert api.put(f"/admin/events/{event_id}/announcements/a1", json=body, user="ada").status == 403


@pytest.mark.parametrize("audience", ["holders", "waiting"])
def test_a_crash_at_any_call_loses_no_mail_and_sends_none_twice(post, api, time, monkeypatch, audience):
    monkeypatch.setattr(event_notices, "PORTION", 4)
    shop = builders.create_shop(api, capacity=50) if audience == "holders" else lines.sold_out_shop(api, time)
    users = [f"user-{number}" for number in range(6)]
    for user in users:
        if audience == "holders":
            buy(api, shop, user=user)
        else:
            create_account(user, time)
            assert lines.join(api, user, shop[0]).status == 201
    post.deliver()
    number, finished = 0, False
    with settings.override(rate_limits="off"):
        while not finished:
            number += 1
            assert save(api, shop, f"a{number}", audience=audience).status == 200
            with faults.crash_after(number) as crash:
                event_notices.queue_mails(time.now)
            finished = not crash.was_triggered
            for _ in range(2):
                event_notices.queue_mails(time.now)
            assert store.list_due_announcements(time.now) == [], number
    found = [each.user_id for each in list_event_notifications(shop[0], 1000, None)[0] if each.kind == "announcement"]
    assert number > 10
    assert sorted(found) == sorted(users * number)
