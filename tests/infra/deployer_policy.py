"""infra/deployer-policy.json, and what it allows."""

import json
from fnmatch import fnmatchcase

from tests.repository import ROOT


def deployer_policy() -> dict:
    return json.loads((ROOT / "infra" / "deployer-policy.json").read_bytes())


def allowed_actions() -> list[str]:
    """The patterns of the actions that the policy allows."""
    return _actions("Allow")


def is_allowed(action: str) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in _actions("Allow")) and action not in _actions("Deny")


def _actions(effect: str) -> list[str]:
    return [
        pattern for statement in deployer_policy()["Statement"] if statement["Effect"] == effect for pattern in listed(statement["Action"])
    ]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
