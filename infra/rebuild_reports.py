"""`fairgate rebuild`: rebuild the reports of all events (figures, sales, order lists) from the tables.

It works on the stage that the environment names, which may be in use at the same time; see docs/changes.md.
"""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from chalicelib.addons.reports import projection
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra import cli
from infra.template.stages import addon_names


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild and print a summary. Returns the exit status: 0, 1 after a failure, or 2 for wrong arguments or settings."""
    try:
        parser().parse_args(argv)
        aws_stage.require(os.environ)
        stage = settings.current().stage
        if "reports" not in addon_names(stage):
            return _fail(f"stage {stage} has no reports: the add-on is left out of FAIRGATE_ADDONS", 2)
        with redirect_stdout(sys.stderr):
            print(f"Rebuilding the reports of stage {stage}; this takes some minutes ...", flush=True)
            report = projection.rebuild(time.sleep)
    except projection.RebuildConflict:
        return _fail("another rebuild has started; wait until it has finished", 1)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    except settings.SettingsError as error:
        return _fail(str(error), 2)
    except dynamo.STORE_ERRORS as error:
        return _fail(f"{store_failure(error)} The reports are unchanged.", 1)
    print(
        f"Rebuilt the reports from {report.purchases} purchases, {report.forgotten} deleted purchases, {report.entries} ledger entries "
        f"and {report.checked_in} checked-in tickets."
    )
    if report.not_indexed:
        print(f"Warning: a search by name or address does not find {report.not_indexed} orders; see orders-not-indexed in docs/runbook.md.")
    if report.unreadable:
        print(f"Warning: this version cannot read {report.unreadable} items, so the reports lack them. Deploy the version that wrote them.")
    return 0


def parser() -> ArgumentParser:
    return ArgumentParser(prog="fairgate rebuild", description="Rebuild the reports; see docs/changes.md.")


def _fail(why: str, status: int) -> int:
    print(f"rebuild: {why}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(cli.main(["rebuild", *sys.argv[1:]]))
