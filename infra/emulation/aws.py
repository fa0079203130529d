"""An emulated AWS on this machine: MiniStack in a process of its own, on a free port of 127.0.0.1.

It emulates S3, CloudFormation with the SAM transform, DynamoDB with streams, API Gateway, Lambda, Secrets Manager and the other services
of a stack. It does not run the functions: `lambda_runtime.py` runs them with the interface of AWS's runtime.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

import boto3.session
import urllib3

from chalicelib.foundation import settings

HOST = "127.0.0.1"
REGION = "eu-central-1"  # not the default region of settings and SDKs, so that a wrong region shows
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.05


class EmulationFailed(Exception):
    """The emulated AWS did not start, or a trial failed; the message says which."""


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process, and kill it if it does not end."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class EmulatedAws:
    """Runs within a `with` block and keeps its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server((HOST, 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        self.log = folder / "aws.log"
        self._folder = folder
        self._session = boto3.session.Session(
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def environment(self) -> dict[str, str]:
        """Return the environment for a command that uses this AWS: this process's own, without its AWS account and settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", settings.PREFIX))}
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "ENV_FILE": os.devnull}
        own = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url, f"{settings.PREFIX}STORE_ENDPOINT": self.url}
        return {**kept, **nothing, **CREDENTIALS, **own, "NO_PROXY": HOST, "no_proxy": HOST}

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]

    def __enter__(self) -> Self:
        environment = {
            **self.environment(),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_STRICT": "1",  # MiniStack has no Docker here, so it must not run functions itself
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
        }
        del environment["AWS_ENDPOINT_URL"]
        with self.log.open("w") as log:
            command = [sys.executable, "-m", "ministack"]
            self._process = subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=log)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)

    def _wait(self) -> None:
        until = monotonic() + START_SECONDS
        with urllib3.PoolManager(retries=False) as http:
            while monotonic() < until:
                if self._process.poll() is not None:
                    break
                try:
                    if http.request("GET", f"{self.url}/_ministack/ready").status == 200:
                        return
                except urllib3.exceptions.HTTPError:
                    pass
                sleep(POLL_SECONDS)
        self.__exit__()
        raise EmulationFailed(f"MiniStack did not start: {self.log.read_text()[-2000:]}")
