"""What comes in: ids, bodies, content types, and how faults are answered."""

import pytest

from chalicelib.edge import http

ORDER = {"name": "floor", "quantity": 2}


def test_a_good_body_is_decoded(edge):
    reply = edge.post("/orders", json=ORDER)
    assert (reply.status, reply.json) == (201, ORDER)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"quantity": 0}, "$.quantity"),
        ({"quantity": -1}, "$.quantity"),
        ({"quantity": 51}, "$.quantity"),
        ({"quantity": 2**53}, "$.quantity"),
        ({"quantity": 2**80}, "$.quantity"),
        ({"quantity": 1.5}, "$.quantity"),
        ({"quantity": "2"}, "$.quantity"),
        ({"quantity": True}, "$.quantity"),
        ({"quantity": None}, "$.quantity"),
        ({"name": 7}, "$.name"),
        ({"more": 1}, "$.more"),
    ],
)
def test_a_fault_in_a_field_is_a_400_that_names_it(edge, change, path):
    reply = edge.post("/orders", json={**ORDER, **change})
    assert reply.status == 400
    assert reply.json["error"] == "invalid_input"
    assert reply.json["path"] == path
    assert reply.json["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("field", ["name", "quantity"])
def test_a_missing_field_is_named(edge, field):
    reply = edge.post("/orders", json={name: value for name, value in ORDER.items() if name != field})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"name": NaN}', b"\xff\xfe", b'{"name": "\xed\xa0\x80", "quantity": 1}'])
def test_what_is_not_json_is_a_400(edge, body):
    reply = edge.post("/orders", body=body, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"', b"[" * 100_000])
def test_json_of_another_shape_is_a_400(edge, body):
    reply = edge.post("/orders", body=body)
    assert (reply.status, reply.json["path"]) == (400, "$")


def test_a_body_may_have_256_kb_and_not_a_byte_more(edge):
    def body(size: int) -> bytes:
        return b'{"quantity": 1, "name": "' + b"x" * (size - 27) + b'"}'

    assert len(body(1000)) == 1000
    assert edge.post("/orders", body=body(http.MAX_BODY_BYTES)).status == 201
    reply = edge.post("/orders", body=body(http.MAX_BODY_BYTES + 1))
    assert (reply.status, reply.json["error"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_may_say_so_in_any_spelling(edge, kind):
    assert edge.post("/orders", json=ORDER, headers={"Content-Type": kind}).status == 201


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ";"]
)
def test_another_content_type_is_a_415(edge, kind):
    reply = edge.post("/orders", json=ORDER, headers={"Content-Type": kind})
    assert (reply.status, reply.json["error"]) == (415, "unsupported_media_type")


def test_the_callers_request_id_comes_back(edge):
    reply = edge.get("/fails/refused", headers={"X-Request-Id": "trace-7.a_B"})
    assert reply.headers["x-request-id"] == reply.json["request_id"] == "trace-7.a_B"


@pytest.mark.parametrize("given", ["", " ", "a b", "x" * 129, "<script>", "ü"])
def test_a_request_id_that_is_not_one_is_replaced(edge, given):
    answered = edge.get("/me", user="ada", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert answered != given
    assert len(answered) == 26


def test_a_refusal_has_its_status_code_message_and_facts(edge):
    reply = edge.get("/fails/refused")
    assert reply.status == 409
    assert reply.json == {
        "error": "sold_out",
        "message": "Nothing is left.",
        "request_id": reply.headers["x-request-id"],
        "available": 0,
        "requested": 2,
    }


def test_a_bug_is_a_500_that_tells_nothing_and_is_logged(edge, capsys):
    reply = edge.get("/fails/bug")
    assert (reply.status, reply.json["error"]) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert b"ZeroDivision" not in reply.body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/*", "*/*", "nonsense", ""])
def test_any_accept_header_gets_the_answer(edge, accept):
    assert edge.get("/small", headers={"Accept": accept}).json == {"a": 1}
    assert edge.get("/bytes", headers={"Accept": accept}).body == b"\x00\xff"


def test_chalices_own_errors_come_in_our_shape(edge):
    reply = edge.get("/fails/header")
    assert (reply.status, reply.json["error"]) == (500, "internal_error")
    assert reply.json.keys() == {"error", "message", "request_id"}
    assert reply.headers["access-control-allow-origin"] == "*"
