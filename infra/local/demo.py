"""The demo logins: who they are, and what is printed and written about them."""

from pathlib import Path

import msgspec

from chalicelib import settings
from chalicelib.edge import auth
from infra.local.data import Secrets

TOKEN_SECONDS = 30 * 86_400


class Login(msgspec.Struct):
    email: str
    password: str
    token: str


class Demo(msgspec.Struct):
    """`demo.json`: for scripts, which find here where to call and as whom."""

    base_url: str
    web_url: str
    store_url: str
    admin: Login
    promoter: Login
    user: Login


def describe(origin: str, store_url: str, kept: Secrets) -> Demo:
    def login(name: str, password: str, *roles: auth.Role) -> Login:
        return Login(f"{name}@demo.example", password, auth.issue_token(f"demo-{name}", {"user", *roles}, seconds=TOKEN_SECONDS))

    return Demo(
        base_url=f"{origin}/api/v1",
        web_url=f"{origin}/",
        store_url=store_url,
        admin=login("admin", kept.admin_password, "admin"),
        promoter=login("promoter", kept.promoter_password, "promoter"),
        user=login("user", kept.user_password),
    )


def welcome(origin: str, store_url: str, kept: Secrets, file: Path) -> str:
    by_stripe = bool(settings.optional_secret("stripe_api_key"))
    payments = "by Stripe, with your key" if by_stripe else "simulated   (FAIRGATE_STRIPE_API_KEY=sk_test_... for Stripe's test mode)"
    return f"""
Fairgate is running.

  Web       {origin}/
  API       {origin}/api/v1        (try {origin}/api/v1/events)
  Store     {store_url}               (aws dynamodb list-tables --endpoint-url {store_url})

  Payments  {payments}

  Logins    admin@demo.example      {kept.admin_password}
            promoter@demo.example   {kept.promoter_password}
            user@demo.example       {kept.user_password}
  Tokens    in {file}

Ctrl-C stops it. The data is in {file.parent}.
"""
