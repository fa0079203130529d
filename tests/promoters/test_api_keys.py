"""API keys: what a promoter's software may do with one, for how long, and what is kept of it."""

import pytest

from chalicelib.accounts import members
from chalicelib.accounts.service import Account, create_account
from chalicelib.audit import service as audit
from chalicelib.edge import auth
from chalicelib.foundation import deadline, settings
from chalicelib.promoters import service as promoters
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD, mailbox, register  # noqa: F401
from tests.catalog.test_quotas import verify
from tests.promoters.test_suspension import sign_up_promoter
from tests.simulation.call_log import record_calls

DAY = 86_400


@pytest.fixture
def promoter(api, time):
    """A verified promoter with one event: the id, how to send requests as that person, and the event's id."""
    promoter_id, by = sign_up_promoter(api)
    builders.verify_address("pat@example.com")
    verify(api, promoter_id)
    return promoter_id, by, event_of(api, promoter_id)


def event_of(api, promoter_id, name="Night"):
    event_id = builders.create_event(api, name)
    builders.create_tier(api, event_id)
    assert api.patch(f"/events/{event_id}", json={"promoter_id": promoter_id}, token=builders.admin_token()).status == 200
    return event_id


def create_key(api, promoter, role="coordinator", **fields):
    promoter_id, by, _ = promoter
    return api.post(f"/promoters/{promoter_id}/api-keys", json={"name": "Till", "role": role, "password": PASSWORD} | fields, **by)


def key_of(api, promoter, role="coordinator", **fields):
    reply = create_key(api, promoter, role, **fields)
    assert reply.status == 201, reply.json
    return reply.json["key"]


def see_status(api, event_id, key):
    return api.get(f"/admin/events/{event_id}/status", token=key)


def test_a_key_has_its_role_at_all_events_of_its_promoter(api, promoter, time):
    promoter_id, _, event_id = promoter
    key, other = key_of(api, promoter), builders.create_event(api, "Of the shop")
    assert key.startswith("fgk_")
    assert see_status(api, event_id, key).status == 200
    assert see_status(api, other, key).status == 403
    changed = api.patch(f"/events/{event_id}", json={"venue": "Town Hall"}, token=key)
    assert (changed.status, changed.json["venue"]) == (200, "Town Hall")
    later = event_of(api, promoter_id, "Second night")
    time.advance(promoters.API_KEY_SECONDS)
    assert see_status(api, later, key).status == 200
    [key_id] = [entry.id for entry in members.list_api_keys(promoter_id)]
    assert audit.list_entries(f"event#{event_id}")[0].actor == f"key-{key_id}"
    invariants.check(time.now)


def test_a_key_for_some_events_has_no_rights_at_the_others(api, promoter):
    promoter_id, _, event_id = promoter
    other = event_of(api, promoter_id, "Second night")
    key = key_of(api, promoter, events=[event_id])
    assert [see_status(api, event, key).status for event in (event_id, other)] == [200, 403]


@pytest.mark.parametrize(("role", "expected"), [("staff", [403, 403]), ("accountant", [403, 200]), ("coordinator", [200, 200])])
def test_a_key_may_do_no_more_than_its_role(api, promoter, role, expected):
    event_id, key = promoter[2], key_of(api, promoter, role)
    sales = api.get(f"/admin/events/{event_id}/money", token=key)
    assert [see_status(api, event_id, key).status, sales.status] == expected


def test_a_key_buys_nothing_and_invites_nobody(api, promoter):
    promoter_id, _, event_id = promoter
    key = key_of(api, promoter)
    body = {"items": [{"tier_id": "any", "quantity": 1}]}
    for reply in (
        api.post(f"/events/{event_id}/reservations", json=body, token=key),
        api.post("/auth/me/promoter", token=key),
        api.delete("/auth/me", json={"password": PASSWORD}, token=key),
        api.post(f"/events/{event_id}/members", json={"email": "eve@example.com", "role": "staff"}, token=key),
        api.get(f"/promoters/{promoter_id}/api-keys", token=key),
        api.post(f"/promoters/{promoter_id}/api-keys", json={"name": "More", "role": "staff", "password": PASSWORD}, token=key),
        api.get("/admin/users", token=key),
    ):
        assert (reply.status, reply.json["error"]) == (403, "forbidden"), reply.json
    assert members.list_members(event_id, 10, None) == []


def test_keys_expire_and_can_be_deleted(api, promoter, time):
    promoter_id, by, event_id = promoter
    short, deleted = key_of(api, promoter, expires_in_days=1), key_of(api, promoter)
    path = f"/promoters/{promoter_id}/api-keys"
    listed = api.get(path, **by).json["api_keys"]
    assert [see_status(api, event_id, key).status for key in (short, deleted)] == [200, 200]
    assert api.delete(f"{path}/{listed[1]['id']}", **by).status == 200
    assert api.delete(f"{path}/{listed[1]['id']}", **by).status == 404
    time.advance(promoters.API_KEY_SECONDS)
    assert [see_status(api, event_id, key).status for key in (short, deleted)] == [200, 401]
    time.advance(DAY)
    refused = see_status(api, event_id, short)
    assert (refused.status, refused.json["error"]) == (401, "unauthenticated")
    assert "API key" in refused.json["message"]
    actions = [entry.action for entry in audit.list_entries(f"account#{promoter_id}")]
    assert (actions.count("api_key.created"), actions.count("api_key.deleted")) == (2, 1)
    assert "Till" not in str(audit.list_entries(f"account#{promoter_id}")), "a name may name a person, and nobody can erase an entry"


def test_a_key_is_shown_once_and_only_its_digest_is_stored(api, promoter, time):
    promoter_id, by, event_id = promoter
    key = key_of(api, promoter, "cashier", events=[event_id], name="Box office", expires_in_days=30)
    secret = key.rpartition("_")[2]
    listed = api.get(f"/promoters/{promoter_id}/api-keys", **by)
    assert secret not in str(listed.json)
    [shown] = listed.json["api_keys"]
    assert (shown["name"], shown["role"], shown["events"], shown["used_at"]) == ("Box office", "cashier", [event_id], None)
    assert secret not in str(members.list_api_keys(promoter_id))
    exported = api.get("/me/export", **by)
    assert (exported.json["api_keys"], secret in str(exported.json)) == ([shown], False)
    assert secret not in str(audit.list_entries(f"account#{promoter_id}"))
    api.get(f"/admin/events/{event_id}/live", token=key)
    assert members.list_api_keys(promoter_id)[0].used_at == time.now


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), lambda _: "fgk_", lambda key: f"{key} ", str.upper]
)
def test_a_changed_key_is_refused(api, promoter, change):
    key = key_of(api, promoter)
    is_same = change(key).strip() == key
    refused = see_status(api, promoter[2], change(key))
    assert refused.status == (200 if is_same else 401)
    assert (members.list_api_keys(promoter[0])[0].used_at is not None) == is_same, "the id of a key, which others know, is no use of it"
    assert see_status(api, promoter[2], key).status == 200


def test_a_promoter_who_is_locked_or_lacks_what_the_stage_demands_has_no_keys(api, promoter, time):
    promoter_id, _, event_id = promoter
    key = key_of(api, promoter)
    with settings.override(second_factor="managers"):
        assert see_status(api, event_id, key).status == 401
    time.advance(promoters.API_KEY_SECONDS)
    assert see_status(api, event_id, key).status == 200
    assert api.patch(f"/admin/users/{promoter_id}", json={"locked": True}, token=builders.admin_token()).status == 200
    time.advance(promoters.API_KEY_SECONDS)
    assert see_status(api, event_id, key).status == 401


def test_wrong_requests_for_a_key_are_refused(api, promoter, time):
    other = builders.create_event(api, "Of the shop")
    stolen = create_key(api, promoter, password="wrong")
    assert (stolen.status, stolen.json["error"]) == (403, "wrong_password")
    strange = create_key(api, promoter, events=[other])
    assert (strange.status, strange.json["path"]) == (400, "$.events")
    for fields in ({"role": "admin"}, {"expires_in_days": 367}, {"expires_in_days": 0}, {"name": ""}):
        assert create_key(api, promoter, **fields).status == 400
    another_id, by = sign_up_promoter(api, "olaf@example.com")
    assert create_key(api, (promoter[0], by, "")).status == 403
    assert create_key(api, (another_id, promoter[1], "")).status == 403
    assert members.list_api_keys(promoter[0]) == []


def test_nobody_gets_a_key_with_an_address_that_may_be_somebody_elses(api, time):
    """The owner of the address takes the account over with a new password, which does not end keys."""
    promoter_id, by = sign_up_promoter(api)
    refused = create_key(api, (promoter_id, by, ""))
    assert (refused.status, refused.json["error"]) == (409, "address_not_verified")
    assert members.list_api_keys(promoter_id) == []
    builders.verify_address("pat@example.com")
    assert create_key(api, (promoter_id, by, "")).status == 201


def test_a_key_needs_a_code_of_an_account_with_a_second_factor(api, promoter, time):
    by = promoter[1]
    secret = api.post("/auth/me/second-factor", json={"password": PASSWORD}, **by).json["secret"]
    assert api.put("/auth/me/second-factor", json={"code": builders.code_of(secret, time.now)}, **by).status == 200
    used = builders.code_of(secret, time.now)
    for fields in ({}, {"code": used}, {"code": "000000"}):
        refused = create_key(api, promoter, **fields)
        assert (refused.status, refused.json["error"], refused.json["path"]) == (401, "second_factor_required", "$.code")
    time.advance(30)
    code = builders.code_of(secret, time.now)
    assert create_key(api, promoter, password="wrong", code=code).json["error"] == "wrong_password", "the code is not used up"
    assert [create_key(api, promoter, code=code).status for _ in range(2)] == [201, 401]
    assert len(members.list_api_keys(promoter[0])) == 1


def test_the_promoter_gets_an_email_about_a_new_key_whoever_creates_it(api, promoter, mailbox):  # noqa: F811
    mailbox.mails.clear()
    assert create_key(api, promoter, password="wrong").status == 403
    assert create_key(api, promoter).status == 201
    create_account(Account(user_id="root", email="root@example.com", roles=("user", "admin"), created_at=0, verified_at=0), PASSWORD)
    assert create_key(api, (promoter[0], {"token": builders.admin_token()}, ""), name="https://evil.example").status == 201
    assert [(mail.kind, mail.to) for mail in mailbox.mails] == [("api_key_created", "pat@example.com")] * 2
    assert "evil" not in mailbox.mails[1].text
    assert "forgot-password" in mailbox.mails[1].text


def test_a_promoter_has_a_limited_number_of_keys(api, promoter, monkeypatch):
    monkeypatch.setattr(members, "MAX_API_KEYS", 2)
    assert [create_key(api, promoter).status for _ in range(3)] == [201, 201, 409]


def test_instances_read_a_key_once_in_a_while(api, promoter, time):
    event_id, key = promoter[2], key_of(api, promoter)
    assert see_status(api, event_id, key).status == 200
    with record_calls() as calls:
        see_status(api, event_id, key)
    assert not [call for call in calls if "memberships" in str(call) or "accounts" in str(call)]


def test_more_keys_change_no_more_events(api, promoter):
    """Otherwise, one promoter could change the catalog, which all instances follow, twenty times as often as a person may."""
    _, by, event_id = promoter
    keys = [key_of(api, promoter) for _ in range(3)]
    till = key_of(api, promoter, "cashier")
    with settings.override(rate_limits="on", limit_catalog="2/60"):
        changes = [api.patch(f"/events/{event_id}", json={"venue": f"Hall {number}"}, token=key) for number, key in enumerate(keys)]
        assert [reply.status for reply in changes] == [200, 200, 429]
        assert api.patch(f"/events/{event_id}", json={"venue": "Hall"}, **by).status == 200, "keys use up nothing of their promoter"
        count = {"date": "2026-06-01", "currency": "USD", "counted_cents": 0}
        assert api.post(f"/events/{event_id}/box-office-closing", json=count, token=till).status == 200, "nor of a till"


def test_a_key_is_read_within_the_deadline_of_the_request(api, promoter, monkeypatch):
    key, find, remaining = key_of(api, promoter), members.find_api_key, []
    monkeypatch.setattr(members, "find_api_key", lambda *names: remaining.append(deadline.remaining()) or find(*names))
    assert see_status(api, promoter[2], key).status == 200
    assert remaining[0] <= settings.current().request_seconds


def test_an_erased_promoter_leaves_no_keys(api, promoter, time):
    promoter_id, by, event_id = promoter
    key = key_of(api, promoter)
    assert api.post(f"/events/{event_id}/cancel", **by).status in (200, 202)
    assert api.delete("/auth/me", json={"password": PASSWORD}, **by).status == 200
    assert members.list_api_keys(promoter_id) == []
    time.advance(promoters.API_KEY_SECONDS)
    assert see_status(api, event_id, key).status == 401


def test_no_access_token_looks_like_a_key(api, time):
    assert not builders.token().startswith(auth.API_KEY_PREFIX)


@pytest.mark.needs_addon
def test_a_key_gets_documents_from_their_own_function(api, promoter, time):
    """That function reads the key itself, so it needs the rights to do so."""
    event_id = promoter[2]
    tier_id = api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]
    receipt = f"/orders/{order_id}/receipt.pdf"
    assert api.get(receipt, token=key_of(api, promoter)).status == 200
    assert api.get(receipt, token=key_of(api, promoter, "staff")).status == 404


@pytest.fixture
def admin(api, promoter):
    """An admin with an account: how to send requests as that person."""
    create_account(Account(user_id="root", email="root@example.com", roles=("user", "admin"), created_at=0, verified_at=0), PASSWORD)
    create_account(Account(user_id="boss", email="boss@example.com", roles=("user", "admin"), created_at=0, verified_at=0), PASSWORD)
    return {"token": builders.admin_token()}


@pytest.mark.parametrize("change", [{"roles": ["user"]}, {"locked": True}])
def test_the_key_of_an_admin_ends_with_the_rights_of_the_admin(api, promoter, admin, time, change):
    promoter_id, by, event_id = promoter
    key, own = key_of(api, (promoter_id, admin, event_id)), key_of(api, promoter)
    assert [see_status(api, event_id, text).status for text in (key, own)] == [200, 200]
    assert api.patch("/admin/users/root", json=change, token=builders.token("boss", "admin")).status == 200
    time.advance(promoters.API_KEY_SECONDS)
    assert [see_status(api, event_id, text).status for text in (key, own)] == [401, 200]
    [_, shown] = sorted(api.get(f"/promoters/{promoter_id}/api-keys", **by).json["api_keys"], key=lambda shown: shown["used_at"])
    assert shown["used_at"] is not None


def test_the_key_of_an_admin_ends_when_the_stage_demands_a_second_factor_of_the_admin(api, promoter, admin, time):
    promoter_id, by, event_id = promoter
    key = key_of(api, (promoter_id, admin, event_id))
    secret = api.post("/auth/me/second-factor", json={"password": PASSWORD}, **by).json["secret"]
    assert api.put("/auth/me/second-factor", json={"code": builders.code_of(secret, time.now)}, **by).status == 200
    with settings.override(second_factor="managers"):
        assert see_status(api, event_id, key).status == 401


def test_a_new_password_ends_no_keys(api, promoter, time):
    """Programs do not use the password, and their tills and reports must not stop in the middle of a sale."""
    _, by, event_id = promoter
    key = key_of(api, promoter)
    new = "another " + PASSWORD
    assert api.post("/auth/password", json={"current_password": PASSWORD, "password": new}, **by).status == 200
    time.advance(promoters.API_KEY_SECONDS)
    assert see_status(api, event_id, key).status == 200
