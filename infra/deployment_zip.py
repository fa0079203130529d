"""Prepare the zips for Lambda: keep only the files that are loaded, compile the modules, and shrink botocore's data.

Lambda's folder is read-only, so Python cannot cache compiled modules there: otherwise each cold start would compile every module that it
imports.

The functions that make documents have a zip of their own, because only they need the packages of DOCUMENT_PACKAGES. They also have a layer
with the fonts of FONT_PACKAGES, which seldom changes (decision 241).
"""

import compileall
import gzip
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from stdnum.eu import vat

ZIP, DOCUMENTS_ZIP, FONTS_ZIP = "deployment.zip", "documents.zip", "fonts.zip"

# Packages, also by the names of their metadata, for PDFs and electronic invoices.
DOCUMENT_PACKAGES = ("facturx", "factur_x", "font_source_sans_pro", "lxml", "pypdf", "reportlab", "uharfbuzz")

# Packages of fonts, which Lambda unpacks into /opt. Python finds packages in the folder `python` there.
FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
LAYER_FOLDER = "python"

# Of botocore's 19 MB, 15 MB describe AWS services. These are the services that Fairgate calls.
AWS_SERVICES = ("cloudwatch", "dynamodb", "s3", "secretsmanager", "sesv2")

# Only type checkers read the types of Stripe's parameters and events: 8 MB that are never imported.
STRIPE_TYPE_PACKAGES = ("params", "events")

# Payment providers' clients, whose docstrings are a large part of them. They are deployed without docstrings and assertions, which only
# narrow types for type checkers.
WITHOUT_DOCSTRINGS = ("mollie", "oauthlib", "requests_oauthlib", "stripe")

# Half of Pillow: support for other formats and for text that its core does not load.
PILLOW_EXTRAS = (
    "PIL/_avif",
    "PIL/_imagingft",
    "PIL/_imagingtk",
    "pillow.libs/libavif",
    "pillow.libs/libbrotli",
    "pillow.libs/libfreetype",
    "pillow.libs/libharfbuzz",
    "pillow.libs/libpng",
)

# ReportLab's charts, layout and example fonts. Fairgate draws documents on its canvas, in another font.
REPORTLAB_EXTRAS = ("reportlab/fonts/", "reportlab/graphics/", "reportlab/platypus/")

# The font of the documents comes in twelve weights and two formats; the documents use only these files.
FONT_PACKAGE = "font_source_sans_pro/files/"
FONT_FILES = ("LICENSE.txt", "SourceSansPro-Bold.ttf", "SourceSansPro-Regular.ttf")

# Fonts and tests that documents do not use.
UNUSED_FOR_DOCUMENTS = ("manimgx_fonts/NotoSans-Italic", "uharfbuzz/_harfbuzz_test")

# factur-x's schemas and rules, with which the tests check electronic invoices, and lxml's C headers.
UNUSED_FOR_INVOICES = ("facturx/xsd_and_schematron/", "lxml/includes/", "lxml/isoschematron/")

# The parts of python-stdnum that are loaded: VAT ids of the European Union and Northern Ireland, IBANs, and check digits of both.
STDNUM_FOLDERS = vat.MEMBER_STATES | {"eu", "gb", "iso7064"}
STDNUM_DATA = "stdnum/iban.dat"

# The parts of fido2 that talk to authenticators, and that judge who has made one.
FIDO2_EXTRAS = tuple(f"fido2/{name}" for name in ("attestation/", "client/", "ctap", "hid/", "mds3", "payment", "pcsc"))

# Packages that build extensions such as Argon2's, which need only the backend at run time.
BUILD_PACKAGES = ("cffi", "pycparser")

# Code that is deployed with its source, so that a traceback in the log shows the lines. All other code is deployed only compiled, at half
# the size; msgspec's extension already ties the zip to one version of Python.
WITH_SOURCE = ("app.py", "chalicelib")

_LAMBDA_FOLDER = "/var/task"


def prepare(artifact: Path) -> None:
    """Rewrite the zip that Chalice built, and write the zips for documents and of fonts beside it.

    The same code always gives the same zips.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with zipfile.ZipFile(artifact) as source:
            source.extractall(folder, [entry for entry in source.infolist() if not entry.is_dir() and is_loaded(entry.filename)])
        trim_aws_descriptions(folder / "botocore" / "data")
        _compile(folder)
        artifact.unlink()
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        packages = {file: file.relative_to(folder).parts[0].partition("-")[0].partition(".")[0] for file in files}
        fonts = [file for file in files if packages[file] in FONT_PACKAGES]
        code = [file for file in files if packages[file] not in FONT_PACKAGES]
        _write(folder, fonts, artifact.with_name(FONTS_ZIP), f"{LAYER_FOLDER}/")
        _write(folder, code, artifact.with_name(DOCUMENTS_ZIP))
        _write(folder, [file for file in code if packages[file] not in DOCUMENT_PACKAGES], artifact)


def is_loaded(name: str) -> bool:
    """Whether the functions need the file of this name."""
    parts = name.split("/")
    if parts[:2] == ["botocore", "data"] and len(parts) > 3:
        return parts[2] in AWS_SERVICES and not name.endswith("examples-1.json")
    if name.startswith((*PILLOW_EXTRAS, *REPORTLAB_EXTRAS, *UNUSED_FOR_DOCUMENTS, *UNUSED_FOR_INVOICES, *FIDO2_EXTRAS)):
        return False
    if name.startswith(FONT_PACKAGE):
        return name.removeprefix(FONT_PACKAGE) in FONT_FILES
    if parts[0] == "stdnum":
        return name == STDNUM_DATA or (not name.endswith(".dat") and (len(parts) == 2 or parts[1] in STDNUM_FOLDERS))
    return parts[0] not in BUILD_PACKAGES and not (parts[0] == "stripe" and parts[1] in STRIPE_TYPE_PACKAGES)


def trim_aws_descriptions(data: Path) -> None:
    """Remove data that botocore reads at each start and never uses: 1.2 MB of endpoints of other services, and documentation."""
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: service for name, service in partition["services"].items() if name in AWS_SERVICES}
    (data / "endpoints.json").write_bytes(_encode(endpoints))
    for file in data.rglob("*.json.gz"):
        description = _without_documentation(json.loads(gzip.decompress(file.read_bytes())))
        for parameter in description.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # botocore reads this field in each call of S3
        file.write_bytes(gzip.compress(_encode(description), mtime=0))


def _without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        # Documentation is text; an attribute with the name `documentation` is an object.
        return {key: _without_documentation(part) for key, part in value.items() if key != "documentation" or not isinstance(part, str)}
    if isinstance(value, list):
        return [_without_documentation(part) for part in value]
    return value


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _compile(folder: Path) -> None:
    """Compile all modules. Raises ValueError if one cannot be compiled."""
    # "Unchecked": Python loads the compiled module without looking at the source.
    mode = PycInvalidationMode.UNCHECKED_HASH
    for path in sorted(folder.iterdir()):
        keeps_source = path.name in WITH_SOURCE
        compile_all = compileall.compile_file if path.suffix == ".py" else compileall.compile_dir
        options: Any = {"invalidation_mode": mode, "stripdir": str(folder), "prependdir": _LAMBDA_FOLDER}
        if path.name in WITHOUT_DOCSTRINGS:
            options["optimize"] = 2
        if (path.is_dir() or path.suffix == ".py") and not compile_all(str(path), quiet=1, legacy=not keeps_source, **options):
            raise ValueError(f"{path.name} cannot be compiled; see the errors above")
        if not keeps_source:
            for source in [path] if path.suffix == ".py" else path.rglob("*.py"):
                source.unlink()


def _write(folder: Path, files: Sequence[Path], artifact: Path, prefix: str = "") -> None:
    with zipfile.ZipFile(artifact, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for file in files:
            entry = zipfile.ZipInfo(prefix + str(file.relative_to(folder)).replace(os.sep, "/"), (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16  # Lambda runs as a separate user, who must be able to read the file
            target.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
