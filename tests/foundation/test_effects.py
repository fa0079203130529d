"""What a request may have changed: what was sent counts until it was refused for certain."""

from chalicelib.foundation import effects


def test_a_sent_write_may_have_happened():
    with effects.observed():
        assert not effects.may_have_happened()
        assert effects.begin()
        assert effects.may_have_happened()


def test_a_refused_write_did_not_happen():
    with effects.observed():
        effects.begin()
        effects.withdraw()
        assert not effects.may_have_happened()


def test_a_refusal_does_not_take_back_what_was_sent_before():
    with effects.observed():
        effects.begin()
        effects.begin()
        effects.withdraw()
        assert effects.may_have_happened()


def test_our_own_bookkeeping_does_not_count():
    with effects.observed():
        with effects.uncounted():
            assert not effects.begin()
        assert not effects.may_have_happened()
        assert effects.begin()


def test_each_request_has_its_own_effects():
    with effects.observed():
        effects.begin()
        with effects.observed():
            assert not effects.may_have_happened()
        assert effects.may_have_happened()


def test_without_a_request_nothing_is_observed():
    assert not effects.begin()
    effects.withdraw()
    with effects.uncounted():
        assert not effects.may_have_happened()
