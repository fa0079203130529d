"""`fairgate rehearse <event id>`: play the sale of an event with a made-up crowd, and write a page about it.

Exits with 1 if the answer is "no go", and with 2 if the event cannot be played. 4,000 people take about two minutes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.rehearsal_page import lines, summary, write_page
from bootstrap import files
from chalicelib.bootstrap_file.findings import InvalidDocument, printable

PAGE = Path(".build") / "rehearsal.html"


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, not {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairgate rehearse", description="Play the sale of an event with a made-up crowd.")
    parser.add_argument("event_id", help="the id of the event in the bootstrap files")
    parser.add_argument("--file", dest="files", type=Path, action="append", help="a bootstrap file (default: that of `make plan`)")
    parser.add_argument("--people", type=_count, default=2000, help="number of people who want tickets (default: 2000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes up another crowd (default: 1)")
    parser.add_argument("--instances", type=_count, default=100, help="instances of the API that the stage may run at once (default: 100)")
    parser.add_argument("--provider-rate", type=_count, default=100, help="calls a second that the payment provider accepts (default: 100)")
    parser.add_argument("--mail-rate", type=_count, default=14, help="emails a second that the mail provider accepts (default: 14)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"where to write the page (default: {PAGE})")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    try:
        from bench import rehearsal
    except ModuleNotFoundError as missing:
        print(f"A rehearsal needs the packages for development ({missing.name}): run `make .venv/installed`.", file=sys.stderr)
        return 2
    options = rehearsal.Options(
        people=given.people,
        seed=given.seed,
        instances=given.instances,
        provider_rate=given.provider_rate,
        mail_rate=given.mail_rate,
    )
    try:
        tree = files.load_files(given.files or [files.default_file()]).tree
        report = rehearsal.rehearse(tree, given.event_id, options)
    except rehearsal.RehearsalRefused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except InvalidDocument as invalid:
        print(*(printable(str(fault)) for fault in invalid.faults), sep="\n", file=sys.stderr)
        return 2
    write_page(report, given.page)
    print(msgspec.json.encode(summary(report)).decode() if given.json else "\n".join(map(printable, lines(report))))
    print(f"The page is in {given.page}.", file=sys.stderr)
    return 0 if report.is_go else 1


if __name__ == "__main__":
    sys.exit(main())
