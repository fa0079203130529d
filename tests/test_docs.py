"""The pages of the documentation: their links lead to files and sections that exist, and their lines fit a screen."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from app import app
from chalicelib.accounts.api import LoginBody, LogoutBody, NewAccount, NewAddress, PasswordChange, PasswordReset
from chalicelib.accounts.directory.api import UserChanges, UsersQuery
from chalicelib.admin.api import RefundBody
from chalicelib.catalog.forms import EventChanges, TierChanges
from chalicelib.checkin.api import CheckInBody, OfflineScan, SyncBody, UndoBody
from chalicelib.errors import ApiError
from chalicelib.outgoing_webhooks.model import EventType
from chalicelib.packages.forms import NewPackage
from chalicelib.payments.providers.stripe_mapping import EVENT_TYPES
from chalicelib.promotions.forms import PromoCodeChanges
from chalicelib.promotions.views import ValidationView
from chalicelib.purchases.checkout.api import CheckoutBody
from chalicelib.purchases.orders.api import OrderBody
from chalicelib.purchases.package_orders.api import PackagePurchaseBody
from chalicelib.rollouts.document import BootstrapDocument, EventEntry, EventMetadata, SaleWindow, TicketEntry
from chalicelib.tickets.seats.model import NamedGuest
from chalicelib.tickets.seats.views import GuestView, SeatView, TicketSeatsView
from chalicelib.tickets.views import TicketEvent, TicketTier, TicketView
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waitlist.api import NewEntry
from infra import tables
from tests.each_file import ROOT, each_file
from tests.test_tidy import CODE, UNPLAIN

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MAX_LINE_LENGTH = 160

each_page = each_file(PAGES)


def shell_blocks(page: Path) -> list[str]:
    """The commands of a page; tests/test_docs_commands.py runs them."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _relative_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if not target.startswith(("https://", "http://"))]


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or (anchor != "" and anchor not in _anchors(target))


@each_page
def test_links_lead_to_what_exists(page):
    assert [link for link in _relative_links(page) if _is_broken(page, link)] == []


def test_every_page_is_in_the_index():
    """A decision is found in its folder."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _relative_links(index)}
    decisions = ROOT / "docs" / "decisions"
    assert [str(page.relative_to(ROOT)) for page in PAGES if page != index and page not in linked and decisions not in page.parents] == []
    assert decisions in linked


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@each_page
def test_lines_are_short(page):
    """Except rows of tables, which Markdown cannot break."""
    lines = page.read_text(encoding="utf-8").splitlines()
    long = [number for number, line in enumerate(lines, start=1) if len(line) > MAX_LINE_LENGTH and not line.startswith("|")]
    assert long == [], f"lines of more than {MAX_LINE_LENGTH} characters"


@each_page
def test_words_are_plain(page):
    assert UNPLAIN.findall(page.read_text(encoding="utf-8")) == []


def test_files_that_the_code_names_exist():
    """`docs/<page>.md` in comments, docstrings and messages."""
    named = {page for path in [*CODE, ROOT / "Makefile"] for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8"))}
    assert sorted(page for page in named if not (ROOT / page).exists()) == []


@each_page
def test_commands_can_be_pasted(page):
    """An interactive zsh takes # for a command, a <word> is a redirection everywhere, and many systems have no `python`."""
    lines = [line for block in shell_blocks(page) for line in block.splitlines()]
    assert [line for line in lines if re.search(r"(^|\s)#|<[a-z]|(^|\s)python -m|\.\.\.$", line)] == []


@each_page
def test_commands_in_the_text_exist(page):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][\w -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    known = {name for names in targets for name in names.split()}
    assert set(re.findall(r"`make ([a-z]+)", text)) <= known
    modules = {name.rstrip(".") for name in re.findall(r"python -m ((?:bench|bootstrap|infra)[\w.]*)", text)}
    assert [
        name for name in modules if not (ROOT / name.replace(".", "/")).is_dir() and not (ROOT / f"{name.replace('.', '/')}.py").exists()
    ] == []


@each_page
def test_routes_in_the_text_exist(page):
    """`GET /events/{id}`, whatever the parameters are called."""
    routes = {(method, re.sub(r"{\w+}", "{}", path)) for path, methods in app.routes.items() for method in methods}
    named = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (?:/api/v1)?(/[^`\s?\[]*)", page.read_text(encoding="utf-8"))
    asked = {(method, re.sub(r"{\w+}|<\w+>|\b\d+\b", "{}", f"/v1{path}")) for method, path in named if "..." not in path}
    # A decision says what was so when it was made.
    assert asked <= routes or page.parent.name == "decisions", sorted(asked - routes)


def _kinds_of(error: type[ApiError]) -> Iterator[type[ApiError]]:
    """An error and all that are made of it; `app` has loaded them."""
    yield error
    for kind in error.__subclasses__():
        yield from _kinds_of(kind)


@each_page
def test_errors_in_the_text_have_their_status(page):
    """`404 `order_not_found``, as callers get it; the fake Stripe has errors of its own."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    pairs = {(int(status), code) for status, code in re.findall(r"\b([45]\d\d) `([a-z_]+)`", text)}
    pairs |= {(int(status), code) for code, status in re.findall(r"`([a-z_]+)` \(([45]\d\d)\)", text)}
    known = {(error.status, error.code) for error in _kinds_of(ApiError)}
    assert pairs <= known or page.name == "fake-stripe.md", sorted(pairs - known)


def test_names_in_the_text_are_in_the_code():
    """Those with an underscore, of fields, settings, metrics and functions; not those that a page quotes from elsewhere."""
    quoting = {"CHANGELOG.md", "glossary.md", "vendor-names.md", "engines.md", "testing.md"}
    pages = [page for page in PAGES if page.name not in quoting and page.parent.name != "decisions"]
    sources = [*(path for path in CODE if path.relative_to(ROOT).parts[0] != "tests"), *(ROOT / "web" / "src").rglob("*.ts*")]
    code = "".join(path.read_text(encoding="utf-8") for path in [*sources, ROOT / ".chalice" / "config.json"])
    names = {(page.name, name) for page in pages for name in re.findall(r"`\.?([a-z]+(?:_[a-z]+)+)`", page.read_text(encoding="utf-8"))}
    assert sorted((page, name) for page, name in names if name not in code) == []


@pytest.mark.parametrize("page", ["runbook", "operations", "drops"])
def test_what_operators_look_for_is_written_by_the_code(page):
    """Names of log lines, of metrics and of settings, as far as they are not put together."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in CODE if path.relative_to(ROOT).parts[0] != "tests")
    names = set(re.findall(r"`([a-z]+_[a-z_]+|[a-z_]+\.[a-z_]+|FAIRGATE_[A-Z_]*[A-Z])`", text))
    sought = {name: name.removeprefix("FAIRGATE_").lower() if name.startswith("FAIRGATE_") else name for name in names}
    outcomes = (".failed", ".done", ".batch_failed")
    assert sorted(name for name, words in sought.items() if words not in code and not name.endswith(outcomes)) == []


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("bootstrap", [EventEntry, EventMetadata, TicketEntry, SaleWindow, BootstrapDocument]),
        ("events", [EventChanges, TierChanges]),
    ],
)
def test_pages_describe_every_field(page, fields):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    names = {field.encode_name for kind in fields for field in msgspec.structs.fields(kind)}
    assert sorted(name for name in names if not re.search(rf"`(\w+\.|\.)?{name}[`.]", text)) == []


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("accounts", [NewAccount, LoginBody, LogoutBody, PasswordChange, PasswordReset, NewAddress, UserChanges, UsersQuery]),
        ("checkin", [CheckInBody, UndoBody, SyncBody, OfflineScan]),
        ("orders", [OrderBody]),
        ("packages", [NewPackage, PackagePurchaseBody]),
        ("payments", [CheckoutBody, RefundBody]),
        ("promo-codes", [PromoCodeChanges, ValidationView]),
        ("tickets", [NamedGuest, TicketView, TicketEvent, TicketTier, SeatView, GuestView, TicketSeatsView]),
        ("waiting-room", [Segment]),
        ("waitlist", [NewEntry]),
    ],
)
def test_pages_name_every_field(page, fields):
    """What callers may send, and the replies that a page describes in full."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    names = {field.encode_name for kind in fields for field in msgspec.structs.fields(kind)}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", text)) == []


@each_page
def test_pages_for_those_who_manage_exist(page):
    addresses = re.findall(r'path: "(/manage[^"]*)"', (ROOT / "web" / "src" / "manage" / "pages.ts").read_text(encoding="utf-8"))
    known = {re.sub(r":\w+", "<>", address) for address in addresses}
    named = {re.sub(r"<\w+>", "<>", address) for address in re.findall(r"`(/manage[^`]*)`", page.read_text(encoding="utf-8"))}
    assert named <= known, sorted(named - known)


@pytest.mark.parametrize("page", ["checkin", "promoters", "try-a-drop"])
def test_what_is_to_be_pressed_is_on_the_pages_of_the_shop(page):
    """What stands in italics there, in English; two of these are the browsers' own. The guide of packages has a test of its own."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    names = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text)) - {"Add to home screen", "Install"}
    shown = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "web" / "src").rglob("*.ts*"))
    assert names
    assert sorted(name for name in names if f'"{" ".join(name.split())}' not in shown) == []


def test_the_page_of_payments_has_the_types_of_events_that_are_handled():
    [rows] = re.findall(r"answered with 200 and `ignored`:\n\n((?:- .+\n)+)", (ROOT / "docs" / "payments.md").read_text(encoding="utf-8"))
    types = set()
    for row in rows.splitlines():
        first, *others = re.findall(r"`([\w.]+)`", row)
        # `payment_intent.succeeded`, `.canceled`: the others begin as the first one does.
        types |= {first, *(first.rpartition(".")[0] + name if name.startswith(".") else name for name in others)}
    assert types == set(EVENT_TYPES)


def test_the_page_of_webhooks_has_the_types_that_are_sent():
    sent = get_args(EventType)
    assert _names_in_rows("webhooks.md", "## What is sent") == [*sent, "ping"]


def _names_in_rows(page: str, heading: str) -> list[str]:
    """The names in the first cells of the table below a heading."""
    section = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, flags=re.MULTILINE)
    return [name for cell in cells for names in re.findall(r"`([^`]*)`", cell) for name in names.split()]


def test_the_architecture_has_a_row_for_each_feature():
    features = {path.stem for path in (ROOT / "chalicelib").glob("[a-z]*") if path.is_dir() or path.suffix == ".py"}
    assert features - {"cold_start", "snapstart"} == set(_names_in_rows("architecture.md", "## Features, lowest first"))


@pytest.mark.parametrize(("page", "heading"), [("architecture.md", "## Tables"), ("accounts.md", "### Personal data, by table")])
def test_a_page_has_each_table_in_one_row(page, heading):
    assert sorted(_names_in_rows(page, heading)) == sorted(tables.definitions()), f"the rows of docs/{page} under {heading!r}"
