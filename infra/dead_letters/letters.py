"""The queues of dead letters: the events and changes that a function gave up, as AWS records them."""

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

from msgspec import Struct

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
    """One message. `text` is the message as AWS sent it, `body` the same parsed."""

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
