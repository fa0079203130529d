"""Google's API and Apple's push service, as servers in the process of the test, and the keys that they know."""

import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

from chalicelib.foundation import clock
from tests.addons.wallets import formats

ISSUER, ACCOUNT = "3388000000000000001", "tickets@shop.iam.gserviceaccount.com"
PASS_TYPE, TEAM = "pass.com.example.tickets", "A1B2C3D4E5"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """Return a key for the tests; the name says whose."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(name: str) -> str:
    return private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def certificate(name: str, issuer: str, days: int = 365, user_id: str = "", host: str = "") -> x509.Certificate:
    """Return the certificate of a key. Its times are those of the machine, because the TLS library compares them with its clock."""
    now = datetime.now(UTC)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if user_id:
        attributes.insert(0, x509.NameAttribute(NameOID.USER_ID, user_id))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(private_key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key(name).public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key(issuer).public_key()), critical=False)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(private_key(issuer), hashes.SHA256())


def certificate_pem(*arguments: Any, **options: Any) -> str:
    return certificate(*arguments, **options).public_bytes(Encoding.PEM).decode()


def pass_certificate(**options: Any) -> str:
    """Return the setting with the certificate of the pass type, its key, and the certificate that has signed it."""
    own = certificate_pem("pass type", "wwdr", **{"user_id": PASS_TYPE} | options)
    return own + key_pem("pass type") + certificate_pem("wwdr", "wwdr")


def google_key(url: str) -> str:
    """Return the key file of the service account, which gets its access tokens at this address."""
    account = {"client_email": ACCOUNT, "private_key": key_pem("google"), "private_key_id": "k1"}
    return json.dumps({"type": "service_account", **account, "token_uri": f"{url}/token"})


def apple_settings() -> dict[str, str]:
    return {"apple_pass_type": PASS_TYPE, "apple_team": TEAM, "apple_pass_certificate": pass_certificate()}


class FakeGoogle:
    """The classes and objects that Google knows. `status` is what it answers instead, unless it is 0.

    It accepts `rate` calls in a second of `clock.monotonic`, not counting access tokens, and answers 429 to others.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.stored: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self.status = 0
        self.rate = 20
        self.calls: Counter[int] = Counter()  # by second
        self.refused = 0
        self.waited = 0.0  # seconds for which the job has waited

    def wait(self, seconds: float) -> None:
        self.waited += seconds

    def call_each(self, act: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Do what `parallel.call_each` does, one item after the other, but as if all of them had waited at once."""
        begun, ends, results = self.waited, [self.waited], []
        for item in items:
            self.waited = begun
            results.append(act(item))
            ends.append(self.waited)
        self.waited = max(ends)
        return results

    @property
    def key(self) -> str:
        return google_key(self.url)

    def object(self, ticket_id: str) -> dict[str, Any]:
        """Return the newest object of a ticket."""
        return [content for name, content in self.stored.items() if f".{ticket_id}." in name][-1]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        if self.status:
            return self.status, {"error": {"code": self.status}}
        if path == "/token":
            return self._grant(parse_qs(body.decode()))
        second = int(clock.monotonic())
        self.calls[second] += 1
        if self.calls[second] > self.rate:
            self.refused += 1
            return 429, {"error": {"code": 429}}
        if headers.get("authorization") != f"Bearer token-{clock.now() // 3600}":
            return 401, {"error": {"code": 401}}
        content = json.loads(body)
        kind, _, name = path.removeprefix("/walletobjects/v1/").partition("/")
        check = formats.check_class if kind == "eventTicketClass" else formats.check_object
        check(content, is_new=method == "POST")
        if method == "POST":
            if kind == "eventTicketObject":
                assert content["classId"] in self.stored, "an object needs its class"
            if content["id"] in self.stored:
                return 409, {"error": {"code": 409}}
            self.stored[content["id"]] = content
            return 200, content
        if name not in self.stored:
            return 404, {"error": {"code": 404}}
        self.stored[name] |= content
        return 200, self.stored[name]

    def _grant(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        """Answer a request for an access token as RFC 7523 says."""
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        options = {"verify_exp": False, "verify_iat": False}  # the product's clock decides
        claims = jwt.decode(form["assertion"][0], private_key("google").public_key(), ["RS256"], options, audience=f"{self.url}/token")
        assert claims["iss"] == ACCOUNT
        assert claims["scope"] == "https://www.googleapis.com/auth/wallet_object.issuer"
        assert claims["iat"] <= clock.now() < claims["exp"] <= claims["iat"] + 3600
        hour = clock.now() // 3600
        return 200, {"access_token": f"token-{hour}", "expires_in": (hour + 1) * 3600 - clock.now() + 60, "token_type": "Bearer"}


@contextmanager
def open_google() -> Iterator[FakeGoogle]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = google.answer(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_PATCH = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # as many connections may wait

    with Server(("127.0.0.1", 0), Handler) as server:
        google = FakeGoogle(server.server_port)
        Thread(target=server.serve_forever, daemon=True).start()
        yield google
        server.shutdown()


class FakeApns:
    """Apple's push service. `pushes` are the tokens that it got; `statuses` says what it answers for some, and 200 is for the others."""

    def __init__(self, port: int) -> None:
        self.url = f"https://localhost:{port}"
        self.pushes: list[str] = []
        self.statuses: dict[str, int] = {}
        self.is_down = False

    def serve(self, connected: ssl.SSLSocket) -> None:
        connection, paths = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8")), dict[int, str]()
        connection.initiate_connection()
        connected.sendall(connection.data_to_send())
        assert connected.selected_alpn_protocol() == "h2"
        assert connected.getpeercert(binary_form=True) == certificate("pass type", "wwdr", user_id=PASS_TYPE).public_bytes(Encoding.DER)
        while received := connected.recv(65_536):
            for event in connection.receive_data(received):
                if isinstance(event, RequestReceived):
                    headers = dict(event.headers)
                    assert (headers[":method"], headers["apns-topic"]) == ("POST", PASS_TYPE)
                    paths[event.stream_id] = headers[":path"]
                elif isinstance(event, StreamEnded):
                    token = paths.pop(event.stream_id).removeprefix("/3/device/")
                    self.pushes.append(token)
                    status = self.statuses.get(token, 200)
                    connection.send_headers(event.stream_id, [(":status", str(status))], end_stream=status == 200)
                    if status != 200:
                        connection.send_data(event.stream_id, b'{"reason": "Unregistered"}', end_stream=True)
            connected.sendall(connection.data_to_send())


@contextmanager
def open_apns(folder: Path) -> Iterator[FakeApns]:
    files = {
        "server.pem": key_pem("apns") + certificate_pem("apns", "apple root", host="localhost"),
        "wwdr.pem": certificate_pem("wwdr", "wwdr"),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "wwdr.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])

    def accept() -> None:
        while True:
            try:
                raw, _ = listening.accept()
            except OSError:  # closed
                return
            if apns.is_down:
                raw.close()
                continue
            try:
                with context.wrap_socket(raw, server_side=True) as connected:
                    apns.serve(connected)
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        apns = FakeApns(listening.getsockname()[1])
        Thread(target=accept, daemon=True).start()
        yield apns
