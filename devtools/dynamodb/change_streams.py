"""DynamoDB Streams: the numbering of records, reading and trimming them, and the positions of consumers.

Replaced in MiniStack are `_next_stream_seq` and `_stream_label`, because sequence numbers and labels must never go back, not even
when the clock does; and `_trim_stream_records`, because a consumer of the local runtime that did not run for a day still gets its
records.
"""

from bisect import bisect_right
from datetime import UTC, datetime
from typing import Any

from devtools.dynamodb.change_recorder import ChangeRecorder
from devtools.dynamodb.changes import ConsumerPosition
from devtools.dynamodb.ministack import MiniStack

_FIRST_SEQUENCE = 10**20  # DynamoDB's sequence numbers have 21 digits or more

_DAY = 24 * 60 * 60
_RECORD_SECONDS = _DAY  # "stream records are removed after 24 hours"
_UNPROCESSED_RECORD_SECONDS = 7 * _DAY  # for records that a consumer of the local runtime has not processed yet


class ChangeStreams:
    """`positions`: consumer -> how far it has read. `counter`: the number of sequence numbers that were used."""

    def __init__(self, ministack: MiniStack, recorder: ChangeRecorder) -> None:
        self.positions: dict[str, ConsumerPosition] = {}
        self.counter = 0
        self._ministack, self._recorder = ministack, recorder
        self._last_label = 0
        dynamodb = ministack.dynamodb
        dynamodb._next_stream_seq, dynamodb._stream_label = self._next_sequence, self._next_label
        dynamodb._trim_stream_records = self._trim

    def arns(self) -> dict[str, str]:
        """Table -> ARN of its stream, for the tables whose stream is on."""
        return {
            name: table["LatestStreamArn"]
            for name, table in self._ministack.dynamodb._tables.items()
            if (table.get("StreamSpecification") or {}).get("StreamEnabled")
        }

    def records(self, stream: str, after: str, limit: int) -> list[dict[str, Any]] | None:
        """Records of a stream after a sequence number, in Lambda's shape; None when the stream is closed and read to its end."""
        dynamodb = self._ministack.dynamodb
        table = next((name for name, arn in self.arns().items() if arn == stream), None)
        if table is not None:
            live = dynamodb.stream_live_records(table)
            return list(live[_index_after(live, after) :][:limit])
        closed = dynamodb.closed_stream(stream)
        return (closed["records"][_index_after(closed["records"], after) :][:limit] if closed else None) or None

    def save_position(self, position: ConsumerPosition) -> None:
        self.positions[position.consumer] = position
        self._recorder.add(position)

    def restore_counter(self, record: dict[str, Any]) -> None:
        """Count on from this record, when it is later than all others."""
        self.counter = max(self.counter, int(record["dynamodb"]["SequenceNumber"]) - _FIRST_SEQUENCE)

    def _next_sequence(self) -> str:
        self.counter += 1
        return str(_FIRST_SEQUENCE + self.counter)

    def _next_label(self) -> str:
        """The present time, or a little later, so that it is later than every label before."""
        self._last_label = max(self._last_label + 1, int(self._ministack.clock() * 1000))
        return datetime.fromtimestamp(self._last_label / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]

    def _trim(self, table: str, **_: Any) -> None:
        dynamodb = self._ministack.dynamodb
        records = dynamodb._stream_records.get(table)
        if not records:
            return
        stream = records[0]["eventSourceARN"]
        processed = [position.sequence for position in self.positions.values() if position.stream == stream]
        now, trimmed = self._ministack.clock(), 0
        for record in records:
            change = record["dynamodb"]
            is_awaited = processed and change["SequenceNumber"] > min(processed)
            max_age = _UNPROCESSED_RECORD_SECONDS if is_awaited else _RECORD_SECONDS
            if now - change["ApproximateCreationDateTime"] <= max_age:
                break
            trimmed += 1
        if trimmed:
            del records[:trimmed]
            dynamodb._stream_trimmed[table] = dynamodb._stream_trimmed.get(table, 0) + trimmed


def _index_after(records: list[dict[str, Any]], sequence: str) -> int:
    return bisect_right(records, sequence, key=lambda record: str(record["dynamodb"]["SequenceNumber"]))
