"""Cursors give back the position that they were made of, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.edge import cursors
from chalicelib.foundation.errors import InvalidInput


@given(st.text(min_size=1))
def test_a_cursor_gives_back_its_position(position):
    assert cursors.decode(cursors.encode(position), r"(?s).+") == position


@pytest.mark.parametrize("text", ["", "?", "a", "äöü", "/w", cursors.encode("other")])
def test_no_other_text_is_a_cursor(text):
    with pytest.raises(InvalidInput) as refused:
        cursors.decode(text, r"at\d+")
    assert refused.value.details["path"] == "cursor"
