"""Signatures: only ours, only for the ticket they were made for, across rotations of the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import settings
from chalicelib.settings import SettingsError
from chalicelib.tickets import signature

OLD = "old:" + "o" * 32
NEW = "new:" + "n" * 32
FACTS = ("01J-1", "gala", "7K3MX-0QWZ9-H4TRB-V81CD")


@pytest.fixture
def signed():
    with settings.override(ticket_keys=OLD):
        return signature.sign(*FACTS)


def test_names_its_key_and_verifies(signed):
    assert signed.startswith("old.")
    with settings.override(ticket_keys=OLD):
        assert signature.verify(signed, *FACTS)


def test_the_first_key_signs_and_all_verify(signed):
    with settings.override(ticket_keys=f"{NEW}, {OLD}"):
        assert signature.sign(*FACTS).startswith("new.")
        assert signature.verify(signature.sign(*FACTS), *FACTS)
        assert signature.verify(signed, *FACTS)
    with settings.override(ticket_keys=NEW):
        assert not signature.verify(signed, *FACTS)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_another_id_event_or_code_is_refused(signed, position):
    facts = [*FACTS]
    facts[position] += "x"
    with settings.override(ticket_keys=OLD):
        assert not signature.verify(signed, *facts)


def test_every_single_changed_character_is_refused(signed):
    with settings.override(ticket_keys=OLD):
        for position, sign in enumerate(signed):
            forged = signed[:position] + ("A" if sign != "A" else "B") + signed[position + 1 :]
            assert not signature.verify(forged, *FACTS), position


@pytest.mark.parametrize("forged", ["", ".", "old", "old.", "old.é", "none.abc", ".abc", "\x00"])
def test_what_is_no_signature_is_refused(signed, forged):
    with settings.override(ticket_keys=OLD):
        assert not signature.verify(forged, *FACTS)


def test_a_key_under_anothers_name_is_refused(signed):
    with settings.override(ticket_keys=f"{NEW},{OLD}"):
        assert not signature.verify("new." + signed.partition(".")[2], *FACTS)


@given(st.lists(st.text(max_size=6), min_size=3, max_size=3), st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_different_fields_never_share_a_signature(one, other):
    with settings.override(ticket_keys=OLD):
        assert (signature.sign(*one) == signature.sign(*other)) == (one == other)


def test_fields_cannot_be_moved_into_one_another():
    with settings.override(ticket_keys=OLD):
        assert signature.sign("a", "b", "1:c,") != signature.sign("a", "b,1:c", "")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("", "must be set"),
        ("no-colon-" + "x" * 40, "id:secret"),
        (":" + "x" * 40, "id:secret"),
        ("a.b:" + "x" * 40, "id:secret"),
        (f"{OLD},", "key 2"),
        (f"{OLD},k2:short", "key 2"),
        (f"{OLD},{OLD}", "twice"),
    ],
)
def test_malformed_keys_are_named_without_their_secret(keys, says):
    with settings.override(ticket_keys=keys), pytest.raises(SettingsError, match=says) as error:
        signature.sign(*FACTS)
    assert "xxx" not in str(error.value)
    assert "short" not in str(error.value)
