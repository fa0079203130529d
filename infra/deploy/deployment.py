"""The steps of a deployment, and the rollback if a step fails after the stage has changed.

The pages come last, because they need the new API. The old pages work with the new API too, so pages never need a rollback. Only their
assets come before the API, which names them in the pages that it writes.
"""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from msgspec import Struct

from bootstrap.__main__ import main as run_bootstrap
from bootstrap.interrupts import NOT_CONFIRMED
from chalicelib.foundation import settings
from infra import migrations, smoke_test, tables
from infra.deploy import account
from infra.deploy.account import AwsAccount, DeploymentFailed, Interrupted, NotConfirmed, open_account
from infra.deploy.options import Options
from infra.deploy.stack import API_URL, DISTRIBUTION, PAGES_BUCKET, SHOP_URL, ChangeSet, Stack
from infra.deploy.storage import PackageBucket, upload_package, upload_pages
from infra.template.functions import PRODUCTION_PYTHON
from infra.template.stages import ROOT, function_settings


class CatalogCommands:
    """Runs the commands of `fairgate` for a stage, with the project's own file unless `files` are given.

    The commands print as usual. Every method raises DeploymentFailed if its command fails.
    """

    def __init__(self, stage: str, region: str, files: Sequence[str]) -> None:
        self._stage, self._region, self._files = stage, region, files

    def validate(self) -> str:
        """Validate the files and return their checksum."""
        self._run("validate", *self._files)
        checksum: str = self._read("validate", *self._files)["checksum"]
        return checksum

    def plan(self) -> None:
        self._run("plan", *self._files)

    def served(self) -> tuple[int, str]:
        """Return the served version and its checksum; version 0 if none has been applied yet."""
        status = self._read("status")
        return int(status["version"]), status.get("checksum", "")

    def apply(self, *, yes: bool) -> None:
        self._run("apply", *self._files, *(["--yes"] if yes else []))

    def rollback(self, version: int) -> None:
        self._run("rollback", str(version), "--yes")

    def _run(self, *words: str) -> None:
        with settings.override(stage=self._stage, region=self._region):
            code = run_bootstrap(words)
        if code:
            failed = NotConfirmed if code == NOT_CONFIRMED else DeploymentFailed
            raise failed(f"fairgate {words[0]} failed. The reason is above.")

    def _read(self, *words: str) -> Any:
        with redirect_stdout(io.StringIO()) as printed:
            self._run(*words, "--json")
        return json.loads(printed.getvalue())


_STAGE_UNCHANGED = "The stage is unchanged. A secret or a bucket may be new; the next run uses them."
_ROLLED_BACK = "The changes of this run were rolled back, as the lines above show. Run the command again."


class Step(Struct, frozen=True):
    """`text` describes the step to the operator; a dry run only prints it. `if_stopped` is the stage's state after an interruption."""

    name: str
    text: str
    run: Callable[[], None]
    if_stopped: str = "Nothing was changed."


class _Before(Struct, frozen=True):
    """The stack before this run changed it; `template` is None if there was no stack."""

    template: str | None
    parameters: dict[str, str]


class Deployment:
    """One deployment. `confirm` asks the operator a question and returns whether the answer was yes."""

    def __init__(self, options: Options, confirm: Callable[[str], bool], report: Callable[[str], None] = print) -> None:
        self._options, self._confirm, self._report = options, confirm, report
        self._account: AwsAccount
        self._stack: Stack
        self._bucket: PackageBucket
        self._catalog: CatalogCommands
        self._template_url = ""
        self._checksum = ""
        self._change_set: ChangeSet | None = None
        self._before: _Before | None = None
        self._version_before: int | None = None
        self._mail_gaps: list[str] = []

    def steps(self) -> list[Step]:
        stage, folder, bucket = self._options.stage, _relative(self._options.folder), self._options.bucket or "the deployment's own bucket"
        files = " ".join(self._options.files)
        build = f"make package STAGE={stage} ARCH={self._options.architecture}"
        steps = [
            Step("account", "find the account, the region and the stack, and stop unless they are ready", self._open),
            Step("check", "make check", lambda: self._make("check")),
            Step("test", "make test", lambda: self._make("test")),
            Step("package", f"{build} (writes {folder})", lambda: self._make(*build.split()[1:])),
            Step("validate", f"fairgate validate {files}".rstrip(), self._validate),
            Step("plan", f"fairgate plan {files}".rstrip() + ", unless the stage is new", self._plan),
            Step(
                "secret",
                f"create the secret {account.secret_name(stage)} with random keys, or add a missing key",
                self._create_secret,
                _STAGE_UNCHANGED,
            ),
            Step("upload", f"upload the zip and the template of {folder} to {bucket}", self._upload, _STAGE_UNCHANGED),
            Step("review", f"create a change set of the stack {self._options.stack}, show it and ask", self._review, _STAGE_UNCHANGED),
            Step(
                "assets",
                "upload the scripts and styles of the new pages, and keep those of the pages that are served now",
                self._publish_assets,
                _STAGE_UNCHANGED,
            ),
            Step(
                "prepare data",
                "apply the migrations of stored data that the new version needs; the previous version can read the result",
                lambda: self._migrate("before"),
                "The stack is unchanged. A migration continues where it was when you run the command again.",
            ),
            Step(
                "stack",
                "execute the change set; CloudFormation rolls everything back if a part of it fails, or if the canary of the stage fails",
                self._execute,
                "CloudFormation continues on its own. When it has finished, run the command again to complete the deployment. "
                f"To check its progress: aws cloudformation describe-stacks --stack-name {self._options.stack}",
            ),
            Step(
                "apply",
                f"fairgate apply {files}".rstrip() + ", unless that version is already served",
                self._apply,
                _ROLLED_BACK,
            ),
            Step("smoke test", "fairgate smoke-test: health, catalog, and the purchase of a test ticket", self._test, _ROLLED_BACK),
            Step(
                "pages",
                f"upload {folder}/web to the bucket of the stack ({PAGES_BUCKET})",
                self._publish_pages,
                "The stage is deployed, but may still serve the previous pages, which also work. Run the command again.",
            ),
            Step(
                "complete data",
                "apply the other migrations of stored data",
                lambda: self._migrate("after"),
                "The stage is deployed. The migration continues where it was when you run the command again.",
            ),
        ]
        return [step for step in steps if step.name not in self._options.skip]

    def run(self) -> None:
        """Run all steps. After a failure, roll back this run's changes and raise DeploymentFailed or the AWS error."""
        steps = self.steps()
        for number, step in enumerate(steps, start=1):
            self._report(f"\n[{number}/{len(steps)}] {step.name}: {step.text}")
            try:
                step.run()
            except KeyboardInterrupt:
                self._go_back()
                raise Interrupted(f"Interrupted in the step {step.name}. {step.if_stopped}") from None
            except BaseException:
                self._go_back()
                raise
            if step.name == "smoke test":  # later steps need no rollback
                self._before = self._version_before = None
        self._report(f"\nStage {self._options.stage} is deployed: {self._stack.outputs().get(SHOP_URL) or self._api_url()}")
        if self._mail_gaps:
            self._report(
                "Warning: this stage cannot send emails that work, so nobody can verify an address. "
                f"Missing: {'; '.join(self._mail_gaps)}. docs/messages.md says how to set it up."
            )

    def _open(self) -> None:
        if self._options.stage == settings.PRODUCTION and sys.version_info[:2] != PRODUCTION_PYTHON:
            wanted, own = (".".join(map(str, version)) for version in (PRODUCTION_PYTHON, sys.version_info[:2]))
            raise DeploymentFailed(
                f"Stage {settings.PRODUCTION} runs on Python {wanted}, and this environment has {own}. "
                f"Run `make clean`, then make deploy STAGE={settings.PRODUCTION} PYTHON=python{wanted}"
            )
        self._account = open_account()
        self._report(f"  account {self._account.id} in {self._account.region}, as {self._account.user}")
        self._stack = Stack(self._account, self._options.stack, self._report)
        self._stack.require_ready()
        self._catalog = CatalogCommands(self._options.stage, self._account.region, self._options.files)

    def _make(self, *words: str) -> None:
        if subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, check=False).returncode:
            raise DeploymentFailed(f"make {words[0]} failed. Nothing was deployed. The reason is above.")

    def _validate(self) -> None:
        self._checksum = self._catalog.validate()

    def _plan(self) -> None:
        if self._stack.describe() is None:
            self._report("  the stage is new: everything in the files will be added")
        else:
            self._catalog.plan()

    def _create_secret(self) -> None:
        done, values = account.create_missing(self._account, self._options.stage)
        self._report(f"  {done}")
        self._mail_gaps = account.missing_for_mails(
            self._options.stage, values, function_settings(self._options.stage)["Environment"]["Variables"]
        )
        if done == "created" and self._options.stage == settings.PRODUCTION:
            self._report("  the secret has no Stripe keys yet: add stripe_api_key and stripe_webhook_secrets before you sell anything")

    def _upload(self) -> None:
        if not (self._options.folder / "sam.json").exists():
            raise DeploymentFailed(
                f"There is no package in {_relative(self._options.folder)}. Build it: make package STAGE={self._options.stage}"
            )
        self._bucket = PackageBucket(self._account, self._options.bucket)
        self._template_url = upload_package(self._bucket, self._options.folder, self._options.stage)
        self._report(f"  {self._template_url}")

    def _migrate(self, when: Literal["before", "after"]) -> None:
        with settings.override(stage=self._options.stage, region=self._account.region):
            try:
                migrations.apply(when, lambda line: self._report(f"  {line}"))
            except migrations.OrderRefused as error:
                raise DeploymentFailed(str(error)) from None

    def _check_indexes(self) -> None:
        template = json.loads((self._options.folder / "sam.json").read_bytes())
        planned = {
            part["Properties"]["TableName"]: part["Properties"]
            for part in template["Resources"].values()
            if part["Type"] == "AWS::DynamoDB::Table"
        }
        if conflicts := tables.index_conflicts(self._account.client("dynamodb"), planned):
            raise DeploymentFailed(
                f"CloudFormation changes one index of a table at a time, and never its keys or attributes: {'; '.join(conflicts)}. "
                f"The stage runs build {self._stack.outputs().get('Build', 'unknown')}. First deploy the revisions in between that change "
                "one index each (docs/deployment.md, stored data)."
            )

    def _review(self) -> None:
        self._check_indexes()
        self._change_set = self._stack.create_change_set(self._template_url, self._options.parameters)
        if self._change_set is None:
            self._report("  the stack is up to date; nothing changes")
            return
        for line in self._change_set.lines:
            self._report(f"  {line}")
        has_agreed = self._options.yes
        try:
            has_agreed = has_agreed or self._confirm(f"Change the stack {self._options.stack} like this?")
        finally:
            if not has_agreed:
                self._stack.delete_change_set(self._change_set)
        if not has_agreed:
            raise NotConfirmed("The stack was not changed, because nobody confirmed. To skip the question: make deploy YES=1")

    def _execute(self) -> None:
        if self._change_set is None:
            self._report("  nothing changes")
            return
        before = _Before(self._stack.template(), self._stack.parameters())
        self._stack.execute(self._change_set)
        self._before = before

    def _apply(self) -> None:
        version, checksum = self._catalog.served()
        if checksum == self._checksum:
            self._report(f"  version {version} is already served")
            return
        self._version_before = version
        self._catalog.apply(yes=self._options.yes)

    def _test(self) -> None:
        if smoke_test.main([self._api_url(), *self._options.files]):
            raise DeploymentFailed("The smoke test failed. The reason is above.")

    def _publish_pages(self) -> None:
        outputs, folder = self._stack.outputs(), self._options.folder / "web"
        if PAGES_BUCKET not in outputs:
            self._report(f"  the stack has no bucket for pages (no output {PAGES_BUCKET}); serve {_relative(folder)} yourself")
            return
        count = upload_pages(self._account, folder, outputs[PAGES_BUCKET])
        if DISTRIBUTION in outputs:
            paths = {"Quantity": 1, "Items": ["/*"]}
            batch = {"Paths": paths, "CallerReference": str(uuid4())}
            self._account.client("cloudfront").create_invalidation(DistributionId=outputs[DISTRIBUTION], InvalidationBatch=batch)
        self._report(f"  {count} files")

    def _publish_assets(self) -> None:
        """Upload the scripts and styles of the new pages before the API, which names them, changes. A new stack has no bucket yet."""
        is_new = self._change_set is None or self._stack.describe() is None
        bucket = None if is_new else self._stack.outputs().get(PAGES_BUCKET)
        if bucket is not None:
            self._report(f"  {upload_pages(self._account, self._options.folder / 'web', bucket, assets_only=True)} assets")

    def _api_url(self) -> str:
        return self._options.url or f"{self._stack.outputs()[API_URL].rstrip('/')}/v1"

    def _go_back(self) -> None:
        """Roll back the catalog, then the stack. Report each change that cannot be rolled back."""
        for name, go_back in (("catalog", self._roll_catalog_back), ("stack", self._roll_stack_back)):
            try:
                go_back()
            except Exception as error:
                self._report(f"The {name} could not be rolled back: {error}")

    def _roll_catalog_back(self) -> None:
        if self._version_before is None:
            return
        if self._version_before == 0:
            self._report("\nThe catalog is not rolled back, because there was none before.")
        elif self._catalog.served()[0] != self._version_before:
            self._report(f"\nRolling the catalog back to version {self._version_before}.")
            self._catalog.rollback(self._version_before)

    def _roll_stack_back(self) -> None:
        if self._before is None:
            return
        if self._before.template is None:
            self._report(f"\nThe new stack {self._options.stack} stays, because there is no earlier state to roll back to.")
            return
        self._report(f"\nRolling the stack {self._options.stack} back to its previous template.")
        url = self._bucket.upload_text(without_canary(self._before.template), f"{self._options.stage}/before.json")
        change_set = self._stack.create_change_set(url, self._before.parameters)
        if change_set is not None:
            self._stack.execute(change_set)


def without_canary(template: str) -> str:
    """Return a SAM template without a canary: no alarm may stop a rollback, and a rollback must not wait."""
    parsed = json.loads(template)
    for resource in parsed["Resources"].values():
        if "DeploymentPreference" in resource.get("Properties", {}):
            resource["Properties"]["DeploymentPreference"] = {"Type": "AllAtOnce"}
    return json.dumps(parsed)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def show(steps: Sequence[Step], report: Callable[[str], None] = print) -> None:
    """Print the steps, for a dry run."""
    for number, step in enumerate(steps, start=1):
        report(f"[{number}/{len(steps)}] {step.name}: {step.text}")
