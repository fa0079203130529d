"""Runs the bootstrap command as an operator does: arguments in, exit code and output out."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bootstrap.__main__ import main
from bootstrap.files import parse_json
from chalicelib.bootstrap_file.validation import ValidDocument, validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.availability import read_stock

EXAMPLE = Path(__file__).parents[2] / "bootstrap" / "bootstrap-tickets.json"


class CommandResult(msgspec.Struct, frozen=True):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """`run("apply", file)` runs `fairgate apply file`; returns its exit code and what it prints.

    It agrees to what an apply closes or shrinks, unless `yes` is False.
    """

    def call(*argv: Any, yes: bool = True) -> CommandResult:
        capsys.readouterr()
        agreed = ["--yes"] if yes and argv[0] in ("apply", "rollback") else []
        code = main([*map(str, argv), *agreed])
        printed = capsys.readouterr()
        return CommandResult(code, printed.out, printed.err)

    return call


@pytest.fixture
def tree() -> dict[str, Any]:
    """A small document without faults, for the test to change: one event of 2026-09-01, on sale now, with one tier of 10."""
    return {
        "version": "1.0.0",
        "generated": "2026-05-01T00:00:00Z",
        "environment": "test",
        "events": {"fest": event("fest")},
        "ticket_types": {"fest-pass": ticket("fest-pass")},
        "ticket_states": copy.deepcopy(json.loads(EXAMPLE.read_text())["ticket_states"]),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a tree, or bytes as they are, to a file."""

    def to_file(content: Any, name: str = "tickets.json") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return to_file


def event(event_id: str, **fields: Any) -> dict[str, Any]:
    defaults = {"id": event_id, "name": "Fest", "date": "2026-09-01", "venue": "Hall", "status": "active", "display_order": 1}
    return defaults | {"metadata": {"timezone": "America/Denver"}} | fields


def ticket(ticket_id: str, event_id: str = "fest", **fields: Any) -> dict[str, Any]:
    defaults = {
        "id": ticket_id,
        "event_id": event_id,
        "stripe_price_id": f"price_{ticket_id}",
        "name": ticket_id,
        "description": "",
        "price_cents": 5000,
        "currency": "USD",
        "status": "available",
        "max_quantity": 10,
        "sold_count": 0,
        "display_order": 1,
        "metadata": {},
        "availability": {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-08-31", "max_per_transaction": 4},
    }
    return defaults | fields


def stock_of(tier_id: str) -> Any:
    tier = catalog.load_current().tiers[tier_id]
    return read_stock({tier.stock_id: tier.shards})[tier.stock_id]


def hold(tier_id: str, quantity: int, hold_id: str = "held.1") -> Any:
    """Set tickets aside, as a reservation does; returns the holds."""
    tier = catalog.load_current().tiers[tier_id]
    return hold_tickets(HoldRequest(tier.stock_id, tier.shards, quantity, hold_id, expires_at=4_000_000_000, now=0))


def sell(tier_id: str, quantity: int) -> None:
    """Sell tickets, as a paid purchase does."""
    inventory.convert_holds(hold(tier_id, quantity, "sold.1"))


def valid_document(tree: dict[str, Any]) -> ValidDocument:
    return validate_tree(parse_json(json.dumps(tree).encode()))
