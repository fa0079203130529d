"""A beacon like drand's quicknet, with a key of its own, for local runs and tests. It serves rounds over HTTP, like mirrors of drand."""

import json
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
GENESIS, PERIOD = 1_600_000_000, 3
SECRET = 0x5EED_0F_A_BEAC
_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_MODULUS = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB


class FakeBeacon:
    """Binds a port of 127.0.0.1 when it is created, and serves within a `with` block or after `start`.

    `chain` is `<hash>/<public key>/<genesis>/<period>`, hex and epoch seconds. Anyone who knows the `secret` knows all rounds in
    advance, so the beacon is worthless for real draws. `answer` replaces the reply to the request for a round, to imitate a mirror that
    fails or lies; it returns the status and the body. `asked` has the numbers of the rounds that were requested.
    """

    def __init__(self, *, secret: int = SECRET, now: Callable[[], float] = time.time) -> None:
        from py_arkworks_bls12381 import G2Point, Scalar

        self._secret, self._now = secret, now
        public_key = (G2Point() * Scalar(secret)).to_compressed_bytes()
        self.hash = sha256(public_key + GENESIS.to_bytes(8, "big")).hexdigest()
        self.chain = f"{self.hash}/{public_key.hex()}/{GENESIS}/{PERIOD}"
        self.answer: Callable[[int], tuple[int, bytes]] = self.true_answer
        self.asked: list[int] = []
        self._server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def signature(self, number: int) -> bytes:
        """Return the signature of a round, whether it is due or not."""
        return sign(self._secret, number)

    def true_answer(self, number: int) -> tuple[int, bytes]:
        """Return the reply of an honest mirror: 404 until the round is due."""
        if number < 1 or self._now() < GENESIS + (number - 1) * PERIOD:
            return 404, b"{}"
        return 200, self.document(number, self.signature(number))

    @staticmethod
    def document(number: int, signature: bytes) -> bytes:
        """Return the body of a mirror's reply."""
        return json.dumps({"round": number, "randomness": sha256(signature).hexdigest(), "signature": signature.hex()}).encode()

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-beacon", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()


def sign(secret: int, number: int) -> bytes:
    """Return the signature of a round with a secret key."""
    from py_arkworks_bls12381 import Scalar

    return bytes((_message_point(number) * Scalar(secret)).to_compressed_bytes())


def _message_point(number: int) -> Any:
    """Return the point that is signed: RFC 9380's hash of the round's message to the curve's first group."""
    from py_arkworks_bls12381 import G1Point

    message, domain = sha256(number.to_bytes(8, "big")).digest(), _DOMAIN + bytes([len(_DOMAIN)])
    start = sha256(bytes(64) + message + (128).to_bytes(2, "big") + bytes(1) + domain).digest()
    blocks = [sha256(start + b"\x01" + domain).digest()]
    for turn in (2, 3, 4):
        mixed = bytes(a ^ b for a, b in zip(start, blocks[-1], strict=True))
        blocks.append(sha256(mixed + bytes([turn]) + domain).digest())
    elements = [int.from_bytes(blocks[place] + blocks[place + 1], "big") % _MODULUS for place in (0, 2)]
    first, second = (G1Point.map_from_fp_be(element.to_bytes(48, "big")) for element in elements)
    return first + second


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, beacon: FakeBeacon) -> None:
        self.beacon = beacon
        super().__init__((HOST, 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        beacon, parts = self.server.beacon, self.path.strip("/").split("/")
        status, body = 404, b"{}"
        if len(parts) == 3 and parts[:2] == [beacon.hash, "public"] and parts[2].isdecimal():
            beacon.asked.append(int(parts[2]))
            status, body = beacon.answer(int(parts[2]))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing."""
