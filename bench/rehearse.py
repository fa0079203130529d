"""`fairgate rehearse <event id>`: play the sale of an event with a simulated crowd, and write a page about it.

Exits with 1 if the answer is "no go", and with 2 if the event cannot be played. 20,000 people take about two minutes. With `--url`, the
crowd plays the sale of a deployed stage in real time instead. With `--drop`, the page shows the figures of the drop too.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.drop_comparison import NoDropReport, load_drop
from bench.rehearsal_page import lines, summary, write_page
from bootstrap import files
from bootstrap.output import Output, add_json_option
from chalicelib.bootstrap_file.findings import InvalidDocument

if TYPE_CHECKING:
    from bench.rehearsal import Report

DEFAULT_PEOPLE, DEFAULT_PEOPLE_ON_STAGE = 2000, 200
PAGE = Path(".build") / "rehearsal.html"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fairgate rehearse", description="Rehearse the sale of an event with a simulated crowd, and answer go or no go."
    )
    parser.add_argument("event_id", help="id of the event in the bootstrap files")
    parser.add_argument(
        "--file", dest="files", type=Path, action="append", help="bootstrap file; can be repeated (default: the files of `fairgate plan`)"
    )
    parser.add_argument("--people", type=_count, help="number of people who want tickets (default: 2000; with --url: 200)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated crowd; each seed gives a different crowd (default: 1)")
    parser.add_argument("--instances", type=_count, default=100, help="maximum number of concurrent instances of the API (default: 100)")
    parser.add_argument(
        "--provider-rate", type=_count, default=100, help="calls per second that the payment provider accepts (default: 100)"
    )
    parser.add_argument("--mail-rate", type=_count, default=14, help="emails per second that the mail provider accepts (default: 14)")
    parser.add_argument(
        "--url", help="address of a stage's API: rehearse there in real time, with a copy of the event that opens in a few minutes"
    )
    parser.add_argument("--token", help="with --url: access token of the event's promoter or an admin")
    parser.add_argument("--rate", type=_count, default=50, help="with --url: maximum number of requests per second (default: 50)")
    parser.add_argument(
        "--minutes", type=_count, default=30, help="with --url: minutes from the opening until the crowd leaves (default: 30)"
    )
    parser.add_argument(
        "--saved",
        type=Path,
        metavar="FILE",
        help="show an earlier rehearsal instead of running one; FILE is the .json file next to its page",
    )
    parser.add_argument(
        "--drop",
        type=Path,
        metavar="FILE",
        help="report of the actual sale, from `fairgate verify --report`, to show next to the rehearsal",
    )
    parser.add_argument("--page", type=Path, default=PAGE, help=f"file for the page (default: {PAGE})")
    add_json_option(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    output = Output("", given.json)
    if given.url and not given.token:
        return output.print_failure("--url needs --token, the access token of the event's promoter or an admin.", 2)
    try:
        from bench import rehearsal
    except ModuleNotFoundError as missing:
        return output.print_failure(f"A rehearsal needs the packages for development ({missing.name}): run `make .venv/installed`.", 2)
    try:
        drop = load_drop(given.drop) if given.drop else None
        report = rehearsal.load(given.saved) if given.saved else _play(given)
    except (rehearsal.RehearsalRefused, NoDropReport) as refusal:
        return output.print_failure(str(refusal), 2)
    except InvalidDocument as invalid:
        *others, last = map(str, invalid.faults)
        return output.print_failure(last, 2, others, faults=invalid.faults)
    write_page(report, given.page, drop)
    if not given.saved:
        rehearsal.save(report, given.page.with_suffix(".json"))
    output.print_result(summary(report), lines(report))
    print(f"The page is in {given.page}.", file=sys.stderr)
    return 0 if report.is_go else 1


def _play(given: argparse.Namespace) -> "Report":
    from bench import rehearsal, stage_rehearsal

    options = rehearsal.Options(
        people=given.people or (DEFAULT_PEOPLE_ON_STAGE if given.url else DEFAULT_PEOPLE),
        seed=given.seed,
        instances=given.instances,
        provider_rate=given.provider_rate,
        mail_rate=given.mail_rate,
    )
    until = f", until all have left or {given.minutes} minutes after the opening" if given.url else ""
    print(f"Playing the sale with {options.people:,} people{until} ...", file=sys.stderr)
    if given.url:
        bounds = stage_rehearsal.StageOptions(rate=given.rate, minutes=given.minutes)
        return stage_rehearsal.rehearse(given.url, given.token, given.event_id, options, bounds)
    return rehearsal.rehearse(files.load_files(given.files or files.default_files()).tree, given.event_id, options)


if __name__ == "__main__":
    sys.exit(main())
