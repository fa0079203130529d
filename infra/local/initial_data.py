"""The initial tables and catalog of a local run. Creates whatever is missing and keeps existing data."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bootstrap import demo
from bootstrap.files import default_files, load_files
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.findings import InvalidDocument
from chalicelib.bootstrap_file.rollout import ApplyRefused
from chalicelib.bootstrap_file.validation import validate_files
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from infra import migrations, tables
from infra.local.environment import SetupError

ACTOR = "make run"


def create_tables_and_catalog(first_day: int, demo_file: Path, report: Callable[[str], None]) -> None:
    """Create the tables, and apply the migrations, the bootstrap file and the demo. A second run changes nothing unless a file was edited.

    The demo's dates count from `first_day` (epoch seconds), the day of the folder's first run, so that the demo is the same at
    every start. It is written to `demo_file`, for use with `fairgate`. `report` prints a line. Raises SetupError.
    """
    if tables.create_all(dynamo.client()):
        report("Created the tables.")
    migrations.apply("after", lambda _: None)
    demo_document = demo.shift_dates(demo.load(), datetime.fromtimestamp(first_day, UTC).date())
    try:
        demo_file.write_bytes(msgspec.json.format(msgspec.json.encode(demo_document), indent=2))
        valid = validate_files(load_files([*default_files(), demo_file]))
        result = rollout.apply(valid, ACTOR, clock.now())
    except InvalidDocument as error:
        raise SetupError("The catalog files have faults. Correct them and start again.\n" + "\n".join(map(str, error.faults))) from None
    except ApplyRefused as error:
        advice = (
            "The catalog does not fit the tickets that are sold or on hold. Change the file, or start with empty data: make run RESET=1"
        )
        raise SetupError(advice + "\n" + "\n".join(error.reasons)) from None
    if result.result != "unchanged":
        report(f"Applied the catalog: version {result.version}, {len(valid.document.events)} events.")
