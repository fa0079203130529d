"""Signatures verify only if this shop made them, only for their ticket, and also after a key rotation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.foundation import settings
from chalicelib.foundation.settings import SettingsError
from chalicelib.tickets import signature
from chalicelib.tickets.model import has_our_code_format

OLD_KEY = "old:" + "o" * 32
NEW_KEY = "new:" + "n" * 32
TICKET = ("01J-1", "gala", "7K3MX-0QWZ9-H4TRB-V81CD")


@pytest.fixture
def qr_sig():
    with settings.override(ticket_keys=OLD_KEY):
        return signature.sign(*TICKET)


def test_a_signature_names_its_key_and_verifies(qr_sig):
    assert qr_sig.startswith("old.")
    with settings.override(ticket_keys=OLD_KEY):
        assert signature.is_genuine(qr_sig, *TICKET)


def test_a_code_follows_from_the_ticket_and_the_first_key():
    codes = set()
    for keys in (OLD_KEY, f"{OLD_KEY}, {NEW_KEY}", NEW_KEY):
        with settings.override(ticket_keys=keys):
            codes |= {signature.derive_code("01J-1"), signature.derive_code("01J-2")}
    assert len(codes) == 4
    assert all(has_our_code_format(code) for code in codes)


def test_the_first_key_signs_and_all_verify(qr_sig):
    with settings.override(ticket_keys=f"{NEW_KEY}, {OLD_KEY}"):
        assert signature.sign(*TICKET).startswith("new.")
        assert signature.is_genuine(signature.sign(*TICKET), *TICKET)
        assert signature.is_genuine(qr_sig, *TICKET)
    with settings.override(ticket_keys=NEW_KEY):
        assert not signature.is_genuine(qr_sig, *TICKET)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_another_id_event_or_code_is_refused(qr_sig, position):
    changed = [*TICKET]
    changed[position] += "x"
    with settings.override(ticket_keys=OLD_KEY):
        assert not signature.is_genuine(qr_sig, *changed)


def test_every_single_changed_character_is_refused(qr_sig):
    with settings.override(ticket_keys=OLD_KEY):
        for position, character in enumerate(qr_sig):
            forged = qr_sig[:position] + ("A" if character != "A" else "B") + qr_sig[position + 1 :]
            assert not signature.is_genuine(forged, *TICKET), position


@pytest.mark.parametrize("forged", ["", ".", "old", "old.", "old.é", "none.abc", ".abc", "\x00"])
def test_a_malformed_signature_is_refused(qr_sig, forged):
    with settings.override(ticket_keys=OLD_KEY):
        assert not signature.is_genuine(forged, *TICKET)


def test_a_signature_under_the_id_of_another_key_is_refused(qr_sig):
    with settings.override(ticket_keys=f"{NEW_KEY},{OLD_KEY}"):
        assert not signature.is_genuine("new." + qr_sig.partition(".")[2], *TICKET)


@given(st.lists(st.text(max_size=6), min_size=3, max_size=3), st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_different_fields_never_share_a_signature(fields, other_fields):
    with settings.override(ticket_keys=OLD_KEY):
        assert (signature.sign(*fields) == signature.sign(*other_fields)) == (fields == other_fields)


def test_text_cannot_be_moved_from_one_field_to_another():
    with settings.override(ticket_keys=OLD_KEY):
        assert signature.sign("a", "b", "1:c,") != signature.sign("a", "b,1:c", "")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("", "must be set"),
        ("no-colon-" + "x" * 40, "id:secret"),
        (":" + "x" * 40, "id:secret"),
        ("a.b:" + "x" * 40, "id:secret"),
        (f"{OLD_KEY},", "key 2"),
        (f"{OLD_KEY},k2:short", "key 2"),
        (f"{OLD_KEY},{OLD_KEY}", "twice"),
    ],
)
def test_malformed_keys_are_reported_without_their_secrets(keys, message):
    with settings.override(ticket_keys=keys), pytest.raises(SettingsError, match=message) as error:
        signature.sign(*TICKET)
    assert "xxx" not in str(error.value)
    assert "short" not in str(error.value)


# RFC 6238, appendix B, for SHA-1.
VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize(("at", "password"), VECTORS.items())
def test_one_time_passwords_are_those_of_the_rfc(at, password):
    key = b"12345678901234567890"
    assert signature.totp(key, at) == password
    assert signature.is_current(password, key, at)
    assert signature.is_current(password, key, at + 30)
    assert not signature.is_current(password, key, at + 60)


def test_the_fixed_part_of_a_wallets_code_differs_for_each_code_and_signature():
    made = {signature.wallet_fixed_part(code, qr_sig) for code in ("A", "B") for qr_sig in ("k1.x", "k1.y")}
    assert len(made) == 4
    assert {len(code) for code in made} == {24}
