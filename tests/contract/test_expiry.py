"""Time to live: the setting, and what becomes of items that are over. DynamoDB deletes them within days, so nothing waits for it here."""

import time

from tests.contract.calls import INVALID, N, done


def test_the_setting(db, agrees):
    """A service may take an hour to enable it."""
    found = [db.client.describe_time_to_live(TableName=table)["TimeToLiveDescription"] for table in (db.things, db.lines)]
    status = found[0].get("TimeToLiveStatus", "").replace("ENABLING", "ENABLED")
    agrees((status, found[0].get("AttributeName"), found[1]), ("ENABLED", "ttl", {"TimeToLiveStatus": "DISABLED"}))


def test_it_is_enabled_once(db, agrees):
    again = {"Enabled": True, "AttributeName": "ttl"}
    agrees(done(lambda: db.client.update_time_to_live(TableName=db.things, TimeToLiveSpecification=again)), INVALID)


def test_it_has_one_attribute(db, agrees):
    def change(attribute: str):
        wanted = {"Enabled": True, "AttributeName": attribute}
        return done(lambda: db.client.update_time_to_live(TableName=db.things, TimeToLiveSpecification=wanted))

    answer = change("other")
    change("ttl")  # for the other tests, where the change was made
    agrees(answer, INVALID)


def test_what_is_over_is_there_until_it_is_deleted(db, agrees):
    """So nothing may rely on its being gone: conditions compare the time themselves."""
    db.put({"ttl": int(time.time()) - 1})
    agrees("ttl" in (db.get() or {}), True)


def test_what_is_deleted_and_what_the_stream_says(db, agrees, expire):
    now = int(time.time())
    over, later, text, fraction, old = db.others(5)
    kept = {later: now + 1000, text: "1", old: now - 6 * 365 * 24 * 3600}
    for key, ttl in {over: now - 10, fraction: N(f"{now - 10}.5"), **kept}.items():
        db.put({"ttl": ttl}, key=key)
    expire()
    left = [name for name, key in zip(("over", "later", "text", "old"), (over, later, text, old), strict=True) if db.get(key) is not None]
    removed = [one for one in db.changes(6) if one["eventName"] == "REMOVE" and one["dynamodb"]["Keys"]["id"]["S"] == over]
    identities = [one.get("userIdentity") for one in removed]
    agrees((left, identities), (["later", "text", "old"], [{"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}]))


def test_an_item_that_an_update_keeps(db, agrees, expire):
    """As an order does when it is paid: without the attribute it is kept for ever."""
    db.put({"ttl": int(time.time()) - 10, "n": 1})
    db.update("REMOVE #ttl", names={"#ttl": "ttl"})
    expire()
    agrees(db.get(), {"n": 1})
