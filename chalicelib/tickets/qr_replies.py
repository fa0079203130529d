"""Replies with a QR code as an image."""

from hashlib import sha256
from typing import Literal

from msgspec import Struct

from chalicelib.edge.http import Reply, RequestContext, etag_matches
from chalicelib.tickets import qr
from chalicelib.tickets.model import Ticket, TicketFrozen, TicketVoid

ImageFormat = Literal["svg", "png"]

QR_TYPES: dict[ImageFormat, str] = {"svg": "image/svg+xml", "png": "image/png"}
QR_MEDIA_TYPES = tuple(QR_TYPES.values())
QR_HEADERS = {"Cache-Control": "private, max-age=300", "Vary": "Accept"}


class QrQuery(Struct, forbid_unknown_fields=True):
    """`format`: if it is left out, the header Accept decides."""

    format: ImageFormat | None = None


def qr_reply(request: RequestContext, query: QrQuery, ticket: Ticket, text: str) -> Reply[str | bytes]:
    """The image of a QR code with this text, or 304. Raises TicketVoid and TicketFrozen if its ticket admits nobody."""
    if not ticket.admissible:
        raise TicketVoid() if ticket.state == "void" else TicketFrozen()
    image_format = query.format or _accepted_format(request)
    etag = f'"{image_format}-{sha256(text.encode()).hexdigest()[:32]}"'
    headers = {**QR_HEADERS, "ETag": etag}
    if etag_matches(request.header("if-none-match"), etag):
        return Reply("", 304, headers)
    render = qr.svg if image_format == "svg" else qr.png
    return Reply(render(qr.modules(text)), 200, {**headers, "Content-Type": QR_TYPES[image_format]})


def _accepted_format(request: RequestContext) -> ImageFormat:
    """The first of the two types in the Accept header, else SVG."""
    accept = request.header("accept") or ""
    accepted = {accept.find(media_type): name for name, media_type in QR_TYPES.items() if media_type in accept}
    return accepted[min(accepted)] if accepted else "svg"
