"""What the stack of a stage that sends by SES makes, and that other stages have nothing of it."""

import json
import re

import pytest

import app
from chalicelib.foundation import settings
from infra import chalice_package, lint
from infra.template import api, functions, mails, stages
from tests.repository import ROOT

CONFIG, STACKS = stages._config(), stages._stacks()
BY_SES = {"FAIRGATE_MAIL_PROVIDER": "ses", "FAIRGATE_MAIL_FROM": "Fairgate <tickets@shop.example>"}


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Give the stage `dev` more environment variables and settings of its stack, where Chalice reads them too."""
    for name in ("app.py", "constraints.txt", "requirements.txt", "chalicelib"):
        (tmp_path / name).symlink_to(ROOT / name)
    for folder in (".chalice", "infra"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    monkeypatch.setattr(chalice_package, "ROOT", tmp_path)

    def change(variables, **stack):
        dev = CONFIG["stages"]["dev"]
        block = {**dev, "environment_variables": dev["environment_variables"] | variables}
        config = {**CONFIG, "stages": {**CONFIG["stages"], "dev": block}}
        (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
        (tmp_path / "infra" / "stages.json").write_text(json.dumps({**STACKS, "dev": STACKS["dev"] | stack}))

    return change


@pytest.fixture
def template(configure, tmp_path):
    """The template of a stage that sends by SES, from a domain that its stack registers."""
    configure(BY_SES, mail_domain="shop.example")
    chalice_package.write("dev", "arm64", tmp_path / "packaged", template_alone=True)
    return tmp_path / "packaged" / "sam.json"


def send_rights(stage, function):
    return next((statement for statement in functions.policy(stage, function)["Statement"] if statement.get("Sid") == "SendMails"), None)


@pytest.mark.parametrize("stage", stages.deployed_stages())
def test_a_stage_that_sends_by_another_server_has_nothing_of_ses(stage):
    assert mails.resources(stage) == mails.outputs(stage) == mails.variables(stage) == {}
    assert [function for function in functions.FUNCTIONS if send_rights(stage, function)] == []


@pytest.mark.slow
def test_the_template_of_a_stage_that_sends_by_ses_is_valid(template):
    assert lint.template_problems(template) == []


def test_ses_reports_to_a_route_of_the_api_that_believes_this_topic(template):
    resources = json.loads(template.read_bytes())["Resources"]
    destination = resources["MailReportsDestination"]["Properties"]["EventDestination"]
    assert destination["SnsDestination"] == {"TopicARN": {"Ref": "MailReports"}}
    subscription = resources["MailReportsSubscription"]["Properties"]
    assert subscription["TopicArn"] == {"Ref": "MailReports"}
    route = subscription["Endpoint"]["Fn::Sub"].partition("${RestAPI.Stage}")[2]
    assert "POST" in app.app.routes[route]
    assert route in api.WEBHOOK_PATHS
    assert resources["MailReports"]["Properties"]["SignatureVersion"] == "2"  # version 1 signs SHA-1
    for name in functions.FUNCTIONS.values():
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        assert variables["FAIRGATE_SES_TOPIC_ARN"] == {"Ref": "MailReports"}
        assert variables["FAIRGATE_SES_CONFIGURATION_SET"] == {"Ref": "MailConfiguration"}
        settings.read({key: str(value) for key, value in variables.items()})


def test_ses_reports_what_became_of_mails_and_tracks_no_readers(template):
    """For the types OPEN and CLICK, SES would add a pixel to each mail and send its links through its own address."""
    resources = json.loads(template.read_bytes())["Resources"]
    destinations = [found for found in resources.values() if found["Type"] == "AWS::SES::ConfigurationSetEventDestination"]
    types = {each for found in destinations for each in found["Properties"]["EventDestination"]["MatchingEventTypes"]}
    assert {each.lower() for each in types} == {"bounce", "complaint", "delivery", "reject"}
    assert set(resources["MailConfiguration"]["Properties"]) == {"Name"}  # neither TrackingOptions nor VdmOptions, which track too


def test_nobody_but_ses_publishes_reports(template):
    resources = json.loads(template.read_bytes())["Resources"]
    [statement] = resources["MailReportsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "ses.amazonaws.com"}, "sns:Publish")
    assert statement["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"].endswith(":configuration-set/${MailConfiguration}")


def test_an_undelivered_report_is_kept_and_sets_off_the_alarm(template):
    resources = json.loads(template.read_bytes())["Resources"]
    redrive = resources["MailReportsSubscription"]["Properties"]["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": ["MailReportsDeadLetters", "Arn"]}}
    queries = [query for name, made in resources.items() if name.startswith("AlarmDeadLetters") for query in made["Properties"]["Metrics"]]
    watched = [query.get("MetricStat", {}).get("Metric", {}) for query in queries]
    queue = {"Name": "QueueName", "Value": {"Fn::GetAtt": ["MailReportsDeadLetters", "QueueName"]}}
    assert [queue] in [metric.get("Dimensions") for metric in watched]


def test_mails_may_be_sent_from_the_domain_of_the_sender_only(configure):
    configure(BY_SES)
    allowed = [name.rpartition(":")[2] for name in (arn["Fn::Sub"] for arn in send_rights("dev", "send_messages")["Resource"])]
    assert allowed == ["identity/shop.example", "identity/*@shop.example", "configuration-set/fairgate-dev"]
    assert {function for function in functions.FUNCTIONS if send_rights("dev", function)} == {"api_handler", "send_messages"}


def test_dns_records_are_an_output_and_the_domain_outlives_the_stack(template):
    packaged = json.loads(template.read_bytes())
    assert len(re.findall(r"DkimDNSTokenName\d\} CNAME", packaged["Outputs"]["MailDnsRecords"]["Value"]["Fn::Sub"])) == 3
    assert packaged["Resources"]["MailDomain"]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize(
    ("variables", "stack", "message"),
    [
        ({}, {"mail_domain": "shop.example"}, "mail_domain of stage dev works only with SES; also set FAIRGATE_MAIL_PROVIDER to ses"),
        ({"FAIRGATE_MAIL_PROVIDER": "ses"}, {}, "FAIRGATE_MAIL_FROM of stage dev must be an address, or"),
        (BY_SES, {"mail_domain": "other.example"}, "FAIRGATE_MAIL_FROM of stage dev must be an address of other.example"),
        (BY_SES | {"FAIRGATE_SES_TOPIC_ARN": "arn:x"}, {}, "FAIRGATE_SES_TOPIC_ARN of stage dev is set by the stack"),
    ],
)
def test_settings_that_contradict_each_other_are_named(configure, variables, stack, message):
    configure(variables, **stack)
    with pytest.raises(ValueError, match=message):
        mails.resources("dev")
