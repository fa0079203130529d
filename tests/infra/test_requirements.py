"""Each requirements file suffices for its purpose: `make run` installs only requirements-run.txt."""

import re
import sys
from importlib import metadata

import grimp

from infra.cli import COMMANDS
from tests.repository import ROOT

# What `make run` and the commands of `fairgate` start. A deployment runs make, which installs what it needs in addition; a rehearsal says
# which packages it lacks.
STARTED = ["infra.web", "infra.cli", *sorted({command.module for command in COMMANDS.values()} - {"bench.rehearse"})]
ON_LAMBDA_ONLY = {"snapshot_restore_py"}
NAME = re.compile(r"[A-Za-z0-9._-]+")


def test_a_run_imports_only_what_its_requirements_install():
    packages = {"bootstrap", "chalicelib", "devtools", "infra"}
    graph = grimp.build_graph(*packages, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)
    started = [*STARTED, *graph.find_descendants("chalicelib")]  # app.py, which is in no package, imports those
    reached = set().union(*(graph.find_upstream_modules(module) for module in started))
    external = {module.partition(".")[0] for module in reached} - packages - sys.stdlib_module_names - {"app"} - ON_LAMBDA_ONLY
    distributions = metadata.packages_distributions()
    installed = _installed_by("requirements-run.txt")
    assert {"chalice", "boto3", "httptools"} <= external
    assert sorted(name for name in external if not installed & {_plain(one) for one in distributions.get(name, [name])}) == []


def _installed_by(file: str) -> set[str]:
    """The distributions that a file of requirements installs, with all that they require."""
    lines = (ROOT / file).read_text().splitlines()
    wanted = [line.partition("==")[0] for line in lines if "==" in line and line[0] != "#"]
    found = set().union(*(_installed_by(line.split()[1]) for line in lines if line.startswith("-r ")))
    while wanted:
        name = _plain(NAME.match(wanted.pop())[0])
        if name not in found:
            found.add(name)
            wanted += [required for required in _requires(name) if "extra ==" not in required]
    return found


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another system
        return []


def _plain(name: str) -> str:
    return name.partition("[")[0].lower().replace("_", "-")
