"""On an open connection, a request and its response are what they are by botocore's HTTP session, whatever the service answers."""

import datetime
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ReadTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3 import Timeout

from chalicelib import http_exchange
from chalicelib.http_exchange import HttpExchange, SignedRequest
from tests.simulation.http_service import CLOSE, HttpService, answer, http_service

FIELDS = [("X-Amz-Target", "DynamoDB_20120810.GetItem"), ("User-Agent", "test/1 m/a,b")]


class Sides:
    """An exchange, and the session that it is an exchange of."""

    def __init__(self, service: HttpService, **settings: Any) -> None:
        self.service = service
        self.client: Any = botocore.session.Session().create_client(
            "dynamodb", region_name="us-east-1", endpoint_url=service.url, config=Config(**{"read_timeout": 2, **settings})
        )
        self.endpoint = self.client._endpoint
        self.exchange = HttpExchange(self.endpoint)

    def close(self) -> None:
        self.exchange.close()
        self.client.close()

    def request(self, body: bytes = b"{}") -> SignedRequest:
        host = self.service.url.partition("://")[2]
        return SignedRequest(f"{self.service.url}/", host, [*FIELDS, ("Content-Length", str(len(body)))], body, {})

    def outcome(self, send: Callable[[SignedRequest], Any]) -> Any:
        """What a request on an open connection comes to, and the next one."""
        self.service.answers = [answer(), *self.service.answers]
        self.service.requests.clear()
        outcomes: list[Any] = []
        for number in range(3):
            try:
                response = send(self.request(b'{"number": %d}' % number))
                headers = {name.lower(): value for name, value in response.headers.items()}
                outcomes.append((response.status_code, headers, response.content))
            except BotoCoreError as error:
                outcomes.append((type(error), str(error)))
        self.service.answers = self.service.answers[1:]
        return outcomes, self.service.requests[:], self.service.connections

    def assert_same(self) -> Any:
        results = []
        for send in (self.endpoint._send, self.exchange.send):
            self.close()
            self.service.connections = 0
            results.append(self.outcome(send))
        assert results[0][:2] == results[1][:2]
        return results[1]


@contextmanager
def sides(**settings: Any) -> Iterator[Sides]:
    with http_service() as service:
        both = Sides(service, **settings)
        yield both
        both.close()


UNUSUAL = {
    "an error": answer(b"{}", 500),
    "no body": answer(b""),
    "a long body": answer(b"x" * 300_000),
    "many headers": answer(b"{}", **{f"X_Header_{number}": "x" * 500 for number in range(60)}),
    "a long header": answer(b"{}", X_Header="x" * 66_000),
    "two headers of one name": answer(b"{}").replace(b"\r\n\r\n", b"\r\nX-A: 1\r\nX-A: 2\r\n\r\n"),
    "a header without a colon": answer(b"{}").replace(b"\r\n\r\n", b"\r\nX-A\r\n\r\n"),
    "spaces around a value": answer(b"{}", X_A=" \t a b \t "),
    "a length that is none": answer(b"{}", Content_Length="two", Connection="close"),
    "no length": answer(b"{}", Content_Length="", Connection="close"),
    "the last of a connection": answer(b"{}", Connection="close"),
    "in chunks": answer(b"2\r\n{}\r\n0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked"),
    "an earlier HTTP": answer(b"{}", Connection="close").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "lines that end early": answer(b"{}").replace(b"\r\n", b"\n"),
    "no content": answer(b"", 204, Content_Length=""),
    "not modified": answer(b"", 304),
    "an announcement first": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"{}"),
    "a status that is none": answer(b"{}").replace(b"200", b"2x0") + b"truncated",
    "no HTTP": b"truncated\r\n\r\n",
    "a part of the head": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\ntruncated",
    "a part of the body": answer(b"truncated", Content_Length="99"),
    "a closed connection": CLOSE,
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL)
def test_every_answer_is_read_as_by_the_session(unusual):
    with sides() as both:
        both.service.answers = [unusual, answer(b'{"next": 1}')]
        both.assert_same()


def test_an_answer_with_two_lengths_is_no_answer():
    with sides() as both:
        both.service.answers = [answer(b"{}").replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), answer()]
        for send in (both.endpoint._send, both.exchange.send):
            outcomes, *_ = both.outcome(send)
            assert issubclass(outcomes[1][0], BotoCoreError)


def test_a_connection_is_used_again_as_long_as_it_is_open():
    with sides() as both:
        both.service.answers = [answer(), answer(b"{}", 400), answer()]
        *_, connections = both.assert_same()
        assert connections == 1


def test_a_connection_with_more_than_the_answer_is_not_used_again():
    with sides() as both:
        both.service.answers = [answer(), answer(b"{}") + answer(b'{"stolen": 1}'), answer(b'{"right": 1}')]
        contents = [both.exchange.send(both.request()).content for _ in range(3)]
        assert contents == [b"{}", b"{}", b'{"right": 1}']
        assert both.service.connections == 2


def test_no_answer_in_time_is_a_timeout_and_ends_the_connection():
    with sides() as both:
        both.service.is_silent_from = 2
        errors = []
        for send in (both.endpoint._send, both.exchange.send):
            both.close()
            both.service.requests.clear()
            send(both.request())
            pool = both.endpoint.http_session._manager.connection_from_url(both.service.url)
            pool.timeout = Timeout(connect=2, read=0.05)  # the service says nothing, so no answer can come too early
            with pytest.raises(ReadTimeoutError) as raised:
                send(both.request())
            errors.append(str(raised.value))
            assert http_exchange._lend_open(pool) is None
        assert errors[0] == errors[1]


def test_a_closed_session_opens_a_new_connection():
    with sides() as both:
        for _ in range(2):
            assert [both.exchange.send(both.request()).status_code for _ in range(3)] == [200, 200, 200]
            both.close()
        assert both.service.connections == 2


def test_threads_get_their_own_answers():
    with sides(max_pool_connections=16) as both:
        both.service.is_echo = True

        def send(number: int) -> bool:
            body = b'{"number": %d}' % number
            return both.exchange.send(both.request(body)).content == body

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(send, range(400)))
        assert both.service.connections <= 16


def test_a_proxy_is_left_to_the_session(monkeypatch):
    with http_service() as proxy, sides(proxies={"http": proxy.url}) as both:
        both.assert_same()
        assert proxy.requests[-1].startswith(b"POST http://127.0.0.1:")
        assert both.service.requests == []


def test_headers_that_a_listener_changes_are_sent():
    with sides() as both:
        for send in (both.endpoint._send, both.exchange.send):
            request = both.request()
            request.headers["x-amz-target"] = b"other".decode()
            request.headers["X-New"] = "new"
            send(request)
        first, second = both.service.requests
        assert first == second
        assert b"other" in second


def test_a_connection_with_tls_is_used_as_any_other(tmp_path, monkeypatch):
    certificate = _write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with http_service(context) as service:
        both = Sides(service)
        service.answers = [answer(b"x" * 100_000), answer(b"truncated", Content_Length="99")]
        results = both.assert_same()
        assert results[0][1][2] == b"x" * 100_000
        both.close()


def _write_certificate(folder: Path) -> Path:
    """A key and its own certificate for 127.0.0.1, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "certificate.pem"
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
