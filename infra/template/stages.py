"""The stages of .chalice/config.json, and what their stacks are to be. Another stage is one block there."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ROOT = Path(__file__).parents[2]

LOCAL = "local"  # the stage of local runs, which is not deployed

Template = dict[str, Any]  # a part of a CloudFormation template

Amount = Annotated[int, Meta(ge=1)]


class Throughput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units a second that a table can take at once."""

    reads: Annotated[int, Meta(ge=12_000)]
    writes: Annotated[int, Meta(ge=4_000)]


class StackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part `stack` of a stage.

    `reserved_concurrency`: function -> instances that it always gets, and gets at most. `warm_throughput`: feature -> what its table takes
    at once; what a table has is never taken back. `requests_per_second` and `burst`: what API Gateway lets through.
    `requests_per_address`: how many requests an address may send in five minutes, which takes a web ACL; None: there is none.
    `archive_days`: how long the daily copies of the ledger and the audit log are kept unchangeable; None: there are none.
    `domain`: the shop's own, with the ARN of its certificate in us-east-1. `price_class`: from where CloudFront serves it.
    `scan_uploads`: images are taken only after GuardDuty has scanned them (docs/events.md).
    `mail_domain`: what the stack registers with SES, for a stage that sends by it; one stage of an account and region may do so.
    `alarm_email`: who gets a mail for each alarm, once they have confirmed the first mail of AWS.
    """

    requests_per_second: Amount
    burst: Amount
    reserved_concurrency: dict[str, Amount] = {}
    warm_throughput: dict[str, Throughput] = {}
    requests_per_address: Annotated[int, Meta(ge=100)] | None = None
    archive_days: Amount | None = None
    domain: str = ""
    certificate_arn: Annotated[str, Meta(pattern="^(arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/.+)?$")] = ""
    mail_domain: str = ""
    alarm_email: str = ""
    scan_uploads: bool = False
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = "PriceClass_100"

    def __post_init__(self) -> None:
        if bool(self.domain) != bool(self.certificate_arn):
            raise ValueError("domain and certificate_arn belong together: set both or neither")


def deployed_stages() -> list[str]:
    """All stages but that of local runs."""
    return [stage for stage in _config()["stages"] if stage != LOCAL]


def stack_settings(stage: str) -> StackSettings:
    """Raises msgspec.ValidationError, which names the field."""
    return msgspec.convert(_config()["stages"][stage]["stack"], StackSettings)


def function_settings(stage: str) -> dict[str, Any]:
    """What Chalice gives the function of the API: environment variables, tags, seconds and memory."""
    config = _config()
    of_stage = config["stages"][stage]
    return {
        "Environment": {"Variables": {**config["environment_variables"], **of_stage["environment_variables"]}},
        "Tags": config["tags"],
        "Timeout": config["lambda_timeout"],
        "MemorySize": config["lambda_memory_size"],
    }


def _config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    return config
