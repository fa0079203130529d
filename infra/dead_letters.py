"""`fairgate replay [FUNCTION ...] [--replay] [--discard]`: show or replay the events that a stage's functions gave up on.

Without an option it lists the letters, says whether each can be replayed, and changes nothing. It works on the stage that the environment
names; see docs/runbook.md#dead-letters. Exit code 0: no letters are left; 1: some are left; 2: the command failed.
"""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, redirect_stdout
from enum import Enum
from typing import Any

import boto3.session
import msgspec
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from bootstrap import aws_stage
from bootstrap.output import Output, add_json_option
from chalicelib.foundation import settings
from infra import cli
from infra.deploy.account import explain
from infra.event_sources import lambda_record
from infra.template.functions import FUNCTIONS, SCHEDULED, dead_letters_id, functions_of
from infra.template.queues import dead_letters_name

WAIT_SECONDS = 2  # with a wait, SQS asks all its servers and misses no letter
HIDDEN_SECONDS = 3600  # how long a letter is hidden from others while it is handled
AT_ONCE = 10  # the most that SQS accepts


class Kind(Enum):
    """What a letter holds; the value is the field of the body that shows it."""

    CHANGES = "DDBStreamBatchInfo"
    EVENT = "requestPayload"
    REPORT = "TopicArn"
    UNKNOWN = ""


class Letter(Struct, frozen=True):
    """One message. `text` is the message as AWS sent it, `body` is the parsed message."""

    id: str
    receipt: str
    text: str
    body: dict[str, Any]

    @property
    def kind(self) -> Kind:
        return next((kind for kind in Kind if kind.value in self.body), Kind.UNKNOWN)

    @property
    def given_up_at(self) -> str:
        """The time at which the function gave up, in AWS's format; "" if the letter does not say."""
        return str(self.body.get("timestamp") or self.body.get("Timestamp") or "")

    @property
    def reason(self) -> str:
        """The reason in AWS's words, without the function's own message, which may name people."""
        failed = self.body.get("responsePayload")
        error = failed.get("errorType", "") if isinstance(failed, dict) else ""
        return ", ".join(filter(None, (str(self.body.get("requestContext", {}).get("condition", "")), error)))


class DeadLetters:
    """The queue of one function of a stage, or of the mail reports; `name` has hyphens, like the queue's name."""

    def __init__(self, client: Any, stage: str, name: str) -> None:
        self._client = client
        self._url = client.get_queue_url(QueueName=dead_letters_name(stage, name))["QueueUrl"]

    def take(self, limit: int) -> list[Letter]:
        """Return up to `limit` letters, oldest first. They are hidden from others for an hour or until they are put back."""
        taken: dict[str, Letter] = {}
        while len(taken) < limit:
            messages = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=WAIT_SECONDS, VisibilityTimeout=HIDDEN_SECONDS
            ).get("Messages", [])
            if not messages:
                break
            taken |= {letter.id: letter for letter in map(_read, messages)}
        return sorted(taken.values(), key=lambda letter: letter.given_up_at)

    def delete(self, letters: list[Letter]) -> None:
        for entries in _entries(letters):
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def put_back(self, letters: list[Letter]) -> None:
        """Make letters visible to others at once."""
        for entries in _entries(letters):
            shown = [{**entry, "VisibilityTimeout": 0} for entry in entries]
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=shown)


def _read(message: dict[str, Any]) -> Letter:
    try:
        body = json.loads(message["Body"])
    except ValueError:
        body = None
    return Letter(message["MessageId"], message["ReceiptHandle"], message["Body"], body if isinstance(body, dict) else {})


def _entries(letters: list[Letter]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(letters), AT_ONCE):
        yield [{"Id": letter.id, "ReceiptHandle": letter.receipt} for letter in letters[start : start + AT_ONCE]]


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


MAIL_REPORTS = "mail-reports"
QUEUES = (*(name.replace("_", "-") for name in FUNCTIONS if dead_letters_id(name) is not None), MAIL_REPORTS)
# Consumer of changes -> what is missing if changes can no longer be replayed, and what to do; docs/runbook.md shows these texts.
LOST_CHANGES = {
    "follow_changes": "mails and webhooks about the changes are lost, and tickets have no seat numbers",
    "project_reports": "the figures are incomplete: [rebuild them](changes.md#reports)",
    "send_webhooks": "nothing: the next run of `retry_webhooks` sends what is due",
    "update_passes": "nothing: the next run makes the updates that are due",
}


class HandledLetter(Struct, frozen=True):
    """What happened to a letter, or what a replay would do. `is_done`: the letter was replayed or discarded."""

    given_up_at: str
    reason: str
    what: str
    is_done: bool


class HandledQueue(Struct, frozen=True):
    queue: str
    letters: list[HandledLetter]


LIMIT = 1000  # letters per queue in one run
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def main(argv: Sequence[str] | None = None, client_of: ClientOf | None = None) -> int:
    """Show, replay or discard letters; returns the exit code. `client_of` replaces the clients of the environment's region."""
    try:
        chosen = parser().parse_args(argv)
        if unknown := [name for name in chosen.functions if name not in QUEUES]:
            parser().error(f"{unknown[0]} has no queue; the queues are {', '.join(QUEUES)}")
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    output = Output("replay", chosen.json)
    try:
        aws_stage.require(os.environ)
        current, found = settings.current(), list[HandledQueue]()
        create_client = client_of or boto3.session.Session(region_name=current.region).client
        with redirect_stdout(sys.stderr) if chosen.json else nullcontext():
            for name in chosen.functions or _queues_of(current.stage):
                found += _handle(create_client, current.stage, name, replays=chosen.replay, discards=chosen.discard)
    except settings.SettingsError as error:
        return output.print_failure(str(error), 2)
    except (BotoCoreError, ClientError) as error:
        stay = "Letters that were not replayed stay in their queues and become visible again within an hour."
        return output.print_failure(f"{explain(error)} {stay}", 2)
    left = sum(not letter.is_done for queue in found for letter in queue.letters)
    details = {"stage": current.stage, "left": left, "queues": found}
    output.print_result(details, [f"Letters left: {left}." if left else "No letters are left."])
    return 1 if left else 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="fairgate replay", description="Show or replay the events that functions failed to process; see docs/runbook.md#dead-letters."
    )
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"only the dead letters of these functions: {', '.join(QUEUES)}")
    parser.add_argument("--replay", action="store_true", help="replay all letters that can be replayed, and delete them")
    parser.add_argument("--discard", action="store_true", help="delete the letters whose changes are too old to replay")
    add_json_option(parser)
    return parser


def _queues_of(stage: str) -> list[str]:
    """Return the queues that the stage may have."""
    present = functions_of(stage)
    return [name for name in QUEUES if name == MAIL_REPORTS or name.replace("-", "_") in present]


def _handle(client_of: ClientOf, stage: str, name: str, *, replays: bool, discards: bool) -> Iterator[HandledQueue]:
    """Handle the letters of one queue, and yield the queue, unless the stage does not have it."""
    try:
        queue = DeadLetters(client_of("sqs"), stage, name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NO_QUEUE:
            raise
        if name != MAIL_REPORTS:  # exists only in stages that send with SES
            print(f"{name}: stage {stage} has no such queue in this region")
        return
    letters, done, handled = queue.take(LIMIT), list[Letter](), list[HandledLetter]()
    print(f"{name}: {len(letters)} letters", flush=True)
    replay = Replay(client_of, is_schedule=name.replace("-", "_") in SCHEDULED)
    try:
        for letter in letters:
            # One run of a scheduled function does all pending work.
            is_done, what = (
                (True, "done with the first letter")
                if replay.is_schedule and done
                else _handle_letter(replay, letter, replays=replays, discards=discards)
            )
            handled.append(HandledLetter(letter.given_up_at, letter.reason, what, is_done))
            if is_done:
                done.append(letter)
    finally:
        queue.delete(done)
        queue.put_back([letter for letter in letters if letter not in done])
    yield HandledQueue(name, handled)


def _handle_letter(replay: Replay, letter: Letter, *, replays: bool, discards: bool) -> tuple[bool, str]:
    """Print what happens to a letter, and do it. Returns whether the letter can be deleted, and what happens."""
    print(f"  {letter.given_up_at} ({letter.reason or 'no reason given'}):", end=" ", flush=True)
    what = ""
    try:
        what = replay.describe(letter)
        print(what, end="", flush=True)
        if replays:
            replay.run(letter)
    except TooOld as error:
        print(f"{error}{'; deleted' if discards else ''}", flush=True)
        return discards, str(error)
    except NotReplayed as error:
        print(f" stays: {error}", flush=True)
        return False, str(error)
    print(": done" if replays else "", flush=True)
    return replays, what


if __name__ == "__main__":
    sys.exit(cli.main(["replay", *sys.argv[1:]]))
