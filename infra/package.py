"""`make package`: build the package for AWS, and compare its size with the budgets.

Writes .build/<stage>/{sam.json,deployment.zip,documents.zip,fonts.zip,web}. Exits with 1 if a zip or the modules of a function exceed
their budget.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from bootstrap import aws_stage, interrupts
from chalicelib.catalog.pages import PACKAGED_SHELL
from infra import chalice_package, cold_starts, deployment_zip, lint, web
from infra.instance import InstanceFailed
from infra.template.functions import ARCHITECTURES
from infra.template.stages import ROOT, deployed_stages, page_settings

# Zip -> its size and its size unpacked, a few percent above the last measurement.
MAX_BYTES = {
    deployment_zip.ZIP: (21_900_000, 61_400_000),
    deployment_zip.DOCUMENTS_ZIP: (31_700_000, 83_000_000),
    deployment_zip.FONTS_ZIP: (24_000_000, 41_000_000),
}
# Imports that the first calls of infra/cold_starts.py do not reach.
_RARE_IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
from chalicelib.foundation import sdk_calls
sdk_calls.create_client("secretsmanager", "us-east-1", None)
import stripe
client = stripe.StripeClient("sk_test_none", http_client=stripe.RequestsClient())
from mollie.api.client import Client
assert Client().payments and Client().refunds and Client().chargebacks
from PIL import Image
import io
target = io.BytesIO()
Image.new("RGB", (100, 100)).save(target, "PNG")
from chalicelib.addons.images import rendering
assert rendering.render_image(target.getvalue()).thumbnails
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
assert AESGCM(AESGCM.generate_key(128)) and ec.generate_private_key(ec.SECP256R1()).sign(b"", ec.ECDSA(hashes.SHA256()))
assert client.v1.payment_intents and client.v1.refunds and stripe.WebhookSignature
from stdnum.eu import vat
from stdnum.util import get_cc_module
assert all(get_cc_module(state, "vat") for state in vat.MEMBER_STATES - {"xi"})  # Northern Ireland has the numbers of "gb"
assert vat.is_valid("PT509999999") and not vat.is_valid("PT509999998") and vat.is_valid("EL094259216")
from chalicelib.accounts import factors, staff_sign_in
assert factors._passkey_server()
from joserfc import jwt, jws
from joserfc.jwk import KeySet
assert jwt.JWTClaimsRegistry and jws.JWSRegistry and not KeySet([])
from chalicelib.waiting_room import draw
signature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
assert draw.is_signed(draw.QUICKNET, 1000, bytes.fromhex(signature))
"""
_RARE_IMPORTS_OF_DOCUMENTS = """
import sys
sys.path.insert(0, sys.argv[1])
from chalicelib.accounts.profiles import InvoiceSeller
from chalicelib.addons.documents.invoices import Invoice
from chalicelib.addons.documents.order_pages import render_invoice
from chalicelib.foundation.money import TaxShare
from chalicelib.purchases.model import InvoiceBuyer
seller = InvoiceSeller("Seller", "1 Harbor Street", "PT501234567", country="PT")
names = dict(order_id="o", order_number="O", event_id="e", event_name="Event", timezone="UTC", seller_id="s", currency="EUR")
made = Invoice(
    number="I1", cause="captured", issued_at=0, paid_at=0, seller=seller, buyer=InvoiceBuyer("Buyer", "2 Mill Lane", country="PT"),
    total_cents=123, taxes=[TaxShare("23", 123, 23)], **names
)
assert b"/GTS_PDFA1" in render_invoice(made)
sys.path.append(sys.argv[1] + "/python")
from chalicelib.addons.documents.shaping import drawable
assert "?" not in drawable("مهرجان हिन्दी 東京 🎉")
"""
ELF_MACHINE = slice(18, 20)  # the bytes of an extension's header that name its processors
ELF_MACHINES = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00"}
MIN_SNAPSTART_PYTHON = (3, 12)
_ADVICE = "remove unneeded files, or raise the budget in infra/package.py and run `make docs`"


def main(argv: Sequence[str] | None = None) -> int:
    usage = "make package STAGE=dev (or python -m infra.package; --help lists the options)"
    parser = argparse.ArgumentParser(prog="package", usage=usage, description=__doc__)
    parser.add_argument("--imports-only", action="store_true", help="only check the modules that the functions load; build nothing")
    parser.add_argument("--stage", default=os.environ.get("STAGE", "dev"), choices=deployed_stages(), help="stage to build (default: dev)")
    parser.add_argument(
        "--architecture",
        default=os.environ.get("ARCH", "arm64"),
        choices=ARCHITECTURES,
        help="processor architecture of the functions (default: arm64)",
    )
    parser.add_argument(
        "--snapstart",
        default=os.environ.get("SNAPSTART", "off"),
        choices=["on", "off"],
        help="start instances from a snapshot (default: off)",
    )
    arguments = parser.parse_args(argv)
    _check_choices(parser, arguments)
    snapstart = arguments.snapstart == "on"
    if snapstart and sys.version_info < MIN_SNAPSTART_PYTHON:
        parser.error("SnapStart needs Python 3.12 or later: build with a newer Python, or without SnapStart")
    problems = cold_starts.check(ROOT)
    if not arguments.imports_only:
        try:
            target = build(arguments.stage, arguments.architecture, ROOT / ".build" / arguments.stage, snapstart=snapstart)
        except web.WebBuildFailed as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        problems += package_problems(target, arguments.architecture)
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _check_choices(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Check the values of the variables STAGE, ARCH and SNAPSTART, because argparse does not check defaults."""
    for action in parser._actions:
        value = getattr(arguments, action.dest, "")
        if action.choices is not None and value not in action.choices:
            allowed = list(action.choices)
            nearest = aws_stage.nearest_name(value, allowed)
            parser.error(f"{action.dest} must be {' or '.join(allowed)}, not {value!r}; the nearest name is {nearest}")


def own_architecture() -> str:
    """Return Lambda's name of this machine's processor architecture."""
    return next(name for name, machines in ARCHITECTURES.items() if platform.machine() in machines)


def build(stage: str, architecture: str, target: Path, *, snapstart: bool = False) -> Path:
    """Build the package of a stage in the folder `target`, which is deleted first. Returns the folder."""
    shutil.rmtree(target, ignore_errors=True)
    built = web.build(page_settings(stage).addon_names)
    chalice_package.write(stage, architecture, target, shell=built / web.SHELL, snapstart=snapstart)
    deployment_zip.prepare(target / deployment_zip.ZIP)
    web.copy_files(built, target / "web", page_settings(stage).legal_url)
    return target


def package_problems(target: Path, architecture: str) -> list[str]:
    """Return the problems of the package in the folder `target`."""
    problems = lint.template_problems(target / "sam.json") + missing_requirements(target)
    return problems + check_artifact(target, architecture)


def check_artifact(target: Path, architecture: str) -> list[str]:
    """Return the problems of the zips in `target`: their sizes, their content, or a failure to run."""
    print(f"written to  {target.relative_to(ROOT)}")
    return [f"{name}: {problem}" for name in MAX_BYTES for problem in _zip_problems(target / name, architecture)]


def _zip_problems(artifact: Path, architecture: str) -> list[str]:
    max_packed, max_unpacked = MAX_BYTES[artifact.name]
    with zipfile.ZipFile(artifact) as zipped:
        entries = zipped.infolist()
    packed, unpacked = artifact.stat().st_size, sum(entry.file_size for entry in entries)
    print(f"{artifact.name:<16}{packed:>12,} bytes (budget {max_packed:,}); unpacked {unpacked:,} (budget {max_unpacked:,})")
    problems = []
    if packed > max_packed:
        problems.append(f"the zip has {packed:,} bytes and exceeds its budget of {max_packed:,}: {_ADVICE}")
    if unpacked > max_unpacked:
        problems.append(f"the unpacked zip has {unpacked:,} bytes and exceeds its budget of {max_unpacked:,}: {_ADVICE}")
    if artifact.name == deployment_zip.FONTS_ZIP:
        return problems
    if f"chalicelib/{PACKAGED_SHELL}" not in {entry.filename for entry in entries}:
        problems.append(f"the zip lacks {PACKAGED_SHELL}, so the shop's pages would have no scripts")
    unwanted = [entry.filename for entry in entries if entry.filename.startswith(("tests/", "infra/", "devtools/"))]
    return (
        problems
        + [f"the zip contains {name}, which must not be deployed" for name in unwanted[:5]]
        + _check_runs_alone(artifact, architecture)
    )


def missing_requirements(target: Path) -> list[str]:
    """Return the requirements that the zips in `target` lack: Chalice silently leaves out packages without a wheel."""
    names: list[str] = []
    for name in (deployment_zip.DOCUMENTS_ZIP, deployment_zip.FONTS_ZIP):
        with zipfile.ZipFile(target / name) as zipped:
            names += [entry.removeprefix(f"{deployment_zip.LAYER_FOLDER}/") for entry in zipped.namelist()]
    required = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    packed = {name.partition("-")[0].replace("_", "-").lower() for name in names if ".dist-info/" in name}
    missing = sorted(name for name in required if name != "chalice" and name.replace("_", "-").lower() not in packed)
    return [f"the zip lacks {name}: is there a wheel of this version for Lambda's Python?" for name in missing]


def _foreign_extensions(artifact: Path, architecture: str) -> list[str]:
    """Return the compiled extensions in the zip whose headers name other processors."""
    with zipfile.ZipFile(artifact) as zipped:
        machines = {name: zipped.read(name)[ELF_MACHINE] for name in zipped.namelist() if name.endswith(".so")}
    return [f"{name} is not for {architecture}" for name, machine in machines.items() if machine != ELF_MACHINES[architecture]]


def _check_runs_alone(artifact: Path, architecture: str) -> list[str]:
    """Unpack the zip and call its functions without the packages installed here; every module must already be compiled.

    Runs only on Linux with the functions' architecture, because the zip contains compiled extensions.
    """
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES[architecture]:
        print(f"not tried   the zip is for Linux on {architecture}, and this is {sys.platform} on {platform.machine()}")
        return _foreign_extensions(artifact, architecture)
    is_for_documents = artifact.name == deployment_zip.DOCUMENTS_ZIP
    with tempfile.TemporaryDirectory() as folder:
        deployed: set[str] = set()
        for file in (artifact, artifact.with_name(deployment_zip.FONTS_ZIP)) if is_for_documents else (artifact,):
            with zipfile.ZipFile(file) as zipped:
                zipped.extractall(folder)
                deployed |= set(zipped.namelist())
        try:
            problems = cold_starts.check(Path(folder), alone=True, is_for_documents=is_for_documents)
            rare = _RARE_IMPORTS_OF_DOCUMENTS if is_for_documents else _RARE_IMPORTS
            subprocess.run([sys.executable, "-I", "-S", "-c", rare, folder], env={}, check=True)
        except (InstanceFailed, subprocess.CalledProcessError) as error:
            return [f"the unpacked zip does not run on its own: {error}"]
        files = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
    return problems + [f"{name} was compiled at start-up, so the zip lacks it" for name in sorted(files - deployed)[:5]]


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "The package is incomplete. Run the command again before you deploy."))
