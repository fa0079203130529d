"""A promoter's own domain: its certificate, its address at the CDN, and the command that sets both up."""

import json
from unittest import mock

import boto3
import msgspec
import pytest
from moto import mock_aws, settings

import app
from infra import domains
from infra.template import cdn, stages
from tests.infra.test_cdn import run_function

NORTH, SOUTH = "tickets.north.example", "south.example"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """The file of the stages in a folder of its own, and an emulated AWS, in which certificates are issued when they are asked for."""
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra" / "stages.json"
    file.write_text((stages.ROOT / "infra" / "stages.json").read_text())
    monkeypatch.setattr(domains, "ROOT", tmp_path)
    monkeypatch.setattr(stages, "_stacks", lambda: json.loads(file.read_text()))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", -1)  # seconds, more of which must have passed
    deployments = []
    monkeypatch.setattr(domains.deploy, "main", lambda argv: deployments.append(argv) or 0)
    monkeypatch.setattr(domains.Stack, "outputs", lambda _: {"ShopDomain": "d1.cloudfront.net"})
    with mock_aws():
        yield deployments


def command(*words):
    return domains.main(["--stage", "prod", "--yes", *words])


def certificate(stage="prod"):
    arn = stages.stack_settings(stage).certificate_arn
    return boto3.client("acm", region_name="us-east-1").describe_certificate(CertificateArn=arn)["Certificate"]


def test_a_domain_gets_a_certificate_and_an_address_at_the_cdn(stage, capsys):
    assert command(NORTH, "--promoter", "north") == 0
    assert certificate()["SubjectAlternativeNames"] == [NORTH]
    distribution = cdn.resources("prod", app.app.routes)["Shop"]["Properties"]["DistributionConfig"]
    assert distribution["Aliases"] == [NORTH]
    assert distribution["ViewerCertificate"]["AcmCertificateArn"] == certificate()["CertificateArn"]
    assert stage == [["--stage", "prod", "--yes"]]
    assert f"{NORTH} CNAME d1.cloudfront.net" in capsys.readouterr().out


def test_each_further_domain_is_in_the_certificate_of_all(stage):
    assert command(NORTH, "--promoter", "north") == 0
    assert command(SOUTH, "--promoter", "south") == 0
    assert set(certificate()["SubjectAlternativeNames"]) == {NORTH, SOUTH}
    assert stages.stack_settings("prod").domains == [NORTH, SOUTH]
    assert command(NORTH) == 0
    assert stages.stack_settings("prod").domains == certificate()["SubjectAlternativeNames"] == [SOUTH]
    assert command(SOUTH) == 0
    assert stages.stack_settings("prod") == msgspec.structs.replace(stages.stack_settings("prod"), promoter_domains={}, certificate_arn="")


def test_the_certificate_of_an_earlier_run_is_found(stage):
    assert command(NORTH, "--promoter", "north") == 0
    first = certificate()["CertificateArn"]
    assert command(NORTH, "--promoter", "south") == 0
    assert certificate()["CertificateArn"] == first
    assert stages.stack_settings("prod").promoter_domains == {NORTH: "south"}


class SlowAcm:
    """Issues the certificate at the third look, unless it refuses."""

    def __init__(self, refusal=None):
        self.looks, self.refusal = 0, refusal

    def get_paginator(self, _):
        return mock.Mock(paginate=lambda **_: [])

    def request_certificate(self, **_):
        return {"CertificateArn": "arn:1"}

    def describe_certificate(self, **_):
        self.looks += 1
        record = {"Name": "_a.north.example.", "Type": "CNAME", "Value": "_b.acm.aws."}
        options = [{"DomainName": NORTH, "ValidationStatus": "PENDING_VALIDATION"} | ({"ResourceRecord": record} if self.looks > 1 else {})]
        status = "ISSUED" if self.looks == 4 else self.refusal or "PENDING_VALIDATION"
        return {"Certificate": {"Status": status, "FailureReason": "CAA_ERROR", "DomainValidationOptions": options}}


def issue(acm, minutes=1):
    return domains._issue(mock.Mock(session=mock.Mock(client=lambda *_, **__: acm)), [NORTH], minutes, sleep=lambda _: None)


def test_the_dns_records_are_shown_once_until_the_certificate_is_issued(capsys):
    acm = SlowAcm()
    assert issue(acm) == "arn:1"
    assert capsys.readouterr().out == "Create this DNS record, and keep it: _a.north.example. CNAME _b.acm.aws.\n"


def test_a_certificate_that_is_not_issued_is_told():
    with pytest.raises(domains.NotPossible, match="within 0 minutes"):
        issue(SlowAcm(), minutes=0)
    with pytest.raises(domains.NotPossible, match="FAILED CAA_ERROR"):
        issue(SlowAcm("FAILED"))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["North.example", "--promoter", "north"], "is not a domain"),
        (["north", "--promoter", "north"], "is not a domain"),
        ([NORTH], "is no promoter's domain"),
        ([NORTH, "--promoter", "a b"], "--promoter must be the id of a promoter"),
    ],
)
def test_wrong_arguments_are_quoted_and_change_nothing(stage, capsys, words, fault):
    before = stages._stacks()
    assert command(*words) == 2
    assert fault in capsys.readouterr().err
    assert (stages._stacks(), stage) == (before, [])


def test_more_domains_than_a_certificate_has_are_refused():
    with pytest.raises(domains.NotPossible, match="at most 10"):
        domains._issue(mock.Mock(), [f"n{number}.example" for number in range(11)], 1)


def open_page(host, uri="/", **query):
    headers = {"host": {"value": host}}
    request = {"uri": uri, "headers": headers, "querystring": {name: {"value": value} for name, value in query.items()}}
    (reply,) = run_function(cdn.page_function({NORTH: "north"}), [{"viewer": {"ip": "192.0.2.1"}, "request": request}])
    return reply


def test_the_start_page_of_the_domain_lists_the_promoters_events():
    reply = open_page(NORTH, utm_source="mail", when="past")
    assert reply["statusCode"] == 302
    assert reply["headers"]["location"]["value"] == "/?promoter=north&utm_source=mail&when=past"
    assert open_page(NORTH, promoter="north")["uri"] == "/index.html"
    assert open_page(NORTH, uri="/events/fest")["uri"] == "/index.html"
    assert open_page("shop.example")["uri"] == "/index.html"


def test_hosted_payment_pages_return_to_the_domain(stage, monkeypatch):
    config = stages._config()
    config["stages"]["prod"]["environment_variables"]["FAIRGATE_CHECKOUT_ORIGINS"] = "https://shop.example"
    monkeypatch.setattr(stages, "_config", lambda: json.loads(json.dumps(config)))
    assert command(NORTH, "--promoter", "north") == 0
    variables = stages.function_settings("prod")["Environment"]["Variables"]
    assert variables["FAIRGATE_CHECKOUT_ORIGINS"] == f"https://shop.example,https://{NORTH}"
