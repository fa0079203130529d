"""The journal: a store opens with everything that was acknowledged, or it refuses to open. It never opens with less."""

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from devtools.dynamodb import journal as journal_module
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import Journal, StoreDamaged, StoreFailed, StoreInUse, StoreTooNew, open_journal
from tests.devtools.dynamodb.conftest import Caller
from tests.devtools.dynamodb.test_engine import busy, state

OWNERS = {
    "IndexName": "owners",
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


class Numbers:
    """An engine as the journal sees it: numbers by name, which calls set."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.commit = None
        self._lock = threading.Lock()

    def set(self, **values: int) -> None:
        with self._lock:
            self.values |= values
            waiter = self.commit([("set", name, value, b"x" * 40) for name, value in values.items()])
        waiter()

    def apply(self, records) -> None:
        for _, name, value, _ in records:
            self.values[name] = value

    def dump(self, mark):
        with self._lock:
            return mark(), [("set", name, value, b"x" * 40) for name, value in self.values.items()]


def opened(folder: Path) -> tuple[Numbers, Journal]:
    engine = Numbers()
    return engine, open_journal(folder, engine)


def values(folder: Path) -> dict[str, int]:
    engine, journal = opened(folder)
    journal.close()
    return engine.values


def copied(folder: Path, to: Path) -> Path:
    """A copy of the folder as it is on disk, which is what a killed process leaves."""
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(folder, to)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "store.lock"}


@pytest.fixture(scope="module", autouse=True)
def exact_files():
    """Most of these tests need the place where a journal ends: its file has no zeros after it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "BYTES_AHEAD", 0)
        yield


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """The files of a killed process, and what they contain: a snapshot, and a journal that begins before its end."""
    folder = tmp_path_factory.mktemp("killed")
    engine, journal = opened(folder / "live")
    for number in range(1200):
        engine.commit([("set", f"old-{number}", number, b"")])
        engine.values[f"old-{number}"] = number
    journal.flush()
    journal.compact()
    for number in range(30):
        engine.set(**{f"new-{number}": number, "last": number})
    copy, expected = copied(folder / "live", folder / "killed"), dict(engine.values)
    journal.close()
    return copy, expected


def journal_file(folder: Path) -> Path:
    return max(folder.glob("journal-*"))


def assert_refused(folder: Path, match: str) -> None:
    """Opening the folder fails with this message and changes nothing."""
    before = contents(folder)
    with pytest.raises(StoreDamaged, match=match):
        opened(folder)
    assert contents(folder) == before


def test_everything_is_there_after_a_kill_and_after_a_close(killed, tmp_path):
    folder, expected = killed
    copy = copied(folder, tmp_path / "copy")
    assert values(copy) == expected
    assert values(copy) == expected


def test_writes_continue_after_each_opening(tmp_path):
    for number in range(5):
        engine, journal = opened(tmp_path)
        assert engine.values == {f"value-{earlier}": earlier for earlier in range(number)}
        engine.set(**{f"value-{number}": number})
        if number == 2:
            journal.compact()
        journal.close()


def test_a_record_that_was_not_written_to_its_end_is_cut_at_every_byte(tmp_path):
    engine, journal = opened(tmp_path / "live")
    engine.set(first=1)
    acknowledged = copied(tmp_path / "live", tmp_path / "acknowledged")
    engine.set(second=2)
    whole = journal_file(tmp_path / "live").read_bytes()
    journal.close()
    start = journal_file(acknowledged).stat().st_size
    for size in range(start, len(whole) + 1):
        copy = copied(acknowledged, tmp_path / "copy")
        journal_file(copy).write_bytes(whole[:size])
        engine, journal = opened(copy)
        assert engine.values == ({"first": 1} if size < len(whole) else {"first": 1, "second": 2})
        engine.set(third=3)
        journal.close()
        assert values(copy)["third"] == 3


def test_the_loss_of_an_acknowledged_record_is_noticed_at_every_byte(tmp_path):
    engine, journal = opened(tmp_path / "live")
    engine.set(first=1)
    start = journal_file(tmp_path / "live").stat().st_size
    engine.set(second=2)
    whole = journal_file(tmp_path / "live").read_bytes()
    for size in range(start, len(whole)):
        copy = copied(tmp_path / "live", tmp_path / "copy")
        journal_file(copy).write_bytes(whole[:size])
        assert_refused(copy, rf"journal-00000001 (ends|is damaged) at byte {start}")
    journal.close()


@pytest.mark.parametrize("kind", ["journal", "snapshot"])
def test_a_flipped_bit_is_refused_with_the_name_and_the_place(killed, tmp_path, kind):
    folder, _ = killed
    chance = random.Random(kind)
    name = next(folder.glob(f"{kind}-*")).name
    content = (folder / name).read_bytes()
    for place in sorted(chance.sample(range(len(content)), 60)):
        copy = copied(folder, tmp_path / "copy")
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        (copy / name).write_bytes(damaged)
        with pytest.raises((StoreDamaged, StoreTooNew), match=rf"{name} (is|has|ends).*(byte \d+|format)"):
            opened(copy)
        assert (copy / name).read_bytes() == damaged


def test_damage_before_the_last_record_is_refused_even_if_the_mark_is_older(tmp_path):
    """After a power cut, the high-water mark on disk may be an older one. A record with others after it was written to its end."""
    engine, journal = opened(tmp_path / "live")
    mark = (tmp_path / "live" / "high-water-mark").read_bytes()
    sizes = []
    for number in range(3):
        engine.set(value=number)
        sizes.append(journal_file(tmp_path / "live").stat().st_size)
    whole = journal_file(tmp_path / "live").read_bytes()
    journal.close()
    for place in range(sizes[0], sizes[2]):
        copy = copied(tmp_path / "live", tmp_path / "copy")
        (copy / "high-water-mark").write_bytes(mark)
        journal_file(copy).write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        if place < sizes[1]:
            assert_refused(copy, f"journal-00000001 is damaged at byte {sizes[0]}")
        else:
            assert values(copy) == {"value": 1}


def test_zeros_ahead_of_the_end_are_not_damage(tmp_path, monkeypatch):
    """A killed process leaves them, and its last record may be there in part."""
    monkeypatch.setattr(journal_module, "BYTES_AHEAD", 4096)
    engine, journal = opened(tmp_path / "live")
    marks = []
    for number in range(1, 4):
        engine.set(value=number)
        marks.append((tmp_path / "live" / "high-water-mark").read_bytes())
    killed = copied(tmp_path / "live", tmp_path / "killed")
    journal.close()
    exact = journal_file(tmp_path / "live").read_bytes()
    assert journal_file(killed).read_bytes().rstrip(b"\0") == exact
    assert values(copied(killed, tmp_path / "copy")) == {"value": 3}
    for lost in (1, 9, 17):
        copy = copied(killed, tmp_path / "copy")
        journal_file(copy).write_bytes(exact[:-lost] + bytes(4096))
        assert_refused(copy, "damaged at byte|its end is lost")
        (copy / "high-water-mark").write_bytes(marks[1])
        assert values(copy) == {"value": 2}


@pytest.mark.parametrize("name", ["journal-00000002", "snapshot-00000002", "high-water-mark"])
@pytest.mark.parametrize("part", [0, 0.5, 0.99, None])
def test_missing_and_cut_files_are_refused(killed, tmp_path, name, part):
    copy = copied(killed[0], tmp_path / "copy")
    content = (copy / name).read_bytes()
    (copy / name).unlink() if part is None else (copy / name).write_bytes(content[: int(len(content) * part)])
    assert_refused(copy, "damaged|missing|its end is lost")


def test_a_snapshot_that_was_cut_between_two_frames_is_refused(killed, tmp_path):
    copy = copied(killed[0], tmp_path / "copy")
    snapshot = copy / "snapshot-00000002"
    last_frame = 16 + len(zlib.compress(b"\x90"))  # a header, and an empty array
    snapshot.write_bytes(snapshot.read_bytes()[:-last_frame])
    assert_refused(copy, "snapshot-00000002 ends at byte .*: its end is lost")


def test_an_older_journal_beside_the_present_mark_is_refused(killed, tmp_path):
    copy = copied(killed[0], tmp_path / "copy")
    older = journal_file(copy).read_bytes()
    engine, journal = opened(copy)
    engine.set(more=1)
    journal.close()
    journal_file(copy).write_bytes(older)
    assert_refused(copy, "its end is lost")


def test_a_later_format_is_refused(killed, tmp_path):
    copy = copied(killed[0], tmp_path / "copy")
    content = bytearray(journal_file(copy).read_bytes())
    content[7] = 2
    journal_file(copy).write_bytes(content)
    with pytest.raises(StoreTooNew, match="has format 2"):
        opened(copy)


def test_a_crash_while_the_store_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "_new_journal", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path)
    monkeypatch.undo()
    assert values(tmp_path) == {}


def test_two_processes_cannot_open_one_folder(tmp_path):
    engine, journal = opened(tmp_path)
    code = "import sys; from pathlib import Path; from tests.devtools.dynamodb.test_journal import opened; opened(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    other = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert other.returncode != 0
    assert f"in use by process {os.getpid()}" in other.stderr
    with pytest.raises(StoreInUse):
        opened(tmp_path)
    engine.set(still=1)
    journal.close()
    assert values(tmp_path) == {"still": 1}


class Disk:
    """The disk of the files of a store: `full` makes it take half of what is written, and then refuse; `broken` refuses to synchronize."""

    def __init__(self, monkeypatch) -> None:
        self.is_full = self.is_broken = False
        self._write, self._sync = os.write, os.fdatasync
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fdatasync", self.sync)

    def write(self, descriptor: int, content: bytes) -> int:
        if not self.is_full:
            return self._write(descriptor, content)
        if len(content) < 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(descriptor, content[: len(content) // 2])

    def sync(self, descriptor: int) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(descriptor)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def test_a_full_disk_is_an_error_and_loses_nothing_acknowledged(tmp_path, disk):
    engine, journal = opened(tmp_path)
    engine.set(safe=1)
    disk.is_full = True
    with pytest.raises(StoreFailed, match=r"No space left on device.*Free some disk space"):
        engine.set(lost=1)
    disk.is_full = False
    with pytest.raises(StoreFailed):
        engine.set(later=1)  # what is on disk is not known any more
    journal.close()
    assert values(tmp_path) == {"safe": 1}


def test_a_failed_synchronization_is_never_acknowledged(tmp_path, disk):
    engine, journal = opened(tmp_path)
    disk.is_broken = True
    with pytest.raises(StoreFailed, match="Input/output error"):
        engine.set(lost=1)
    disk.is_broken = False
    with pytest.raises(StoreFailed):
        engine.set(later=1)
    journal.close()
    assert "later" not in values(tmp_path)


@pytest.mark.parametrize("failure", ["is_full", "is_broken"])
def test_a_snapshot_that_cannot_be_written_changes_nothing(tmp_path, disk, failure):
    engine, journal = opened(tmp_path)
    engine.set(**{f"value-{number}": number for number in range(2000)})
    setattr(disk, failure, True)
    with pytest.raises(OSError, match=r"device|Input"):
        journal.compact()
    setattr(disk, failure, False)
    engine.set(later=1)
    expected = dict(engine.values)
    assert not list(tmp_path.glob("*.new"))
    assert values(copied(tmp_path, tmp_path / "copy")) == expected
    journal.compact()
    journal.close()
    assert values(tmp_path) == expected


def test_a_crash_at_each_step_of_a_compaction(tmp_path):
    """The files are copied at each synchronization of the disk, as a crash would leave them."""
    copies: list[tuple[Path, dict[str, int]]] = []
    engine, journal = opened(tmp_path / "live")
    engine.set(**{f"value-{number}": number for number in range(2000)})

    def copy_before(function):
        def call(descriptor: int) -> None:
            copies.append((copied(tmp_path / "live", tmp_path / f"copy-{len(copies)}"), dict(engine.values)))
            function(descriptor)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", copy_before(os.fsync))
        patch.setattr(os, "fdatasync", copy_before(os.fdatasync))
        journal.compact()
    journal.close()
    assert len(copies) > 3
    for folder, expected in copies:
        assert values(folder) == expected
        assert values(folder) == expected


def test_writers_continue_during_compactions(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "MIN_COMPACTION_BYTES", 20_000)
    engine, journal = opened(tmp_path)

    def write(name: str) -> None:
        for number in range(300):
            engine.set(**{f"{name}-{number}": number, name: number})

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    journal.close()
    assert len(engine.values) == 3 * 301
    assert list(tmp_path.glob("snapshot-*"))
    assert values(tmp_path) == engine.values


def test_the_journal_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "MIN_COMPACTION_BYTES", 20_000)
    engine, journal = opened(tmp_path)
    for number in range(1500):
        engine.set(value=number)
    journal.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000
    assert values(tmp_path) == {"value": 1499}


def test_entries_that_wait_together_are_synchronized_once(tmp_path, disk):
    engine, journal = opened(tmp_path)
    waiters = [engine.commit([("set", name, 1, b"")]) for name in "abc"]
    waiters[0]()
    disk.is_broken = True
    for waiter in waiters:
        waiter()
    disk.is_broken = False
    journal.close()
    assert values(tmp_path) == {"a": 1, "b": 1, "c": 1}


def test_an_engine_is_the_same_after_each_restart(tmp_path, clock):
    expected = None
    for start in range(4):
        engine = Engine(clock)
        with open_journal(tmp_path, engine) as journal:
            caller = Caller(engine)
            if start == 0:
                caller.create_table("things", others=["owner"], GlobalSecondaryIndexes=[OWNERS])
                caller.create_table("lines", "id:S at:N")
                busy(caller)
            else:
                assert state(engine) == expected
            caller.put({"id": f"owned-{start}", "owner": "ann"})
            if start % 2:
                journal.compact()
                caller.put({"id": f"after-{start}", "owner": "ann"})
            clock.now += 100
            expected = state(engine)
    owned = engine.call("Scan", {"TableName": "things", "IndexName": "owners"})["Items"]
    assert {item["id"]["S"] for item in owned} == {"owned-0", "owned-1", "owned-2", "owned-3", "after-1", "after-3"}


def test_snapshots_of_an_engine_that_is_written_to(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(journal_module, "MIN_COMPACTION_BYTES", 20_000)
    engine = Engine(clock)
    with open_journal(tmp_path, engine):
        caller = Caller(engine)
        caller.create_table("things")

        def write(name: str) -> None:
            for number in range(150):
                caller.put({"id": f"{name}-{number % 40}", "number": number})
                caller.update("sum", "ADD made :one", one=1)

        writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c", "d")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    again = Engine(clock)
    open_journal(tmp_path, again).close()
    assert list(tmp_path.glob("snapshot-*"))
    assert state(again) == state(engine)
    assert again.call("GetItem", {"TableName": "things", "Key": {"id": {"S": "sum"}}})["Item"]["made"] == {"N": "600"}


def test_a_closed_journal_accepts_nothing(tmp_path):
    engine, journal = opened(tmp_path)
    journal.close()
    with pytest.raises(StoreFailed, match="closed"):
        engine.set(late=1)
