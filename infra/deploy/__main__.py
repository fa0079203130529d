"""`fairgate --stage dev deploy` and `make deploy STAGE=dev`: deploy a stage to AWS."""

import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.interrupts import INTERRUPTED
from infra import cli
from infra.deploy.account import DeploymentFailed, explain
from infra.deploy.deployment import Deployment, show
from infra.deploy.options import parser as parser
from infra.deploy.options import read_options


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = read_options(argv)
    except SystemExit as error:
        return int(error.code or 0)
    deployment = Deployment(options, _confirm, lambda line: print(line, flush=True))
    if options.dry_run:
        show(deployment.steps())
        print("This was a dry run: nothing was changed.")
        return 0
    try:
        deployment.run()
    except DeploymentFailed as error:
        return _fail(str(error), error.exit_code)
    except (BotoCoreError, ClientError) as error:
        return _fail(explain(error))
    except KeyboardInterrupt:
        return _fail(
            "Interrupted before the rollback was complete. CloudFormation may still be working: check the stack, then deploy again.",
            INTERRUPTED,
        )
    return 0


def _confirm(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _fail(text: str, code: int = 1) -> int:
    print(f"\ndeploy: {text}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(cli.main(["deploy", *sys.argv[1:]]))
