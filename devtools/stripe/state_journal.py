"""The journal of the account state: one line of JSON per commit, with the objects that it changed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from devtools.stripe.objects import StripeObject

Tables = dict[str, dict[str, StripeObject]]


class StateJournal:
    def __init__(self, path: Path, tables: Tables) -> None:
        """Read the file into `tables`, rewrite it as one line, and append from then on."""
        if path.exists():
            _read(path, tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        new_file = path.with_name(path.name + ".new")
        entries = [[table, key, obj] for table, rows in tables.items() for key, obj in rows.items()]
        new_file.write_text(json.dumps(entries, separators=(",", ":")) + "\n", encoding="utf-8")
        new_file.chmod(0o600)
        new_file.replace(path)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def append(self, changes: Iterable[tuple[str, str, StripeObject | None]]) -> None:
        """Write table, key and object of each change; no object: it was removed."""
        self._file.write(json.dumps(list(changes), separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _read(path: Path, tables: Tables) -> None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entries = json.loads(line)
        except ValueError:
            return  # the last line, cut off when the process was killed during the write
        for table, key, obj in entries:
            rows = tables.setdefault(table, {})
            if obj is None:
                rows.pop(key, None)
            else:
                rows[key] = obj
