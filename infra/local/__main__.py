"""`make run`: run all of Fairgate on this machine and serve the shop on one port of 127.0.0.1."""

import errno
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from bootstrap import env_file
from chalicelib.foundation import addons, clock, secret_settings, settings
from devtools.dynamodb.journal import StoreDamaged, StoreFailed, StoreInUse, StoreTooNew
from infra.local.data_folder import DataFolder, DataFolderError
from infra.local.environment import SetupError, complete_environment, read_options
from infra.local.server import LocalServer, PortInUse
from infra.web import build_if_possible, folder_of

if TYPE_CHECKING:
    from devtools.dynamodb.engine import Engine
    from devtools.dynamodb.journal import Journal
    from devtools.stripe.fake import FakeStripe

SIGNAL_CHECK_SECONDS = 0.5
# Variables that are also options -> what they do.
OPTIONS = {
    "PORT": "port on 127.0.0.1, or 0 for any free port; default: 8000",
    "DATA": "folder for the data; default: .data",
    "RESET": "delete the data in that folder first",
    "RELOAD": "restart after each edit of the code or the bootstrap file",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal. Returns 0 after Ctrl-C or SIGTERM, 1 if the run cannot start, 2 for a wrong setting, and prints the reason."""
    arguments = parser().parse_args(argv)
    os.environ.update({name: value for name in OPTIONS if (value := getattr(arguments, name.lower()))})
    terminal = sys.stdout
    signals = Signals(terminal)
    try:
        given = dict(os.environ)
        env_file.load()
        options = read_options()
        if options.reload:
            from infra.local.reload import run_again_after_edits

            return run_again_after_edits(options.port, given, ["--build-pages"] if arguments.build_pages else [])
        folder = DataFolder(options.data, reset=options.reset)
        try:
            server = LocalServer(options.port)
            complete_environment(folder.secrets, server.port)
            folder.prepare()
            _start_beacon()
            stripe = _create_stripe(folder, server, options.port)
            _check_addons()
        except BaseException:
            folder.remove_if_new()
            raise
        if arguments.build_pages:  # after the checks: the first build takes a minute, and a wrong setting should show at once
            build_if_possible(settings.current().addon_names)
        _run(folder, server, stripe, terminal, signals)
    except KeyboardInterrupt:
        _print(terminal, "Stopped. Your data is saved.")
    except PortInUse:
        return _fail(f"Port {options.port} is in use. Stop the program that uses it, or take any free port: make run PORT=0")
    except settings.SettingsError as error:
        return _fail(f"{error}. docs/settings.md lists the settings and their values.", 2)
    except SetupError as error:
        return _fail(str(error), 2)
    except StoreDamaged as error:
        return _fail(f"{str(error).rstrip('.')}: make run RESET=1")
    except (DataFolderError, StoreInUse, StoreTooNew, StoreFailed) as error:
        return _fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        reason = f"The data folder cannot be written, probably because the disk is full: {error}."
        return _fail(f"{reason} Free some space and start again. Every confirmed request is saved.")
    return 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate run", description="Run all of Fairgate on this machine; see README.md and docs/settings.md.")
    for name, text in OPTIONS.items():
        switch: dict[str, Any] = {"action": "store_const", "const": "1"} if name in ("RESET", "RELOAD") else {}
        parser.add_argument(f"--{name.lower()}", help=f"{text} ({name})", **switch)
    parser.add_argument(
        "--build-pages", action="store_true", help="build the web pages first; `fairgate run` and `make run` always do this"
    )
    return parser


def _start_beacon() -> None:
    """Start a beacon for draws, unless the settings name a chain or mirrors, and point this process's settings to it."""
    stage, chain, mirrors = (settings.PREFIX + name for name in ("STAGE", "BEACON_CHAIN", "BEACON_MIRRORS"))
    if os.environ.get(stage) == settings.PRODUCTION or os.environ.get(chain) or os.environ.get(mirrors):
        return
    from devtools.beacon import FakeBeacon

    beacon = FakeBeacon()
    beacon.start()  # its threads end with the process
    os.environ.update({chain: beacon.chain, mirrors: beacon.url})


def _create_stripe(folder: DataFolder, server: LocalServer, requested_port: int) -> "FakeStripe | None":
    """Create the fake Stripe if this run needs one; otherwise check the Stripe key, if any, and return None.

    If port 0 was requested for the server, the fake takes any free port too.
    """
    from infra.local import local_stripe

    if local_stripe.is_needed():
        fake = local_stripe.create(folder, server.origin, local_stripe.PORT if requested_port else 0)
        secret_settings.check_secrets()  # caches the settings, so it must follow the creation of the fake
        return fake
    secret_settings.check_secrets()
    from chalicelib.payments import service as payments

    payments.check_setup()  # now, instead of at the first payment
    return None


def _check_addons() -> None:
    """Raise SettingsError if an add-on names something that is wrong with its settings, such as an expired certificate."""
    for find_errors in addons.hooks("setup_errors"):
        for error in find_errors(clock.now()):
            raise settings.SettingsError(f"{error}: the key or certificate of an add-on cannot be used; see docs/wallets.md.")


def _run(folder: DataFolder, server: LocalServer, stripe: "FakeStripe | None", terminal: TextIO, signals: "Signals") -> NoReturn:
    """Start everything, serve until a signal (KeyboardInterrupt), then shut down cleanly."""
    from chalicelib.dynamodb import dynamo
    from devtools.dynamodb.engine import Engine
    from devtools.dynamodb.journal import open_journal
    from devtools.dynamodb.server import Server
    from devtools.in_process_clients import attached
    from infra.local import telemetry
    from infra.local.former_store import read_former_store

    telemetry.redirect_stdout(folder.logs / "fairgate.jsonl")
    _print(terminal, "Opening the store ...")
    engine = Engine(has_conflicts=False)  # a request continues before its transactions are on disk
    with (
        open_journal(folder.store, engine, read_former_store) as journal,
        attached(engine, dynamo.client()),
        Server(engine) as store_server,
    ):
        server.workers.hold_back_for(engine)
        try:
            _serve(folder, server, stripe, engine, journal, store_server.url, terminal, signals)
        except Exception:
            if journal.failure:
                raise StoreFailed(journal.failure) from None
            raise


def _serve(
    folder: DataFolder,
    server: LocalServer,
    stripe: "FakeStripe | None",
    engine: "Engine",
    journal: "Journal",
    store_url: str,
    terminal: TextIO,
    signals: "Signals",
) -> NoReturn:
    from chalicelib.catalog import service
    from devtools.s3.transport import in_process_buckets
    from infra.local import demo_access, initial_data, local_stripe
    from infra.local.event_sources import create_poller
    from infra.local.gateway import Gateway
    from infra.local.images import LocalImages
    from infra.local.mailbox import Mailbox, MailReceiver
    from infra.local.schedules import Schedules

    demo_file = folder.path / "demo-tickets.json"
    initial_data.create_tables_and_catalog(folder.secrets.first_day, demo_file, lambda line: _print(terminal, line))
    import app

    schedules = Schedules(app.app)
    poller = create_poller(app.app, engine)
    access = demo_access.create_access(server.origin, store_url, stripe.url if stripe is not None else None, folder.secrets)
    file = folder.write_private("demo.json", access)  # before the first request, so that a script that waits for a response finds the file
    with ExitStack() as on_stop:
        mailbox = None
        if not secret_settings.optional_secret("smtp_url"):
            mailbox = Mailbox(folder.mail)
            receiver = on_stop.enter_context(MailReceiver(folder.mail, lambda line: _print(terminal, line)))
            on_stop.enter_context(settings.override(smtp_url=receiver.url))
        images = LocalImages(folder.images, app.app)
        if addons.is_on("images"):
            from chalicelib.addons.images import store as image_store

            on_stop.enter_context(in_process_buckets(images.buckets, image_store.client()))
        signals.are_held = True  # what has started must also be stopped
        server.start(Gateway(app.app), folder_of(settings.current().addon_names), lambda: journal.failure, images, mailbox)
        # On exit, these stop in reverse order: webhooks first, and the fake Stripe last, because requests and schedules call it.
        if stripe is not None:
            local_stripe.add_prices(stripe, service.snapshot())
            on_stop.enter_context(stripe)
        images.start()
        on_stop.callback(images.stop)
        on_stop.callback(server.stop)
        schedules.start()
        on_stop.callback(schedules.stop)
        poller.start()
        on_stop.callback(poller.stop)
        if stripe is not None:
            on_stop.callback(stripe.stop_webhooks)
        _print(terminal, demo_access.welcome_text(access, file))
        signals.are_held = False
        is_failure_reported = False
        while not signals.was_asked_to_stop:
            # Wait in short steps: a signal that came just before one endless wait would never be noticed.
            threading.Event().wait(SIGNAL_CHECK_SECONDS)
            if not is_failure_reported and (failure := journal.failure):
                is_failure_reported = True
                _print(terminal, f"\nThe shop cannot sell anything now. {failure} Every confirmed request is saved.")
        raise KeyboardInterrupt


class Signals:
    """Ctrl-C and SIGTERM. The first one shuts down cleanly, the second at once; neither loses a confirmed request.

    While signals are held, the first one is only noted in `was_asked_to_stop`. It is noted in any case, because Python drops
    the KeyboardInterrupt of a signal that comes during a finalizer or the callback of a weak reference.
    """

    def __init__(self, terminal: TextIO) -> None:
        self.are_held = False
        self.was_asked_to_stop = False
        self._terminal = terminal
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        signal.signal(signal.SIGINT, self._end_now)
        signal.signal(signal.SIGTERM, self._end_now)
        self.was_asked_to_stop = True
        _print(self._terminal, "\nStopping (press Ctrl-C again to stop at once) ...")
        if not self.are_held:
            raise KeyboardInterrupt

    def _end_now(self, signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG002
        _print(self._terminal, "Stopped at once. Every confirmed request is saved.")
        os._exit(130)


def _print(terminal: TextIO, text: str) -> None:
    print(text, file=terminal, flush=True)


def _fail(text: str, code: int = 1) -> int:
    print(f"fairgate: {text}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
