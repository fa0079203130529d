"""The list of one's sessions, and ending some of them."""

from chalicelib.accounts import sessions
from chalicelib.foundation import clock
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, refresh, sign_up
from tests.simulation import faults


def list_sessions(api, tokens, **query):
    reply = api.get("/auth/sessions", query=query, token=tokens["access_token"])
    assert reply.status == 200, reply.json
    return reply.json["sessions"]


def end(api, tokens, session_id=None):
    path = "/auth/sessions" if session_id is None else f"/auth/sessions/{session_id}"
    return api.delete(path, token=tokens["access_token"])


def test_sessions_are_listed_with_when_and_where_they_were_used(api, time):
    sign_up(api)
    time.advance(1)
    begun = time.now
    phone = log_in(api, headers={"User-Agent": "phone " + "x" * 300}, source_ip="192.0.2.7").json
    time.advance(60)
    laptop = log_in(api, headers={"User-Agent": "laptop"}).json
    phone = api.post("/auth/refresh", json={"refresh_token": phone["refresh_token"]}, source_ip="192.0.2.8").json
    newest, older, *_ = list_sessions(api, laptop)
    assert (newest["current"], newest["user_agent"], newest["created_at"]) == (True, "laptop", clock.iso(time.now))
    assert older == {
        "id": older["id"],
        "created_at": clock.iso(begun),
        "last_used_at": clock.iso(time.now),
        "expires_at": clock.iso(time.now + sessions.REFRESH_SECONDS),
        "address": "192.0.2.8",
        "user_agent": None,
        "current": False,
    }
    assert [session["current"] for session in list_sessions(api, phone)] == [False, True, False]


def test_ended_sessions_are_not_listed(api, time):
    tokens = sign_up(api)
    expired = log_in(api).json
    time.advance(sessions.REFRESH_SECONDS)
    tokens = log_in(api).json
    logged_out = log_in(api).json
    api.post("/auth/logout", json={"refresh_token": logged_out["refresh_token"]})
    assert [session["current"] for session in list_sessions(api, tokens)] == [True]
    changed = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    tokens = api.post("/auth/password", json=changed, token=tokens["access_token"]).json
    assert [session["current"] for session in list_sessions(api, tokens)] == [True]
    assert refresh(api, expired["refresh_token"]).status == 401


def test_the_sessions_of_others_are_neither_listed_nor_ended(api, time):
    ada, eve = sign_up(api), sign_up(api, "eve@example.com")
    [session] = list_sessions(api, ada)
    assert [other["id"] for other in list_sessions(api, eve)] != [session["id"]]
    assert end(api, eve, session["id"]).status == 404
    assert end(api, eve).status == 200
    assert refresh(api, ada["refresh_token"]).status == 200


def test_a_session_that_is_ended_gets_no_new_tokens(api, time):
    phone, laptop = sign_up(api), log_in(api).json
    [other] = [session["id"] for session in list_sessions(api, laptop) if not session["current"]]
    assert end(api, laptop, other).status == 200
    assert (refresh(api, phone["refresh_token"]).status, refresh(api, laptop["refresh_token"]).status) == (401, 200)
    assert end(api, laptop, other).status == 404


def test_all_other_sessions_end_and_this_one_continues(api, time):
    others = [sign_up(api), *(log_in(api).json for _ in range(2))]
    mine = log_in(api).json
    assert end(api, mine).status == 200
    assert [refresh(api, other["refresh_token"]).status for other in others] == [401] * 3
    assert [session["current"] for session in list_sessions(api, mine)] == [True]
    assert refresh(api, mine["refresh_token"]).status == 200


def test_with_a_token_of_no_session_all_end(api, time):
    tokens = sign_up(api)
    api.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
    other = log_in(api).json
    assert end(api, tokens).status == 200  # its session is over, its access token is not yet
    assert refresh(api, other["refresh_token"]).status == 401


def test_a_guest_sees_their_session_and_can_end_it(api, time):
    guest = api.post("/auth/guest").json
    [session] = list_sessions(api, guest)
    assert (session["current"], end(api, guest).status) == (True, 200)
    assert end(api, guest, session["id"]).status == 200
    assert refresh(api, guest["refresh_token"]).status == 401
    assert api.get("/auth/sessions", user="somebody").json == {"sessions": [], "next_cursor": None}


def test_many_sessions_are_listed_page_by_page(api, time):
    sign_up(api)
    for _ in range(4):
        time.advance(1)
        tokens = log_in(api).json
    found, cursor = [], ""
    while cursor is not None:
        page = api.get("/auth/sessions", query={"limit": "2", "cursor": cursor}, token=tokens["access_token"]).json
        found += [session["created_at"] for session in page["sessions"]]
        cursor = page["next_cursor"]
    assert found == [clock.iso(time.now - seconds) for seconds in range(5)]


def test_a_crash_while_others_are_ended_leaves_all_or_one(api, time):
    for number in range(1, 5):
        email = f"user{number}@example.com"
        other, mine = sign_up(api, email), log_in(api, email).json
        with faults.crash_after(number):
            end(api, mine)
        statuses = [refresh(api, tokens["refresh_token"]).status for tokens in (other, mine)]
        assert statuses in ([200, 200], [401, 200])
    assert statuses == [401, 200]


def test_one_sees_a_session_right_after_the_login(api, time):
    assert [session["current"] for session in list_sessions(api, sign_up(api, EMAIL))] == [True]
