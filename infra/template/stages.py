"""The stages of .chalice/config.json."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def deployed_stages() -> list[str]:
    """All stages but that of local runs."""
    return [stage for stage in json.loads((ROOT / ".chalice" / "config.json").read_bytes())["stages"] if stage != "local"]
