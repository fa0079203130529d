"""The mail server of a local run. It delivers no mail, but writes each one to a file and prints a line with its link."""

import re
import socket
from collections.abc import Callable
from email import message_from_bytes, policy
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
_LINK = re.compile(r"https?://\S+")


class MailReceiver:
    """Receives mails on a free port of 127.0.0.1 within a `with` block. `report` gets a line for each mail."""

    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        folder.mkdir(exist_ok=True)
        self._controller = _SocketController(_MailHandler(folder, report))
        self.url = f"smtp://{HOST}:{self._controller.port}"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._controller.stop()


class _SocketController(Controller):
    """aiosmtpd's controller on a free port. The original would connect to port 0."""

    def __init__(self, handler: "_MailHandler") -> None:
        self._socket = socket.create_server((HOST, 0))
        super().__init__(handler, hostname=HOST, port=self._socket.getsockname()[1])

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._socket)


class _MailHandler:
    def __init__(self, folder: Path, report: Callable[[str], None]) -> None:
        self._folder, self._report = folder, report
        taken = [int(file.stem) for file in folder.glob("*.eml") if file.stem.isdecimal()]
        self._numbers = count(max(taken, default=0) + 1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002
        raw = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        file = self._folder / f"{next(self._numbers):05d}.eml"
        file.write_bytes(raw)
        mail = message_from_bytes(raw, policy=policy.default)
        text = mail.get_body(("plain",))
        link = _LINK.search(text.get_content()) if text is not None else None
        self._report(f"Mail to {mail['To']}: {mail['Subject']}  {link.group() if link else ''}  ({file})")
        return "250 Message accepted"
