"""kill -9 during writes, repeatedly on the same data: nothing acknowledged is lost, and no transaction is there by half."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import open_journal
from devtools.dynamodb.values import decode_item
from devtools.event_source_mapping import EventSourceMapping, StreamPoller

KILLS = 5


ROOT = Path(__file__).parents[3]


def reports_until_killed(folder: Path, name: str, lines: int) -> list[list[str]]:
    """The lines that the process reported until it was killed, after about this number of lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.devtools.dynamodb.write_load", str(folder), name], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    lines_read = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    lines_read += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return [line.decode().split() for line in lines_read if line.endswith(b"\n")]


def all_items(engine: Engine, table: str) -> dict[str, dict]:
    items = [decode_item(encoded) for encoded in engine.tables[table].items.values()]
    return {item["id"]["S"]: item for item in items}


@pytest.mark.slow
def test_kill_9(tmp_path):
    chance = random.Random(9)
    reports: list[list[str]] = []
    for kill in range(KILLS):
        lines_read = reports_until_killed(tmp_path, str(kill), chance.randint(1, 600))
        assert lines_read
        reports += lines_read
        engine = Engine()
        with open_journal(tmp_path, engine):
            check_tables(engine, reports)


def check_tables(engine: Engine, reports: list[list[str]]) -> None:
    puts, left, right = (all_items(engine, table) for table in ("puts", "left", "right"))
    counter = all_items(engine, "counters").get("transactions", {"made": {"N": "0"}})
    assert {line[1] for line in reports if line[0] == "put"} <= puts.keys()
    assert {line[1] for line in reports if line[0] == "transaction"} <= left.keys()
    assert left.keys() == right.keys()
    assert len(left) == int(counter["made"]["N"])
    check_stream(engine, reports, puts.keys())


def check_stream(engine: Engine, reports: list[list[str]], keys) -> None:
    """The handler received every record in order and without a gap: before the kill, or after it from the saved position."""
    before = [(line[1], line[2]) for line in reports if line[0] == "record"]
    after: list[tuple[str, str]] = []

    def collect(event, _):
        after.extend((record["dynamodb"]["SequenceNumber"], record["dynamodb"]["Keys"]["id"]["S"]) for record in event["Records"])

    StreamPoller(engine, [EventSourceMapping(name="notes", table="puts", handler=collect)]).drain()
    numbers = sorted({int(number) for number, _ in before + after})
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [number for number, _ in after] == sorted({number for number, _ in after})
    assert {key for _, key in before + after} == set(keys)
    assert max(Counter(number for number, _ in before + after).values()) <= 2
    reports.extend(["record", *pair] for pair in after)
