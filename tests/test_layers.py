"""The imports of the code follow the layers of `.importlinter`."""

import subprocess
import sys

from tests.repository import ROOT


def test_imports_follow_the_layers():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo", "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
