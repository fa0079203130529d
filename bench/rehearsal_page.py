"""The report of a rehearsal: lines for the terminal, figures for programs, and a page without scripts that can be sent to anybody."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.drop_comparison import Drop, comparison

if TYPE_CHECKING:
    from bench.rehearsal import Report

ENDS = {
    "bought": "bought tickets",
    "sold out": "found everything sold out",
    "left the line": "lost patience and left the line",
    "left with tickets on hold": "left with tickets on hold",
    "card declined": "could not pay: their card was declined",
    "too late": "did not pay in time",
    "refused": "saw all tickets sold or on hold during their turn",
    "turned away": "could not join the line",
}
WIDTH, HEIGHT = 720, 220
PERCENTS = (50, 95, 99)
STYLE = Path(__file__).with_name("rehearsal_page.css")


def summary(report: "Report") -> dict[str, Any]:
    """Return the figures for programs. Times are seconds after the opening."""
    nearest = report.nearest
    return {
        "event_id": report.event_id,
        "go": report.is_go,
        "faults": report.faults,
        "advice": report.advice,
        "people": report.people,
        "seed": report.seed,
        "orders": report.orders,
        "sold_out_after": report.sold_out_after,
        "wait_p50": report.wait(50),
        "wait_p90": report.wait(90),
        "wait_p99": report.wait(99),
        "nearest_limit": nearest and nearest.name,
        "limits": {limit.name: {"peak": limit.peak, "limit": limit.limit, "unit": limit.unit} for limit in report.limits},
        "last_mail_late": report.last_mail_late,
        "dollars": round(report.dollars, 2),
        "ends": {kind: dict(ends) for kind, ends in sorted(report.ends.items())},
        "notes": report.notes,
        **(_stage_figures(report) if report.stage else {}),
    }


def _stage_figures(report: "Report") -> dict[str, Any]:
    return {
        "stage": report.stage,
        "refusals": {name: {"first": round(each.second), "count": each.count} for name, each in report.first_refusals},
        "milliseconds": {
            name: {f"p{percent}": round(report.reply_seconds(percent, name) * 1000) for percent in PERCENTS} for name in report.seconds
        },
    }


def lines(report: "Report") -> list[str]:
    """Return the report's most important lines for the terminal."""
    found = [
        f"{report.event_name}: {'go' if report.is_go else 'NO GO'}",
        *(f"  {fault}" for fault in report.faults),
        f"{report.people:,} people, {report.orders:,} orders, {_sold_out(report)}",
        f"Wait for a turn: half of the people up to {_span(report.wait(50))}, 90% up to {_span(report.wait(90))}",
    ]
    found += [
        f"{limit.share:5.0%} of the limit: {limit.name}, {limit.peak:,.0f} of {limit.limit:,.0f} {limit.unit}"
        for limit in report.nearest_limits
    ]
    if report.stage:
        found += [f"{name}: {each.count:,} times, first {_second(each.second)}" for name, each in report.first_refusals]
        found += [
            f"{name}: " + ", ".join(f"p{percent} {_reply_time(report, name, percent)}" for percent in PERCENTS) for name in report.seconds
        ]
        return [*found, *report.advice, *report.notes]
    return [
        *found,
        f"The last ticket email is {_span(report.last_mail_late)} late. AWS costs $ {report.dollars:.2f}.",
        *report.advice,
        *report.notes,
    ]


def write_page(report: "Report", file: Path, drop: "Drop | None" = None) -> None:
    """Write the page. The file's folder is created."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(report, drop), encoding="utf-8")


def page(report: "Report", drop: "Drop | None" = None) -> str:
    """Return the page as HTML. With the report of a drop, it shows the figures of both beside each other."""
    reasons = [*report.faults, *(f"{limit.name}: more than the limit" for limit in report.limits if limit.share >= 1)]
    verdict = "Go" if report.is_go else "No go"
    because = "; ".join(reasons) or _best_news(report)
    facts = [
        (f"{report.people:,}", "people wanted tickets"),
        (f"{report.orders:,}", "orders were paid"),
        (
            _span(report.sold_out_after) if report.sold_out_after is not None else "not sold out",
            "from the opening until everything was sold",
        ),
        (_span(report.wait(90)), "wait for a turn, for 90% of the people"),
    ]
    if report.stage:
        slowest = max(report.seconds, key=lambda name: report.reply_seconds(95, name), default="none")
        facts += [
            (f"{report.replies.total():,}", "requests were sent to the stage"),
            (_reply_time(report, slowest, 95), f"for 95% of the replies to the slowest request: {slowest}"),
        ]
    else:
        facts += [
            (f"$ {report.dollars:.2f}", "charged by AWS for this sale"),
            (_span(report.last_mail_late), "delay of the last ticket email"),
        ]
    where = escape(f" on {report.stage}") if report.stage else ""
    sections = [
        f"<p class='soft'>Rehearsal{where} · opens {escape(report.opens_at)} · crowd number {report.seed}</p>",
        f"<h1>{escape(report.event_name)}</h1>",
        f"<div class='verdict{'' if report.is_go else ' bad'}'><b>{verdict}</b><p>{escape(because)}</p></div>",
        f"<ul class='facts'>{''.join(f'<li><b>{escape(figure)}</b>{escape(text)}</li>' for figure, text in facts)}</ul>",
        _section("The rehearsal and the drop", _comparison(report, drop)) if drop else "",
        _section("What to change", _list(report.advice) if report.advice else "<p>Nothing.</p>"),
        _section("The sale", _chart(report)),
        _section("Waits by place in line", _waits(report)) if report.waits else "",
        _section("Limits", _limits(report)) if report.limits else "",
        _section("Refused requests", _refusals(report)) if report.stage else "",
        _section("Times until the reply", _reply_times(report)) if report.stage else "",
        _section("How it ended for the people", _ends(report)),
        _section("What was not played", _list(report.notes)) if report.notes else "",
    ]
    title = escape(f"Rehearsal: {report.event_name}")
    head = (
        f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{title}</title><style>{STYLE.read_text()}</style>"
    )
    return f"<!doctype html><html lang='en'><head>{head}</head><body><main>{''.join(sections)}</main></body></html>\n"


def _best_news(report: "Report") -> str:
    if report.nearest is not None:
        return f"Nothing reached a limit. The nearest is: {report.nearest.name}."
    if refusals := report.first_refusals:
        name, first = refusals[0]
        return f"No request failed. The first limit was reached {_second(first.second)}: {name}."
    return "No request failed, and none reached a limit."


def _chart(report: "Report") -> str:
    moments = report.moments or []
    end, most = max((moment.second for moment in moments), default=1) or 1, max((m.sold + m.held for m in moments), default=1) or 1
    waiting = max((moment.waiting for moment in moments), default=0) or 1

    def path(values: Iterable[tuple[float, float]], highest: float) -> str:
        return " ".join(f"{WIDTH * second / end:.0f},{HEIGHT - (HEIGHT - 20) * value / highest:.0f}" for second, value in values)

    drawn = [
        f"<polyline class='waiting' points='{path(((m.second, m.waiting) for m in moments), waiting)}'/>",
        f"<polyline class='held' points='{path(((m.second, m.held) for m in moments), most)}'/>",
        f"<polyline class='sold' points='{path(((m.second, m.sold) for m in moments), most)}'/>",
    ]
    label = f"Tickets sold and held, and people waiting, until {_span(end)} after the opening."
    axis = f"<text x='4' y='14'>{most:,} tickets, {waiting:,} people</text>"
    axis += f"<text x='{WIDTH - 4}' y='{HEIGHT - 6}' text-anchor='end'>{_span(end)}</text>"
    key = "<p class='key soft'><span>solid: sold</span><span>dashed: on hold</span><span>dotted: waiting in line</span></p>"
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(label)}'>{''.join(drawn)}{axis}</svg>{key}"


def _waits(report: "Report") -> str:
    waits = sorted(report.waits)
    size = -(-len(waits) // 10)
    rows = []
    for first in range(0, len(waits), size):
        part = waits[first : first + size]
        seconds = sorted(second for _, second in part)
        rows.append((f"{part[0][0]:,} to {part[-1][0]:,}", _span(seconds[len(seconds) // 2]), _span(seconds[-1])))
    return _table(("places", "half waited up to", "longest wait"), rows)


def _limits(report: "Report") -> str:
    rows = []
    for limit in report.nearest_limits:
        meter = f"<meter min='0' max='1' high='0.7' optimum='0' value='{min(1.0, limit.share):.2f}'>{limit.share:.0%}</meter>"
        figures = f"{limit.peak:,.0f} of {limit.limit:,.0f} {limit.unit}"
        rows.append(f"<tr><td>{escape(limit.name)}</td><td>{meter}</td><td class='n'>{escape(figures)}</td></tr>")
    return f"<div class='wide'><table><tr><th>limit</th><th>used</th><th class='n'>peak</th></tr>{''.join(rows)}</table></div>"


def _refusals(report: "Report") -> str:
    rows = [(name, _second(each.second), f"{each.count:,}") for name, each in report.first_refusals]
    return _table(("reply", "first", "times"), rows) if rows else "<p>None.</p>"


def _reply_times(report: "Report") -> str:
    rows = [
        (name, f"{len(seconds):,}", *(_reply_time(report, name, percent) for percent in PERCENTS))
        for name, seconds in report.seconds.items()
    ]
    return _table(("request", "replies", *(f"p{percent}" for percent in PERCENTS)), rows)


def _comparison(report: "Report", drop: "Drop") -> str:
    return _table(("", "rehearsal", "drop"), comparison(report, drop))


def _ends(report: "Report") -> str:
    kinds = sorted(report.ends, key=lambda kind: -report.ends[kind].total())
    ends = [end for end in ENDS if any(report.ends[kind][end] for kind in kinds)]
    rows = [(ENDS[end], *(f"{report.ends[kind][end]:,}" for kind in kinds)) for end in ends]
    return _table(("", *kinds), rows)


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "".join(f"<{tag}{' class=n' if index else ''}>{escape(cell)}</{tag}>" for index, cell in enumerate(cells))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<div class='wide'><table><tr>{row(head, 'th')}</tr>{body}</table></div>"


def _sold_out(report: "Report") -> str:
    return "not sold out" if report.sold_out_after is None else f"sold out after {_span(report.sold_out_after)}"


def _second(second: float) -> str:
    return f"{_span(-second)} before the opening" if second < 0 else f"{_span(second)} after the opening"


def _reply_time(report: "Report", name: str, percent: float) -> str:
    return f"{report.reply_seconds(percent, name) * 1000:,.0f} ms"


def _span(seconds: float | None) -> str:
    """Format a time for people: 45 s, 12 min, 1 h 5 min."""
    if seconds is None or seconds < 90:
        return f"{seconds or 0:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
