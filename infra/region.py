"""`fairgate standby|failover|failback`: a second region that takes over when the first one dies; see docs/regions.md.

All three work on the stage and the region that the environment names. `standby` prepares the second region, from the region that sells.
`failover` and `failback` are the same: they let the region that they work on sell, and stop the other one.
"""

import json
import os
import sqlite3
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from msgspec import to_builtins
from msgspec.structs import asdict

from bootstrap import aws_stage
from bootstrap.aws_errors import store_failure
from bootstrap.output import Output, add_json_option
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import RegionClaim
from chalicelib.catalog.snapshots import LEASE_SECONDS, ask_region, claim_sales
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, secret_settings, settings
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.reconciliation import records
from infra import cli, region_recovery, tables
from infra.region_recovery import RecoveryReport
from infra.template.stages import addon_names

# A request or job stops calling the store when the lease of its region ends. The rest is for the longest call that can begin before.
MARGIN_SECONDS = 30
SETTLE_SECONDS = 60  # for the replication of what a region has written before it stopped
POLL_SECONDS = 10
FIRST_LEASE_SECONDS = 86_400  # until the version is deployed that extends it
BEFORE_SECONDS = 3600  # before the last sign of life of the other region, from which payments are applied again

Wait = Callable[[float], object]


class RegionError(Exception):
    """The command cannot continue; the message names the reason and the remedy."""


def prepare() -> list[str]:
    """Add a replica in the other region to each table, and let the current region sell. Safe to repeat. Returns the next steps."""
    current, [other, witness] = settings.current(), _other_regions()
    client = dynamo.client()
    definitions = tables.definitions(addon_names(current.stage))
    for feature in definitions:
        name = dynamo.table_name(feature)
        described: Any = client.describe_table(TableName=name)["Table"]
        if described.get("StreamSpecification", {}).get("StreamViewType") != tables.STREAM_VIEW["StreamViewType"]:
            client.update_table(TableName=name, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
            client.get_waiter("table_exists").wait(TableName=name)
        if other not in [replica["RegionName"] for replica in described.get("Replicas", ())]:
            _say(f"  {name} ...")
            client.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": other}}])
            client.get_waiter("table_exists").wait(TableName=name)
    try:
        keys = {name: definitions["catalog"][name] for name in ("AttributeDefinitions", "KeySchema")}
        dynamo.client_of(witness).create_table(TableName=dynamo.table_name("catalog"), BillingMode="PAY_PER_REQUEST", **keys)
        dynamo.client_of(witness).get_waiter("table_exists").wait(TableName=dynamo.table_name("catalog"))
    except ClientError as error:
        if dynamo.error_code(error) != "ResourceInUseException":
            raise
    if not ask_region(current.region):
        claim_sales([current.region, witness], RegionClaim(current.region, 1, 0), clock.now() + FIRST_LEASE_SECONDS)
    return [
        f"Within a day, deploy {current.region} with FAIRGATE_REGIONS={current.regions}. The sweep then extends the lease.",
        f"When `aws dynamodb describe-table` shows all replicas as ACTIVE, copy the secret to {other} and deploy there.",
    ]


def take_over(*, force: bool = False, wait: Wait = time.sleep) -> RecoveryReport:
    """Let the current region sell, after the other region has certainly stopped and the records are repaired. Safe to repeat.

    The other region stops at once if it can read this region's claim, and otherwise when its lease has ended. With `force`, the witness
    need not answer: an operator has made sure that the other region does not run. Raises RegionError.
    """
    current, [other, witness] = settings.current(), _other_regions()
    known = [claim for name in (current.region, other, witness) for claim in ask_region(name) or []]
    if not known:
        raise RegionError(f"Stage {current.stage} has no standby in {current.region}: run `fairgate standby` first.")
    sells = max(known, key=lambda claim: claim.term)
    if sells.region == current.region and sells.until > clock.now():
        raise RegionError(f"Stage {current.stage} already sells in {current.region}.")
    mine = [claim for claim in ask_region(current.region) or [] if claim.region == current.region]  # the witness has an earlier one
    sold_until = max((max(claim.until, claim.sold_until) for claim in mine), default=0)
    own = RegionClaim(current.region, max(claim.term for claim in known) + 1, 0, is_alone=force, sold_until=sold_until)
    try:
        claim_sales([current.region], own, 0)
        claim_sales([witness], own, 0)
    except dynamo.STORE_ERRORS as error:
        if not force:
            raise RegionError(
                f"{witness} and {current.region} must both know which region sells: {store_failure(error)} If the witness stays away, stop "
                "all functions of the other region, or make sure that they do not run, and add --force."
            ) from None
    claimed_at, theirs = clock.now(), [claim for claim in known if claim.region == other]
    ends_at = max([claimed_at + LEASE_SECONDS, *(claim.until for claim in theirs)]) + MARGIN_SECONDS
    _say(f"{other} stops at {clock.iso(ends_at)} at the latest.")
    while clock.now() < ends_at:
        if any(claim.region == other and not claim.until for claim in ask_region(other) or []):
            _say(f"{other} has stopped; waiting for the last changes ...")
            wait(SETTLE_SECONDS)
            break
        wait(min(POLL_SECONDS, ends_at - clock.now()))
    else:
        if any(claim.is_alone for claim in theirs) and not force:
            raise RegionError(f"{other} may continue on its own, and does not answer. Stop all its functions, then add --force.")
    _say("Repairing the records ...")
    last_sign = max([claim.until for claim in theirs if claim.until], default=claimed_at) - LEASE_SECONDS
    since = min(claimed_at, last_sign) - BEFORE_SECONDS - catalog.longest_hold_seconds() - current.checkout_seconds
    report = region_recovery.recover(since, clock.now(), sold_until)
    if any(claim.term > own.term for name in (current.region, witness) for claim in ask_region(name) or []):
        raise RegionError("Another run lets another region sell. Nothing is on sale here.")
    claim_sales([current.region], own, clock.now() + LEASE_SECONDS)
    _say(f"{current.region} sells. Checking the records ...")  # with several reads for each order, while buyers no longer wait
    report.records = records.run(clock.now(), whole=True)
    return report


def _other_regions() -> list[str]:
    """Return the other region and the witness. Raises RegionError."""
    current = settings.current()
    if len(current.other_regions) != 2:
        raise RegionError(
            "Set FAIRGATE_REGIONS to the two regions and the witness, such as eu-central-1,eu-west-1,eu-west-3, and --region."
        )
    if current.region == current.region_names[2]:
        raise RegionError(f"{current.region} is the witness. Name one of the two other regions with --region.")
    return current.other_regions


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0, 1 if something is left to resolve, or 2 after a failure."""
    chosen = parser().parse_args(argv)
    output = Output("region", chosen.json)
    try:
        with redirect_stdout(sys.stderr):
            aws_stage.require(os.environ)
            if chosen.command == "standby":
                steps = prepare()
            else:
                secret_settings.secret("ticket_keys")  # needed to issue the tickets of payments that nobody had noticed
                report = take_over(force=chosen.force)
    except (RegionError, settings.SettingsError) as error:
        return output.print_failure(str(error), 2)
    except sqlite3.OperationalError as error:
        return output.print_failure(f"The temporary file cannot be written: {error}. Set TMPDIR to another folder, and run it again.", 2)
    except ProviderUnavailable:
        return output.print_failure("The payment provider does not respond, so lost payments are unknown. Run the command again.", 2)
    except dynamo.STORE_ERRORS as error:
        return output.print_failure(f"{store_failure(error)} Run the command again.", 2)
    stage = settings.current().stage
    if chosen.command == "standby":
        output.print_result({"stage": stage, "steps": steps}, steps)
        return 0
    details = {"stage": stage, **asdict(report)}
    if chosen.report is not None:
        chosen.report.write_text(json.dumps(to_builtins(details), indent=2))
    output.print_result(details, lines(report))
    has_differences = report.records is not None and report.records.differences
    return 1 if report.lost_sales or report.oversold or report.accounts_unread or has_differences else 0


def lines(report: RecoveryReport) -> list[str]:
    """Return the report as text."""
    names = {name: name.replace("_", " ") for name in RecoveryReport.__struct_fields__}
    counts = [f"  {names[name]}: {value}" for name in names if isinstance(value := getattr(report, name), int) and value]
    found = [
        f"  {stock_id}: {count} sold tickets whose order did not arrive. Nobody can buy them."
        for stock_id, count in report.lost_sales.items()
        if count
    ]
    found += [
        f"  order {order_id}: cannot be kept, because the other region has sold its tickets. Tell the buyer."
        for order_id in report.orders_returned
    ]
    found += [f"  {account}: this promoter's account could not be read. It is compared later." for account in report.accounts_unread]
    found += [f"  {stock_id}: {count} tickets are sold beyond the capacity." for stock_id, count in report.oversold.items() if count]
    if report.compared is not None:
        found += [f"  repaired at the payment provider: {count} {kind}" for kind, count in sorted(report.compared.repaired.items())]
        found += [f"  to resolve by hand: {count} {kind}" for kind, count in sorted(report.compared.findings.items())]
    if report.records is not None:
        found.append(f"  {report.records.differences} records still contradict others (`fairgate reconcile --records`).")
    return [f"Stage {settings.current().stage} sells in {settings.current().region}.", *counts, *found]


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate", description="Prepare a second region, or let a region take over; see docs/regions.md.")
    add = parser.add_subparsers(required=True, dest="command", metavar="COMMAND").add_parser
    standby = add("standby", description="Add a replica of each table in the second region of FAIRGATE_REGIONS; see docs/regions.md.")
    add_json_option(standby)
    for name, text in (
        ("failover", "Let this region take over the sales, even if the other region is down; see docs/regions.md."),
        ("failback", "Return the sales to this region after a failover, once it works again; see docs/regions.md."),
    ):
        command = add(name, description=text)
        command.add_argument("--force", action="store_true", help="do not ask the witness; only if the other region has certainly stopped")
        add_json_option(command)
        command.add_argument("--report", type=Path, metavar="FILE", help="also write the report to this file, as JSON")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
