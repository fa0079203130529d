"""What `make package` refuses."""

import platform
import sys
import zipfile

import pytest

from infra import package


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "ROOT", tmp_path)
    with zipfile.ZipFile(tmp_path / "deployment.zip", "w") as made:
        made.writestr("app.py", "")
        made.writestr("msgspec/_core.cpython-311-x86_64-linux-gnu.so", "")
    return tmp_path


def test_an_extension_for_another_architecture_is_a_problem(folder, monkeypatch, capsys):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert package.check_artefact(folder, "x86_64") == []
    assert package.check_artefact(folder, "arm64") == ["msgspec/_core.cpython-311-x86_64-linux-gnu.so is not for arm64"]
    assert "not tried" in capsys.readouterr().out


def test_a_zip_that_does_not_run_or_is_too_large_is_a_problem(folder, monkeypatch):
    monkeypatch.setattr(package, "MAX_ZIP_BYTES", 10)
    architecture = next((name for name, machines in package.ARCHITECTURES.items() if platform.machine() in machines), None)
    if sys.platform != "linux" or architecture is None:
        pytest.skip("runs the zip on Linux")
    too_large, fails = package.check_artefact(folder, architecture)
    assert too_large.startswith("the zip has ")
    assert fails.startswith("the unpacked zip does not run by itself: ")


def test_snapstart_needs_a_version_of_python_that_has_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["package", "--snapstart", "on"])
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    with pytest.raises(SystemExit) as ended:
        package.main()
    assert ended.value.code == 2
    assert "Python 3.12" in capsys.readouterr().err
