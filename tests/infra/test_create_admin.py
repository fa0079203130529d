"""`fairgate admin`: the only way to become an admin."""

import io
import json

import pytest
from botocore.exceptions import NoCredentialsError

from bootstrap import aws_stage
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra.create_admin import main
from tests.accounts.conftest import EMAIL, PASSWORD, log_in, mailbox, refresh, sign_up  # noqa: F401
from tests.accounts.test_second_factor import set_up

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture
def deployed(monkeypatch):
    """Pretend that this process belongs to a deployed stage."""
    monkeypatch.setattr(aws_stage, "require", lambda environment: None)


@pytest.fixture
def typed(monkeypatch):
    """`typed(text)`: what standard input has."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_new_admin_gets_an_account(api, typed, capsys):
    typed(f"{PASSWORD}\n")
    assert main([EMAIL]) == 0
    assert "made it an admin of stage" in capsys.readouterr().out
    user = log_in(api).json["user"]
    assert (user["roles"], user["email_verified"]) == (["admin", "user"], True)
    [entry] = audit.list_entries(f"account#{user['id']}")
    assert (entry.action, entry.details) == ("account.role_added", {"role": "admin"})
    assert entry.actor.startswith("command:")


def test_the_result_can_be_json(api, typed, capsys):
    typed(f"{PASSWORD}\n")
    results = []
    for options in ([], ["--remove-second-factor"]):
        assert main([EMAIL, "--json", *options]) == 0
        results.append(json.loads(capsys.readouterr().out))
    user_id, stage = log_in(api).json["user"]["id"], settings.current().stage
    made = {"stage": stage, "email": EMAIL, "user_id": user_id}
    assert results == [made | {"created": True, "second_factor_removed": False}, made | {"created": False, "second_factor_removed": True}]
    typed("\n")
    capsys.readouterr()
    assert main(["bob@example.com", "--json"]) == 1
    assert "a password must have" in json.loads(capsys.readouterr().out)["error"]


def test_an_existing_account_keeps_its_password_and_logs_in_again(api, typed, mailbox):  # noqa: F811
    before = sign_up(api)
    assert api.post("/auth/email/verify", json={"token": mailbox.token("verify_email"), "password": PASSWORD}).status == 200
    typed("")
    assert main([EMAIL.upper()]) == 0
    assert refresh(api, before["refresh_token"]).status == 401
    after = log_in(api).json["user"]
    assert (after["id"], after["roles"]) == (before["user"]["id"], ["admin", "user"])
    assert main([EMAIL]) == 0  # repeated, it changes nothing
    assert len(audit.list_entries(f"account#{after['id']}")) == 1


def test_an_account_whose_address_is_not_verified_does_not_become_an_admin(api, capsys):
    """Whoever registered the address chose the password, and may be somebody else."""
    sign_up(api)
    assert main([EMAIL]) == 1
    assert "is not verified" in capsys.readouterr().err
    assert log_in(api).json["user"]["roles"] == ["user"]


@pytest.mark.parametrize(
    ("email", "password", "code", "why"),
    [("ada", PASSWORD, 2, "not an email address"), (EMAIL, "short", 1, "12 to 128"), (EMAIL, "password1234", 1, "easy to guess")],
)
def test_what_cannot_be_is_refused(api, typed, capsys, email, password, code, why):
    typed(f"{password}\n")
    assert main([email]) == code
    assert why in capsys.readouterr().err
    assert log_in(api, EMAIL, password).status == 401


@pytest.mark.usefixtures("deployed")
def test_missing_aws_credentials_are_reported(typed, capsys, monkeypatch):
    monkeypatch.setattr(dynamo, "client", lambda: (_ for _ in ()).throw(NoCredentialsError()))
    typed(f"{PASSWORD}\n")
    assert main([EMAIL]) == 1
    assert "Unable to locate credentials. Log in to AWS" in capsys.readouterr().err


@pytest.mark.usefixtures("deployed")
def test_without_a_store_it_says_so(typed, capsys, monkeypatch):
    monkeypatch.setattr(dynamo, "client", lambda: (_ for _ in ()).throw(dynamo.StoreUnavailable("away")))
    typed(f"{PASSWORD}\n")
    assert main([EMAIL]) == 1
    assert "the store failed: away. Check the stage and the region" in capsys.readouterr().err


def test_an_admin_who_has_lost_the_authenticator_app_gets_back_in(api, typed, time):
    typed(f"{PASSWORD}\n")
    assert main([EMAIL]) == 0
    set_up(api, log_in(api).json["access_token"], time.now)
    assert main([EMAIL]) == 0
    assert log_in(api).json["error"] == "second_factor_required", "only on request"
    assert main([EMAIL, "--remove-second-factor"]) == 0
    user = log_in(api).json["user"]
    assert (user["roles"], user["second_factor"]) == (["admin", "user"], False)
    assert {entry.action for entry in audit.list_entries(f"account#{user['id']}")} >= {
        "account.second_factor_set",
        "account.rights_changed",
    }
