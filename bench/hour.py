"""`python -m bench.hour`: an hour of `make run` in real time, and what has grown in it. Linux only.

A new event goes on sale every SALE_SECONDS. Half of its visitors buy all its tickets, and the others find it sold out. Some people reserve
tickets and leave, so their holds expire and the sweep releases them. The first quarter fills the caches. After that, memory and files may
grow only with the records of new orders, a visitor must not cost more, and no work may be left in the end.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from yarl import URL

from bench.buyers import FIVE_STEPS, THREE_STEPS, Sale, create_sale, run_buyers, send_request
from bench.local_runtime import local_runtime
from bench.measure import Bound, print_bounds

MINUTES, SAMPLES = 60, 12
SALE_SECONDS, VISITORS, TICKETS, LEAVING, CONNECTIONS = 10.0, 60, 30, 3, 10
REST_SECONDS = 600  # after the hour: holds expire, the sweep returns them, and emails are sent
MAX_MEMORY_KB, MAX_DISK_KB = 16, 16  # per order, with its share of an event and of the people who got no ticket


class Sample(Struct, frozen=True):
    """The process of the local run at a moment: memory and files in bytes, processor time in seconds, and what it has done so far."""

    minute: float
    memory: int
    disk: int
    cpu: float
    threads: int
    files: int
    visitors: int
    orders: int


class Hour:
    """The visitors of a local run with this data folder, and samples of its process."""

    def __init__(self, url: URL, token: str, data: Path) -> None:
        self.url, self._token, self._data = url, token, data
        self._process = Path("/proc") / (data / "store" / "store.lock").read_text().strip()
        self._began = time.monotonic()
        self.visitors = self.orders = self.failures = 0
        self.samples: list[Sample] = []

    def run(self, seconds: float) -> None:
        """Open sales and take SAMPLES samples until `seconds` have passed."""
        number, next_sample = 0, seconds / SAMPLES
        while (passed := time.monotonic() - self._began) < seconds:
            if passed >= next_sample:
                next_sample += seconds / SAMPLES
                self._take_sample()
            self._sell(number)
            number += 1
            time.sleep(max(0.0, number * SALE_SECONDS - (time.monotonic() - self._began)))
        self._take_sample()

    def rest(self, seconds: float) -> tuple[float, float]:
        """Wait until no email is due and no hold is left, at most `seconds`, and take a sample. Returns the two numbers."""
        until = time.monotonic() + seconds
        while any(left := (self._gauge("mail_backlog"), self._gauge("active_holds"))) and time.monotonic() < until:
            time.sleep(min(5.0, seconds / 10))
        self._take_sample()
        return left

    def _sell(self, number: int) -> None:
        has_room = number % 2 == 0
        sale = create_sale(self.url, self._token, TICKETS, waiting_room=has_room)
        if not has_room:
            for place in range(LEAVING):
                self._leave_with_tickets(sale, f"leaving-{number}-{place}")
        steps = FIVE_STEPS if has_room else THREE_STEPS
        results = run_buyers(self.url, sale, connections=CONNECTIONS, buyers=VISITORS, seconds=60, steps=steps)
        self.visitors += VISITORS
        self.orders += results.outcomes["bought"]
        self.failures += results.errors.total() + results.outcomes["gave up"]
        for (step, status, code), count in results.errors.items():
            print(f"{count} x {step}: {status} {code}", file=sys.stderr)

    def _leave_with_tickets(self, sale: Sale, user: str) -> None:
        body = {"tier_id": sale.tier_id, "quantity": 1}
        reply = send_request(self.url, "POST", f"/events/{sale.event_id}/reservations", body, {"X-User-Id": user})
        self.failures += reply.status != 201

    def _take_sample(self) -> None:
        sample = Sample(
            minute=(time.monotonic() - self._began) / 60,
            memory=int((self._process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            disk=sum(file.stat().st_size for file in self._data.rglob("*") if file.is_file()),
            cpu=sum(map(int, (self._process / "stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK"),
            threads=len(os.listdir(self._process / "task")),
            files=len(os.listdir(self._process / "fd")),
            visitors=self.visitors,
            orders=self.orders,
        )
        self.samples.append(sample)
        memory, disk = f"{sample.memory / 1e6:.0f} MB", f"{sample.disk / 1e6:.0f} MB"
        rest = f"{sample.cpu:,.0f} s | {sample.threads} | {sample.files} | {sample.visitors:,} | {sample.orders:,} |"
        print(f"| {sample.minute:.1f} | {memory} | {disk} | {rest}", flush=True)

    def _gauge(self, name: str) -> float:
        found = re.search(rf"^fairgate_{name} (\S+)$", send_request(self.url, "GET", "/metrics").body.decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


def take_bounds(minutes: float = MINUTES) -> Iterator[Bound]:
    """Play the hour and print its samples. Yields the figures with their bounds."""
    print("| minute | memory | files on disk | processor time | threads | open files | visitors | orders |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder, local_runtime(Path(folder) / "data") as (url, token):
        hour = Hour(url, token, Path(folder) / "data")
        hour.run(minutes * 60)
        mails, holds = hour.rest(REST_SECONDS)
    *samples, end = hour.samples
    early, middle, last = samples[len(samples) // 4 - 1], samples[len(samples) // 2 - 1], samples[-1]
    orders = max(1, end.orders - early.orders)
    yield Bound("failed requests", float(hour.failures), "requests", 0)
    yield Bound("emails that are due in the end", mails, "emails", 0)
    yield Bound("tickets on hold in the end", holds, "tickets", 0)
    yield Bound("memory for each order after the first quarter", (end.memory - early.memory) / orders / 1024, "KB", MAX_MEMORY_KB)
    yield Bound("disk for each order after the first quarter", (end.disk - early.disk) / orders / 1024, "KB", MAX_DISK_KB)
    yield Bound("more threads and open files than after the first quarter", _handles(end) - _handles(early), "", 10)
    yield Bound("processor time of a visitor, second half to second quarter", _cost(middle, last) / _cost(early, middle), "x", 1.3)


def _handles(sample: Sample) -> float:
    return float(sample.threads + sample.files)


def _cost(start: Sample, end: Sample) -> float:
    return (end.cpu - start.cpu) / max(1, end.visitors - start.visitors)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hour", description="Play an hour of a local run in real time.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long people come (default: %(default)s)")
    return print_bounds(take_bounds(parser.parse_args().minutes))


if __name__ == "__main__":
    sys.exit(main())
