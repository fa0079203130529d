"""The local gateway gives handlers the same events as API Gateway."""

import msgspec
import pytest
from chalice.app import Chalice

from infra.local.gateway import MAX_PAYLOAD_BYTES, Gateway


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    app = Chalice(app_name="recorder", configure_logs=False)
    app.api.binary_types = ["*/*"]

    @app.route("/v1/things/{thing_id}", methods=["GET", "POST"], content_types=["*/*"])
    def thing(thing_id):
        request = app.current_request
        return {"id": thing_id, "method": request.method, "body": request.raw_body.decode("latin-1") if request.raw_body else ""}

    @app.route("/v1/things/special")
    def special():
        return {"special": True}

    @app.route("/v1/things/{thing_id}/parts/{part}")
    def part(thing_id, part):
        return [thing_id, part]

    return Gateway(app)


def send_request(gateway: Gateway, target: str, method: str = "GET", headers=(("Accept", "*/*"),), body: bytes = b""):
    reply = gateway.handle(method, f"/api/v1{target}", headers, body)
    return reply.status, msgspec.json.decode(reply.body) if reply.body else None


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/things/special", {"special": True}),
        ("/things/special/", {"special": True}),
        ("/things/special?x=1", {"special": True}),
        ("/things/a%2Fb/parts/%C3%BC", ["a/b", "ü"]),
        ("/things/special/parts/a+b", ["special", "a+b"]),
        ("/things/%7Bthing_id%7D/parts/..", ["{thing_id}", ".."]),
    ],
)
def test_paths_find_their_resource(gateway, target, body):
    assert send_request(gateway, target) == (200, body)


@pytest.mark.parametrize(
    "target", ["", "/", "/things", "/things/", "//things/a", "/things//parts/b", "/things/a/parts", "/things/a/parts/b/c"]
)
def test_other_paths_are_a_404_in_our_shape(gateway, target):
    status, body = send_request(gateway, target)
    assert (status, body["error"]) == (404, "not_found")
    assert body.keys() == {"error", "message", "request_id"}


@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/v1/things/special", "/apix/v1/things/special", "/api/v2/things/special"])
def test_only_the_stage_is_served(gateway, path):
    assert gateway.handle("GET", path).status == 404


@pytest.fixture
def event(gateway):
    """Builds the proxy event of a request."""
    return lambda target, method="GET", headers=(), body=b"": gateway.proxy_event(method, f"/api/v1{target}", headers, body, "192.0.2.7")


def test_the_query_is_decoded_and_keeps_every_value(event):
    proxy_event = event("/things/a?x=1&x=2&empty=&text=a%20b%2Bc+d&%C3%BC=%F0%9F%8E%9F")
    assert proxy_event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "empty": [""], "text": ["a b+c d"], "ü": ["🎟"]}
    assert proxy_event["queryStringParameters"]["x"] == "2"
    assert event("/things/a")["multiValueQueryStringParameters"] is None


def test_headers_keep_every_value(event):
    proxy_event = event("/things/a", headers=[("X-A", "1"), ("X-A", "2"), ("User-Agent", "ua")])
    assert proxy_event["headers"]["X-A"] == "2"
    assert proxy_event["multiValueHeaders"]["X-A"] == ["1", "2"]


def test_the_body_comes_in_base64_since_every_type_is_binary(event):
    proxy_event = event("/things/a", method="POST", body=b"\x00\xff{}")
    assert (proxy_event["body"], proxy_event["isBase64Encoded"]) == ("AP97fQ==", True)
    assert event("/things/a")["body"] is None


def test_the_context_has_the_path_the_method_and_the_source_address(event):
    proxy_event = event("/things/a%20b")
    context = proxy_event["requestContext"]
    assert (proxy_event["path"], context["path"], context["resourcePath"]) == (
        "/v1/things/a%20b",
        "/api/v1/things/a%20b",
        "/v1/things/{thing_id}",
    )
    assert (context["stage"], context["httpMethod"], context["identity"]["sourceIp"]) == ("api", "GET", "192.0.2.7")
    assert proxy_event["pathParameters"] == {"thing_id": "a b"}
    assert context["requestId"] != event("/things/a")["requestContext"]["requestId"]


def test_a_response_of_bare_chalice_arrives_decoded(gateway):
    assert send_request(gateway, "/things/x", "POST", body=b"abc") == (200, {"id": "x", "method": "POST", "body": "abc"})


def test_a_body_above_ten_megabytes_stops_at_the_gateway(gateway):
    status, body = send_request(gateway, "/things/x", "POST", body=b"x" * (MAX_PAYLOAD_BYTES + 1))
    assert (status, body["error"]) == (413, "body_too_large")
    assert "image/upload" in body["message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_an_unknown_method_is_a_405_that_lists_the_known_ones(api, method):
    reply = api.request(method, "/health")
    assert (reply.status, reply.json["error"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == "GET, OPTIONS"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.json["request_id"] == reply.headers["x-request-id"]
