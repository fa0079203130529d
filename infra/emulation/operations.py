"""The tasks of operators: create an admin, process an image, replay dead letters, and roll back a bad deployment."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import urllib3

from chalicelib.foundation import settings
from infra import dead_letters
from infra.emulation.aws import REGION, EmulatedAws, EmulationFailed
from infra.emulation.deployed import DeployedStack
from infra.emulation.trials import TIMEOUT_SECONDS, read_changes
from infra.local.images import stored_event
from infra.local.schedules import scheduled_event
from infra.template.functions import BUCKET, FUNCTIONS, dead_letters_id
from infra.template.stages import ROOT

EMAIL, PASSWORD = "ada@example.com", "a password of the emulation"
PICTURE = ROOT / "docs" / "images" / "storefront.jpg"


def make_admin(aws: EmulatedAws, stage: str, url: str, tree: Path = ROOT) -> str:
    """Run the command of `make admin` in a tree of Fairgate and sign in with the password. Returns the access token."""
    command = [sys.executable, "-m", "infra.create_admin", EMAIL]
    environment = {**aws.environment(), f"{settings.PREFIX}STAGE": stage}
    if subprocess.run(command, env=environment, cwd=tree, input=f"{PASSWORD}\n".encode(), check=False).returncode:
        raise EmulationFailed("the admin was not created. The reason is above")
    return str(call("POST", f"{url}/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"])


def send_image(aws: EmulatedAws, stack: DeployedStack, url: str, token: str) -> None:
    """Create an event, put a picture where a browser's form would, and call the function that the bucket's rule names."""
    event_id = call("POST", f"{url}/events", {"name": "Night of Glass", "venue": "Old Hall"}, token)["id"]
    upload = call("POST", f"{url}/events/{event_id}/image/upload", {"content_type": "image/jpeg"}, token)
    bucket, fields = stack.resource(BUCKET), upload["fields"]
    notes = {name.removeprefix("x-amz-meta-"): value for name, value in fields.items() if name.startswith("x-amz-meta-")}
    aws.client("s3").put_object(Bucket=bucket, Key=fields["key"], Body=PICTURE.read_bytes(), ContentType="image/jpeg", Metadata=notes)
    [target] = aws.client("events").list_targets_by_rule(Rule=stack.resource("ImageStored"))["Targets"]
    with settings.override(images_bucket=bucket):
        stack.function_of_arn(target["Arn"]).call(stored_event(fields["key"]))
    checked = call("GET", f"{url}/events/{event_id}/image/upload/{upload['id']}", token=token)
    if checked["state"] != "done":
        raise EmulationFailed(f"an image was not processed: {checked}")
    print("an admin signed in and uploaded an image, which was processed", flush=True)


def replay_dead_letters(aws: EmulatedAws, stage: str, stack: DeployedStack) -> None:
    """Write letters like Lambda's to the queues of a consumer and of a scheduled function, and replay them with the command."""
    consumer, job = (stack.resource(FUNCTIONS[name]) for name in ("follow_changes", "sweep"))
    sqs = aws.client("sqs")
    queue, letter = _given_up_changes(aws, consumer)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"], MessageBody=json.dumps(letter))
    queue = stack.resource(dead_letters_id("sweep") or "")  # MiniStack does not store the destination of failed runs
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(_given_up_run(aws, job)))
    with settings.override(stage=stage, region=REGION, store_endpoint=aws.url):
        code = dead_letters.main(
            ["follow-changes", "sweep", "--replay"], lambda service, **_: _Invoker(stack) if service == "lambda" else aws.client(service)
        )
    if code:
        raise EmulationFailed("the dead letters were not replayed. The reason is above")


def _given_up_changes(aws: EmulatedAws, function: str) -> tuple[str, dict[str, Any]]:
    """Return the ARN of a consumer's queue, and a letter with all changes of one of its streams."""
    for mapping in aws.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]:
        if changes := read_changes(aws, mapping["EventSourceArn"]):
            shard = aws.client("dynamodbstreams").describe_stream(StreamArn=mapping["EventSourceArn"])["StreamDescription"]["Shards"][0]
            numbers = [record["dynamodb"]["SequenceNumber"] for record in changes]
            batch = {
                "shardId": shard["ShardId"],
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[-1],
                "batchSize": len(numbers),
                "streamArn": mapping["EventSourceArn"],
            }
            context = {"functionArn": mapping["FunctionArn"], "condition": "RetryAttemptsExhausted"}
            return mapping["DestinationConfig"]["OnFailure"]["Destination"], {"requestContext": context, "DDBStreamBatchInfo": batch}
    raise EmulationFailed(f"no stream that {function} consumes has changes")


def _given_up_run(aws: EmulatedAws, function: str) -> dict[str, Any]:
    """Return a letter for a run of a scheduled function."""
    arn = aws.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    return {"requestContext": {"functionArn": arn, "condition": "RetriesExhausted"}, "requestPayload": scheduled_event()}


class _Invoker:
    """Calls the stack's functions like Lambda's client."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack = stack

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        reply = self._stack.function_of_arn(FunctionName).call(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(reply).encode())}


def roll_back_bad_deployment(aws: EmulatedAws, stack: DeployedStack, package: Path, deploy: Callable[[], int]) -> None:
    """Change the package and call `deploy`, whose smoke test fails. The functions must be unchanged afterwards."""
    name = stack.resource(FUNCTIONS["sweep"])
    file = package / "sam.json"
    template = json.loads(file.read_bytes())
    template["Resources"][FUNCTIONS["sweep"]]["Properties"]["Timeout"] += 1
    before = aws.client("lambda").get_function_configuration(FunctionName=name)["Timeout"]
    file.write_text(json.dumps(template))
    if deploy() != 1:
        raise EmulationFailed("a deployment with a failed smoke test must end with exit code 1")
    after = aws.client("lambda").get_function_configuration(FunctionName=name)["Timeout"]
    if after != before:
        raise EmulationFailed(f"a bad deployment was not rolled back: the timeout of {name} is {after}, not {before}")
    print("a deployment with a failed smoke test was rolled back", flush=True)


def call(method: str, url: str, body: Any = None, token: str = "", *, expected: int = 0) -> Any:
    """Call the API and return the reply's JSON. Raises EmulationFailed unless the status is `expected` or, by default, a success."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    sent = None if body is None else json.dumps(body).encode()
    reply = urllib3.request(method, url, body=sent, headers=headers, timeout=TIMEOUT_SECONDS)
    if reply.status != expected and (expected or reply.status >= 300):
        raise EmulationFailed(f"{method} {url} returned {reply.status} {reply.data.decode()[:300]}; see the log of the function")
    return reply.json()
