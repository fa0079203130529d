"""Tables and catalog of a local run: what is missing is made, what is there stays."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bootstrap import demo, rollout
from bootstrap.faults import InvalidDocument
from bootstrap.files import load_files, read_file
from bootstrap.rollout import ApplyRefused
from bootstrap.validation import validate_files
from chalicelib import clock, dynamo
from infra import tables
from infra.local.environment import SetupError

SOURCE = Path(__file__).parents[2] / "bootstrap" / "bootstrap-tickets.json"
ACTOR = "make run"


def fill(first_day: int, demo_file: Path, say: Callable[[str], None]) -> None:
    """Create the tables and apply both catalogs; a repeated run changes nothing, unless bootstrap-tickets.json was edited.

    The demo's dates count from the day of the first run, so the shifted demo is the same file every time; it is kept as
    `demo_file`, where `python -m bootstrap` can find it too.
    """
    if tables.create_all(dynamo.client()):
        say("Created the tables.")
    moved = demo.shift_dates(demo.load(), datetime.fromtimestamp(first_day, UTC).date())
    try:
        # Files are merged only within one environment.
        moved["environment"] = read_file(SOURCE)["environment"]
        demo_file.write_bytes(msgspec.json.format(msgspec.json.encode(moved), indent=2))
        valid = validate_files(load_files([SOURCE, demo_file]))
        outcome = rollout.apply(valid, ACTOR, clock.now())
    except InvalidDocument as error:
        raise SetupError("The catalog has faults.\n" + "\n".join(map(str, error.faults))) from None
    except ApplyRefused as error:
        raise SetupError("The catalog cannot be applied to what was sold.\n" + "\n".join(error.reasons)) from None
    if outcome.result != "unchanged":
        say(f"Applied the catalog: version {outcome.version}, {len(valid.document.events)} events.")
