"""Requests out of bytes, and responses as bytes. What whole connections do is in test_server.py."""

from itertools import pairwise

import pytest
from httptools import HttpParserCallbackError
from hypothesis import given
from hypothesis import strategies as st

from devtools import http_messages
from devtools.http_messages import MAX_HEAD_BYTES, MAX_HEADERS, BadRequest, Request, RequestReader, encode_response

HOST_LINE = b"Host: x"
HEAD = b"POST /a HTTP/1.1\r\n" + HOST_LINE + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HOST = ("Host", "x")


def read(*parts: bytes, max_body_bytes: int = 100) -> list[Request]:
    """The requests in these bytes, which arrive in parts."""
    reader, found = RequestReader(max_body_bytes), []
    for part in parts:
        reader.feed(part)
        while (request := reader.next_request()) is not None:
            found.append(request)
    return found


def refusal(*parts: bytes) -> int:
    with pytest.raises(BadRequest) as refused:
        read(*parts)
    return refused.value.status


def test_a_request_is_read_as_it_was_sent():
    sent = b"GET /a%2Fb?q=%C3%BC HTTP/1.1\r\nx-NAME: \t a  b \t\r\nX-Name:\r\nX-Bytes: \xff\r\n\r\n"
    headers = (("X-Name", "a  b"), ("X-Name", ""), ("X-Bytes", "\xff"))
    assert read(sent) == [Request("GET", "/a%2Fb?q=%C3%BC", headers, b"", is_last=False)]


@pytest.mark.parametrize(
    ("target", "expected"), [("http://shop/a?b", "/a?b"), ("HTTPS://shop:1", "/"), ("http://shop?b", "/?b"), ("*", "*"), ("//a", "//a")]
)
def test_the_origin_of_a_target_is_left_out(target, expected):
    assert read(f"GET {target} HTTP/1.1\r\n\r\n".encode())[0].target == expected


@pytest.mark.parametrize(
    ("version", "connection", "is_last"),
    [
        ("1.1", "", False),
        ("1.1", "Connection: Keep-Alive\r\n", False),
        ("1.1", "Connection: a\r\nConnection: CLOSE\r\n", True),
        ("1.0", "", True),
        ("1.0", "Connection: keep-alive\r\n", False),
    ],
)
def test_a_client_says_whether_its_request_is_the_last(version, connection, is_last):
    assert read(f"GET / HTTP/{version}\r\n{connection}\r\n".encode())[0].is_last is is_last


PIPELINED = (
    b"\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n" + CHUNKED + b"2;x=y\r\nde\r\n01\r\nf\r\n000\r\nT: x\r\n\r\n"
    b"PUT /c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nghGET /d HTTP/1.1\r\n\r\n"
)


@given(st.sets(st.integers(1, len(PIPELINED) - 1)))
def test_bytes_may_arrive_in_any_parts(cuts):
    ends = [0, *sorted(cuts), len(PIPELINED)]
    found = read(*(PIPELINED[start:end] for start, end in pairwise(ends)))
    assert [(request.method, request.target, request.body) for request in found] == [
        ("POST", "/a", b"abc"),
        ("GET", "/b", b""),
        ("POST", "/a", b"def"),
        ("PUT", "/c", b"gh"),
        ("GET", "/d", b""),
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\r\n\n",
        b"GET / HTTP/1.1\r\nA: x\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA:\r\n y\r\n\r\n",
        b"GET / HTTP/1.1\r\n A: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : x\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: a\rb\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /\t HTTP/1.1\r\n\r\n",
        b"GET a HTTP/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"G@T / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: \xb2\r\n\r\n{}",
        HEAD + b"Content-Length:\r\n\r\n{}",
        HEAD + b"Content-Length: 20000000000000000000\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"2\r\n{}xx0\r\n\r\n",
        CHUNKED + b"1\na\r\n0\r\n\r\n",
        CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
        CHUNKED + b"1;\x00\r\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\na\n0\r\n\r\n",
        CHUNKED + b"0\r\nContent-Length: 2\r\n\r\n{}",
        CHUNKED + b"0\r\nT: x\n\r\n",
    ],
)
def test_an_ambiguous_request_is_refused(head):
    assert refusal(head) == 400


def test_a_head_has_limits():
    assert refusal(b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES) == 431
    assert refusal(b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n") == 431
    assert refusal(b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * (MAX_HEADERS + 1) + b"\r\n") == 431
    assert len(read(b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * MAX_HEADERS + b"\r\n")[0].headers) == MAX_HEADERS


def test_an_endless_head_is_refused_early():
    assert refusal(b"GET / HTTP/1.1\r\nA: ", *[b"x" * 1024] * 64) == 431
    assert refusal(b"GET /", *[b"x" * 1024] * 64) == 431
    assert refusal(*[b"\r\n" * 1024] * 33) == 400


@pytest.mark.parametrize("start", [b"0", b"1;", b"1;a=", b"0\r\nT: ", b"0\r\nT"])
def test_endless_data_between_chunks_is_refused(start):
    part = (b"0" if start == b"0" else b"x") * 1024
    assert refusal(CHUNKED + start, *[part] * 65) == 400


def test_limits_of_heads_and_lines_do_not_add_up():
    long = b"x" * (MAX_HEAD_BYTES * 3 // 4)
    chunked = CHUNKED.replace(HOST_LINE, b"A: " + long) + b"1;" + long + b"\r\nb\r\n1;" + long + b"\r\nc\r\n0\r\nT: " + long + b"\r\n\r\n"
    sized = HEAD.replace(HOST_LINE, b"A: " + long) + b"Content-Length: %d\r\n\r\n" % (2 * MAX_HEAD_BYTES) + b"x" * 2 * MAX_HEAD_BYTES
    sent = chunked + chunked + sized
    parts = [sent[start : start + 1000] for start in range(0, len(sent), 1000)]
    assert [len(request.body) for request in read(*parts, max_body_bytes=2 * MAX_HEAD_BYTES)] == [2, 2, 2 * MAX_HEAD_BYTES]


def test_requests_before_an_ambiguous_one_are_answered():
    reader = RequestReader(100)
    reader.feed(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nG@T")
    assert [getattr(reader.next_request(), "target", None) for _ in range(2)] == ["/a", "/b"]
    assert reader.has_input
    with pytest.raises(BadRequest):
        reader.next_request()


@pytest.mark.parametrize(
    "last",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Content-Length: 101\r\n\r\n" + b"x" * 101,
        CHUNKED + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n",
        b"CONNECT shop:1 HTTP/1.1\r\n\r\n",
        b"CONNECT shop:1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
        b"CONNECT shop:1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_after_the_last_request_nothing_is_read(last):
    for parts in ((last + HEAD + b"\r\n",), (last, HEAD + b"\r\n")):
        (request,) = read(*parts)
        assert request.is_last


def test_a_proposal_of_another_protocol_is_ignored():
    head = b"POST http://shop/a HTTP/1.%d\r\nUPGRADE: h2c\r\nConnection: Upgrade, keep-alive\r\nX: \xff\r\n"
    headers = (("Connection", "Upgrade, keep-alive"), ("X", "\xff"))
    for version in (0, 1):
        plain, _ = read(head % version + b"\r\n" + HEAD + b"\r\n")
        assert plain == Request("POST", "/a", headers, b"", is_last=False)
    sized, _ = read(head % 1 + b"Content-Length: 2\r\n\r\n{}" + HEAD + b"\r\n")
    assert sized == Request("POST", "/a", (*headers, ("Content-Length", "2")), b"{}", is_last=False)
    assert refusal(head % 1 + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400
    assert refusal(head % 1 + b"Transfer-Encoding: gzip\r\n\r\n" + HEAD + b"\r\n") == 400


def test_a_fault_of_the_reader_is_not_the_clients(monkeypatch):
    monkeypatch.setattr(RequestReader, "on_url", lambda self, part: 1 / 0)
    with pytest.raises(HttpParserCallbackError):
        read(HEAD)


@pytest.mark.parametrize("start", [HEAD + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"3e8\r\n"])
def test_only_a_part_of_a_too_large_body_is_read(start):
    assert read(start + b"x" * 100) == []
    (request,) = read(start + b"x" * 101)
    assert (len(request.body), request.is_last) == (101, True)


def test_chunks_that_come_with_the_one_that_was_too_much_cost_nothing(monkeypatch):
    made = []

    class CountedRequest(Request, frozen=True):
        def __post_init__(self) -> None:
            made.append(self)

    monkeypatch.setattr(http_messages, "Request", CountedRequest)
    (request,) = read(CHUNKED + b"1\r\nx\r\n" * 10_000)
    assert (len(request.body), len(made)) == (101, 1)


def test_a_reader_says_what_comes_next():
    reader, states = RequestReader(100), []
    for part in (b"", b"POST / HT", b"TP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"{", b"}"):
        reader.feed(part)
        request = reader.next_request()
        states.append((reader.state, reader.expects_continue, request is not None))
    reader.feed(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (reader.state, reader.expects_continue) == ("body", False)
    reader.feed(b"{}GET / HTTP/1.1\r\n\r\n")
    assert (reader.state, reader.next_request() is not None, reader.has_input) == ("start", True, True)
    reader.feed(b"G")
    assert (reader.state, reader.next_request() is not None, reader.has_input, reader.next_request()) == ("head", True, True, None)
    assert states == [("start", False, False), ("head", False, False), ("body", True, False), ("body", True, False), ("start", False, True)]


def test_a_response_has_the_length_of_its_body():
    sent = encode_response(201, {"X-A": "ü"}, b"abc", closes=True)
    head, _, body = sent.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == "HTTP/1.1 201 Created"
    assert {line.partition(":")[0] for line in lines[1:]} == {"Date", "X-A", "Content-Length", "Connection"}
    assert {"X-A: ü", "Content-Length: 3", "Connection: close"} < set(lines)
    assert body == b"abc"
    assert encode_response(200, {}, b"abc", has_body=False).endswith(b"Content-Length: 3\r\n\r\n")
    assert b"Content-Length" not in encode_response(304, {}, b"")


def test_each_cookie_of_a_response_has_a_header_of_its_own():
    """Browsers read several cookies in one header as one."""
    sent = encode_response(200, {}, b"", cookies=("a=1; HttpOnly", "b=2"))
    assert sent.count(b"\r\nSet-Cookie: ") == 2
    with pytest.raises(ValueError, match="line's end"):
        encode_response(200, {}, b"", cookies=("a=1\r\nX-A: b",))


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\n", "\ra"])
def test_a_response_cannot_have_a_header_within_a_header(value):
    with pytest.raises(ValueError, match="line's end"):
        encode_response(200, {"X-A": value}, b"")
