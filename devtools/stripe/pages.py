"""What a browser sees: the hosted page of a Checkout Session, and the bank's page for 3D Secure."""

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode

from devtools.stripe import clockwork, layout, sessions
from devtools.stripe.errors import ApiError, Obj
from devtools.stripe.state import State

_SESSION = re.compile(r"/c/pay/(cs_\w+)(/done)?")
_CHALLENGE = re.compile(r"/3d_secure/((pi_\w+?)_secret_\w+)")
_BANK_ACCOUNTS = {"bank_ok": "000123456789", "bank_fails": "000111111113"}


@dataclass(frozen=True)
class Page:
    """HTML, or (with `location`) a redirect."""

    status: int
    html: str = ""
    location: str = ""


def answer(state: State, method: str, path: str, encoded: str, origin: str) -> Page | None:
    """None: no such page."""
    form = dict(parse_qsl(encoded))
    hosted, challenge = _SESSION.fullmatch(path), _CHALLENGE.fullmatch(path)
    with state.lock:
        clockwork.tick(state)
        try:
            if hosted:
                session = state.find("checkout.session", hosted[1])
                return None if session is None else _hosted(state, session, method, form, origin, returned=bool(hosted[2]))
            if challenge:
                intent = state.find("payment_intent", challenge[2])
                known = intent is not None and intent["client_secret"] == challenge[1]
                return _challenge(state, intent, method, form) if intent is not None and known else None
        finally:
            state.commit()
    if path == "/":
        body = (
            "<h1>Stripe, locally</h1><p>This server stands in for Stripe while Fairgate runs without a key of Stripe's. Buyers who pay by "
        )
        body += "card are sent to a page here, as they would be to Stripe's.</p>"
        return Page(200, layout.page("Stripe, locally", body, cards=True))
    return None


def _hosted(state: State, session: Obj, method: str, form: dict[str, str], origin: str, *, returned: bool) -> Page:
    if session["status"] == "complete":
        return Page(303, location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    if session["status"] == "expired":
        body = "<h1>This page has expired</h1><p>Go back to the shop and start again.</p>" + layout.link(
            session["cancel_url"], "Back to the shop"
        )
        return Page(410, layout.page("Expired", body))
    if returned:
        return Page(200, _form(session, form, "The card could not be authenticated. Try again, or use another card."))
    if method != "POST":
        return Page(200, _form(session, form, ""))
    try:
        session = sessions.pay(state, session, given(form), form.get("email"), origin)
    except ApiError as error:
        return Page(402 if error.status == 402 else 400, _form(session, form, str(error)))
    if session["status"] == "complete":
        return _hosted(state, session, "GET", form, origin, returned=False)
    return Page(303, location=state.get("payment_intent", session["payment_intent"])["next_action"]["redirect_to_url"]["url"])


def given(form: dict[str, str]) -> Obj:
    """The parameters of a confirmation, from the fields of the form. Raises ApiError for a date that is none."""
    billing = {"name": form.get("name", ""), "email": form.get("email", "")}
    account = _BANK_ACCOUNTS.get(form.get("method", "card"))
    if account is not None:
        bank = {"account_number": account, "routing_number": "110000000"}
        return {"payment_method_data": {"type": "us_bank_account", "us_bank_account": bank, "billing_details": billing}}
    number = re.sub(r"\D", "", form.get("number", ""))
    expiry = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{2}|\d{4})\s*", form.get("expiry", ""))
    if not number:
        raise ApiError(402, "card_error", "Your card number is incomplete.", code="incomplete_number", param="number")
    if expiry is None:
        raise ApiError(
            402, "card_error", "Your card's expiration date is incomplete. Write it as 12/34.", code="incomplete_expiry", param="expiry"
        )
    card = {"number": number, "exp_month": int(expiry[1]), "exp_year": int(expiry[2]), "cvc": form.get("cvc", "")}
    return {"payment_method_data": {"type": "card", "card": card, "billing_details": billing}}


def _form(session: Obj, form: dict[str, str], problem: str) -> str:
    currency = session["currency"]
    lines = [(f"{line['quantity']} × {line['description']}", line["amount_subtotal"]) for line in session["_lines"]]
    if session["total_details"]["amount_discount"]:
        lines.append(("Discount", -session["total_details"]["amount_discount"]))
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{layout.money(amount, currency)}</td></tr>" for name, amount in lines)
    total = layout.money(session["amount_total"], currency)
    email = layout.field("email", "E-mail", form.get("email") or session["customer_email"] or "", type="email", autocomplete="email")
    body = f'<h1>Pay</h1><p class="total">{total}</p><table>{rows}</table>{layout.alert(problem)}'
    body += f'<form method="post" action="/c/pay/{session["id"]}">{email}{_card_fields(form) if session["amount_total"] else ""}'
    body += f"<button>Pay {total}</button></form>{_bank_form(session)}{layout.link(session['cancel_url'], 'Back to the shop')}"
    return layout.page(f"Pay {total}", body, cards=True)


def _card_fields(form: dict[str, str]) -> str:
    """No browser is to offer a real card here."""
    number = layout.field("number", "Test card number", autocomplete="off", inputmode="numeric", placeholder="4242 4242 4242 4242")
    expiry = layout.field("expiry", "Expires", form.get("expiry", ""), autocomplete="off", placeholder="12/34")
    cvc = layout.field("cvc", "Security code", autocomplete="off", inputmode="numeric", placeholder="123")
    name = layout.field("name", "Name on card", form.get("name", ""), autocomplete="off", placeholder="Any name")
    return f'{number}<div class="row">{expiry}{cvc}</div>{name}'


def _bank_form(session: Obj) -> str:
    if "us_bank_account" not in session["payment_method_types"] or not session["amount_total"]:
        return ""
    email = f'<input type="hidden" name="email" value="{escape(session["customer_email"] or "buyer@example.com")}">'
    body = f'<details><summary>From a bank account instead</summary><form method="post" action="/c/pay/{session["id"]}">{email}'
    body += '<button class="second" name="method" value="bank_ok">The debit succeeds later</button>'
    return body + '<button class="second" name="method" value="bank_fails">The debit fails later</button></form></details>'


def _challenge(state: State, intent: Obj, method: str, form: dict[str, str]) -> Page:
    if intent["status"] == "requires_action" and method == "POST" and form.get("outcome") in ("complete", "fail"):
        clockwork.authenticate(state, intent["id"], ok=form["outcome"] == "complete")
    if intent["status"] == "requires_action":
        total = layout.money(intent["amount"], intent["currency"])
        body = f'<h1>Your bank asks</h1><p class="total">{total}</p><p>3D Secure: is it you who pays?</p><form method="post">'
        body += '<button name="outcome" value="complete">Complete authentication</button>'
        body += '<button class="second" name="outcome" value="fail">Fail authentication</button></form>'
        return Page(200, layout.page("3D Secure", body))
    if not intent["_return_url"]:
        return Page(200, layout.page("3D Secure", "<h1>Thank you</h1><p>You can close this window.</p>"))
    if intent["_session"] is not None:
        return Page(303, location=intent["_return_url"])
    outcome = "succeeded" if intent["status"] in ("succeeded", "processing") else "failed"
    facts = {"payment_intent": intent["id"], "payment_intent_client_secret": intent["client_secret"], "redirect_status": outcome}
    mark = "&" if "?" in intent["_return_url"] else "?"
    return Page(303, location=f"{intent['_return_url']}{mark}{urlencode(facts)}")
