"""Processor time of applying a bootstrap file with many tiers to an empty local store in memory, and of applying it again unchanged."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench import purchase_calls, store
from bench.app_in_process import app_in_process
from bench.measure import Measure
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import Tree, validate_tree
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from tests.bootstrap import conftest as entries

TIERS = (1500, 10_000)
TIERS_OF_EVENT = 100


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    for count in TIERS:
        tree = _tree(count)
        with app_in_process():
            bare_update = purchase_calls.cpu_microseconds({"": store.bare_update(dynamo.client())})[""] / 1e6
            first, again = _apply_seconds(tree, "applied"), _apply_seconds(tree, "unchanged")
        floor = ("as many bare UpdateItems", count * bare_update)
        yield Measure(f"bootstrap, {count:,} tiers", first, "s", floor, note="validate and apply to an empty store; processor time")
        yield Measure(f"bootstrap, {count:,} tiers, unchanged", again, "s", ("the first time", first), note="processor time")


def _tree(count: int) -> Tree:
    events = {f"fest-{number}": entries.event(f"fest-{number}") for number in range(count // TIERS_OF_EVENT)}
    tiers = {f"tier-{number}": entries.ticket(f"tier-{number}", f"fest-{number // TIERS_OF_EVENT}") for number in range(count)}
    return {"version": "1", "events": events, "ticket_types": tiers}


def _apply_seconds(tree: Tree, result: str) -> float:
    began = time.process_time()
    assert rollout.apply(validate_tree(tree), "bench", clock.now()).result == result
    return time.process_time() - began
