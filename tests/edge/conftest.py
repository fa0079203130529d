"""A small app with the routes that the tests of the edge call."""

from functools import cache
from typing import Annotated, Any

import pytest
from chalice.app import Blueprint, Chalice
from msgspec import Meta, Struct

from app import app as fairgate_app
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cors, error_replies
from chalicelib.edge.idempotency import execute_once
from chalicelib.edge.routes import CacheableReply, Reply, RequestContext, route
from chalicelib.foundation import deadline
from chalicelib.foundation.errors import ApiError, NotFound
from infra.local.gateway import Gateway
from tests.client import Client
from tests.documented import check_reply

bp = Blueprint(__name__)


class Order(Struct, forbid_unknown_fields=True):
    name: str
    quantity: Annotated[int, Meta(ge=1, le=50)]


class ThingQuery(Struct, forbid_unknown_fields=True):
    q: str | None = None


class SoldOut(ApiError):
    code = "sold_out"
    status = 409
    default_message = "Nothing is left."


class Execution:
    """What the idempotent routes execute and find. It records the resource ids and calls `action`, which a test may replace."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.action: Any = lambda: None
        self.asked: list[str] = []
        self.finds: bool | ApiError = False

    def execute(self, resource_id: str) -> Reply:
        self.ids.append(resource_id)
        self.action()
        return Reply({"id": resource_id}, 201)

    def find_result(self, resource_id: str) -> Reply | None:
        self.asked.append(resource_id)
        if isinstance(self.finds, ApiError):
            raise self.finds
        return Reply({"id": resource_id, "found": True}, 201) if self.finds else None


execution_of_routes = Execution()


@route(bp, "POST", "/orders", access="public")
def order(request: RequestContext, body: Order) -> Reply:
    return Reply({"name": body.name, "quantity": body.quantity}, 201)


@route(bp, "POST", "/once", access="user")
def create_once(request: RequestContext) -> Reply:
    return execute_once(request, request.require_user().user_id, execution_of_routes.execute)


@route(bp, "POST", "/once-with-required-key", access="user")
def create_with_required_key(request: RequestContext) -> Reply:
    return execute_once(request, request.require_user().user_id, execution_of_routes.execute, required=True)


@route(bp, "POST", "/once-or-found", access="user")
def create_once_or_find(request: RequestContext) -> Reply:
    execute, find_result = execution_of_routes.execute, execution_of_routes.find_result
    return execute_once(request, request.require_user().user_id, execute, find_result=find_result)


@route(bp, "GET", "/small", access="public")
def small(request: RequestContext) -> CacheableReply:
    return CacheableReply.encode({"a": 1}, max_age=5)


@route(bp, "GET", "/large", access="public")
def large(request: RequestContext) -> CacheableReply:
    return CacheableReply.encode({"text": "fairgate " * 1000}, max_age=60)


@route(bp, "GET", "/fresh", access="public")
def fresh(request: RequestContext) -> Reply:
    return Reply({"text": "fairgate " * 1000})


@route(bp, "GET", "/me", access="user")
def me(request: RequestContext) -> Reply:
    identity = request.require_user()
    return Reply({"id": identity.user_id, "roles": sorted(identity.roles)})


@route(bp, "GET", "/admins", access="admin")
def admins(request: RequestContext) -> Reply:
    return Reply({"id": request.require_user().user_id})


@route(bp, "GET", "/things/{thing_id}", access="public")
def thing(request: RequestContext, thing_id: str, query: ThingQuery) -> Reply:
    return Reply({"id": thing_id, "q": query.q})


@route(bp, "GET", "/things/special", access="public")
def special(request: RequestContext) -> Reply:
    return Reply({"special": True})


@route(bp, "GET", "/bytes", access="public")
def some_bytes(request: RequestContext) -> Reply:
    return Reply(b"\x00\xff", headers={"Content-Type": "application/octet-stream"})


COOKIES = ("a=1; HttpOnly", "b=2")
BODIES_WITH_COOKIES = {"json": {"text": "fairgate"}, "long": {"text": "fairgate " * 1000}, "text": "fairgate", "bytes": b"\x00\xff"}


@route(bp, "GET", "/cookies/{kind}", access="public")
def with_cookies(request: RequestContext, kind: str) -> Reply:
    return Reply(BODIES_WITH_COOKIES[kind], headers={"Content-Type": "text/plain"}, cookies=COOKIES)


@route(bp, "POST", "/change", access="public")
def change(request: RequestContext) -> Reply:
    return Reply({}, headers={"X-Bad": "a\nb"})


@route(bp, "GET", "/fails/{cause}", access="public")
def fails(request: RequestContext, cause: str) -> Reply:
    if cause == "bug":
        raise ZeroDivisionError("secret detail")
    if cause == "not-found":
        raise NotFound()
    if cause == "busy":
        raise SoldOut(retry_after_seconds=3)
    if cause == "invalid-header":
        return Reply({}, headers={"X-Bad": "a\nb"})
    raise SoldOut(available=0, requested=2)


@route(bp, "GET", "/time-left", access="public")
def time_left(request: RequestContext) -> Reply:
    return Reply({"seconds": deadline.remaining()})


@cache
def app() -> Chalice:
    """One app for all tests, because a blueprint can be registered only once."""
    chalice_app = Chalice(app_name="edge", configure_logs=False)
    chalice_app.api.binary_types = ["*/*"]
    chalice_app.register_middleware(error_replies.reshape_errors, "http")
    chalice_app.register_middleware(cors.answer_preflights, "http")
    chalice_app.register_blueprint(bp, url_prefix="/v1")
    return chalice_app


@pytest.fixture
def edge(_settings) -> Client:
    """A client of the small app behind the local gateway, without a store."""
    return Client(Gateway(app()))


@pytest.fixture
def execution() -> Execution:
    execution_of_routes.__init__()
    return execution_of_routes


class LambdaContext:
    """What Lambda passes to a function: here its time only."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


@pytest.fixture
def manual_lambda() -> type[LambdaContext]:
    """A Lambda that leaves its function so many seconds."""
    return LambdaContext


@pytest.fixture
def api_without_store(_settings, monkeypatch) -> Client:
    def fail() -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(dynamo, "client", fail)
    return Client(Gateway(fairgate_app), check_reply)
