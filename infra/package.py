"""`make package`: what is deployed to AWS, and the budgets it must keep.

Writes .build/<stage>/{sam.json,deployment.zip}. Exits with 1 when the artefact or what is imported at start grows past its budget.
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

from infra.template import ROOT

# What a cold start must not pay for. Each is imported where it is used, or not deployed at all.
ABSENT_AT_IMPORT = frozenset(
    "argon2 bootstrap cryptography infra jinja2 jwt ministack moto PIL pkg_resources pytest qrcode requests setuptools stripe yaml".split()  # noqa: SIM905
)

# botocore describes every AWS service there is, 15 of 19 MB; these are the ones that we call.
AWS_SERVICES = ("dynamodb", "secretsmanager", "ssm", "sts")

# The types of Stripe's parameters and events are for type checkers: 8 MB that are never imported.
STRIPE_TYPES = ("params", "events")

# About a fifth above what was measured last (docs/performance.md).
MAX_ZIP_BYTES = 5_800_000
MAX_UNZIPPED_BYTES = 22_800_000
MAX_MODULES = 670


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--imports-only", action="store_true", help="check what is imported at start, build nothing")
    parser.add_argument("--stage", default=os.environ.get("STAGE", "dev"), choices=["dev", "prod"])
    arguments = parser.parse_args()
    faults = check_imports()
    if not arguments.imports_only:
        faults += check_artefact(build(arguments.stage))
    for fault in faults:
        print(f"BUDGET: {fault}", file=sys.stderr)
    return 1 if faults else 0


def check_imports() -> list[str]:
    """Faults of what `import app` loads in a fresh interpreter with an empty environment."""
    script = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(answer.stdout)
    print(f"imports     {len(modules):>12,} modules at start (budget {MAX_MODULES:,})")
    faults = [f"`import app` loads {name}" for name in sorted(ABSENT_AT_IMPORT.intersection(modules))]
    if len(modules) > MAX_MODULES:
        faults.append(f"`import app` loads {len(modules)} modules, more than {MAX_MODULES}")
    return faults


def build(stage: str) -> Path:
    """Run `chalice package` on a clean copy, so that nothing but the code of the repository gets into the zip."""
    import app
    from infra import template

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
        extra = Path(scratch) / "extra.json"
        extra.write_text(json.dumps(template.merged(stage, app.app.routes)))
        chalice = [sys.executable, "-c", "from chalice.cli import main; main()"]
        command = [*chalice, "package", "--stage", stage, "--merge-template", str(extra), str(target)]
        subprocess.run(command, cwd=clean, env={**os.environ, **_region()}, check=True, stdout=subprocess.DEVNULL)
    _slim(target / "deployment.zip")
    return target


def check_artefact(target: Path) -> list[str]:
    artefact = target / "deployment.zip"
    with zipfile.ZipFile(artefact) as zipped:
        entries = zipped.infolist()
    packed, unpacked = artefact.stat().st_size, sum(entry.file_size for entry in entries)
    print(f"zip         {packed:>12,} bytes (budget {MAX_ZIP_BYTES:,}); unpacked {unpacked:,} (budget {MAX_UNZIPPED_BYTES:,})")
    print(f"written to  {target.relative_to(ROOT)}")
    faults = []
    if packed > MAX_ZIP_BYTES:
        faults.append(f"the zip has {packed:,} bytes, more than {MAX_ZIP_BYTES:,}")
    if unpacked > MAX_UNZIPPED_BYTES:
        faults.append(f"the unpacked zip has {unpacked:,} bytes, more than {MAX_UNZIPPED_BYTES:,}")
    strangers = [entry.filename for entry in entries if "__pycache__" in entry.filename or entry.filename.startswith(("tests/", "infra/"))]
    return faults + [f"the zip holds {name}" for name in strangers[:5]] + _answers(artefact)


def _requirements() -> str:
    """With the transitive pins, and without Chalice: its packager puts the few files in that run on Lambda."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return "\n".join(["-c constraints.txt", *(line for line in lines if not line.startswith("chalice=="))]) + "\n"


def _slim(artefact: Path) -> None:
    """Leave out what never runs: the descriptions of AWS services that we don't call, and types."""
    full = artefact.rename(artefact.with_suffix(".full"))
    with zipfile.ZipFile(full) as source, zipfile.ZipFile(artefact, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as slim:
        for entry in source.infolist():
            if _runs(entry.filename):
                # A fixed time, so that the same code makes the same zip.
                slim.writestr(zipfile.ZipInfo(entry.filename, (2020, 1, 1, 0, 0, 0)), source.read(entry), zipfile.ZIP_DEFLATED)
    full.unlink()


def _runs(name: str) -> bool:
    parts = name.split("/")
    if parts[:2] == ["botocore", "data"] and len(parts) > 3:
        return parts[2] in AWS_SERVICES
    if parts[0] == "stripe" and parts[1] in STRIPE_TYPES:
        return False
    return not (parts[0] == "botocore" and name.endswith("examples-1.json"))


def _answers(artefact: Path) -> list[str]:
    """On Linux: unpack it, and let it alone answer a request, without anything that is installed here."""
    if sys.platform != "linux":
        return []
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import app, boto3\n"
        "context = {'resourcePath': '/v1/health', 'httpMethod': 'GET'}\n"
        "names = ('headers', 'multiValueQueryStringParameters', 'pathParameters', 'body', 'stageVariables')\n"
        "event = dict.fromkeys(names) | {'headers': {}, 'requestContext': context}\n"
        "assert app.app(event, None)['statusCode'] == 200\n"
        "for name in ('dynamodb', 'secretsmanager'): boto3.client(name, region_name='us-east-1')\n"
        "import stripe\n"
        "client = stripe.StripeClient('sk_test_none', http_client=stripe.RequestsClient())\n"
        "assert client.v1.payment_intents and client.v1.refunds and stripe.WebhookSignature\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(artefact) as zipped:
            zipped.extractall(folder)
        answer = subprocess.run([sys.executable, "-I", "-S", "-c", script, folder], env={}, capture_output=True, text=True, check=False)
    return [] if answer.returncode == 0 else [f"what was packaged does not run: {answer.stderr.strip().splitlines()[-1]}"]


def _region() -> dict[str, str]:
    """Chalice asks for a region though the template has none."""
    return {} if "AWS_DEFAULT_REGION" in os.environ else {"AWS_DEFAULT_REGION": "us-east-1"}


if __name__ == "__main__":
    sys.exit(main())
