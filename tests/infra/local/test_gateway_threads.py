"""Sixteen threads in one Chalice app: each handler must see its own request."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
from chalice.app import Blueprint, Chalice

from chalicelib.edge.routes import Reply, route
from infra.local.gateway import Gateway

THREADS = 16


def _echo_app() -> Chalice:
    barrier, bp = threading.Barrier(THREADS), Blueprint(__name__)

    @route(bp, "GET", "/echo/{name}", access="public")
    def echo(call, name):
        barrier.wait(60)  # all requests are inside their handlers now
        seen = bp.current_request
        return Reply({"asked": name, "seen": seen.uri_params["name"], "header": seen.headers["x-name"]})

    app = Chalice(app_name="echo", configure_logs=False)
    app.api.binary_types = ["*/*"]
    app.register_blueprint(bp)
    return app


def _mixed_up(gateway: Gateway) -> int:
    """How many of 16 simultaneous handlers saw the request of another one."""

    def ask(name: str) -> bool:
        body = msgspec.json.decode(gateway.handle("GET", f"/api/echo/{name}", [("X-Name", name)]).body)
        return body != {"asked": name, "seen": name, "header": name}

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(ask, [f"n{n}" for n in range(THREADS)]))


def test_every_handler_sees_its_own_request():
    assert _mixed_up(Gateway(_echo_app())) == 0


def test_without_thread_local_state_handlers_see_other_requests():
    app = _echo_app()
    gateway = Gateway(app)
    app.__class__ = Chalice
    assert _mixed_up(gateway) == THREADS - 1
