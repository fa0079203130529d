"""The commands, each from arguments to what is printed and the exit code: 0 done or nothing to do, 1 faults, refusals or drift."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from bootstrap import apply as applying
from bootstrap.faults import Faulty
from bootstrap.parse import Tree, load
from bootstrap.plan import Plan
from bootstrap.validate import Checked, checked, checked_tree
from chalicelib import clock
from chalicelib.catalog import service as catalog


def validate(arguments: Namespace) -> int:
    found = _checked(arguments)
    document = found.document
    facts = {"valid": True, "checksum": found.checksum, "events": len(document.events), "ticket_types": len(document.ticket_types)}
    text = f"valid: {len(document.events)} events, {len(document.ticket_types)} ticket types, checksum {found.checksum}"
    return _said(arguments, facts, [text])


def plan(arguments: Namespace) -> int:
    planned = applying.plan(_checked(arguments))
    facts = {"head": planned.head.version, "checksum": planned.checksum, "unchanged": planned.clean, "changes": planned.lines}
    _said(arguments, {**facts, "refusals": planned.refusals}, [*_diff(planned), *planned.refusals])
    return 1 if planned.refusals else 0


def apply(arguments: Namespace) -> int:
    return _applied(arguments, _checked(arguments), "catalog.applied", {})


def rollback(arguments: Namespace) -> int:
    found = checked_tree(_document(arguments.version))
    return _applied(arguments, found, "catalog.rolled_back", {"rolled_back_to": arguments.version})


def status(arguments: Namespace) -> int:
    head, served = catalog.standing()
    if not head.version:
        return _said(arguments, {"version": 0, "revision": head.revision}, ["nothing was applied yet"])
    counts = {
        "events": sum(event.managed_by == "bootstrap" and not event.removed for event in served.events.values()),
        "ticket_types": sum(tier.managed_by == "bootstrap" and not tier.removed for tier in served.tiers.values()),
        "events_of_the_api": sum(event.managed_by == "api" for event in served.events.values()),
        "tiers_of_the_api": sum(tier.managed_by == "api" for tier in served.tiers.values()),
        "paused": sum(event.paused for event in served.events.values()),
    }
    facts = {
        "version": head.version,
        "revision": head.revision,
        "checksum": head.checksum,
        "applied_at": clock.iso(head.at),
        "applied_by": head.by,
        **counts,
        "versions": [{"version": one.version, "at": clock.iso(one.at), "by": one.by} for one in catalog.versions(10)],
    }
    lines = [f"head: version {head.version}, applied {clock.iso(head.at)} by {head.by}", f"checksum: {head.checksum}"]
    lines.append(", ".join(f"{name}: {number}" for name, number in counts.items()))
    lines += [f"  version {one.version}, {clock.iso(one.at)}, {one.by}" for one in catalog.versions(10)]
    return _said(arguments, facts, lines)


def drift(arguments: Namespace) -> int:
    planned = applying.plan(_checked(arguments))
    differs = not planned.clean
    lines = ["drift: the store is not as the file says", *_diff(planned), *planned.refusals] if differs else ["no drift"]
    _said(arguments, {"drift": differs, "differences": [*planned.lines, *planned.refusals]}, lines)
    return 1 if differs else 0


def export(arguments: Namespace) -> int:
    version = arguments.version or catalog.standing()[0].version
    if not version:
        raise Unusable("nothing was applied yet, so there is nothing to export")
    text = json.dumps(_document(version), indent=2, ensure_ascii=False) + "\n"
    if arguments.output:
        Path(arguments.output).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


class Unusable(Exception):
    """The command can't do anything with its arguments; the message says why."""


def faults(arguments: Namespace, error: Faulty) -> list[str]:
    """What is printed for people; scripts that asked for JSON get it on the standard output."""
    if arguments.json:
        print(msgspec.json.encode({"valid": False, "faults": error.faults}).decode())
    plural = "fault" if len(error.faults) == 1 else "faults"
    return [*map(str, error.faults), f"{len(error.faults)} {plural}; nothing was applied"]


def refused(arguments: Namespace, error: applying.Refused) -> list[str]:
    """As `faults`, for an apply that the store's state does not allow."""
    if arguments.json:
        print(msgspec.json.encode({"result": "refused", "reasons": error.reasons, "changes": error.plan.lines}).decode())
    return [*error.reasons, "refused; nothing was applied"]


def _applied(arguments: Namespace, found: Checked, action: str, facts: dict[str, Any]) -> int:
    done = applying.apply(found, arguments.actor, clock.now(), action=action, facts=facts)
    said = {
        "applied": f"applied as version {done.version}",
        "healed": f"version {done.version} is the head already; its stock was brought in line",
        "unchanged": f"version {done.version} is the head already; nothing to do",
    }[done.result]
    answer = {"result": done.result, "version": done.version, "checksum": found.checksum, "changes": done.plan.lines}
    return _said(arguments, answer, [*(_diff(done.plan) if done.result != "unchanged" else []), said])


def _checked(arguments: Namespace) -> Checked:
    return checked(load([Path(file) for file in arguments.files]))


def _document(version: int) -> Tree:
    raw = catalog.document(version)
    if raw is None:
        raise Unusable(f"there is no version {version}")
    tree: Tree = msgspec.json.decode(raw)
    return tree


def _diff(planned: Plan) -> list[str]:
    if planned.lines:
        return [f"against version {planned.head.version}:", *planned.lines]
    return [f"against version {planned.head.version}: nothing that readers would see"]


def _said(arguments: Namespace, facts: dict[str, Any], lines: list[str]) -> int:
    print(msgspec.json.encode(facts).decode() if arguments.json else "\n".join(lines))
    return 0
