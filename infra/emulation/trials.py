"""Trials of a deployed stack besides the smoke test: preflight requests, webhooks, schedules, and changes of tables."""

import json
from time import time
from typing import Any

import urllib3

from chalicelib.foundation import ids
from devtools.stripe.webhooks import signature_header
from infra.deploy.account import secret_name
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import DeployedStack
from infra.event_sources import lambda_record
from infra.local.schedules import scheduled_event
from infra.template.functions import ALIAS, SCHEDULED, functions_of

SIGNING_SECRET = "whsec_of_the_emulation"
PAGE = "https://page.example"
TIMEOUT_SECONDS = 30  # a function may have to start first; urllib3's default is 3


def try_preflight(url: str) -> None:
    """Send the preflight request of a page of another origin that wants to place an order."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,idempotency-key"}
    reply = urllib3.request("OPTIONS", f"{url}/orders", headers=asked, timeout=TIMEOUT_SECONDS)
    allowed = reply.headers.get("Access-Control-Allow-Origin")
    if reply.status != 204 or allowed not in ("*", None):
        raise EmulationFailed(f"a preflight request returned {reply.status} and allows {allowed}")
    print(f"a preflight request of {PAGE} returned 204 and allows {allowed or 'no'} origin", flush=True)


def check_aliases(aws: EmulatedAws, stack: DeployedStack) -> None:
    """Check that API Gateway, the rules and the streams call the alias of each function, and that its newest version serves."""
    client, rules = aws.client("lambda"), aws.client("events")
    names = [rule["Name"] for rule in rules.list_rules(NamePrefix=stack.name)["Rules"]]
    called = [
        *stack.routes().values(),
        *(target["Arn"] for name in names for target in rules.list_targets_by_rule(Rule=name)["Targets"]),
        *(mapping["FunctionArn"] for mapping in client.list_event_source_mappings()["EventSourceMappings"]),
    ]
    if bypassing := sorted({arn for arn in called if not arn.endswith(f":{ALIAS}")}):
        raise EmulationFailed(f"these calls do not go through the alias: {', '.join(bypassing)}")
    for arn in set(called):
        serving = client.get_function_configuration(FunctionName=arn)
        if serving["CodeSha256"] != client.get_function_configuration(FunctionName=arn.removesuffix(f":{ALIAS}"))["CodeSha256"]:
            raise EmulationFailed(f"{arn} serves version {serving['Version']}, which is not the deployed code")
    print(f"all callers call the alias of one of {len(set(called))} functions", flush=True)


def try_webhook(aws: EmulatedAws, stage: str, url: str) -> None:
    """Post a Stripe event once with a wrong signature, and twice with the right signature, whose secret is in Secrets Manager."""
    client, name = aws.client("secretsmanager"), secret_name(stage)
    values = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    client.put_secret_value(SecretId=name, SecretString=json.dumps({**values, "stripe_webhook_secrets": SIGNING_SECRET}))
    body = json.dumps(_event(stage)).encode()
    for secret, expected in (("whsec_of_somebody_else", "signature_refused"), (SIGNING_SECRET, "waiting"), (SIGNING_SECRET, "seen")):
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature_header(body, [secret], int(time()))}
        reply = urllib3.request("POST", f"{url}/webhooks/stripe", body=body, headers=headers, timeout=TIMEOUT_SECONDS)
        answer = reply.json()
        if answer.get("error", answer.get("received")) != expected:
            raise EmulationFailed(f"a webhook returned {reply.status} {answer}, not {expected}; see the log of the function")
    print("webhooks refuse a wrong signature, accept an event, and recognize its repetition", flush=True)


def _event(stage: str) -> dict[str, Any]:
    """Return an event of a payment that waits for 3D Secure. Processing it needs no call to Stripe."""
    payment = {"id": "pi_emulated", "object": "payment_intent", "status": "requires_action", "amount": 100, "currency": "usd"}
    metadata = {"purchase_id": ids.new_id(), "event_id": "test-event-1", "user_id": "ada", "namespace": stage}
    return {
        "id": "evt_emulated",
        "object": "event",
        "api_version": "2025-01-27",
        "created": int(time()),
        "livemode": False,
        "type": "payment_intent.payment_failed",
        "data": {"object": {**payment, "metadata": metadata}},
    }


def run_schedules(aws: EmulatedAws, stage: str, stack: DeployedStack) -> None:
    """Call the function of each schedule of the stack."""
    client = aws.client("events")
    called = []
    rules = client.list_rules(NamePrefix=stack.name)["Rules"]
    for rule in (rule for rule in rules if rule.get("ScheduleExpression")):  # the other rules react to events
        for target in client.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
            function = stack.function_of_arn(target["Arn"])
            print(f"{function.name} runs on {rule['ScheduleExpression']} and returns {function.call(scheduled_event())}", flush=True)
            called.append(function.name)
    expected = [stack.resource(logical_id) for name, logical_id in functions_of(stage).items() if name in SCHEDULED]
    if sorted(called) != sorted(expected):
        raise EmulationFailed(f"the schedules call {', '.join(called)}, not {', '.join(expected)}")


def pass_changes_on(aws: EmulatedAws, stack: DeployedStack) -> None:
    """Pass the changes in each stream to the consumer that the stack connects to it."""
    mappings = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    for mapping in mappings:
        function, records = stack.function_of_arn(mapping["FunctionArn"]), read_changes(aws, mapping["EventSourceArn"])
        reply = function.call({"Records": records})
        print(
            f"{function.name} processed {len(records)} changes of {mapping['EventSourceArn'].split('/')[1]} and returned {reply}",
            flush=True,
        )
        if reply.get("batchItemFailures"):
            raise EmulationFailed(f"{function.name} failed to process changes; see {function.name}.log")


def read_changes(aws: EmulatedAws, stream: str) -> list[dict[str, Any]]:
    """Return the change records of a stream, given by its ARN, in Lambda's format."""
    client = aws.client("dynamodbstreams")
    records = []
    for shard in client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
        iterator = client.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records += client.get_records(ShardIterator=iterator)["Records"]
    return [lambda_record(record, stream) for record in records]
