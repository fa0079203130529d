"""Replay letters: pass the changes or the event to the function again, or the report to the API."""

from collections.abc import Callable
from typing import Any

import msgspec
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from infra.dead_letters.letters import Kind, Letter
from infra.event_sources import lambda_record

GONE = ("TrimmedDataAccessException", "ResourceNotFoundException")
# Lambda accepts events of 6 MB, and a record holds at most two items of 400 KB. The functions process all records of one call.
RECORDS_AT_ONCE = 5
FUNCTION_SECONDS = 900
REPORT_SECONDS = 30


# Creates the client of an AWS service from the service's name.
ClientOf = Callable[..., Any]


class NotReplayed(Exception):
    """The letter stays in its queue; the message names the reason and the remedy."""


class TooOld(NotReplayed):
    """DynamoDB no longer has the changes of a letter."""

    def __init__(self) -> None:
        super().__init__("its changes are older than 24 hours, and DynamoDB has deleted them")


class Replay(Struct, frozen=True):
    """Replays the letters of one queue. With `is_schedule`, one run of the function does all pending work."""

    client_of: ClientOf
    is_schedule: bool

    def describe(self, letter: Letter) -> str:
        """Describe what replaying the letter does, without changing anything. Raises NotReplayed if it cannot be replayed."""
        match letter.kind:
            case Kind.CHANGES:
                stream = letter.body[Kind.CHANGES.value]["streamArn"]
                return f"{len(self._read_records(letter))} changes of {_table(stream)} are passed to the function again"
            case Kind.EVENT:
                return "the function runs once for all letters" if self.is_schedule else "the event is passed to the function again"
            case Kind.REPORT:
                return f"a report about a mail is sent to {self._report_address(letter)} again"
            case Kind.UNKNOWN:
                raise NotReplayed("AWS did not write this letter; look at it in SQS")

    def run(self, letter: Letter) -> None:
        """Replay a letter that `describe` accepts; repeating it is safe. Raises NotReplayed unless all of it succeeded."""
        match letter.kind:
            case Kind.CHANGES:
                self._pass_on(letter)
            case Kind.EVENT:
                self._call(letter, letter.body[Kind.EVENT.value])
            case Kind.REPORT:
                self._post_report(letter)

    def _pass_on(self, letter: Letter) -> None:
        records = self._read_records(letter)
        for start in range(0, len(records), RECORDS_AT_ONCE):
            reply = self._call(letter, {"Records": records[start : start + RECORDS_AT_ONCE]})
            if failed := reply.get("batchItemFailures"):
                raise NotReplayed(f"the change {failed[0]['itemIdentifier']} failed again; see the log of the function")

    def _read_records(self, letter: Letter) -> list[dict[str, Any]]:
        batch, client = letter.body[Kind.CHANGES.value], self.client_of("dynamodbstreams")
        last, found = int(batch["endSequenceNumber"]), list[dict[str, Any]]()
        try:
            iterator = client.get_shard_iterator(
                StreamArn=batch["streamArn"],
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch["startSequenceNumber"],
            )["ShardIterator"]
            while iterator and len(found) < batch["batchSize"]:
                page = client.get_records(ShardIterator=iterator)
                records = [record for record in page["Records"] if int(record["dynamodb"]["SequenceNumber"]) <= last]
                found += records
                iterator = page.get("NextShardIterator") if len(records) == len(page["Records"]) else None
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                raise TooOld from None
            raise
        return [lambda_record(record, batch["streamArn"]) for record in found]

    def _call(self, letter: Letter, event: Any) -> dict[str, Any]:
        client = self.client_of("lambda", config=Config(read_timeout=FUNCTION_SECONDS))
        reply = client.invoke(FunctionName=letter.body["requestContext"]["functionArn"], Payload=msgspec.json.encode(event))
        answer = msgspec.json.decode(reply["Payload"].read() or b"null")
        if reply.get("FunctionError"):
            kind = answer.get("errorType", "") if isinstance(answer, dict) else ""
            raise NotReplayed(f"the function failed again ({kind or reply['FunctionError']}); see its log")
        return answer if isinstance(answer, dict) else {}

    def _report_address(self, letter: Letter) -> str:
        topic = str(letter.body.get("TopicArn", ""))
        found = self.client_of("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        addresses = [subscription["Endpoint"] for subscription in found if subscription["Protocol"] == "https"]
        if not addresses:
            raise NotReplayed(f"the topic {topic} has no subscription; is the stack deployed?")
        return str(addresses[0])

    def _post_report(self, letter: Letter) -> None:
        headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
        try:
            reply = urllib3.request(
                "POST", self._report_address(letter), body=letter.text.encode(), headers=headers, timeout=REPORT_SECONDS, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise NotReplayed(f"the API does not respond ({type(error).__name__})") from None
        if reply.status >= 300:
            raise NotReplayed(f"the API refused the report with status {reply.status}; see its log")


def _table(stream: str) -> str:
    """`...:table/NAME/stream/...` -> NAME"""
    return stream.partition(":table/")[2].partition("/")[0]
