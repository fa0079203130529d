"""The benches of scale, with small sizes: each reports its figures beside their bounds."""

import re
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from bench import (
    background_work,
    ballots,
    cancellation,
    entries,
    instances,
    joins,
    large_catalog,
    other_shop,
    reports,
    scale,
    sell_out,
    waitlist,
)
from bench.measure import Bound, print_bounds
from chalicelib.changes import jobs
from infra.template.stages import ROOT
from tests.simulation import drop, limits

SMALL = {
    "waitlist": lambda: waitlist.take_bounds(40, 60, 20, 10),
    "entries": lambda: entries.take_bounds(300),
    "other_shop": lambda: other_shop.take_bounds(600),
    "instances": lambda: instances.take_bounds((5,)),
    "background_work": lambda: background_work.take_bounds(20, 40),
    "reports": lambda: reports.take_bounds(10),
    "joins": lambda: joins.take_bounds(20),
    "cancellation": lambda: cancellation.take_bounds([(100, 30, 60)], 30),
    "ballots": lambda: ballots.take_bounds(40),
    "large_catalog": lambda: large_catalog.take_bounds(40, 1),
    "sell_out": lambda: sell_out.take_bounds((100,)),
}
COUNTS = ("calls", "people", "requests", "read units", "write units", "bytes")  # the units of figures that do not depend on the machine


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for module, name, value in (
        (waitlist, "TICKETS", 10),
        (waitlist, "PASSERS_BY", 10),
        (waitlist, "JOINS", 10),
        (waitlist, "LOOKS", 20),
        (waitlist, "SECONDS", 1),
        (waitlist, "INSTANCES", 5),
        (entries, "INSTANCES", 5),
        (other_shop, "INSTANCES", 5),
        (background_work, "SELLING", 5),
        (jobs, "PORTION", 30),
        (background_work, "ENTRIES", 80),
        (reports, "SECONDS", 2),
        (joins, "INSTANCES", 10),
        (instances, "DropPlan", lambda instances: drop.DropPlan(instances=instances, buyers=30, capacity=20, wave_size=10)),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("name", SMALL)
def test_a_bench_compares_its_figures_with_bounds(name):
    bounds = list(SMALL[name]())
    assert [bound.name for bound in bounds if bound.unit in COUNTS and bound.is_missed] == []
    assert len({bound.name for bound in bounds}) == len(bounds) > 0


THROTTLED = {
    "background_work": ["revenue of", "sweep with", "reconciliation of", "a bootstrap file"],
    "large_catalog": ["a catalog of 40 events: a start"],
    "cancellation": ["refunds of", "refunds of", "ends of", "ends of"],
}


@pytest.mark.parametrize("name", THROTTLED)
def test_work_that_keys_would_throttle_misses_bounds(monkeypatch, name):
    def simulate(actors):
        report = limits.simulate(actors)
        report.throttles["catalog"] += 1
        return report

    for bench in (background_work, large_catalog):
        monkeypatch.setattr(bench, "simulate", simulate)
    monkeypatch.setattr(cancellation, "LIMITS", limits.Limits(read_units=1, write_units=1))
    missed = [bound.name for bound in SMALL[name]() if bound.unit in COUNTS and bound.is_missed]
    assert [found.startswith(start) for found, start in zip(missed, THROTTLED[name], strict=True)] == [True] * len(missed), missed


def test_every_bench_runs_at_night():
    runs = re.findall(r"run: make scale(?: ARGS=(\S+))?$", (ROOT / ".github" / "workflows" / "nightly.yml").read_text(), re.MULTILINE)
    assert sorted([*scale.BENCHES, *filter(None, runs)]) == sorted(SMALL)
    assert "" in runs


def test_a_missed_bound_is_named(capsys):
    missed = [Bound("joins", 2999, "/s", 3000, is_minimum=True), Bound("behind", 5.1, "s", 5)]
    assert print_bounds([*missed, Bound("throttled", 0, "calls", 0)]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "MISSED its bound: | joins | 2,999 /s | >= 3,000 | MISSED |",
        "MISSED its bound: | behind | 5.1 s | <= 5 | MISSED |",
    ]
    assert "| throttled | 0 calls | <= 0 | ok |" in printed.out


def test_figures_within_their_bounds_end_well():
    assert print_bounds([Bound("joins", 3000, "/s", 3000, is_minimum=True), Bound("behind", 5, "s", 5)]) == 0


@pytest.mark.parametrize(("minutes", "code"), [(29, 0), (31, 1)])
def test_the_processor_time_of_all_benches_has_a_bound(monkeypatch, capsys, minutes, code):
    monkeypatch.setattr(sys, "argv", ["scale", "joins", "reports"])
    monkeypatch.setattr(scale, "run", lambda name: ([Bound(name, 0, "calls", 0)], 60.0 * minutes, ""))
    monkeypatch.setattr(scale, "ProcessPoolExecutor", lambda *_, **__: nullcontext(SimpleNamespace(map=map)))
    assert scale.main() == code
    assert f"| processor time of these benches, on each of 2 cores | {minutes}.0 min | <= 30 |" in capsys.readouterr().out
