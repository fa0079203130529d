"""The words of the pages in each language, so that a journey is written in English and also made in another language."""

from collections import defaultdict
from functools import cache

from playwright.sync_api import Page, expect

from chalicelib.edge.languages import Language
from tests.javascript import WEB, run_module

# Prints all texts of a file with their names. A text that depends on a value is there for null, for 0 to 3 and for {}.
_FLATTEN = """
import { createInterface } from "node:readline";
const values = [null, 0, 1, 2, 3, "{}"];
const called = (text) => values.map((value) => { try { return text(value); } catch { return null; } });
const flatten = (name, value) => {
  if (typeof value === "function") value = called(value);
  if (typeof value === "string") return [[name, value]];
  return value && typeof value === "object" ? Object.entries(value).flatMap(([key, inner]) => flatten(`${name}.${key}`, inner)) : [];
};
for await (const line of createInterface({ input: process.stdin })) {
  const texts = await import(`$WEB/${JSON.parse(line)}`);
  console.log(JSON.stringify(Object.values(texts).flatMap((each, index) => flatten(String(index), each))));
}
"""


def speak(page: Page, language: Language) -> None:
    """Show the page in a language from now on."""
    page.locator("footer select").select_option(language)
    expect(page.locator("html")).to_have_attribute("lang", language)


def translate(text: str, language: Language, value: str = "") -> str:
    """Return an English text of the pages in another language, with `value` in place of {}.

    What is no text of the pages, such as a name, stays as it is.
    """
    found = {text} if language == "en" else _translations(language).get(text, {text})
    assert len(found) == 1, f"{text!r} is {sorted(found)} in {language!r}"
    return next(iter(found)).replace("{}", value)


@cache
def _translations(language: Language) -> dict[str, set[str]]:
    pairs = [(path, path.with_name(path.name.replace("en", language, 1))) for path in (WEB / "src/texts").glob("en*.ts")]
    pairs += [(path, path.parents[1] / language / path.name) for path in (WEB / "src/manage/texts/en").glob("*.ts")]
    files = [path.relative_to(WEB).as_posix() for pair in pairs for path in pair if pair[1].exists()]
    texts = [dict(texts) for texts in run_module(_FLATTEN, files)]
    pairs_of_texts = [
        (text, other.get(name)) for english, other in zip(texts[::2], texts[1::2], strict=True) for name, text in english.items()
    ]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for text, translation in pairs_of_texts:
        if translation is not None:
            found[text].add(translation)
    return found
