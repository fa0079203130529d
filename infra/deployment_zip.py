"""What is in the zip that is deployed: only what is loaded, compiled, and as small as botocore can read it.

Lambda's folder is read-only, so Python cannot keep what it compiles: without this, each cold start compiles all modules that it imports.
"""

import compileall
import gzip
import json
import os
import tempfile
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

# botocore has descriptions of all AWS services, 15 of 19 MB; these are the services that we call.
AWS_SERVICES = ("dynamodb", "s3", "secretsmanager", "sesv2")

# Only type checkers read the types of Stripe's parameters and events: 8 MB that are never imported.
STRIPE_TYPE_PACKAGES = ("params", "events")

# What Pillow brings for other formats and for text, as far as its core does not load it: half of it.
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

# ReportLab's charts, layout and example fonts: documents are drawn on its canvas, in a font of their own.
REPORTLAB_EXTRAS = ("reportlab/fonts/", "reportlab/graphics/", "reportlab/platypus/")

# The font of documents comes in twelve weights and two formats; these are the ones that they are written in.
FONT_PACKAGE = "font_source_sans_pro/files/"
FONT_FILES = ("LICENSE.txt", "SourceSansPro-Bold.ttf", "SourceSansPro-Regular.ttf")

# What builds compiled extensions, such as Argon2's: at run time they need its backend only.
BUILD_PACKAGES = ("cffi", "pycparser")

# Code whose source is deployed too, so that a traceback in the log shows its lines. Of all other code the zip has only what Python
# compiled: half the size, and msgspec's extension already ties the zip to one version of Python.
WITH_SOURCE = ("app.py", "chalicelib")

_LAMBDA_FOLDER = "/var/task"


def prepare(artefact: Path) -> None:
    """Rewrite the zip that Chalice has made. The same code gives the same zip."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with zipfile.ZipFile(artefact) as source:
            source.extractall(folder, [entry for entry in source.infolist() if not entry.is_dir() and is_loaded(entry.filename)])
        trim_aws_descriptions(folder / "botocore" / "data")
        _compile(folder)
        artefact.unlink()
        _write(folder, artefact)


def is_loaded(name: str) -> bool:
    """Whether the file of this name in the zip is needed."""
    parts = name.split("/")
    if parts[:2] == ["botocore", "data"] and len(parts) > 3:
        return parts[2] in AWS_SERVICES and not name.endswith("examples-1.json")
    if name.startswith((*PILLOW_EXTRAS, *REPORTLAB_EXTRAS)):
        return False
    if name.startswith(FONT_PACKAGE):
        return name.removeprefix(FONT_PACKAGE) in FONT_FILES
    return parts[0] not in BUILD_PACKAGES and not (parts[0] == "stripe" and parts[1] in STRIPE_TYPE_PACKAGES)


def trim_aws_descriptions(data: Path) -> None:
    """Leave out what botocore reads at each start and never uses: 1.2 MB of endpoints of other services, and documentation."""
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: service for name, service in partition["services"].items() if name in AWS_SERVICES}
    (data / "endpoints.json").write_bytes(_encode(endpoints))
    for file in data.rglob("*.json.gz"):
        description = _without_documentation(json.loads(gzip.decompress(file.read_bytes())))
        for parameter in description.get("clientContextParams", {}).values():
            parameter["documentation"] = ""  # which botocore asks for at each call of S3
        file.write_bytes(gzip.compress(_encode(description), mtime=0))


def _without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        # An attribute of that name has a description; documentation is text.
        return {key: _without_documentation(part) for key, part in value.items() if key != "documentation" or not isinstance(part, str)}
    if isinstance(value, list):
        return [_without_documentation(part) for part in value]
    return value


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _compile(folder: Path) -> None:
    """Compile all modules. Raises ValueError if one cannot be compiled."""
    # "Unchecked": Python takes what is compiled as it is, and need not look at the source.
    mode = PycInvalidationMode.UNCHECKED_HASH
    for path in sorted(folder.iterdir()):
        keeps_source = path.name in WITH_SOURCE
        compile_all = compileall.compile_file if path.suffix == ".py" else compileall.compile_dir
        if (path.is_dir() or path.suffix == ".py") and not compile_all(
            str(path), quiet=1, legacy=not keeps_source, invalidation_mode=mode, stripdir=str(folder), prependdir=_LAMBDA_FOLDER
        ):
            raise ValueError(f"{path.name} cannot be compiled; the lines above say why")
        if not keeps_source:
            for source in [path] if path.suffix == ".py" else path.rglob("*.py"):
                source.unlink()


def _write(folder: Path, artefact: Path) -> None:
    with zipfile.ZipFile(artefact, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)).replace(os.sep, "/"), (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16  # Lambda runs as a user of its own, who must be able to read it
            target.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
