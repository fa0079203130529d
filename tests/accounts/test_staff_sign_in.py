"""Sign-in of staff through an OpenID Connect provider on 127.0.0.1, and what wrong and hostile replies of it get."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chalicelib.accounts import service, staff_sign_in, store
from chalicelib.accounts.model import Account
from chalicelib.accounts.service import create_account
from chalicelib.accounts.sessions import ADMIN_SECONDS
from chalicelib.audit import service as audit
from chalicelib.foundation import clock, settings
from devtools.oidc import TOKEN_SECONDS, FakeIdentityProvider
from tests import builders
from tests.accounts.conftest import EMAIL, PASSWORD, log_in

ADA = {"email": EMAIL, "email_verified": True, "given_name": "Ada", "family_name": "Lovelace"}


@pytest.fixture
def provider(time):
    with FakeIdentityProvider("the shop", "a secret: with & signs", clock.now) as provider:
        provider.person = dict(ADA)
        chosen = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": provider.client_id,
            "oidc_client_secret": provider.client_secret,
            "oidc_domains": "example.com, example.org",
            "oidc_admin_group": "groups=shop admins",
            "webhook_targets": "local",
            "email_verification": "required",
        }
        with settings.override(**chosen):
            yield provider


def begin(api):
    """Begin to sign in. Returns the address at the provider, and the browser's cookie."""
    begun = api.post("/auth/staff/begin", json={})
    assert begun.status == 201, begun.json
    return begun.json["address"], begun.cookies[0].partition(";")[0]


def finish(api, reply, cookie, **headers):
    return api.post("/auth/staff/login", json=reply, headers={"Cookie": cookie} | headers)


def sign_in(api, provider):
    address, cookie = begin(api)
    return finish(api, provider.sign_in(address), cookie)


def error_of(reply):
    return reply.status, reply.json["error"]


def test_a_stage_without_a_provider_has_no_such_route(api):
    assert api.get("/health").json["staff_sign_in"] is False
    assert api.post("/auth/staff/begin", json={}).status == 404
    assert api.post("/auth/staff/login", json={"code": "x", "state": "x"}).status == 404


def test_staff_without_an_account_get_one_and_sign_in(api, provider, time):
    assert api.get("/health").json["staff_sign_in"] is True
    tokens = sign_in(api, provider)
    assert tokens.status == 200, tokens.json
    user = tokens.json["user"]
    assert (user["email"], user["email_verified"], user["first_name"], user["last_name"]) == (EMAIL, True, "Ada", "Lovelace")
    assert (user["roles"], tokens.json["refresh_expires_in"]) == (["user"], ADMIN_SECONDS)
    assert sign_in(api, provider).json["user"]["id"] == user["id"]
    assert [entry.action for entry in audit.list_entries(f"account#{user['id']}")] == ["account.staff_signed_in"] * 2
    assert log_in(api).status == 401, "nobody knows a password"


def test_the_browser_keeps_the_session_and_the_secret_in_cookies(api, provider):
    address, cookie = begin(api)
    kept = finish(api, provider.sign_in(address), cookie, **{"X-Session": "cookie"})
    assert kept.json["refresh_token"] is None
    assert all("HttpOnly; SameSite=Strict" in one for one in kept.cookies)
    assert any("-staff=; Max-Age=0" in one for one in kept.cookies)


def test_staff_sign_in_to_the_account_of_their_address(api, provider, time):
    account = Account(user_id="ada", email="Ada@Example.com", roles=("user", "promoter"), created_at=time.now, verified_at=time.now)
    create_account(account, PASSWORD)
    user = sign_in(api, provider).json["user"]
    assert (user["id"], user["roles"], user["first_name"]) == ("ada", ["promoter", "user"], None)
    assert log_in(api).status == 200, "the password still works"


def test_an_account_that_a_stranger_has_registered_becomes_that_of_its_owner(api, provider, time):
    create_account(Account(user_id="ada", email=EMAIL, roles=("user",), created_at=time.now), PASSWORD)
    with settings.override(email_verification="later"):
        stranger = log_in(api).json
    assert sign_in(api, provider).json["user"]["id"] == "ada"
    assert log_in(api).status == 401
    assert api.post("/auth/refresh", json={"refresh_token": stranger["refresh_token"]}).status == 401
    assert store.find_account("ada").verified_at == time.now


def test_a_group_makes_an_admin_for_this_session(api, provider, time):
    provider.person["groups"] = ["others", "shop admins"]
    tokens = sign_in(api, provider).json
    assert tokens["user"]["roles"] == ["admin", "user"]
    assert api.get("/admin/users", token=tokens["access_token"]).status == 200
    time.advance(3600)
    renewed = api.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
    assert (renewed["user"]["roles"], renewed["refresh_expires_in"]) == (["admin", "user"], ADMIN_SECONDS - 3600)
    [entry] = audit.list_entries(f"account#{tokens['user']['id']}")
    assert entry.details == {"roles": ["user", "admin"]}
    provider.person["groups"] = "shop admins"
    assert "admin" in sign_in(api, provider).json["user"]["roles"]
    for groups in (["shop admins 2"], "shop", None, {"shop admins": 1}, []):
        provider.person["groups"] = groups
        assert sign_in(api, provider).json["user"]["roles"] == ["user"], groups
    time.advance(ADMIN_SECONDS)
    assert api.post("/auth/refresh", json={"refresh_token": renewed["refresh_token"]}).status == 401


def test_no_claim_makes_an_admin_on_a_stage_that_names_none(api, provider):
    with settings.override(oidc_admin_group=""):
        for claims in ({"": ""}, {"groups": ["shop admins"]}, {"": None}):
            provider.claims = claims
            assert sign_in(api, provider).json["user"]["roles"] == ["user"]


def test_the_provider_satisfies_a_stage_that_demands_a_second_factor(api, provider, time):
    account = Account(user_id="ada", email=EMAIL, roles=("user", "promoter"), created_at=time.now, verified_at=time.now)
    create_account(account, PASSWORD)
    with settings.override(second_factor="managers"):
        assert log_in(api).json["user"]["lacks_second_factor"] is True
        tokens = sign_in(api, provider).json
        assert (tokens["user"]["roles"], tokens["user"]["lacks_second_factor"]) == (["promoter", "user"], False)
        assert api.get("/auth/me", token=tokens["access_token"]).json["lacks_second_factor"] is False
        renewed = api.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
        assert renewed["user"]["roles"] == ["promoter", "user"]


# Claims of a token that are not for this person, shop or sign-in.
WRONG_CLAIMS = {
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "another shop"},
    "no audience": {"aud": None},
    "several audiences, for another": {"aud": ["the shop", "another"], "azp": "another"},
    "another issuer": {"iss": "https://login.example.net"},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
    "expired": {"exp": 1_000_000_000},
    "never expires": {"exp": None},
    "not yet valid": {"nbf": 9_000_000_000},
    "of the future": {"iat": 9_000_000_000},
    "an expiry that is no number": {"exp": "tomorrow"},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_tokens_for_something_else_are_refused(api, provider, claims):
    provider.claims = claims
    assert error_of(sign_in(api, provider)) == (403, "staff_sign_in_refused")
    assert service.find_user_id(EMAIL) is None


WRONG_HEADERS = {
    "not signed": {"alg": "none"},
    "signed with the public key as a secret": {"alg": "HS256"},
    "another algorithm": {"alg": "PS256"},
    "an unknown key": {"kid": "k2"},
    "an extension that must be understood": {"crit": ["b64"], "b64": False},
}


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_tokens_that_are_not_signed_as_they_must_are_refused(api, provider, header):
    provider.header = header
    assert error_of(sign_in(api, provider)) == (403, "staff_sign_in_refused")


def test_a_token_signed_with_another_key_is_refused(api, provider):
    provider.key = rsa.generate_private_key(65537, 2048)  # under the name of the published one
    assert error_of(sign_in(api, provider)) == (403, "staff_sign_in_refused")


def test_a_new_key_of_the_provider_is_found_and_looked_for_once_a_minute(api, provider, time):
    assert sign_in(api, provider).status == 200
    provider.key, provider.key_id = ec.generate_private_key(ec.SECP256R1()), "k2"
    provider.publish()
    time.advance(staff_sign_in.RETRY_SECONDS)
    assert sign_in(api, provider).status == 200, "ES256"
    provider.key_id = "k3"
    provider.requests.clear()
    for _ in range(3):
        assert sign_in(api, provider).status == 403
    assert provider.requests == ["POST /token"] * 3


def test_clocks_may_differ_by_a_minute(api, provider, time):
    provider.claims = {"exp": time.now - 59, "iat": time.now + 59}
    assert sign_in(api, provider).status == 200
    provider.claims = {"exp": time.now - 60}
    assert sign_in(api, provider).status == 403
    provider.claims = {"exp": time.now + TOKEN_SECONDS, "iat": time.now + 61}
    assert sign_in(api, provider).status == 403


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
        {"email": None},
        {"email": "no address"},
        {"email": "ada@example.net"},
        {"email": "ada@evil.example.com"},
        {"email": "ada@example.com.evil"},
        {"email": "ada@evil@example.com"},
    ],
    ids=str,
)
def test_addresses_that_are_not_verified_or_of_another_domain_are_refused(api, provider, person):
    provider.claims = person
    assert error_of(sign_in(api, provider)) == (403, "staff_address_refused")


@pytest.mark.parametrize(("hosted_domain", "status"), [("example.com", 200), (None, 403), ("example.net", 403)])
def test_google_must_say_that_the_company_manages_the_account(api, provider, monkeypatch, hosted_domain, status):
    """Anybody can create a private Google account with the address that they have at work, and keep it when they leave."""
    monkeypatch.setattr(staff_sign_in, "GOOGLE", provider.issuer)
    provider.claims = {"hd": hosted_domain}
    assert sign_in(api, provider).status == status


def test_only_the_browser_that_began_can_finish_and_only_once(api, provider, time):
    address, cookie = begin(api)
    other_address, other_cookie = begin(api)
    reply, other = provider.sign_in(address), provider.sign_in(other_address)
    expired = (403, "staff_sign_in_expired")
    assert error_of(api.post("/auth/staff/login", json=reply)) == expired, "no cookie"
    assert error_of(finish(api, reply, other_cookie)) == expired, "another browser"
    assert error_of(finish(api, reply, f"{cookie}; {cookie}")) == expired, "somebody has added a cookie"
    assert error_of(finish(api, {**reply, "state": "made-up"}, cookie)) == expired
    assert error_of(finish(api, {**reply, "code": other["code"]}, cookie)) == (403, "staff_sign_in_refused"), "another browser's code"
    assert error_of(finish(api, reply, cookie)) == expired, "the state was used"
    assert finish(api, {**other, "code": provider.sign_in(other_address)["code"]}, other_cookie).status == 200
    address, cookie = begin(api)
    time.advance(staff_sign_in.FLOW_SECONDS)
    assert error_of(finish(api, provider.sign_in(address), cookie)) == expired


def test_a_code_that_was_used_is_refused(api, provider):
    address, cookie = begin(api)
    reply = provider.sign_in(address)
    assert finish(api, reply, cookie).status == 200
    again, cookie = begin(api)
    assert error_of(finish(api, {**provider.sign_in(again), "code": reply["code"]}, cookie)) == (403, "staff_sign_in_refused")


def test_a_reply_of_another_provider_is_refused(api, provider):
    address, cookie = begin(api)
    provider.requests.clear()
    mixed_up = provider.sign_in(address) | {"iss": "https://login.example.net"}
    assert error_of(finish(api, mixed_up, cookie)) == (403, "staff_sign_in_refused")
    assert provider.requests == [], "the code went to nobody"
    address, cookie = begin(api)
    reply = provider.sign_in(address)
    del reply["iss"]
    assert finish(api, reply, cookie).status == 200, "providers need not say who they are"


UNUSABLE = {
    "of another issuer": {"issuer": "https://login.example.net"},
    "an address within the network": {"jwks_uri": "http://10.0.0.1/keys"},
    "no address": {"jwks_uri": "keys"},
    "no keys there": {"jwks_uri": None},
}


@pytest.mark.parametrize("discovery", UNUSABLE.values(), ids=UNUSABLE)
def test_a_discovery_document_that_cannot_be_used_is_refused(api, provider, discovery):
    provider.discovery = discovery
    assert error_of(api.post("/auth/staff/begin", json={})) == (503, "staff_sign_in_unavailable")


def test_a_reply_that_is_too_long_is_not_read(api, provider):
    provider.discovery = {"more": "x" * 70_000}
    assert error_of(api.post("/auth/staff/begin", json={})) == (503, "staff_sign_in_unavailable")


def test_keys_that_are_none_are_refused(api, provider):
    for keys in ([], [{"kty": "oct", "k": "AA", "kid": "k1"}], [{"kty": "RSA", "kid": "k1"}], ["k1"]):
        provider.published = keys
        staff_sign_in._published.forget()
        assert error_of(sign_in(api, provider)) == (403, "staff_sign_in_refused"), keys


def test_a_provider_that_does_not_answer_is_named(api, provider):
    address, cookie = begin(api)
    reply = provider.sign_in(address)
    provider.is_down = True
    assert error_of(finish(api, reply, cookie)) == (503, "staff_sign_in_unavailable")
    assert api.post("/auth/staff/begin", json={}).status == 201, "what it publishes is kept for an hour"
    staff_sign_in._published.forget()
    assert error_of(api.post("/auth/staff/begin", json={})) == (503, "staff_sign_in_unavailable")


def test_a_wrong_client_secret_is_refused(api, provider):
    with settings.override(oidc_client_secret="another"):
        assert error_of(sign_in(api, provider)) == (403, "staff_sign_in_refused")


def test_a_locked_account_cannot_sign_in(api, provider, time):
    account = Account(user_id="ada", email=EMAIL, roles=("user",), created_at=time.now, verified_at=time.now, locked_at=time.now)
    create_account(account, PASSWORD)
    assert error_of(sign_in(api, provider)) == (403, "account_locked")


def test_a_password_by_mail_does_not_erase_a_locked_account(api, provider, mailbox):
    """Otherwise, the same person could sign in again, with a new account and the same group."""
    tokens = sign_in(api, provider).json
    assert api.patch(f"/admin/users/{tokens['user']['id']}", json={"locked": True}, token=builders.admin_token()).status == 200
    api.post("/auth/password/forgot", json={"email": EMAIL})
    assert api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": PASSWORD}).status == 200
    assert error_of(api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"])) == (403, "account_locked")
    assert error_of(sign_in(api, provider)) == (403, "account_locked")
