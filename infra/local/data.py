"""The folder that keeps what must survive a restart: lock, secrets, store, logs and the demo logins."""

import fcntl
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import IO

import msgspec

MARKER = ".fairgate-data"
_OURS = ("store", "logs", "stripe", "secrets.json", "demo.json", "demo-tickets.json")


class DataError(Exception):
    """The folder cannot be used; the message says what to do."""


class Secrets(msgspec.Struct):
    """Made once for a folder. `first_day` (epoch seconds) is what the demo catalog's dates count from."""

    jwt_secret: str
    ticket_keys: str
    admin_password: str
    promoter_password: str
    user_password: str
    first_day: int


class DataFolder:
    """An exclusive claim on the folder, for as long as this process lives."""

    def __init__(self, path: Path, *, reset: bool) -> None:
        self.path = path.expanduser().absolute()
        self._claim()
        if reset:
            self._empty()
        self.logs, self.store, self.stripe = self.path / "logs", self.path / "store", self.path / "stripe"
        for folder in (self.logs, self.store, self.stripe):
            folder.mkdir(exist_ok=True)

    def secrets(self) -> Secrets:
        file = self.path / "secrets.json"
        if file.exists():
            try:
                return msgspec.json.decode(file.read_bytes(), type=Secrets)
            except msgspec.DecodeError:
                raise DataError(f"{file} is damaged. `make run RESET=1` starts clean.") from None
        fresh = Secrets(
            jwt_secret=secrets.token_urlsafe(48),
            ticket_keys=f"k1:{secrets.token_urlsafe(48)}",
            admin_password=secrets.token_urlsafe(12),
            promoter_password=secrets.token_urlsafe(12),
            user_password=secrets.token_urlsafe(12),
            first_day=int(time.time()),
        )
        self.write_private("secrets.json", fresh)
        return fresh

    def write_private(self, name: str, content: object) -> Path:
        """Write JSON that only this user may read, whole or not at all."""
        file, draft = self.path / name, self.path / f"{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        draft.replace(file)
        return file

    def _claim(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker = self.path / MARKER
            if not marker.exists():
                if any(self.path.iterdir()):
                    raise DataError(f"{self.path} holds something else. Name an empty or new folder: make run DATA=<folder>")
                marker.write_text("Data of `make run`. RESET=1 empties this folder.\n")
            self._lock: IO[str] = marker.open("r+")
        except OSError as error:
            raise DataError(f"{self.path} cannot be used: {error.strerror}. Name another folder: make run DATA=<folder>") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"Another `make run` is using {self.path}. Stop it, or name another folder: make run DATA=<folder>") from None

    def _empty(self) -> None:
        """Delete what we made, and only that."""
        for name in _OURS:
            found = self.path / name
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)
