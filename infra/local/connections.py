"""The connections of the HTTP server: accept them, read requests, send responses. Not thread-safe: only one thread at a time may use them.

No connection makes another wait: this module buffers the request of a slow sender and the response to a slow receiver.
"""

import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from devtools.http_messages import BadRequest, Request, RequestReader, encode_response
from infra.local.gateway import MAX_PAYLOAD_BYTES, GatewayResponse
from infra.local.pages import text_response

# How long a connection may stay in a state: "head" waits for the rest of a request's head, "body" for the body, and "linger" for a client
# to close the connection after the last response.
STATE_SECONDS = {"head": 10.0, "body": 30.0, "linger": 2.0}
READ_BYTES = 64 * 1024

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LATE = {
    "head": BadRequest(408, "The request did not arrive completely in time. Send it again."),
    "body": BadRequest(400, "The request's body did not arrive completely in time. Send the request again."),
}


class Connection:
    """`state` tells what the connection waits for: "start", "head" or "body" (see RequestReader), "response" while a request is being
    handled, "flush" while the client receives the response, "linger" while the client's remaining input is discarded, or "closed"."""

    def __init__(self, client: socket.socket, address: str) -> None:
        self.socket = client
        self.address = address
        self.reader = RequestReader(MAX_PAYLOAD_BYTES)
        self.state = "start"
        self.events = 0  # the events for which the selector waits
        self.unsent = memoryview(b"")
        self.closes = False  # whether it closes after the response


class Connections:
    """`find_input` is the method of Workers. At most `max_count` connections are open at once; further clients wait."""

    def __init__(self, listener: socket.socket, max_count: int, find_input: Callable[[Callable[[bool], list[Any]]], list[Any]]) -> None:
        self._listener, self._max_count, self._find_input = listener, max_count, find_input
        self._selector = selectors.DefaultSelector()
        self._events = deque[Any]()  # sources with input: connections, or our own sockets
        self._open: set[Connection] = set()
        self._in_flight = 0  # requests that are being handled, and responses that are being sent
        self._deadlines: dict[str, dict[Connection, float]] = {state: {} for state in STATE_SECONDS}  # per state, earliest first
        self._is_stopping = False
        self._wake_receiver, self._wake_sender = socket.socketpair()
        for own in (listener, self._wake_receiver, self._wake_sender):
            own.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)
        self._accepts = True

    def stop(self) -> None:
        """Stop accepting connections; `next_request` returns None once no request is in flight. May be called from any thread."""
        self._is_stopping = True
        self.wake()

    def wake(self) -> None:
        """Wake the thread that waits for input. May be called from any thread."""
        with suppress(OSError):  # the thread is already being woken, or everything has stopped
            self._wake_sender.send(b"x")

    def next_request(self) -> tuple[Connection, Request] | None:
        """Wait for the next request; None when everything has stopped."""
        while True:
            while self._events:
                source = self._events.popleft()
                try:
                    found = self._handle_event(source)
                except Exception:
                    logging.getLogger(__name__).exception("a connection failed")
                    if isinstance(source, Connection):
                        self._close(source)
                    continue
                if found is not None:
                    return found
            if self._is_stopping and self._has_stopped():
                for own in (self._selector, self._wake_receiver, self._wake_sender):
                    own.close()
                return None
            timeout = self._end_late_connections()
            self._events.extend(key.data or key.fileobj for key, _ in self._find_input(partial(self._poll, timeout)))

    def send_response(self, connection: Connection, request: Request, response: GatewayResponse) -> None:
        connection.closes = request.is_last or self._is_stopping
        try:
            data = encode_response(
                response.status,
                response.headers,
                response.body,
                cookies=response.cookies,
                has_body=request.method != "HEAD",
                closes=connection.closes,
            )
        except (ValueError, UnicodeEncodeError):
            logging.getLogger(__name__).exception("a response cannot be sent")
            connection.closes = True
            data = encode_response(500, {}, b"", closes=True)
        self._send(connection, data)

    def _poll(self, timeout: float | None, waits: bool) -> list[Any]:
        return self._selector.select(timeout if waits else 0)

    def _handle_event(self, source: Any) -> tuple[Connection, Request] | None:
        if source is self._listener:
            self._accept()
        elif source is self._wake_receiver:
            self._wake_receiver.recv(READ_BYTES)
        elif source.state == "flush":
            self._flush(source)
        elif source.state == "response":  # more input, or the client is gone, which sending the response will show
            self._wait_for(source, 0)
        elif source.state == "start" and source.reader.has_input:  # it arrived together with the previous request
            return self._read_request(source)
        elif source.state != "closed":
            return self._receive(source)
        return None

    def _accept(self) -> None:
        while self._accepts:
            try:
                client, address = self._listener.accept()
            except OSError:  # no other client waits
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(client, address[0])
            self._open.add(connection)
            self._wait_for(connection, selectors.EVENT_READ)
            if len(self._open) >= self._max_count:
                self._selector.unregister(self._listener)
                self._accepts = False

    def _receive(self, connection: Connection) -> tuple[Connection, Request] | None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self._close(connection)
        elif connection.state != "linger":
            connection.reader.feed(data)
            return self._read_request(connection)
        return None

    def _read_request(self, connection: Connection) -> tuple[Connection, Request] | None:
        reader = connection.reader
        try:
            request = reader.next_request()
        except BadRequest as refusal:
            self._refuse(connection, refusal)
            return None
        if request is not None:
            self._set_state(connection, "response")
            self._in_flight += 1
            return connection, request
        if reader.expects_continue:
            reader.expects_continue = False
            with suppress(OSError):
                connection.socket.send(_CONTINUE)
        if reader.state != connection.state:
            self._set_state(connection, reader.state)
        return None

    def _refuse(self, connection: Connection, refusal: BadRequest) -> None:
        response = text_response(refusal.status, str(refusal))
        connection.closes = True
        self._set_state(connection, "response")
        self._in_flight += 1
        self._send(connection, encode_response(response.status, response.headers, response.body, closes=True))

    def _send(self, connection: Connection, data: bytes) -> None:
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end_response(connection, is_lost=True)
            return
        if sent == len(data):
            self._end_response(connection)
        else:
            connection.unsent = memoryview(data)[sent:]
            connection.state = "flush"
            self._wait_for(connection, selectors.EVENT_WRITE)

    def _flush(self, connection: Connection) -> None:
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._end_response(connection, is_lost=True)
            return
        if not connection.unsent:
            self._end_response(connection)

    def _end_response(self, connection: Connection, *, is_lost: bool = False) -> None:
        # Another thread may be waiting for input. Its selector notices new input, but not new deadlines or input that was already read.
        self._in_flight -= 1
        if is_lost or self._is_stopping:
            self._close(connection)
            self.wake()
        elif connection.closes:
            # Closing while the client is still sending would reset the connection, and the client might not get the response.
            self._set_state(connection, "linger")
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
            self._wait_for(connection, selectors.EVENT_READ)
            self.wake()
        else:
            connection.state = "start"
            self._wait_for(connection, selectors.EVENT_READ)
            if connection.reader.has_input:
                self._events.append(connection)
                self.wake()

    def _set_state(self, connection: Connection, state: str) -> None:
        if connection.state in self._deadlines:
            del self._deadlines[connection.state][connection]
        connection.state = state
        if state in self._deadlines:
            self._deadlines[state][connection] = time.monotonic() + STATE_SECONDS[state]

    def _wait_for(self, connection: Connection, events: int) -> None:
        if events == connection.events:
            return
        if not events:
            self._selector.unregister(connection.socket)
        elif not connection.events:
            self._selector.register(connection.socket, events, connection)
        else:
            self._selector.modify(connection.socket, events, connection)
        connection.events = events

    def _close(self, connection: Connection) -> None:
        self._set_state(connection, "closed")
        self._wait_for(connection, 0)
        connection.socket.close()
        self._open.discard(connection)
        if not self._accepts and not self._is_stopping:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._accepts = True

    def _end_late_connections(self) -> float | None:
        """Refuse requests that have not arrived in time. Returns the seconds until the next deadline, or None without deadlines."""
        nearest = None
        for state, deadlines in self._deadlines.items():
            while deadlines:
                connection, deadline = next(iter(deadlines.items()))
                seconds = deadline - time.monotonic()
                if seconds > 0:
                    nearest = seconds if nearest is None else min(nearest, seconds)
                    break
                if state in _LATE:
                    self._refuse(connection, _LATE[state])
                else:
                    self._close(connection)
        return nearest

    def _has_stopped(self) -> bool:
        """Close idle connections. Returns whether no request is in flight."""
        if self._listener.fileno() >= 0:
            if self._accepts:
                self._selector.unregister(self._listener)
            self._listener.close()
        for connection in list(self._open):
            if connection.state not in ("response", "flush"):
                self._close(connection)
        return self._in_flight == 0
