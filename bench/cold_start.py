"""CPU milliseconds of a cold start: the import of the app and its first request, each time in a new process.

The floor is a Chalice app with one route and a boto3 client, whose first request reads one item of the same store. The modules of both are
compiled, and Fairgate reads AWS's descriptions as deployed. Neither figure includes the start of the interpreter.
"""

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

import botocore

from bench.measure import Measure
from infra import cold_starts, deployment_zip
from infra.instance import Instance
from infra.template.stages import ROOT

ROUNDS = 9
MAX_RATIO = 1.25

PLAIN_APP = """
import os

import boto3
from chalice import Chalice

app = Chalice(app_name="plain", configure_logs=False)
client = boto3.client("dynamodb", endpoint_url=os.environ["FAIRGATE_STORE_ENDPOINT"])
TABLE, HEAD = "fairgate-{stage}-catalog", {{"S": "head"}}


@app.route("/v1/events/{{event_id}}")
def show_event(event_id):
    return client.get_item(TableName=TABLE, Key={{"pk": HEAD, "sk": HEAD}}, ConsistentRead=True)["Item"]["sk"]
"""


def take_measures(scratch: Path) -> Iterator[Measure]:
    plain = scratch / "plain"
    plain.mkdir()
    (plain / "app.py").write_text(PLAIN_APP.format(stage=cold_starts.STAGE))
    deployed = scratch / "deployed"
    _copy_deployed_code(deployed)
    figures: dict[Path, list[float]] = {plain: [], deployed: []}
    with cold_starts.filled_store() as environment:
        for folder in figures:
            _cold_start(folder, environment)  # compiles all modules
        for _ in range(ROUNDS):  # alternating, so that a slowdown of the machine affects both
            for folder, milliseconds in figures.items():
                milliseconds.append(_cold_start(folder, environment))
    floor, figure = statistics.median(figures[plain]), statistics.median(figures[deployed])
    name = "plain Chalice and boto3"
    yield Measure(f"cold start of {name}", floor, "ms", note="CPU: import and first GetItem")
    yield Measure("cold start until the first GET /events/{id}", figure, "ms", (name, floor), MAX_RATIO, "CPU: import and first request")


def _copy_deployed_code(folder: Path) -> None:
    """Copy the files of Fairgate and botocore that the deployed zip contains; other packages are those installed."""
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib")
    shutil.copy(ROOT / "app.py", folder)
    package = Path(botocore.__file__).parent
    for file in package.rglob("*"):
        name = file.relative_to(package.parent)
        if file.is_file() and deployment_zip.is_loaded(name.as_posix()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / name)
    deployment_zip.trim_aws_descriptions(folder / "botocore" / "data")


def _cold_start(folder: Path, environment: dict[str, str]) -> float:
    """CPU milliseconds."""
    with Instance(folder, cold_starts.API, environment) as instance:
        reply = cold_starts.Client(instance).request("GET", f"/events/{cold_starts.EVENT}")
    reply.json_body()
    return reply.cpu_seconds * 1e3
