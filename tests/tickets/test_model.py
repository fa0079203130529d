"""Ticket codes: easy to read, hard to guess."""

from collections import Counter

from chalicelib.tickets.model import CODE_ALPHABET, new_code


def test_codes_have_a_hundred_bits_and_no_ambiguous_letters():
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    characters = Counter("".join(codes).replace("-", ""))
    assert set(characters) == set(CODE_ALPHABET)
    assert len(CODE_ALPHABET) == 32
    assert not set("ILOU") & set(CODE_ALPHABET)
    assert {tuple(len(group) for group in code.split("-")) for code in codes} == {(5, 5, 5, 5)}
