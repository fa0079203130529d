"""The stages in .chalice/config.json and the settings of their stacks in infra/stages.json. To add a stage, add a block to both."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.foundation import settings
from chalicelib.foundation.ids import Id

ROOT = Path(__file__).parents[2]

LOCAL = "local"  # the stage of local runs, never deployed

Template = dict[str, Any]  # a part of a CloudFormation template

Amount = Annotated[int, Meta(ge=1)]
Domain = Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", max_length=253)]


class Throughput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units per second that a table must handle immediately."""

    reads: Annotated[int, Meta(ge=12_000)]
    writes: Annotated[int, Meta(ge=4_000)]


class StackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stage's block in infra/stages.json.

    `reserved_concurrency`: function -> the number of instances reserved for it, which is also its limit.
    `warm_throughput`: feature -> the throughput that its table handles immediately. DynamoDB never lowers this throughput.
    `requests_per_second` and `burst`: the limits of API Gateway.
    `requests_per_address`: how many requests an address may send in five minutes, limited by a web ACL; None: no web ACL.
    `canary`: a new version of the API first serves a tenth of the requests for five minutes (decision 154).
    `archive_days`: how long the daily copies of the ledger and the audit log stay unchangeable; None: no copies.
    `domain`: the shop's own domain. `promoter_domains`: domain -> the id of the promoter whose events it opens with. `certificate_arn`:
    the certificate in us-east-1 for all these domains; `fairgate domain` requests it. `price_class`: the locations of CloudFront.
    `scan_uploads`: images are accepted only after GuardDuty has scanned them (docs/events.md).
    `mail_domain`: the domain that the stack registers with SES; only one stage per account and region may register it.
    `alarm_email`: the address that gets an email for each alarm, after confirming AWS's first email.
    `set_account_role`: the stack sets the role with which API Gateway writes logs, for all APIs of the account in the region. By default
    it does, because a new account has no role, and API Gateway refuses an API with logs without one.
    """

    requests_per_second: Amount
    burst: Amount
    reserved_concurrency: dict[str, Amount] = {}
    warm_throughput: dict[str, Throughput] = {}
    requests_per_address: Annotated[int, Meta(ge=100)] | None = None
    canary: bool = False
    archive_days: Amount | None = None
    domain: str = ""
    promoter_domains: dict[Domain, Id] = {}
    certificate_arn: Annotated[str, Meta(pattern="^(arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/.+)?$")] = ""
    mail_domain: str = ""
    alarm_email: str = ""
    scan_uploads: bool = False
    set_account_role: bool = True
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = "PriceClass_100"

    def __post_init__(self) -> None:
        if bool(self.domains) != bool(self.certificate_arn):
            raise ValueError("domains and certificate_arn belong together; set both or neither")

    @property
    def domains(self) -> list[str]:
        """All domains of the stage, the shop's own first."""
        return [*filter(None, [self.domain]), *self.promoter_domains]


def addon_names(stage: str) -> tuple[str, ...]:
    """Return the add-ons of a deployed stage; for any other stage, this process's add-ons. Raises SettingsError."""
    return page_settings(stage).addon_names


def regions_of(stage: str) -> list[str]:
    """Return the two regions and the witness of a deployed stage with a standby, and none for any other stage."""
    variables = function_settings(stage)["Environment"]["Variables"] if stage in deployed_stages() else {}
    return [region.strip() for region in variables.get(f"{settings.PREFIX}REGIONS", "").split(",") if region]


def page_settings(stage: str) -> settings.Settings:
    """Return the settings that the pages are packed with: of a deployed stage, or else of this process. Raises SettingsError."""
    variables = function_settings(stage)["Environment"]["Variables"] if stage in deployed_stages() else os.environ
    names = (f"{settings.PREFIX}ADDONS", f"{settings.PREFIX}LEGAL_URL")
    return settings.read({name: variables[name] for name in names if name in variables})


def deployed_stages() -> list[str]:
    """Return all stages except the stage of local runs."""
    return [stage for stage in _config()["stages"] if stage != LOCAL]


def stack_settings(stage: str) -> StackSettings:
    """Return the stack's settings. Raises ValueError if the stage has none, and msgspec.ValidationError, which names the field."""
    blocks = _stacks()
    if stage not in blocks:
        raise ValueError(f"infra/stages.json has no block for stage {stage}; add one, or move `stack` there from .chalice/config.json")
    return msgspec.convert(blocks[stage], StackSettings)


def function_settings(stage: str) -> dict[str, Any]:
    """Return the properties that Chalice gives the API's function: environment variables, tags, timeout and memory."""
    config = _config()
    variables = {**config["environment_variables"], **config["stages"][stage]["environment_variables"]}
    if (origins := variables.get(f"{settings.PREFIX}CHECKOUT_ORIGINS")) and stage in _stacks():
        addresses = [f"https://{domain}" for domain in stack_settings(stage).promoter_domains]
        variables[f"{settings.PREFIX}CHECKOUT_ORIGINS"] = ",".join([origins, *addresses])
    return {
        "Environment": {"Variables": variables},
        "Tags": config["tags"],
        "Timeout": config["lambda_timeout"],
        "MemorySize": config["lambda_memory_size"],
    }


def _config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    return config


def _stacks() -> dict[str, Any]:
    blocks: dict[str, Any] = json.loads((ROOT / "infra" / "stages.json").read_bytes())
    return blocks
