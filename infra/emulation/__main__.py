"""`make emulate STAGE=dev`: deploy the package of a stage to an emulated AWS on this machine, sell a ticket there, call each function once.

The package must be for the processors of this machine: make package STAGE=dev ARCH=x86_64. Exit code 0: all is well; 1: something failed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from infra import event_sources
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import ApiFront, DeployedStack
from infra.local.schedules import scheduled_event
from infra.template.stages import ROOT, deployed_stages

SCHEDULED = ("Sweep", "Reconcile")


def main() -> int:
    parser = ArgumentParser(prog="python -m infra.emulation", description=__doc__)
    parser.add_argument("--stage", default=os.environ.get("STAGE", "dev"), choices=deployed_stages())
    stage = parser.parse_args().stage
    with tempfile.TemporaryDirectory(prefix="fairgate-") as scratch:
        try:
            deploy_and_try(stage, ROOT / ".build" / stage, Path(scratch))
        except EmulationFailed as error:
            print(f"emulation: {error}", file=sys.stderr)
            return 1
    return 0


def deploy_and_try(stage: str, package: Path, scratch: Path) -> None:
    """Deploy twice (the second time changes nothing), with the smoke test, and call the functions that no request reaches."""
    name, package = f"fairgate-{stage}", copy_package(package, scratch / "package")
    with EmulatedAws(scratch) as aws, DeployedStack(aws, name, scratch) as stack, ApiFront(stack) as front:
        for _ in range(2):
            _deploy(aws, stage, package, front.url)
        for logical_id in SCHEDULED:
            print(f"{logical_id} returns {stack.function(logical_id).call(scheduled_event())}", flush=True)
        for function, features in event_sources.CONSUMERS.items():
            for feature in features:
                records = read_changes(aws, f"{name}-{feature}")
                reply = stack.function(event_sources.function_id(function)).call({"Records": records})
                print(f"{function} has taken {len(records)} changes of {feature} and returns {reply}", flush=True)
                if reply.get("batchItemFailures"):
                    raise EmulationFailed(f"{function} could not take changes of {feature}; its log is {function}.log")


def copy_package(package: Path, folder: Path) -> Path:
    """A copy of a package, without the resources that MiniStack cannot make; they are reported."""
    if not (package / "sam.json").exists():
        raise EmulationFailed(f"there is no package in {package}. Build one for the processors of this machine: make package")
    shutil.copytree(package, folder)
    file = folder / "sam.json"
    template = json.loads(file.read_bytes())
    left_out = [name for name, resource in template["Resources"].items() if _is_unsupported(resource)]
    for name in left_out:
        del template["Resources"][name]
    if left_out:
        print(f"left out, because MiniStack cannot make them: {', '.join(sorted(left_out))}", flush=True)
    file.write_text(json.dumps(template))
    return folder


def _is_unsupported(resource: dict[str, Any]) -> bool:
    """Alarms about metrics that are computed from others."""
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]


def _deploy(aws: EmulatedAws, stage: str, package: Path, url: str) -> None:
    command = [sys.executable, "-m", "infra.deploy", "--stage", stage, "--folder", str(package), "--url", url, "--yes"]
    done = subprocess.run([*command, "--skip", "check,test,package"], env=aws.environment(), cwd=ROOT, check=False)
    if done.returncode:
        raise EmulationFailed("the deployment failed; the reason is above")


def read_changes(aws: EmulatedAws, table: str) -> list[dict[str, Any]]:
    """The change records of a table's stream, in the shape that Lambda passes on."""
    client = aws.client("dynamodbstreams")
    (stream,) = client.list_streams(TableName=table)["Streams"]
    arn = stream["StreamArn"]
    records = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records += client.get_records(ShardIterator=iterator)["Records"]
    for record in records:
        record["eventSourceARN"] = arn
        record["dynamodb"]["ApproximateCreationDateTime"] = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return records


if __name__ == "__main__":
    sys.exit(main())
