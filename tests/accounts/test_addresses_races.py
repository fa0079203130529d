"""Changes of addresses at the same moment as others, in every order of their store calls with two preemptions."""

import itertools
import re

import pytest

from chalicelib.foundation import settings
from tests.accounts.conftest import PASSWORD, log_in, refresh, register, sign_up
from tests.accounts.test_addresses import ask, confirm
from tests.simulation.interleavings import explore

pytestmark = [pytest.mark.usefixtures("threaded_store")]

numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_limit_of_the_address():
    with settings.override(address_factor=10_000):
        yield


def link_to(mailbox, address: str) -> str:
    mail = next(mail for mail in reversed(mailbox.mails) if mail.to == address and "#token=" in mail.text)
    return re.search(r"#token=(\S+)", mail.text)[1]


@pytest.mark.slow
def test_one_of_two_accounts_gets_a_confirmed_address(api, time, mailbox):
    def scenario(play):
        number = next(numbers)
        new, links = f"new{number}@example.com", {}
        for name in ("ada", "eve"):
            ask(api, sign_up(api, f"{name}{number}@example.com"), new)
            links[name] = link_to(mailbox, new)
        run = play({name: lambda link=link: confirm(api, link).status for name, link in links.items()})
        assert sorted(run.results.values()) == [200, 410]
        winner = next(name for name, status in run.results.items() if status == 200)
        works = {name: log_in(api, f"{name}{number}@example.com").status for name in links}
        assert works == {name: 401 if name == winner else 200 for name in links}
        assert log_in(api, new).status == 200

    assert len(explore(scenario)) > 5


@pytest.mark.slow
def test_a_registration_and_a_change_to_one_address(api, time, mailbox):
    def scenario(play):
        number = next(numbers)
        old, new = f"old{number}@example.com", f"new{number}@example.com"
        ask(api, sign_up(api, old), new)
        link = link_to(mailbox, new)
        run = play({"change": lambda: confirm(api, link).status, "registration": lambda: register(api, new, "a third good one").status})
        assert run.results["registration"] == 201
        assert [log_in(api, new, password).status for password in (PASSWORD, "a third good one")].count(200) == 1
        assert log_in(api, old).status == (401 if run.results["change"] == 200 else 200)

    assert len(explore(scenario)) > 5


@pytest.mark.slow
def test_an_erasure_at_the_same_moment_leaves_no_account(api, time, mailbox):
    def scenario(play):
        number = next(numbers)
        old, new = f"old{number}@example.com", f"new{number}@example.com"
        tokens = sign_up(api, old)
        ask(api, tokens, new)
        link = link_to(mailbox, new)
        erase = lambda: api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status  # noqa: E731
        run = play({"change": lambda: confirm(api, link).status, "erasure": erase})
        if run.results["erasure"] == 200:
            assert [log_in(api, address).status for address in (old, new)] == [401, 401]
        else:  # the address had changed before the password was looked up by the old one
            assert (run.results["erasure"], log_in(api, new).status) == (403, 200)

    assert len(explore(scenario)) > 5


def test_this_session_can_refresh_while_the_others_are_ended(api, time):
    def scenario(play):
        email = f"user{next(numbers)}@example.com"
        other, mine = sign_up(api, email), log_in(api, email).json
        end = lambda: api.delete("/auth/sessions", token=mine["access_token"]).status  # noqa: E731
        run = play({"end": end, "refresh": lambda: refresh(api, mine["refresh_token"])})
        assert run.results["end"] == 200
        assert refresh(api, other["refresh_token"]).status == 401
        assert refresh(api, run.results["refresh"].json["refresh_token"]).status == 200

    assert len(explore(scenario)) > 5
