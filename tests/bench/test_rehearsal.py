"""The rehearsal of a sale: the crowd plays the event of the file, and the report says what would happen and what to change."""

import json
from html.parser import HTMLParser

import msgspec
import pytest

from bench import rehearsal, rehearse
from bench.rehearsal import Limit, Options, RehearsalRefused, Report
from bench.rehearsal_page import lines, page
from tests.bootstrap.conftest import event, ticket

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree():
    """An event that 40 people want, with 20 tickets and a waiting room."""
    room = {"wave_size": 10, "wave_seconds": 10, "randomness": "key_and_beacon"}
    night = event("night", on_sale_at="2026-06-01T12:00:00", date="2026-07-01T20:00:00", waiting_room=room)
    return {"version": "1", "events": {"night": night}, "ticket_types": {"floor": ticket("floor", event_id="night", max_quantity=20)}}


@pytest.fixture(scope="module")
def report(tree):
    return rehearsal.rehearse(tree, "night", Options(people=40, instances=10))


def test_the_crowd_buys_what_there_is_and_no_more(report):
    ends = sum(report.ends.values(), start=type(report.replies)())
    assert ends.total() == 40
    assert 8 < ends["bought"] == report.orders <= 20
    assert report.moments[-1].sold <= 20
    assert report.moments[-1].held == 0
    assert report.is_go
    assert report.faults == []


def test_waits_follow_the_places(report):
    waits = sorted(report.waits)
    assert len({place for place, _ in waits}) == len(waits) > 20
    first, last = waits[0][1], waits[-1][1]
    assert 0 < first < 15 < last


def test_what_cannot_be_played_is_said(report):
    assert report.notes == ["The draw used the shop's key alone, because a round of the public beacon cannot be known in advance."]


def test_the_same_seed_plays_the_same_sale(tree, report):
    again = rehearsal.rehearse(tree, "night", Options(people=40, instances=10))
    assert msgspec.json.encode(again) == msgspec.json.encode(report)


def test_an_event_without_a_line_sells_to_whoever_is_first(tree):
    night = tree["events"]["night"] | {"waiting_room": {"enabled": False}}
    report = rehearsal.rehearse(tree | {"events": {"night": night}}, "night", Options(people=20, instances=10))
    assert report.orders > 5
    assert report.waits == []
    assert report.faults == []


def test_too_few_instances_are_no_go_with_advice(tree):
    report = rehearsal.rehearse(tree, "night", Options(people=40, instances=1))
    assert not report.is_go
    assert report.nearest.name == "instances at work at once"
    assert "reserved_concurrency" in report.advice[0]


@pytest.mark.parametrize(
    ("event_id", "change", "message"),
    [
        (
            "noon",
            {},
            "There is no event 'noon' in the files. They have: night. To write the file of an event that was created on the pages, run "
            "`fairgate export --event noon --output noon.json`.",
        ),
        ("night", {"on_sale_at": None}, "Event 'night' has no `on_sale_at`, so there is no opening to rehearse."),
    ],
)
def test_an_event_that_cannot_be_played_is_refused(tree, event_id, change, message):
    changed = {name: value for name, value in (tree["events"]["night"] | change).items() if value is not None}
    with pytest.raises(RehearsalRefused) as refused:
        rehearsal.prepare(tree | {"events": {"night": changed}}, event_id)
    assert str(refused.value) == message


def test_emails_that_pile_up_are_late():
    seconds = rehearsal._backlog_seconds(rehearsal.Counter({0: 28, 1: 28, 5: 1}), rate=14)
    assert seconds == pytest.approx(2)


class Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_the_page_shows_the_figures_and_escapes_names():
    limit = Limit("calls to the payment provider", 120, 100, "calls a second", "Make the waves smaller.")
    report = Report(event_id="night", event_name="<script>alert(1)</script>", people=40, seed=1, opens_at="", limits=[limit])
    shown = Text()
    shown.feed(page(report))
    assert "script" not in shown.tags
    for part in ("<script>alert(1)</script>", "No go", "Make the waves smaller.", "120 of 100 calls a second"):
        assert part in shown.text
    assert lines(report)[0] == "<script>alert(1)</script>: NO GO"


def test_the_command_writes_the_page_and_prints_json(tree, tmp_path, capsys):
    file, html = tmp_path / "file.json", tmp_path / "pages" / "night.html"
    file.write_text(json.dumps(tree))
    assert rehearse.main(["night", "--file", str(file), "--people", "5", "--page", str(html), "--json"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    assert "Playing the sale with 5 people ..." in printed.err
    assert (figures["event_id"], figures["go"], figures["people"]) == ("night", True, 5)
    assert "<h1>" in html.read_text()
    assert rehearse.main(["noon", "--file", str(file)]) == 2
    assert "There is no event 'noon'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        rehearse.main(["night", "--people", "0"])
    assert "--people: must be a whole number from 1 on, not '0'" in capsys.readouterr().err
