"""A promoter's activity: the changes to the account, the profile and the API keys, and who may see them."""

import csv
import io

import pytest

from tests import builders
from tests.accounts.conftest import PASSWORD, mailbox  # noqa: F401
from tests.catalog.test_quotas import verify
from tests.promoters.test_suspension import change, sign_up_promoter


@pytest.fixture
def promoter(api, time):
    """A promoter who has created a key, and whom an admin has verified, locked and unlocked."""
    promoter_id, by = sign_up_promoter(api)
    builders.verify_address("pat@example.com")
    time.advance(60)
    key = {"name": "Till", "role": "cashier", "password": PASSWORD}
    assert api.post(f"/promoters/{promoter_id}/api-keys", json=key, **by).status == 201
    time.advance(60)
    verify(api, promoter_id)
    time.advance(60)
    assert change(api, promoter_id, locked=True).status == 200
    time.advance(60)
    assert change(api, promoter_id, locked=False, reason="The complaint was wrong").status == 200
    return promoter_id, by


def activity_of(api, promoter_id, **by):
    reply = api.get(f"/promoters/{promoter_id}/audit", **by)
    assert reply.status == 200, reply.json
    return reply.json["entries"]


def test_a_promoter_sees_the_own_changes_and_those_of_admins(api, promoter):
    promoter_id, by = promoter
    entries = activity_of(api, promoter_id, **by)
    actions = ["account.rights_changed", "account.rights_changed", "promoter.changed", "api_key.created"]
    assert [entry["action"] for entry in entries][:4] == actions
    assert [entry["actor"] == promoter_id for entry in entries][:4] == [False, False, False, True]
    assert {entry["subject"] for entry in entries} == {f"account#{promoter_id}", f"promoter#{promoter_id}"}


def test_only_admins_see_addresses_and_reasons(api, promoter):
    promoter_id, by = promoter
    [newest, *_] = activity_of(api, promoter_id, **by)
    assert (newest["address"], newest["details"]) == (None, {})
    [newest, *_] = activity_of(api, promoter_id, token=builders.admin_token())
    assert (newest["address"], newest["details"]) == ("127.0.0.1", {"reason": "The complaint was wrong"})


def test_the_pages_of_both_lists_are_one(api, promoter):
    promoter_id, by = promoter
    everything, found, cursor = activity_of(api, promoter_id, **by), [], None
    while not found or cursor:
        reply = api.get(f"/promoters/{promoter_id}/audit", query={"limit": "1"} | ({"cursor": cursor} if cursor else {}), **by)
        found += reply.json["entries"]
        cursor = reply.json["next_cursor"]
    assert found == everything
    rows = list(csv.DictReader(io.StringIO(api.get(f"/promoters/{promoter_id}/audit", query={"format": "csv"}, **by).body.decode())))
    assert [row["action"] for row in rows] == [entry["action"] for entry in everything]


def test_another_promoter_is_refused(api, promoter):
    promoter_id, _ = promoter
    _, other = sign_up_promoter(api, "olga@example.com")
    reply = api.get(f"/promoters/{promoter_id}/audit", **other)
    assert (reply.status, reply.json["message"]) == (403, "You can only see your own activity.")
