"""Keeps coverage's tracer out of code that coverage does not measure, because Python runs traced code at half its speed."""

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
    """Return the function, wrapped to run without coverage's tracer in this thread. Other tracers, such as a debugger's, stay."""

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
            _nothing()  # coverage's tracer resumes at the next call that it sees

    return run


def stop_the_tracer_of_a_controller(config: pytest.Config) -> None:
    """Leave a worker with one tracer. pytest-cov starts a controller's tracer in a worker, and later the worker's own tracer.

    With both tracers, the mark `no_cover` would pause only the worker's tracer, and the controller's tracer would continue.
    """
    if hasattr(config, "workerinput") and (measuring := coverage.Coverage.current()) is not None:
        measuring.stop()


def collect_untraced(session: pytest.Session) -> None:
    """Import the product with coverage's tracer, which measures the imports, and then collect the tests without the tracer."""
    if sys.gettrace() is None or session.config.pluginmanager.hasplugin("dsession"):  # with "dsession", workers collect the tests
        return
    for package in (chalicelib, bootstrap):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    session.perform_collect = untraced(session.perform_collect)  # type: ignore[method-assign]


def _nothing() -> None:
    """Give coverage's tracer a call at which it resumes, for `untraced`."""


def trace_the_product_alone() -> None:
    """Run the code behind the product without the tracer: botocore and the engine, Stripe's SDK and the fake Stripe."""
    BaseClient._make_api_call = untraced(BaseClient._make_api_call)  # type: ignore[method-assign]
    # The shortcut of `dynamo_client` calls these two, and an engine in this process answers to the event.
    EventAliaser.emit = untraced(EventAliaser.emit)  # type: ignore[method-assign]
    EventAliaser.emit_until_response = untraced(EventAliaser.emit_until_response)  # type: ignore[method-assign]
    Endpoint._send = untraced(Endpoint._send)  # type: ignore[method-assign]
    _APIRequestor.request = untraced(_APIRequestor.request)  # type: ignore[method-assign]
    StripeHttpServer.process_request_thread = untraced(StripeHttpServer.process_request_thread)  # type: ignore[method-assign]
