"""`fairgate import-waitlist`: people with an account join in the order of the file, once."""

import json

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.waitlist import store
from tests.bootstrap.conftest import ticket

pytestmark = pytest.mark.usefixtures("api")

PEOPLE = b"email,tier\nWendy@example.com,fest-pass\nwalter@example.com,fest-pass\nwendy@example.com,fest-vip\nada@example.com,fest-pass\n"


@pytest.fixture
def join(run, write, tree):
    """`join(*options)` imports people for an event with two ticket types that are coming soon; returns the JSON that is printed."""
    tree["ticket_types"] = {key: ticket(key, status="coming-soon") for key in ("fest-pass", "fest-vip")}
    run("apply", write(tree))
    file = write(PEOPLE, "waiting.csv")

    def call(*options):
        out = run("import-waitlist", file, "--event", "fest", *options, "--json").out
        return json.loads(out.splitlines()[-1])  # the test's process also logs to the standard output

    return call


def create_account(name, time, *, is_verified=True):
    verified_at = time.now if is_verified else None
    account = Account(user_id=name, email=f"{name}@example.com", roles=("user",), created_at=time.now, verified_at=verified_at)
    accounts.create_account(account, "seven grey owls")


def test_people_with_a_verified_address_join_once_and_in_order(join, time):
    create_account("wendy", time)
    create_account("ada", time)
    create_account("walter", time, is_verified=False)
    assert join()["joined"] == 2
    assert store.find_entry("wendy", "fest") is None, "without --apply, nobody joins"
    assert join("--apply") == {"joined": 2, "known": 0, "without_account": ["walter@example.com"], "refused": {}}
    wendy, ada = store.find_entry("wendy", "fest"), store.find_entry("ada", "fest")
    assert (wendy.tier_ids, wendy.quantity, ada.tier_ids) == (["fest-pass", "fest-vip"], 1, ["fest-pass"])
    assert wendy.people_to < ada.people_to
    assert join("--apply") == {"joined": 0, "known": 2, "without_account": ["walter@example.com"], "refused": {}}


def test_people_whose_tickets_are_on_sale_are_refused(run, join, time, tree, write):
    create_account("wendy", time)
    tree["ticket_types"] = {key: ticket(key) for key in ("fest-pass", "fest-vip")}
    run("apply", write(tree))
    assert list(join("--apply")["refused"]) == ["wendy@example.com"]
    assert store.find_entry("wendy", "fest") is None


@pytest.mark.usefixtures("join")
def test_a_list_for_no_event_or_without_its_columns_is_refused(run, write, tmp_path):
    assert 'There is no event "feast"' in run("import-waitlist", write(PEOPLE), "--event", "feast").err
    assert "must have the columns email and tier" in run("import-waitlist", write(b"mail,tier\na,b\n"), "--event", "fest").err
    assert "cannot be read" in run("import-waitlist", tmp_path / "none.csv", "--event", "fest").err


def test_what_is_no_address_does_not_stop_the_others(run, write, join, time):
    create_account("ada", time)
    strange = ["", "\x1b[2Jwendy@example.com", f"{'w' * 3000}@example.com"]
    rows = "".join(f"{email},fest-pass\n" for email in (*strange, "ada@example.com"))
    result = run("import-waitlist", write(f"email,tier\n{rows}".encode(), "strange.csv"), "--event", "fest", "--apply")
    assert (result.code, "1 joined, 0 joined before, 0 without an account, 3 refused" in result.out) == (1, True)
    assert result.out.count("is not an email address") == 3
    assert "\x1b" not in result.out
    assert store.find_entry("ada", "fest") is not None
