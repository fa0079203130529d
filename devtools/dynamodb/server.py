"""The engine as an HTTP server on loopback, for boto3, the AWS CLI and every other SDK.

Each connection has a thread. A response waits until the changes behind it are in the journal; the journal writes the changes of all waiting
threads together.

Signatures are not checked: a program that can reach loopback can read the files of the store too. Web pages cannot call the server: its
target header makes a browser ask for permission first, which is never given, and the Host header reveals a page whose host name was
rebound to this address.
"""

import re
import socket
import threading
import time
import zlib
from contextlib import suppress
from itertools import count
from socketserver import BaseRequestHandler, ThreadingTCPServer

from devtools.dynamodb.engine import Engine, StoreFailed, respond
from devtools.dynamodb.values import KB, ApiError, malformed
from devtools.http_messages import BadRequest, Request, RequestReader, encode_response

HOST = "127.0.0.1"
MAX_REQUEST_BYTES, MAX_HEADER_BYTES, READ_BYTES = 16 * KB * KB, 16 * KB, 64 * KB
STOP_SECONDS = 5  # for the last response of a connection
EXPIRY_SECONDS = 60  # between two searches for expired items
POLL_SECONDS = 0.02  # between two looks whether the server is to stop

_is_allowed_host = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE).fullmatch
_DYNAMODB, _STREAMS = "DynamoDB_20120810", "DynamoDBStreams_20120810"
_STREAM_OPERATIONS = frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"})


class Server(ThreadingTCPServer):
    """Serves from its creation until `close`. Port 0 takes any free port. Raises OSError when the port is in use."""

    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1024

    def __init__(self, engine: Engine, port: int = 0) -> None:
        self.engine = engine
        super().__init__((HOST, port), _Connection)
        self.port = int(self.server_address[1])
        self.url = f"http://{HOST}:{self.port}"
        self.connections: dict[socket.socket, threading.Thread] = {}
        self.request_numbers = count(1)
        self._expiry_due = time.monotonic() + EXPIRY_SECONDS
        threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), name="dynamodb-server", daemon=True).start()

    def close(self) -> None:
        """Stop after the requests in progress."""
        self.shutdown()
        for connection, thread in list(self.connections.items()):
            with suppress(OSError):  # the client has closed it
                connection.shutdown(socket.SHUT_RD)
            thread.join(STOP_SECONDS)
        self.server_close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def service_actions(self) -> None:
        """Delete expired items; called whenever `serve_forever` has polled."""
        if time.monotonic() > self._expiry_due:
            self._expiry_due = time.monotonic() + EXPIRY_SECONDS
            with suppress(StoreFailed):
                self.engine.delete_expired()


class _Connection(BaseRequestHandler):
    """Processes one request after the other."""

    server: Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connections[self.request] = threading.current_thread()

    def handle(self) -> None:
        reader, is_open = RequestReader(MAX_REQUEST_BYTES, MAX_HEADER_BYTES), True
        with suppress(OSError):  # the client is gone
            while is_open and (data := self.request.recv(READ_BYTES)):
                reader.feed(data)
                is_open = self._respond_to_all(reader)
            if not is_open:  # later data is discarded: a client that is sending would not see the response if its data were refused
                self.request.shutdown(socket.SHUT_WR)
                self.request.settimeout(STOP_SECONDS)
                end = time.monotonic() + STOP_SECONDS
                while self.request.recv(READ_BYTES) and time.monotonic() < end:
                    pass

    def finish(self) -> None:
        del self.server.connections[self.request]

    def _respond_to_all(self, reader: RequestReader) -> bool:
        """Respond to the requests that have arrived. Returns whether the connection remains open."""
        try:
            while request := reader.next_request():
                self._send(*self._response(request), closes=request.is_last)
                if request.is_last:
                    return False
        except BadRequest as refusal:
            self._send(*malformed(str(refusal)).response(), closes=True)
            return False
        if reader.expects_continue:
            reader.expects_continue = False
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _response(self, request: Request) -> tuple[int, bytes]:
        """Call the engine. Returns the status and the body of the response."""
        engine, headers = self.server.engine, dict(request.headers)
        if len(request.body) > MAX_REQUEST_BYTES:
            return ApiError("SerializationException", f"A request may have {MAX_REQUEST_BYTES} bytes at most.", 413).response()
        if (request.method, request.target) == ("GET", "/"):
            return 200, f"healthy: dynamodb.{engine.region}.amazonaws.com ".encode()
        if not _is_allowed_host(headers.get("Host", "")):
            return ApiError("AccessDeniedException", "The local DynamoDB only accepts requests to 127.0.0.1 and localhost.", 403).response()
        if (request.method, request.target) != ("POST", "/"):
            return ApiError("UnknownOperationException", "", 404).response()
        service, _, operation = headers.get("X-Amz-Target", "").partition(".")
        if service != (_STREAMS if operation in _STREAM_OPERATIONS else _DYNAMODB):
            return ApiError("UnknownOperationException", "").response()
        return respond(engine, operation, request.body)

    def _send(self, status: int, body: bytes, *, closes: bool) -> None:
        headers = {
            "Server": "Server",
            "Content-Type": "application/x-amz-json-1.0",
            "x-amzn-RequestId": f"{next(self.server.request_numbers):052X}",
            "x-amz-crc32": str(zlib.crc32(body)),
        }
        self.request.sendall(encode_response(status, headers, body, closes=closes))
