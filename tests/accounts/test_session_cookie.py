"""Refresh tokens of browsers: in a cookie that no script and no other site can use, for clients that ask for it alone."""

import pytest

from chalicelib.accounts.login_attempts import FREE_ATTEMPTS
from chalicelib.accounts.session_cookie import LONGEST_SECONDS
from chalicelib.accounts.sessions import GRACE_SECONDS, REFRESH_SECONDS
from chalicelib.foundation import settings
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, Mailbox, log_in, sign_up

BROWSER = {"X-Session": "cookie"}
ATTRIBUTES = "Path=/api/v1/auth; HttpOnly; SameSite=Strict"


def cookie_of(reply) -> str:
    """What a browser sends back: names and values."""
    return reply.cookie_header()


def mark_of(reply) -> str:
    """The cookie with the mark of a known device alone."""
    return reply.cookies[1].partition(";")[0]


def refresh(api, cookie: str, headers=BROWSER):
    return api.post("/auth/refresh", json={}, headers={"Cookie": f"theme=dark; {cookie}", **headers})


def test_a_browser_keeps_its_session_in_a_cookie_alone(api, time):
    sign_up(api)
    reply = log_in(api, headers=BROWSER)
    assert reply.json["refresh_token"] is None
    session, device = reply.cookies
    assert session.endswith(f"; Max-Age={REFRESH_SECONDS}; {ATTRIBUTES}")
    assert device.endswith(f"; Max-Age={LONGEST_SECONDS}; {ATTRIBUTES}")
    again = refresh(api, cookie_of(reply))
    assert (again.status, again.json["refresh_token"], again.json["user"]["email"]) == (200, None, EMAIL)
    assert api.get("/auth/me", token=again.json["access_token"]).status == 200
    assert cookie_of(again) != cookie_of(reply)


def test_a_shop_on_https_never_gets_the_cookie_over_http(api, time):
    with settings.override(shop_url="https://shop.example.com"):
        sign_up(api)
        guest, account = api.post("/auth/guest", headers=BROWSER), log_in(api, headers=BROWSER)
        assert [cookie.endswith(f"; {ATTRIBUTES}; Secure") for cookie in (*guest.cookies, *account.cookies)] == [True] * 3


def test_an_old_cookie_ends_the_session(api, time):
    first = api.post("/auth/guest", headers=BROWSER)
    second = refresh(api, cookie_of(first))
    time.advance(GRACE_SECONDS + 1)
    assert refresh(api, cookie_of(first)).json["error"] == "session_over"
    assert refresh(api, cookie_of(second)).status == 401


def test_without_the_header_no_cookie_is_read_or_set(api, time):
    sign_up(api)
    reply = log_in(api)
    assert reply.cookies == ()
    cookie = cookie_of(log_in(api, headers=BROWSER))
    refused = refresh(api, cookie, headers={})
    assert (refused.status, refused.json["path"]) == (400, "$.refresh_token")
    assert api.post("/auth/logout", json={}, headers={"Cookie": cookie}).json["path"] == "$.refresh_token"
    assert refresh(api, cookie).status == 200
    with settings.override(cors_origins="https://other.test"):
        preflight = api.options("/auth/refresh", headers={"Origin": "https://other.test", "Access-Control-Request-Headers": "x-session"})
    assert "x-session" not in preflight.headers["Access-Control-Allow-Headers"].lower()


def test_no_other_kind_of_session_can_be_asked_for(api, time):
    reply = api.post("/auth/guest", headers={"X-Session": "on"})
    assert (reply.status, reply.json["path"]) == (400, "X-Session")


@pytest.mark.parametrize("cookie", ["other=1", "fairgate-{stage}-session=", "fairgate-{stage}-session=none", '="', "\x00;;=="])
def test_a_browser_without_a_session_is_asked_to_sign_in(api, time, cookie):
    reply = refresh(api, cookie.format(stage=settings.current().stage))
    assert (reply.status, reply.json["error"]) == (401, "session_over")


def test_logging_out_ends_the_session_and_the_cookie(api, time):
    cookie = cookie_of(api.post("/auth/guest", headers=BROWSER))
    reply = api.post("/auth/logout", json={}, headers={"Cookie": cookie, **BROWSER})
    assert reply.cookies == (f"fairgate-{settings.current().stage}-session=; Max-Age=0; {ATTRIBUTES}",)
    assert refresh(api, cookie).status == 401


def test_a_new_password_moves_the_cookie_to_the_new_session(api, time):
    token = sign_up(api)["access_token"]
    elsewhere = cookie_of(log_in(api, headers=BROWSER))
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    reply = api.post("/auth/password", json=change, token=token, headers=BROWSER)
    assert reply.json["refresh_token"] is None
    assert refresh(api, cookie_of(reply)).status == 200
    assert refresh(api, elsewhere).status == 401


# ------------------------------------------------------------------ known devices
def lock(api, email: str = EMAIL) -> None:
    """Use up the attempts of an account, as any stranger can, from many addresses."""
    for number in range(FREE_ATTEMPTS + 1):
        log_in(api, email, "a guess", source_ip=f"192.0.2.{number}")
    assert log_in(api, email, "a guess", source_ip="192.0.2.99").status == 429


def log_in_with(api, cookie: str, email: str = EMAIL, password: str = PASSWORD):
    return log_in(api, email, password, headers={"Cookie": cookie, **BROWSER})


def test_a_stranger_cannot_lock_the_owner_out_of_a_known_device(api, time):
    sign_up(api)
    cookie = cookie_of(log_in(api, headers=BROWSER))
    lock(api)
    assert log_in(api, headers=BROWSER).status == 429
    again = log_in_with(api, cookie)
    assert again.status == 200
    left = api.post("/auth/logout", json={}, headers={"Cookie": cookie_of(again), **BROWSER})
    assert len(left.cookies) == 1  # the mark stays
    assert refresh(api, cookie_of(left)).status == 401
    assert log_in_with(api, mark_of(again)).status == 200  # signed out, it is still the owner's device


def test_a_session_from_before_the_marks_gets_one_when_it_is_used(api, time):
    name = cookie_of(api.post("/auth/guest", headers=BROWSER)).partition("=")[0]
    cookie = cookie_of(refresh(api, f"{name}={sign_up(api)['refresh_token']}"))
    lock(api)
    assert log_in_with(api, cookie).status == 200


def test_the_cookie_of_the_session_has_nothing_that_earlier_versions_do_not_know(api, time):
    """They run beside this one during a deployment, and after a rollback. They take everything after the first `~` for the guest's
    token."""
    guest = api.post("/auth/guest", headers=BROWSER)
    sign_up(api)
    cookie = log_in(api, headers={"Cookie": cookie_of(guest), **BROWSER}).cookies[0].partition(";")[0]
    assert cookie.partition("~")[2] == cookie_of(guest).partition("~")[2]


def test_a_mark_ends_when_all_sessions_end(api, time, mailbox: Mailbox):
    sign_up(api)
    thief = log_in(api, headers=BROWSER)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    reset = {"token": mailbox.token("reset_password"), "password": OTHER_PASSWORD}
    assert api.post("/auth/password/reset", json=reset).status == 200
    assert log_in_with(api, mark_of(thief), password=OTHER_PASSWORD).status == 200  # counts for the account
    lock(api)
    assert log_in_with(api, mark_of(thief), password=OTHER_PASSWORD).status == 429


def test_a_known_device_has_attempts_of_its_own_and_no_more(api, time):
    sign_up(api)
    cookie = cookie_of(log_in(api, headers=BROWSER))
    statuses = [log_in_with(api, cookie, password="a guess").status for _ in range(FREE_ATTEMPTS + 2)]
    assert statuses == [401] * (FREE_ATTEMPTS + 1) + [429]
    assert log_in(api).status == 200  # a device that guesses locks nobody else out


def test_a_mark_is_for_one_address_and_cannot_be_made_up(api, time):
    sign_up(api)
    sign_up(api, "eve@example.com")
    lock(api)
    eve = mark_of(log_in(api, "eve@example.com", headers=BROWSER))
    name, _, mark = eve.partition("=")
    for value in (mark, f"{'0' * 16}.{mark.partition('.')[2]}", "x", "x.1", "\u00e9.\u00e9", "\u00e9.1.\u00e9", "x.\u0661.x"):
        assert log_in_with(api, f"{name}={value}").status == 429


def test_choosing_a_new_password_by_mail_makes_the_device_known(api, time, mailbox: Mailbox):
    """Otherwise a stranger who keeps guessing could take every attempt between the reset and the sign-in."""
    sign_up(api)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    reset = {"token": mailbox.token("reset_password"), "password": OTHER_PASSWORD}
    cookie = cookie_of(api.post("/auth/password/reset", json=reset, headers=BROWSER))
    lock(api)
    assert log_in_with(api, cookie, password=OTHER_PASSWORD).status == 200


def test_of_two_cookies_of_the_name_none_counts(api, time):
    """A neighbouring subdomain can add one, and the browser sends both."""
    sign_up(api)
    sign_up(api, "mal@example.com")
    own, planted = (cookie_of(log_in(api, email, headers=BROWSER)) for email in (EMAIL, "mal@example.com"))
    for cookies in (f"{own}; {planted}", f"{planted}; {own}"):
        assert refresh(api, cookies).json["error"] == "session_over"
    assert refresh(api, own).json["user"]["email"] == EMAIL


def test_two_cookies_cost_a_guest_neither_the_session_nor_the_owner_the_mark(api, time):
    guest = cookie_of(api.post("/auth/guest", headers=BROWSER))
    two = f"{guest}; {guest.partition('=')[0]}=planted"
    again = api.post("/auth/guest", headers={"Cookie": two, **BROWSER})
    assert (again.status, again.cookies) == (201, ())  # otherwise the new guest would replace the one with the tickets
    assert refresh(api, guest).status == 200
    sign_up(api)
    own = log_in(api, headers={"Cookie": two, **BROWSER}).cookies
    assert [cookie.partition("=")[0].rpartition("-")[2] for cookie in own] == ["device"]
    lock(api)
    mark = own[0].partition(";")[0]
    assert log_in_with(api, f"{mark.partition('=')[0]}=planted; {mark}").status == 200
