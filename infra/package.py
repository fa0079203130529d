"""`make package`: build what is deployed to AWS, and check its size against budgets.

Writes .build/<stage>/{sam.json,deployment.zip}. Exits with 1 when the zip, or what a function loads, is above its budget.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infra import cold_starts, deployment_zip, template
from infra.instance import InstanceFailed
from infra.template import ROOT

# About a twentieth above what was measured last (docs/performance.md).
MAX_ZIP_BYTES = 7_250_000
MAX_UNZIPPED_BYTES = 18_550_000
# What the first calls of infra/cold_starts.py do not reach.
_RARE_IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
from chalicelib import sdk_calls
sdk_calls.create_client("secretsmanager", "us-east-1", None)
import stripe
client = stripe.StripeClient("sk_test_none", http_client=stripe.RequestsClient())
assert client.v1.payment_intents and client.v1.refunds and stripe.WebhookSignature
"""
_ADVICE = "remove what is not needed, or raise the budget in infra/package.py and docs/performance.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--imports-only", action="store_true", help="only check what the functions load; build nothing")
    parser.add_argument(
        "--stage", default=os.environ.get("STAGE", "dev"), choices=["dev", "prod"], help="the stage to build (default: dev)"
    )
    arguments = parser.parse_args()
    problems = cold_starts.check(ROOT)
    if not arguments.imports_only:
        problems += check_artefact(build(arguments.stage))
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def build(stage: str) -> Path:
    """Run `chalice package` on a clean copy, so that only the code of the repository gets into the zip; returns the folder."""
    import app

    target = ROOT / ".build" / stage
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        clean = Path(scratch) / "fairgate"
        clean.mkdir()
        for name in ("app.py", "constraints.txt"):
            shutil.copy(ROOT / name, clean)
        for name in ("chalicelib", ".chalice"):
            shutil.copytree(ROOT / name, clean / name, ignore=shutil.ignore_patterns("__pycache__", "deployments", "deployed", "*.pyc"))
        (clean / "requirements.txt").write_text(_requirements())
        additions = Path(scratch) / "additions.json"
        additions.write_text(json.dumps(template.template_additions(stage, app.app.routes)))
        chalice = [sys.executable, "-c", "from chalice.cli import main; main()"]
        command = [*chalice, "package", "--stage", stage, "--merge-template", str(additions), str(target)]
        # Chalice requires a region, although the template does not have one.
        subprocess.run(command, cwd=clean, env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}, check=True, stdout=subprocess.DEVNULL)
    deployment_zip.prepare(target / "deployment.zip")
    return target


def check_artefact(target: Path) -> list[str]:
    """What is wrong with the zip in `target`: its size, its content, or that it does not run."""
    artefact = target / "deployment.zip"
    with zipfile.ZipFile(artefact) as zipped:
        entries = zipped.infolist()
    packed, unpacked = artefact.stat().st_size, sum(entry.file_size for entry in entries)
    print(f"zip         {packed:>12,} bytes (budget {MAX_ZIP_BYTES:,}); unpacked {unpacked:,} (budget {MAX_UNZIPPED_BYTES:,})")
    print(f"written to  {target.relative_to(ROOT)}")
    problems = []
    if packed > MAX_ZIP_BYTES:
        problems.append(f"the zip has {packed:,} bytes, more than the budget of {MAX_ZIP_BYTES:,}: {_ADVICE}")
    if unpacked > MAX_UNZIPPED_BYTES:
        problems.append(f"the unpacked zip has {unpacked:,} bytes, more than the budget of {MAX_UNZIPPED_BYTES:,}: {_ADVICE}")
    unwanted = [entry.filename for entry in entries if entry.filename.startswith(("tests/", "infra/", "devtools/"))]
    return problems + [f"the zip has {name}, which is not deployed" for name in unwanted[:5]] + _check_runs_alone(artefact)


def _requirements() -> str:
    """The requirements with the pins of what they require, without Chalice: its packager adds the few files that run on Lambda."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return "\n".join(["-c constraints.txt", *(line for line in lines if not line.startswith("chalice=="))]) + "\n"


def _check_runs_alone(artefact: Path) -> list[str]:
    """On Linux: unpack the zip and call its functions, without any package that is installed here; they must find all modules compiled."""
    if sys.platform != "linux":
        return []
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(artefact) as zipped:
            zipped.extractall(folder)
            deployed = set(zipped.namelist())
        try:
            problems = cold_starts.check(Path(folder), alone=True)
            subprocess.run([sys.executable, "-I", "-S", "-c", _RARE_IMPORTS, folder], env={}, check=True)
        except (InstanceFailed, subprocess.CalledProcessError) as error:
            return [f"the unpacked zip does not run by itself: {error}"]
        files = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
    return problems + [f"{name} was compiled at the start, so the zip lacks it" for name in sorted(files - deployed)[:5]]


if __name__ == "__main__":
    sys.exit(main())
