"""`chalice local`: Chalice's own server with the local store. Chalice sets the variables of the stage, and `app.py` calls `prepare`."""

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn


def prepare() -> None:
    """Open the local store with the demo catalog, and set the variables that the stage lacks on this machine.

    Does nothing if FAIRGATE_STORE_ENDPOINT is set, even to an empty string, which means DynamoDB on AWS. Ends the process if the store
    cannot be used.
    """
    if "FAIRGATE_STORE_ENDPOINT" in os.environ:
        return
    sys.dont_write_bytecode = True  # Chalice restarts the server after every change in the project's folder
    try:
        _open_store()
    except ModuleNotFoundError as error:
        _fail(f"{error}. `chalice local` needs the packages of requirements-run.txt.")


def _open_store() -> None:
    from chalicelib.foundation.settings import SettingsError
    from devtools.dynamodb.engine import Engine
    from devtools.dynamodb.journal import StoreDamaged, StoreFailed, StoreInUse, StoreTooNew, open_journal
    from devtools.dynamodb.server import Server
    from infra.local import initial_data
    from infra.local.data_folder import DataFolder, DataFolderError
    from infra.local.environment import SetupError, complete_environment
    from infra.local.former_store import read_former_store

    try:
        folder = DataFolder(_data_path(), reset=False)
        folder.prepare()
        os.environ.pop("FAIRGATE_SECRETS_ARN", None)  # the folder has the secrets
        complete_environment(folder.secrets, 8000)
        on_exit = ExitStack()
        atexit.register(on_exit.close)
        engine = Engine()
        on_exit.enter_context(open_journal(folder.store, engine, read_former_store))
        os.environ["FAIRGATE_STORE_ENDPOINT"] = on_exit.enter_context(Server(engine)).url
        initial_data.create_tables_and_catalog(folder.secrets.first_day, folder.path / "demo-tickets.json", _say)
    except (DataFolderError, SetupError, SettingsError, StoreDamaged, StoreFailed, StoreInUse, StoreTooNew) as error:
        _fail(str(error))
    _say(f"The local store is in {folder.path}.")


def _data_path() -> Path:
    """Return the folder DATA, or one outside of the project's folder, because Chalice would restart the server after every write."""
    if data := os.environ.get("DATA"):
        return Path(data)
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "fairgate" / "chalice-local"


def _say(text: str) -> None:
    print(f"fairgate: {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> NoReturn:
    _say(text)
    os._exit(1)  # sys.exit would end only this thread, which may be one of Chalice's
