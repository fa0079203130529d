"""`fairgate backup|restore|drill FOLDER`: save all data of a stage to files, or load it; see docs/backup.md.

`backup` reads all tables of the stage that the environment names. `restore` fills the empty tables of a stage, for example in another
region. `drill` proves that a backup can be loaded: it loads the files into new tables and deletes those tables again.
"""

import gzip
import os
import sys
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from bootstrap.output import Output, add_json_option
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from infra import cli, tables
from infra.template.stages import addon_names

FORMAT = 1
# Every sale changes these two tables. If neither changed while the other tables were read, the files fit together.
WATCHED = ("purchases", "inventory")
BATCH = 1000
EXPIRING_SECONDS = 86_400  # DynamoDB may delete items with so little time to live while the command runs
_MANIFEST = "manifest.json"


class AttributeValue(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A value in the format of DynamoDB's API; the files hold bytes in base64."""

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
                values.sort()  # sets have no order, and the next scan may return another one


Item = dict[str, AttributeValue]


class SavedTable(Struct, frozen=True):
    """The number of items in a table, and a digest of them that does not depend on their order."""

    items: int
    digest: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `manifest.json`. `tables` maps each feature to its table; `saved_at` is in epoch seconds."""

    format: Annotated[int, Meta(ge=1)]
    stage: str
    saved_at: int
    tables: dict[str, SavedTable]


class BackupError(Exception):
    """The command cannot continue; the message names the reason and the remedy."""


_decoder = msgspec.json.Decoder(Item)
_encoder = msgspec.json.Encoder(order="deterministic")


def save(folder: Path) -> Manifest:
    """Write each table of the current stage to a file in `folder`, which must be new or empty. Only the caller's account may read it.

    Raises BackupError, also after a sale during the run, because the files would then not fit together. A failed run leaves no file.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty. Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    try:
        return _save_tables(folder)
    except BaseException:
        for file in folder.iterdir():
            file.unlink()
        raise


def _save_tables(folder: Path) -> Manifest:
    features = sorted(_definitions(), key=lambda feature: (feature not in WATCHED, feature))
    saved = {}
    for feature in features:
        _say(f"  {feature} ...")
        saved[feature] = _save_table(feature, _file(folder, feature))
    changed = [feature for feature in WATCHED if _has_changed(folder, feature, saved[feature])]
    if changed:
        what = " and ".join(changed)
        raise BackupError(
            f"The stage was in use: {what} changed during the run. Pause all sales, wait until all holds have expired, and save again."
        )
    manifest = Manifest(FORMAT, settings.current().stage, int(clock.now()), saved)
    (folder / _MANIFEST).write_bytes(msgspec.json.format(_encoder.encode(manifest)))
    return manifest


def _definitions() -> dict[str, tables.TableDefinition]:
    """Return the tables of the current stage, without tables of disabled add-ons."""
    return tables.definitions(addon_names(settings.current().stage))


def load(folder: Path) -> Manifest:
    """Load the files into the tables of the current stage, which must exist and be empty, and compare the tables with the files.

    Raises BackupError. After an interrupted run, empty or delete the tables and start again.
    """
    manifest = read_manifest(folder)
    definitions = _definitions()
    if unknown := sorted(manifest.tables.keys() - definitions.keys()):
        raise BackupError(
            f"This stage has no table {', '.join(unknown)}. Load into a stage with the add-ons of the saved one (FAIRGATE_ADDONS), "
            "and with the version that saved this backup."
        )
    for feature in definitions:
        if next(_scan(feature), None) is not None:
            raise BackupError(f"The table {dynamo.table_name(feature)} is not empty. Load into a stage with new tables.")
    # Find damaged files before anything is written.
    for feature, expected in manifest.tables.items():
        if _digest_of(_read(_file(folder, feature))) != expected:
            raise BackupError(f"{_file(folder, feature)} differs from the saved file. It is damaged or belongs to another backup.")
    for feature in manifest.tables:
        _say(f"  {feature} ...")
        for batch in _batches(_read(_file(folder, feature))):
            requests = [{"PutRequest": {"Item": msgspec.to_builtins(item, builtin_types=(bytes,))}} for item in batch]
            dynamo.batch_write(dynamo.table_name(feature), requests)
    for feature, expected in manifest.tables.items():
        if _has_changed(folder, feature, expected):
            raise BackupError(
                f"The table {dynamo.table_name(feature)} changed during the load. Stop using the stage, empty its tables, and load again."
            )
    return manifest


def drill(folder: Path) -> Manifest:
    """Load a backup into new tables of the stage `<stage>-drill`, compare them, and delete them. Raises BackupError."""
    with settings.override(stage=f"{settings.current().stage}-drill"):
        definitions = _definitions()
        created = tables.create_all(dynamo.client())
        try:
            if len(created) < len(definitions):
                raise BackupError(
                    f"Stage {settings.current().stage} already has tables. If no other drill is running, delete them and try again."
                )
            return load(folder)
        finally:
            for name in created:
                dynamo.client().delete_table(TableName=name)


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest. Raises BackupError for a folder that is not a complete backup of this format."""
    try:
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{folder} has no {_MANIFEST}: it is not a backup, or saving it did not finish.") from None
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
    """Yield the items of a file. Raises BackupError for a line that is not an item."""
    try:
        with gzip.open(file, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield _decoder.decode(line)
                except (msgspec.MsgspecError, RecursionError) as error:
                    raise BackupError(f"{file}, line {number}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
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


def _has_changed(folder: Path, feature: str, saved: SavedTable) -> bool:
    """Return whether a table differs from its file in more than expired items, which DynamoDB deletes at any time."""
    if _digest_of(_scan(feature)) == saved:
        return False
    attribute, until = tables.ttl_attributes().get(feature, ""), clock.now() + EXPIRING_SECONDS

    def lasting(items: Iterator[Item]) -> Iterator[Item]:
        return (item for item in items if attribute not in item or int(str(item[attribute].N)) > until)

    return _digest_of(lasting(_scan(feature))) != _digest_of(lasting(_read(_file(folder, feature))))


def _digest_of(items: Iterator[Item]) -> SavedTable:
    digest = _Digest()
    for item in items:
        digest.add(item)
    return digest.result()


class _Digest:
    """The sum of the items' SHA-256 modulo 2**256. It does not depend on the order of the items, and takes constant memory."""

    def __init__(self) -> None:
        self._sum = self._count = 0

    def add(self, item: Item) -> bytes:
        """Add an item and return its line."""
        line = _encoder.encode(item)
        self._sum += int.from_bytes(sha256(line).digest(), "big")
        self._count += 1
        return line

    def result(self) -> SavedTable:
        return SavedTable(self._count, f"{self._sum % 2**256:064x}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, 1 after a failure, or 2 for wrong arguments or settings."""
    arguments = parser().parse_args(argv)
    output = Output("backup", arguments.json)
    try:
        aws_stage.require(os.environ)
        stage = settings.current().stage
        _say(f"Working on the tables of stage {stage} ...")
        if getattr(arguments, "create_tables", False):
            tables.create_all(dynamo.client())
        manifest: Manifest = arguments.run(arguments.folder)
    except settings.SettingsError as error:
        return output.print_failure(str(error), 2)
    except BackupError as error:
        return output.print_failure(str(error), 1)
    except OSError as error:
        return output.print_failure(f"{arguments.folder} cannot be used: {error.strerror or error}. Name another folder.", 1)
    except dynamo.STORE_ERRORS as error:
        return output.print_failure(f"{store_failure(error)} Before you load again, empty the tables.", 1)
    items = sum(table.items for table in manifest.tables.values())
    details = {"stage": stage, "folder": str(arguments.folder), "items": items, "backup": manifest}
    output.print_result(details, [f"Done: {items} items in {len(manifest.tables)} tables, all compared."])
    return 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate", description="Save the tables of a stage, load them, or test a backup; see docs/backup.md.")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    for name, run, text in (
        ("backup", save, "Save all tables of a stage to files; see docs/backup.md."),
        ("restore", load, "Load the files of a backup into the empty tables of a stage; see docs/backup.md."),
        ("drill", drill, "Load the files of a backup into new tables, compare them with the files, and delete them; see docs/backup.md."),
    ):
        command = add(name, description=text)
        command.add_argument("folder", type=Path, help="folder of the backup")
        add_json_option(command)
        if run is load:
            command.add_argument("--create-tables", action="store_true", help="first create any tables that do not exist")
        command.set_defaults(run=run)
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    earlier_names = {"save": "backup", "load": "restore"}
    sys.exit(cli.main([*(earlier_names.get(word, word) for word in sys.argv[1:2]), *sys.argv[2:]]))
