"""Refresh tokens: each is for one use, an old one ends the session, and a client whose answer was lost is not punished."""

import threading
from datetime import datetime
from hashlib import sha256

import pytest

from chalicelib.accounts import service, sessions
from chalicelib.accounts.sessions import GRACE_SECONDS, REFRESH_SECONDS
from chalicelib.edge.auth import ACCESS_SECONDS
from chalicelib.foundation import clock, settings
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, refresh, sign_up


def test_a_refresh_token_gives_a_new_access_token_and_its_successor(api, time):
    first = sign_up(api)
    time.advance(ACCESS_SECONDS)
    assert api.get("/auth/me", token=first["access_token"]).status == 401
    second = refresh(api, first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert api.get("/auth/me", token=second["access_token"]).json == first["user"]


def test_an_old_refresh_token_ends_the_session_for_everybody(api, time):
    first = sign_up(api)["refresh_token"]
    elsewhere = log_in(api).json["refresh_token"]
    second = refresh(api, first).json["refresh_token"]
    time.advance(GRACE_SECONDS + 1)
    stolen = refresh(api, first)
    assert (stolen.status, stolen.json["error"]) == (401, "session_over")
    assert refresh(api, second).status == 401
    assert refresh(api, elsewhere).status == 200  # another login is another session


def test_a_token_before_the_last_two_ends_the_session_at_once(api, time):
    first = sign_up(api)["refresh_token"]
    third = refresh(api, refresh(api, first).json["refresh_token"]).json["refresh_token"]
    assert refresh(api, first).status == 401
    assert refresh(api, third).status == 401


def test_a_client_whose_answer_was_lost_gets_the_same_token_again(api, time):
    first = sign_up(api)["refresh_token"]
    lost = refresh(api, first).json["refresh_token"]
    time.advance(GRACE_SECONDS)
    again = refresh(api, first).json["refresh_token"]
    assert again == lost
    time.advance(GRACE_SECONDS + 1)
    assert refresh(api, again).status == 200


def test_two_tabs_that_refresh_at_once_get_the_same_token(api, time, threaded_store):
    first = sign_up(api)["refresh_token"]
    replies, barrier = [], threading.Barrier(8)

    def run() -> None:
        barrier.wait()
        replies.append(refresh(api, first))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status for reply in replies} == {200}
    [token] = {reply.json["refresh_token"] for reply in replies}
    assert refresh(api, token).status == 200


def test_a_refresh_token_lasts_seven_days_from_its_last_use(api, time):
    token = sign_up(api)["refresh_token"]
    time.advance(REFRESH_SECONDS - 1)
    token = refresh(api, token).json["refresh_token"]
    time.advance(REFRESH_SECONDS - 1)
    token = refresh(api, token).json["refresh_token"]
    time.advance(REFRESH_SECONDS)
    assert refresh(api, token).status == 401


def test_an_admin_signs_in_again_after_twelve_hours_however_busy(api, time):
    sign_up(api)
    service.add_role(EMAIL, "admin", "command:ada", clock.now())
    tokens, hour = log_in(api).json, 3600
    assert tokens["refresh_expires_in"] == 12 * hour
    for hours_left in range(11, 0, -1):
        time.advance(hour)
        tokens = refresh(api, tokens["refresh_token"]).json
        assert tokens["refresh_expires_in"] == hours_left * hour
    [listed] = api.get("/auth/sessions", token=tokens["access_token"]).json["sessions"]
    assert clock.epoch_seconds(datetime.fromisoformat(listed["expires_at"])) == time.now + hour
    time.advance(hour)
    ended = refresh(api, tokens["refresh_token"])
    assert (ended.status, ended.json["error"]) == (401, "session_over")
    assert log_in(api).status == 200


def test_a_new_password_begins_the_twelve_hours_of_an_admin_again(api, time):
    sign_up(api)
    service.add_role(EMAIL, "admin", "command:ada", clock.now())
    access_token = log_in(api).json["access_token"]
    changed = api.post("/auth/password", json={"current_password": PASSWORD, "password": OTHER_PASSWORD}, token=access_token).json
    assert changed["refresh_expires_in"] == 12 * 3600
    time.advance(12 * 3600)
    assert refresh(api, changed["refresh_token"]).status == 401


@pytest.mark.parametrize("change", ["secret", "session", "empty", "dot", "long", "access token"])
def test_an_invalid_refresh_token_is_refused(api, time, change):
    tokens = sign_up(api)
    session_id, _, secret = tokens["refresh_token"].partition(".")
    forged = {
        "secret": f"{session_id}.{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "session": f"{'0' * 32}.{secret}",
        "empty": "x",
        "dot": f".{secret}",
        "long": f"{'x' * 65}.{secret}",
        "access token": tokens["access_token"][:200],
    }
    reply = refresh(api, forged[change])
    assert (reply.status, reply.json["error"]) == (401, "session_over")


def test_logging_out_ends_the_session(api, time):
    here, elsewhere = sign_up(api)["refresh_token"], log_in(api).json["refresh_token"]
    for _ in range(2):  # repeated, it is as fine
        assert api.post("/auth/logout", json={"refresh_token": here}).status == 200
    assert [refresh(api, token).status for token in (here, elsewhere)] == [401, 200]


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/refresh"])
@pytest.mark.parametrize("secret", ["x", "A" * 43, ""])
def test_the_id_of_a_session_alone_ends_nothing(api, time, path, secret):
    """Every access token contains the id."""
    token = sign_up(api)["refresh_token"]
    assert api.post(path, json={"refresh_token": f"{token.partition('.')[0]}.{secret}"}).status in (200, 401)
    assert refresh(api, token).status == 200


def test_a_client_that_lost_the_next_token_logs_out_with_the_last_one(api, time):
    first = sign_up(api)["refresh_token"]
    second = refresh(api, first).json["refresh_token"]
    assert api.post("/auth/logout", json={"refresh_token": first}).status == 200
    assert refresh(api, second).status == 401


def test_a_client_that_kept_an_older_token_logs_out_too(api, time):
    """A browser that was restored from a backup has such a token: the session must not outlive the sign-out."""
    first = sign_up(api)["refresh_token"]
    last = refresh(api, refresh(api, first).json["refresh_token"]).json["refresh_token"]
    assert api.post("/auth/logout", json={"refresh_token": first}).status == 200
    assert refresh(api, last).status == 401


def test_a_token_of_an_earlier_version_is_exchanged_and_ends_its_session_when_it_is_reused(api, time):
    first = f"{sign_up(api)['refresh_token'].partition('.')[0]}.{'x' * 43}"
    row = sessions.SessionRow.find(first.partition(".")[0])
    row.token_hash = sha256(first.encode()).hexdigest()
    row.save()
    second = refresh(api, first).json["refresh_token"]
    time.advance(GRACE_SECONDS + 1)
    assert [refresh(api, token).status for token in (first, second)] == [401, 401]


def test_logging_out_everywhere_ends_all_sessions(api, time):
    here, elsewhere = sign_up(api)["refresh_token"], log_in(api).json["refresh_token"]
    assert api.post("/auth/logout", json={"refresh_token": here, "everywhere": True}).status == 200
    assert [refresh(api, token).status for token in (here, elsewhere)] == [401, 401]
    assert api.post("/auth/logout", json={"refresh_token": here, "everywhere": True}).status == 401
    assert log_in(api).status == 200


def test_the_store_has_no_token(api, time):
    token = sign_up(api)["refresh_token"]
    session_id, _, secret = token.partition(".")
    row = sessions.SessionRow.find(session_id)
    assert secret not in str(row.attribute_values)
    assert row.ttl == row.expires_at == time.now + REFRESH_SECONDS


def test_a_token_without_its_successor_is_refused_and_the_session_stays(api, time):
    first = sign_up(api)["refresh_token"]
    second = refresh(api, first).json["refresh_token"]
    with settings.override(jwt_secret="another-secret-that-was-put-in-its-place"):
        assert refresh(api, first).status == 401
        assert refresh(api, second).status == 200
