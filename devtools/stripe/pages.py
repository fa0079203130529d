"""The pages to which people are sent: the hosted page of a Checkout Session, the bank's page for 3D Secure, and a new account's setup.

Plain HTML without scripts, readable on a phone and with a screen reader.
"""

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode

from devtools.stripe import accounts, checkout_sessions, prices
from devtools.stripe.account_state import AccountState
from devtools.stripe.outcomes import apply_elapsed_time, complete_authentication, intent_table
from devtools.stripe.wire_format import StripeApiError, StripeObject, card_error

_STYLE = """
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fb}
header{padding:.75rem 1rem;text-align:center;color:#4a3500;background:#ffe9b0}
main{max-width:30rem;margin:2rem auto;padding:2rem;background:#fff;border-radius:12px;box-shadow:0 2px 16px #1a1f3614}
h1{font-size:1.1rem;font-weight:500;margin:0;color:#5a6478}.total{font-size:2rem;font-weight:600;margin:.25rem 0 1rem}
table{width:100%;border-collapse:collapse;margin-bottom:1.5rem}td{padding:.35rem 0;border-bottom:1px solid #e6eaf0}
td:last-child{text-align:right}label{display:block;font-size:.85rem;font-weight:500;margin-top:1rem}
input,select{width:100%;padding:.65rem;font:inherit;border:1px solid #b9c2d0;border-radius:6px}.row{display:flex;gap:1rem}
.row>label{flex:1}
button,.link{display:block;width:100%;margin-top:1.25rem;padding:.8rem;font:inherit;font-weight:600;text-align:center;border-radius:6px}
button{border:0;color:#fff;background:#2f6f4f;cursor:pointer}button.second{color:#1a1f36;background:#e6eaf0}.link{color:#5a6478}
:focus-visible{outline:3px solid #4c8bf5;outline-offset:2px}
[role=alert]{padding:.75rem 1rem;margin-bottom:1rem;border-radius:6px;color:#7a1220;background:#fde8ea}
footer{max-width:30rem;margin:0 auto 2rem;padding:0 2rem;font-size:.85rem;color:#5a6478}footer h2{font-size:1rem;color:#1a1f36}
footer td:last-child{text-align:left;padding-left:1rem}details{margin-top:1.25rem}summary{cursor:pointer}
code{white-space:nowrap;font-size:.95em}@media(prefers-color-scheme:dark){body{background:#12151c;color:#e8ebf2}main{background:#1c212c}
td,input,select{border-color:#3b4457}input,select{background:#12151c;color:inherit}h1,.link,footer{color:#a4aec2}footer h2{color:inherit}
header{color:#ffe9b0;background:#4a3500}
button.second{background:#3b4457;color:inherit}}
"""
_TEST_CARDS = (
    ("4242 4242 4242 4242", "succeeds"),
    ("4000 0025 0000 3155", "asks for 3D Secure"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0000 0000 9995", "has insufficient funds"),
    ("4000 0000 0000 0259", "succeeds, then is disputed"),
    ("4000 0000 0000 7726", "succeeds; its refunds stay pending for a while"),
    ("4000 0000 0000 5126", "succeeds; its refunds fail"),
)
_TEST_CARD_ROWS = "".join(f"<tr><td><code>{number}</code></td><td>{outcome}</td></tr>" for number, outcome in _TEST_CARDS)
_NOTICE = "<strong>Practice only.</strong> This is a fake Stripe on your own machine: no money moves. Never type a real card."


@dataclass(frozen=True)
class Page:
    """HTML, or (with `location`) a redirect."""

    status: int
    html: str = ""
    location: str = ""


def html_page(title: str, body: str, *, with_test_cards: bool = False) -> str:
    footer = (
        f"<h2>Test cards</h2><p>With any name, any future date and any security code.</p><table>{_TEST_CARD_ROWS}</table>"
        if with_test_cards
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<header>{_NOTICE}</header><main>{body}</main><footer>{footer}</footer></body></html>"
    )


def alert(text: str) -> str:
    return f'<p role="alert">{escape(text)}</p>' if text else ""


def link(url: str | None, text: str) -> str:
    return f'<a class="link" href="{escape(url)}">{escape(text)}</a>' if url else ""


def formatted_amount(amount: int, currency: str) -> str:
    return prices.formatted_amount(amount, currency).upper()


def input_field(name: str, label: str, value: str = "", **attributes: str) -> str:
    extra = "".join(f' {key}="{escape(text)}"' for key, text in attributes.items())
    return f'<label>{escape(label)}<input name="{name}" value="{escape(value)}" required{extra}></label>'


_BANK_ACCOUNTS = {"bank_ok": "000123456789", "bank_fails": "000111111113"}


def respond_to_checkout(
    state: AccountState, session: StripeObject, method: str, form: dict[str, str], origin: str, *, after_authentication: bool
) -> Page:
    """Return the hosted page. `after_authentication`: the buyer returns from the bank's page for 3D Secure."""
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
        return respond_to_checkout(state, session, "GET", form, origin, after_authentication=False)
    return Page(303, location=state.get("payment_intent", session["payment_intent"])["next_action"]["redirect_to_url"]["url"])


def confirmation_params(form: dict[str, str]) -> StripeObject:
    """Return the parameters of a confirmation from the form. Raises StripeApiError for an incomplete number or date."""
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
    lines = [(_line_text(line), line["amount_subtotal"]) for line in session["_lines"]]
    if session["total_details"]["amount_discount"]:
        lines.append(("Discount", -session["total_details"]["amount_discount"]))
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{formatted_amount(amount, currency)}</td></tr>" for name, amount in lines)
    total = formatted_amount(session["amount_total"], currency)
    email = input_field("email", "E-mail", form.get("email") or session["customer_email"] or "", type="email", autocomplete="email")
    body = f'<h1>Pay</h1><p class="total">{total}</p><table>{rows}</table>{alert(problem)}'
    body += f'<form method="post" action="/c/pay/{session["id"]}">{email}{_card_fields(form) if session["amount_total"] else ""}'
    body += f"<button>Pay {total}</button></form>{_bank_form(session)}{link(session['cancel_url'], 'Back to the shop')}"
    return html_page(f"Pay {total}", body, with_test_cards=True)


def _line_text(line: StripeObject) -> str:
    note = line["price"].get("_note")
    return f"{line['quantity']} × {line['description']}" + (f" ({note})" if note else "")


def _card_fields(form: dict[str, str]) -> str:
    """Return an input field without autocompletion, because browsers must not offer real cards here."""
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


def respond_to_authentication(state: AccountState, intent: StripeObject, method: str, form: dict[str, str]) -> Page:
    if intent["status"] == "requires_action" and method == "POST" and form.get("outcome") in ("complete", "fail"):
        complete_authentication(state, intent["id"], ok=form["outcome"] == "complete")
    if intent["status"] == "requires_action":
        if intent["object"] == "setup_intent":
            body = "<h1>Confirm your card</h1><p>Your bank asks whether this is your card (3D Secure). It charges nothing.</p>"
        else:
            total = formatted_amount(intent["amount"], intent["currency"])
            body = f'<h1>Confirm your payment</h1><p class="total">{total}</p>'
            body += "<p>Your bank asks whether you made this payment (3D Secure).</p>"
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


def respond_to_setup(state: AccountState, account_link: StripeObject, method: str, form: dict[str, str]) -> Page:
    """Return the page on which the owner of a connected account provides what is missing. An old link leads to the `refresh_url`."""
    if account_link["expires_at"] <= state.now():
        return Page(303, location=account_link["_refresh_url"])
    if method == "POST":
        if form.get("outcome") == "complete":
            accounts.complete_onboarding(state, state.get("account", account_link["account"]))
        state.remove("account_link", account_link["id"])
        return Page(303, location=account_link["_return_url"])
    body = "<h1>Set up your account</h1><p>Stripe asks here for your address, your bank account and more. Nothing is needed now.</p>"
    body += '<form method="post"><button name="outcome" value="complete">Provide everything</button>'
    body += '<button class="second" name="outcome" value="later">Finish later</button></form>'
    return Page(200, html_page("Set up your account", body))


_SETUP_PATH = re.compile(r"/setup/(alink_\w+)")
_CHECKOUT_PATH = re.compile(r"/c/pay/(cs_\w+)(/done)?")
_AUTHENTICATION_PATH = re.compile(r"/3d_secure/(((?:pi|seti)_\w+?)_secret_\w+)")


def respond(state: AccountState, method: str, path: str, encoded_form: str, origin: str) -> Page | None:
    """Return the page at this path, or None."""
    form = dict(parse_qsl(encoded_form))
    checkout, authentication, setup = (pattern.fullmatch(path) for pattern in (_CHECKOUT_PATH, _AUTHENTICATION_PATH, _SETUP_PATH))
    with state.lock:
        apply_elapsed_time(state)
        try:
            if checkout:
                with state.acting_for(state.owner("checkout.session", checkout[1])):
                    session = state.find("checkout.session", checkout[1])
                    if session is None:
                        return None
                    return respond_to_checkout(state, session, method, form, origin, after_authentication=bool(checkout[2]))
            if authentication:
                table = intent_table(authentication[2])
                with state.acting_for(state.owner(table, authentication[2])):
                    intent = state.find(table, authentication[2])
                    if intent is None or intent["client_secret"] != authentication[1]:
                        return None
                    return respond_to_authentication(state, intent, method, form)
            if setup:
                account_link = state.find("account_link", setup[1])
                return None if account_link is None else respond_to_setup(state, account_link, method, form)
        finally:
            state.commit()
    return _front_page() if path == "/" else None


def _front_page() -> Page:
    body = "<h1>Stripe, locally</h1><p>This server stands in for Stripe while Fairgate runs without a Stripe key. Buyers who pay by card "
    body += "are sent to a page here, as they would be sent to Stripe.</p>"
    return Page(200, html_page("Stripe, locally", body, with_test_cards=True))
