"""`python -m infra.rebuild_reports`: rebuild the figures, sales and lists of orders of all events from the tables; see docs/changes.md.

It works on the stage that the environment names, while the stage is in use.
"""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import redirect_stdout

from bootstrap import aws_stage, env_file, interrupts
from bootstrap.aws_errors import store_failure
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.reports import rebuild


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild and print what was done. Returns the exit status: 0, 1 if it failed, or 2 for wrong arguments or settings."""
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")
    try:
        ArgumentParser(prog="python -m infra.rebuild_reports", description="Rebuild the reports; see docs/changes.md.").parse_args(argv)
        aws_stage.require(os.environ)
        with redirect_stdout(sys.stderr):
            print(f"Rebuilding the reports of stage {settings.current().stage}; this takes some minutes ...", flush=True)
            report = rebuild.rebuild(time.sleep)
    except rebuild.RebuildConflict:
        return _fail("another rebuild has begun; wait until it is done", 1)
    except SystemExit as parser_exit:
        return int(parser_exit.code or 0)
    except settings.SettingsError as error:
        return _fail(str(error), 2)
    except dynamo.STORE_ERRORS as error:
        return _fail(f"{store_failure(error)} The reports are as they were.", 1)
    print(
        f"Counted {report.purchases} purchases, {report.forgotten} that are deleted, {report.entries} entries of the ledger "
        f"and {report.checked_in} tickets that people came in with."
    )
    return 0


def _fail(why: str, status: int) -> int:
    print(f"rebuild_reports: {why}", file=sys.stderr)
    return status


if __name__ == "__main__":
    env_file.load()
    sys.exit(interrupts.run(main, "The reports are as they were. Run the command again."))
