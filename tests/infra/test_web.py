"""The build of the pages: when it runs, which Node it takes, and what makes it fail."""

import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from chalicelib.foundation import settings
from infra import web


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose shop is one file and one for each language, and whose managers' pages load another one later, and their own texts.

    npm is not called, and Vite copies the files as often as it is run.
    """
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "web" / "node_modules").mkdir()
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    (tmp_path / "web" / "src" / "main.ts").write_text("start()")
    (tmp_path / "web" / "src" / "chart.ts").write_text("draw()")
    for pages in web.LAZY_PAGES:
        (tmp_path / "web" / "src" / f"{Path(pages).stem}.ts").write_text("sign_in()")
    for folder in ("texts", "manage/texts"):
        (tmp_path / "web" / "src" / folder).mkdir(parents=True)
        for language in ("en", "es"):
            (tmp_path / "web" / "src" / folder / f"{language}.ts").write_text(language)
    modules = tmp_path / "chalicelib" / "waiting_room"
    modules.mkdir(parents=True)
    (modules / "verify.py").write_text("main = lambda: 3")
    paths = {"ROOT": tmp_path, "SOURCES": tmp_path / "web", "BUILT": tmp_path / ".build" / "web"}
    for name, path in {**paths, "_VERIFIER_MODULES": [modules / "verify.py"], "_WORDS": tmp_path}.items():
        monkeypatch.setattr(web, name, path)
    monkeypatch.setattr(web, "__file__", str(tmp_path / "web" / "src" / "main.ts"))
    monkeypatch.setattr(web, "install_packages", lambda folder, node: None)

    def run_vite(node: web.Node, arguments: list[str], **variables: str) -> None:
        target = Path(arguments[arguments.index("--outDir") + 1])
        target.mkdir(parents=True)
        for name in (
            "main",
            "chart",
            *(Path(pages).stem for pages in web.LAZY_PAGES),
            "texts/en",
            "texts/es",
            "manage/texts/en",
            "manage/texts/es",
        ):
            source = tmp_path / "web" / "src" / f"{name}.ts"
            (target / f"{name.replace('/texts/', '-').removeprefix('texts/')}.js").write_bytes(source.read_bytes())
        (target / web.WIDGET).write_bytes(b"")
        texts = ["src/texts/en.ts", "src/texts/es.ts"]
        own_texts = ["src/manage/texts/en.ts", "src/manage/texts/es.ts"]
        head = "<title>Shop</title>\n<script src='/assets/early-requests-1.js'></script>\n<link href='/main.css'>"
        (target / "index.html").write_text(f"<head>\n{head}\n</head><body></body>")
        manifest = {
            "index.html": {"file": "main.js", "dynamicImports": [*web.LAZY_PAGES, *texts]},
            **{pages: {"file": f"{Path(pages).stem}.js", "imports": ["index.html"]} for pages in web.LAZY_PAGES},
            "manage.html": {"file": "main.js", "dynamicImports": ["src/chart.ts", *texts, *own_texts]},
            "door.html": {"file": "main.js"},
            "src/chart.ts": {"file": "chart.js", "imports": ["manage.html"]},
            "src/texts/en.ts": {"file": "en.js"},
            "src/texts/es.ts": {"file": "es.js"},
            "src/manage/texts/en.ts": {"file": "manage-en.js"},
            "src/manage/texts/es.ts": {"file": "manage-es.js"},
        }
        (target / ".vite").mkdir(exist_ok=True)
        (target / ".vite" / "manifest.json").write_text(json.dumps(manifest))
        (target / "addons.txt").write_text(variables["FAIRGATE_ADDONS"])
        with (tmp_path / "runs").open("a") as log:
            log.write(".")

    monkeypatch.setattr(web, "_run", run_vite)
    return tmp_path


def test_pages_are_built_again_only_when_a_source_has_changed(project):
    web.build()
    web.build()
    (project / "web" / "node_modules" / "vite.js").write_text("not a source")
    web.build()
    assert (project / "runs").read_text() == "."
    (project / "web" / "src" / "main.ts").write_text("start(2)")
    web.build()
    assert (project / "runs").read_text() == ".."
    assert (web.BUILT / "main.js").read_text() == "start(2)"


def test_pages_for_some_addons_are_built_beside_those_for_all(project):
    everything, some, core = web.build(), web.build(["reports", "waitlist"]), web.build([])
    assert everything == web.BUILT
    assert [(folder / "addons.txt").read_text() for folder in (everything, some, core)] == [
        ",".join(settings.ADDONS),
        "reports,waitlist",
        "",
    ]
    assert [web.build(), web.build(["reports", "waitlist"]), web.build([])] == [everything, some, core]
    assert (project / "runs").read_text() == "..."


def test_files_for_a_cdn_are_the_built_ones_without_our_stamp(project, tmp_path):
    web.copy_files(web.build(), tmp_path / "packed")
    scripts = [
        "account-pages.js",
        "addons.txt",
        "ballot.js",
        "bank-transfer.js",
        "beacon-proof.js",
        "card.js",
        "chart.js",
        "draw-verdict.js",
        "draw.js",
        "drop-report.js",
        "en.js",
        "es.js",
        "index.html",
        "invoice-fields.js",
        "line-access.js",
        "line-options.js",
        "line-tickets.js",
        "main.js",
        "manage-en.js",
        "manage-es.js",
        "public-changes.js",
        "second-factor.js",
        "seller-note.js",
        "staff-sign-in.js",
        "stock-ledger.js",
        "ticket-panels.js",
        "turn-mails.js",
        "verify.pyz",
        "widget.js",
    ]
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == scripts


def test_the_program_that_checks_draws_is_one_file_and_runs_without_the_source_code(project, tmp_path):
    program = web.build() / "verify.pyz"
    assert subprocess.run([sys.executable, "-I", "-S", str(program)], cwd=tmp_path.parent, check=False).returncode == 3
    before = program.read_bytes()
    (project / "web" / "src" / "main.ts").write_text("start(3)")
    assert (web.build() / "verify.pyz").read_bytes() == before


def test_files_for_a_cdn_name_the_legal_texts_of_the_stage(project, tmp_path):
    web.copy_files(web.build(), tmp_path / "packed", "https://legal.test")
    head = '<meta name="legal" content="https://legal.test"></head>'
    assert head in (tmp_path / "packed" / "index.html").read_text()
    assert head not in (web.BUILT / "index.html").read_text()


def test_too_much_javascript_fails_the_build_and_keeps_the_last_one(project, monkeypatch):
    web.build()
    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 50, "manage.html": 10_000})
    (project / "web" / "src" / "main.ts").write_text("a text that has more than fifty bytes, whatever gzip does")
    with pytest.raises(web.WebBuildFailed, match=r"index.html has .* budget of 50"):
        web.build()
    assert (web.BUILT / "main.js").read_text() == "start()"


def test_a_lazily_loaded_script_counts_only_for_pages_that_load_it(project, monkeypatch):
    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 60, "manage.html": 60})
    (project / "web" / "src" / "chart.ts").write_text("a text that has more than fifty bytes, whatever gzip does")
    with pytest.raises(web.WebBuildFailed, match=r"manage.html has .* budget of 60"):
        web.build()


@pytest.mark.parametrize("pages", web.LAZY_PAGES)
def test_pages_that_most_buyers_never_open_have_a_budget_of_their_own(project, monkeypatch, pages):
    (project / "web" / "src" / f"{Path(pages).stem}.ts").write_text("a text that has more than fifty bytes, whatever gzip does")
    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 60, pages: 1000, "manage.html": 1000})
    web.build()
    (project / "web" / "src" / "main.ts").write_text("start(2)")
    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 60, pages: 60, "manage.html": 1000})
    with pytest.raises(web.WebBuildFailed, match=rf"{pages} has .* budget of 60"):
        web.build()


def test_the_budget_counts_the_largest_language(project, monkeypatch):
    for language in ("en", "es"):
        (project / "web" / "src" / "texts" / f"{language}.ts").write_text(f"{language}: texts of more than fifty bytes, whatever gzip does")
    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 120, "manage.html": 10_000})
    web.build()
    (project / "web" / "src" / "texts" / "es.ts").write_text("es: " + " ".join(sha256(bytes([n])).hexdigest() for n in range(3)))
    with pytest.raises(web.WebBuildFailed, match=r"index.html has .* budget of 120"):
        web.build()


def test_texts_of_an_entry_count_with_the_shared_texts(project, monkeypatch):
    def fill(path: str, numbers: range) -> None:
        (project / "web" / "src" / path).write_text(" ".join(sha256(bytes([n])).hexdigest() for n in numbers))

    monkeypatch.setattr(web, "MAX_SCRIPT_BYTES", web.MAX_SCRIPT_BYTES | {"index.html": 10_000, "manage.html": 300})
    fill("texts/es.ts", range(3))
    fill("manage/texts/en.ts", range(3, 6))
    web.build()
    fill("manage/texts/es.ts", range(6, 9))
    with pytest.raises(web.WebBuildFailed, match=r"manage.html has .* budget of 300"):
        web.build()


def test_an_old_node_of_the_machine_gives_way_to_the_bundled_one(tmp_path, monkeypatch):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.19.1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    node = web.find_node()
    assert node.binary.parent != tmp_path
    version = subprocess.run([*node.npm, "--version"], capture_output=True, text=True, check=True).stdout
    assert int(version.split(".")[0]) >= 10


def test_a_machine_without_node_is_given_advice(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(web.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(web.WebBuildFailed, match="install it from"):
        web.find_node()


def test_without_a_network_npm_says_what_is_needed(project, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(web, "ROOT", project)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    lock = '{"name": "x", "lockfileVersion": 3, "packages": {"": {"dependencies": {"preact": "11.2.0"}}, "node_modules/preact": '
    (project / "web" / "package-lock.json").write_text(lock + '{"version": "11.2.0"}}}')
    (project / "web" / "package.json").write_text('{"name": "x", "dependencies": {"preact": "11.2.0"}}')
    monkeypatch.setenv("npm_config_cache", str(project / "cache"))
    with pytest.raises(web.WebBuildFailed, match="Check the network"):
        web.install_packages(project / "web", web.find_node())


@pytest.mark.slow
def test_a_page_that_uses_an_unknown_field_of_the_api_fails_the_check(tmp_path):
    (tmp_path / "page.ts").write_text(
        f'import {{ getEvent }} from "{web.SOURCES}/src/api";\n'
        'export const name: string = (await getEvent("proms")).name;\n'
        'export const title: string = (await getEvent("proms")).title;\n'
    )
    options = {"types": []}  # they are found from the folder of the pages alone
    project = {"extends": str(web.SOURCES / "tsconfig.json"), "compilerOptions": options, "include": ["page.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    with pytest.raises(web.WebBuildFailed) as caught:
        web.check_types(tmp_path)
    (fault,) = re.findall(r"^\S+/page\.ts.*", str(caught.value), re.MULTILINE)
    assert "page.ts(3," in fault
    assert "'title' does not exist" in fault


def test_the_shell_has_the_head_of_the_shop_without_its_own_tags_and_the_texts_of_each_language(project):
    shell = json.loads((web.build() / web.SHELL).read_text())
    assert shell == {"head": "<link href='/main.css'>", "texts": {"en": ["/en.js"], "es": ["/es.js"]}}
