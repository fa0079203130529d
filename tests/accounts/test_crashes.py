"""A crash after each call to the store: people can still get into their account, by one password."""

from itertools import count

import pytest

from chalicelib.foundation import settings
from tests.accounts.conftest import OTHER_PASSWORD, PASSWORD, Mailbox, log_in, register
from tests.simulation import faults


@pytest.fixture(autouse=True)
def _addresses_must_be_verified(api, time):
    with settings.override(email_verification="required"):
        yield


def _token(mailbox: Mailbox, email: str) -> tuple[str, str]:
    """The kind of the last mail to an address, and its token."""
    kind = mailbox.kinds(email)[-1]
    return kind, mailbox.token(kind)


def test_registering_again_after_a_crash_succeeds(api, mailbox):
    for number in count(1):
        email = f"user{number}@example.com"
        with faults.crash_after(number) as crash:
            register(api, email)
        assert register(api, email).status == 201
        kind, token = _token(mailbox, email)
        if kind == "verify_email":
            assert api.post("/auth/email/verify", json={"token": token, "password": PASSWORD}).status == 200
        else:
            assert api.post("/auth/password/reset", json={"token": token, "password": PASSWORD}).status == 200
        assert log_in(api, email).status == 200
        if not crash.was_triggered:
            assert number > 3
            return


def test_after_a_crash_of_a_reset_one_password_works(api, mailbox):
    for number in count(1):
        email = f"user{number}@example.com"
        register(api, email)
        api.post("/auth/email/verify", json={"token": _token(mailbox, email)[1], "password": PASSWORD})
        api.post("/auth/password/forgot", json={"email": email})
        reset = {"token": _token(mailbox, email)[1], "password": OTHER_PASSWORD}
        with faults.crash_after(number) as crash:
            api.post("/auth/password/reset", json=reset)
        assert [log_in(api, email, password).status for password in (PASSWORD, OTHER_PASSWORD)].count(200) == 1
        api.post("/auth/password/reset", json=reset)  # repeated, it does it or was done
        assert [log_in(api, email, password).status for password in (PASSWORD, OTHER_PASSWORD)] == [401, 200]
        if not crash.was_triggered:
            assert number > 2
            return
