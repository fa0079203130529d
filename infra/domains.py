"""`fairgate domain NAME --promoter ID`: serve the shop on a promoter's own domain, with the promoter's events.

A CDN distribution has one certificate, so the command requests one for all domains of the stage, shows the DNS records that prove the
ownership, waits for the certificate, writes both into infra/stages.json, and deploys the stage. If it is interrupted, run it again: it
finds the certificate that it has requested.
"""

import hashlib
import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap import aws_stage
from chalicelib.foundation import ids
from chalicelib.foundation.settings import SettingsError
from infra.deploy import __main__ as deploy
from infra.deploy.account import AwsAccount, explain, open_account
from infra.deploy.stack import Stack
from infra.template import stages
from infra.template.stages import ROOT, Domain, StackSettings, stack_settings

REGION = "us-east-1"  # CloudFront takes certificates of this region only
POLL_SECONDS = 15
MAX_NAMES = 10  # in a certificate, unless AWS has raised the account's quota


class NotPossible(Exception):
    """The domain was not set up; the message names the reason and the remedy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Set up or remove a domain. Returns the exit status of the deployment, 1 after a failure, or 2 for wrong arguments or settings."""
    arguments = parser().parse_args(argv)
    try:
        aws_stage.check_stage(arguments.stage)
        current = stack_settings(arguments.stage)
        domains = _changed(current, arguments.name, arguments.promoter)
        account = open_account()
        names = [name for name in (current.domain, *domains) if name]
        arn = _issue(account, names, arguments.wait) if names else ""
    except (SettingsError, ValueError) as error:
        return _fail(str(error), 2)
    except NotPossible as error:
        return _fail(str(error), 1)
    except (BotoCoreError, ClientError) as error:
        return _fail(explain(error), 1)
    _save(arguments.stage, domains, arn)
    if code := deploy.main(["--stage", arguments.stage, *(["--yes"] if arguments.yes else [])]):
        return code
    if arguments.promoter:
        shop = Stack(account, f"fairgate-{arguments.stage}", print).outputs()["ShopDomain"]
        print(f"Last step: create the DNS record {arguments.name} CNAME {shop}. Keep the change of infra/stages.json with your code.")
    return 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate domain", description="Serve the shop on a promoter's own domain; see docs/promoters.md.")
    parser.add_argument("name", help="domain, such as tickets.example.com")
    parser.add_argument(
        "--promoter", metavar="ID", help="promoter whose events the domain lists; without this option, the domain is removed"
    )
    parser.add_argument("--wait", type=int, default=30, metavar="MINUTES", help="how long to wait for the certificate (default: 30)")
    parser.add_argument("--stage", default=os.environ.get("STAGE", ""), help="name of the stage (STAGE)")
    parser.add_argument("--yes", action="store_true", help="deploy without asking")
    return parser


def _changed(current: StackSettings, name: str, promoter: str | None) -> dict[str, str]:
    """Return the promoters' domains after the change. Raises ValueError, which quotes what is wrong."""
    try:
        msgspec.convert(name, Domain)
    except msgspec.ValidationError:
        raise ValueError(f"{name!r} is not a domain in lowercase letters such as tickets.example.com") from None
    if name == current.domain:
        raise ValueError(f"{name} is the domain of the shop itself")
    others = {domain: owner for domain, owner in current.promoter_domains.items() if domain != name}
    if promoter is None:
        if name not in current.promoter_domains:
            raise ValueError(f"{name} is no promoter's domain at this stage. To add it, name the promoter with --promoter")
        return others
    try:
        return {**others, name: msgspec.convert(promoter, ids.Id)}
    except msgspec.ValidationError:
        raise ValueError(f"--promoter must be the id of a promoter, not {promoter!r}") from None


def _issue(account: AwsAccount, names: Sequence[str], minutes: int, sleep: Callable[[float], object] = time.sleep) -> str:
    """Return the ARN of a certificate for these domains once AWS has issued it. Prints the DNS records that are needed for that."""
    if len(names) > MAX_NAMES:
        raise NotPossible(f"A certificate has at most {MAX_NAMES} domains, and this stage would have {len(names)}.")
    client = account.session.client("acm", region_name=REGION)
    # Within an hour, AWS returns the same certificate for the same token; later, it is found by its domains.
    arn = (
        _find(client, names)
        or client.request_certificate(
            DomainName=names[0],
            SubjectAlternativeNames=list(names),
            ValidationMethod="DNS",
            IdempotencyToken=hashlib.sha256(" ".join(names).encode()).hexdigest()[:32],
        )["CertificateArn"]
    )
    shown: set[str] = set()
    for _ in range(max(1, minutes * 60 // POLL_SECONDS)):
        found = client.describe_certificate(CertificateArn=arn)["Certificate"]
        if found["Status"] == "ISSUED":
            return str(arn)
        if found["Status"] != "PENDING_VALIDATION":
            raise NotPossible(f"AWS does not issue the certificate: {found['Status']} {found.get('FailureReason', '')}".rstrip() + ".")
        for each in found["DomainValidationOptions"]:
            record = each.get("ResourceRecord")  # a few seconds after the request
            if record and each.get("ValidationStatus") != "SUCCESS" and record["Name"] not in shown:
                shown.add(record["Name"])
                print(f"Create this DNS record, and keep it: {record['Name']} {record['Type']} {record['Value']}", flush=True)
        sleep(POLL_SECONDS)
    raise NotPossible(f"AWS has not seen the DNS records within {minutes} minutes. Create them, then run the command again.")


def _find(client: Any, names: Sequence[str]) -> str | None:
    """Return the ARN of a certificate for exactly these domains that is issued, or waits for its DNS records."""
    for page in client.get_paginator("list_certificates").paginate(CertificateStatuses=["ISSUED", "PENDING_VALIDATION"]):
        for summary in page["CertificateSummaryList"]:
            if summary["DomainName"] == names[0]:
                found = client.describe_certificate(CertificateArn=summary["CertificateArn"])["Certificate"]
                if set(found["SubjectAlternativeNames"]) == set(names):
                    return str(summary["CertificateArn"])
    return None


def _save(stage: str, domains: Mapping[str, str], certificate_arn: str) -> None:
    blocks = stages._stacks()
    block = {name: value for name, value in blocks[stage].items() if name not in ("promoter_domains", "certificate_arn")}
    block |= {"promoter_domains": dict(domains)} if domains else {}
    block |= {"certificate_arn": certificate_arn} if certificate_arn else {}
    (ROOT / "infra" / "stages.json").write_text(json.dumps({**blocks, stage: block}, indent=2) + "\n")


def _fail(why: str, status: int) -> int:
    print(f"domain: {why}", file=sys.stderr)
    return status
