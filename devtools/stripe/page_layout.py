"""The layout of the pages: plain HTML without scripts, readable on a phone and with a screen reader."""

from dataclasses import dataclass
from html import escape

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
    return f"{amount} {currency.upper()}" if currency == "jpy" else f"{amount / 100:,.2f} {currency.upper()}"


def input_field(name: str, label: str, value: str = "", **attributes: str) -> str:
    extra = "".join(f' {key}="{escape(text)}"' for key, text in attributes.items())
    return f'<label>{escape(label)}<input name="{name}" value="{escape(value)}" required{extra}></label>'
