"""Requests and replies: bodies, request ids, errors, gzip, ETags, and a store that is unavailable."""

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ReadTimeoutError,
)

from chalicelib.dynamodb import dynamo
from chalicelib.edge import error_replies, routes
from chalicelib.edge.store import IdempotencyRow
from chalicelib.foundation import log, memory, settings
from tests import builders
from tests.edge.conftest import BODIES_WITH_COOKIES, COOKIES

ORDER = {"name": "floor", "quantity": 2}
CACHEABLE = ["/small", "/large"]

THROTTLED = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "ServiceUnavailable",
]


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutItem")


FAULTS = {code: _client_error(code) for code in THROTTLED} | {
    "unreachable": EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    "slow connection": ConnectTimeoutError(endpoint_url="http://127.0.0.1:1"),
    "slow answer": ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
    "contended": dynamo.Contention("collided"),
}


def test_a_valid_body_is_decoded(edge):
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
def test_an_invalid_field_is_a_400_that_names_the_field(edge, change, path):
    reply = edge.post("/orders", json={**ORDER, **change})
    assert reply.status == 400
    assert reply.json["error"] == "invalid_input"
    assert reply.json["path"] == path
    assert reply.json["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("field", ["name", "quantity"])
def test_a_missing_field_is_a_400_that_names_the_field(edge, field):
    reply = edge.post("/orders", json={name: value for name, value in ORDER.items() if name != field})
    assert (reply.status, reply.json["path"]) == (400, f"$.{field}")


def test_a_public_page_ignores_the_query_parameters_that_trackers_add(edge):
    assert edge.get("/small?utm_source=news&gclid=1").status == 200
    assert edge.get("/things/t1?fbclid=x&q=1").json == {"id": "t1", "q": "1"}


@pytest.mark.parametrize(("query", "known"), [({"acton": "x"}, "`actor`, `action`, `from`"), ({"utm_source": "x"}, "`event_id`.")])
def test_a_typo_in_a_filter_of_managers_is_refused_with_the_known_ones(api, query, known):
    reply = api.get("/admin/audit", query=query, token=builders.admin_token())
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", next(iter(query)))
    assert known in reply.json["message"]
    without_any = api.get("/auth/me", query=query, token=builders.admin_token())
    assert (without_any.status, without_any.json["path"]) == (400, next(iter(query)))


@pytest.mark.parametrize(
    "path", ["/events", "/events/gala", "/events/gala/availability", "/tickets/types", "/catalog", "/promoters", "/health"]
)
def test_whatever_a_tracker_adds_public_routes_answer_alike(api, path):
    plain, tracked = api.get(path), api.get(path, query={"utm_source": "x", "fbclid": "y"})
    assert tracked.status == plain.status in (200, 404)


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"name": NaN}', b"\xff\xfe", b'{"name": "\xed\xa0\x80", "quantity": 1}'])
def test_a_body_that_is_not_json_is_a_400(edge, body):
    reply = edge.post("/orders", body=body, headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]) == (400, "malformed_json")


@pytest.mark.parametrize("rest", [b", nope}", b', "\xff": 1}', b', "items": ' + b"[" * 100_000])
def test_a_body_that_stops_being_json_after_a_wrong_answer_is_a_400(api, rest):
    body = b'{"reservation_id": "r", "responses": {"diet": 5}' + rest
    reply = api.post("/checkout/sessions", body=body, user="ada", headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]) == (400, "invalid_input")


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"text"', b"[" * 100_000])
def test_json_that_is_not_an_object_is_a_400(edge, body):
    reply = edge.post("/orders", body=body)
    assert (reply.status, reply.json["path"]) == (400, "$")


def test_a_body_has_at_most_256_kb(edge):
    def body(size: int) -> bytes:
        return b'{"quantity": 1, "name": "' + b"x" * (size - 27) + b'"}'

    assert len(body(1000)) == 1000
    assert edge.post("/orders", body=body(routes.MAX_BODY_BYTES)).status == 201
    reply = edge.post("/orders", body=body(routes.MAX_BODY_BYTES + 1))
    assert (reply.status, reply.json["error"]) == (413, "body_too_large")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_the_content_type_of_json_has_several_spellings(edge, content_type):
    assert edge.post("/orders", json=ORDER, headers={"Content-Type": content_type}).status == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ";"]
)
def test_another_content_type_is_a_415(edge, content_type):
    reply = edge.post("/orders", json=ORDER, headers={"Content-Type": content_type})
    assert (reply.status, reply.json["error"]) == (415, "unsupported_media_type")


def test_the_reply_has_the_callers_request_id(edge):
    reply = edge.get("/fails/refused", headers={"X-Request-Id": "trace-7.a_B"})
    assert reply.headers["x-request-id"] == reply.json["request_id"] == "trace-7.a_B"


@pytest.mark.parametrize("request_id", ["", " ", "a b", "x" * 129, "<script>", "ü"])
def test_a_malformed_request_id_is_replaced(edge, request_id):
    replaced = edge.get("/me", user="ada", headers={"X-Request-Id": request_id}).headers["x-request-id"]
    assert replaced != request_id
    assert len(replaced) in (26, 36)  # a new one, or that of API Gateway


def test_an_api_error_has_its_status_code_message_and_details(edge):
    reply = edge.get("/fails/refused")
    assert reply.status == 409
    assert reply.json == {
        "error": "sold_out",
        "message": "Nothing is left.",
        "request_id": reply.headers["x-request-id"],
        "available": 0,
        "requested": 2,
    }


def test_an_unexpected_exception_is_a_500_without_its_text(edge):
    reply = edge.get("/fails/bug")
    assert (reply.status, reply.json["error"]) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert b"ZeroDivision" not in reply.body


@pytest.mark.parametrize("accept", ["application/json", "text/html", "image/*", "*/*", "nonsense", ""])
def test_every_accept_header_gets_the_same_body(edge, accept):
    assert edge.get("/small", headers={"Accept": accept}).json == {"a": 1}
    assert edge.get("/bytes", headers={"Accept": accept}).body == b"\x00\xff"


@pytest.mark.parametrize(
    ("accept_encoding", "zipped"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip; q=1.0", True),
        ("br;q=1.0, gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip ; q=0", False),
        ("identity", False),
        ("br", False),
        ("", False),
        ("x-gzipped", False),
    ],
)
@pytest.mark.parametrize("path", ["/large", "/fresh"])
def test_a_reply_is_zipped_only_if_the_client_accepts_gzip(edge, path, accept_encoding, zipped):
    reply = edge.get(path, headers={"Accept-Encoding": accept_encoding})
    assert (reply.headers.get("content-encoding") == "gzip") is zipped
    assert reply.json == {"text": "fairgate " * 1000}


def test_a_small_reply_is_not_zipped(edge):
    assert "content-encoding" not in edge.get("/small", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("path", CACHEABLE)
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_matching_etag_is_a_304_without_a_body(edge, path, encoding):
    first = edge.get(path, headers={"Accept-Encoding": encoding})
    reply = edge.get(path, headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]})
    assert (reply.status, reply.body) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert reply.headers[name] == first.headers[name]


@pytest.mark.parametrize("form", ['"other", {}', "W/{}", "*", '{}, "other"', '"a",{},"b"'])
def test_if_none_match_accepts_lists_weak_tags_and_any(edge, form):
    etag = edge.get("/small").headers["etag"]
    assert edge.get("/small", headers={"If-None-Match": form.format(etag)}).status == 304


@pytest.mark.parametrize("if_none_match", ['"other"', "", "nonsense", '"'])
def test_another_etag_gets_the_body(edge, if_none_match):
    assert edge.get("/small", headers={"If-None-Match": if_none_match}).status == 200


def test_the_plain_and_the_zipped_body_have_different_strong_etags(edge):
    plain, zipped = (edge.get("/large", headers={"Accept-Encoding": coding}).headers["etag"] for coding in ("identity", "gzip"))
    assert plain != zipped
    assert plain.startswith('"')
    assert zipped.startswith('"')


def test_only_a_cacheable_reply_may_be_stored(edge):
    assert edge.get("/fresh").headers["cache-control"] == "no-store"
    assert edge.get("/small").headers["cache-control"] == "public, max-age=5"


@pytest.mark.parametrize(
    "path", ["/small", "/fresh", "/bytes", "/me", "/fails/refused", "/fails/bug", "/fails/invalid-header", "/orders", "/nowhere"]
)
def test_every_reply_tells_browsers_to_stay_with_https_and_to_guess_no_type(edge, path):
    headers = edge.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert int(headers["strict-transport-security"].removeprefix("max-age=")) >= 31_536_000
    assert headers["referrer-policy"] == "same-origin"
    # API Gateway answers /nowhere, and a route whose body is not JSON has a policy of its own, if any.
    policy = None if path in ("/nowhere", "/bytes") else "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert headers.get("content-security-policy") == policy


@pytest.fixture
def fault(request, monkeypatch):
    def fail(*args, **options):
        raise FAULTS[request.param]

    monkeypatch.setattr(dynamo, "put_if_returning", fail)


def post_once(edge):
    return edge.post("/once", json={}, user="ada", headers={"Idempotency-Key": "k"})


@pytest.mark.parametrize("fault", FAULTS, indirect=True)
@pytest.mark.usefixtures("fault")
def test_an_unavailable_store_is_a_503_with_retry_after(edge, execution):
    before = log.total("store_unavailable")
    reply = post_once(edge)
    assert (reply.status, reply.json["error"]) == (503, "service_unavailable")
    assert reply.headers["retry-after"] == str(reply.json["retry_after_seconds"])
    assert execution.ids == []
    assert log.total("store_unavailable") == before + 1


def test_a_wrong_setting_is_a_503_that_the_log_explains(edge, monkeypatch, caplog, time):
    def fail(*args, **options):
        raise settings.SettingsError("FAIRGATE_JWT_SECRET must be set")

    memory.forget_everything()
    monkeypatch.setattr(dynamo, "put_if_returning", fail)
    _assert_not_set_up(post_once(edge))
    (record,) = [record for record in caplog.records if record.message == "settings.wrong"]
    assert record.error == "FAIRGATE_JWT_SECRET must be set"
    assert error_replies.list_setup_errors(time.now) == ["FAIRGATE_JWT_SECRET"]


SETUP_ERRORS = [
    (NoCredentialsError(), "NoCredentialsError"),
    (NoRegionError(), "NoRegionError"),
    (ParamValidationError(report="Unknown parameter"), "ParamValidationError"),
    (_client_error("AccessDeniedException"), "AccessDeniedException"),
    (_client_error("UnrecognizedClientException"), "UnrecognizedClientException"),
    (_client_error("NoSuchBucket"), "NoSuchBucket"),
]


@pytest.mark.parametrize(("error", "name"), SETUP_ERRORS)
def test_an_error_that_lasts_until_somebody_acts_is_not_called_busy(edge, monkeypatch, caplog, time, error, name):
    def fail(*args, **options):
        raise error

    memory.forget_everything()
    monkeypatch.setattr(dynamo, "put_if_returning", fail)
    before = log.total("store_unavailable")
    _assert_not_set_up(post_once(edge))
    assert log.total("store_unavailable") == before
    assert [record.error for record in caplog.records if record.message == "settings.wrong"] == [name]
    assert error_replies.list_setup_errors(time.now) == [name]
    time.advance(error_replies.SETUP_ERROR_SECONDS)
    assert error_replies.list_setup_errors(time.now) == []


def test_settings_that_cannot_be_read_are_a_503_on_every_page(edge, monkeypatch, caplog):
    monkeypatch.setattr(settings, "_current", None)
    monkeypatch.setenv("FAIRGATE_STAGE", "prod")
    monkeypatch.setenv("FAIRGATE_IDENTITY", "demo")
    for reply in (edge.get("/me"), edge.get("/small")):
        _assert_not_set_up(reply)
    assert "FAIRGATE_IDENTITY: must be jwt in stage prod" in next(
        record.error for record in caplog.records if record.message == "settings.wrong"
    )


def _assert_not_set_up(reply):
    assert (reply.status, reply.json["error"]) == (503, "not_set_up")
    assert "FAIRGATE" not in str(reply.json)
    assert "Nothing was changed." in reply.json["message"]
    assert "try again" not in reply.json["message"].lower()  # it does not help until somebody has corrected the setup
    assert "retry-after" not in reply.headers
    assert "retry_after_seconds" not in reply.json


def test_a_missing_table_is_named(edge, execution, store, time):
    memory.forget_everything()
    store.delete_table(TableName=IdempotencyRow.name())
    _assert_not_set_up(post_once(edge))
    assert error_replies.list_setup_errors(time.now) == ["ResourceNotFoundException"]


PROBLEM = "application/problem+json"


@pytest.mark.parametrize("accept", [PROBLEM, f"application/json;q=0.5, {PROBLEM}", "Application/Problem+JSON; charset=utf-8"])
@pytest.mark.parametrize(
    ("path", "status", "title"), [("/events/nothing", 404, "Not Found"), ("/checkout/sessions", 405, "Method Not Allowed")]
)
def test_a_caller_gets_errors_as_problem_details_on_request(api, accept, path, status, title):
    reply = api.get(path, headers={"Accept": accept})
    assert (reply.status, reply.headers["content-type"]) == (status, PROBLEM)
    plain, request_id = api.get(path), reply.headers["x-request-id"]
    assert reply.json == plain.json | {
        "type": f"urn:fairgate:error:{plain.json['error']}",
        "title": title,
        "status": status,
        "detail": plain.json["message"],
        "instance": f"urn:fairgate:request:{request_id}",
        "request_id": request_id,
    }


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", ""])
def test_other_callers_get_errors_as_json(api, accept):
    assert api.get("/events/nothing", headers={"Accept": accept}).headers["content-type"] == "application/json"


def test_a_reply_that_is_no_error_stays_json(api):
    assert api.get("/events", headers={"Accept": PROBLEM}).headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", BODIES_WITH_COOKIES)
def test_a_reply_of_any_form_sets_each_of_its_cookies(edge, kind):
    reply = edge.get(f"/cookies/{kind}", headers={"Accept-Encoding": "gzip"})
    assert reply.cookies == COOKIES
    assert "set-cookie" not in reply.headers
