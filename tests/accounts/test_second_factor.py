"""A second factor: setting it up, signing in with it, losing it, and stages that demand it of managers."""

import base64
import re
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.accounts import factors, store
from chalicelib.accounts.login_attempts import FREE_ATTEMPTS
from chalicelib.accounts.service import PENDING_SECRET_SECONDS, Account, create_account
from chalicelib.audit import service as audit
from chalicelib.foundation import parallel, settings
from tests import builders
from tests.accounts.conftest import ENDS_OF_SESSIONS, PASSWORD, sign_up
from tests.builders import code_of

EMAIL = "ada@example.com"
STEP = factors.CODE_SECONDS


@pytest.fixture
def ada(api, time):
    """The access token of an account."""
    create_account(Account(user_id="ada", email=EMAIL, roles=("user", "promoter"), created_at=time.now, verified_at=time.now), PASSWORD)
    return sign_in(api).json["access_token"]


def sign_in(api, code=None, password=PASSWORD):
    return api.post("/auth/login", json={"email": EMAIL, "password": password} | ({} if code is None else {"code": code}))


def begin(api, token, password=PASSWORD, code=None):
    return api.post("/auth/me/second-factor", json={"password": password} | ({} if code is None else {"code": code}), token=token)


def set_up(api, token, now, code=None):
    """Set up a second factor, in place of the one that has this `code`. Returns its secret, and the recovery codes."""
    secret = begin(api, token, code=code).json["secret"]
    confirmed = api.put("/auth/me/second-factor", json={"code": code_of(secret, now)}, token=token)
    assert confirmed.status == 200, confirmed.json
    return secret, confirmed.json["recovery_codes"]


def remove(api, token, code, password=PASSWORD, **options):
    return api.delete("/auth/me/second-factor", json={"password": password, "code": code}, token=token, **options)


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")])
def test_codes_are_those_of_the_standard(at, code):
    """The last six digits of the test values in appendix B of RFC 6238."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert factors.find_step(secret, code, at) == at // STEP
    assert code_of(secret, at) == code


def test_a_new_secret_counts_once_a_code_of_it_was_entered(api, time, ada):
    new = begin(api, ada)
    assert new.status == 201
    secret, address = new.json["secret"], urlsplit(new.json["address"])
    assert (address.scheme, address.netloc, parse_qs(address.query)["secret"]) == ("otpauth", "totp", [secret])
    assert EMAIL in address.path.replace("%40", "@")
    assert new.json["qr_code"].startswith("<svg")
    assert api.get("/auth/me", token=ada).json["second_factor"] is False
    assert sign_in(api).status == 200, "nobody has proved that the app has the secret"
    wrong = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now + 5 * STEP)}, token=ada)
    assert (wrong.status, wrong.json["error"], wrong.json["path"]) == (401, "second_factor_required", "$.code")
    confirmed = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now)}, token=ada)
    assert confirmed.status == 200
    assert len(set(confirmed.json["recovery_codes"])) == factors.RECOVERY_CODES
    assert all(re.fullmatch("[a-z2-7]{4}(-[a-z2-7]{4}){3}", code) for code in confirmed.json["recovery_codes"])
    assert api.get("/auth/me", token=ada).json["second_factor"] is True
    again = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now)}, token=ada)
    assert (again.status, again.json["error"]) == (409, "no_second_factor")
    assert "account.second_factor_set" in [entry.action for entry in audit.list_entries("account#ada")]


def test_a_sign_in_needs_a_code_that_was_not_used(api, time, ada):
    secret, _ = set_up(api, ada, time.now)
    assert (sign_in(api).status, sign_in(api).json["error"]) == (401, "second_factor_required")
    assert sign_in(api, code_of(secret, time.now)).status == 401, "the code that was entered when it was set up"
    time.advance(STEP)
    code = code_of(secret, time.now)
    assert sign_in(api, f"{code[:3]} {code[3:]}").status == 200
    assert sign_in(api, code).status == 401
    time.advance(10 * STEP)
    assert sign_in(api, code_of(secret, time.now + STEP)).status == 200, "a clock that is ahead"
    assert sign_in(api, code_of(secret, time.now)).status == 401, "older than a used one"
    time.advance(10 * STEP)
    assert sign_in(api, code_of(secret, time.now - STEP)).status == 200, "a clock that is behind"
    time.advance(10 * STEP)
    for other in (code_of(secret, time.now - 2 * STEP), code_of(secret, time.now + 2 * STEP), "abcdef", "٣٤٥٦٧٨"):
        assert sign_in(api, other).status in (400, 401), other


def test_a_code_is_worth_nothing_without_the_password(api, time, ada):
    secret, _ = set_up(api, ada, time.now)
    time.advance(STEP)
    refused = sign_in(api, code_of(secret, time.now), password="nine green herons")
    assert (refused.status, refused.json["error"]) == (401, "login_failed")
    assert sign_in(api, code_of(secret, time.now)).status == 200, "the code was not used up"


def test_guesses_of_codes_are_delayed_like_those_of_passwords(api, time, ada):
    secret, _ = set_up(api, ada, time.now)
    for _ in range(FREE_ATTEMPTS + 1):
        assert sign_in(api, "000000").json["error"] == "second_factor_required"
    assert (sign_in(api, "000000").status, sign_in(api).status) == (429, 429)
    assert remove(api, ada, "000000").status == 429, "all codes of an account count together"
    time.advance(4000)
    assert sign_in(api, code_of(secret, time.now)).status == 200
    for _ in range(FREE_ATTEMPTS + 1):
        assert sign_in(api, "000000").json["error"] == "second_factor_required", "a right code has ended the delay"


def test_a_recovery_code_works_once(api, time, ada):
    _, codes = set_up(api, ada, time.now)
    assert sign_in(api, codes[0].upper().replace("-", " ")).status == 200
    assert sign_in(api, codes[0]).status == 401
    assert sign_in(api, codes[1]).status == 200
    row = store.AccountRow.find("user#ada")
    assert len(row.recovery_hashes) == factors.RECOVERY_CODES - 2
    assert not any(code in str(row.attribute_values) for code in codes)


def test_the_owner_hears_of_a_used_recovery_code(api, time, ada, mailbox):
    secret, codes = set_up(api, ada, time.now)
    time.advance(STEP)
    assert (sign_in(api, codes[0]).status, sign_in(api, codes[0]).status, sign_in(api, code_of(secret, time.now)).status) == (200, 401, 200)
    assert mailbox.kinds() == ["second_factor_set", "recovery_code_used"]
    assert begin(api, ada, code=codes[1]).status == 201
    assert mailbox.kinds()[2:] == ["recovery_code_used"]
    assert "contact us" in mailbox.mails[1].text


def test_a_new_secret_expires(api, time, ada):
    secret = begin(api, ada).json["secret"]
    time.advance(PENDING_SECRET_SECONDS)
    late = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now)}, token=sign_in(api).json["access_token"])
    assert (late.status, late.json["error"]) == (409, "no_second_factor")
    set_up(api, ada := sign_in(api).json["access_token"], time.now)
    assert api.get("/auth/me", token=ada).json["second_factor"] is True


@pytest.mark.parametrize("end_sessions", ENDS_OF_SESSIONS)
def test_a_new_secret_ends_with_the_sessions(api, time, ada, mailbox, end_sessions):
    """Otherwise, somebody who knew the password could begin before a new password, and lock the owner out after it."""
    secret = begin(api, ada).json["secret"]
    assert end_sessions(api, mailbox).status == 200
    refused = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now)}, token=ada)
    assert (refused.status, refused.json["error"]) == (409, "no_second_factor")
    assert api.get("/auth/me", token=ada).json["second_factor"] is False


def test_a_new_secret_from_an_earlier_version_is_refused(api, time, ada):
    secret = begin(api, ada).json["secret"]
    store.update_profile("ada", {"totp_pending_generation": None})
    refused = api.put("/auth/me/second-factor", json={"code": code_of(secret, time.now)}, token=ada)
    assert (refused.status, refused.json["error"]) == (409, "no_second_factor")
    set_up(api, ada, time.now)


def test_simultaneous_sign_ins_use_a_code_once(api, time, threaded_store):
    create_account(Account(user_id="ada", email=EMAIL, roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    token = sign_in(api).json["access_token"]
    secret, codes = set_up(api, token, time.now)
    time.advance(STEP)
    for code in (code_of(secret, time.now), codes[0]):
        barrier = Barrier(4)

        def attempt(_, code=code, barrier=barrier):
            barrier.wait()
            return sign_in(api, code).status

        assert sorted(parallel.call_each(attempt, range(4))) == [200, 401, 401, 401]


def test_another_app_replaces_the_first_once_it_is_confirmed(api, time, ada):
    first, codes = set_up(api, ada, time.now)
    time.advance(STEP)
    begin(api, ada, code=codes[0])
    assert sign_in(api, code_of(first, time.now)).status == 200, "until then, the first one counts"
    second, _ = set_up(api, ada, time.now, code=codes[1])
    time.advance(STEP)
    assert sign_in(api, code_of(first, time.now)).status == sign_in(api, codes[2]).status == 401
    assert sign_in(api, code_of(second, time.now)).status == 200


def test_the_owner_removes_it_with_the_password_and_a_code(api, time, ada):
    assert (remove(api, ada, "000000").status, remove(api, ada, "000000").json["error"]) == (409, "no_second_factor")
    secret, codes = set_up(api, ada, time.now)
    time.advance(STEP)
    assert remove(api, ada, code_of(secret, time.now), password="nine green herons").json["error"] == "wrong_password"
    assert remove(api, ada, "000000").json["error"] == "second_factor_required"
    assert begin(api, ada, password="nine green herons").json["error"] == "wrong_password"
    assert remove(api, ada, codes[0]).status == 200
    assert sign_in(api).status == 200
    row = store.AccountRow.find("user#ada")
    assert (row.totp_secret, row.totp_pending, row.totp_step, row.recovery_hashes) == (None, None, None, None)


def test_a_new_password_by_email_does_not_replace_the_code(api, time, ada, mailbox):
    set_up(api, ada, time.now)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    new = "nine green herons"
    assert api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": new}).status == 200
    assert sign_in(api, password=new).json["error"] == "second_factor_required"


def test_an_admin_removes_the_second_factor_of_somebody_who_lost_it(api, time, ada):
    set_up(api, ada, time.now)
    path, admin = "/admin/users/ada", {"token": builders.admin_token()}
    assert api.get(path, **admin).json["second_factor"] is True
    assert api.patch(path, json={"removes_second_factor": True, "reason": "Lost phone, came with an identity card."}, **admin).status == 200
    assert api.get(path, **admin).json["second_factor"] is False
    assert sign_in(api).status == 200
    [entry] = [entry for entry in audit.list_entries("account#ada") if entry.action == "account.rights_changed"]
    assert (entry.changes["second_factor"].before, entry.changes["second_factor"].after) == (True, False)


def test_a_stage_can_demand_it_of_managers(api, time, ada):
    create_account(Account(user_id="cleo", email="cleo@example.com", roles=("user",), created_at=time.now, verified_at=time.now), PASSWORD)
    event_id = builders.create_event(api)
    for email, role in (("cleo@example.com", "coordinator"), (EMAIL, "staff")):
        builders.appoint(event_id, email, role, "root", time.now)
    with settings.override(second_factor="managers"):
        tokens = sign_in(api).json
        user, token = tokens["user"], tokens["access_token"]
        assert (user["roles"], user["events"], user["lacks_second_factor"]) == (["user"], {event_id: "staff"}, True)
        assert api.get("/auth/me", token=token).json["lacks_second_factor"] is True
        assert api.post("/events", json={"name": "Night"}, token=token).status == 403
        cleo = api.post("/auth/login", json={"email": "cleo@example.com", "password": PASSWORD}).json["user"]
        assert (cleo["roles"], cleo["events"], cleo["lacks_second_factor"]) == (["user"], {}, True)
        set_up(api, token, time.now)
        renewed = api.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
        assert (renewed["user"]["roles"], renewed["user"]["lacks_second_factor"]) == (["promoter", "user"], False)
        assert api.post("/events", json={"name": "Night"}, token=renewed["access_token"]).status == 201
    assert api.get("/auth/me", token=token).json["lacks_second_factor"] is False


def test_nobody_locks_out_the_owner_of_an_address_that_they_registered(api, time, mailbox):
    """Strangers know the password of an account that they registered. The owner of the address takes it over with a new password."""
    tokens = sign_up(api)
    refused = begin(api, tokens["access_token"])
    assert (refused.status, refused.json["error"]) == (409, "address_not_verified")
    assert sign_in(api).status == 200


def test_another_app_needs_a_code_of_the_first(api, time, ada):
    """Otherwise, somebody with a stolen session and the password could replace the app, although they cannot remove it."""
    first, codes = set_up(api, ada, time.now)
    time.advance(STEP)
    for code in (None, "000000"):
        refused = begin(api, ada, code=code)
        assert (refused.status, refused.json["error"]) == (401, "second_factor_required"), code
    assert begin(api, ada, code=code_of(first, time.now)).status == 201
    assert begin(api, ada, code=codes[0]).status == 201
    assert begin(api, ada, code=codes[0]).status == 401, "used up"


def test_setting_it_up_ends_all_other_sessions(api, time, ada):
    """Somebody who knew the password may have signed in before, and would get the rights of a manager."""
    with settings.override(second_factor="managers"):
        thief, owner = sign_in(api).json, sign_in(api).json
        set_up(api, owner["access_token"], time.now)
        assert api.post("/auth/refresh", json={"refresh_token": thief["refresh_token"]}).status == 401
        renewed = api.post("/auth/refresh", json={"refresh_token": owner["refresh_token"]})
        assert (renewed.status, renewed.json["user"]["roles"]) == (200, ["promoter", "user"])


def test_neither_the_password_nor_emails_make_guesses_of_codes_faster(api, time, ada, mailbox):
    secret, _ = set_up(api, ada, time.now)
    new_email = {"email": EMAIL, "password": PASSWORD}
    for _ in range(FREE_ATTEMPTS + 1):
        assert remove(api, ada, "000000").status == 401
        assert api.post("/auth/email", json=new_email, token=ada).json["rule"] == "same_address", "the password is right"
    assert remove(api, ada, "000000").status == 429
    api.post("/auth/password/forgot", json={"email": EMAIL})
    new = "nine green herons"
    assert api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": new}).status == 200
    assert sign_in(api, "000000", password=new).status == 429
    time.advance(4000)
    assert sign_in(api, code_of(secret, time.now), password=new).status == 200


def test_the_owner_hears_that_it_was_set_up_or_removed(api, time, ada, mailbox):
    _, codes = set_up(api, ada, time.now)
    assert mailbox.kinds() == ["second_factor_set"]
    assert remove(api, ada, codes[0], headers={"Accept-Language": "es"}).status == 200
    assert mailbox.kinds() == ["second_factor_set", "second_factor_removed"]
    assert mailbox.mails[-1].subject == "El inicio de sesión en dos pasos está desactivado"
    assert "/forgot-password" in mailbox.mails[-1].text
