"""Passkeys: adding and removing them, signing in, the codes that they give, and answers that are not those of the account's passkey."""

from threading import Barrier

import pytest

from chalicelib.accounts import mails, store
from chalicelib.accounts.factors import RECOVERY_CODES
from chalicelib.accounts.login_attempts import FREE_ATTEMPTS
from chalicelib.accounts.model import Account
from chalicelib.accounts.service import MAX_PASSKEYS, create_account
from chalicelib.audit import service as audit
from chalicelib.foundation import parallel, settings
from devtools.authenticator import VERIFIED, Authenticator, websafe_decode, websafe_encode
from tests import builders
from tests.accounts.conftest import EMAIL, ENDS_OF_SESSIONS, PASSWORD, log_in
from tests.accounts.test_second_factor import set_up
from tests.builders import code_of

SHOP = "https://shop.example.com"


@pytest.fixture(autouse=True)
def _site():
    with settings.override(shop_url=SHOP):
        yield


@pytest.fixture
def ada(api, time):
    """The access token of an account."""
    create_account(Account(user_id="ada", email=EMAIL, roles=("user", "promoter"), created_at=time.now, verified_at=time.now), PASSWORD)
    return log_in(api).json["access_token"]


@pytest.fixture
def phone():
    return Authenticator(SHOP)


def begin(api, token, **body):
    return api.post("/auth/me/passkeys/challenge", json={"password": PASSWORD} | body, token=token)


def finish(api, token, created, name="My phone", **options):
    return api.post("/auth/me/passkeys", json={"name": name} | created, token=token, **options)


def add(api, token, device, name="My phone", code=None):
    """Add a passkey. Returns its id and the recovery codes."""
    begun = begin(api, token, **({} if code is None else {"code": code}))
    assert begun.status == 201, begun.json
    added = finish(api, token, device.create(begun.json), name)
    assert added.status == 201, added.json
    return added.json["passkey"]["id"], added.json["recovery_codes"]


def challenge(api):
    return api.post("/auth/passkeys/challenge", json={}).json["challenge"]


def sign_in(api, device, of=None, **changes):
    return api.post("/auth/passkeys/login", json=device.sign(of or challenge(api), **changes))


def code_by(api, token, device):
    return api.post("/auth/me/passkeys/code", json=device.sign(challenge(api)), token=token)


def remove(api, token, passkey_id, code, **options):
    return api.delete(f"/auth/me/passkeys/{passkey_id}", json={"code": code}, token=token, **options)


def test_a_passkey_signs_in_without_a_password_and_the_password_alone_no_longer_does(api, time, ada, phone):
    options = begin(api, ada).json
    assert (options["site"], options["user_name"], options["known_credentials"]) == ("shop.example.com", EMAIL, [])
    assert websafe_decode(options["user_handle"]) == b"ada"
    added = finish(api, ada, phone.create(options)).json
    assert (added["passkey"]["name"], added["passkey"]["used_at"]) == ("My phone", None)
    assert len(set(added["recovery_codes"])) == RECOVERY_CODES
    assert api.get("/auth/me", token=ada).json["second_factor"] is True
    time.advance(60)
    tokens = sign_in(api, phone)
    assert (tokens.status, tokens.json["user"]["id"]) == (200, "ada")
    listed = api.get("/auth/me/passkeys", token=tokens.json["access_token"]).json
    assert listed["authenticator_app"] is False
    assert [(one["name"], one["used_at"] is None) for one in listed["passkeys"]] == [("My phone", False)]
    assert (log_in(api).status, log_in(api).json["error"]) == (401, "second_factor_required")
    assert "account.passkey_added" in [entry.action for entry in audit.list_entries("account#ada")]


def test_the_session_of_a_passkey_can_be_kept_in_the_cookie(api, ada, phone):
    add(api, ada, phone)
    kept = api.post("/auth/passkeys/login", json=phone.sign(challenge(api)), headers={"X-Session": "cookie"})
    assert (kept.status, kept.json["refresh_token"]) == (200, None)
    assert any("-session=" in cookie and "HttpOnly" in cookie for cookie in kept.cookies)


def test_recovery_codes_go_on_working(api, ada, phone):
    _, codes = add(api, ada, phone)
    assert log_in(api).status == 401
    for status in (200, 401):
        assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": codes[0]}).status == status


def test_the_first_factor_ends_other_sessions_and_later_passkeys_do_not(api, ada, phone):
    owner, thief = log_in(api).json, log_in(api).json
    _, codes = add(api, owner["access_token"], phone)
    assert api.post("/auth/refresh", json={"refresh_token": thief["refresh_token"]}).status == 401
    renewed = api.post("/auth/refresh", json={"refresh_token": owner["refresh_token"]})
    assert renewed.status == 200
    other = sign_in(api, phone).json
    laptop = Authenticator(SHOP, counter=None)
    assert begin(api, other["access_token"]).json["error"] == "second_factor_required"
    _, more = add(api, other["access_token"], laptop, "My laptop", codes[0])
    assert more == [], "the recovery codes stay"
    assert api.post("/auth/refresh", json={"refresh_token": renewed.json["refresh_token"]}).status == 200
    assert sign_in(api, laptop).status == sign_in(api, laptop).status == 200, "an authenticator that does not count"
    known = begin(api, other["access_token"], code=codes[1]).json["known_credentials"]
    assert known == [websafe_encode(device.credential_id) for device in (phone, laptop)]


def test_an_account_needs_its_password_and_a_verified_address_to_add_a_passkey(api, time):
    create_account(Account(user_id="bea", email="bea@example.com", roles=("user",), created_at=time.now), PASSWORD)
    token = log_in(api, "bea@example.com").json["access_token"]
    assert begin(api, token, password="nine green herons").json["error"] == "wrong_password"
    assert begin(api, token).json["error"] == "address_not_verified"
    assert begin(api, api.post("/auth/guest").json["access_token"]).json["error"] == "no_account"


# What is wrong with an answer: changes of the client data, the flags or the site of the authenticator.
WRONG = {
    "another site's page": {"origin": "https://shop.example.com.evil.example"},
    "a page of a subdomain": {"origin": "https://www.shop.example.com"},
    "a page without TLS": {"origin": "http://shop.example.com"},
    "another port": {"origin": "https://shop.example.com:8443"},
    "another site's authenticator data": {"site": "example.com"},
    "a frame of another site": {"cross_origin": True},
    "nobody was there": {"flags": VERIFIED & ~VERIFIED},
    "the user was not verified": {"flags": 1},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_answers_for_another_place_or_user_are_refused(api, ada, phone, changes):
    refused = finish(api, ada, phone.create(begin(api, ada).json, **changes))
    assert (refused.status, refused.json["error"]) == (403, "passkey_refused")
    add(api, ada, phone)
    refused = sign_in(api, phone, **changes)
    assert (refused.status, refused.json["error"]) == (403, "passkey_refused")
    assert sign_in(api, phone).status == 200


def test_an_answer_is_for_one_ceremony_and_one_challenge(api, time, ada, phone):
    options = begin(api, ada).json
    assert finish(api, ada, phone.create(options, type="webauthn.get")).status == 403
    assert finish(api, ada, phone.create(options)).status == 403, "the challenge is used up"
    assert finish(api, ada, phone.create(options | {"challenge": challenge(api)})).status == 403, "a challenge to sign in"
    assert finish(api, ada, phone.create(options | {"challenge": "made-up"})).status == 403
    add(api, ada, phone)
    assert sign_in(api, phone, type="webauthn.create").status == 403
    assert sign_in(api, phone, of="made-up").status == 403
    assert sign_in(api, phone, of=begin(api, ada, code=code_by(api, ada, phone).json["code"]).json["challenge"]).status == 403
    one = challenge(api)
    answer = phone.sign(one)
    assert [api.post("/auth/passkeys/login", json=answer).status for _ in range(2)] == [200, 403], "a replay"
    late = challenge(api)
    time.advance(mails.CHALLENGE_SECONDS)
    assert sign_in(api, phone, of=late).status == 403
    assert sign_in(api, phone).status == 200


def test_a_challenge_is_no_link_of_an_email(api, ada):
    reset = api.post("/auth/password/reset", json={"token": challenge(api), "password": "nine green herons"})
    assert (reset.status, reset.json["error"]) == (410, "link_expired")


def test_a_challenge_for_a_new_passkey_is_for_one_account(api, time, ada, phone):
    create_account(Account(user_id="bea", email="bea@example.com", roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    bea = log_in(api, "bea@example.com").json["access_token"]
    assert finish(api, bea, phone.create(begin(api, ada).json)).status == 403


@pytest.mark.parametrize("end_sessions", ENDS_OF_SESSIONS)
def test_a_challenge_for_a_new_passkey_ends_with_the_sessions(api, ada, phone, mailbox, end_sessions):
    """Otherwise, somebody who knew the password could begin before a new password, add a passkey after it, and keep their access."""
    begun = begin(api, ada).json
    assert end_sessions(api, mailbox).status == 200
    refused = finish(api, ada, phone.create(begun))
    assert (refused.status, refused.json["error"]) == (403, "passkey_refused")
    assert api.get("/auth/me", token=ada).json["second_factor"] is False
    assert sign_in(api, phone).status == 403


def test_a_challenge_for_a_new_passkey_from_an_earlier_version_is_refused(api, time, ada, phone):
    begun = begin(api, ada).json
    mails.put_challenge(begun["challenge"], "new_passkey", "ada", time.now)
    assert finish(api, ada, phone.create(begun)).json["error"] == "passkey_refused"
    add(api, ada, phone)


def test_a_passkey_signs_in_only_to_its_own_account(api, time, ada, phone):
    create_account(Account(user_id="bea", email="bea@example.com", roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    add(api, log_in(api, "bea@example.com").json["access_token"], Authenticator(SHOP))
    add(api, ada, phone)
    for user_id in (b"bea", b"nobody", b"\xff"):
        assert sign_in(api, phone, user_handle=websafe_encode(user_id)).status == 403, user_id
    assert sign_in(api, Authenticator(SHOP), user_handle=websafe_encode(b"ada")).status == 403, "an unknown passkey"


def test_a_wrong_signature_is_refused_and_uses_up_the_challenge(api, ada, phone):
    add(api, ada, phone)
    one = challenge(api)
    answer = phone.sign(one)
    other = phone.sign(challenge(api))["signature"]
    assert api.post("/auth/passkeys/login", json=answer | {"signature": other}).status == 403
    assert api.post("/auth/passkeys/login", json=answer).status == 403
    counted = websafe_encode(websafe_decode(answer["authenticator_data"])[:-1] + b"\x09")
    answer = phone.sign(challenge(api))
    assert api.post("/auth/passkeys/login", json=answer | {"authenticator_data": counted}).status == 403, "the counter is signed"


def test_a_copied_authenticator_is_found_out_by_its_counter(api, ada, phone):
    add(api, ada, phone)
    assert sign_in(api, phone).status == 200
    phone.counter -= 1
    assert sign_in(api, phone).status == 403, "the counter did not grow"
    assert sign_in(api, phone).status == 200


def test_simultaneous_sign_ins_use_a_counter_once(api, threaded_store, time, phone):
    create_account(Account(user_id="ada", email=EMAIL, roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    add(api, log_in(api).json["access_token"], phone)
    answers = []
    for _ in range(4):
        answers.append(phone.sign(challenge(api)))
        phone.counter -= 1  # copies of one authenticator
    barrier = Barrier(4)

    def attempt(answer):
        barrier.wait()
        return api.post("/auth/passkeys/login", json=answer).status

    assert sorted(parallel.call_each(attempt, answers)) == [200, 403, 403, 403]


@pytest.mark.parametrize("field", ["client_data", "attestation", "authenticator_data", "signature", "credential_id"])
def test_bytes_that_are_no_answer_are_refused(api, ada, phone, field):
    deep = "gYGB" * 2000  # arrays in arrays
    sent = ["AA", "_" * 300, deep, websafe_encode(b'{"challenge":1}'), websafe_encode(b"[]"), websafe_encode(b"\xbf" * 40), "oWNmbXRk"]
    if field in ("client_data", "attestation"):
        created = phone.create(begin(api, ada).json)
        for text in sent:
            assert finish(api, ada, created | {field: text}).status == 403, text
            created = phone.create(begin(api, ada).json)
        assert finish(api, ada, created | {field: "not base64url!"}).status == 400
    add(api, ada, phone)
    if field != "attestation":
        for text in sent:
            answer = phone.sign(challenge(api)) | {field: text}
            assert api.post("/auth/passkeys/login", json=answer).status in (400, 403), text


def test_only_keys_of_known_algorithms_are_accepted(api, ada, phone, monkeypatch):
    key = phone.make_public_key()
    monkeypatch.setattr(phone, "make_public_key", lambda: {**key, 3: -65535})
    assert finish(api, ada, phone.create(begin(api, ada).json)).status == 403


def test_a_passkey_gives_a_code_that_works_once_for_its_account(api, time, ada, phone):
    passkey_id, _ = add(api, ada, phone)
    code = code_by(api, ada, phone).json["code"]
    assert remove(api, ada, passkey_id, "abcde-fghij").json["error"] == "second_factor_required"
    login = {"email": EMAIL, "password": PASSWORD, "code": code.upper()}
    assert [api.post("/auth/login", json=login).status for _ in range(2)] == [200, 401]
    late = code_by(api, ada, phone).json["code"]
    time.advance(mails.CHALLENGE_SECONDS)
    assert api.post("/auth/login", json=login | {"code": late}).status == 401
    create_account(Account(user_id="bea", email="bea@example.com", roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    bea, tablet = log_in(api, "bea@example.com").json["access_token"], Authenticator(SHOP)
    add(api, bea, tablet)
    assert code_by(api, bea, phone).status == 403, "another account's passkey"
    other = code_by(api, ada, phone).json["code"]
    assert api.post("/auth/login", json=login | {"email": "bea@example.com", "code": other}).status == 401


def test_guesses_of_codes_are_delayed_and_do_not_stop_the_passkey(api, ada, phone):
    passkey_id, _ = add(api, ada, phone)
    for _ in range(FREE_ATTEMPTS + 1):
        assert remove(api, ada, passkey_id, "abcde-fghij").status == 401
    assert remove(api, ada, passkey_id, "abcde-fghij").status == 429
    assert sign_in(api, phone).status == 200


def test_passkeys_are_removed_with_a_code_and_the_last_factor_takes_the_recovery_codes(api, ada, phone):
    laptop = Authenticator(SHOP)
    first, codes = add(api, ada, phone)
    second, _ = add(api, ada, laptop, code=codes[0])
    assert remove(api, ada, "01JZQ4T8M3V6W9X2Y5A7B0C1D2", codes[1]).status == 404
    assert remove(api, ada, first, "000000").status == 401
    assert remove(api, ada, first, codes[1]).status == 200
    assert sign_in(api, phone).status == 403
    assert log_in(api).status == 401, "the laptop is left"
    assert remove(api, ada, second, code_by(api, ada, laptop).json["code"]).status == 200
    assert log_in(api).status == 200
    row = store.AccountRow.find("user#ada")
    assert (row.passkeys, row.recovery_hashes) == (None, None)


def test_the_codes_of_a_removed_passkey_end_with_it(api, ada, phone):
    first, codes = add(api, ada, phone)
    add(api, ada, Authenticator(SHOP), "My laptop", codes[0])
    code = code_by(api, ada, phone).json["code"]
    assert remove(api, ada, first, codes[1]).status == 200
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": code}).status == 401


def test_an_app_and_passkeys_share_the_recovery_codes(api, time, ada, phone):
    secret, codes = set_up(api, ada, time.now)
    passkey_id, more = add(api, ada, phone, code=codes[0])
    assert more == []
    assert api.get("/auth/me/passkeys", token=ada).json["authenticator_app"] is True
    body = {"password": PASSWORD, "code": code_by(api, ada, phone).json["code"]}
    assert api.delete("/auth/me/second-factor", json=body, token=ada).status == 200
    assert api.get("/auth/me/passkeys", token=ada).json["authenticator_app"] is False
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": codes[1]}).status == 200
    assert api.get("/auth/me", token=ada).json["second_factor"] is True
    secret, codes = set_up(api, ada, time.now, code=codes[2])
    assert remove(api, ada, passkey_id, codes[0]).status == 200
    time.advance(60)
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": code_of(secret, time.now)}).status == 200
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": codes[1]}).status == 200, "the app is left"


def test_a_recovery_code_that_removes_the_app_is_used_up(api, time, ada, phone):
    _, codes = set_up(api, ada, time.now)
    add(api, ada, phone, code=codes[0])
    assert api.delete("/auth/me/second-factor", json={"password": PASSWORD, "code": codes[1]}, token=ada).status == 200
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": codes[1]}).status == 401
    assert api.post("/auth/login", json={"email": EMAIL, "password": PASSWORD, "code": codes[2]}).status == 200


def test_the_app_is_not_removed_with_a_wrong_code_of_a_passkey(api, time, ada, phone):
    _, codes = set_up(api, ada, time.now)
    add(api, ada, phone, code=codes[0])
    refused = api.delete("/auth/me/second-factor", json={"password": PASSWORD, "code": "abcde-fghij"}, token=ada)
    assert (refused.status, refused.json["error"]) == (401, "second_factor_required")
    assert api.get("/auth/me/passkeys", token=ada).json["authenticator_app"] is True


def test_an_account_has_ten_passkeys_at_most(api, ada):
    devices = [Authenticator(SHOP) for _ in range(MAX_PASSKEYS)]
    _, codes = add(api, ada, devices[0])
    begun = begin(api, ada, code=codes[0]).json
    for device in devices[1:]:
        add(api, ada, device, code=code_by(api, ada, devices[0]).json["code"])
    assert (begin(api, ada).status, begin(api, ada).json["error"]) == (409, "too_many_passkeys")
    assert finish(api, ada, Authenticator(SHOP).create(begun)).json["error"] == "too_many_passkeys"
    assert all(sign_in(api, device).status == 200 for device in devices)


def test_a_locked_account_cannot_sign_in(api, ada, phone):
    add(api, ada, phone)
    assert api.patch("/admin/users/ada", json={"locked": True}, token=builders.admin_token()).status == 200
    refused = sign_in(api, phone)
    assert (refused.status, refused.json["error"]) == (403, "account_locked")


def test_an_admin_removes_the_passkeys_of_somebody_who_lost_them(api, ada, phone):
    add(api, ada, phone)
    admin = {"token": builders.admin_token()}
    assert api.get("/admin/users/ada", **admin).json["second_factor"] is True
    assert api.patch("/admin/users/ada", json={"removes_second_factor": True}, **admin).status == 200
    assert (sign_in(api, phone).status, log_in(api).status) == (403, 200)
    [entry] = [entry for entry in audit.list_entries("account#ada") if entry.action == "account.rights_changed"]
    assert (entry.changes["second_factor"].before, entry.changes["second_factor"].after) == (True, False)


def test_a_passkey_satisfies_a_stage_that_demands_a_second_factor(api, ada, phone):
    with settings.override(second_factor="managers"):
        assert log_in(api).json["user"]["roles"] == ["user"]
        add(api, ada, phone)
        user = sign_in(api, phone).json["user"]
        assert (user["roles"], user["lacks_second_factor"]) == (["promoter", "user"], False)


def test_the_owner_hears_of_it(api, ada, phone, mailbox):
    passkey_id, codes = add(api, ada, phone)
    assert remove(api, ada, passkey_id, codes[0], headers={"Accept-Language": "de"}).status == 200
    assert mailbox.kinds() == ["passkey_added", "recovery_code_used", "passkey_removed"]
    assert mailbox.mails[0].subject == "A passkey was added to your account"
    assert mailbox.mails[2].subject == "Ein Passkey wurde aus Ihrem Konto entfernt"
    assert "account.passkey_removed" in [entry.action for entry in audit.list_entries("account#ada")]


def test_an_erased_account_cannot_be_signed_in_to(api, ada, phone):
    add(api, ada, phone)
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=ada).status == 200
    assert sign_in(api, phone).status == 403
