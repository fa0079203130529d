"""Promoters over HTTP: their profiles and events, and the people who work at their events."""

import re
import threading
from urllib.parse import quote

import pytest

from chalicelib.accounts import members
from chalicelib.accounts import service as accounts
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from chalicelib.foundation import settings
from chalicelib.promoters import service as promoters
from tests import builders
from tests.accounts.conftest import PASSWORD, log_in, mailbox, refresh, register, sign_up  # noqa: F401
from tests.simulation.call_log import record_calls

PROMOTER = "nights@example.com"


@pytest.fixture
def promoter(api, time) -> dict:
    """The tokens of a promoter."""
    return sign_up(api, PROMOTER, role="promoter", company="Nights Ltd", first_name="Nora")


def put(api, tokens, promoter_id=None, **fields):
    token = tokens if isinstance(tokens, str) else tokens["access_token"]
    path = f"/promoters/{promoter_id or tokens['user']['id']}"
    return api.put(path, json={"name": "Nights", **fields}, token=token)


def verify_promoter(api, tokens):
    return put(api, builders.admin_token(), tokens["user"]["id"], verified=True)


# ------------------------------------------------------------------ profiles
def test_a_change_of_an_outdated_version_is_refused(api, promoter):
    path, token = f"/promoters/{promoter['user']['id']}", promoter["access_token"]
    seen = api.get(path, token=token).json["version"]
    first = put(api, promoter, description="Loud nights.", version=seen)
    assert (first.status, first.json["version"], first.headers["etag"]) == (200, seen + 1, f'"{seen + 1}"')
    late = put(api, promoter, description="Quiet nights.", version=seen)
    assert (late.status, late.json["error"], late.json["version"]) == (409, "version_conflict", seen + 1)
    tagged = api.put(path, json={"name": "Nights"}, token=token, headers={"If-Match": f'"{seen}"'})
    assert (tagged.status, tagged.json["error"]) == (412, "precondition_failed")
    assert api.get(path, token=token).json["description"] == "Loud nights."
    assert put(api, promoter, description="Quiet nights.").status == 200, "without a version any will do"


@pytest.mark.parametrize("verified", [True, False])
def test_a_page_of_long_profiles_fits_into_a_reply(api, time, verified):
    """Lambda returns at most 6 MB, and anybody can register as a promoter with a long profile, which admins list to verify it."""
    texts = {"description": "\U0001f600" * 10_000, "policies": "\U0001f600" * 2000}
    ids = [f"p-{number:03}" for number in range(50)]
    for promoter_id in ids:
        assert put(api, builders.admin_token(), promoter_id, verified=verified, **texts).status == 200
    found, cursor = [], ""
    while cursor is not None:
        query = {"limit": 200, "verified": str(verified).lower(), **({"cursor": cursor} if cursor else {})}
        page = api.get("/promoters", query=query, token=builders.admin_token())
        assert len(page.body) < 1_000_000
        found += [promoter["id"] for promoter in page.json["promoters"]]
        cursor = page.json["next_cursor"]
    assert found == ids


def test_one_of_two_simultaneous_changes_is_refused(threaded_store, api, promoter):
    replies = []
    threads = [
        threading.Thread(target=lambda text=text: replies.append(put(api, promoter, description=text, version=1).status)) for text in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("website", "my site", "such as https://example.com"), ("email", "me", "such as ada@example.com"), ("name", " ", "not blank")],
)
def test_a_text_of_another_form_is_refused_in_words(api, promoter, field, value, words):
    reply = put(api, promoter, **{field: value})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")
    assert words in reply.json["message"]
    assert "regex" not in reply.json["message"]


def test_the_profile_of_a_new_promoter_is_public_once_verified(api, promoter):
    path, token = f"/promoters/{promoter['user']['id']}", promoter["access_token"]
    mine = api.get(path, token=token).json
    assert (mine["name"], mine["company"], mine["verified"], mine["email"]) == ("Nights Ltd", "Nights Ltd", False, None)
    assert [api.get(path).status, api.get(path, user="ada").status] == [404, 404]
    assert api.get("/promoters").json == {"promoters": [], "next_cursor": None}
    assert api.get("/promoters?verified=false", token=builders.admin_token()).json["promoters"] == [mine]
    assert api.get("/promoters?verified=false", token=token).status == api.get("/promoters?verified=false").status == 403
    shown = verify_promoter(api, promoter).json
    assert shown["verified"] is True
    assert api.get(path).json == shown
    assert api.get("/promoters").json["promoters"] == [shown]


def test_a_promoter_writes_the_profile_and_an_admin_verifies_it(api, time, promoter):
    fields = {"company": "N", "description": "Long nights", "website": "https://nights.test/x?y=1", "email": "info@nights.test"}
    written = put(api, promoter, **fields).json
    assert {name: written[name] for name in fields} == fields
    assert put(api, promoter, verified=True).status == 403
    assert put(api, promoter, verified=False, **fields).json == written  # it says what is
    verify_promoter(api, promoter)
    time.advance(1)
    assert put(api, promoter, description="Longer nights").json["verified"] is True
    assert put(api, promoter, name="Other").json["verified"] is False  # an admin has not seen this name
    actions = [entry.action for entry in audit.list_entries(f"promoter#{promoter['user']['id']}")]
    assert set(actions) == {"promoter.changed"}


def test_a_change_of_a_profile_is_audited_by_the_names_of_its_fields(api, promoter):
    put(api, promoter, company="Nights Ltd")
    [entry] = audit.list_entries(f"promoter#{promoter['user']['id']}")
    assert (entry.actor, entry.details, entry.changes) == (promoter["user"]["id"], {"fields": ["name"]}, {})
    put(api, promoter, company="Nights Ltd")  # as it is already
    assert len(audit.list_entries(f"promoter#{promoter['user']['id']}")) == 1


# ------------------------------------------------------------------ sellers
def test_the_shop_sells_until_the_promoter_is_verified(api, time):
    builders.create_promoted_shop("nora")
    fields = {
        "name": "Nora",
        "company": "Nora's Nights",
        "website": "https://nora.test",
        "email": "hi@nora.test",
        "policies": "No refunds.",
    }
    assert api.put("/promoters/nora", json=fields | {"verified": False}, token=builders.admin_token()).status == 200
    with settings.override(
        mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test/", contact_email="ask@shop.test", shop_policies="14 days."
    ):
        shop = {
            "name": "Shop",
            "contact": "shop.test · ask@shop.test",
            "email": "ask@shop.test",
            "policies": "14 days.",
            "promoter_id": None,
            "invoices": False,
            "legal_texts": [],
        }
        assert api.get("/events/fest/seller").json == shop
        assert api.put("/promoters/nora", json=fields | {"verified": True}, token=builders.admin_token()).status == 200
        time.advance(60)
        reply = api.get("/events/fest/seller")
        contact = "https://nora.test · hi@nora.test"
        assert reply.json == {
            "name": "Nora's Nights",
            "contact": contact,
            "email": "hi@nora.test",
            "policies": "No refunds.",
            "promoter_id": "nora",
            "invoices": False,
            "legal_texts": [],
        }
        assert reply.headers["cache-control"] == "public, max-age=60"


def test_a_crowd_on_the_page_of_an_event_reads_its_seller_once_a_minute(api, time):
    builders.create_promoted_shop("nora")
    api.get("/events/fest")
    with record_calls() as calls:
        for _ in range(3):
            assert api.get("/events/fest/seller").status == 200
    assert [entry.tables for entry in calls.entries] == [["promoters"], ["promoters"]], "the profile, and the legal texts"


def test_lists_of_events_name_the_seller(api, time):
    builders.create_promoted_shop("nora")
    paths = ("/events", "/events?search=fest")

    def sellers():
        return [event["seller_name"] for path in paths for event in api.get(path).json]

    with settings.override(mail_from="Shop <tickets@shop.test>"):
        assert sellers() == ["Shop", "Shop"]
        profile = {"name": "Nora", "company": "Nora's Nights", "verified": True}
        assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
        time.advance(600)
        assert sellers() == ["Nora's Nights", "Nora's Nights"]
        with record_calls() as calls:
            for _ in range(5):
                time.advance(60)
                sellers()
        assert "promoters" not in {table for entry in calls.entries for table in entry.tables}


def test_a_draft_has_no_public_seller(api):
    assert api.get(f"/events/{builders.create_event(api, status='draft')}/seller").status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("policies", "x" * 2001),
        ("website", "nights.test"),
        ("website", "javascript:alert(1)"),
        ("website", "https://a b"),
        ("email", "x"),
        ("name", " "),
        ("rank", 1),
    ],
)
def test_a_profile_that_cannot_be_is_refused(api, promoter, field, value):
    reply = put(api, promoter, **{field: value})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")


def test_nobody_else_changes_a_profile_and_only_admins_create_one(api, promoter):
    other = sign_up(api, "days@example.com", role="promoter")
    assert put(api, other["access_token"], promoter["user"]["id"]).status == 403
    assert put(api, builders.token("ada"), promoter["user"]["id"]).status == 403
    assert put(api, builders.token("new", "promoter"), "new").status == 404  # an account made before there were profiles
    assert put(api, builders.admin_token(), "new", verified=True).json["verified"] is True
    assert put(api, builders.token("new", "promoter"), "new").json["name"] == "Nights"


def test_promoters_are_listed_in_pages(api, time):
    for number in range(5):
        put(api, builders.admin_token(), f"promoter-{number}", verified=True)
    seen, query = [], {"limit": 2}
    while True:
        page = api.get("/promoters", query=query).json
        seen += [promoter["id"] for promoter in page["promoters"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [f"promoter-{number}" for number in range(5)]
    assert api.get("/promoters?cursor=x").status == 400
    assert api.get("/promoters?utm_source=x").status == 200


def test_changes_at_once_are_all_made(api, time, threaded_store):
    put(api, builders.admin_token(), "nora", verified=True)
    statuses = []
    threads = [
        threading.Thread(target=lambda name=name: statuses.append(put(api, builders.admin_token(), "nora", name=name).status))
        for name in ("One", "Two", "Three")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200, 200, 200]
    assert len(audit.list_entries("promoter#nora")) == 4
    assert api.get("/promoters/nora").json["version"] == 4  # each one began with what the one before had written


# ------------------------------------------------------------------ events
def test_the_public_sees_a_promoters_published_events_and_the_promoter_all(api, time):
    builders.create_promoted_shop("nora")
    put(api, builders.admin_token(), "nora", verified=True)
    page = api.get("/promoters/nora/events").json
    assert [(event["id"], event["status"], event["paused"]) for event in page["events"]] == [("fest", "on_sale", False)]
    assert page["next_cursor"] is None
    assert api.get("/promoters/nora/events", token=builders.token("nora", "promoter")).json == page
    assert api.get("/promoters/nobody/events").status == 404


# ------------------------------------------------------------------ members
@pytest.fixture
def shop(api, time) -> tuple[str, str]:
    return builders.create_promoted_shop("nora")


def invite(api, email="door@example.com", role="staff", token=None, **options):
    return api.post(
        "/events/fest/members", json={"email": email, "role": role}, token=token or builders.token("nora", "promoter"), **options
    )


def test_strangers_who_invite_count_nothing_for_an_address(api, shop, mailbox):  # noqa: F811
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [invite(api, token=builders.token("eve", "promoter")).status for _ in range(3)] == [403] * 3
        assert invite(api).status == 201


def test_a_refused_appointment_counts_nothing_for_an_address(api, shop, mailbox):  # noqa: F811
    coordinator = auth.issue_token("cleo", {"user"}, events={"fest": "coordinator"})
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [invite(api, role="coordinator", token=coordinator).status for _ in range(3)] == [403] * 3
        assert invite(api).status == 201


def test_invitations_to_work_leave_a_person_the_email_that_resets_the_password(api, shop, mailbox):  # noqa: F811
    with settings.override(rate_limits="on", limit_mail="2/900", limit_invite="9/900"):
        assert [invite(api).status for _ in range(3)] == [201, 201, 429]
        assert api.post("/auth/password/forgot", json={"email": "door@example.com"}).status == 200
    assert mailbox.kinds("door@example.com") == ["event_invitation"] * 2 + ["no_account"]


def test_an_invited_person_has_the_role_after_logging_in(api, shop, mailbox):  # noqa: F811
    member = invite(api, "Door@Example.com")
    assert (member.status, member.json["email"], member.json["role"]) == (201, "door@example.com", "staff")
    [mail] = [mail for mail in mailbox.mails if mail.kind == "event_invitation"]
    assert mail.to == "Door@Example.com"
    tokens = sign_up(api, "door@example.com")
    assert tokens["user"]["events"] == {}  # anybody can register with an address that is not theirs
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    assert refresh_roles(api, tokens) == {}, "the role is an offer until it is accepted"
    [invitation] = api.get("/me/invitations", token=tokens["access_token"]).json["invitations"]
    assert (invitation["event_id"], invitation["role"], invitation["page"]) == ("fest", "staff", "/door")
    assert api.get("/events/fest/members", token=builders.admin_token()).json["members"][0]["pending"] is True
    assert api.post("/me/invitations/fest", token=tokens["access_token"]).status == 200
    assert api.get("/me/invitations", token=tokens["access_token"]).json["invitations"] == []
    assert refresh_roles(api, tokens) == {"fest": "staff"}
    assert api.get("/events/fest/members", token=builders.admin_token()).json["members"][0]["pending"] is False
    assert api.get("/events/fest/members", token=tokens["access_token"]).status == 403  # staff do not manage
    assert invite(api, "door@example.com", "coordinator").status == 201
    assert refresh_roles(api, tokens) == {"fest": "coordinator"}, "another role needs no other acceptance"
    assert api.get("/events/fest/members", token=tokens["access_token"]).json["members"][0]["role"] == "coordinator"
    assert api.delete(f"/events/fest/members/{member.json['id']}", token=builders.token("nora", "promoter")).status == 200
    assert refresh_roles(api, tokens) == {}


def refresh_roles(api, tokens):
    """Get the next access token into `tokens`. Returns its roles at events."""
    tokens.update(refresh(api, tokens["refresh_token"]).json)
    return tokens["user"]["events"]


def test_an_invitation_can_be_declined_by_its_recipient_only(api, shop, mailbox, time):  # noqa: F811
    invite(api)
    other = sign_up(api, "other@example.com")["access_token"]
    tokens = sign_up(api, "door@example.com")
    token = tokens["access_token"]
    assert api.get("/me/invitations", token=token).json["invitations"] == [], "the address may be somebody else's"
    assert api.post("/me/invitations/fest", token=token).status == 404
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    assert [api.request(method, "/me/invitations/fest", token=other).status for method in ("POST", "DELETE")] == [404, 404]
    assert api.delete("/me/invitations/fest", token=token).status == 200
    assert [api.request(method, "/me/invitations/fest", token=token).status for method in ("POST", "DELETE")] == [404, 404]
    assert members.list_members("fest", 10, None) == []
    invite(api)
    assert [api.post("/me/invitations/fest", token=token).status for _ in range(2)] == [200, 200]
    assert api.delete("/me/invitations/fest", token=token).status == 404, "members leave an event by its own route"
    assert refresh_roles(api, tokens) == {"fest": "staff"}
    actions = [entry.action for entry in reversed(audit.list_entries("event#fest")) if entry.action.startswith("member.")]
    assert actions == ["member.invited", "member.removed", "member.invited", "member.accepted"]


@pytest.fixture
def invited(api, shop, mailbox):  # noqa: F811
    """The access token of a person with a verified address, who is invited to work at the door."""
    assert invite(api).status == 201
    tokens = sign_up(api, "door@example.com")
    builders.verify_address("door@example.com")
    return tokens["access_token"]


def listed(api, token):
    return [invitation["event_id"] for invitation in api.get("/me/invitations", token=token).json["invitations"]]


def test_nobody_accepts_work_at_a_suspended_event(api, invited, time):
    account = accounts.Account(user_id="nora", email="nora@example.com", roles=("user", "promoter"), created_at=0)
    accounts.create_account(account, PASSWORD)
    for locked, status, is_pending in ((True, 404, True), (False, 200, False)):
        assert api.patch("/admin/users/nora", json={"locked": locked}, token=builders.admin_token()).status == 200
        assert listed(api, invited) == ([] if locked else ["fest"])
        assert api.post("/me/invitations/fest", token=invited).status == status
        assert members.find_membership("fest", "door@example.com").pending is is_pending


def test_an_invitation_that_nobody_accepts_lapses_and_can_be_made_again(api, invited, time, monkeypatch):
    monkeypatch.setattr(members, "MAX_EVENTS", 1)
    other = builders.create_event(api, "Other")
    path, body = f"/events/{other}/members", {"email": "door@example.com", "role": "staff"}
    assert api.post(path, json=body, token=builders.admin_token()).status == 409
    time.advance(members.ACCEPTANCE_SECONDS)
    invited = log_in(api, "door@example.com").json["access_token"]
    assert (listed(api, invited), api.post("/me/invitations/fest", token=invited).status) == ([], 404)
    assert api.post(path, json=body, token=builders.admin_token()).status == 201, "it takes no place"
    monkeypatch.setattr(members, "MAX_EVENTS", 2)
    assert invite(api, token=builders.token("nora", "promoter")).status == 201
    assert sorted(listed(api, invited)) == sorted([other, "fest"])
    assert api.post("/me/invitations/fest", token=invited).status == 200
    time.advance(members.ACCEPTANCE_SECONDS)
    assert members.event_roles("door@example.com") == {"fest": "staff"}, "an accepted role stays"


def test_an_invitation_that_has_lapsed_is_deleted(api, invited, time):
    def expiry():
        return members.MembershipRow.find("fest", members.member_id("door@example.com")).ttl

    assert expiry() == time.now + members.ACCEPTANCE_SECONDS
    time.advance(10)
    assert invite(api, role="cashier").status == 201
    assert expiry() == time.now - 10 + members.ACCEPTANCE_SECONDS, "another role is no newer"
    assert api.post("/me/invitations/fest", token=invited).status == 200
    assert expiry() is None, "an accepted role stays"
    assert invite(api, role="staff").status == 201
    assert expiry() is None


def test_strangers_hide_no_invitation(api, invited, time, monkeypatch):
    """Anybody can register as a promoter, and invite somebody to drafts."""
    monkeypatch.setattr(promoters, "MAX_INVITATIONS", 2)
    time.advance(10)
    event_ids = [builders.create_event(api, f"Night {number}") for number in range(3)]
    for event_id in event_ids:
        members.invite(event_id, "door@example.com", "staff", "stranger", time.now, unverified=True)
    assert listed(api, invited) == ["fest", event_ids[0]]
    for number in range(3):
        members.invite(f"gone-{number}", "door@example.com", "staff", "stranger", time.now)
    assert listed(api, invited) == ["fest", event_ids[0]], "events that are gone take no place"


def test_a_role_that_changes_while_it_is_accepted_is_not_lost(api, shop, mailbox, time):  # noqa: F811
    invite(api)
    before = members.find_membership("fest", "door@example.com")
    invite(api, role="cashier")
    with pytest.raises(members.MemberChanging):
        members.accept(before, "dana", time.now)
    accepted = members.accept(members.find_membership("fest", "door@example.com"), "dana", time.now)
    assert (accepted.role, accepted.pending) == ("cashier", False)
    assert members.event_roles("door@example.com") == {"fest": "cashier"}
    invite(api, role="coordinator")
    assert members.event_roles("door@example.com") == {"fest": "coordinator"}


def test_a_pending_coordinator_manages_nothing(api, shop, mailbox, time):  # noqa: F811
    invite(api, role="coordinator")
    sign_up(api, "door@example.com")
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    account = accounts.find_account(log_in(api, "door@example.com").json["user"]["id"])
    event = catalog.find_event("fest")
    assert account.user_id not in promoters.list_manager_ids(event)
    assert not promoters.is_manager(event, account)
    builders.accept_invitation("fest", "door@example.com")
    assert account.user_id in promoters.list_manager_ids(event)
    assert promoters.is_manager(event, account)


def test_an_invitation_says_when_and_where_the_work_is(api, mailbox):  # noqa: F811
    event_id = builders.create_event(api, "Night of Jazz", venue="The Hall")
    changed = {"city": "Boulder", "timezone": "America/Denver"}
    assert api.patch(f"/events/{event_id}", json=changed, token=builders.admin_token()).status == 200
    members_path = f"/events/{event_id}/members"
    for role in ("staff", "coordinator"):
        body = {"email": f"{role}@example.com", "role": role}
        assert api.post(members_path, json=body, token=builders.admin_token()).status == 201
    staff, coordinator = mailbox.mails
    for mail in (staff, coordinator):
        for text in (mail.text, mail.html):
            address = f"{settings.current().shop_url.rstrip('/')}/register?next={quote('/account', safe='')}#token="
            assert [part for part in ("See the invitation", address, "Night of Jazz", "The Hall, Boulder") if part not in text] == []
            assert re.search(r"\d:\d\d [AP]M M[DS]T", text)
    body = {"email": "luz@example.com", "role": "staff"}
    api.post(members_path, json=body, token=builders.admin_token(), headers={"Accept-Language": "es"})
    assert "Ver la invitación" in mailbox.mails[-1].text


def invited_token(mail):
    return re.search(r"#token=([\w-]+)", mail.text).group(1)


@pytest.fixture
def invitation(api, mailbox):  # noqa: F811
    """The token in the link that was mailed to dana@example.com."""
    builders.create_shop(api)
    with settings.override(email_verification="required"):
        event_id = builders.create_event(api)
        body = {"email": "Dana@example.com", "role": "staff"}
        assert api.post(f"/events/{event_id}/members", json=body, token=builders.admin_token()).status == 201
        yield event_id, invited_token(mailbox.mails[0])


def test_whoever_registers_with_the_link_of_an_invitation_can_accept_it_at_once(api, mailbox, invitation):  # noqa: F811
    event_id, token = invitation
    reply = register(api, "dana@example.com", invitation=token)
    assert (reply.status, reply.json["verification_required"]) == (201, False)
    tokens = log_in(api, "dana@example.com").json
    assert tokens["user"]["email_verified"] is True
    assert api.post(f"/me/invitations/{event_id}", token=tokens["access_token"]).status == 200
    assert refresh_roles(api, tokens) == {event_id: "staff"}
    assert len(mailbox.mails) == 1, "nothing is left to verify"


def test_an_invitation_proves_only_the_address_it_was_mailed_to_once_and_for_a_week(api, time, mailbox, invitation):  # noqa: F811
    _, token = invitation
    for email, used in (("eve@example.com", token), ("carl@example.com", "A" * 43)):
        assert register(api, email, invitation=used).json["verification_required"] is True
        assert log_in(api, email).status == 401
    time.advance(7 * 86_400)
    assert register(api, "dana@example.com", invitation=token).json["verification_required"] is True
    assert log_in(api, "dana@example.com").status == 401


def test_an_invitation_takes_no_account_from_its_owner(api, mailbox, invitation):  # noqa: F811
    _, token = invitation
    assert register(api, "dana@example.com").status == 201
    assert register(api, "dana@example.com", password="nine green herons", invitation=token).json["verification_required"] is True
    assert log_in(api, "dana@example.com", "nine green herons").status == 401
    assert "account" in mailbox.mails[-1].subject.lower()


def test_a_coordinator_invites_staff_and_no_coordinators(api, shop):
    coordinator = builders.auth.issue_token("cleo", {"user"}, events={"fest": "coordinator"})
    assert invite(api, token=coordinator).status == 201
    assert invite(api, role="coordinator", token=coordinator).status == 403
    other = invite(api, "second@example.com", "coordinator").json
    assert invite(api, "second@example.com", "staff", token=coordinator).status == 403
    assert api.delete(f"/events/fest/members/{other['id']}", token=coordinator).status == 403


def test_only_managers_of_the_event_invite(api, shop):
    for token in (builders.token("other", "promoter"), builders.staff_token("fest"), builders.token("ada")):
        assert invite(api, token=token).status == 403
    assert invite(api, token=builders.admin_token()).status == 201
    assert api.post("/events/nothing/members", json={"email": "a@example.com", "role": "staff"}, token=builders.admin_token()).status == 404
    assert invite(api, role="admin").status == 400


def test_invitations_and_removals_are_audited_without_the_address(api, shop):
    member = invite(api).json
    invite(api, role="coordinator")
    invite(api, role="coordinator")  # repeated: nothing changes
    api.delete(f"/events/fest/members/{member['id']}", token=builders.admin_token())
    again = api.delete(f"/events/fest/members/{member['id']}", token=builders.admin_token())
    assert (again.status, again.json["error"]) == (404, "not_found")
    entries = [entry for entry in audit.list_entries("event#fest") if entry.action.startswith("member.")]
    assert [(entry.action, entry.changes["role"].before, entry.changes["role"].after) for entry in reversed(entries)] == [
        ("member.invited", None, "staff"),
        ("member.invited", "staff", "coordinator"),
        ("member.removed", "coordinator", None),
    ]
    assert "door@" not in str(entries)


def test_members_are_listed_in_pages(api, shop):
    emails = {f"door{number}@example.com" for number in range(5)}
    for email in emails:
        invite(api, email)
    seen, query = set(), {"limit": 2}
    while query:
        page = api.get("/events/fest/members", query=query, token=builders.admin_token()).json
        seen |= {member["email"] for member in page["members"]}
        query = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert seen == emails


def test_an_invitation_is_repeated_with_its_key(api, shop, mailbox):  # noqa: F811
    first, again = (invite(api, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status, again.status, again.json["id"]) == (201, 200, first.json["id"])
    assert mailbox.kinds("door@example.com") == ["event_invitation"]


def test_nobody_works_at_more_events_than_a_token_can_name(api, shop, mailbox, monkeypatch):  # noqa: F811
    monkeypatch.setattr(members, "MAX_EVENTS", 3)
    for number in range(3):
        builders.appoint(f"event-{number}", "door@example.com", "staff", "root", 0)
    reply = invite(api)
    assert (reply.status, reply.json["error"]) == (409, "too_many_events")
    register(api, "door@example.com")
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    assert len(log_in(api, "door@example.com").json["user"]["events"]) == 3


def test_invitations_to_too_many_events_at_once_end_no_earlier_role(api, shop, mailbox, time, monkeypatch):  # noqa: F811
    """Each invitation counts the roles in an index that lags, so strangers can invite somebody to a few events more than a token names."""
    assert invite(api).status == 201
    builders.accept_invitation("fest", "door@example.com")
    for number in range(3):
        builders.appoint(f"event-{number}", "door@example.com", "staff", "stranger", time.now + 1)
    monkeypatch.setattr(members, "MAX_EVENTS", 3)
    register(api, "door@example.com")
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    events = log_in(api, "door@example.com").json["user"]["events"]
    assert (len(events), events.get("fest")) == (3, "staff")
    time.advance(10)
    assert invite(api, "door@example.com", "coordinator").status == 201  # of a role that they have
    assert log_in(api, "door@example.com").json["user"]["events"].get("fest") == "coordinator"
    assert api.delete("/events/event-0/members/me", token=log_in(api, "door@example.com").json["access_token"]).status == 200


def test_invitations_of_unverified_promoters_take_no_place_from_others(api, shop, mailbox, time, monkeypatch):  # noqa: F811
    """Anybody can register as a promoter, and invite somebody whose address they know."""
    monkeypatch.setattr(members, "MAX_EVENTS", 3)
    monkeypatch.setattr(members, "MAX_UNVERIFIED_EVENTS", 2)
    for number in range(2):
        builders.appoint(f"draft-{number}", "door@example.com", "staff", "stranger", 0, unverified=True)
        builders.appoint(f"event-{number}", "door@example.com", "staff", "root", time.now)
    with settings.override(publishing="verified"):
        refused = invite(api)
    assert (refused.status, refused.json["error"]) == (409, "too_many_events")
    assert "has not verified" in refused.json["message"]
    assert put(api, builders.admin_token(), "nora", verified=True).status == 200
    with settings.override(publishing="verified"):
        assert invite(api).status == 201
    builders.accept_invitation("fest", "door@example.com")
    register(api, "door@example.com")
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    assert log_in(api, "door@example.com").json["user"]["events"].keys() == {"fest", "event-0", "event-1"}


def test_where_everybody_may_publish_nobody_counts_as_unverified(api, shop, mailbox, monkeypatch):  # noqa: F811
    monkeypatch.setattr(members, "MAX_UNVERIFIED_EVENTS", 0)
    with settings.override(publishing="all"):
        assert invite(api).status == 201


def test_people_leave_events_that_they_were_invited_to_and_only_these(api, shop, mailbox):  # noqa: F811
    own, other = invite(api).json["id"], invite(api, "other@example.com").json["id"]
    builders.accept_invitation("fest", "door@example.com")
    register(api, "door@example.com")
    api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD})
    token = log_in(api, "door@example.com").json["access_token"]
    assert api.delete(f"/events/fest/members/{other}", token=token).status == 403
    assert api.delete(f"/events/fest/members/{own}", token=token).status == 200
    assert log_in(api, "door@example.com").json["user"]["events"] == {}
    for role in ("staff", "cashier", "accountant", "coordinator"):
        invite(api, "door@example.com", role)
        builders.accept_invitation("fest", "door@example.com")
        token = log_in(api, "door@example.com").json["access_token"]
        if role != "coordinator":
            assert api.delete(f"/events/fest/members/{other}", token=token).status == 403
        assert api.delete("/events/fest/members/me", token=token).json.get("id") == own, role
    assert api.delete("/events/fest/members/me", token=builders.admin_token()).status == 404


def test_a_draft_without_a_start_is_listed_without_one(api, promoter):
    token, path = promoter["access_token"], f"/promoters/{promoter['user']['id']}/events"
    assert api.post("/events", json={"name": "Some night"}, token=token).status == 201
    (event,) = api.get(path, token=token).json["events"]
    assert (event["starts_at"], event["timezone"], event["image"]) == (None, "UTC", None)


def test_pages_of_events_have_drafts_for_their_promoter_only(api, promoter):
    verify_promoter(api, promoter)
    token, path = promoter["access_token"], f"/promoters/{promoter['user']['id']}/events"
    ids = []
    for day in (3, 1, 2):
        body = {"name": f"Night {day}", "venue": "Hall", "starts_at": f"2026-09-0{day}T20:00:00Z"}
        reply = api.post("/events", json=body, token=token)
        assert reply.status == 201, reply.json
        ids.append(reply.json["id"])
    third, first, second = ids
    assert api.delete(f"/events/{second}", token=token).status == 200
    page = api.get(path, query={"limit": 1}, token=token).json
    assert [(event["id"], event["status"]) for event in page["events"]] == [(first, "draft")]
    page = api.get(path, query={"limit": 1, "cursor": page["next_cursor"]}, token=token).json
    assert ([event["id"] for event in page["events"]], page["next_cursor"]) == ([third], None)
    assert api.get(path).json == {"events": [], "next_cursor": None}
