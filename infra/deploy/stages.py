"""`fairgate stages`: the stages in .chalice/config.json and, with AWS credentials and a region, what is deployed of each."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.output import Output, add_json_option
from chalicelib.foundation.settings import REGION_VARIABLES, SettingsError
from infra.deploy.account import explain, open_account
from infra.deploy.stack import BUILD, SHOP_URL, Stack
from infra.template.stages import deployed_stages


def main(argv: Sequence[str] | None = None) -> int:
    """List the stages. Returns 0; 1 if AWS does not say what is deployed; 2 for wrong arguments or an unknown region."""
    arguments = parser().parse_args(argv)
    output, failure = Output("stages", arguments.json), dict[str, str]()
    stages: list[dict[str, Any]] = [{"stage": stage, "deployed": None} for stage in deployed_stages()]
    try:
        if any(map(os.environ.get, REGION_VARIABLES)):
            account = open_account()
            stages = [_describe(stage["stage"], Stack(account, f"fairgate-{stage['stage']}", print)) for stage in stages]
        else:
            print("Name a region to see what is deployed there: fairgate --region eu-central-1 stages", file=sys.stderr)
    except SettingsError as error:
        return output.print_failure(str(error), 2)
    except (BotoCoreError, ClientError) as error:
        failure = {"error": explain(error)}
        print(f"stages: {failure['error']}", file=sys.stderr)
    output.print_result({"stages": stages, **failure}, map(_line, stages))
    return 1 if failure else 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate stages", description="List the stages and what is deployed; see docs/operations.md.")
    add_json_option(parser)
    return parser


def _describe(stage: str, stack: Stack) -> dict[str, Any]:
    found = stack.describe()
    if found is None:
        return {"stage": stage, "deployed": False}
    outputs, deployed_at = stack.outputs(), found.get("LastUpdatedTime") or found["CreationTime"]
    return {
        "stage": stage,
        "deployed": True,
        "status": found["StackStatus"],
        "build": outputs.get(BUILD),
        "deployed_at": deployed_at.isoformat(timespec="seconds"),
        "shop_url": outputs.get(SHOP_URL),
    }


def _line(stage: dict[str, Any]) -> str:
    if not stage["deployed"]:
        return stage["stage"] if stage["deployed"] is None else f"{stage['stage']:<8} not deployed"
    details = (stage["build"] or "build unknown", stage["status"], stage["deployed_at"], stage["shop_url"] or "no shop")
    return f"{stage['stage']:<8} {'  '.join(details)}"
