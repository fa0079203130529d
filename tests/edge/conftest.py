"""A small app whose routes do what the tests of the edge need."""

from functools import cache
from typing import Annotated, Any

import pytest
from chalice.app import Blueprint, Chalice
from msgspec import Meta, Struct

from chalicelib.edge import error_middleware
from chalicelib.edge.http import EncodedBody, Reply, RequestContext, route
from chalicelib.edge.idempotency import execute_once
from chalicelib.errors import ApiError, NotFound
from infra.local.gateway import Gateway
from tests.client import Client

bp = Blueprint(__name__)


class Order(Struct, forbid_unknown_fields=True):
    name: str
    quantity: Annotated[int, Meta(ge=1, le=50)]


class SoldOut(ApiError):
    code = "sold_out"
    status = 409
    default_message = "Nothing is left."


class Made:
    """What the idempotent route does: a test may replace it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.action: Any = lambda: None

    def execute(self, resource_id: str) -> Reply:
        self.ids.append(resource_id)
        self.action()
        return Reply({"id": resource_id}, 201)


made = Made()


@route(bp, "POST", "/orders")
def order(request: RequestContext) -> Reply:
    body = request.parse_body(Order)
    return Reply({"name": body.name, "quantity": body.quantity}, 201)


@route(bp, "POST", "/once")
def make_once(request: RequestContext) -> Reply:
    return execute_once(request, request.require_user().user_id, made.execute)


@route(bp, "POST", "/must")
def make_with_key(request: RequestContext) -> Reply:
    return execute_once(request, request.require_user().user_id, made.execute, required=True)


@route(bp, "GET", "/small")
def small(request: RequestContext) -> EncodedBody:
    return EncodedBody.of({"a": 1}, max_age=5)


@route(bp, "GET", "/large")
def large(request: RequestContext) -> EncodedBody:
    return EncodedBody.of({"text": "fairgate " * 1000}, max_age=60)


@route(bp, "GET", "/fresh")
def fresh(request: RequestContext) -> Reply:
    return Reply({"text": "fairgate " * 1000})


@route(bp, "GET", "/me")
def me(request: RequestContext) -> Reply:
    who = request.require_user()
    return Reply({"id": who.user_id, "roles": sorted(who.roles)})


@route(bp, "GET", "/admins")
def admins(request: RequestContext) -> Reply:
    return Reply({"id": request.require_role("admin").user_id})


@route(bp, "GET", "/things/{thing_id}")
def thing(request: RequestContext, thing_id: str) -> Reply:
    return Reply({"id": thing_id, "q": request.query("q")})


@route(bp, "GET", "/things/special")
def special(request: RequestContext) -> Reply:
    return Reply({"special": True})


@route(bp, "GET", "/bytes")
def some_bytes(request: RequestContext) -> Reply:
    return Reply(b"\x00\xff", headers={"Content-Type": "application/octet-stream"})


@route(bp, "GET", "/fails/{how}")
def fails(request: RequestContext, how: str) -> Reply:
    if how == "bug":
        raise ZeroDivisionError("secret detail")
    if how == "gone":
        raise NotFound()
    if how == "header":
        return Reply({}, headers={"X-Bad": "a\nb"})
    raise SoldOut(available=0, requested=2)


@cache
def app() -> Chalice:
    """One for all tests: Chalice uses a blueprint's registrations up."""
    made_app = Chalice(app_name="edge", configure_logs=False)
    made_app.api.binary_types = ["*/*"]
    made_app.register_middleware(error_middleware.reshape_errors, "http")
    made_app.register_blueprint(bp, url_prefix="/v1")
    return made_app


@pytest.fixture
def edge(_settings) -> Client:
    """The small app behind the gateway; no store."""
    return Client(Gateway(app()))


@pytest.fixture
def execution() -> Made:
    made.__init__()
    return made
