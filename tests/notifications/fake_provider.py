"""A provider of mail that keeps what it takes, and fails as a test wants."""

import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from typing import Any

from chalicelib.notifications.model import EncodedMail


class FakeProvider:
    """`fault` returns the error of the call with this number, from 1 on; None if it succeeds."""

    def __init__(self, fault: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.fault, self.calls = fault, 0
        self.mails: list[EncodedMail] = []
        self._lock = threading.Lock()

    def send(self, mail: EncodedMail) -> str:
        with self._lock:
            self.calls += 1
            error = self.fault(self.calls)
            if error is not None:
                raise error
            self.mails.append(mail)
            return f"provider-{len(self.mails)}"

    @property
    def ids(self) -> list[str | None]:
        return [mail.notification_id for mail in self.mails]

    def parsed(self) -> list[EmailMessage]:
        """The mails, as a mail program reads them."""
        return [_parse(mail.raw) for mail in self.mails]


@cache
def _parse(raw: bytes) -> EmailMessage:
    """Parse a mail once, because a test looks at all mails each time it sends some."""
    message: Any = message_from_bytes(raw, policy=policy.default)
    return message
