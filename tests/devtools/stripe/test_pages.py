"""The pages for browsers."""

from tests.devtools.stripe.browser import OPENER


def test_the_front_page(fake):
    with OPENER.open(fake.url, timeout=60) as response:
        assert b"stands in for Stripe" in response.read()
