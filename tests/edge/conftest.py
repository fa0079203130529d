"""A small app whose routes do what the tests of the edge need."""

from functools import cache
from typing import Annotated, Any

import pytest
from chalice.app import Blueprint, Chalice
from msgspec import Meta, Struct

from chalicelib.edge import fallback
from chalicelib.edge.idempotency import once
from chalicelib.edge.respond import Answer, Call, Document, route
from chalicelib.errors import NotFound, Refusal
from infra.local.gateway import Gateway
from tests.client import Client

bp = Blueprint(__name__)


class Order(Struct, forbid_unknown_fields=True):
    name: str
    quantity: Annotated[int, Meta(ge=1, le=50)]


class SoldOut(Refusal):
    code = "sold_out"
    status = 409
    default_message = "Nothing is left."


class Made:
    """What the idempotent route does: a test may replace it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.action: Any = lambda: None

    def execute(self, resource_id: str) -> Answer:
        self.ids.append(resource_id)
        self.action()
        return Answer({"id": resource_id}, 201)


made = Made()


@route(bp, "POST", "/orders")
def order(call: Call) -> Answer:
    body = call.body(Order)
    return Answer({"name": body.name, "quantity": body.quantity}, 201)


@route(bp, "POST", "/once")
def make_once(call: Call) -> Answer:
    return once(call, call.user().user_id, made.execute)


@route(bp, "POST", "/must")
def make_with_key(call: Call) -> Answer:
    return once(call, call.user().user_id, made.execute, required=True)


@route(bp, "GET", "/small")
def small(call: Call) -> Document:
    return Document.of({"a": 1}, max_age=5)


@route(bp, "GET", "/large")
def large(call: Call) -> Document:
    return Document.of({"text": "fairgate " * 1000}, max_age=60)


@route(bp, "GET", "/fresh")
def fresh(call: Call) -> Answer:
    return Answer({"text": "fairgate " * 1000})


@route(bp, "GET", "/me")
def me(call: Call) -> Answer:
    who = call.user()
    return Answer({"id": who.user_id, "roles": sorted(who.roles)})


@route(bp, "GET", "/admins")
def admins(call: Call) -> Answer:
    return Answer({"id": call.require("admin").user_id})


@route(bp, "GET", "/things/{thing_id}")
def thing(call: Call, thing_id: str) -> Answer:
    return Answer({"id": thing_id, "q": call.query("q")})


@route(bp, "GET", "/things/special")
def special(call: Call) -> Answer:
    return Answer({"special": True})


@route(bp, "GET", "/bytes")
def some_bytes(call: Call) -> Answer:
    return Answer(b"\x00\xff", headers={"Content-Type": "application/octet-stream"})


@route(bp, "GET", "/fails/{how}")
def fails(call: Call, how: str) -> Answer:
    if how == "bug":
        raise ZeroDivisionError("secret detail")
    if how == "gone":
        raise NotFound()
    if how == "header":
        return Answer({}, headers={"X-Bad": "a\nb"})
    raise SoldOut(available=0, requested=2)


@cache
def app() -> Chalice:
    """One for all tests: Chalice uses a blueprint's registrations up."""
    made_app = Chalice(app_name="edge", configure_logs=False)
    made_app.api.binary_types = ["*/*"]
    made_app.register_middleware(fallback.in_our_shape, "http")
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
