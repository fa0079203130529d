"""The pages for browsers: which page a path has. Buyers are sent to them, as they are sent to Stripe's pages."""

import re
from urllib.parse import parse_qsl

from devtools.stripe import authentication_page, checkout_page
from devtools.stripe.account_state import AccountState
from devtools.stripe.elapsed_time import apply_elapsed_time
from devtools.stripe.page_layout import Page, html_page

_CHECKOUT_PATH = re.compile(r"/c/pay/(cs_\w+)(/done)?")
_AUTHENTICATION_PATH = re.compile(r"/3d_secure/((pi_\w+?)_secret_\w+)")


def respond(state: AccountState, method: str, path: str, encoded_form: str, origin: str) -> Page | None:
    """The page at this path; None: there is none."""
    form = dict(parse_qsl(encoded_form))
    checkout, authentication = _CHECKOUT_PATH.fullmatch(path), _AUTHENTICATION_PATH.fullmatch(path)
    with state.lock:
        apply_elapsed_time(state)
        try:
            if checkout:
                session = state.find("checkout.session", checkout[1])
                if session is None:
                    return None
                return checkout_page.respond(state, session, method, form, origin, after_authentication=bool(checkout[2]))
            if authentication:
                intent = state.find("payment_intent", authentication[2])
                if intent is None or intent["client_secret"] != authentication[1]:
                    return None
                return authentication_page.respond(state, intent, method, form)
        finally:
            state.commit()
    return _front_page() if path == "/" else None


def _front_page() -> Page:
    body = "<h1>Stripe, locally</h1><p>This server stands in for Stripe while Fairgate runs without a Stripe key. Buyers who pay by card "
    body += "are sent to a page here, as they would be sent to Stripe.</p>"
    return Page(200, html_page("Stripe, locally", body, with_test_cards=True))
