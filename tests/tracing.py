"""Keep coverage's tracer out of code that it does not measure: under a trace function, Python runs all code at half its speed."""

import pkgutil
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import coverage
import pytest
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.hooks import EventAliaser
from stripe._api_requestor import _APIRequestor

import bootstrap
import chalicelib
from devtools.stripe.http_server import StripeHttpServer


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, during which this thread has no tracer of coverage's. Tracers of others (a debugger's) stay."""

    @wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        tracer = sys.gettrace()
        if not type(tracer).__module__.startswith("coverage"):
            return function(*arguments, **named)
        sys.settrace(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(tracer)
            _nothing()  # coverage's tracer takes up its work at the first call that it sees

    return run


def stop_the_tracer_of_a_controller(config: pytest.Config) -> None:
    """Leave a worker one tracer. pytest-cov starts one in it as if it were the controller, and later that of a worker.

    With both, the mark `no_cover` would pause the second, and the first would go on.
    """
    if hasattr(config, "workerinput") and (measuring := coverage.Coverage.current()) is not None:
        measuring.stop()


def collect_untraced(session: pytest.Session) -> None:
    """Let coverage's tracer see how the product is imported, which it measures, and nothing of how tests are imported and found."""
    if sys.gettrace() is None or session.config.pluginmanager.hasplugin("dsession"):  # which has workers that find them
        return
    for package in (chalicelib, bootstrap):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    session.perform_collect = untraced(session.perform_collect)  # type: ignore[method-assign]


def _nothing() -> None:
    """See above."""


def trace_the_product_alone() -> None:
    """Run without the tracer what the product calls: botocore and the engine behind it, Stripe's SDK and the fake behind that."""
    BaseClient._make_api_call = untraced(BaseClient._make_api_call)  # type: ignore[method-assign]
    # What the shorter way of `dynamo_client` calls. An engine in this process answers to an event.
    EventAliaser.emit = untraced(EventAliaser.emit)  # type: ignore[method-assign]
    EventAliaser.emit_until_response = untraced(EventAliaser.emit_until_response)  # type: ignore[method-assign]
    Endpoint._send = untraced(Endpoint._send)  # type: ignore[method-assign]
    _APIRequestor.request = untraced(_APIRequestor.request)  # type: ignore[method-assign]
    StripeHttpServer.process_request_thread = untraced(StripeHttpServer.process_request_thread)  # type: ignore[method-assign]
