"""`make package`: build what is deployed to AWS, and check its size against budgets.

Writes .build/<stage>/{sam.json,deployment.zip}. Exits with 1 when the zip, or what is imported at start, is above its budget.
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

from infra import deployment_zip
from infra.template import ROOT

# Modules that a cold start must not load. Each is imported where it is used, or not deployed at all.
NOT_LOADED_AT_START = frozenset(
    """argon2 bootstrap boto3 cryptography infra jinja2 jwt ministack moto PIL pkg_resources prometheus_client pytest qrcode requests
    s3transfer setuptools stripe yaml""".split()  # noqa: SIM905
)

# About a twentieth above what was measured last (docs/performance.md).
MAX_ZIP_BYTES = 7_250_000
MAX_UNZIPPED_BYTES = 18_550_000
MAX_MODULES = 585
_ADVICE = "remove what is not needed, or raise the budget in infra/package.py and docs/performance.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--imports-only", action="store_true", help="only check what is imported at start; build nothing")
    parser.add_argument(
        "--stage", default=os.environ.get("STAGE", "dev"), choices=["dev", "prod"], help="the stage to build (default: dev)"
    )
    arguments = parser.parse_args()
    problems = check_imports()
    if not arguments.imports_only:
        problems += check_artefact(build(arguments.stage))
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def check_imports() -> list[str]:
    """What is wrong with the modules that `import app` loads, in a fresh interpreter with an empty environment."""
    script = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(result.stdout)
    print(f"imports     {len(modules):>12,} modules at start (budget {MAX_MODULES:,})")
    problems = [
        f"`import app` loads {name}: import it in the function that needs it" for name in sorted(NOT_LOADED_AT_START.intersection(modules))
    ]
    if len(modules) > MAX_MODULES:
        problems.append(f"`import app` loads {len(modules)} modules, more than the budget of {MAX_MODULES}: {_ADVICE}")
    return problems


def build(stage: str) -> Path:
    """Run `chalice package` on a clean copy, so that only the code of the repository gets into the zip; returns the folder."""
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
        additions = Path(scratch) / "additions.json"
        additions.write_text(json.dumps(template.template_additions(stage, app.app.routes)))
        chalice = [sys.executable, "-c", "from chalice.cli import main; main()"]
        command = [*chalice, "package", "--stage", stage, "--merge-template", str(additions), str(target)]
        subprocess.run(command, cwd=clean, env={**os.environ, **_region()}, check=True, stdout=subprocess.DEVNULL)
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
    """On Linux: unpack the zip and send it a request, without any package that is installed here and without compiling a module of it."""
    if sys.platform != "linux":
        return []
    script = (
        "import importlib.machinery, sys; sys.path.insert(0, sys.argv[1])\n"
        "compile_module = importlib.machinery.SourceFileLoader.source_to_code\n"
        "def refuse(loader, data, path):\n"
        "    assert not path.startswith(sys.argv[1]), f'{path} is not compiled'\n"
        "    return compile_module(loader, data, path)\n"
        "importlib.machinery.SourceFileLoader.source_to_code = refuse\n"
        "import app\n"
        "context = {'resourcePath': '/v1/health', 'httpMethod': 'GET'}\n"
        "names = ('headers', 'multiValueQueryStringParameters', 'pathParameters', 'body', 'stageVariables')\n"
        "event = dict.fromkeys(names) | {'headers': {}, 'requestContext': context}\n"
        "assert app.app(event, None)['statusCode'] == 200\n"
        "from chalicelib import sdk_calls\n"
        "for name in ('dynamodb', 'secretsmanager'): sdk_calls.create_client(name, 'us-east-1', None)\n"
        "import stripe\n"
        "client = stripe.StripeClient('sk_test_none', http_client=stripe.RequestsClient())\n"
        "assert client.v1.payment_intents and client.v1.refunds and stripe.WebhookSignature\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(artefact) as zipped:
            zipped.extractall(folder)
        result = subprocess.run([sys.executable, "-I", "-S", "-c", script, folder], env={}, capture_output=True, text=True, check=False)
    return [] if result.returncode == 0 else [f"the unpacked zip does not run by itself: {result.stderr.strip().splitlines()[-1]}"]


def _region() -> dict[str, str]:
    """Chalice requires a region, although the template does not have one."""
    return {} if "AWS_DEFAULT_REGION" in os.environ else {"AWS_DEFAULT_REGION": "us-east-1"}


if __name__ == "__main__":
    sys.exit(main())
