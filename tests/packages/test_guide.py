"""The guide for coordinators names pages and buttons that are there."""

import re

from tests.test_tidy import ROOT

GUIDE = (ROOT / "docs" / "packages.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `(/manage[^`]*)` \| ([^|]*) \|$", GUIDE, flags=re.MULTILINE)
PLACES = {"<id>": ":eventId", "<package>": ":tierId"}


def test_each_page_of_the_guide_is_one():
    pages = set(re.findall(r'path: "(/manage[^"]*)"', (ROOT / "web/src/manage/pages.ts").read_text(encoding="utf-8")))
    named = {path for path, _ in ROWS}
    for place, parameter in PLACES.items():
        named = {path.replace(place, parameter) for path in named}
    assert len(named) == len(ROWS) > 5
    assert named - pages == set()


def test_each_button_of_the_guide_is_one():
    texts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "web/src/manage/texts/en").glob("*.ts"))
    buttons = [button for _, cell in ROWS for button in re.findall(r"\*\*([^*]+)\*\*", cell)]
    assert len(buttons) > 5
    assert [button for button in buttons if f'"{button}"' not in texts] == []
