"""Who makes a tour of the API: sends requests as different people, and takes no answer that is an error."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any
from unittest import mock
from zlib import crc32

from msgspec import UNSET

from chalicelib.foundation import clock
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import MailMessage
from tests import builders
from tests.client import Client, ClientReply

_numbers = itertools.count()


class Traveller:
    """`name` is theirs alone, and an id of a user; `admin` is the token of an admin; the events of the tour begin at `starts_at`."""

    def __init__(self, api: Client) -> None:
        self.api = api
        self.name = f"tour-{next(_numbers)}"
        self.admin = builders.admin_token()
        self.starts_at = clock.now() + 30 * 86_400

    def get(self, path: str, **caller: Any) -> ClientReply:
        return self._call("GET", path, **caller)

    def post(self, path: str, body: Any = None, *, key: str = "", **caller: Any) -> ClientReply:
        headers = {"Idempotency-Key": f"{key}-{self.name}"} if key else {}
        return self._call("POST", path, json=UNSET if body is None else body, headers=headers, **caller)

    def put(self, path: str, body: Any, **caller: Any) -> ClientReply:
        return self._call("PUT", path, json=body, **caller)

    def patch(self, path: str, body: Any, **caller: Any) -> ClientReply:
        return self._call("PATCH", path, json=body, **caller)

    def delete(self, path: str, **caller: Any) -> ClientReply:
        return self._call("DELETE", path, **caller)

    def _call(self, method: str, path: str, **options: Any) -> ClientReply:
        caller = options.get("user") or self.name
        reply = self.api.request(method, path, source_ip=str(IPv4Address(crc32(caller.encode()))), **options)
        assert reply.status < 400, f"{method} {path}: {reply.status} {reply.json}"
        return reply


@contextmanager
def caught_mails() -> Iterator[list[MailMessage]]:
    """The mails that are sent in the block, none of which goes anywhere."""
    sent: list[MailMessage] = []
    with mock.patch.object(notifications, "send", lambda draft: sent.append(draft.compose())):
        yield sent


def mailed_token(mails: list[MailMessage]) -> str:
    """The token of the link in the last mail."""
    found = re.search(r"#token=(\S+)", mails[-1].text)
    assert found is not None, mails[-1].text
    return found[1]
