"""The history of an event says in words what was changed: of each field and each action that the audit log can have."""

import ast
import re
from pathlib import Path

from chalicelib.catalog.model import Event, Tier
from chalicelib.promotions.model import PromoCode
from tests.javascript import WEB, run_module

TEXTS = WEB / "src" / "manage" / "texts" / "en"
CODE = Path(__file__).parents[2] / "chalicelib"
RUN = """
import { createInterface } from "node:readline";
import { EVENT_FIELDS, LINE_FIELDS } from "$WEB/src/manage/events/event-fields.ts";
import { HIDDEN, changesOf } from "$WEB/src/manage/history/changes.ts";
import { TIER_FIELDS } from "$WEB/src/manage/tickets/tier-fields.ts";
const FORMS = [EVENT_FIELDS, LINE_FIELDS, TIER_FIELDS].flatMap(Object.keys);
for await (const line of createInterface({ input: process.stdin })) {
  const changes = JSON.parse(line);
  console.log(JSON.stringify(changes === null ? [...HIDDEN, ...FORMS] : changesOf(changes)));
}
"""
AUDITED = re.compile(r"(event|tier|ticket|order|orders|refund|member|promo_code|message|waiting_room|waitlist)\.[a-z_]+")
OF_MAILS = {"order.paid"}  # named beside actions of the log, but never written to it


def test_every_field_that_people_can_change_has_a_name():
    (hidden_or_in_a_form,) = run_module(RUN, [None])
    named = set(re.findall(r"^  ([a-z_]+): \"", (TEXTS / "history.ts").read_text(), re.MULTILINE))
    changeable = {name for kind in (Event, Tier, PromoCode) for name in kind.__annotations__}
    assert changeable - set(hidden_or_in_a_form) - named == set()


def test_every_action_of_an_event_has_words():
    worded = set(re.findall(r'^  "([a-z_.]+)": "', (TEXTS / "history.ts").read_text(), re.MULTILINE))
    written = {action for path in CODE.rglob("*.py") for action in _audited_in(path.read_text())}
    assert {"waiting_room.rate", "ticket.guest_named", "promo_code.changed"} <= written
    assert written - OF_MAILS - worded == set()


def test_settings_of_several_parts_are_shown_part_by_part():
    change = {"waiting_room": {"before": {"wave_size": 4, "enabled": True}, "after": {"wave_size": 9, "enabled": True}}}
    switched = {"waitlist": {"before": None, "after": {"enabled": False}}, "shards": {"before": [1], "after": [2]}}
    asked = {"options": {"before": [], "after": [{"id": "1", "label": "Dinner"}]}, "package_ids": {"before": None, "after": ["a"]}}
    parts, switch, questions = run_module(RUN, [change, switched, asked])
    assert parts == [{"name": "wave_size", "before": 4, "after": 9, "isLong": False}]
    assert switch == [{"name": "has_waitlist", "before": None, "after": False, "isLong": False}]
    assert [(one["name"], one["isLong"]) for one in questions] == [("options", True), ("package_ids", False)]


def _audited_in(source: str) -> set[str]:
    """Return the actions that a module writes to the audit log, without the program's own log lines."""
    if "audit.entry_item(" not in source:
        return set()
    tree = ast.parse(source)
    logged = {id(part) for node in ast.walk(tree) if _is_log(node) for part in ast.walk(node)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in logged]
    return {text for text in texts if isinstance(text, str) and AUDITED.fullmatch(text)}


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("log", "logger")
