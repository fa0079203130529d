"""Tables and catalog of a local run: what is missing is made, what is there stays."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bootstrap import apply, demo, parse, validate
from bootstrap.faults import Faulty
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
    moved = demo.shifted(demo.document(), datetime.fromtimestamp(first_day, UTC).date())
    try:
        # Files are merged only within one environment.
        moved["environment"] = parse.read(SOURCE)["environment"]
        demo_file.write_bytes(msgspec.json.format(msgspec.json.encode(moved), indent=2))
        checked = validate.checked(parse.load([SOURCE, demo_file]))
        outcome = apply.apply(checked, ACTOR, clock.now())
    except Faulty as error:
        raise SetupError("The catalog has faults.\n" + "\n".join(map(str, error.faults))) from None
    except apply.Refused as error:
        raise SetupError("The catalog cannot be applied to what was sold.\n" + "\n".join(error.reasons)) from None
    if outcome.result != "unchanged":
        say(f"Applied the catalog: version {outcome.version}, {len(checked.document.events)} events.")
