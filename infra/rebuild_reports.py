"""`fairgate rebuild`: rebuild the reports of all events (figures, sales, order lists) from the tables.

It works on the stage that the environment names, which may be in use at the same time; see docs/changes.md.
"""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout

from msgspec.structs import asdict

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from bootstrap.output import Output, add_json_option
from chalicelib.addons.reports import projection
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra import cli
from infra.template.stages import addon_names


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild and print a summary. Returns the exit status: 0, 1 after a failure, or 2 for wrong arguments or settings."""
    try:
        output = Output("rebuild", parser().parse_args(argv).json)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    try:
        aws_stage.require(os.environ)
        stage = settings.current().stage
        if "reports" not in addon_names(stage):
            return output.print_failure(f"stage {stage} has no reports: the add-on is left out of FAIRGATE_ADDONS", 2)
        with redirect_stdout(sys.stderr):
            print(f"Rebuilding the reports of stage {stage}; this takes some minutes ...", flush=True)
            report = projection.rebuild(time.sleep)
    except projection.RebuildConflict:
        return output.print_failure("another rebuild has started; wait until it has finished", 1)
    except settings.SettingsError as error:
        return output.print_failure(str(error), 2)
    except dynamo.STORE_ERRORS as error:
        return output.print_failure(f"{store_failure(error)} The reports are unchanged.", 1)
    output.print_result({"stage": stage, **asdict(report)}, _lines(report))
    return 0


def _lines(report: projection.RebuildReport) -> list[str]:
    lines = [
        f"Rebuilt the reports from {report.purchases} purchases, {report.forgotten} deleted purchases, {report.entries} ledger entries "
        f"and {report.checked_in} checked-in tickets."
    ]
    if report.not_indexed:
        lines.append(
            f"Warning: a search by name or address does not find {report.not_indexed} orders; see orders-not-indexed in docs/runbook.md."
        )
    if report.unreadable:
        lines.append(
            f"Warning: this version cannot read {report.unreadable} items, so the reports lack them. Deploy the version that wrote them."
        )
    return lines


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate rebuild", description="Rebuild the reports; see docs/changes.md.")
    add_json_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(cli.main(["rebuild", *sys.argv[1:]]))
