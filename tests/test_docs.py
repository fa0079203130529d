"""References in the documentation lead to existing things: links, commands, routes, errors, settings, and the tests of docs/claims.md."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from app import app
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.settings import DEPRECATED, Settings
from chalicelib.waiting_room import verify
from infra import cli
from tests.repository import CODE, PAGES, ROOT, name_of

CLAIMS = ROOT / "docs" / "claims.md"


def on_all_pages(find: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return page name -> result of `find`, without the pages for which the result is empty."""
    return {name_of(page): found for page in PAGES if (found := find(page))}


def shell_blocks(page: Path) -> list[str]:
    """Return the blocks of shell commands of a page. tests/test_docs_commands.py runs them."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _relative_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if not target.startswith(("https://", "http://"))]


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings in GitHub's form."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or (anchor != "" and anchor not in _anchors(target))


def test_links_lead_to_what_exists():
    assert on_all_pages(lambda page: [link for link in _relative_links(page) if _is_broken(page, link)]) == {}


def test_every_met_requirement_of_security_names_a_test():
    table = (ROOT / "docs" / "security.md").read_text().partition("| requirements | subject | state | where | tests |")[2]
    rows = [row.strip("|").split(" | ") for row in table.partition("\n\n")[0].splitlines()[2:]]
    met = {row[0].strip(): row[4] for row in rows if row[2].startswith("met")}
    assert len(met) > 20
    assert [requirements for requirements, tests in met.items() if not re.search(r"\]\(\.\./(web/)?tests?/\S+\.\w+\)", tests)] == []


def test_every_page_is_in_the_index():
    """The index links the folder of the decisions, not each decision."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _relative_links(index)}
    decisions = ROOT / "docs" / "decisions"
    assert [name_of(page) for page in PAGES if page != index and page not in linked and decisions not in page.parents] == []
    assert decisions in linked


def test_pages_that_the_code_names_exist():
    """Covers `docs/<page>.md` in comments, docstrings and messages."""
    named = {page for path in [*CODE, ROOT / "Makefile"] for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8"))}
    assert sorted(page for page in named if not (ROOT / page).exists()) == []


def test_commands_can_be_pasted():
    """An interactive zsh runs # as a command, every shell reads <word> as a redirection, and many systems have no `python`."""
    unsafe = re.compile(r"(^|\s)#|<[a-z]|(^|\s)python -m|\.\.\.$")
    assert on_all_pages(lambda page: [line for block in shell_blocks(page) for line in block.splitlines() if unsafe.search(line)]) == {}


def _unknown_commands(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][\w -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    known = {name for names in targets for name in names.split()}
    modules = {name.rstrip(".") for name in re.findall(r"python -m ((?:bench|bootstrap|infra)[\w.]*)", text)}
    paths = {module: ROOT / module.replace(".", "/") for module in modules}
    words = re.findall(r"`fairgate ([a-z][a-z-]*)(?: [^`,]*)?`", text) if page.parent.name != "decisions" else []
    missing = [f"fairgate {word}" for word in words if word not in {*cli.COMMANDS, "help"}]
    missing += [module for module, path in paths.items() if not path.is_dir() and not path.with_suffix(".py").exists()]
    return sorted({*re.findall(r"`make ([a-z][a-z-]*)", text)} - known) + missing


def test_commands_in_the_text_exist():
    assert on_all_pages(_unknown_commands) == {}


def _unknown_options(page: Path) -> list[str]:
    """Return the options of verify.pyz in the commands of a page that the program does not have."""
    commands = re.findall(r"^    python verify\.pyz (.*(?:(?<=\\)\n.*)*)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    known = {option for action in verify.parser()._actions for option in action.option_strings}
    return sorted({option for command in commands for option in re.findall(r"--[a-z]+", command)} - known)


def test_options_of_the_verifier_exist():
    assert on_all_pages(_unknown_options) == {}
    page = (ROOT / "docs" / "waiting-room.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^    python verify\.pyz https(.*(?:(?<=\\)\n.*)*)", page, flags=re.MULTILINE)
    assert re.findall(r"--[a-z]+", command) == ["--commitment", "--root", "--round", "--entries"]  # all that the exit code 0 needs


def _unknown_routes(page: Path) -> list[str]:
    """Return the routes on a page, such as `GET /events/{id}`, that the app does not have. Names of parameters may differ.

    `/webhooks/{provider}` stands for the webhooks of all payment providers.
    Pages of decisions are skipped, because a decision names the routes of its time.
    """
    routes = {(method, re.sub(r"{\w+}", "{}", path)) for path, methods in app.routes.items() for method in methods}
    routes.add(("POST", "/v1/webhooks/{}"))
    named = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (?:/api/v1)?(/[^`\s?\[]*)", page.read_text(encoding="utf-8"))
    asked = {(method, re.sub(r"{\w+}|<\w+>|\b\d+\b", "{}", f"/v1{path}")) for method, path in named if "..." not in path}
    return [] if page.parent.name == "decisions" else [" ".join(route) for route in sorted(asked - routes)]


def test_routes_in_the_text_exist():
    assert on_all_pages(_unknown_routes) == {}


def _kinds_of(error: type[ApiError]) -> Iterator[type[ApiError]]:
    """Yield an error and all its subclasses that `app` has loaded."""
    yield error
    for kind in error.__subclasses__():
        yield from _kinds_of(kind)


def _wrong_errors(page: Path) -> list[str]:
    """Return pairs of status and error code on a page that the API does not have. The page of the fake Stripe names other errors.

    Both forms are found: `404 `order_not_found`` and `` `order_not_found` (404)``.
    """
    text = " ".join(page.read_text(encoding="utf-8").split())
    pairs = {(int(status), code) for status, code in re.findall(r"\b([45]\d\d) `([a-z_]+)`", text)}
    pairs |= {(int(status), code) for code, status in re.findall(r"`([a-z_]+)` \(([45]\d\d)\)", text)}
    known = {(error.status, error.code) for error in _kinds_of(ApiError)}
    return [] if page.name == "fake-stripe.md" else [f"{status} {code}" for status, code in sorted(pairs - known)]


def test_errors_in_the_text_have_their_status():
    assert on_all_pages(_wrong_errors) == {}


def _unknown_settings(page: Path) -> list[str]:
    named = set(re.findall(r"\bFAIRGATE_([A-Z_]*[A-Z])\b", page.read_text(encoding="utf-8")))
    known = {field.name.upper() for field in msgspec.structs.fields(Settings)}
    known |= {name.upper() for name in DEPRECATED}
    is_history = page.name == "CHANGELOG.md" or page.parent.name == "decisions"
    return [] if is_history else sorted(name for name in named if not any(each.startswith(name) for each in known))


def test_settings_in_the_text_exist():
    assert on_all_pages(_unknown_settings) == {}


def _is_missing(shown_by: str) -> bool:
    """Whether a test, module or make target that docs/claims.md names does not exist."""
    if shown_by.startswith("python -m "):
        path = ROOT / shown_by.split()[2].replace(".", "/")
        return not path.with_suffix(".py").exists() and not (path / "__main__.py").exists()
    if shown_by.startswith("make "):
        return not re.search(rf"^{shown_by.split()[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    path, _, test = shown_by.partition("::")
    return not (ROOT / path).exists() or (test != "" and f"def {test}(" not in (ROOT / path).read_text())


def test_what_shows_a_claim_exists():
    shown_by = re.findall(r"`((?:tests/\w|bench/|python -m |make )[^`]*)`", CLAIMS.read_text(encoding="utf-8"))
    assert shown_by
    assert [each for each in shown_by if _is_missing(each)] == []
