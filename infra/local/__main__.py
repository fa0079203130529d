"""`make run`: the whole of Fairgate on this machine, on one port of loopback."""

import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from chalicelib import settings
from devtools.dynamodb.errors import StoreDamaged, StoreInUse, StoreTooNew
from infra.local.data import DataError, DataFolder, Secrets
from infra.local.environment import SetupError, entries, prepare, unknown_settings
from infra.local.server import PortInUse, Server

if TYPE_CHECKING:
    from devtools.dynamodb.store import Store
    from devtools.stripe.fake import FakeStripe

HEARING_SECONDS = 0.5
WEB = Path(__file__).parents[2] / "web"


def main() -> int:
    """0 after Ctrl-C or SIGTERM, 1 when something that must be there is not."""
    terminal = sys.stdout
    _stop_on_signals(terminal)
    try:
        chosen = entries()
        folder = DataFolder(chosen.data, reset=chosen.reset)
        server = Server(chosen.port)
        kept = folder.secrets()
        prepare(kept, server.port)
        for name in unknown_settings():
            _say(terminal, f"Note: {name} is not a setting, so it changes nothing. docs/settings.md lists them all.")
        stripe = _stripe(folder, server, chosen.port)
        _run(folder, kept, server, stripe, terminal)
    except KeyboardInterrupt:
        _say(terminal, "Stopped. The data is saved.")
    except PortInUse:
        return _fail(f"Port {chosen.port} is in use. Stop what listens there, or take another one: make run PORT={chosen.port + 1}")
    except (DataError, SetupError, StoreDamaged, StoreInUse, StoreTooNew, settings.SettingsError) as error:
        return _fail(str(error))
    return 0


def _stripe(folder: DataFolder, server: Server, asked_port: int) -> "FakeStripe | None":
    """The stand-in for Stripe, where no key is given. Any port will do for it when any does for the server."""
    from infra.local import stand_in

    if stand_in.wanted():
        return stand_in.prepare(folder, server.origin, stand_in.PORT if asked_port else 0)
    if key := settings.optional_secret("stripe_api_key"):
        from chalicelib.payments import service

        service.check_key(key)  # now, not when the first buyer pays
    return None


def _run(folder: DataFolder, kept: Secrets, server: Server, stripe: "FakeStripe | None", terminal: TextIO) -> NoReturn:
    """Start everything, serve until a signal (KeyboardInterrupt), stop in order."""
    from chalicelib import dynamo
    from devtools.dynamodb.http_server import StoreHttpServer
    from devtools.dynamodb.store import open_store
    from devtools.dynamodb.transport import in_process_transport
    from infra.local import telemetry

    telemetry.route_to(folder.logs / "fairgate.jsonl")
    _say(terminal, "Opening the store ...")
    with open_store(folder.store) as store, in_process_transport(store, dynamo.client()), StoreHttpServer(store) as port:
        _serve(folder, kept, server, stripe, store, port.url, terminal)


def _serve(
    folder: DataFolder,
    kept: Secrets,
    server: Server,
    stripe: "FakeStripe | None",
    store: "Store",
    store_url: str,
    terminal: TextIO,
) -> NoReturn:
    from chalicelib.catalog import service
    from infra.local import catalog, demo, stand_in
    from infra.local.gateway import Gateway
    from infra.local.schedules import Schedules

    catalog.fill(kept.first_day, folder.path / "demo-tickets.json", lambda line: _say(terminal, line))
    import app

    schedules = Schedules(app.app, store)
    server.start(Gateway(app.app), WEB)
    with ExitStack() as ending:
        # Ended in the opposite order: webhooks, schedules, requests, and last what they may still ask.
        if stripe is not None:
            stand_in.add_prices(stripe, service.snapshot())
            ending.enter_context(stripe)
        ending.callback(server.stop)
        schedules.start()
        ending.callback(schedules.stop)
        if stripe is not None:
            ending.callback(stripe.stop_webhooks)
        found = demo.describe(server.origin, store_url, stripe.url if stripe is not None else None, kept)
        file = folder.write_private("demo.json", found)
        _say(terminal, demo.welcome(found, file))
        while True:
            # Again and again: a signal that comes just before a wait without an end begins is only heard when that ends.
            threading.Event().wait(HEARING_SECONDS)


def _stop_on_signals(terminal: TextIO) -> None:
    """The first Ctrl-C or SIGTERM stops in order; the second ends at once, which loses nothing that was answered."""

    def force(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        _say(terminal, "Ended at once.")
        os._exit(130)

    def stop(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        signal.signal(signal.SIGINT, force)
        signal.signal(signal.SIGTERM, force)
        _say(terminal, "\nStopping (Ctrl-C again ends at once) ...")
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _say(terminal: TextIO, text: str) -> None:
    print(text, file=terminal, flush=True)


def _fail(text: str) -> int:
    print(f"fairgate: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
