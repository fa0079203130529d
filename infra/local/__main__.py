"""`make run`: the whole of Fairgate on this machine, on one port of loopback."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from chalicelib import settings
from infra.local.data import DataError, DataFolder, Secrets
from infra.local.durable import DurableStore
from infra.local.environment import SetupError, entries, prepare, unknown_settings
from infra.local.ministack import StoreFailed
from infra.local.server import PortInUse, Server

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
        prepare(kept)
        for name in unknown_settings():
            _say(terminal, f"Note: {name} is not a setting, so it changes nothing. docs/settings.md lists them all.")
        _run(folder, kept, server, terminal)
    except KeyboardInterrupt:
        _say(terminal, "Stopped. The data is saved.")
    except PortInUse:
        return _fail(f"Port {chosen.port} is in use. Stop what listens there, or take another one: make run PORT={chosen.port + 1}")
    except (DataError, SetupError, StoreFailed, settings.SettingsError) as error:
        return _fail(str(error))
    return 0


def _run(folder: DataFolder, kept: Secrets, server: Server, terminal: TextIO) -> NoReturn:
    """Start everything, serve until a signal (KeyboardInterrupt), stop in order. Raises StoreFailed when the store goes first."""
    from infra.local import telemetry

    telemetry.route_to(folder.logs / "fairgate.jsonl")
    _say(terminal, "Starting the store ...")
    store = DurableStore(folder.store, folder.logs / "store.log")
    try:
        _report_loss(store, terminal)
        os.environ[f"{settings.PREFIX}STORE_ENDPOINT"] = store.endpoint
        _serve(folder, kept, server, store, terminal)
    finally:
        if store.running:
            store.stop()


def _serve(folder: DataFolder, kept: Secrets, server: Server, store: DurableStore, terminal: TextIO) -> NoReturn:
    from infra.local import catalog, demo
    from infra.local.gateway import Gateway
    from infra.local.schedules import Schedules

    catalog.fill(kept.first_day, folder.path / "demo-tickets.json", lambda line: _say(terminal, line))
    import app

    schedules = Schedules(app.app)
    server.start(Gateway(app.app), WEB)
    schedules.start()
    try:
        file = folder.write_private("demo.json", demo.describe(server.origin, kept))
        _say(terminal, demo.welcome(server.origin, kept, file))
        ended = threading.Event()
        while store.running:
            ended.wait(1)
        raise StoreFailed(f"The store has ended, though nobody asked it to; see {folder.logs / 'store.log'}.")
    finally:
        server.stop()
        schedules.stop()


def _report_loss(store: DurableStore, terminal: TextIO) -> None:
    if store.lost_since is not None:
        from chalicelib import clock

        since = clock.iso(int(store.lost_since))
        _say(terminal, f"WARNING: the last run was cut off before it could save. What changed after {since} is lost;")
        _say(
            terminal, "         the data is as it was at that time. (Ctrl-C and SIGTERM save; kill -9 of the store and power cuts do not.)"
        )


def _stop_on_signals(terminal: TextIO) -> None:
    """The first Ctrl-C or SIGTERM stops in order and saves; the second ends at once."""

    def force(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        _say(terminal, "Forced. What was not saved yet is lost.")
        os._exit(130)

    def stop(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        signal.signal(signal.SIGINT, force)
        signal.signal(signal.SIGTERM, force)
        _say(terminal, "\nStopping: saving the data (Ctrl-C again ends at once, without saving) ...")
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
