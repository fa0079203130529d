"""An HTTP service on a loopback socket that sends the answers of a test, including malformed answers, and keeps each request's bytes."""

import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CLOSE = b""  # in place of an answer: close the connection


def answer(body: bytes = b"{}", status: int = 200, *, checksum: int | None = None, **headers: str) -> bytes:
    """Return the bytes of an HTTP answer of DynamoDB. In the names of `headers`, `_` means `-`."""
    fields = {
        "Server": "Server",
        "Date": "Fri, 20 Nov 2026 21:00:00 GMT",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Length": str(len(body)),
        "Connection": "keep-alive",
        "x-amzn-RequestId": "K5MVCS0Q4PDVJ3L4N5N9I7N7RFVV4KQNSO5AEMVJF66Q9ASUAAJG",
        "x-amz-crc32": str(zlib.crc32(body) if checksum is None else checksum),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + body


def error(code: str, status: int = 400, more: str = "") -> bytes:
    return answer(f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "because"{more}}}'.encode(), status)


class HttpService:
    """Sends `answers` in turn, and repeats the last answer."""

    def __init__(self) -> None:
        self.answers: list[bytes] = [answer()]
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._open: list[socket.socket] = [self._socket]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        for open_socket in self._open:
            with suppress(OSError):  # the other side has closed it
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while request := _read_request(connection):
                self.requests.append(request)
                reply = self.answers[min(len(self.requests), len(self.answers)) - 1]
                if reply == CLOSE:
                    break
                connection.sendall(reply)
                if b"Connection: close\r\n" in reply or b"truncated" in reply:
                    break
        except OSError:
            return
        connection.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head = data[: data.index(b"\r\n\r\n") + 4]
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(data) < len(head) + length:
        data += connection.recv(65536)
    return data


@contextmanager
def http_service() -> Iterator[HttpService]:
    service = HttpService()
    try:
        yield service
    finally:
        service.close()
