"""The generated tables of the documentation: `make docs` writes them into the marked blocks of the pages.

A block begins with `<!-- generated: name -->` and ends with `<!-- end -->`; any page may have any block of `BLOCKS`. What a table says
comes from the code: settings and their descriptions, routes and their docstrings, errors and their messages, the models of the tables,
the template. With --check the command only names the pages whose blocks are not fresh.
"""

import json
import re
import sys
from argparse import Action, ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
from chalice.app import ScheduledEventConfig

import app
from bootstrap import files, interrupts
from chalicelib.addons.images import rendering
from chalicelib.addons.outgoing_webhooks import model as webhooks
from chalicelib.addons.waitlist import model as waitlist
from chalicelib.catalog import custom_options, fields, forms, quotas
from chalicelib.catalog.model import Event, Tier
from chalicelib.checkin.api import MAX_SCANS
from chalicelib.edge import auth, deprecations, error_replies, idempotency, routes, scheduled
from chalicelib.edge.openapi import list_errors, list_operations
from chalicelib.foundation import allowed_values, money, settings
from chalicelib.payments import service as payments
from chalicelib.purchases import answers, transitions
from chalicelib.purchases import model as purchases
from chalicelib.tickets import model as ticket_model
from infra import accessibility, cli, cold_starts, dead_letters, event_sources, package, tables
from infra.local import environment
from infra.template import alarms, functions, policies
from infra.template.stages import ROOT, deployed_stages

Row = Sequence[str]

_BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
# In the history of the decisions: a section's title and the decisions that it replaced, and a decision that is now on another page.
_REPLACED = re.compile(r"^## (.+)\n\n\*(?:Parts? of d|D)ecisions? ([\d, and]+)\.\*", re.MULTILINE)
_MERGED = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_KB, _MB = 1024, 1024 * 1024
_OWNERS = {"FunctionName": "function", "QueueName": "queue"}  # dimension of a metric -> what has it
CENTS_PER_ALARM_METRIC = 10  # a month, for each metric that an alarm asks for
_WRITES = {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m infra.docs", description="Write the generated tables of the documentation.")
    parser.add_argument("--check", action="store_true", help="only name the pages whose tables are not fresh")
    is_check = parser.parse_args(argv).check
    stale = stale_pages()
    for page, text in stale.items():
        if is_check:
            print(f"{page.relative_to(ROOT)} has tables that are not fresh; run `make docs` (python -m infra.docs).", file=sys.stderr)
        else:
            page.write_text(text, encoding="utf-8")
            print(f"Wrote the tables of {page.relative_to(ROOT)}.")
    return int(is_check and bool(stale))


def stale_pages() -> dict[Path, str]:
    """Return the pages whose blocks differ from the code, with the text that they should have. Raises KeyError for an unknown block."""
    pages = {page: page.read_text(encoding="utf-8") for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]}
    return {page: fresh for page, text in sorted(pages.items()) if (fresh := _BLOCK.sub(_write_block, text)) != text}


def _write_block(found: re.Match[str]) -> str:
    return f"{found[1]}\n{BLOCKS[found[2]]()}\n{found[3]}"


def _table(heading: Row, rows: Iterable[Row]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _code(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


# ------------------------------------------------------------------ decisions
def _decisions() -> str:
    """Return the number, title and state of each decision. Decisions without a page are in the history."""
    folder = ROOT / "docs" / "decisions"
    pages = {int(page.name[:4]): page for page in folder.glob("[0-9]*.md")}
    history = (folder / "history.md").read_text(encoding="utf-8")
    replaced = {int(number): title for title, numbers in _REPLACED.findall(history) for number in re.findall(r"\d+", numbers)}
    merged = {int(number): (title, target) for number, title, target in _MERGED.findall(history)}
    rows = []
    for number in range(1, max(pages) + 1):
        if number in pages:
            title = pages[number].read_text(encoding="utf-8").partition("\n")[0].partition(". ")[2]
            state = "in force, [replaced in part](history.md)" if number in replaced else "in force"
            rows.append((str(number), f"[{title}]({pages[number].name})", state))
        elif number in merged:
            rows.append((str(number), merged[number][0], f"in force, in {merged[number][1]}"))
        else:
            title, state = (replaced[number], "[replaced](history.md)") if number in replaced else ("", "never used")
            rows.append((str(number), title, state))
    return _table(("decision", "title", "state"), rows)


# ------------------------------------------------------------------ accessibility
def _accessibility() -> str:
    """Return the state of each criterion of EN 301 549 with its tests, and the tests behind the names of checks. `review` means people."""

    def shown_by(checks: Sequence[str]) -> str:
        return ", ".join(f"*{check}*" if check in accessibility.CHECKS else f"`{check}`" for check in checks) or "review"

    rows = [(each.clause, f"{each.name} ({each.level})", each.state, each.how, shown_by(each.checks)) for each in accessibility.CRITERIA]
    counts = ", ".join(f"{count} {state}" for state, count in accessibility.count_states().items())
    checks = [(f"*{name}*", what, _code(tests)) for name, (what, tests) in accessibility.CHECKS.items()]
    criteria = _table(("clause", "criterion (level)", "state", "how", "shown by"), rows)
    return f"{len(rows)} criteria: {counts}.\n\n{criteria}\n{_table(('check', 'what it tries', 'tests'), checks)}"


# ------------------------------------------------------------------ names
def _deprecated_names() -> str:
    """Return the deprecated names with their new ones, and the dates of all of them."""
    places: dict[tuple[str, str], list[str]] = {(old, new): ["errors"] for new, old in deprecations.ERROR_DETAILS.items()}
    for view, names in (*deprecations.VIEWS.items(), *deprecations.BODIES.items()):
        for new, old in names.items():
            places.setdefault((old, new), []).append(f"`{view}`")
    rows = [(f"`{old}`", f"`{new}`", ", ".join(where)) for (old, new), where in sorted(places.items())]
    values = ", ".join(f"`{old}` as the value of such a field is `{new}` under the new name" for new, old in deprecations.VALUES.items())
    dates = f"Deprecated on {deprecations.DEPRECATED_AT:%Y-%m-%d}, removed on {deprecations.SUNSET_AT:%Y-%m-%d} (sunset); {values}:"
    return f"{dates}\n\n{_table(('deprecated', 'new', 'in'), rows)}"


def _deprecated_settings() -> str:
    rows = [(f"`{settings.PREFIX}{name.upper()}`", applies) for name, applies in settings.DEPRECATED.items()]
    dates = f"Ignored since {deprecations.SETTINGS_DEPRECATED_AT:%Y-%m-%d}, refused from {deprecations.SUNSET_AT:%Y-%m-%d} (sunset):"
    return f"{dates}\n\n{_table(('setting', 'what applies instead'), rows)}"


# ------------------------------------------------------------------ settings and limits
def _description(field: Any) -> str:
    return next(meta.description for meta in _metas(field) if meta.description)


def _metas(field: Any) -> list[msgspec.Meta]:
    return [meta for meta in get_args(field.type)[1:] if isinstance(meta, msgspec.Meta)]


def _allowed_values(field: Any) -> str:
    """`1 to 24`, the values of a choice, or the title of a kind of text."""
    kind, *_ = get_args(field.type)
    bounds = [meta for meta in _metas(field) if not meta.description and not meta.extra]
    if kind is str:
        return next((meta.title for meta in bounds if meta.title), "")
    if kind is not int:
        return _code(get_args(kind))
    described = allowed_values.description(Annotated[(kind, *bounds)] if bounds else kind)
    return described.removeprefix("a whole number ").removeprefix("from ").removeprefix("of ")


def _settings() -> str:
    """Return a section with a table for each group of settings."""
    groups: dict[str, list[Row]] = {}
    for field in msgspec.structs.fields(settings.Settings):
        if title := next((meta.extra["group"] for meta in _metas(field) if meta.extra and "group" in meta.extra), None):
            rows = groups[title] = []
        default = f"`{field.default}`" if field.default != "" else ""
        rows.append((f"`{settings.PREFIX}{field.name.upper()}`", default, _allowed_values(field), _description(field)))
    heading = ("variable", "default", "values", "meaning")
    return "\n".join(f"## {title}\n\n{_table(heading, rows)}" for title, rows in groups.items())


def _local_defaults() -> str:
    rows = []
    for name, value in environment.LOCAL_DEFAULTS.items():
        is_refused = (name.lower(), value) in settings.NOT_IN_PRODUCTION
        in_production = settings.values_in_production(name.lower())[0] if is_refused else value
        rows.append((f"`{settings.PREFIX}{name}`", f"`{value}`", f"`{in_production}`" if name != "STAGE" else ""))
    return _table(("variable", "`make run`", f"with `{settings.PREFIX}STAGE={settings.PRODUCTION}`"), rows)


def _sizes() -> str:
    """The size limits of the API."""
    return _table(
        ("what", "at most"),
        [
            ("JSON body", f"{error_replies.MAX_BODY_BYTES // _KB} KB"),
            ("form with a file", f"{routes.MAX_FORM_BYTES // _MB} MB"),
            (
                "image",
                f"{rendering.MAX_IMAGE_BYTES // _MB} MB, {rendering.MAX_SIDE:,} pixels a side, "
                f"{rendering.MAX_PIXELS // 1_000_000} megapixels",
            ),
            ("bootstrap file", f"{files.MAX_BYTES // _MB} MB"),
            ("Idempotency-Key", f"{idempotency.MAX_KEY_LENGTH} characters"),
            ("price of a ticket", f"{money.MAX_PRICE_CENTS:,} cents"),
            ("tickets of one tier in a purchase", f"{purchases.MAX_QUANTITY}"),
            ("tiers in a purchase", f"{purchases.MAX_LINE_ITEMS}"),
            ("what is sent along with a checkout", f"{answers.MAX_DETAILS_BYTES // _KB} KB"),
            ("answers to the questions of packages", f"{answers.MAX_ANSWERS_BYTES // _KB} KB"),
            ("free-form answers about a guest", f"{ticket_model.MAX_ANSWERS_BYTES // _KB} KB"),
            ("tiers of an event", f"{quotas.MAX_TIERS}"),
            ("ticket types of an event in a bootstrap file", f"{quotas.MAX_FILE_TIERS}"),
            ("capacity of an event or a tier", f"{fields.MAX_CAPACITY:,} tickets"),
            (
                "metadata of an event or a tier",
                f"{forms.MAX_METADATA_BYTES // _KB} KB, nested at most {forms.MAX_METADATA_DEPTH} levels deep",
            ),
            ("questions of a package", f"{custom_options.MAX_OPTIONS}"),
            ("choices of a question", f"{custom_options.MAX_CHOICES}"),
            ("answer to a question", f"{custom_options.MAX_ANSWER_LENGTH} characters"),
            ("tiers of an entry of the waitlist", f"{waitlist.MAX_TIERS}"),
            ("scans in `POST /checkin/sync`", f"{MAX_SCANS}"),
            ("events at which somebody works", f"{auth.MAX_EVENTS}"),
            ("webhook endpoints of a promoter", f"{webhooks.MAX_ENDPOINTS}"),
        ],
    )


# ------------------------------------------------------------------ the API
def _routes() -> str:
    rows = [
        (
            f"`{operation.method} {operation.path}`",
            operation.access,
            " ".join((operation.handler.__doc__ or "").partition("\n\n")[0].split()),
        )
        for operation in list_operations(app.app.routes)
    ]
    return _table(("call", "access", "what it does"), rows)


def _errors() -> str:
    errors = {error.code: error for operation in list_operations(app.app.routes) for error in list_errors(operation)}
    rows = [(str(error.status), f"`{code}`", error.default_message) for code, error in errors.items()]
    return _table(("status", "`error`", "`message`"), sorted(rows))


def _fields(model: type[msgspec.Struct]) -> str:
    """The declared fields of an event or tier in the API."""
    rows = [
        (f"`{name}`", allowed_values.description(field.type), "everybody" if field.seen_by == "public" else "managers", field.meaning)
        for name, field in fields.declared_fields(model).items()
    ]
    return _table(("field", "values", "seen by", "meaning"), rows)


def _file_fields(model: type[msgspec.Struct]) -> str:
    """The declared fields of an event or ticket type in the bootstrap file."""
    declared = fields.declared_fields(model)
    rows = [
        (f"`{name}`", allowed_values.description(kind), f"`{json.dumps(default)}`", declared[name].meaning)
        for name, kind, default in fields.file_fields(model)
    ]
    return _table(("key", "values", "default", "meaning"), rows)


def _webhooks() -> str:
    """The address of each payment provider's webhook, with the event types to subscribe it to."""
    parts = []
    for provider in payments.descriptions():
        types = "".join(f"- `{name}`\n" for name in provider.event_types)
        following = f":\n\n{types}" if types else ". Each payment names this address, so there is nothing to subscribe to.\n"
        parts.append(f"{provider.title} sends its events to `POST /webhooks/{provider.name}`{following}")
    return "\n".join(parts)


def _purchase_states() -> str:
    states, triggers, actions = transitions.STATES, transitions.TRIGGERS, transitions.ACTIONS
    by_state = [(text, *(f"`{transitions.action_for(state, trigger)}`" for state in states)) for trigger, text in triggers.items()]
    table = _table(("", *(f"`{state}`" for state in states)), by_state)
    return f"{table}\n{_table(('action', 'what it does'), [(f'`{action}`', text) for action, text in actions.items()])}"


# ------------------------------------------------------------------ tables
def _tables() -> str:
    rows = []
    ttl, streamed, contents = tables.ttl_attributes(), tables.streamed(), tables.contents()
    for feature, definition in tables.definitions().items():
        indexes = [f"`{index['IndexName']}` on {_keys(index)}" for index in definition.get("GlobalSecondaryIndexes", [])]
        properties = [*(["expires"] if feature in ttl else []), *(["stream"] if feature in streamed else [])]
        rows.append((f"`{feature}`", _keys(definition), "; ".join(indexes), ", ".join(properties), contents[feature]))
    return _table(("table", "key", "indexes", "", "what it stores"), rows)


def _keys(definition: tables.TableDefinition) -> str:
    return _code(key["AttributeName"] for key in definition["KeySchema"])


def _personal_data() -> str:
    found = tables.personal_data()
    rows = [(f"`{feature}`", data.what, data.export, data.erasure) for feature, data in found.items() if data is not None]
    others = _code(feature for feature, data in found.items() if data is None)
    return f"{_table(('table', 'what it stores about people', 'in the export', 'on erasure'), rows)}\nNothing about people: {others}.\n"


# ------------------------------------------------------------------ the template
def _functions() -> str:
    config = json.loads((ROOT / ".chalice" / "config.json").read_bytes())
    rows = []
    for name in functions.FUNCTIONS:
        configured = config | config["lambda_functions"].get(name, {})
        if name in functions.MEMORY_MB:
            configured["lambda_memory_size"] = functions.MEMORY_MB[name]
        users = {
            "the secret": policies.READS_SECRETS,
            "mail": policies.SENDS_MAILS,
            "images": policies.FILES,
            "metrics": policies.READS_METRICS,
        }
        used = [what for what, by in users.items() if name in by]
        written = [table for table, actions in policies.TABLES[name].items() if _WRITES & set(actions.split())]
        size, seconds = f"{configured['lambda_memory_size']} MB", f"{configured['lambda_timeout']} s"
        rows.append((f"`{name}`", _caller(name), size, seconds, ", ".join(used), _code(written)))
    return _table(("function", "called", "memory", "timeout", "uses", "tables that it may write"), rows)


def _caller(function: str) -> str:
    if function not in functions.SCHEDULED and function not in event_sources.CONSUMERS:
        return "for each upload" if function in functions.BY_EVENTS else "by API Gateway"
    callers = [f"every {_period(scheduled.INTERVALS[function])}"] if function in functions.SCHEDULED else []
    callers += [f"for changes of {_code(event_sources.CONSUMERS[function])}"] if function in event_sources.CONSUMERS else []
    return ", ".join(callers)


def _jobs() -> str:
    jobs = [source for source in app.app.event_sources if isinstance(source, ScheduledEventConfig)]
    rows = [(f"`{job.name}`", f"every {_period(scheduled.INTERVALS[job.name])}", job.description) for job in jobs]
    return _table(("job", "runs", "what it does"), sorted(rows))


def _alarms() -> str:
    rows = []
    for alarm in alarms.alarms("prod"):
        if alarm.part == 1:
            limit = f"{'below' if alarm.below else 'above'} {alarm.threshold:,g}"
            rows.append((f"[{alarm.name}](#{alarm.name})", _figure(alarm), limit, _periods(alarm)))
    return _table(("alarm", "figure", "goes off", "for"), rows)


def _alarm_costs() -> str:
    lines = []
    for stage in deployed_stages():
        made = alarms.alarms(stage)
        metrics = sum(len(alarm.metrics) for alarm in made)
        dollars = metrics * CENTS_PER_ALARM_METRIC / 100
        lines.append(f"- `{stage}` has {len(made)} alarms, which evaluate {metrics} metrics: ${dollars:.2f} a month.\n")
    return "".join(lines)


def _dead_letters() -> str:
    rows = [(_code(functions.SCHEDULED), "runs the function once, which finishes the work that was left", "")]
    again = "reads the changes again and passes them to the function"
    rows += [(f"`{name}`", again, dead_letters.LOST_CHANGES[name]) for name in event_sources.CONSUMERS]
    others = [name for name in functions.BY_EVENTS if name not in functions.SCHEDULED]
    rows += [(f"`{name}`", "passes the event to the function again", "") for name in others]
    rows.append((f"`{dead_letters.MAIL_REPORTS}`", "posts the report to the API again", ""))
    return _table(("queue of", "replay", "what is lost with changes older than 24 hours, and what to do"), rows)


def _modules() -> str:
    starts: dict[str, int] = {}
    calls: dict[str, list[str]] = {}
    for name, budget in cold_starts.BUDGETS.items():
        routes = "documents" if budget.is_for_documents else "api_handler"
        function = routes if budget.handler == cold_starts.API else budget.handler.rpartition(".")[2]
        if budget.first_calls is cold_starts.start:
            starts[function], calls[function] = budget.max_modules, []
        else:
            heavy = f" ({_code(sorted(budget.heavy))})" if budget.heavy else ""
            calls[function].append(f"{name.partition(': ')[2]} {budget.max_modules}{heavy}")
    rows = [(f"`{name}`", f"{number}", ", ".join(calls[name])) for name, number in starts.items()]
    return _table(("function", "modules at its start, at most", "with its first calls, at most"), rows)


def _package() -> str:
    rows = [(f"`{name}`", *(f"{size / 1e6:.1f} MB" for size in sizes)) for name, sizes in package.MAX_BYTES.items()]
    return _table(("", "zip, at most", "unpacked, at most"), rows)


def _commands() -> str:
    """Return the commands of `fairgate` in their groups: what each does, its arguments and options, and its examples."""
    lines = []
    for group, commands in groupby(cli.COMMANDS.values(), key=lambda command: command.group):
        lines.append(f"## {group}\n")
        for command in commands:
            lines.append(f"### fairgate {command.name}\n\n{command.summary[0].upper()}{command.summary[1:]}.\n")
            actions = [action for action in cli.load_parser(command.name)._actions if action.dest != "help"]
            rows = [(_code([_argument(action)]), (action.help or "").replace("<", "&lt;")) for action in actions]
            lines += [_table(("argument", "meaning"), rows)] if rows else []
            lines.append("".join(f"    fairgate {example}\n" for example in command.examples))
    return "\n".join(lines).rstrip() + "\n"


def _argument(action: Action) -> str:
    """Return how an argument is typed: `--since TIME`, `[FILE ...]`, `folder`."""
    value = str(action.metavar or "|".join(action.choices or ()) or (action.dest.upper() if action.option_strings else action.dest))
    if action.option_strings:
        return ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")
    return {"*": f"[{value} ...]", "?": f"[{value}]"}.get(str(action.nargs), value)


def _figure(alarm: alarms.Alarm) -> str:
    """The formula of an alarm with the names of its metrics, or the one metric that it reads for several functions or queues."""
    names = {
        each: f"{metric['Stat']}({metric['Metric']['MetricName']})" if metric["Stat"][0] == "p" else metric["Metric"]["MetricName"]
        for each, metric in alarm.metrics.items()
    }
    if len(names) > 1 and len(set(names.values())) == 1:
        [*_, metric] = alarm.metrics.values()
        return f"`{metric['Metric']['MetricName']}` of any {_OWNERS[metric['Metric']['Dimensions'][0]['Name']]}"
    formula = re.sub(r"FILL\((\w+), 0\)", r"\1", alarm.value)
    named = re.sub(r"\b[a-z]\w*", lambda found: names[found[0]], formula)
    return f"`{named}`"


def _periods(alarm: alarms.Alarm) -> str:
    (period,) = {metric["Period"] for metric in alarm.metrics.values()}
    if alarm.out_of is None:
        return _duration(alarm.times * period)
    return f"{_duration(alarm.times * period)} of the last {_duration(alarm.out_of * period)}"


def _duration(seconds: int) -> str:
    unit, name = next((unit, name) for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")) if seconds % unit == 0)
    return f"1 {name}" if seconds == unit else f"{seconds // unit} {name}s"


def _period(seconds: int) -> str:
    """What follows "every": `minute`, `15 minutes`."""
    return _duration(seconds).removeprefix("1 ")


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "local-defaults": _local_defaults,
    "sizes": _sizes,
    "deprecated-names": _deprecated_names,
    "deprecated-settings": _deprecated_settings,
    "decisions": _decisions,
    "accessibility": _accessibility,
    "routes": _routes,
    "errors": _errors,
    "event-fields": partial(_fields, Event),
    "tier-fields": partial(_fields, Tier),
    "file-event-fields": partial(_file_fields, Event),
    "file-ticket-type-fields": partial(_file_fields, Tier),
    "webhooks": _webhooks,
    "purchase-states": _purchase_states,
    "tables": _tables,
    "personal-data": _personal_data,
    "functions": _functions,
    "jobs": _jobs,
    "alarms": _alarms,
    "alarm-costs": _alarm_costs,
    "dead-letters": _dead_letters,
    "modules": _modules,
    "package": _package,
    "commands": _commands,
}


if __name__ == "__main__":
    sys.exit(interrupts.run(main, "The pages that were not named have not changed."))
