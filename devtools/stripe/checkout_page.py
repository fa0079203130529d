"""The hosted page of a Checkout Session, where the buyer pays."""

import re
from html import escape

from devtools.stripe import checkout_sessions
from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import StripeApiError, card_error
from devtools.stripe.objects import StripeObject
from devtools.stripe.page_layout import Page, alert, formatted_amount, html_page, input_field, link

_BANK_ACCOUNTS = {"bank_ok": "000123456789", "bank_fails": "000111111113"}


def respond(
    state: AccountState, session: StripeObject, method: str, form: dict[str, str], origin: str, *, after_authentication: bool
) -> Page:
    """`after_authentication`: the buyer comes back from the bank's page for 3D Secure."""
    if session["status"] == "complete":
        return Page(303, location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    if session["status"] == "expired":
        body = "<h1>This page has expired</h1><p>Go back to the shop and start again.</p>" + link(session["cancel_url"], "Back to the shop")
        return Page(410, html_page("Expired", body))
    if after_authentication:
        return Page(200, _payment_page(session, form, "The card could not be authenticated. Try again, or use another card."))
    if method != "POST":
        return Page(200, _payment_page(session, form, ""))
    try:
        session = checkout_sessions.pay(state, session, confirmation_params(form), form.get("email"), origin)
    except StripeApiError as error:
        return Page(402 if error.status == 402 else 400, _payment_page(session, form, str(error)))
    if session["status"] == "complete":
        return respond(state, session, "GET", form, origin, after_authentication=False)
    return Page(303, location=state.get("payment_intent", session["payment_intent"])["next_action"]["redirect_to_url"]["url"])


def confirmation_params(form: dict[str, str]) -> StripeObject:
    """The parameters of a confirmation, from the fields of the form. Raises StripeApiError for an incomplete number or date."""
    billing = {"name": form.get("name", ""), "email": form.get("email", "")}
    account = _BANK_ACCOUNTS.get(form.get("method", "card"))
    if account is not None:
        bank = {"account_number": account, "routing_number": "110000000"}
        return {"payment_method_data": {"type": "us_bank_account", "us_bank_account": bank, "billing_details": billing}}
    number = re.sub(r"\D", "", form.get("number", ""))
    expiry = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{2}|\d{4})\s*", form.get("expiry", ""))
    if not number:
        raise card_error("Your card number is incomplete.", code="incomplete_number", param="number")
    if expiry is None:
        message = "Your card's expiration date is incomplete. Write it as 12/34."
        raise card_error(message, code="incomplete_expiry", param="expiry")
    card = {"number": number, "exp_month": int(expiry[1]), "exp_year": int(expiry[2]), "cvc": form.get("cvc", "")}
    return {"payment_method_data": {"type": "card", "card": card, "billing_details": billing}}


def _payment_page(session: StripeObject, form: dict[str, str], problem: str) -> str:
    currency = session["currency"]
    lines = [(f"{line['quantity']} × {line['description']}", line["amount_subtotal"]) for line in session["_lines"]]
    if session["total_details"]["amount_discount"]:
        lines.append(("Discount", -session["total_details"]["amount_discount"]))
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{formatted_amount(amount, currency)}</td></tr>" for name, amount in lines)
    total = formatted_amount(session["amount_total"], currency)
    email = input_field("email", "E-mail", form.get("email") or session["customer_email"] or "", type="email", autocomplete="email")
    body = f'<h1>Pay</h1><p class="total">{total}</p><table>{rows}</table>{alert(problem)}'
    body += f'<form method="post" action="/c/pay/{session["id"]}">{email}{_card_fields(form) if session["amount_total"] else ""}'
    body += f"<button>Pay {total}</button></form>{_bank_form(session)}{link(session['cancel_url'], 'Back to the shop')}"
    return html_page(f"Pay {total}", body, with_test_cards=True)


def _card_fields(form: dict[str, str]) -> str:
    """No browser may offer a real card here, so the fields have no autocompletion."""
    number = input_field("number", "Test card number", autocomplete="off", inputmode="numeric", placeholder="4242 4242 4242 4242")
    expiry = input_field("expiry", "Expires", form.get("expiry", ""), autocomplete="off", placeholder="12/34")
    cvc = input_field("cvc", "Security code", autocomplete="off", inputmode="numeric", placeholder="123")
    name = input_field("name", "Name on card", form.get("name", ""), autocomplete="off", placeholder="Any name")
    return f'{number}<div class="row">{expiry}{cvc}</div>{name}'


def _bank_form(session: StripeObject) -> str:
    if "us_bank_account" not in session["payment_method_types"] or not session["amount_total"]:
        return ""
    email = f'<input type="hidden" name="email" value="{escape(session["customer_email"] or "buyer@example.com")}">'
    body = f'<details><summary>Pay from a bank account instead</summary><form method="post" action="/c/pay/{session["id"]}">{email}'
    body += '<button class="second" name="method" value="bank_ok">Pay by a debit that succeeds later</button>'
    return body + '<button class="second" name="method" value="bank_fails">Pay by a debit that fails later</button></form></details>'
