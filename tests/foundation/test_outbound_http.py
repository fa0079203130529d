"""Requests to endpoints that are slow, broken or hostile; and that the connection goes to the address that was checked."""

import socket
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.foundation import outbound_http, settings
from chalicelib.foundation.outbound_http import MAX_REPLY_BYTES, Destination, DestinationRefused, SendFailed, get, post
from tests.addons.outgoing_webhooks.receiver import Answer, open_receiver

NAME = "hooks.example.com"
HERE = ["127.0.0.1"]


@pytest.fixture
def receiver():
    with open_receiver() as opened:
        yield opened


def to(receiver, scheme="http", host="127.0.0.1"):
    return Destination(scheme, host, receiver.port, "/hooks?x=1")


@contextmanager
def raw_server(*pieces, then_wait=True, requests=None):
    """A server that sends these bytes to the first who connects, and then nothing. Adds the request to `requests`."""
    listener = socket.create_server(("127.0.0.1", 0))
    connected = []

    def serve():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connected.append(connection)
        try:
            request = connection.recv(65_536)
            if requests is not None:
                requests.append(request.decode())
            for piece in pieces:
                connection.sendall(piece)
            if not then_wait:
                connection.close()
        except OSError:
            pass

    thread = Thread(target=serve, daemon=True)
    thread.start()
    yield Destination("http", "127.0.0.1", listener.getsockname()[1], "/")
    for each in (listener, *connected):
        each.close()
    thread.join()


def test_a_request_has_the_path_and_the_query_and_the_reply_is_returned(receiver):
    receiver.answer = lambda _: Answer(201, b"done", {"Retry-After": "7"})
    reply = post(to(receiver), HERE, {"X-A": "b"}, b"{}")
    assert (reply.status, reply.body, reply.retry_after, reply.is_success) == (201, b"done", 7, True)
    [request] = receiver.received
    assert (request.path, request.body, request.headers["x-a"]) == ("/hooks?x=1", b"{}", "b")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert post(to(receiver), HERE, {}, b"").status == 200


@pytest.mark.parametrize(
    "pieces",
    [[], [b"HTTP/1.1 200"], [b"HTTP/1.1 200 OK\r\nX-A: "], [b"HTTP/1.1 100 Continue\r\n\r\n"] * 3],
    ids=["silence", "half a status", "half a header", "always later"],
)
def test_a_reply_that_does_not_come_is_a_timeout(pieces):
    with raw_server(*pieces) as destination, pytest.raises(SendFailed) as failed:
        post(destination, HERE, {}, b"", seconds=0.1)
    assert failed.value.error == "timeout"


def test_a_reply_that_comes_byte_by_byte_has_no_more_time(monkeypatch):
    """Each byte comes in time by itself: the clock moves half a second with each read, and a thousand bytes would take minutes."""
    now = [0.0]

    def tick():
        now[0] += 0.5
        return now[0]

    read = []
    receive = outbound_http._TimedReader.readinto

    def one_byte(self, buffer):
        read.append(1)
        return receive(self, memoryview(buffer)[:1])

    monkeypatch.setattr(outbound_http._TimedReader, "readinto", one_byte)
    monkeypatch.setattr(outbound_http.clock, "monotonic", tick)
    with raw_server(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000) as destination, pytest.raises(SendFailed) as failed:
        post(destination, HERE, {}, b"", seconds=5)
    assert failed.value.error == "timeout"
    assert len(read) < 12


def test_a_body_that_does_not_come_does_not_undo_a_success(monkeypatch):
    """The time is up when a part of the body has come."""
    now, receive = [0.0], outbound_http._TimedReader.readinto

    def read(self, buffer):
        count = receive(self, buffer)
        now[0] += 60 * bytes(buffer[:count]).endswith(b"abc")
        return count

    monkeypatch.setattr(outbound_http._TimedReader, "readinto", read)
    monkeypatch.setattr(outbound_http.clock, "monotonic", lambda: now[0])
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") as destination:
        assert post(destination, HERE, {}, b"", seconds=60).is_success
    assert now == [60]


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
    ids=["nonsense", "no number", "many headers", "long header"],
)
def test_a_reply_that_is_not_http_is_reported(reply):
    with raw_server(reply) as destination, pytest.raises(SendFailed) as failed:
        post(destination, HERE, {}, b"")
    assert failed.value.error == "bad_reply"


def test_a_chunked_reply_with_a_wrong_length_is_a_success_without_a_body():
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"
    with raw_server(reply) as destination:
        assert post(destination, HERE, {}, b"").body == b""


def test_a_server_that_hangs_up_counts_as_no_connection():
    with raw_server(then_wait=False) as destination, pytest.raises(SendFailed) as failed:
        post(destination, HERE, {}, b"")
    assert failed.value.error == "connection_failed"


def test_nobody_there_counts_as_no_connection(receiver):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens there
        for addresses in (HERE, []):
            with pytest.raises(SendFailed) as failed:
                post(Destination("http", "127.0.0.1", silent.getsockname()[1], "/"), addresses, {}, b"")
            assert failed.value.error == "connection_failed"


def test_the_second_address_is_tried(receiver):
    assert post(to(receiver), ["127.0.0.2", "127.0.0.1"], {}, b"").status == 200


def test_a_document_is_requested_without_a_body():
    requests = []
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", requests=requests) as destination:
        reply = get(destination, HERE)
    assert (reply.status, reply.body) == (200, b"{}")
    [request] = requests
    head, body = request.split("\r\n\r\n")
    assert (head.splitlines()[0], body, "Accept: application/json" in head) == ("GET / HTTP/1.1", "", True)
    assert "content-length" not in head.lower()


def test_only_the_beginning_of_a_long_document_is_read():
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000) as destination:
        assert get(destination, HERE).body == b"x" * MAX_REPLY_BYTES


def test_a_redirect_is_not_followed(receiver):
    moved = f"HTTP/1.1 302 Found\r\nLocation: {receiver.url}\r\nContent-Length: 0\r\n\r\n".encode()
    with raw_server(moved) as destination:
        reply = get(destination, HERE)
    assert (reply.status, reply.is_success, receiver.received) == (302, False, [])


@pytest.mark.parametrize(
    ("pieces", "seconds", "error"),
    [([], 0.1, "timeout"), ([b"HTTP/1.1 200 OK\r\nX-A: "], 0.1, "timeout"), ([b"nonsense\r\n\r\n"], 60, "bad_reply")],
    ids=["silence", "half a header", "nonsense"],
)
def test_a_document_that_does_not_come_is_reported(pieces, seconds, error):
    with raw_server(*pieces) as destination, pytest.raises(SendFailed) as failed:
        get(destination, HERE, seconds=seconds)
    assert failed.value.error == error


# ------------------------------------------------------------------ names, addresses and certificates
@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return the TLS context of a server with a certificate for NAME, and of a client that trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificates")
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.fixture
def tls_receiver(certificates, monkeypatch):
    server, client = certificates
    asked = []
    server.sni_callback = lambda _, name, __: asked.append(name)
    monkeypatch.setattr(outbound_http, "tls_context", lambda: client)
    with open_receiver(server) as opened:
        opened.asked = asked
        yield opened


def test_the_connection_goes_to_the_checked_address_with_the_host_name(tls_receiver, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a name was looked up again")

    monkeypatch.setattr(outbound_http, "look_up", refuse)
    assert post(to(tls_receiver, "https", NAME), HERE, {}, b"{}").status == 200
    assert tls_receiver.received[0].headers["host"] == f"{NAME}:{tls_receiver.port}"
    assert tls_receiver.asked == [NAME]


def test_a_certificate_of_another_name_is_refused(tls_receiver):
    with pytest.raises(SendFailed) as failed:
        post(to(tls_receiver, "https", "other.example.com"), HERE, {}, b"{}")
    assert (failed.value.error, tls_receiver.received) == ("tls_failed", [])


def test_a_certificate_that_nobody_trusts_is_refused(certificates):
    with open_receiver(certificates[0]) as opened, pytest.raises(SendFailed) as failed:
        post(to(opened, "https", NAME), HERE, {}, b"{}")
    assert (failed.value.error, opened.received) == ("tls_failed", [])


def test_a_name_that_leads_elsewhere_after_it_was_checked_is_refused(monkeypatch):
    """DNS rebinding: public when the endpoint is created, and this machine when a message is sent."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    monkeypatch.setattr(outbound_http, "look_up", lambda host, port: answers.pop(0))
    destination = outbound_http.parse(f"https://{NAME}/")
    with settings.override(webhook_targets="public"):
        assert outbound_http.resolve(destination) == ["93.184.215.14"]
        with pytest.raises(DestinationRefused):
            outbound_http.resolve(destination)
