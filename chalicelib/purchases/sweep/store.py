"""Table `sweep`: one item with the shard at which the next run goes on reading the shards of all events."""

from pynamodb.attributes import UnicodeAttribute

from chalicelib import dynamo

_ID = "cursor"


class SweepRow(dynamo.Table):
    feature = "sweep"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    shard_id = UnicodeAttribute()


def load_cursor() -> str | None:
    """The shard behind which to go on; None at the start."""
    row = SweepRow.find(_ID)
    return row.shard_id if row is not None else None


def save_cursor(shard_id: str | None) -> None:
    """Go on behind this shard from now on; None: from the start. Two runs at once may save in any order: shards are then read twice."""
    if shard_id is None:
        SweepRow(_ID).delete()
    else:
        SweepRow(_ID, shard_id=shard_id).save()
