"""The store that a command works on: the store in the settings, else the store of the running `make run`."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from bootstrap import aws_stage
from chalicelib.foundation import settings
from infra.template import stages

DEFAULT_DATA = ".data"
# The local store accepts any credentials, but AWS's SDK requires some.
_LOCAL_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class NoStore(Exception):
    """No store is configured and no local run was found; the message says what to do."""


class Target(Struct, frozen=True):
    """`files` are the default bootstrap files; `name` describes the store to the operator."""

    name: str
    files: list[str]


class _LocalRun(Struct):
    """The fields used of a data folder's demo.json."""

    store_url: str
    stage: str = stages.LOCAL


class _LocalSecrets(Struct):
    """The fields used of a data folder's secrets.json."""

    ticket_keys: str


@contextmanager
def choose_target(default_files: Sequence[Path]) -> Iterator[Target]:
    """Choose the store of the settings or, in stage `local`, the local run's store, and set it for the block.

    A local run also serves the demo, so its files are `default_files` and the demo. Raises NoStore, or SettingsError, for example for an
    unknown stage or region.
    """
    current, defaults = settings.current(), list(map(str, default_files))
    if current.store_endpoint:
        yield Target(f"{current.store_endpoint}, stage {current.stage}", defaults)
    elif current.stage != stages.LOCAL:
        aws_stage.require(os.environ)
        yield Target(f"DynamoDB in {current.region}, stage {current.stage}", defaults)
    else:
        folder = Path(os.environ.get("DATA") or DEFAULT_DATA).expanduser().absolute()
        run, secrets = _find_local_run(folder)
        os.environ.update(_LOCAL_CREDENTIALS)
        with settings.override(stage=run.stage, store_endpoint=run.store_url, ticket_keys=current.ticket_keys or secrets.ticket_keys):
            yield Target(f"the local run in {folder}", [*defaults, str(folder / "demo-tickets.json")])


def _find_local_run(folder: Path) -> tuple[_LocalRun, _LocalSecrets]:
    try:
        if _is_locked(folder / ".fairgate-data"):
            run = msgspec.json.decode((folder / "demo.json").read_bytes(), type=_LocalRun)
            return run, msgspec.json.decode((folder / "secrets.json").read_bytes(), type=_LocalSecrets)
    except (OSError, msgspec.DecodeError):
        pass
    raise NoStore(
        f"No local run uses {folder}. Start one in another terminal (make run), or name its folder (DATA=<folder>). "
        "For a deployed stage, name the stage and its region (make plan STAGE=dev AWS_REGION=eu-central-1, "
        "or fairgate --stage dev --region eu-central-1 plan)."
    )


def _is_locked(marker: Path) -> bool:
    """Whether a process uses the data folder of this marker. A run holds the lock on the marker until it ends."""
    with marker.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
