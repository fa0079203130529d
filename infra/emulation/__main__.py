"""`make emulate STAGE=dev`: deploy a stage's package to an emulated AWS on this machine, sell a ticket, and try every function.

It also tries the tasks of operators. The package must be for this machine's processors: make package STAGE=dev ARCH=x86_64.
With FROM=revision that revision is deployed first, sells there, and is upgraded to the package. With MIXED=1 in addition, both versions
then sell an event at the same time.
Exit code 0: success; 1: something failed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from bootstrap import aws_stage, interrupts
from chalicelib.foundation.settings import PRODUCTION, SettingsError
from infra.emulation import mixed_versions, operations, trials, upgrade
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import ApiFront, DeployedStack
from infra.template.stages import ROOT, addon_names


def main(argv: Sequence[str] | None = None) -> int:
    usage = "make emulate STAGE=dev (or python -m infra.emulation --stage dev)"
    parser = ArgumentParser(prog="emulate", usage=usage, description=__doc__)
    parser.add_argument("--stage", default=os.environ.get("STAGE", "dev"), help="stage whose package is deployed (STAGE; default: dev)")
    parser.add_argument("--from", dest="earlier", default=os.environ.get("FROM", ""), help="revision to upgrade from (FROM; default: none)")
    parser.add_argument(
        "--mixed", action="store_true", default=os.environ.get("MIXED") == "1", help="let both revisions sell at the same time (MIXED=1)"
    )
    arguments = parser.parse_args(argv)
    stage, earlier = arguments.stage, arguments.earlier
    try:
        aws_stage.check_stage(stage)
        if arguments.mixed and not earlier:
            raise EmulationFailed("MIXED=1 needs FROM=revision, which names the other version")
        if earlier and stage == PRODUCTION:
            raise EmulationFailed(f"FROM needs a stage with simulated payments, and {stage} has none; use STAGE=dev")
        if earlier:
            upgrade.find_revision(earlier)
    except (SettingsError, EmulationFailed) as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory(prefix="fairgate-") as scratch:
        try:
            deploy_and_try(stage, ROOT / ".build" / stage, Path(scratch), earlier, mixed=arguments.mixed)
        except EmulationFailed as error:
            print(f"emulation: {error}", file=sys.stderr)
            return 1
    return 0


def deploy_and_try(stage: str, package: Path, scratch: Path, earlier: str = "", *, mixed: bool = False) -> None:
    """Deploy twice with the smoke test (the second deployment changes nothing), then try what the smoke test does not cover.

    With the name of an `earlier` revision, the first deployment upgrades a stage of that revision. If `mixed`, the functions of that
    revision continue to run, and both versions sell an event.
    """
    name, package = f"fairgate-{stage}", copy_package(package, scratch / "package")
    with EmulatedAws(scratch) as aws, ExitStack() as running:
        before = running.enter_context(_earlier_stage(aws, stage, earlier, scratch / "earlier")) if earlier else None
        sold = before and before.sold
        background = mixed_versions.Background(aws, before.stack) if before and mixed else None
        stack = running.enter_context(DeployedStack(aws, name, scratch))
        front = running.enter_context(ApiFront(stack))
        for _ in range(2):
            if _deploy(aws, stage, package, front.url):
                raise EmulationFailed("the deployment failed. The reason is above")
        if sold:
            upgrade.check_takeover(stack, front.url, sold)
        if before and background:
            mixed_versions.sell_on_both(aws, stage, background, stack, (before.url, front.url), before.sold.admin)
        trials.check_aliases(aws, stack)
        trials.try_preflight(front.url)
        trials.try_webhook(aws, stage, front.url)
        trials.run_schedules(aws, stage, stack)
        trials.pass_changes_on(aws, stack)
        if sold:
            upgrade.check_figures(front.url, sold)
        token = operations.make_admin(aws, stage, front.url)
        if "images" in addon_names(stage):
            operations.send_image(aws, stack, front.url, token)
        operations.replay_dead_letters(aws, stage, stack)
        operations.roll_back_bad_deployment(aws, stack, package, lambda: _deploy(aws, stage, package, f"{front.url}/none"))


class _EarlierStage(Struct, frozen=True):
    """A stage of an earlier revision, whose functions run."""

    stack: DeployedStack
    url: str
    sold: upgrade.SoldStage


@contextmanager
def _earlier_stage(aws: EmulatedAws, stage: str, revision: str, tree: Path) -> Iterator[_EarlierStage]:
    """Build and deploy an earlier revision, in the new folder `tree`, and sell there."""
    package = copy_package(upgrade.build(revision, stage, tree), tree / "package")
    with DeployedStack(aws, f"fairgate-{stage}", tree) as stack, ApiFront(stack) as front:
        if _deploy(aws, stage, package, front.url, tree):
            raise EmulationFailed(f"the deployment of {revision} failed. The reason is above")
        yield _EarlierStage(stack, front.url, upgrade.sell(aws, stage, stack, front.url, tree))


def copy_package(package: Path, folder: Path) -> Path:
    """Copy a package without the resources that MiniStack cannot create, and report these resources."""
    if not (package / "sam.json").exists():
        raise EmulationFailed(f"there is no package in {package}. Build one for this machine's processors: make package")
    shutil.copytree(package, folder)
    file = folder / "sam.json"
    template = json.loads(file.read_bytes())
    left_out = [name for name, resource in template["Resources"].items() if _is_unsupported(resource)]
    for resource in template["Resources"].values():  # MiniStack has no CodeDeploy: all requests go to the new version at once
        resource.get("Properties", {}).pop("DeploymentPreference", None)
    for name in left_out:
        del template["Resources"][name]
        for output in [key for key, value in template["Outputs"].items() if f"${{{name}." in json.dumps(value)]:
            del template["Outputs"][output]
    if left_out:
        print(f"left out, because MiniStack cannot create them: {', '.join(sorted(left_out))}", flush=True)
    file.write_text(json.dumps(template))
    return folder


def _is_unsupported(resource: dict[str, Any]) -> bool:
    """Whether MiniStack lacks the resource: alarms on computed metrics, and mail domains, whose DNS records it does not know."""
    return resource["Type"] == "AWS::SES::EmailIdentity" or (
        resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    )


def _deploy(aws: EmulatedAws, stage: str, package: Path, url: str, tree: Path = ROOT) -> int:
    """Run `make deploy` in a tree of Fairgate and return its exit code."""
    command = [sys.executable, "-m", "infra.deploy", "--stage", stage, "--folder", str(package), "--url", url, "--yes"]
    return subprocess.run([*command, "--skip", "check,test,package"], env=aws.environment(), cwd=tree, check=False).returncode


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "The emulated AWS has ended and left nothing behind."))
