"""The fake as a server of its own."""

import os
import signal
import subprocess
import sys

import pytest
import stripe

from tests.repository import ROOT


def _ignore_interrupts():
    """As a shell does for commands in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_start_and_stop(tmp_path, number):
    command = [
        sys.executable,
        "-m",
        "devtools.stripe",
        "--port",
        "0",
        "--journal",
        str(tmp_path / "j"),
        "--webhook",
        "http://127.0.0.1:9/",
    ]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=_ignore_interrupts)
    try:
        printed = dict(process.stdout.readline().strip().rsplit(" ", 1) for _ in range(4))
        printed = {name.strip(): value for name, value in printed.items()}
        client = stripe.StripeClient(printed["secret key"], base_addresses={"api": printed["API"]})
        assert client.v1.payment_intents.create({"amount": 100, "currency": "eur"}).currency == "eur"
    finally:
        process.send_signal(number)
        assert process.wait(60) == 0
        process.stdout.close()
