"""Requests of people with accounts, and the mails that they get."""

import re
from typing import Any

import pytest

from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import MailMessage
from tests import builders
from tests.client import Client, ClientReply

PASSWORD = "seven grey owls"
OTHER_PASSWORD = "nine green herons"
EMAIL = "ada@example.com"


class Mailbox:
    """The mails that were sent, in order."""

    def __init__(self) -> None:
        self.mails: list[MailMessage] = []

    def kinds(self, to: str = EMAIL) -> list[str]:
        return [mail.kind for mail in self.mails if mail.to.lower() == to.lower()]

    def token(self, kind: str) -> str:
        """The token of the link in the last mail of this kind."""
        mail = next(mail for mail in reversed(self.mails) if mail.kind == kind)
        found = re.search(r"#token=(\S+)", mail.text)
        assert found is not None, mail.text
        return found.group(1)


@pytest.fixture(autouse=True)
def mailbox(monkeypatch) -> Mailbox:
    box = Mailbox()
    monkeypatch.setattr(notifications, "send", lambda draft, **_: bool(box.mails.append(draft.compose())) or True)
    return box


def register(api: Client, email: str = EMAIL, password: str = PASSWORD, token: str | None = None, **fields: Any) -> ClientReply:
    return api.post("/auth/register", json={"email": email, "password": password} | fields, token=token)


def log_in(api: Client, email: str = EMAIL, password: str = PASSWORD, **options: Any) -> ClientReply:
    return api.post("/auth/login", json={"email": email, "password": password}, **options)


def sign_up(api: Client, email: str = EMAIL, **fields: Any) -> Any:
    """Register and sign in. Returns the tokens."""
    assert register(api, email, **fields).status == 201
    reply = log_in(api, email)
    assert reply.status == 200, reply.json
    return reply.json


def refresh(api: Client, refresh_token: str) -> ClientReply:
    return api.post("/auth/refresh", json={"refresh_token": refresh_token})


def choose_new_password(api: Client, mailbox: Mailbox) -> ClientReply:
    api.post("/auth/password/forgot", json={"email": EMAIL})
    return api.post("/auth/password/reset", json={"token": mailbox.token("reset_password"), "password": OTHER_PASSWORD})


def change_address(api: Client, mailbox: Mailbox) -> ClientReply:
    change = {"email": "ada@new.example.com", "password": PASSWORD}
    assert api.post("/auth/email", json=change, token=log_in(api).json["access_token"]).status == 200
    return api.post("/auth/email/verify", json={"token": mailbox.token("change_email"), "password": PASSWORD})


def lose_role(api: Client, mailbox: Mailbox) -> ClientReply:
    return api.patch("/admin/users/ada", json={"roles": ["user"]}, token=builders.admin_token())


ENDS_OF_SESSIONS = [choose_new_password, change_address, lose_role]
