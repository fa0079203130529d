"""The bank's page for 3D Secure, where the buyer completes the authentication or fails it."""

from urllib.parse import urlencode

from devtools.stripe.account_state import AccountState
from devtools.stripe.authentication import complete_authentication
from devtools.stripe.objects import StripeObject
from devtools.stripe.page_layout import Page, formatted_amount, html_page


def respond(state: AccountState, intent: StripeObject, method: str, form: dict[str, str]) -> Page:
    if intent["status"] == "requires_action" and method == "POST" and form.get("outcome") in ("complete", "fail"):
        complete_authentication(state, intent["id"], ok=form["outcome"] == "complete")
    if intent["status"] == "requires_action":
        total = formatted_amount(intent["amount"], intent["currency"])
        body = f'<h1>Confirm your payment</h1><p class="total">{total}</p><p>Your bank asks whether you made this payment (3D Secure).</p>'
        body += '<form method="post"><button name="outcome" value="complete">Complete authentication</button>'
        body += '<button class="second" name="outcome" value="fail">Fail authentication</button></form>'
        return Page(200, html_page("3D Secure", body))
    if not intent["_return_url"]:
        return Page(200, html_page("3D Secure", "<h1>Thank you</h1><p>You can close this window.</p>"))
    if intent["_session"] is not None:
        return Page(303, location=intent["_return_url"])
    outcome = "succeeded" if intent["status"] in ("succeeded", "processing") else "failed"
    query = {"payment_intent": intent["id"], "payment_intent_client_secret": intent["client_secret"], "redirect_status": outcome}
    separator = "&" if "?" in intent["_return_url"] else "?"
    return Page(303, location=f"{intent['_return_url']}{separator}{urlencode(query)}")
