"""Table `sweep`: one item with what a run hands on to the next one."""

from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute

from chalicelib.dynamodb import dynamo

_ID = "cursor"


class SweepState(Struct, frozen=True):
    """`shard_id`: where the next run goes on reading the shards of all events; None: at the start. `low_tiers`: reported as low."""

    shard_id: str | None = None
    low_tiers: frozenset[str] = frozenset()


class SweepRow(dynamo.Table):
    feature = "sweep"
    contents = "How far the sweep has read the shards of all events."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    shard_id = UnicodeAttribute(null=True)
    low_tiers = UnicodeSetAttribute(null=True)


def load() -> SweepState:
    row = SweepRow.find(_ID)
    return SweepState(row.shard_id, frozenset(row.low_tiers or ())) if row is not None else SweepState()


def save(state: SweepState) -> None:
    """Hand this on. Two runs at once may save in any order: shards are then read twice, or a tier is reported twice."""
    SweepRow(_ID, shard_id=state.shard_id, low_tiers=set(state.low_tiers) or None).save()
