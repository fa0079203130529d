"""infra/deployer-policy.json, and what it allows."""

import json
from fnmatch import fnmatchcase

from tests.repository import ROOT


def deployer_policy() -> dict:
    return json.loads((ROOT / "infra" / "deployer-policy.json").read_bytes())


def allowed_actions() -> list[str]:
    """The patterns of the actions that the policy allows."""
    return [pattern for statement in deployer_policy()["Statement"] for pattern in listed(statement["Action"])]


def is_allowed(action: str) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in allowed_actions())


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
