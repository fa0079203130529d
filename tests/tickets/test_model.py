"""Ticket codes are easy to read and hard to guess. Orders have numbers that people can read and say."""

from collections import Counter

import pytest

from chalicelib.foundation import ids
from chalicelib.tickets.model import CODE_ALPHABET, CheckIn, Ticket, new_code, number_prefix, order_key, order_number, parse_order_key


def test_codes_have_a_hundred_bits_and_no_ambiguous_letters():
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    characters = Counter("".join(codes).replace("-", ""))
    assert set(characters) == set(CODE_ALPHABET)
    assert len(CODE_ALPHABET) == 32
    assert not set("ILOU") & set(CODE_ALPHABET)
    assert {tuple(len(group) for group in code.split("-")) for code in codes} == {(5, 5, 5, 5)}


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("nova-lights-arena-tour-2027", "NLAT"), ("Ópera de noche", "ODN"), ("proms", "PRO"), ("東京", ""), ("boulder-fest-2026", "BF2")],
)
def test_numbers_begin_with_the_initials_of_the_event(name, prefix):
    assert number_prefix(name) == prefix


def test_an_orders_number_leads_back_to_the_end_of_its_id():
    order_ids = [ids.new_id() for _ in range(500)]
    numbers = {order_number(order_id, None) for order_id in order_ids}
    assert len(numbers) == 500
    assert {parse_order_key(number) for number in numbers} == {order_key(order_id) for order_id in order_ids}


@pytest.mark.parametrize(
    ("scans", "first_entries"),
    [
        ([(None, 2), (None, -2), (None, 2)], [(None, 2)]),
        ([(None, 1), (None, -1), (None, 2)], [(None, 1), (None, 1)]),
        ([(1, 1), (1, -1), (2, 1)], [(1, 1), (2, 1)]),
        ([(1, 1), (1, -1), (1, 1)], [(1, 1)]),
        ([(None, 2), (None, -1), (2, 1)], [(None, 2)]),  # the ticket admits no third person
        ([(None, 2), (None, 1)], [(None, 2), (None, 1)]),  # by an override
    ],
)
def test_each_person_arrives_once(scans, first_entries):
    checkins = [CheckIn(str(number), number, count, "staff", seat=seat) for number, (seat, count) in enumerate(scans)]
    ids = dict.fromkeys(("id", "code", "qr_sig", "purchase_id", "owner_id", "event_id", "tier_id"), "x")
    ticket = Ticket(**ids, admits=2, price_cents=0, currency="USD", state="valid", created_at=0, checkins=checkins)
    assert [(checkin.seat, checkin.count) for checkin in ticket.first_entries] == first_entries


@pytest.mark.parametrize("text", ["NLAT-7K3Q-9XF2", "nlat-7k3q-9xf2", " NLAT 7K3Q 9XF2 ", "7K3Q-9XF2", "7k3q9xf2", "X1-7K3Q-9XF2"])
def test_a_typed_number_is_read_in_any_form(text):
    assert parse_order_key(text) == "7K3Q9XF2"


def test_look_alikes_are_read_as_the_digits_and_other_text_is_no_number():
    assert parse_order_key("A-OIL0-1111") == "01101111"
    assert [parse_order_key(text) for text in ("", "7K3Q-9XF", "7K3Q-9XFU", "7K3Q9XF2-1", "ada@home.test", "Ada Byron", "Ñ-7K3Q-9XF2")] == [
        None
    ] * 7
