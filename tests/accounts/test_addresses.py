"""Changing an account's address takes effect when the new address is confirmed, and reveals no accounts."""

import pytest

from chalicelib.accounts import service, sessions, store
from chalicelib.foundation import settings
from chalicelib.notifications.model import mailbox_key, recipient_key
from tests import builders
from tests.accounts.conftest import EMAIL, OTHER_PASSWORD, PASSWORD, log_in, refresh, register, sign_up
from tests.simulation import faults

NEW = "ada@example.org"


def ask(api, tokens, email=NEW, password=PASSWORD):
    return api.post("/auth/email", json={"email": email, "password": password}, token=tokens["access_token"])


def confirm(api, token, password=PASSWORD):
    return api.post("/auth/email/verify", json={"token": token, "password": password})


def test_an_address_is_changed_when_the_new_one_is_confirmed(api, time, mailbox):
    tokens = sign_up(api)
    assert ask(api, tokens, "Ada@Example.org").status == 200
    assert (mailbox.kinds(NEW), mailbox.kinds(EMAIL)[-1]) == (["change_email"], "change_requested")
    assert [log_in(api, email).status for email in (EMAIL, NEW)] == [200, 401]
    assert (
        confirm(api, mailbox.token("change_email")).json["message"] == "Your email address has been changed. Sign in with the new address."
    )
    assert [log_in(api, email).status for email in (EMAIL, NEW)] == [401, 200]
    user = log_in(api, NEW).json["user"]
    assert (user["id"], user["email"], user["email_verified"]) == (tokens["user"]["id"], "Ada@Example.org", True)
    assert mailbox.kinds(EMAIL)[-1] == "email_changed"


@pytest.mark.parametrize(("password", "sent"), [(None, "Send the password of the account."), (OTHER_PASSWORD, "password")])
def test_nobody_confirms_a_new_address_for_an_account_of_somebody_else(api, time, mailbox, password, sent):
    """The owner of a mistyped address could take the account over, or give a stranger the roles at events that await the address."""
    builders.appoint("fest", NEW, "staff", "nora", time.now)
    ask(api, sign_up(api))
    refused = confirm(api, mailbox.token("change_email"), password)
    assert (refused.status, refused.json["error"]) == (403, "wrong_password")
    assert sent in refused.json["message"]
    assert [log_in(api, email).status for email in (EMAIL, NEW)] == [200, 401]
    assert confirm(api, mailbox.token("change_email")).status == 200


def test_all_sessions_end_with_the_change(api, time, mailbox):
    tokens, other = sign_up(api), log_in(api).json
    ask(api, tokens)
    assert refresh(api, other["refresh_token"]).status == 200
    confirm(api, mailbox.token("change_email"))
    assert refresh(api, tokens["refresh_token"]).status == 401


def test_the_old_address_is_free_for_somebody_else(api, time, mailbox):
    tokens = sign_up(api)
    ask(api, tokens)
    confirm(api, mailbox.token("change_email"))
    assert sign_up(api)["user"]["id"] != tokens["user"]["id"]
    assert log_in(api, NEW).json["user"]["id"] == tokens["user"]["id"]


def test_the_answer_and_the_work_do_not_say_whether_the_address_is_taken(api, time, mailbox):
    sign_up(api, "eve@example.com")
    works, replies = [], []
    tokens = sign_up(api)
    for email in (NEW, "eve@example.com"):
        with faults.record_calls() as log:
            replies.append(ask(api, tokens, email))
        works.append(list(log))
    assert replies[0].json == replies[1].json
    assert works[0] == works[1]
    assert mailbox.kinds("eve@example.com")[-1] == "address_taken"
    assert "#token=" not in next(mail.text for mail in reversed(mailbox.mails) if mail.kind == "address_taken")


@pytest.mark.parametrize(
    ("email", "password", "refusal"),
    [
        (NEW, OTHER_PASSWORD, (403, "wrong_password")),
        ("ADA@example.com", PASSWORD, (400, "invalid_input")),
        ("no address", PASSWORD, (400, "invalid_input")),
    ],
)
def test_a_change_needs_the_password_and_another_address(api, time, mailbox, email, password, refusal):
    tokens = sign_up(api)
    reply = ask(api, tokens, email, password)
    assert (reply.status, reply.json["error"]) == refusal
    assert mailbox.kinds(EMAIL) == ["verify_email"]


def test_a_person_without_an_account_has_no_address(api, time):
    assert ask(api, api.post("/auth/guest").json).status == 404


def change_password(api, tokens):
    change = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
    assert api.post("/auth/password", json=change, token=tokens["access_token"]).status == 200


def log_out_everywhere(api, tokens):
    assert api.post("/auth/logout", json={"refresh_token": tokens["refresh_token"], "everywhere": True}).status == 200


def erase(api, tokens):
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status == 200


@pytest.mark.parametrize("stop", [change_password, log_out_everywhere, erase])
def test_the_owner_can_stop_a_change_that_they_did_not_ask_for(api, time, mailbox, stop):
    tokens = sign_up(api)
    ask(api, tokens)
    link = mailbox.token("change_email")
    stop(api, tokens)
    assert confirm(api, link).json["error"] == "link_expired"
    assert log_in(api, NEW).status == 401


def test_one_of_two_links_works(api, time, mailbox):
    """The second one would undo a change by the owner to an address that a thief of the password has asked for."""
    tokens = sign_up(api)
    ask(api, tokens, "thief@example.net")
    thief = mailbox.token("change_email")
    ask(api, tokens)
    assert confirm(api, mailbox.token("change_email")).status == 200
    assert confirm(api, thief).status == confirm(api, mailbox.token("change_email")).status == 410
    assert log_in(api, NEW).status == 200


def test_a_link_lasts_an_hour(api, time, mailbox):
    ask(api, sign_up(api))
    time.advance(3600)
    assert confirm(api, mailbox.token("change_email")).status == 410


def test_an_address_registered_by_somebody_else_is_not_taken_away(api, time, mailbox):
    tokens = sign_up(api)
    ask(api, tokens)
    other = sign_up(api, NEW)
    assert confirm(api, mailbox.token("change_email")).status == 410
    assert log_in(api, NEW).json["user"]["id"] == other["user"]["id"]
    assert log_in(api).json["user"]["id"] == tokens["user"]["id"]


def test_links_that_the_old_address_has_are_worth_nothing_after_the_change(api, time, mailbox):
    tokens = sign_up(api)
    api.post("/auth/password/forgot", json={"email": EMAIL})
    ask(api, tokens)
    confirm(api, mailbox.token("change_email"))
    reset = {"token": mailbox.token("reset_password"), "password": OTHER_PASSWORD}
    assert api.post("/auth/password/reset", json=reset).status == 410
    assert log_in(api, NEW).status == 200


def test_a_link_verifies_only_the_address_to_which_it_was_mailed(api, time, mailbox):
    tokens = sign_up(api)
    link = mailbox.token("verify_email")
    ask(api, tokens)
    confirm(api, mailbox.token("change_email"))
    assert confirm(api, link).json["error"] == "link_expired"
    assert log_in(api, NEW).status == 200


def test_a_link_does_not_verify_an_address_that_has_just_replaced_its_own(api, time, mailbox, monkeypatch):
    tokens, check = sign_up(api), service.check_password
    link = mailbox.token("verify_email")
    ask(api, tokens)

    def check_then_change(*arguments):
        found = check(*arguments)
        monkeypatch.setattr(service, "check_password", check)
        assert confirm(api, mailbox.token("change_email")).status == 200
        return found

    monkeypatch.setattr(service, "check_password", check_then_change)
    assert confirm(api, link).json["error"] == "link_expired"


@pytest.mark.parametrize("is_known", [False, True])
def test_a_link_to_an_erased_account_does_not_verify_somebody_elses_address(api, time, mailbox, monkeypatch, is_known):
    """A guest verifies nothing by registering twice, even while the store does not say yet that the guest's session has ended."""
    if is_known:
        monkeypatch.setattr(sessions, "end_session", lambda session_id: None)
    with settings.override(email_verification="required"):
        token = api.post("/auth/guest").json["access_token"]
        assert register(api, "eve@example.com", token=token).status == 201
        link = mailbox.token("verify_email")
        assert api.delete("/auth/me", json={"password": PASSWORD}, token=token).status == 200
        assert register(api, token=token).status == 201
        assert confirm(api, link).json["error"] == "link_expired"
        assert log_in(api).status == 401


def test_after_a_crash_one_address_works_and_the_link_may_be_used_again(api, time, mailbox):
    for number in range(1, 20):
        email, new = f"old{number}@example.com", f"new{number}@example.com"
        ask(api, sign_up(api, email), new)
        link = mailbox.token("change_email")
        with faults.crash_after(number) as crash:
            confirm(api, link)
        assert sorted(log_in(api, address).status for address in (email, new)) == [200, 401]
        confirm(api, link)
        assert [log_in(api, address).status for address in (email, new)] == [401, 200]
        if not crash.was_triggered:
            assert number > 3
            return
    raise AssertionError("every call was crashed")


def test_roles_at_events_stay_with_the_address_that_was_invited(api, time, mailbox):
    tokens = sign_up(api)
    builders.appoint("fest", NEW, "staff", "nora", time.now)
    ask(api, tokens)
    confirm(api, mailbox.token("change_email"))
    assert log_in(api, NEW).json["user"]["events"] == {"fest": "staff"}


def test_no_item_of_the_old_address_is_left(api, time, mailbox):
    ask(api, sign_up(api))
    confirm(api, mailbox.token("change_email"))
    assert (store.find_credentials(EMAIL), store.find_credentials(NEW) is None) == (None, False)
    assert [row.id for row in store.MailedLinkRow.scan() if row.purpose == "change_email"] == []
    assert register(api).status == 201


def test_requests_with_a_wrong_password_count_nothing_for_the_new_address(api, time, mailbox):
    tokens = sign_up(api)
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [ask(api, tokens, password=OTHER_PASSWORD).status for _ in range(2)] == [403, 403]
        assert [ask(api, tokens).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("Ada@Example.com", "ada@example.COM", True),
        ("a.d.a+drop@gmail.com", "ADA@googlemail.com", True),
        ("ada+drop@outlook.com", "ada@outlook.com", True),
        ("a.da@outlook.com", "ada@outlook.com", False),  # another person
        ("ada+drop@example.com", "ada@example.com", False),
        ("a.da@example.com", "ada@example.com", False),
        ("ada@outlook.com", "ada@hotmail.com", False),
        ("+ada@gmail.com", "+bob@gmail.com", False),
    ],
)
def test_only_addresses_that_lead_to_one_mailbox_are_one(first, second, is_same):
    assert (mailbox_key(first) == mailbox_key(second)) is is_same


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("Ada+drop@tickets.example", "ada@tickets.example", True),
        ("a.d.a+drop@gmail.com", "ADA@googlemail.com", True),
        ("ada+1+2@outlook.de", "ada+2@outlook.de", True),
        ("a.da@tickets.example", "ada@tickets.example", False),
        ("ada@tickets.example", "ada@other.example", False),
        ("+ada@tickets.example", "+bob@tickets.example", False),
    ],
)
def test_emails_to_addresses_with_tags_count_for_one_mailbox(first, second, is_same):
    assert (recipient_key(first) == recipient_key(second)) is is_same
