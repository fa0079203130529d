"""The figures of a rehearsal beside those of the drop's report, which `fairgate verify --report` writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from chalicelib.waiting_room.verify import REPORT_FORMAT

if TYPE_CHECKING:
    from bench.rehearsal import Report

Seconds = tuple[float, float] | None  # something happened between these times; None: it did not happen
UNKNOWN = "not known"


class NoDropReport(Exception):
    """The file has no report of a drop; the message says why."""


class Entrants(Struct, frozen=True):
    drawn: int
    late: int


class Wait(Struct, frozen=True):
    place: int
    seconds: Seconds


class LateWaits(Struct, frozen=True):
    counted: int
    p95_seconds: Seconds


class Figures(Struct, frozen=True):
    """`buckets` have the numbers of requests and errors, and percentiles in milliseconds if they were measured."""

    requests: int
    errors: int
    buckets: list[dict[str, Any]]

    def worst(self, name: str) -> float | None:
        return max((bucket[name] for bucket in self.buckets if bucket.get(name) is not None), default=None)


class Tickets(Struct, frozen=True):
    """A ticket type, or with `tier_id` None the limit of the event."""

    tier_id: str | None
    counted: dict[str, Any] | None
    sold_out_seconds: Seconds


class Drop(Struct, frozen=True):
    """The parts of the report of a drop that a rehearsal has too."""

    format: str
    name: str
    entrants: Entrants | None
    waits: list[Wait] | None
    late_waits: LateWaits | None
    figures: Figures | None
    tickets: list[Tickets]


def load_drop(file: Path) -> Drop:
    """Read the report of a drop. Raises NoDropReport."""
    try:
        drop = msgspec.json.decode(file.read_bytes(), type=Drop)
    except OSError as error:
        raise NoDropReport(f"{file} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise NoDropReport(f"{file} is not the report of a drop, which `fairgate verify --report` writes: {error}.") from None
    if drop.format != REPORT_FORMAT:
        raise NoDropReport(f"{file} has the format {drop.format!r}, and this command reads {REPORT_FORMAT!r}.")
    return drop


def comparison(report: "Report", drop: Drop) -> list[tuple[str, str, str]]:
    """Return rows of a label, the figure of the rehearsal, and the figure of the drop."""
    entrants = f"{drop.entrants.drawn + drop.entrants.late:,}" if drop.entrants else UNKNOWN
    tiers = [tickets for tickets in drop.tickets if tickets.tier_id is not None]
    sold = sum((tickets.counted or {}).get("sold", 0) for tickets in tiers)
    ends = [tickets.sold_out_seconds for tickets in tiers]
    sold_out = (max(end[0] for end in ends if end), max(end[1] for end in ends if end)) if ends and None not in ends else None
    rows = [
        ("people in line", f"{report.people:,}", entrants),
        ("tickets sold", f"{report.moments[-1].sold:,}" if report.moments else UNKNOWN, f"{sold:,}"),
        ("seconds until everything was sold", _one(report.sold_out_after), _pair(sold_out)),
    ]
    waits, drawn = sorted(report.waits), drop.entrants.drawn if drop.entrants else 0
    for wait in drop.waits or []:
        share = wait.place / drawn if drawn else 1.0
        rehearsed = waits[min(len(waits) - 1, int(share * len(waits)))][1] if waits else None
        rows.append((f"seconds until the turn of place {wait.place:,} ({share:.0%} of the line)", _one(rehearsed), _pair(wait.seconds)))
    if drop.late_waits:
        rows.append(("seconds that 95% of the late arrivals waited at most", UNKNOWN, _pair(drop.late_waits.p95_seconds)))
    figures = drop.figures
    errors = sum(count for name, count in report.replies.items() if name.split()[-1] >= "500")
    rows += [
        ("requests", f"{report.replies.total():,}", f"{figures.requests:,}" if figures else UNKNOWN),
        ("failed requests (5xx)", f"{errors:,}", f"{figures.errors:,}" if figures else UNKNOWN),
    ]
    for percent in (50, 95):
        rehearsed = report.reply_seconds(percent) * 1000 if report.seconds else None
        worst = figures.worst(f"p{percent}_ms") if figures else None
        label = f"milliseconds until the reply, p{percent} (of the drop: in its slowest minutes)"
        rows.append((label, _one(rehearsed), f"{worst:,.0f}" if worst is not None else UNKNOWN))
    return rows


def _one(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.0f}"


def _pair(seconds: Seconds) -> str:
    if seconds is None:
        return "not happened"
    first, last = seconds
    return f"{last:,.0f}" if first == last else f"{first:,.0f} to {last:,.0f}"
