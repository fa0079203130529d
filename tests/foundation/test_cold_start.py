"""A cold start of the API is not slowed down by the garbage collector, which works as usual after it."""

import json
import subprocess
import sys

from infra.template.stages import ROOT

REPORT = """
import gc, json
before = [generation["collections"] for generation in gc.get_stats()]
import app
after = [generation["collections"] for generation in gc.get_stats()]
print(json.dumps({"collections": sum(after) - sum(before), "is_enabled": gc.isenabled(), "left_out": gc.get_freeze_count()}))
"""


def test_no_garbage_is_collected_while_modules_are_imported() -> None:
    result = subprocess.run([sys.executable, "-c", REPORT], cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(result.stdout)
    assert report["collections"] <= 1  # CPython may have one due when the collector is stopped
    assert report["is_enabled"]
    assert report["left_out"] > 10_000
