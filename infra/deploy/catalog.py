"""The catalog of a deployed stage, through the bootstrap commands."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from bootstrap.__main__ import main as run_bootstrap
from chalicelib.foundation import settings
from infra.deploy.errors import DeploymentFailed


class CatalogCommands:
    """Runs the commands of `python -m bootstrap` for a stage, with the project's own file unless `files` are given.

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
        """Return the version that is served and its checksum; version 0 before the first one is applied."""
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
            raise DeploymentFailed(f"bootstrap {words[0]} failed. The reason is above.")

    def _read(self, *words: str) -> Any:
        with redirect_stdout(io.StringIO()) as printed:
            self._run(*words, "--json")
        return json.loads(printed.getvalue())
