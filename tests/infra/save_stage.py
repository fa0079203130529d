"""Save what this version stores, for the versions to come: `python -m pytest -n 0 tests/infra/save_stage.py` (docs/backup.md).

Not part of the suite. It writes a new folder into saved_stages/, with the next number; `test_saved_stages.py` finds it there.
"""

import gzip
import json

import msgspec

import app
from chalicelib.foundation import memory
from infra import backup, chalice_package
from infra.local.event_sources import create_poller
from tests import engines, invariants
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.infra import saved_features, saved_stage


def test_save_a_stage(api, threaded_store, time, tmp_path):
    poller = create_poller(app.app, engines.local_engine(), window_seconds=0)
    requests = saved_stage.fill(api, time, tmp_path) + saved_features.fill(api, time, poller)
    poller.drain()
    invariants.check(time.now)
    folder = saved_stage.FOLDER / f"{len(saved_stage.list_stages()) + 1:02}"
    saved = backup.save(folder).tables
    # The sweep keeps its place in a table only while there is more than one run looks at.
    empty = [feature for feature, table in saved.items() if not table.items and feature != "sweep"]
    assert empty == [], "tests/infra/saved_features.py writes something to each table, and nothing to these"
    memory.forget_everything()  # another instance will read it
    replies = [{"path": path, "sender": sender} | saved_stage.read(api, (path, sender)) for path, sender in requests]
    (folder / saved_stage.REPLIES).write_bytes(gzip.compress(msgspec.json.encode(replies)))

    def template_of(stage):
        chalice_package.write(stage, "arm64", tmp_path / stage, template_alone=True)
        return json.loads((tmp_path / stage / "sam.json").read_bytes())

    (folder / saved_stage.NAMES).write_text(json.dumps(saved_stage.list_names(template_of), indent=1) + "\n")
