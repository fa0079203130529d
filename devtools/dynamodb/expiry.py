"""Time to live: deletes items that are expired, with change records, as DynamoDB does."""

from typing import Any

from devtools.dynamodb.change_recorder import ChangeRecorder
from devtools.dynamodb.ministack import MiniStack

# "items with an expiration time more than five years in the past are not deleted"
_OLDEST_EXPIRY_SECONDS = 5 * 365 * 24 * 60 * 60


def delete_expired_items(ministack: MiniStack, recorder: ChangeRecorder, limit: int) -> int:
    """Delete up to `limit` items whose time to live is over; returns their number."""
    expired = _expired_items(ministack, limit)
    recorder.deleting_expired = True
    try:
        for name, table, partition_key, sort_key in expired:
            old_item = ministack.dynamodb._remove_item(table, partition_key, sort_key)
            ministack.dynamodb._emit_stream_event(name, "REMOVE", old_item, None)
    finally:
        recorder.deleting_expired = False
    return len(expired)


def _expired_items(ministack: MiniStack, limit: int) -> list[tuple[str, Any, str, str]]:
    """Name, table, partition key and sort key of each."""
    now, expired = ministack.clock(), []
    for name, setting in ministack.dynamodb._ttl_settings.items():
        table = ministack.dynamodb._tables.get(name)
        if setting["TimeToLiveStatus"] != "ENABLED" or table is None:
            continue
        for partition_key, rows in table["items"].items():
            for sort_key, item in rows.items():
                expires_at = item.get(setting["AttributeName"], {}).get("N")
                if expires_at is not None and now - _OLDEST_EXPIRY_SECONDS < float(expires_at) < now:
                    expired.append((name, table, partition_key, sort_key))
                    if len(expired) == limit:
                        return expired
    return expired
