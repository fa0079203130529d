"""The data folder of a local run, with everything that survives a restart: lock, secrets, store, logs and demo logins."""

import fcntl
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

MARKER = ".fairgate-data"
_CREATED_NAMES = ("store", "logs", "stripe", "mail", "images", "secrets.json", "demo.json", "demo-tickets.json")


class DataFolderError(Exception):
    """The folder cannot be used; the message says what to do instead."""


class RunSecrets(msgspec.Struct):
    """The secrets of a folder, generated once. The demo catalog's dates are relative to `first_day` (epoch seconds)."""

    jwt_secret: str
    ticket_keys: str
    admin_password: str
    promoter_password: str
    user_password: str
    first_day: int


class DataFolder:
    """The folder, locked until this process ends. Raises DataFolderError if it cannot be used.

    Nothing is deleted or written before `prepare`, so a run that is refused before it loses no data. `secrets` are new the first time and
    after a `reset`.
    """

    def __init__(self, path: Path, *, reset: bool) -> None:
        self.path = path.expanduser().absolute()
        self.logs, self.store = self.path / "logs", self.path / "store"
        self.stripe, self.mail, self.images = self.path / "stripe", self.path / "mail", self.path / "images"
        self._reset = reset
        self._created = not self.path.exists()
        self._new = not (self.path / MARKER).exists()
        self._lock_folder()
        self.secrets = _generate_secrets() if reset else self._load_secrets() or _generate_secrets()

    def prepare(self) -> None:
        """Delete the content for a reset, and create whatever is missing."""
        if self._reset:
            self._delete_content()
        for folder in (self.logs, self.store, self.stripe, self.mail, self.images):
            folder.mkdir(exist_ok=True)
        if not self._secrets_file.exists():
            self.write_private(self._secrets_file.name, self.secrets)

    def remove_if_new(self) -> None:
        """Remove everything that this run created, after it was refused."""
        if self._new:
            self._delete_content()
            (self.path / MARKER).unlink(missing_ok=True)
        if self._created:
            with suppress(OSError):  # another program has put files into it
                self.path.rmdir()

    def write_private(self, name: str, content: object) -> Path:
        """Write a JSON file atomically, readable only by this user. Returns its path."""
        file, draft = self.path / name, self.path / f"{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        draft.replace(file)
        return file

    @property
    def _secrets_file(self) -> Path:
        return self.path / "secrets.json"

    def _load_secrets(self) -> RunSecrets | None:
        if not self._secrets_file.exists():
            return None
        try:
            return msgspec.json.decode(self._secrets_file.read_bytes(), type=RunSecrets)
        except msgspec.DecodeError:
            reason = f"{self._secrets_file} is damaged. Restore it from a copy, or start with empty data: make run RESET=1"
            raise DataFolderError(reason) from None

    def _lock_folder(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker = self.path / MARKER
            if not marker.exists():
                if any(self.path.iterdir()):
                    raise DataFolderError(f"{self.path} contains other files. Choose an empty or new folder: make run DATA=<folder>")
                marker.write_text("Data of `make run`. `make run RESET=1` deletes it.\n")
            self._lock: IO[str] = marker.open("r+")
        except OSError as error:
            raise DataFolderError(f"{self.path} cannot be used: {error.strerror}. Choose another folder: make run DATA=<folder>") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataFolderError(
                f"Another `make run` is using {self.path}. Stop it, or choose another folder: make run DATA=<folder>"
            ) from None

    def _delete_content(self) -> None:
        """Delete only the files that `make run` creates."""
        for name in _CREATED_NAMES:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _generate_secrets() -> RunSecrets:
    return RunSecrets(
        jwt_secret=secrets.token_urlsafe(48),
        ticket_keys=f"k1:{secrets.token_urlsafe(48)}",
        admin_password=secrets.token_urlsafe(12),
        promoter_password=secrets.token_urlsafe(12),
        user_password=secrets.token_urlsafe(12),
        first_day=int(time.time()),
    )
