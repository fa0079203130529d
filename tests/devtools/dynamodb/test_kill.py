"""kill -9 in a storm of writes, again and again on the same data: nothing acknowledged is lost, no transaction is half there."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from devtools.dynamodb.event_source_mapping import EventSourceMapping, StreamPoller
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb import storm

KILLS = 20
ROOT = Path(__file__).parents[3]


def said_before_death(folder: Path, name: str, lines: int) -> list[list[str]]:
    """What the process said until it was killed, after about so many lines."""
    process = subprocess.Popen([sys.executable, "-m", "tests.devtools.dynamodb.storm", str(folder), name], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    heard = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    heard += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return [line.decode().split() for line in heard if line.endswith(b"\n")]


def everything(store, table: str) -> dict[str, dict]:
    found, start = {}, {}
    while True:
        page = storm.call(store, "Scan", TableName=table, ConsistentRead=True, **start)
        found |= {item["id"]["S"]: item for item in page["Items"]}
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def test_kill_9(tmp_path):
    chance = random.Random(9)
    said: list[list[str]] = []
    for kill in range(KILLS):
        heard = said_before_death(tmp_path, str(kill), chance.randint(1, 600))
        assert heard
        said += heard
        with open_store(tmp_path) as store:
            check(store, said)


def check(store, said: list[list[str]]) -> None:
    puts, left, right = (everything(store, table) for table in ("puts", "left", "right"))
    counter = everything(store, "counters").get("transactions", {"made": {"N": "0"}})
    assert {line[1] for line in said if line[0] == "put"} <= puts.keys()
    assert {line[1] for line in said if line[0] == "transaction"} <= left.keys()
    assert left.keys() == right.keys()
    assert len(left) == int(counter["made"]["N"])
    check_stream(store, said, puts.keys())


def check_stream(store, said: list[list[str]], there) -> None:
    """Every item was handed to the handler, before the kill or from the position that outlived it; in order, without a gap."""
    before = [(line[1], line[2]) for line in said if line[0] == "record"]
    after: list[tuple[str, str]] = []

    def note(event, _):
        after.extend((record["dynamodb"]["SequenceNumber"], record["dynamodb"]["Keys"]["id"]["S"]) for record in event["Records"])

    StreamPoller(store, [EventSourceMapping(name="notes", table="puts", handler=note)]).drain()
    numbers = sorted({int(number) for number, _ in before + after})
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [number for number, _ in after] == sorted({number for number, _ in after})
    assert {key for _, key in before + after} == set(there)
    assert max(Counter(number for number, _ in before + after).values()) <= 2
    said.extend(["record", *pair] for pair in after)
