"""What admins do with the accounts of others: find, lock, change roles, end sessions."""

from threading import Thread
from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.audit import service as audit
from chalicelib.foundation import clock
from tests import builders
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, refresh, register, sign_up
from tests.client import Client, ClientReply


def users(api: Client, **query: str) -> Any:
    reply = api.get("/admin/users", query=query, token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def addresses(api: Client, **query: str) -> list[str]:
    return [user["email"] for user in users(api, **query)["users"]]


def change(api: Client, user_id: str, **changes: Any) -> ClientReply:
    return api.patch(f"/admin/users/{user_id}", json=changes, token=builders.admin_token())


def entries(user_id: str) -> list[tuple[str, dict[str, tuple[Any, Any]], dict[str, Any]]]:
    """What the audit log has about an account, the latest first."""
    found = audit.list_entries(f"account#{user_id}")
    return [
        (entry.action, {name: (change.before, change.after) for name, change in entry.changes.items()}, dict(entry.details))
        for entry in found
    ]


def test_people_are_found_by_the_beginning_of_their_address(api):
    for email in ("bob@example.com", "ada@example.com", "Adam@example.com", "al@example.com"):
        register(api, email)
    assert addresses(api, search="ad") == ["ada@example.com", "Adam@example.com"]
    assert addresses(api, search="ADAM@example.com") == ["Adam@example.com"]
    assert addresses(api, search="ada@example.com.") == []


def test_somebody_is_found_by_their_whole_id(api):
    user_id = sign_up(api)["user"]["id"]
    assert addresses(api, search=user_id) == [EMAIL]
    assert addresses(api, search=user_id[:-1]) == []
    shown = api.get(f"/admin/users/{user_id}", token=builders.admin_token())
    assert shown.json == users(api, search=user_id)["users"][0]
    assert (shown.json["roles"], shown.json["locked_at"]) == (["user"], None)


def test_without_a_search_only_special_accounts_are_listed(api):
    register(api, "buyer@example.com")
    register(api, "pat@example.com", role="promoter")
    register(api, "root@example.com")
    accounts.add_role("root@example.com", "admin", "command:ada", clock.now())
    locked = sign_up(api, "eve@example.com")["user"]["id"]
    change(api, locked, locked=True)
    assert addresses(api) == ["eve@example.com", "pat@example.com", "root@example.com"]
    assert addresses(api, group="locked") == ["eve@example.com"]
    assert addresses(api, group="admin") == ["root@example.com"]
    assert addresses(api, group="promoter") == ["pat@example.com"]
    assert addresses(api, group="promoter", search="q") == []


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_list_has_pages(api, limit):
    people = [f"a{number}@example.com" for number in range(5)]
    for number, email in enumerate(people):
        register(api, email, role="promoter" if number % 2 else "user")
    found: list[str] = []
    query = {"search": "a", "limit": str(limit)}
    while True:
        page = users(api, **query)
        assert len(page["users"]) <= limit
        found += [user["email"] for user in page["users"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == people


def test_a_new_address_is_found_instead_of_the_old_one(api, mailbox):
    tokens = sign_up(api)
    body = {"email": "zoe@example.com", "password": PASSWORD}
    api.post("/auth/email", json=body, token=tokens["access_token"])
    mail = next(mail for mail in mailbox.mails if mail.to == "zoe@example.com")
    api.post("/auth/email/verify", json={"token": mail.text.partition("#token=")[2].split()[0], "password": PASSWORD})
    assert (addresses(api, search="ada"), addresses(api, search="zoe")) == ([], ["zoe@example.com"])


def test_an_erased_person_is_not_found(api):
    tokens = sign_up(api)
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status == 200
    assert addresses(api, search="ada") == []


def test_a_locked_account_cannot_log_in_or_continue(api, time):
    tokens = sign_up(api)
    user_id = tokens["user"]["id"]
    reply = change(api, user_id, locked=True, reason="sells places in line")
    assert (reply.status, reply.json["locked_at"]) == (200, clock.iso(time.now))
    assert refresh(api, tokens["refresh_token"]).json["error"] == "session_over"
    assert (log_in(api).status, log_in(api).json["error"]) == (403, "account_locked")
    assert entries(user_id) == [("account.rights_changed", {"locked": (False, True)}, {"reason": "sells places in line"})]


def test_only_its_owner_learns_that_an_account_is_locked(api):
    change(api, sign_up(api)["user"]["id"], locked=True)
    assert log_in(api, password=OTHER_PASSWORD).json["error"] == "login_failed"


def test_a_locked_account_starts_no_session_with_a_valid_token(api):
    tokens = sign_up(api)
    change(api, tokens["user"]["id"], locked=True)
    body = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    assert api.post("/auth/password", json=body, token=tokens["access_token"]).json["error"] == "account_locked"
    api.delete("/auth/sessions", token=tokens["access_token"])
    assert refresh(api, tokens["refresh_token"]).json["error"] == "session_over"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("DELETE", "/auth/me", {}), ("POST", "/auth/email", {"email": "new@example.com"}), ("POST", "/auth/me/second-factor", {})],
)
def test_a_valid_token_cannot_erase_or_move_a_locked_account(api, method, path, body):
    tokens = sign_up(api)
    change(api, tokens["user"]["id"], locked=True)
    for password, error in ((OTHER_PASSWORD, "wrong_password"), (PASSWORD, "account_locked")):
        assert api.request(method, path, json=body | {"password": password}, token=tokens["access_token"]).json["error"] == error
    assert addresses(api, group="locked") == [EMAIL]


def test_mailed_links_neither_verify_nor_move_a_locked_account(api, mailbox):
    tokens = sign_up(api)
    api.post("/auth/email", json={"email": "new@example.com", "password": PASSWORD}, token=tokens["access_token"])
    change(api, tokens["user"]["id"], locked=True)
    for kind, error in (("verify_email", "account_locked"), ("change_email", "link_expired")):
        assert api.post("/auth/email/verify", json={"token": mailbox.token(kind), "password": PASSWORD}).json["error"] == error
    assert addresses(api, group="locked") == [EMAIL]


def test_a_password_by_mail_does_not_unlock(api, mailbox):
    change(api, sign_up(api)["user"]["id"], locked=True)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    token = mailbox.token("reset_password")
    assert api.post("/auth/password/reset", json={"token": token, "password": OTHER_PASSWORD}).status == 200
    assert log_in(api, password=OTHER_PASSWORD).json["error"] == "account_locked"


def test_an_unlocked_account_can_log_in(api):
    user_id = sign_up(api)["user"]["id"]
    change(api, user_id, locked=True)
    assert change(api, user_id, locked=False).json["locked_at"] is None
    assert log_in(api).status == 200


def test_a_new_promoter_gets_a_profile_and_the_right(api):
    tokens = sign_up(api, company="Nova")
    user_id = tokens["user"]["id"]
    assert change(api, user_id, roles=["user", "promoter"]).json["roles"] == ["promoter", "user"]
    assert refresh(api, tokens["refresh_token"]).status == 401
    token = log_in(api).json["access_token"]
    event = {"name": "New", "venue": "Hall", "starts_at": clock.iso(clock.now() + 86_400)}
    assert api.post("/events", json=event, token=token).status == 201
    profile = api.get(f"/promoters/{user_id}", token=token).json
    assert (profile["name"], profile["verified"]) == ("Nova", False)
    assert entries(user_id) == [("account.rights_changed", {"roles": (["user"], ["promoter", "user"])}, {})]


def test_a_former_promoter_keeps_the_profile(api):
    user_id = sign_up(api, role="promoter", company="Nova")["user"]["id"]
    assert change(api, user_id, roles=["user"]).json["roles"] == ["user"]
    event = {"name": "New", "venue": "Hall", "starts_at": clock.iso(clock.now() + 86_400)}
    assert api.post("/events", json=event, token=log_in(api).json["access_token"]).status == 403
    assert change(api, user_id, roles=["promoter"]).json["roles"] == ["promoter", "user"]
    assert api.get(f"/promoters/{user_id}", token=builders.admin_token()).json["name"] == "Nova"


def test_nobody_becomes_an_admin(api):
    user_id = sign_up(api)["user"]["id"]
    reply = change(api, user_id, roles=["user", "admin"])
    assert (reply.status, reply.json["path"]) == (400, "$.roles")
    assert "make admin" in reply.json["message"]
    assert api.get(f"/admin/users/{user_id}", token=builders.admin_token()).json["roles"] == ["user"]


def test_another_admin_takes_the_role_of_an_admin_away_but_not_their_own(api):
    user_id = sign_up(api)["user"]["id"]
    accounts.add_role(EMAIL, "admin", "command:ada", clock.now())
    own = log_in(api).json["access_token"]
    for changes in ({"locked": True}, {"roles": ["user"]}):
        assert api.patch(f"/admin/users/{user_id}", json=changes, token=own).json["error"] == "own_account"
    assert change(api, user_id, roles=["user"]).json["roles"] == ["user"]


def test_a_change_to_the_same_value_changes_nothing(api):
    tokens = sign_up(api)
    assert change(api, tokens["user"]["id"], locked=False, roles=["user"]).status == 200
    assert change(api, tokens["user"]["id"]).status == 200
    assert entries(tokens["user"]["id"]) == []
    assert refresh(api, tokens["refresh_token"]).status == 200


def test_all_sessions_of_somebody_end(api):
    tokens, others = sign_up(api), log_in(api).json
    user_id = tokens["user"]["id"]
    assert api.delete(f"/admin/users/{user_id}/sessions", token=builders.admin_token()).status == 200
    assert {refresh(api, each["refresh_token"]).status for each in (tokens, others)} == {401}
    assert log_in(api).status == 200
    assert entries(user_id) == [("account.sessions_ended", {}, {})]


def test_a_person_without_an_account_is_not_found(api):
    guest = api.post("/auth/guest").json["user"]["id"]
    calls = [("GET", f"/admin/users/{guest}", {}), ("PATCH", f"/admin/users/{guest}", {"locked": True})]
    for method, path, body in [*calls, ("DELETE", f"/admin/users/{guest}/sessions", {})]:
        options = {"json": body} if body else {}
        assert api.request(method, path, token=builders.admin_token(), **options).status == 404


@pytest.mark.parametrize(
    ("changes", "path"),
    [({"roles": []}, "$.roles"), ({"roles": ["owner"]}, "$.roles[0]"), ({"locked": "yes"}, "$.locked"), ({"reason": ""}, "$.reason")],
)
def test_a_bad_change_names_its_field(api, changes, path):
    reply = change(api, sign_up(api)["user"]["id"], **changes)
    assert (reply.status, reply.json["path"]) == (400, path)


def test_changes_at_once_are_all_made(threaded_store, api):
    """A lock and a role that are given at the same moment: neither takes the other back."""
    user_id = sign_up(api)["user"]["id"]
    replies: list[ClientReply] = []
    bodies = ({"locked": True}, {"roles": ["user", "promoter"]}, {"locked": True})
    threads = [Thread(target=lambda body=body: replies.append(change(api, user_id, **body))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [200] * 3
    shown = api.get(f"/admin/users/{user_id}", token=builders.admin_token()).json
    assert shown["locked_at"]
    assert shown["roles"] == ["promoter", "user"]
    assert len(entries(user_id)) == 2


def test_removing_the_role_also_removes_the_verification(api):
    user_id = sign_up(api, "nights@example.com", role="promoter", company="Nights Ltd")["user"]["id"]
    path = f"/promoters/{user_id}"
    assert api.put(path, json={"name": "Nights Ltd", "verified": True}, token=builders.admin_token()).status == 200
    assert change(api, user_id, roles=["user"]).status == 200
    assert api.get(path).status == 404
    shown = api.get(path, token=builders.admin_token()).json
    assert (shown["name"], shown["verified"]) == ("Nights Ltd", False)
    [withdrawn, *_] = audit.list_entries(f"promoter#{user_id}")
    assert (withdrawn.action, withdrawn.actor, withdrawn.changes["state"].after) == ("promoter.changed", "root", "unverified")
    assert change(api, user_id, roles=["promoter", "user"]).status == 200
    assert api.get(path).status == 404


def test_a_promoter_whom_nobody_has_verified_loses_the_role_alone(api):
    user_id = sign_up(api, "nights@example.com", role="promoter")["user"]["id"]
    before = api.get(f"/promoters/{user_id}", token=builders.admin_token()).json
    assert change(api, user_id, roles=["user"]).status == 200
    assert api.get(f"/promoters/{user_id}", token=builders.admin_token()).json == before
