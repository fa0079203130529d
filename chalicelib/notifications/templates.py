"""The texts of emails, as Jinja2 templates: `templates/<language>/<kind>.jinja` is the only source of both plain text and HTML.

A template has a block `subject` and a block `body`. The body consists of parts (`p`, `button`, `facts`, `quote`, `ticket`), which
`templates/text` and `templates/html` render. Templates about turns also have a block `push`, the text of a push message. Values are always
escaped in HTML and contain neither line breaks nor control characters, so that a name cannot imitate a part of the email. A longer text
is a list of lines, and `quote` marks each of them. Each language of `edge.languages` has a folder with a template for every kind, and
`words.jinja` for amounts.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from chalicelib.edge.languages import Language, moment_text, time_text

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"
Form = Literal["text", "html"]
MAX_SHOWN_DATES = 10  # of an event

_SPACE = re.compile(r"[\s\x00-\x1f\x7f\x85\u2028\u2029]+")
_GAP = re.compile(r"\n{3,}")
_INVISIBLE = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")  # some change the direction of text


class RenderedMail(Struct, frozen=True):
    """The rendered subject, plain text and HTML of an email."""

    subject: str
    text: str
    html: str


def render(kind: str, language: Language, values: Mapping[str, Any]) -> RenderedMail:
    """Render an email of a kind in a language. Raises jinja2.UndefinedError if the template needs a missing value."""
    cleaned = {name: clean(value) for name, value in values.items()}
    text, html = (_render(form, kind, language, cleaned) for form in ("text", "html"))
    return RenderedMail(text[0], text[1], html[1])


def render_push(kind: str, language: Language, values: Mapping[str, Any]) -> tuple[str, str]:
    """Render a push message of a kind in a language. Returns its title, which is the email's subject, and its text."""
    cleaned = {name: clean(value) for name, value in values.items()}
    title, text = _render_blocks("text", kind, language, cleaned, ("subject", "push"))
    return _SPACE.sub(" ", title).strip(), _SPACE.sub(" ", text).strip()


def clean(value: Any) -> Any:
    """Return the value with every text reduced to one line without control characters or invisible characters."""
    if isinstance(value, str):
        return _INVISIBLE.sub("", _SPACE.sub(" ", value)).strip()
    if isinstance(value, Mapping):
        return {name: clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    return value


def _render(form: Any, kind: str, language: Language, values: dict[str, Any]) -> tuple[str, str]:
    """Render one form of an email. Returns (subject, full text)."""
    subject, body = _render_blocks(form, kind, language, values, ("subject", "body"))
    environment = _environment(form)
    layout, words = environment.get_template("layout.jinja"), environment.get_template(f"{language}/words.jinja").module
    whole = layout.render(_macros(words), language=language, subject=_mark_escaped(subject, form), body=_mark_escaped(body, form), **values)
    return _SPACE.sub(" ", subject).strip(), _GAP.sub("\n\n", whole)


def _render_blocks(form: Form, kind: str, language: Language, values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    environment = _environment(form)
    words, parts = (environment.get_template(name).module for name in (f"{language}/words.jinja", "parts.jinja"))
    template = environment.get_template(f"{language}/{kind}.jinja")
    shared = {
        "language": language,
        "moment_text": partial(moment_text, language=language),
        "time_text": partial(time_text, language=language),
        "when": partial(_when, language=language),
    }
    context = template.new_context({**_macros(words), **_macros(parts), **shared, **values})
    return ["".join(template.blocks[name](context)) for name in names]


def _when(event: Mapping[str, Any], language: Language) -> str:
    """Return the start of an event (`catalog.sharing.mail_values`), or its first dates. Returns "" if the event has no start."""
    starts = event["dates"] or ([event["starts"]] if event["starts"] else [])
    shown = "; ".join(moment_text(start, language) for start in starts[:MAX_SHOWN_DATES])
    return shown if len(starts) <= MAX_SHOWN_DATES else f"{shown}; …"


def _mark_escaped(text: str, form: Form) -> str:
    """Mark rendered text as already escaped in the HTML form, so that it is not escaped twice."""
    if form == "text":
        return text
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - a template with autoescape rendered it


def _macros(module: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@lru_cache(maxsize=2)
def _environment(form: Form) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # few requests send emails

    created = Environment(
        loader=FileSystemLoader([FOLDER / form, FOLDER]),
        autoescape=form == "html",  # noqa: S701 - plain text has no markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )
    created.filters["oneline"] = lambda text: _mark_escaped(_SPACE.sub(" ", str(text)).strip(), form)
    return created
