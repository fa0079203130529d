"""What `make package` refuses."""

import platform
import sys
import zipfile

import pytest

from infra import package
from infra.template import functions


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "ROOT", tmp_path)
    for name in package.MAX_BYTES:
        with zipfile.ZipFile(tmp_path / name, "w") as made:
            made.writestr("app.py", "")
            made.writestr("chalicelib/shell.json", "{}")
            made.writestr("msgspec/_core.abi3.so", b"\x7fELF" + bytes(14) + b"\x3e\x00")  # the header of an extension for x86_64
    return tmp_path


def test_an_extension_for_another_architecture_is_a_problem(folder, monkeypatch, capsys):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert package.check_artifact(folder, "x86_64") == []
    zips = ("deployment.zip", "documents.zip")
    assert package.check_artifact(folder, "arm64") == [f"{name}: msgspec/_core.abi3.so is not for arm64" for name in zips]
    assert "not tried" in capsys.readouterr().out


def test_a_zip_that_does_not_run_or_is_too_large_is_a_problem(folder, monkeypatch):
    monkeypatch.setattr(package, "MAX_BYTES", {"documents.zip": (10, 1000)})
    architecture = next((name for name, machines in functions.ARCHITECTURES.items() if platform.machine() in machines), None)
    if sys.platform != "linux" or architecture is None:
        pytest.skip("runs the zip on Linux")
    too_large, fails = package.check_artifact(folder, architecture)
    assert too_large.startswith("documents.zip: the zip has ")
    assert fails.startswith("documents.zip: the unpacked zip does not run on its own: ")


def test_snapstart_needs_a_version_of_python_that_has_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["package", "--snapstart", "on"])
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    with pytest.raises(SystemExit) as ended:
        package.main()
    assert ended.value.code == 2
    assert "Python 3.12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("STAGE", "porduction", "stage must be dev or prod or core, not 'porduction'; the nearest name is prod"),
        ("STAGE", "local", "stage must be dev or prod or core, not 'local'; the nearest name is "),
        ("ARCH", "x86", "architecture must be arm64 or x86_64, not 'x86'; the nearest name is x86_64"),
        ("SNAPSTART", "yes", "snapstart must be on or off, not 'yes'; the nearest name is "),
    ],
)
def test_a_wrong_value_of_a_variable_is_named_with_the_nearest_one(monkeypatch, capsys, variable, value, message):
    monkeypatch.setattr(sys, "argv", ["package"])
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        package.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_requirement_without_a_wheel_is_a_problem(tmp_path):
    """Chalice warns, and packages the rest."""
    packed = {"documents.zip": ("argon2_cffi-25.1.0", "pyjwt-2.15.1"), "fonts.zip": ("python/manimgx_fonts-2026.9.26",)}
    for file, names in packed.items():
        with zipfile.ZipFile(tmp_path / file, "w") as zipped:
            for name in names:
                zipped.writestr(f"{name}.dist-info/METADATA", "")
    problems = package.missing_requirements(tmp_path)
    assert any(problem.startswith("the zip lacks Pillow:") for problem in problems)
    assert any(problem.startswith("the zip lacks manimgx-fonts-cjk:") for problem in problems)
    known = ("argon2", "PyJWT", "chalice:", "manimgx-fonts:")
    assert not any(name in problem for problem in problems for name in known)
