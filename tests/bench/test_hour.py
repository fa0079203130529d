"""The hour of a local run, in short: that it plays and measures, and that it finds what has grown."""

import pytest

from bench import hour
from bench.hour import Sample

pytestmark = pytest.mark.slow


def test_an_hour_plays_and_samples_the_process(monkeypatch, capsys):
    for name, value in {"SALE_SECONDS": 0.2, "VISITORS": 6, "TICKETS": 4, "LEAVING": 0, "SAMPLES": 4}.items():
        monkeypatch.setattr(hour, name, value)
    bounds = {bound.name: bound for bound in hour.take_bounds(minutes=0.05)}
    assert len(bounds) == 7
    for name in ("failed requests", "emails that are due in the end", "tickets on hold in the end"):
        assert not bounds[name].is_missed, bounds[name]
    visitors, orders = capsys.readouterr().out.splitlines()[-1].split("|")[-3:-1]
    assert int(orders) >= 4
    assert int(visitors) * 4 == int(orders) * 6


def test_what_has_grown_is_measured_after_the_first_quarter(monkeypatch):
    def play(self, seconds):
        for quarter, (memory, cpu, files) in enumerate([(500, 90, 3), (600, 100, 20), (700, 110, 20), (900, 150, 40), (900, 150, 40)], 1):
            place = {"minute": quarter * 15, "threads": 5, "visitors": min(quarter, 4) * 100, "orders": min(quarter, 4) * 50}
            self.samples.append(Sample(memory=memory * 1024**2, disk=0, cpu=cpu, files=files, **place))

    monkeypatch.setattr(hour.Hour, "run", play)
    monkeypatch.setattr(hour.Hour, "rest", lambda self, seconds: (2.0, 1.0))
    missed = {bound.name.partition(",")[0]: bound.figure for bound in hour.take_bounds() if bound.is_missed}
    assert missed == {
        "emails that are due in the end": 2.0,
        "tickets on hold in the end": 1.0,
        "memory for each order after the first quarter": 400 * 1024 / 150,
        "more threads and open files than after the first quarter": 37.0,
        "processor time of a visitor": 2.5,
    }
