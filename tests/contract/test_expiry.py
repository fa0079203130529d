"""Time to live: the setting, and what happens to expired items. DynamoDB deletes them within days, so no test waits for that."""

import time

from tests.contract.outcomes import INVALID, completion
from tests.contract.wire_values import N


def test_the_setting(db, assert_matches):
    """A service may take an hour to enable it."""
    descriptions = [db.client.describe_time_to_live(TableName=table)["TimeToLiveDescription"] for table in (db.things, db.lines)]
    status = descriptions[0].get("TimeToLiveStatus", "").replace("ENABLING", "ENABLED")
    assert_matches((status, descriptions[0].get("AttributeName"), descriptions[1]), ("ENABLED", "ttl", {"TimeToLiveStatus": "DISABLED"}))


def test_time_to_live_is_enabled_once(db, assert_matches):
    again = {"Enabled": True, "AttributeName": "ttl"}
    assert_matches(completion(lambda: db.client.update_time_to_live(TableName=db.things, TimeToLiveSpecification=again)), INVALID)


def test_the_attribute_cannot_be_changed(db, assert_matches):
    def change(attribute: str):
        wanted = {"Enabled": True, "AttributeName": attribute}
        return completion(lambda: db.client.update_time_to_live(TableName=db.things, TimeToLiveSpecification=wanted))

    result = change("other")
    change("ttl")  # for the other tests, where the change was made
    assert_matches(result, INVALID)


def test_expired_items_exist_until_they_are_deleted(db, assert_matches):
    """So no code may rely on the deletion: conditions compare the time themselves."""
    db.put({"ttl": int(time.time()) - 1})
    assert_matches("ttl" in (db.get() or {}), True)


def test_deleted_items_and_their_change_records(db, assert_matches, delete_expired):
    now = int(time.time())
    expired, later, text, fraction, old = db.more_keys(5)
    kept = {later: now + 1000, text: "1", old: now - 6 * 365 * 24 * 3600}
    for key, ttl in {expired: now - 10, fraction: N(f"{now - 10}.5"), **kept}.items():
        db.put({"ttl": ttl}, key=key)
    delete_expired()
    remaining = [
        name for name, key in zip(("expired", "later", "text", "old"), (expired, later, text, old), strict=True) if db.get(key) is not None
    ]
    removed = [
        record for record in db.change_records(6) if record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"]["id"]["S"] == expired
    ]
    identities = [record.get("userIdentity") for record in removed]
    assert_matches((remaining, identities), (["later", "text", "old"], [{"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}]))


def test_an_item_without_the_attribute_is_kept(db, assert_matches, delete_expired):
    """As for a paid order: without the attribute, the item is kept for ever."""
    db.put({"ttl": int(time.time()) - 10, "n": 1})
    db.update("REMOVE #ttl", names={"#ttl": "ttl"})
    delete_expired()
    assert_matches(db.get(), {"n": 1})
