"""Emails about an event with several dates: each order has the dates of its own tickets."""

import json
from collections import Counter

import icalendar
import pytest

from chalicelib.addons.messages import event_notices
from chalicelib.foundation import clock
from chalicelib.notifications.store import NotificationRow
from tests import builders, pdfs
from tests.addons.messages.test_announcements import receivers, save
from tests.addons.messages.test_event_notices import changed, pass_time, text_of
from tests.addons.messages.test_order_notices import buy
from tests.checkin.test_dates import DAY, Tour


@pytest.fixture
def tour(post, api, time):
    tour = Tour(api, time)
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)  # until the change that added the dates is done
    return tour


def test_an_order_names_the_dates_of_its_tickets(post, tour):
    reserved = builders.reserve_items(tour.api, "ada", tour.event_id, {tour.tier_ids["saturday"]: 1, tour.tier_ids["sunday"]: 1})
    email = {"customer_email": "ada@example.com"}
    checkout = builders.start_checkout(tour.api, "ada", reserved.json["id"], responses={}, **email)
    assert builders.confirm(tour.api, "ada", checkout.json["id"]).status == 201
    [mail] = post.deliver()
    text = text_of(mail)
    assert "Friday" not in text
    assert "Saturday" in text
    assert "Sunday" in text
    parts = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    calendar = icalendar.Calendar.from_ical(parts["event.ics"])
    assert [str(event["SUMMARY"]) for event in calendar.events] == ["Night: Saturday", "Night: Sunday"]
    pages = [" ".join(page.text.split()) for page in pdfs.read(parts["tickets.pdf"])]
    assert [("Saturday" in page, "Sunday" in page) for page in pages] == [(True, False), (False, True)]


def test_a_moved_date_is_told_to_the_holders_of_its_tickets(post, tour, time):
    for name in ("friday", "saturday", "weekend", "pass"):
        buy(tour.api, (tour.event_id, tour.tier_ids[name]), user=name)
    buy(tour.api, (tour.event_id, tour.tier_ids["saturday"]), user="friday")
    time.advance(60)
    later = clock.iso(tour.starts_at + DAY + 7200)
    tour.change(dates=[tour.dates[0], tour.dates[1] | {"starts_at": later}, tour.dates[2]])
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    found = dict(changed(post))
    assert found.keys() == {f"{name}@home.test" for name in ("friday", "saturday", "weekend", "pass")}
    assert "Saturday, 13 June 2026, 12:00" in text_of(found["weekend@home.test"]).partition("previous details")[2]
    tour.change(
        dates=[tour.dates[0] | {"starts_at": clock.iso(tour.starts_at + 3600)}, tour.dates[1] | {"starts_at": later}, tour.dates[2]]
    )
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    counts = Counter(address for address, _ in changed(post))
    assert counts == {"friday@home.test": 2, "saturday@home.test": 1, "weekend@home.test": 1, "pass@home.test": 2}


def test_a_date_that_moves_to_another_place_is_told_to_the_holders_of_its_tickets(post, tour, time):
    for name in ("friday", "saturday", "pass"):
        buy(tour.api, (tour.event_id, tour.tier_ids[name]), user=name)
    known = Counter()
    for venue, former in (("Old Mill", "Hall"), ("Arena = 2", "Old Mill")):
        time.advance(60)
        tour.change(dates=[tour.dates[0], tour.dates[1] | {"venue": venue}, tour.dates[2]])
        pass_time(post, time, event_notices.QUIET_SECONDS + 60)
        mails = changed(post)
        known.update(("saturday@home.test", "pass@home.test"))
        assert Counter(address for address, _ in mails) == known
        texts = [text_of(mail).partition("previous details") for address, mail in mails if address.startswith("saturday")]
        assert any(venue in text and former in before for text, _, before in texts)


def test_an_email_about_long_venues_takes_little_space_in_the_outbox(post, tour, time):
    dates = [
        {"id": f"d{number}", "starts_at": clock.iso(tour.starts_at + (number + 3) * DAY), "venue": "\N{GREEK SMALL LETTER ALPHA}" * 100}
        for number in range(60)
    ]
    tour.change(dates=[*tour.dates, *dates][:60])
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    buy(tour.api, (tour.event_id, tour.tier_ids["pass"]), user="pass")
    time.advance(60)
    tour.change(dates=[date | {"venue": f"Arena {number}"} for number, date in enumerate([*tour.dates, *dates][:60])])
    post.follow()
    time.advance(event_notices.QUIET_SECONDS + 60)
    event_notices.queue_mails(time.now)
    [row] = [row for row in NotificationRow.scan() if row.kind == "event_changed"]
    assert len(json.dumps(row.facts)) < 6_000
    post.deliver()
    [(address, mail)] = changed(post)
    assert address == "pass@home.test"
    assert "Hall" in text_of(mail).partition("previous details")[2]


def test_an_order_for_several_dates_names_the_place_that_has_changed(post, tour, time):
    reserved = builders.reserve_items(tour.api, "ada", tour.event_id, {tour.tier_ids["friday"]: 1, tour.tier_ids["weekend"]: 1})
    email = {"customer_email": "ada@example.com"}
    checkout = builders.start_checkout(tour.api, "ada", reserved.json["id"], responses={}, **email)
    assert builders.confirm(tour.api, "ada", checkout.json["id"]).status == 201
    time.advance(60)
    tour.change(dates=[*tour.dates[:2], tour.dates[2] | {"venue": "Old Mill"}])
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    time.advance(60)
    tour.change(name="Nights", dates=[tour.dates[0] | {"venue": "Barn"}, tour.dates[1], tour.dates[2] | {"venue": "Arena"}])
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    before = [text_of(mail).partition("previous details")[2] for _, mail in changed(post)]
    assert ["Hall" in text for text in before] == [True, True]
    assert ["Night" in text for text in before] == [False, True]


def test_a_cancelled_date_is_told_to_all_holders_of_its_tickets(post, tour, time):
    for name in ("friday", "saturday", "sunday", "weekend", "pass"):
        buy(tour.api, (tour.event_id, tour.tier_ids[name]), user=name)
    time.advance(60)
    body = {"date_id": "saturday", "reason": "The hall is flooded."}
    assert tour.api.post(f"/events/{tour.event_id}/cancel", json=body, token=builders.admin_token()).status == 200
    builders.run_sweep()
    pass_time(post, time, event_notices.QUIET_SECONDS + 60)
    mails = [mail for mail in post.deliver() if mail["Subject"] in ("Changed: Night", "Cancelled: Night")]
    texts = {mail["To"]: text_of(mail) for mail in mails}
    assert sorted((mail["To"], mail["Subject"]) for mail in mails) == [
        ("pass@home.test", "Changed: Night"),
        ("saturday@home.test", "Cancelled: Night"),
        ("weekend@home.test", "Changed: Night"),
    ]
    refund = texts["saturday@home.test"]
    assert "this date of Night has been cancelled" in refund
    assert "Saturday, 13 June 2026" in refund
    assert "The hall is flooded." in refund
    kept, _, cancelled = texts["pass@home.test"].partition("These dates have been cancelled:")
    assert [day in kept for day in ("Friday", "Saturday", "Sunday")] == [True, False, True]
    assert "Saturday, 13 June 2026" in cancelled
    assert "Your tickets stay valid." in cancelled


def test_an_announcement_goes_to_the_holders_of_a_date(post, tour, time):
    for name in ("friday", "saturday", "weekend", "pass"):
        buy(tour.api, (tour.event_id, tour.tier_ids[name]), user=name)
    assert save(tour.api, (tour.event_id,), date_ids=["friday", "monday"]).json["path"] == "$.date_ids[1]"
    saved = save(tour.api, (tour.event_id,), date_ids=["sunday", "saturday"])
    assert saved.json["date_ids"] == ["saturday", "sunday"]
    assert receivers(post) == ["pass@home.test", "saturday@home.test", "weekend@home.test"]


def test_the_calendar_file_of_tickets_has_their_dates(tour):
    def names(*tiers):
        query = {"tiers": ",".join(tour.tier_ids[name] for name in tiers)} if tiers else {}
        text = tour.api.get(f"/events/{tour.event_id}/calendar.ics", query=query).body
        return [str(event["SUMMARY"]) for event in icalendar.Calendar.from_ical(text).events]

    assert names("saturday") == ["Night: Saturday"]
    assert names("friday", "saturday") == ["Night: Friday", "Night: Saturday"]
    assert names() == names("pass") == ["Night: Friday", "Night: Saturday", "Night: Sunday"]
