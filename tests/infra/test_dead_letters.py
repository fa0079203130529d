"""`fairgate replay` against moto's queues and streams. It calls the app's functions in this process."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from msgspec import Struct, field

import app
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from infra import dead_letters
from infra.dead_letters import QUEUES, main
from infra.local.schedules import scheduled_event
from infra.template.queues import dead_letters_name
from tests import builders, engines

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fairgate-test-{}:$LATEST"
PERSON = "ada@example.com"


@pytest.fixture
def store():
    """moto, which has streams and queues."""
    with engines.moto(), engines.fresh_stage():
        yield


class Functions(Struct):
    """Lambda, as far as the command uses it. `failing` raise, and each event that a function got is in `events`."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        name, event = FunctionName.split(":")[6].removeprefix("fairgate-test-"), json.loads(Payload)
        self.events.append((name, event))
        if name in self.failing:
            return reply_of({"errorType": "KeyError", "errorMessage": f"no {PERSON}"}, FunctionError="Unhandled")
        return reply_of(app.app.handler_map[name](event, None) if "Records" in event and name != "process_image" else None)


def reply_of(answer: Any, **more: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **more}


class Aws(Struct):
    """Clients of moto's services, and of the functions."""

    functions: Functions = field(default_factory=Functions)
    replaced: dict[str, Any] = field(default_factory=dict)

    def client(self, service_name: str, **_: Any) -> Any:
        if service_name == "lambda":
            return self.functions
        return self.replaced.get(service_name) or boto3.client(service_name, region_name=settings.current().region)

    def queue(self, name: str) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=dead_letters_name(settings.current().stage, name))["QueueUrl"])

    def put(self, name: str, body: Any) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.client("sqs").send_message(QueueUrl=self.queue(name), MessageBody=text)

    def count(self, name: str) -> int:
        """The letters that anybody can receive."""
        wanted = ["ApproximateNumberOfMessages"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.queue(name), AttributeNames=wanted)
        return int(found["Attributes"][wanted[0]])


@pytest.fixture
def aws(store, monkeypatch) -> Aws:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    created = Aws()
    for name in QUEUES:
        created.client("sqs").create_queue(QueueName=dead_letters_name(settings.current().stage, name))
    return created


def failed_run(function: str, payload: Any) -> dict[str, Any]:
    """What Lambda writes about an event that a function gave up."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-21T03:00:00.000Z",
        "requestContext": {"functionArn": ARN.format(function), "condition": "RetriesExhausted", "approximateInvokeCount": 2},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorType": "KeyError", "errorMessage": f"no {PERSON}"},
    }


def failed_changes(aws: Aws, function: str, feature: str) -> dict[str, Any]:
    """What Lambda writes about changes that a consumer gave up: where they are in the stream. Here, all of a table."""
    client = aws.client("dynamodbstreams")
    stream = client.list_streams(TableName=dynamo.table_name(feature))["Streams"][0]["StreamArn"]
    shard = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    start = client.get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in client.get_records(ShardIterator=start)["Records"]]
    return {
        "version": "1.0",
        "timestamp": "2026-11-21T03:00:00.000Z",
        "requestContext": {"functionArn": ARN.format(function), "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 31},
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": numbers[0],
            "endSequenceNumber": numbers[-1],
            "batchSize": len(numbers),
            "streamArn": stream,
        },
    }


def ticket_numbers(api, order_id: str) -> list[Any]:
    return [
        api.get(f"/tickets/{ticket_id}", token=builders.admin_token()).json["number"]
        for ticket_id in builders.ticket_ids(order_id, 1, 2, 3)
    ]


def test_changes_that_were_given_up_are_passed_again(api, aws, time, capsys):
    order_id = builders.create_order(api, builders.create_shop(api), quantity=3)
    aws.put("follow-changes", failed_changes(aws, "follow_changes", "tickets"))
    assert ticket_numbers(api, order_id) == [None] * 3

    assert main(["follow-changes"], aws.client) == 1
    shown = capsys.readouterr().out
    assert "follow-changes: 1 letters" in shown
    assert f"(RetryAttemptsExhausted): 3 changes of {dynamo.table_name('tickets')} are passed to the function again" in shown
    assert main(["follow-changes", "--json"], aws.client) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["left"], [queue["queue"] for queue in report["queues"]]) == (1, ["follow-changes"])
    assert report["queues"][0]["letters"][0]["what"] == f"3 changes of {dynamo.table_name('tickets')} are passed to the function again"
    assert not report["queues"][0]["letters"][0]["is_done"]
    assert (aws.functions.events, aws.count("follow-changes")) == ([], 1), "without --replay nothing is done"

    assert main(["follow-changes", "--replay"], aws.client) == 0
    assert sorted(ticket_numbers(api, order_id)) == ["NIG-0001", "NIG-0002", "NIG-0003"]
    assert aws.count("follow-changes") == 0
    assert capsys.readouterr().out.endswith("are passed to the function again: done\nNo letters are left.\n")


def test_many_changes_are_passed_in_parts_and_those_of_others_are_left_out(api, aws, time):
    shop = builders.create_shop(api, capacity=40)
    builders.create_order(api, shop, quantity=3)
    body = failed_changes(aws, "project_reports", "tickets")
    for user in ("bob", "cleo", "dan"):
        builders.create_order(api, shop, quantity=4, user=user)
    aws.put("project-reports", body)
    body = failed_changes(aws, "project_reports", "tickets")
    aws.put("project-reports", body)
    assert main(["project-reports", "--replay"], aws.client) == 0
    assert [len(event["Records"]) for _, event in aws.functions.events] == [3, 5, 5, 5]


def test_binary_values_are_passed_as_lambda_does(api, aws, time):
    item = {"pk": {"S": "VERSION"}, "sk": {"S": "x"}, "body": {"B": b"\x00\xff"}}
    dynamo.client().put_item(TableName=dynamo.table_name("catalog"), Item=item)
    aws.put("follow-changes", failed_changes(aws, "follow_changes", "catalog"))
    aws.functions.failing.add("follow_changes")
    assert main(["follow-changes", "--replay"], aws.client) == 1
    passed = [record["dynamodb"]["NewImage"] for _, event in aws.functions.events for record in event["Records"]]
    assert {"B": "AP8="} in [image.get("body") for image in passed]


def test_letters_that_fail_again_stay_and_name_nobody(api, aws, time, capsys):
    for _ in range(2):
        aws.put("process-image", failed_run("process_image", {"Records": []}))
    aws.functions.failing.add("process_image")
    assert main(["process-image", "--replay"], aws.client) == 1
    shown = capsys.readouterr().out
    assert shown.count("stays: the function failed again (KeyError); see its log") == 2
    assert PERSON not in shown
    assert aws.count("process-image") == 2
    aws.functions.failing.clear()
    assert main(["process-image", "--replay"], aws.client) == 0
    assert aws.count("process-image") == 0


def test_a_change_that_fails_again_is_named_and_stays(api, aws, time, capsys, monkeypatch):
    builders.create_order(api, builders.create_shop(api))
    aws.put("follow-changes", body := failed_changes(aws, "follow_changes", "tickets"))
    first = body["DDBStreamBatchInfo"]["startSequenceNumber"]
    monkeypatch.setattr(
        aws.functions.__class__, "invoke", lambda *_, **__: reply_of({"batchItemFailures": [{"itemIdentifier": first}]}), raising=True
    )
    assert main(["follow-changes", "--replay"], aws.client) == 1
    assert f"stays: the change {first} failed again" in capsys.readouterr().out
    assert aws.count("follow-changes") == 1


def test_a_schedule_runs_once_for_all_of_its_letters(aws, capsys):
    for _ in range(3):
        aws.put("sweep", failed_run("sweep", scheduled_event()))
    assert main(["sweep"], aws.client) == 1
    assert main(["sweep", "--replay"], aws.client) == 0
    assert [name for name, _ in aws.functions.events] == ["sweep"]
    assert aws.count("sweep") == 0


class NoStreams:
    """Streams whose records are too old, or whose shard is gone."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_shard_iterator(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "GetShardIterator")


@pytest.mark.parametrize("code", ["TrimmedDataAccessException", "ResourceNotFoundException"])
def test_changes_that_are_too_old_stay_until_somebody_discards_them(api, aws, time, capsys, code):
    builders.create_order(api, builders.create_shop(api))
    aws.put("project-reports", failed_changes(aws, "project_reports", "tickets"))
    aws.put("project-reports", "not of AWS")
    aws.replaced["dynamodbstreams"] = NoStreams(code)
    assert main(["project-reports", "--replay"], aws.client) == 1
    assert "its changes are older than 24 hours, and DynamoDB has deleted them" in capsys.readouterr().out
    assert aws.count("project-reports") == 2
    assert main(["project-reports", "--discard"], aws.client) == 1
    assert aws.count("project-reports") == 1, "only what nobody can replay is discarded"


def test_reports_about_mails_are_sent_to_the_api_again(aws, monkeypatch, capsys):
    topic = aws.client("sns").create_topic(Name="reports")["TopicArn"]
    body = {"Type": "Notification", "TopicArn": topic, "Message": "{}", "Timestamp": "2026-11-21T03:00:00Z", "Signature": "x"}
    aws.put("mail-reports", body)
    assert main(["mail-reports", "--replay"], aws.client) == 1
    assert "has no subscription" in capsys.readouterr().out
    aws.client("sns").subscribe(TopicArn=topic, Protocol="https", Endpoint="https://api.example/v1/webhooks/ses")
    sent, statuses = [], [403, 200]
    monkeypatch.setattr(dead_letters.urllib3, "request", lambda *args, **more: sent.append((args, more["body"])) or Status(statuses.pop(0)))
    assert main(["mail-reports", "--replay"], aws.client) == 1
    assert "refused the report with status 403" in capsys.readouterr().out
    assert main(["mail-reports", "--replay"], aws.client) == 0
    assert sent == [(("POST", "https://api.example/v1/webhooks/ses"), json.dumps(body).encode())] * 2


class Status(Struct):
    status: int


def test_all_queues_are_looked_at_unless_some_are_named(aws, capsys):
    assert main([], aws.client) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()[:-1]] == list(QUEUES)


def test_a_stage_that_is_not_deployed_is_named(store, capsys):
    assert main([], Aws().client) == 0
    assert f"sweep: stage {settings.current().stage} has no such queue in this region" in capsys.readouterr().out


def test_a_wrong_name_is_answered_with_the_right_ones(capsys):
    assert main(["swep"]) == 2
    assert "swep has no queue; the queues are sweep, reconcile" in capsys.readouterr().err


def test_many_letters_are_taken_and_deleted(aws):
    for number in range(23):
        aws.put("sweep", {**failed_run("sweep", scheduled_event()), "timestamp": f"2026-11-21T03:{number:02}:00Z"})
    assert main(["sweep", "--replay"], aws.client) == 0
    assert aws.count("sweep") == 0
