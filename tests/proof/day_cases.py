"""Small cases of simulated days that fail: the actors and faults without which the failure disappears."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import msgspec
from msgspec.structs import replace

from tests.proof.day import Plan, PlannedFault, make_plan, run_day

MAX_TRIES = 150


class Case(msgspec.Struct, frozen=True):
    """A day that fails, and how it fails. Ids and numbers of the failure are replaced, because they change with the actors."""

    failure: str
    plan: Plan


def find_failure(plan: Plan) -> str:
    """Run a day. Returns the first line of its failure without ids and numbers; an empty text if the day ends well."""
    try:
        run_day(plan)
    except Exception as error:
        first = str(error).partition("\n")[0]
        return re.sub(r"[0-9A-Z]{26}\S*|\d+", "#", f"{type(error).__name__}: {first}")[:200]
    return ""


def minimise(plan: Plan, failure: str, *, run: Callable[[Plan], str] = find_failure, tries: int = MAX_TRIES) -> Case:
    """Remove actors and faults while the failure stays the same: half of them at once, then smaller parts, in the end one by one."""
    items: list[str | PlannedFault] = [*plan.actors, *plan.faults]
    size = len(items) // 2
    while size and tries > 0:
        start, was_smaller = 0, False
        while start < len(items) and tries > 0:
            fewer, tries = items[:start] + items[start + size :], tries - 1
            if run(_with_items(plan, fewer)) == failure:
                items, was_smaller = fewer, True
            else:
                start += size
        size = size // 2 if size > 1 else int(was_smaller)
    return Case(failure, _with_items(plan, items))


def _with_items(plan: Plan, items: Sequence[str | PlannedFault]) -> Plan:
    actors = tuple(item for item in items if isinstance(item, str))
    faults = tuple(item for item in items if isinstance(item, PlannedFault) and item.actor in actors)
    return replace(plan, actors=actors, faults=faults)


def save_case(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"day-{case.plan.seed}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(case)))
    return path


def load_case(path: Path) -> Case:
    return msgspec.json.decode(path.read_bytes(), type=Case)


def search(first_seed: int, minutes: float, folder: Path) -> list[Path]:
    """Run short days with one seed after another for so many minutes. Returns the files with small cases of the days that failed."""
    found, end, seed = list[Path](), monotonic() + 60 * minutes, first_seed
    while monotonic() < end:
        plan = make_plan(seed, buyers=150, hours=2, fault_rate=0.4, background_faults=40)
        if failure := find_failure(plan):
            found.append(save_case(Case(failure, plan), folder))  # stays if the time ends before the case is small
            save_case(minimise(plan, failure, run=lambda fewer: find_failure(fewer) if monotonic() < end else ""), folder)
        seed += 1
    return found
