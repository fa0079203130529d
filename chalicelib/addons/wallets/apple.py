"""Apple Wallet: the signed file of a pass, and the pushes that tell phones to ask for the latest pass.

A push is an empty notification through APNs, by HTTP/2 (h2) on one TLS connection per run, with the certificate that also signs the passes.
`cryptography`, h2 and Pillow are imported where they are used, because few requests need them.
"""

import io
import json
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.addons.wallets.store import Pass
from chalicelib.catalog.model import Event, Tier
from chalicelib.edge import languages
from chalicelib.foundation import clock, deadline, secret_settings, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.tickets import qr, service
from chalicelib.tickets.model import Ticket, order_number

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from PIL.Image import Image

MEDIA_TYPE = "application/vnd.apple.pkpass"
WEB_SERVICE = "api/v1/apple"  # Apple appends /v1/... to this address
IMAGES = {"icon": 29, "logo": 50}  # sides of the shop's images, in points
LOGO = (160, 50)  # the largest logo, in points
MAX_LOGO_BYTES = 1_000_000
SCALES = (1, 2, 3)
PUSH_SECONDS = 10.0  # per run
MAX_STREAMS = 100  # requests at once, unless APNs allows fewer

_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)


class Words(Struct, frozen=True):
    """The labels on a pass, and the messages that the phone shows when a field has changed."""

    starts: str
    doors: str
    place: str
    ticket: str
    seat: str
    name: str
    admits: str
    order: str
    starts_changed: str
    place_changed: str


_WORDS = languages.load_words("wallets", Words)
_logos: Memory[str, dict[str, bytes]] = Memory(max_entries=16)  # the name of a file in the bucket -> the images


class Credentials(Struct, frozen=True):
    """The certificate of the pass type with its private key, and the certificates of its issuers."""

    certificate: "Certificate"
    key: Any
    chain: list["Certificate"]
    key_pem: str


def is_configured() -> bool:
    current = settings.current()
    return bool(current.apple_pass_type and current.apple_team and secret_settings.optional_secret("apple_pass_certificate"))


def find_setup_error(now: int) -> str | None:
    """Return the code of the certificate's error, or None if the certificate is usable."""
    from cryptography.x509.oid import NameOID

    try:
        certificate = _credentials(secret_settings.optional_secret("apple_pass_certificate")).certificate
    except (ValueError, TypeError):
        return "ApplePassCertificateInvalid"
    if now > certificate.not_valid_after_utc.timestamp():
        return "ApplePassCertificateExpired"
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]
    return None if names == [settings.current().apple_pass_type] else "ApplePassCertificateOfAnotherType"


def pass_file(
    made: Pass,
    ticket: Ticket,
    event: Event | None,
    tier: Tier | None,
    seller: str,
    color: str,
    images: Mapping[str, bytes],
    *,
    is_valid: bool,
) -> bytes:
    """Return the file of a pass: a zip with its fields, its images, a manifest of their digests, and the signature of the manifest."""
    import zipfile

    files = {"pass.json": json.dumps(_fields(made, ticket, event, tier, seller, color, is_valid=is_valid), ensure_ascii=False).encode()}
    files |= images
    manifest = json.dumps({name: sha1(content, usedforsecurity=False).hexdigest() for name, content in files.items()}).encode()
    files |= {"manifest.json": manifest, "signature": _signature(manifest)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _fields(
    made: Pass, ticket: Ticket, event: Event | None, tier: Tier | None, seller: str, color: str, *, is_valid: bool
) -> dict[str, Any]:
    """Return the content of pass.json. A pass that is not valid has no barcode and no name."""
    current, words = settings.current(), _WORDS[made.language]
    shown, named = event.in_language(made.language) if event is not None else None, tier.in_language(made.language) if tier else None
    content: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": current.apple_pass_type,
        "teamIdentifier": current.apple_team,
        "serialNumber": made.serial,
        "authenticationToken": made.token,
        "webServiceURL": current.page_url(WEB_SERVICE),
        "organizationName": seller,
        "description": shown.name if shown is not None else words.ticket,
        "groupingIdentifier": ticket.purchase_id,
        "sharingProhibited": True,
        "backgroundColor": _rgb(color),
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(255, 255, 255)",
        "voided": not is_valid,
        "eventTicket": _parts(ticket, shown, named, words, is_valid=is_valid),
    }
    if shown is not None:
        times = service.all_door_times(shown)
        content["relevantDate"] = clock.iso(shown.starts_at)
        content["expirationDate"] = clock.iso(max(each.closes_at for each in times))
    if is_valid:
        content["barcodes"] = [{"format": "PKBarcodeFormatQR", "message": qr.text(ticket), "messageEncoding": "iso-8859-1"}]
    return content


def _parts(ticket: Ticket, event: Event | None, tier: Tier | None, words: Words, *, is_valid: bool) -> dict[str, Any]:
    """Return the groups of fields on the pass. `event` has only the dates for which the ticket is valid."""

    def when(key: str, label: str, at: int, **more: str) -> dict[str, Any]:
        moment = clock.local(at, event.timezone).isoformat(timespec="minutes") if event is not None else ""
        shown = {"dateStyle": "PKDateStyleMedium", "timeStyle": "PKDateStyleShort", "ignoresTimeZone": True}
        return {"key": key, "label": label, "value": moment, **shown, **more}

    def text(key: str, label: str, value: str | None, **more: str) -> list[dict[str, Any]]:
        return [{"key": key, "label": label, "value": value, **more}] if value else []

    parts: dict[str, Any] = {
        "auxiliaryFields": [
            *text("ticket", words.ticket, tier.name if tier is not None else None),
            *text("seat", words.seat, ticket.seat_number(1)),
            *text("name", words.name, ticket.attendee.name if ticket.attendee is not None and is_valid else None),
            *text("admits", words.admits, str(ticket.admits) if ticket.admits > 1 else None),
        ],
        "backFields": text("order", words.order, order_number(ticket.purchase_id, event)),
    }
    if event is not None:
        doors = min(each.opens_at for each in service.all_door_times(event))
        parts["primaryFields"] = [{"key": "event", "value": event.name}]
        parts["secondaryFields"] = [
            when("starts", words.starts, event.starts_at, changeMessage=words.starts_changed),
            *text("place", words.place, event.place, changeMessage=words.place_changed),
        ]
        parts["backFields"].append(when("doors", words.doors, doors))
    return parts


@lru_cache(maxsize=16)
def draw_images(color: str) -> dict[str, bytes]:
    """Draw the shop's icon, a gate, on a background of the brand's color, in each size."""
    from PIL import Image, ImageDraw

    drawn = {}
    for name, side in IMAGES.items():
        for scale in SCALES:
            size = (side * scale, side * scale)
            image = Image.new("RGB", size, color)
            draw, unit = ImageDraw.Draw(image), size[1] / 32
            draw.rectangle((4 * unit, 3 * unit, 28 * unit, 29 * unit), fill="#ffffff")
            draw.pieslice((10 * unit, 10 * unit, 22 * unit, 22 * unit), 180, 360, fill=color)
            draw.rectangle((10 * unit, 16 * unit, 22 * unit, 30 * unit), fill=color)
            drawn[_image_name(name, scale)] = _png(image)
    return drawn


def logo_images(key: str) -> dict[str, bytes]:
    """Return a promoter's logo from a WebP file in the bucket, as large as Apple allows. The content of a file never changes."""
    if (kept := _logos.entries.get(key)) is not None:
        return kept
    from PIL import Image, ImageOps

    from chalicelib.addons.images import store as images  # few passes have a logo

    found = images.find(key, MAX_LOGO_BYTES)
    if found is None:
        raise FileNotFoundError(key)
    logo = Image.open(io.BytesIO(found.body), formats=("WEBP",)).convert("RGB")
    drawn = {_image_name("logo", scale): _png(ImageOps.contain(logo, (LOGO[0] * scale, LOGO[1] * scale))) for scale in SCALES}
    _logos.entries[key] = drawn
    return drawn


def _image_name(name: str, scale: int) -> str:
    return f"{name}.png" if scale == 1 else f"{name}@{scale}x.png"


def _png(image: "Image") -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def _rgb(color: str) -> str:
    """Return a color `#rrggbb` in Apple's notation."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return f"rgb({red}, {green}, {blue})"


def _signature(manifest: bytes) -> bytes:
    """Return the detached signature of a manifest (PKCS #7)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    credentials = _credentials(secret_settings.optional_secret("apple_pass_certificate"))
    builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest).add_signer(credentials.certificate, credentials.key, hashes.SHA256())
    for certificate in credentials.chain:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary])


@lru_cache(maxsize=2)
def _credentials(pem: str) -> Credentials:
    """Read the certificates and the private key. Raises ValueError or TypeError if they are malformed or do not belong together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    found = _PRIVATE_KEY.search(pem)
    if found is None:
        raise ValueError("there is no private key")
    key = load_pem_private_key(found[0].encode(), None)
    certificates = x509.load_pem_x509_certificates(pem.encode())
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = key.public_key().public_bytes(*form)
    certificate = next((each for each in certificates if each.public_key().public_bytes(*form) == own), None)
    if certificate is None:
        raise ValueError("the private key belongs to none of the certificates")
    return Credentials(certificate, key, [each for each in certificates if each is not certificate], found[0])


# Pushes.


def push(tokens: Sequence[str]) -> Mapping[str, int | None]:
    """Tell phones that a pass has changed. Returns the status from APNs for each push token, or None if APNs did not answer in time."""
    statuses: dict[str, int | None] = dict.fromkeys(tokens)
    ends_at = clock.monotonic() + min(PUSH_SECONDS, max(0.0, deadline.remaining()))
    try:
        with _connect(ends_at) as connected:
            _exchange(connected, statuses, ends_at)
    except OSError:  # also a refused certificate, and TimeoutError
        pass
    except (TypeError, ValueError) as error:  # a missing or malformed certificate must not prevent the updates at Google
        logger.error("wallets.certificate_unusable", error=str(error))
    return statuses


def _exchange(connected: ssl.SSLSocket, statuses: dict[str, int | None], ends_at: float) -> None:
    """Send an empty notification to each token, several at once, and fill in the statuses."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset
    from h2.exceptions import ProtocolError

    current = settings.current()
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    waiting, open_streams = list(statuses), dict[int, str]()
    while waiting or open_streams:
        while waiting and len(open_streams) < min(MAX_STREAMS, connection.remote_settings.max_concurrent_streams):
            token, stream = waiting.pop(), connection.get_next_available_stream_id()
            headers = {":method": "POST", ":scheme": "https", ":authority": _host(), ":path": f"/3/device/{token}"}
            connection.send_headers(stream, [*headers.items(), ("apns-topic", current.apple_pass_type)])
            connection.send_data(stream, b"{}", end_stream=True)
            open_streams[stream] = token
        connected.sendall(connection.data_to_send())
        connected.settimeout(max(0.001, ends_at - clock.monotonic()))
        received = connected.recv(65_536)
        if not received:
            return
        try:
            events = connection.receive_data(received)
        except ProtocolError:
            return
        for event in events:
            if isinstance(event, ResponseReceived):
                statuses[open_streams[event.stream_id]] = int(dict(event.headers)[b":status"])
            elif isinstance(event, StreamEnded | StreamReset):
                open_streams.pop(event.stream_id, None)
            elif isinstance(event, ConnectionTerminated):
                return


def _connect(ends_at: float) -> ssl.SSLSocket:
    import tempfile

    from cryptography.hazmat.primitives.serialization import Encoding

    base, credentials = (
        urlsplit(settings.current().apple_push_base),
        _credentials(secret_settings.optional_secret("apple_pass_certificate")),
    )
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile() as file:  # Python reads client certificates only from files; only this user may read this file
        file.write(credentials.key_pem.encode() + b"\n" + credentials.certificate.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    seconds = max(0.001, ends_at - clock.monotonic())
    return context.wrap_socket(socket.create_connection((base.hostname or "", base.port or 443), seconds), server_hostname=base.hostname)


def _host() -> str:
    return urlsplit(settings.current().apple_push_base).netloc
