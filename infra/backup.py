"""`python -m infra.backup save|load|drill FOLDER`: everything that a stage has stored, as files; see docs/backup.md.

`save` reads all tables of the stage that the environment names. `load` fills the empty tables of a stage, for example in another region.
`drill` shows that a backup can be loaded: into tables of its own, which it deletes.
"""

import gzip
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bootstrap import aws_stage, env_file, interrupts
from bootstrap.aws_errors import store_failure
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from infra import tables

FORMAT = 1
# These two change with every sale. If neither changed while the others were read, nothing that belongs to them did.
WATCHED = ("purchases", "inventory")
BATCH = 1000
_MANIFEST = "manifest.json"


class AttributeValue(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A value as DynamoDB's API has it; bytes are base64 in the files."""

    S: str | UnsetType = UNSET
    N: str | UnsetType = UNSET
    B: bytes | UnsetType = UNSET
    BOOL: bool | UnsetType = UNSET
    NULL: bool | UnsetType = UNSET
    M: "dict[str, AttributeValue] | UnsetType" = UNSET
    L: "list[AttributeValue] | UnsetType" = UNSET
    SS: list[str] | UnsetType = UNSET
    NS: list[str] | UnsetType = UNSET
    BS: list[bytes] | UnsetType = UNSET

    def __post_init__(self) -> None:
        for values in (self.SS, self.NS, self.BS):
            if values is not UNSET:
                values.sort()  # the order of a set means nothing, and may be another one in the next scan


Item = dict[str, AttributeValue]


class SavedTable(Struct, frozen=True):
    """How many items a table had, and a digest of them that does not depend on their order."""

    items: int
    digest: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What `manifest.json` says of the other files: feature -> its table. `saved_at` is in epoch seconds."""

    format: Annotated[int, Meta(ge=1)]
    stage: str
    saved_at: int
    tables: dict[str, SavedTable]


class BackupError(Exception):
    """The message says why, and what to do."""


_decoder = msgspec.json.Decoder(Item)
_encoder = msgspec.json.Encoder(order="deterministic")


def save(folder: Path) -> Manifest:
    """Write each table of the current stage into a file of `folder`, which must be new or empty.

    Raises BackupError, also if something was sold meanwhile: the files would then not belong together. If it fails, it leaves no file.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} has files already. Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _save_tables(folder)
    except BaseException:
        for file in folder.iterdir():
            file.unlink()
        raise


def _save_tables(folder: Path) -> Manifest:
    features = sorted(tables.definitions(), key=lambda feature: (feature not in WATCHED, feature))
    saved = {}
    for feature in features:
        _say(f"  {feature} ...")
        saved[feature] = _save_table(feature, _file(folder, feature))
    changed = [feature for feature in WATCHED if _digest_of(_scan(feature)) != saved[feature]]
    if changed:
        what = " and ".join(changed)
        raise BackupError(f"The stage was in use: {what} changed meanwhile. Pause all sales, wait until holds have ended, and save again.")
    manifest = Manifest(FORMAT, settings.current().stage, int(clock.now()), saved)
    (folder / _MANIFEST).write_bytes(msgspec.json.format(_encoder.encode(manifest)))
    return manifest


def load(folder: Path) -> Manifest:
    """Fill the tables of the current stage, which must exist and be empty, and compare what they then have with what was saved.

    Raises BackupError. If it is interrupted, delete the tables' items (or the tables) and begin again.
    """
    manifest = read_manifest(folder)
    definitions = tables.definitions()
    if unknown := sorted(manifest.tables.keys() - definitions.keys()):
        raise BackupError(f"This version of Fairgate has no table {', '.join(unknown)}. Load with the version that saved.")
    for feature in definitions:
        if next(_scan(feature), None) is not None:
            raise BackupError(f"The table {dynamo.table_name(feature)} is not empty. Load into a stage whose tables are new.")
    # Files that are damaged are found before anything is written.
    for feature, expected in manifest.tables.items():
        if _digest_of(_read(_file(folder, feature))) != expected:
            raise BackupError(f"{_file(folder, feature)} is not what was saved: it is damaged, or of another backup.")
    for feature in manifest.tables:
        _say(f"  {feature} ...")
        for batch in _batches(_read(_file(folder, feature))):
            dynamo.batch_put(dynamo.table_name(feature), (msgspec.to_builtins(item, builtin_types=(bytes,)) for item in batch))
    for feature, expected in manifest.tables.items():
        if _digest_of(_scan(feature)) != expected:
            raise BackupError(f"The table {dynamo.table_name(feature)} changed while it was filled. Stop everything that uses the stage.")
    return manifest


def drill(folder: Path) -> Manifest:
    """Load a backup into new tables of the stage `<stage>-drill`, compare, and delete the tables. Raises BackupError."""
    with settings.override(stage=f"{settings.current().stage}-drill"):
        definitions = tables.definitions()
        created = tables.create_all(dynamo.client())
        try:
            if len(created) < len(definitions):
                raise BackupError(f"There are tables of the stage {settings.current().stage}. If no other drill runs, delete them.")
            return load(folder)
        finally:
            for name in created:
                dynamo.client().delete_table(TableName=name)


def read_manifest(folder: Path) -> Manifest:
    """Raises BackupError for a folder that is not a complete backup of this format."""
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{folder} has no {_MANIFEST}: it is not a backup, or its saving did not end.") from None
    except msgspec.MsgspecError as error:
        raise BackupError(f"{folder / _MANIFEST}: {error}") from None
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} has format {manifest.format}; this version reads format {FORMAT}.")
    return manifest


def _file(folder: Path, feature: str) -> Path:
    return folder / f"{feature}.jsonl.gz"


def _save_table(feature: str, file: Path) -> SavedTable:
    digest = _Digest()
    with gzip.open(file, "wb") as out:
        for item in _scan(feature):
            out.write(digest.add(item) + b"\n")
    return digest.result()


def _scan(feature: str) -> Iterator[Item]:
    client: Any = dynamo.client()
    for page in client.get_paginator("scan").paginate(TableName=dynamo.table_name(feature), ConsistentRead=True):
        yield from (msgspec.convert(item, Item) for item in page["Items"])


def _read(file: Path) -> Iterator[Item]:
    """The items of a file. Raises BackupError for a line that is none."""
    try:
        with gzip.open(file, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield _decoder.decode(line)
                except msgspec.MsgspecError as error:
                    raise BackupError(f"{file}, line {number}: {error}") from None
    except (OSError, EOFError) as error:
        raise BackupError(f"{file} cannot be read: {error}") from None


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _digest_of(items: Iterator[Item]) -> SavedTable:
    digest = _Digest()
    for item in items:
        digest.add(item)
    return digest.result()


class _Digest:
    """The sum of the items' SHA-256, modulo 2**256: the same in whatever order a scan has them, and it needs no memory."""

    def __init__(self) -> None:
        self._sum = self._count = 0

    def add(self, item: Item) -> bytes:
        """Returns the item's line."""
        line = _encoder.encode(item)
        self._sum += int.from_bytes(sha256(line).digest(), "big")
        self._count += 1
        return line

    def result(self) -> SavedTable:
        return SavedTable(self._count, f"{self._sum % 2**256:064x}")


_COMMANDS = {"save": save, "load": load, "drill": drill}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 if it failed, or 2 for wrong arguments or settings."""
    arguments = _parse(argv)
    try:
        aws_stage.require(os.environ)
        stage = settings.current().stage
        _say(f"Working on the tables of stage {stage} ...")
        if arguments.create_tables:
            tables.create_all(dynamo.client())
        manifest = _COMMANDS[arguments.command](arguments.folder)
    except settings.SettingsError as error:
        return _fail(str(error), 2)
    except BackupError as error:
        return _fail(str(error), 1)
    except dynamo.STORE_ERRORS as error:
        return _fail(f"{store_failure(error)} A load begins with empty tables.", 1)
    items = sum(table.items for table in manifest.tables.values())
    print(f"Done: {items} items of {len(manifest.tables)} tables, all of them compared.")
    return 0


def _parse(argv: Sequence[str] | None) -> Namespace:
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    parser = ArgumentParser(prog="python -m infra.backup", description="Save, load or try the tables of a stage; see docs/backup.md.")
    parser.add_argument("command", choices=list(_COMMANDS))
    parser.add_argument("folder", type=Path, help="where the files are")
    parser.add_argument("--create-tables", action="store_true", help="before `load`: create the tables that the stage does not have")
    arguments = parser.parse_args(argv)
    if arguments.create_tables and arguments.command != "load":
        parser.error("--create-tables goes with `load` only")
    return arguments


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(why: str, status: int) -> int:
    _say(f"backup: {why}")
    return status


if __name__ == "__main__":
    env_file.load()
    sys.exit(
        interrupts.run(
            main, "A backup that was being saved has left no file; a load begins with empty tables, so empty them before the next one."
        )
    )
