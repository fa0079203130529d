"""The command as an operator meets it: arguments in, exit code and output out."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bootstrap import parse, validate
from bootstrap.__main__ import main
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory

EXAMPLE = Path(__file__).parents[2] / "bootstrap" / "bootstrap-tickets.json"


class Result(msgspec.Struct, frozen=True):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`run("apply", file)`: what `python -m bootstrap apply file` exits with and prints."""

    def call(*argv: Any) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

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
    made = {"id": event_id, "name": "Fest", "date": "2026-09-01", "venue": "Hall", "status": "active", "display_order": 1}
    return made | {"metadata": {"timezone": "America/Denver"}} | fields


def ticket(ticket_id: str, event_id: str = "fest", **fields: Any) -> dict[str, Any]:
    made = {
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
    return made | fields


def stock_of(tier_id: str) -> Any:
    tier = catalog.fresh().tiers[tier_id]
    return inventory.read({tier.stock_id: tier.shards})[tier.stock_id]


def take(tier_id: str, quantity: int, *, sold: bool = False) -> None:
    """Hold tickets as a buyer would, or sell them."""
    tier = catalog.fresh().tiers[tier_id]
    holds = inventory.take(tier.stock_id, tier.shards, quantity, f"p{quantity}{sold}.1", until=4_000_000_000, now=0)
    if sold:
        inventory.end_holds("convert", holds)


def checked(tree: dict[str, Any]) -> validate.Checked:
    return validate.checked_tree(parse.parse(json.dumps(tree).encode()))
