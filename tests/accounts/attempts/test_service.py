"""The growing delay between attempts to sign in: for accounts and addresses, under threads, and without the store."""

import threading

import pytest

from chalicelib.accounts.login_attempts import FREE_ATTEMPTS, MAX_DELAY_SECONDS, WINDOW_SECONDS
from chalicelib.foundation import settings
from tests.accounts.conftest import EMAIL, PASSWORD, log_in, register, sign_up
from tests.simulation import faults

WRONG = "not the password"


@pytest.fixture(params=[EMAIL, "nobody@example.com"], ids=["account", "no account"])
def email(request, api, time) -> str:
    """An address with an account or without: nothing differs."""
    register(api)
    return request.param


def test_after_the_free_attempts_each_one_is_further_off(api, time, email):
    assert [log_in(api, email, WRONG).status for _ in range(FREE_ATTEMPTS + 1)] == [401] * (FREE_ATTEMPTS + 1)
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, MAX_DELAY_SECONDS, MAX_DELAY_SECONDS):
        reply = log_in(api, email, WRONG)
        assert (reply.status, reply.json["error"], reply.json["retry_after_seconds"]) == (429, "too_many_attempts", seconds)
        assert reply.headers["Retry-After"] == str(seconds)
        time.advance(seconds - 1)
        assert log_in(api, email.upper(), WRONG).status == 429
        time.advance(1)
        assert log_in(api, email, WRONG).status == 401


def test_a_delay_holds_for_the_right_password_too_and_ends_with_it(api, time):
    sign_up(api)
    for _ in range(FREE_ATTEMPTS + 1):
        log_in(api, password=WRONG)
    assert log_in(api).status == 429
    time.advance(1)
    assert log_in(api).status == 200
    assert [log_in(api, password=WRONG).status for _ in range(FREE_ATTEMPTS)] == [401] * FREE_ATTEMPTS


def test_a_counter_restarts_after_its_window(api, time, email):
    for _ in range(FREE_ATTEMPTS):
        log_in(api, email, WRONG)
    time.advance(WINDOW_SECONDS)
    assert [log_in(api, email, WRONG).status for _ in range(FREE_ATTEMPTS)] == [401] * FREE_ATTEMPTS


def test_parallel_guesses_do_not_get_around_it(api, time, threaded_store):
    register(api)
    statuses, barrier = [], threading.Barrier(32)

    def run() -> None:
        barrier.wait()
        statuses.append(log_in(api, password=WRONG).status)

    threads = [threading.Thread(target=run) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {401, 429}
    assert FREE_ATTEMPTS <= statuses.count(401) <= FREE_ATTEMPTS + 1  # one more when the free ones are used up


def test_an_address_is_delayed_that_tries_many_accounts(api, time):
    register(api)
    with settings.override(address_factor=2):
        for number in range(2 * FREE_ATTEMPTS + 1):
            assert log_in(api, f"user{number}@example.com", WRONG, source_ip="192.0.2.1").status == 401
        assert log_in(api, source_ip="192.0.2.1").status == 429
        assert log_in(api, source_ip="192.0.2.2").status == 200


def test_a_48_network_is_delayed_that_tries_many_accounts_from_many_addresses(api, time):
    register(api)
    with settings.override(address_factor=1):
        tried = [log_in(api, f"user{n}@example.com", WRONG, source_ip=f"2001:db8:1:{n:x}::1").status for n in range(10 * FREE_ATTEMPTS + 2)]
        assert (tried[:-1], tried[-1]) == ([401] * (10 * FREE_ATTEMPTS + 1), 429)
        assert log_in(api, source_ip="2001:db8:2::1").status == 200


def test_the_delay_of_a_48_network_does_not_grow_and_spares_known_devices(api, time):
    """It may have thousands of subscribers, and any of them can use up its attempts."""
    register(api)
    browser = {"X-Session": "cookie"}
    known = {"Cookie": log_in(api, headers=browser).cookie_header(), **browser}
    with settings.override(address_factor=1):
        for number in range(10 * FREE_ATTEMPTS + 5):
            log_in(api, f"user{number}@example.com", WRONG, source_ip=f"2001:db8:1:{number:x}::1")
            if number > 10 * FREE_ATTEMPTS:
                time.advance(1)
        assert log_in(api, "last@example.com", WRONG, source_ip="2001:db8:1:eeee::1").status == 401
        refused = log_in(api, source_ip="2001:db8:1:ffff::1")
        assert (refused.status, refused.json["retry_after_seconds"]) == (429, 1)
        assert log_in(api, source_ip="2001:db8:1:ffff::1", headers=known).status == 200


def test_many_correct_logins_from_one_address_are_not_delayed(api, time):
    register(api)
    with settings.override(address_factor=1):
        assert [log_in(api, source_ip="192.0.2.1").status for _ in range(3 * FREE_ATTEMPTS)] == [200] * (3 * FREE_ATTEMPTS)


def test_changing_a_password_is_delayed_as_a_login_is(api, time):
    token = sign_up(api)["access_token"]
    change = {"current_password": WRONG, "password": "another good one"}
    statuses = [api.post("/auth/password", json=change, token=token).status for _ in range(FREE_ATTEMPTS + 2)]
    assert statuses == [403] * (FREE_ATTEMPTS + 1) + [429]
    assert api.post("/auth/password", json=change | {"current_password": PASSWORD}, token=token).status == 429


def test_a_stranger_cannot_keep_a_signed_in_user_from_changing_the_password(api, time):
    token = sign_up(api)["access_token"]
    for _ in range(FREE_ATTEMPTS + 1):
        log_in(api, password=WRONG)
    assert log_in(api).status == 429
    change = {"current_password": PASSWORD, "password": "another good one"}
    assert api.post("/auth/password", json=change, token=token).status == 200


def test_a_reset_by_mail_ends_the_delay(api, time, mailbox):
    sign_up(api)
    for _ in range(FREE_ATTEMPTS + 1):
        log_in(api, password=WRONG)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    new = "another good one"
    assert api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": new}).status == 200
    assert log_in(api, password=new).status == 200


@pytest.mark.parametrize("error", [faults.throttled, faults.timeout, faults.unreachable])
def test_nobody_logs_in_while_attempts_cannot_be_counted(api, time, error):
    register(api)
    with faults.fail_from(1, error, table="login-attempts"):
        reply = log_in(api)
    assert (reply.status, reply.json["error"]) == (503, "service_unavailable")
    assert log_in(api).status == 200


def test_the_delay_holds_with_rate_limits_off(api, time):
    assert settings.current().rate_limits == "off"
    assert [log_in(api, password=WRONG).status for _ in range(FREE_ATTEMPTS + 2)][-1] == 429
