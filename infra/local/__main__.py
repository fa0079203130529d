"""`make run`: the whole of Fairgate on this machine, on one port of 127.0.0.1."""

import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO

from chalicelib import secret_settings, settings
from devtools.dynamodb.errors import StoreDamaged, StoreInUse, StoreTooNew
from infra.local.data_folder import DataFolder, DataFolderError, RunSecrets
from infra.local.environment import SetupError, complete_environment, read_options, unknown_settings
from infra.local.server import LocalServer, PortInUse

if TYPE_CHECKING:
    from devtools.dynamodb.store import LocalStore
    from devtools.stripe.fake import FakeStripe

SIGNAL_CHECK_SECONDS = 0.5
WEB = Path(__file__).parents[2] / "web"


def main() -> int:
    """Run until a signal. Returns 0 after Ctrl-C or SIGTERM, 1 when the run cannot start; the reason is printed."""
    terminal = sys.stdout
    _handle_signals(terminal)
    try:
        options = read_options()
        folder = DataFolder(options.data, reset=options.reset)
        server = LocalServer(options.port)
        secrets = folder.load_secrets()
        complete_environment(secrets, server.port)
        for name in unknown_settings():
            _print(terminal, f"Note: {name} is not a setting and has no effect. docs/settings.md lists all settings.")
        stripe = _create_stripe(folder, server, options.port)
        _run(folder, secrets, server, stripe, terminal)
    except KeyboardInterrupt:
        _print(terminal, "Stopped. The data is saved.")
    except PortInUse:
        return _fail(f"Port {options.port} is in use. Stop the program that uses it, or take any free port: make run PORT=0")
    except settings.SettingsError as error:
        return _fail(f"{error} (docs/settings.md lists the settings and their values)")
    except (DataFolderError, SetupError, StoreDamaged, StoreInUse, StoreTooNew) as error:
        return _fail(str(error))
    return 0


def _create_stripe(folder: DataFolder, server: LocalServer, requested_port: int) -> "FakeStripe | None":
    """Create the fake Stripe if no key is given; else check the key and return None. Port 0 of the server means any port here too."""
    from infra.local import local_stripe

    if local_stripe.is_needed():
        return local_stripe.create(folder, server.origin, local_stripe.PORT if requested_port else 0)
    if key := secret_settings.optional_secret("stripe_api_key"):
        from chalicelib.payments import service

        service.check_key(key)  # now, not when the first buyer pays
    return None


def _run(folder: DataFolder, secrets: RunSecrets, server: LocalServer, stripe: "FakeStripe | None", terminal: TextIO) -> NoReturn:
    """Start everything, serve until a signal (KeyboardInterrupt), stop in order."""
    from chalicelib import dynamo
    from devtools.dynamodb.http_server import StoreHttpServer
    from devtools.dynamodb.store import open_store
    from devtools.dynamodb.transport import in_process_transport
    from infra.local import telemetry

    telemetry.redirect_stdout(folder.logs / "fairgate.jsonl")
    _print(terminal, "Opening the store ...")
    with open_store(folder.store) as store, in_process_transport(store, dynamo.client()), StoreHttpServer(store) as store_server:
        server.workers.on_pause = store.share_commits(server.workers)
        _serve(folder, secrets, server, stripe, store, store_server.url, terminal)


def _serve(
    folder: DataFolder,
    secrets: RunSecrets,
    server: LocalServer,
    stripe: "FakeStripe | None",
    store: "LocalStore",
    store_url: str,
    terminal: TextIO,
) -> NoReturn:
    from chalicelib.catalog import service
    from infra.local import demo_access, initial_data, local_stripe
    from infra.local.gateway import Gateway
    from infra.local.schedules import Schedules

    demo_file = folder.path / "demo-tickets.json"
    initial_data.create_tables_and_catalog(secrets.first_day, demo_file, lambda line: _print(terminal, line))
    import app

    schedules = Schedules(app.app, store)
    access = demo_access.create_access(server.origin, store_url, stripe.url if stripe is not None else None, secrets)
    file = folder.write_private("demo.json", access)  # before the first request: a script that waits for an answer then has it
    server.start(Gateway(app.app), WEB)
    with ExitStack() as on_stop:
        # Stopped in the opposite order: webhooks, schedules, requests, and last the fake Stripe that all of them call.
        if stripe is not None:
            local_stripe.add_prices(stripe, service.snapshot())
            on_stop.enter_context(stripe)
        on_stop.callback(server.stop)
        schedules.start()
        on_stop.callback(schedules.stop)
        if stripe is not None:
            on_stop.callback(stripe.stop_webhooks)
        _print(terminal, demo_access.welcome_text(access, file))
        while True:
            # Not one endless wait: a signal that comes just before it begins would be noticed only when it ends.
            threading.Event().wait(SIGNAL_CHECK_SECONDS)


def _handle_signals(terminal: TextIO) -> None:
    """The first Ctrl-C or SIGTERM stops in order; the second one ends at once, which loses nothing that was answered."""

    def end_now(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        _print(terminal, "Stopped at once. Everything that was answered is saved.")
        os._exit(130)

    def stop(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        signal.signal(signal.SIGINT, end_now)
        signal.signal(signal.SIGTERM, end_now)
        _print(terminal, "\nStopping (press Ctrl-C again to stop at once) ...")
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _print(terminal: TextIO, text: str) -> None:
    print(text, file=terminal, flush=True)


def _fail(text: str) -> int:
    print(f"fairgate: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
