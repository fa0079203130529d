"""The demo logins: who they are, and what is printed and written about them."""

from pathlib import Path

import msgspec

from chalicelib import settings
from chalicelib.edge import auth
from infra.local.data import Secrets

TOKEN_SECONDS = 30 * 86_400

_LISTEN = """
            No webhook secret is set, so only the browser tells when somebody has paid. To hear it from Stripe:
            stripe listen --forward-to {}/webhooks/stripe
            make run STRIPE_API_KEY=... STRIPE_WEBHOOK_SECRET=<the whsec_... that it prints>"""


class Login(msgspec.Struct):
    email: str
    password: str
    token: str


class Demo(msgspec.Struct):
    """`demo.json`: for scripts, which find here where to call and as whom. `stripe_url`: of the stand-in, if it runs."""

    base_url: str
    web_url: str
    store_url: str
    stripe_url: str | None
    admin: Login
    promoter: Login
    user: Login


def describe(origin: str, store_url: str, stripe_url: str | None, kept: Secrets) -> Demo:
    def login(name: str, password: str, *roles: auth.Role) -> Login:
        return Login(f"{name}@demo.example", password, auth.issue_token(f"demo-{name}", {"user", *roles}, seconds=TOKEN_SECONDS))

    return Demo(
        base_url=f"{origin}/api/v1",
        web_url=f"{origin}/",
        store_url=store_url,
        stripe_url=stripe_url,
        admin=login("admin", kept.admin_password, "admin"),
        promoter=login("promoter", kept.promoter_password, "promoter"),
        user=login("user", kept.user_password),
    )


def welcome(found: Demo, file: Path) -> str:
    return f"""
Fairgate is running.

  Web       {found.web_url}
  API       {found.base_url}        (try {found.base_url}/events)
  Store     {found.store_url}               (aws dynamodb list-tables --endpoint-url {found.store_url})

  Payments  {_payments(found.stripe_url, found.base_url)}

  Logins    {found.admin.email}      {found.admin.password}
            {found.promoter.email}   {found.promoter.password}
            {found.user.email}       {found.user.password}
  Tokens    in {file}

Ctrl-C stops it. The data is in {file.parent}.
"""


def _payments(stripe_url: str | None, base_url: str) -> str:
    """Who takes them when a checkout does not ask, and who when it asks for Stripe."""
    simulated = settings.current().payment_provider == "simulated"
    if stripe_url is None:
        if not settings.optional_secret("stripe_api_key"):
            return "simulated, as far as the stage allows it"
        taken = "simulated, or by Stripe with your key for a checkout that asks for it" if simulated else "by Stripe, with your key"
        return taken if settings.optional_secret("stripe_webhook_secrets") else taken + _LISTEN.format(base_url)
    played = f"by a stand-in for Stripe at {stripe_url} (no real cards: it shows test cards)"
    rest = "\n            make run STRIPE_API_KEY=sk_test_... uses Stripe's own test mode instead"
    return (f'simulated; a checkout with "provider": "stripe" is paid\n            {played}' if simulated else played) + rest
