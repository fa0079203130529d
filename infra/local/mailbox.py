"""The emails of a local run: a server that writes each email to a file, the pages /dev/mailbox that show the emails, and the link to them.

The server delivers no email, and prints a line with the link of each email.
"""

import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.local.gateway import GatewayResponse

HOST = "127.0.0.1"
_LINK = re.compile(r"https?://\S+")


class MailReceiver:
    """Receives emails on a free port of 127.0.0.1 within a `with` block. `report` gets a line for each email."""

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


PATH = "/dev/mailbox"
MAX_LISTED = 200
_TAG = f'<meta name="mailbox" content="{PATH}">'.encode()

_TARGET = re.compile(rf"{PATH}(?:/(\d{{1,9}})(?:/(html|files/(\d{{1,3}})))?)?/?")
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Links in an email open in another window, outside of the sandbox.
_LINKS = "allow-popups allow-popups-to-escape-sandbox"
_MAIL_POLICY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; sandbox {_LINKS}"
_FILE_POLICY = "default-src 'none'; sandbox"

_STYLE = """
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
body { color: #18181b; background: #fafafa }
h1 { font-size: 1.4rem; margin: .5rem 0 1rem }
a { color: #1d4ed8 }
ul { list-style: none; margin: 0; padding: 0 }
.mails li { border-top: 1px solid #d4d4d8 }
.mails a { display: block; padding: .75rem .25rem; color: inherit; text-decoration: none }
.mails a:hover, .mails a:focus-visible { background: #e4e4e7 }
.mails strong { display: block }
small { color: #52525b }
iframe { width: 100%; height: 70vh; border: 1px solid #d4d4d8; border-radius: .5rem; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0 0 1rem }
dt { color: #52525b }
dd { margin: 0 }
pre { white-space: pre-wrap; padding: 1rem; background: #fff; border: 1px solid #d4d4d8; border-radius: .5rem }
.files li { display: inline-block; margin: 0 1rem .5rem 0 }
"""


def with_link(page: GatewayResponse) -> GatewayResponse:
    """Return a page of the shop that tells its footer (web/src/parts/frame.tsx) the address of the mailbox. Other files are unchanged."""
    if not page.headers.get("Content-Type", "").startswith("text/html"):
        return page
    return GatewayResponse(page.status, page.headers, page.body.replace(b"</head>", _TAG + b"</head>", 1))


class Mailbox:
    """The emails in a folder; their file names are the receiver's numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def response(self, method: str, target: str) -> GatewayResponse | None:
        """Return a page, an email's HTML or one of its files; None for any other address."""
        found = _TARGET.fullmatch(target.partition("?")[0])
        if found is None or method not in ("GET", "HEAD"):
            return None
        number, part, file = found.groups()
        if number is None:
            return _page(200, "Mailbox", self._list(), refresh=True)
        mail = self._find(number)
        files = list(_files(mail)) if mail is not None else []
        if mail is None or (file is not None and int(file) >= len(files)):
            return _page(404, "Mail not found", f'<p>There is no mail at this address. <a href="{PATH}">All mails</a></p>')
        if part is None:
            return _page(200, str(mail["Subject"]), _show(number, mail, files))
        return _html_response(mail) if part == "html" else _file_response(files[int(file)])

    def _find(self, number: str) -> EmailMessage | None:
        file = self._folder / f"{int(number):05d}.eml"
        return _read(file) if file.is_file() else None

    def _list(self) -> str:
        files = sorted((file for file in self._folder.glob("*.eml") if file.stem.isdecimal()), key=lambda file: -int(file.stem))
        if not files:
            return "<p>No mails yet. Mails about orders come within half a minute.</p>"
        rows = "".join(_row(file) for file in files[:MAX_LISTED])
        more = f"<p><small>The newest {MAX_LISTED} of {len(files)}.</small></p>" if len(files) > MAX_LISTED else ""
        return f'<ul class="mails">{rows}</ul>{more}'


def _read(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=policy.default)


def _row(file: Path) -> str:
    mail = _read(file)
    details = escape(f"{mail['To']} · {mail['Date']}")
    return f'<li><a href="{PATH}/{int(file.stem)}"><strong>{escape(str(mail["Subject"]))}</strong><small>{details}</small></a></li>'


def _show(number: str, mail: EmailMessage, files: list[EmailMessage]) -> str:
    headers = "".join(f"<dt>{name}</dt><dd>{escape(str(mail[name] or ''))}</dd>" for name in ("From", "To", "Date", "Message-ID"))
    links = "".join(f'<li><a href="{PATH}/{number}/files/{index}">{escape(_name(file))}</a></li>' for index, file in enumerate(files))
    text = mail.get_body(("plain",))
    return (
        f'<p><a href="{PATH}">All mails</a></p><dl>{headers}</dl>'
        + (f'<h2>Files</h2><ul class="files">{links}</ul>' if links else "")
        + f'<h2>HTML</h2><iframe title="HTML" sandbox="{_LINKS}" src="{PATH}/{number}/html"></iframe>'
        + f"<h2>Text</h2><pre>{escape(text.get_content() if text is not None else '')}</pre>"
    )


def _files(mail: EmailMessage) -> Iterator[EmailMessage]:
    """Return the attachments, and the images that the HTML shows."""
    for part in mail.walk():
        if part.get_filename() is not None:
            yield part


def _name(file: EmailMessage) -> str:
    return str(file.get_filename())


def _html_response(mail: EmailMessage) -> GatewayResponse:
    """Return the HTML with its images embedded."""
    body = mail.get_body(("html",))
    html = body.get_content() if body is not None else ""
    for file in _files(mail):
        content_id = str(file["Content-ID"] or "").strip("<>")
        if content_id:
            image = f"data:{file.get_content_type()};base64,{b64encode(_content(file)).decode()}"
            html = html.replace(f"cid:{escape(content_id)}", image)
    html = html.replace("<head>", '<head><base target="_blank">', 1)
    return _response(200, "text/html; charset=utf-8", _MAIL_POLICY, html.encode())


def _file_response(file: EmailMessage) -> GatewayResponse:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", _name(file))
    return _response(200, file.get_content_type(), _FILE_POLICY, _content(file), {"Content-Disposition": f'attachment; filename="{name}"'})


def _content(file: EmailMessage) -> bytes:
    content = file.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _page(status: int, title: str, body: str, *, refresh: bool = False) -> GatewayResponse:
    again = '<meta http-equiv="refresh" content="10">' if refresh else ""
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">\n{viewport}{again}\n<title>{escape(title)}</title>'
    html = (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<main><h1>{escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
    return _response(status, "text/html; charset=utf-8", _PAGE_POLICY, html.encode())


def _response(status: int, media_type: str, content_policy: str, body: bytes, more: dict[str, str] | None = None) -> GatewayResponse:
    headers = {"Content-Type": media_type, "Cache-Control": "no-store", "Content-Security-Policy": content_policy}
    return GatewayResponse(status, headers | {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} | (more or {}), body)
