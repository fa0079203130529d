"""The JSON of a bootstrap document before it is checked: one tree, of one file or of several merged."""

from typing import Any

from msgspec import Struct

Tree = dict[str, Any]

SECTIONS = ("events", "ticket_types", "ticket_states")


class MergedFiles(Struct, frozen=True):
    """The merged tree; `origins` says which file an entry comes from: (section, key) -> file. `first` is the first file."""

    tree: Tree
    origins: dict[tuple[str, str], str]
    first: str
