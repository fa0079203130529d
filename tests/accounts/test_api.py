"""Accounts over HTTP: register, sign in, the own profile, guests, passwords, links in mails."""

import threading
from hashlib import sha256

import argon2
import pytest

from chalicelib.accounts import factors, login_attempts, store
from chalicelib.accounts.login_attempts import FREE_ATTEMPTS, WINDOW_SECONDS
from chalicelib.audit import service as audit
from chalicelib.edge import rate_limits
from chalicelib.foundation import settings
from tests import builders, invariants
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, refresh, register, sign_up
from tests.simulation import faults
from tests.simulation.interference import interfere_before


def test_a_registered_user_can_log_in_and_is_known(api, time):
    reply = register(api, first_name="Ada", last_name="L", phone="+44 20 7946 0000", company="Engines")
    assert (reply.status, reply.json["email"], reply.json["verification_required"]) == (201, EMAIL, False)
    tokens = log_in(api).json
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 900, 7 * 86_400)
    me = api.get("/auth/me", token=tokens["access_token"]).json
    assert me == tokens["user"]
    assert me == {
        "id": me["id"],
        "email": EMAIL,
        "email_verified": False,
        "roles": ["user"],
        "events": {},
        "first_name": "Ada",
        "last_name": "L",
        "phone": "+44 20 7946 0000",
        "company": "Engines",
        "created_at": "2026-06-01T12:00:00Z",
        "second_factor": False,
        "lacks_second_factor": False,
    }


def logged(caplog) -> list[tuple[str, str | None]]:
    """The lines about sign-ins and passwords: (event, id of the user). No line has an address or a password."""
    records = [record for record in caplog.records if record.message.partition(".")[0] in ("login", "password")]
    for secret in (EMAIL, "nobody@example.com", PASSWORD, OTHER_PASSWORD, "not the password"):
        assert not any(secret in str(vars(record)) for record in caplog.records)
    return [(record.message, getattr(record, "user_id", None)) for record in records]


def test_the_log_says_which_account_signed_in_or_failed_to(api, time, caplog):
    user_id = sign_up(api)["user"]["id"]
    assert logged(caplog) == [("login.succeeded", user_id)]
    caplog.clear()
    log_in(api, password="not the password")
    log_in(api, "nobody@example.com")
    api.patch(f"/admin/users/{user_id}", json={"locked": True}, token=builders.admin_token())
    log_in(api)
    assert logged(caplog) == [("login.failed", user_id), ("login.failed", None), ("login.failed", user_id)]
    found = [record.is_password_correct for record in caplog.records if record.message == "login.failed"]
    assert found == [False, False, True]


def test_the_log_names_the_account_whose_attempts_are_delayed_by_its_counter_only(api, time, caplog):
    register(api)
    for _ in range(FREE_ATTEMPTS + 2):
        log_in(api, password="not the password")
    [delayed] = [record for record in caplog.records if record.message == "login.delayed"]
    assert delayed.counter == login_attempts.sign_in_counter(EMAIL)
    assert logged(caplog)[-1] == ("login.delayed", None)


def test_the_log_says_whose_password_was_entered_again_changed_or_reset(api, time, mailbox, caplog):
    tokens = sign_up(api)
    user_id, change = tokens["user"]["id"], {"password": OTHER_PASSWORD}
    caplog.clear()
    api.post("/auth/password", json=change | {"current_password": "not the password"}, token=tokens["access_token"])
    api.post("/auth/password", json=change | {"current_password": PASSWORD}, token=tokens["access_token"])
    api.post("/auth/password/forgot", json={"email": EMAIL})
    api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": PASSWORD})
    events = ["password.wrong", "password.confirmed", "password.changed", "password.reset"]
    assert logged(caplog) == [(event, user_id) for event in events]


def test_addresses_are_compared_without_case(api, time):
    user_id = sign_up(api, "Ada@Example.com")["user"]["id"]
    assert log_in(api, "aDA@eXAMPLE.COM").json["user"]["id"] == user_id
    register(api, "ADA@example.com", OTHER_PASSWORD)
    assert log_in(api, password=OTHER_PASSWORD).status == 401


@pytest.mark.parametrize("role", ["staff", "admin", "guest"])
def test_no_other_role_can_be_had_by_registering(api, time, role):
    assert register(api, role=role).status == 400
    assert register(api, roles=["admin"]).status == 400


def test_a_promoter_registers_as_such(api, time):
    assert sign_up(api, role="promoter", company="Nights")["user"]["roles"] == ["promoter", "user"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ada"),
        ("email", "ada@example"),
        ("email", "a b@example.com"),
        ("email", "ada@example.com\r\nBcc: eve@example.com"),
        ("email", "ada@example.com\n"),
        ("email", ".ada@example.com"),
        ("email", f"{'a' * 65}@example.com"),
        ("email", f"a@{'x' * 63}.{'x' * 63}.{'x' * 63}.{'x' * 63}.com"),
        ("password", "7 chars"),
        ("password", "x" * 129),
        ("first_name", ""),
        ("first_name", " "),
        ("last_name", "a\nb"),
        ("company", "x" * 201),
        ("phone", "call me"),
    ],
)
def test_what_cannot_be_is_refused(api, time, field, value):
    reply = register(api, **{field: value})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")


@pytest.mark.parametrize("password", ["password1234", "123456789012", "welcome12345", "aaaaaaaaaaaa", "ada@example.com", "q7     zk4 w"])
def test_common_passwords_are_refused(api, time, password):
    reply = register(api, password=password)
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "common_password", "$.password")


def test_a_long_password_counts_to_its_end(api, time):
    password = "é7!xQ w-" * 16
    register(api, password=password)
    assert log_in(api, password=password).status == 200
    assert log_in(api, password=password[:-1]).status == 401


def test_a_password_may_be_typed_in_other_code_points(api, time):
    register(api, password="caf\u00e9 au lait 7")
    assert log_in(api, password="cafe\u0301 au lait 7").status == 200


# ------------------------------------------------------------------ what nobody can find out
def test_the_answers_do_not_say_whether_an_address_has_an_account(api, time, mailbox):
    first, again = register(api), register(api, password=OTHER_PASSWORD)
    assert (first.status, first.json) == (again.status, again.json)
    wrong, unknown = log_in(api, password=OTHER_PASSWORD), log_in(api, "eve@example.com")
    assert wrong.status == unknown.status == 401
    assert without_request_id(wrong) == without_request_id(unknown)
    for path in ("/auth/password/forgot", "/auth/email/resend"):
        known, unknown = (api.post(path, json={"email": email}) for email in (EMAIL, "eve@example.com"))
        assert (known.status, known.json) == (unknown.status, unknown.json)
    assert mailbox.kinds() == ["verify_email", "already_registered", "reset_password", "verify_email"]
    assert mailbox.kinds("eve@example.com") == ["no_account", "no_account"]


def without_request_id(reply):
    return {name: value for name, value in reply.json.items() if name != "request_id"}


def test_an_address_must_be_verified_before_a_login_if_that_is_required(api, time, mailbox):
    with settings.override(email_verification="required"):
        assert register(api).json["verification_required"] is True
        unverified, wrong = log_in(api), log_in(api, password=OTHER_PASSWORD)
        assert unverified.status == 401
        assert without_request_id(unverified) == without_request_id(wrong)
        assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
        assert log_in(api).json["user"]["email_verified"] is True


def test_following_the_link_does_not_confirm_the_account_that_somebody_else_registered(api, time, mailbox):
    """Whoever reads the mails does not know the password; whoever chose the password does not read the mails."""
    with settings.override(email_verification="required"):
        register(api, password="the thief's own")
        link = mailbox.token("verify_email")
        for sent in ({}, {"password": PASSWORD}):
            refused = api.post("/auth/email/verify", json={"token": link} | sent)
            assert (refused.status, refused.json["error"]) == (403, "wrong_password")
        register(api)
        reset = {"token": mailbox.token("already_registered"), "password": PASSWORD}
        assert api.post("/auth/password/reset", json=reset).status == 200
        assert [log_in(api, password=password).status for password in ("the thief's own", PASSWORD)] == [401, 200]


def test_the_owner_of_a_registered_address_gets_only_a_few_notices_of_new_passwords(api, time, mailbox):
    """A stranger who registers somebody else's address can change that account's password again and again."""
    with settings.override(rate_limits="on", limit_mail="2/900"):
        token, passwords = sign_up(api)["access_token"], [PASSWORD, OTHER_PASSWORD]
        for number in range(4):
            change = {"current_password": passwords[number % 2], "password": passwords[1 - number % 2]}
            assert api.post("/auth/password", json=change, token=token).status == 200
        assert mailbox.kinds().count("password_changed") == 2


def test_the_owner_of_a_registered_address_gets_only_a_few_notices_of_requested_changes(api, time, mailbox):
    with settings.override(rate_limits="on", limit_mail="2/900"):
        token = sign_up(api)["access_token"]
        for number in range(4):
            change = {"email": f"other{number}@mail.example", "password": PASSWORD}
            assert api.post("/auth/email", json=change, token=token).status in (200, 202)
        assert mailbox.kinds().count("change_requested") == 2


def test_a_new_password_does_not_replace_the_verification_of_the_address(api, time, mailbox):
    guest = api.post("/auth/guest").json["access_token"]
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    with settings.override(email_verification="required"):
        register(api, token=guest, role="promoter")
        refused = api.post("/auth/password", json=change, token=guest)
        assert (refused.status, refused.json["error"]) == (404, "no_account")
        assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
        assert api.post("/auth/password", json=change, token=log_in(api).json["access_token"]).status == 200


# ------------------------------------------------------------------ profile
def become_promoter(api, tokens):
    return api.post("/auth/me/promoter", token=tokens["access_token"])


def test_a_person_with_an_account_becomes_a_promoter_and_stays_signed_in(api, time):
    tokens = sign_up(api, first_name="Ada", company="Engines")
    replies = [become_promoter(api, tokens) for _ in range(2)]
    assert [(reply.status, reply.json["roles"]) for reply in replies] == [(200, ["promoter", "user"])] * 2
    renewed = refresh(api, tokens["refresh_token"]).json
    assert renewed["user"]["roles"] == ["promoter", "user"]
    profile = api.get(f"/promoters/{renewed['user']['id']}", token=renewed["access_token"]).json
    assert (profile["name"], profile["verified"]) == ("Engines", False)
    created = api.post("/events", json={"name": "Night"}, token=renewed["access_token"])
    assert created.status == 201, created.json
    [entry] = [entry for entry in audit.list_entries(f"account#{renewed['user']['id']}") if entry.action == "account.became_promoter"]
    assert entry.actor == renewed["user"]["id"]


def test_a_double_click_makes_a_promoter_once(api, time):
    tokens = sign_up(api)
    with interfere_before(2, lambda: become_promoter(api, tokens)) as others:
        reply = become_promoter(api, tokens)
    assert [(each.status, each.json["roles"]) for each in (*others, reply)] == [(200, ["promoter", "user"])] * 2


def test_guests_and_locked_people_do_not_become_promoters(api, time):
    guest = api.post("/auth/guest").json
    assert (become_promoter(api, guest).status, become_promoter(api, guest).json["error"]) == (404, "no_account")
    tokens = sign_up(api)
    lock = {"locked": True}
    assert api.patch(f"/admin/users/{tokens['user']['id']}", json=lock, token=builders.admin_token()).status == 200
    assert (become_promoter(api, tokens).status, become_promoter(api, tokens).json["error"]) == (403, "account_locked")


def test_whoever_lost_the_role_cannot_take_it_back(api, time):
    tokens = sign_up(api)
    become_promoter(api, tokens)
    assert api.patch(f"/admin/users/{tokens['user']['id']}", json={"roles": ["user"]}, token=builders.admin_token()).status == 200
    reply = become_promoter(api, log_in(api).json)
    assert (reply.status, reply.json["error"]) == (403, "forbidden")


def test_a_profile_can_be_changed_in_part(api, time):
    token = sign_up(api, first_name="Ada", phone="12345678")["access_token"]
    changed = api.patch("/auth/me", json={"first_name": "Augusta", "phone": None}, token=token).json
    assert (changed["first_name"], changed["phone"], changed["email"]) == ("Augusta", None, EMAIL)
    assert api.get("/auth/me", token=token).json == changed
    assert api.patch("/auth/me", json={}, token=token).json == changed
    for refused in ({"email": "eve@example.com"}, {"roles": ["admin"]}, {"verified": True}, {"first_name": ""}):
        assert api.patch("/auth/me", json=refused, token=token).status == 400


def test_a_person_without_an_account_is_shown_read_only(api, time):
    me = api.get("/auth/me", user="ada").json
    assert (me["id"], me["roles"], me["email"], me["created_at"]) == ("ada", ["user"], None, None)
    reply = api.patch("/auth/me", json={"first_name": "Ada"}, user="ada")
    assert (reply.status, reply.json["error"]) == (404, "no_account")


# ------------------------------------------------------------------ guests
def test_a_guest_buys_becomes_an_account_and_keeps_the_tickets(api, time):
    shop = builders.create_shop(api)
    guest = api.post("/auth/guest").json
    assert guest["user"]["roles"] == ["guest", "user"]
    token = guest["access_token"]
    reserved = api.post(f"/events/{shop[0]}/reservations", json={"tier_id": shop[1], "quantity": 2}, token=token).json["id"]
    checkout = {"reservation_id": reserved}
    api.post("/checkout/sessions", json=checkout, token=token, headers={"Idempotency-Key": "key"})
    assert api.post("/checkout/confirm", json={"checkout_id": reserved, "simulate": "success"}, token=token).status == 201
    register(api, token=token)
    tokens = log_in(api).json
    assert tokens["user"]["id"] == guest["user"]["id"]
    assert tokens["user"]["roles"] == ["user"]
    assert api.get("/me/tickets", token=tokens["access_token"]).json["count"] == 2
    assert refresh(api, guest["refresh_token"]).json["error"] == "session_over"
    invariants.check(time.now)


def test_a_guest_becomes_one_account_only(api, time):
    guest = api.post("/auth/guest").json
    assert register(api, token=guest["access_token"]).status == 201
    reply = register(api, "eve@example.com", token=guest["access_token"])
    assert (reply.status, reply.json["error"]) == (409, "already_registered")
    assert log_in(api, "eve@example.com").status == 401


def test_a_guest_who_was_erased_does_not_come_back_as_another_account(api, time):
    """The guest's access token lasts a few minutes longer than the session, and the id names purchases that are kept for the books."""
    guest = api.post("/auth/guest").json
    token = guest["access_token"]
    assert register(api, "eve@example.com", token=token).status == 201
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=token).status == 200
    assert register(api, token=token).status == 201
    assert log_in(api).json["user"]["id"] != guest["user"]["id"]


def test_a_user_with_an_account_registers_somebody_new(api, time):
    """Otherwise the demo header would let anybody choose the id of another user, or a user would get a second account."""
    first = sign_up(api)
    second = sign_up(api, "eve@example.com", token=first["access_token"])
    assert second["user"]["id"] != first["user"]["id"]
    assert api.post("/auth/register", json={"email": "bob@example.com", "password": PASSWORD}, user="bob").status == 201
    assert log_in(api, "bob@example.com").json["user"]["id"] != "bob"


def test_a_guest_stays_a_guest_when_refreshed(api, time):
    guest = api.post("/auth/guest").json
    assert refresh(api, guest["refresh_token"]).json["user"] == guest["user"]


# ------------------------------------------------------------------ passwords
def test_changing_the_password_ends_all_other_sessions(api, time):
    elsewhere, here = sign_up(api), log_in(api).json
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    changed = api.post("/auth/password", json=change, token=here["access_token"])
    assert changed.status == 200
    assert [refresh(api, tokens["refresh_token"]).status for tokens in (elsewhere, here, changed.json)] == [401, 401, 200]
    assert [log_in(api, password=password).status for password in (PASSWORD, OTHER_PASSWORD)] == [401, 200]


def test_changing_the_password_needs_the_current_one_and_a_good_one(api, time):
    token = sign_up(api)["access_token"]
    wrong = api.post("/auth/password", json={"current_password": "wrong", "password": OTHER_PASSWORD}, token=token)
    assert (wrong.status, wrong.json["error"]) == (403, "wrong_password")
    common = api.post("/auth/password", json={"current_password": PASSWORD, "password": "password1234"}, token=token)
    assert (common.status, common.json["error"]) == (400, "common_password")
    assert log_in(api).status == 200


def test_the_owner_hears_of_a_new_password(api, time, mailbox):
    tokens = sign_up(api)
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    assert api.post("/auth/password", json=change, token=tokens["access_token"], headers={"Accept-Language": "es"}).status == 200
    assert (mailbox.kinds()[-1], mailbox.mails[-1].subject) == ("password_changed", "Se ha cambiado tu contraseña")
    api.post("/auth/password/forgot", json={"email": EMAIL})
    assert api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": PASSWORD}).status == 200
    assert mailbox.kinds()[-1] == "password_changed"
    assert api.post("/auth/password", json=change | {"current_password": "wrong"}, token=tokens["access_token"]).status == 403
    assert mailbox.kinds().count("password_changed") == 2


def test_a_new_password_has_twelve_characters_and_earlier_ones_still_work(api, time):
    assert register(api, password="grey owl 77").json["path"] == "$.password"
    with settings.override(email_verification="later"):
        assert register(api).status == 201
        earlier = factors.hash_password("grey owl")
        row = store.CredentialsRow.find(f"email#{EMAIL}")
        row.password_hash = earlier
        row.save()
        token = log_in(api, password="grey owl").json["access_token"]
    for new, status in (("grey owl 77", 400), (PASSWORD, 200)):
        change = {"current_password": "grey owl", "password": new}
        assert api.post("/auth/password", json=change, token=token).status == status


def test_a_forgotten_password_is_reset_by_a_link_that_works_once(api, time, mailbox):
    tokens = sign_up(api)
    api.post("/auth/password/forgot", json={"email": EMAIL.upper()})
    reset = {"token": mailbox.token("reset_password"), "password": OTHER_PASSWORD}
    assert api.post("/auth/password/reset", json=reset | {"password": "password1234"}).status == 400  # the link still works
    assert api.post("/auth/password/reset", json=reset).status == 200
    assert [log_in(api, password=password).status for password in (PASSWORD, OTHER_PASSWORD)] == [401, 200]
    assert refresh(api, tokens["refresh_token"]).status == 401
    again = api.post("/auth/password/reset", json=reset | {"password": "another good one"})
    assert (again.status, again.json["error"]) == (410, "link_expired")
    assert log_in(api, password=OTHER_PASSWORD).json["user"]["email_verified"] is True


def test_a_link_for_a_password_ends_with_the_password(api, time, mailbox):
    """Somebody who once read the mails cannot take back the account that its owner has secured."""
    tokens, links = sign_up(api), []

    def request_link() -> None:
        api.post("/auth/password/forgot", json={"email": EMAIL})
        links.append(mailbox.token("reset_password"))

    request_link()
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    tokens = api.post("/auth/password", json=change, token=tokens["access_token"]).json
    request_link()
    assert api.post("/auth/logout", json={"refresh_token": tokens["refresh_token"], "everywhere": True}).status == 200
    request_link()
    register(api)
    links.append(mailbox.token("already_registered"))
    request_link()
    assert api.post("/auth/password/reset", json={"token": links.pop(), "password": "a third good one"}).status == 200
    for link in links:
        assert api.post("/auth/password/reset", json={"token": link, "password": "the thief's own"}).json["error"] == "link_expired"
    assert log_in(api, password="a third good one").status == 200


def test_a_link_for_a_password_of_an_earlier_version_still_works(api, time, mailbox):
    register(api)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    token = mailbox.token("reset_password")
    row = store.MailedLinkRow.find(f"link#{sha256(token.encode()).hexdigest()}")
    row.generation = None
    row.save()
    assert api.post("/auth/password/reset", json={"token": token, "password": OTHER_PASSWORD}).status == 200


def test_links_expire_and_are_for_one_purpose(api, time, mailbox):
    register(api)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    reset, verify = mailbox.token("reset_password"), mailbox.token("verify_email")
    assert api.post("/auth/email/verify", json={"token": reset}).status == 410
    assert api.post("/auth/password/reset", json={"token": verify, "password": OTHER_PASSWORD}).status == 410
    assert api.post("/auth/email/verify", json={"token": "guessed"}).status == 410
    time.advance(3600)
    assert api.post("/auth/password/reset", json={"token": reset, "password": OTHER_PASSWORD}).status == 410
    time.advance(86_400 - 3600)
    assert api.post("/auth/email/verify", json={"token": verify}).status == 410
    api.post("/auth/email/resend", json={"email": EMAIL})
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200


def test_registering_twice_mails_a_link_to_the_account(api, time, mailbox):
    register(api)
    register(api, password=OTHER_PASSWORD)
    reset = {"token": mailbox.token("already_registered"), "password": "a third good one"}
    assert api.post("/auth/password/reset", json=reset).status == 200
    assert log_in(api, password="a third good one").status == 200


# ------------------------------------------------------------------ the same work
def test_the_work_does_not_say_whether_an_address_has_an_account(api, time, monkeypatch):
    """The same calls to the store and as many hashes, so that the time says nothing either."""
    hashes: list[str] = []
    for name in ("hash", "verify"):
        original = getattr(argon2.PasswordHasher, name)
        monkeypatch.setattr(argon2.PasswordHasher, name, lambda *a, _of=original, **k: hashes.append("") or _of(*a, **k))

    def work(path: str, email: str, **fields: str) -> tuple[list[str], int]:
        time.advance(WINDOW_SECONDS)  # the counters of attempts begin anew
        hashes.clear()
        with faults.record_calls() as log:
            api.post(path, json={"email": email} | fields)
        return list(log), len(hashes)

    register(api)
    unknown = "eve@example.com"
    for path, fields in {
        "/auth/login": {"password": OTHER_PASSWORD},
        "/auth/password/forgot": {},
        "/auth/email/resend": {},
        "/auth/register": {"password": OTHER_PASSWORD},
    }.items():
        for email in (EMAIL, unknown):
            work(path, email, **fields)  # from now on the counters of both exist
        assert work(path, EMAIL, **fields) == work(path, unknown, **fields), path


def test_an_unverified_login_is_as_much_work_as_a_wrong_one(api, time):
    register(api)
    with settings.override(email_verification="required"):
        works = []
        log_in(api)  # from now on the counters exist
        for password in (PASSWORD, OTHER_PASSWORD):
            time.advance(WINDOW_SECONDS)  # the counters of attempts begin anew
            with faults.record_calls() as log:
                log_in(api, password=password)
            works.append(list(log))
    assert works[0] == works[1]


def test_a_password_is_hashed_again_when_the_parameters_have_changed(api, time):
    register(api)
    with settings.override(password_memory_kib=16):
        assert log_in(api).status == 200
        assert "m=16," in store.find_credentials(EMAIL).password_hash
        assert log_in(api).status == 200


def test_a_password_is_stored_as_argon2id_with_two_passes_and_a_salt_of_its_own(api, time):
    hashes = [sign_up(api, email) and store.find_credentials(email).password_hash for email in (EMAIL, "bob@example.com")]
    assert hashes[0] != hashes[1]
    for password_hash in hashes:
        stored = argon2.extract_parameters(password_hash)
        assert (stored.type, stored.time_cost, stored.parallelism, stored.salt_len) == (argon2.Type.ID, 2, 1, 16)
    with pytest.raises(settings.SettingsError, match="PASSWORD_MEMORY_KIB"):
        settings.read({"FAIRGATE_PASSWORD_MEMORY_KIB": "19455"})


def test_mails_and_registrations_are_limited(api, time, mailbox):
    with settings.override(rate_limits="on", limit_mail="2/900", limit_sign_up="5/60", address_factor=2):
        statuses = [api.post("/auth/password/forgot", json={"email": EMAIL}).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert api.post("/auth/password/forgot", json={"email": "eve@example.com"}).status == 200
        assert [api.post("/auth/guest").status for _ in range(12)].count(201) == 10
        assert api.post("/auth/guest", source_ip="192.0.2.7").status == 201


def test_mails_are_counted_before_they_are_sent_on_every_instance(api, time, mailbox):
    with settings.override(rate_limits="on", limit_mail="5/900"):
        statuses = []
        for _ in range(20):
            rate_limits._local_counters.forget()  # another instance
            statuses.append(api.post("/auth/password/forgot", json={"email": EMAIL}).status)
    assert (statuses.count(200), statuses.count(429), len(mailbox.mails)) == (5, 15, 5)


def test_mails_that_a_stranger_requests_leave_those_that_let_the_owner_in(api, time, mailbox):
    register(api)
    with settings.override(rate_limits="on", limit_mail="2/900"):
        for _ in range(3):
            api.post("/auth/email/resend", json={"email": EMAIL})
            register(api)
            api.post("/lost-tickets", json={"email": EMAIL})
        assert api.post("/auth/email/resend", json={"email": EMAIL}).status == 429
        assert api.post("/auth/password/forgot", json={"email": EMAIL}).status == 200
    assert mailbox.kinds()[-1] == "reset_password"


def test_simultaneous_registrations_of_an_address_make_one_account(api, time, threaded_store, mailbox):
    barrier, statuses = threading.Barrier(8), []

    def run(number: int) -> None:
        barrier.wait()
        statuses.append(register(api, password=f"{number} seven grey owls").status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8
    assert sorted(mailbox.kinds()) == ["already_registered"] * 7 + ["verify_email"]
    assert [log_in(api, password=f"{number} seven grey owls").status for number in range(8)].count(200) == 1
