"""The addresses and demo logins of a local run, printed at its start and written to `demo.json`."""

from pathlib import Path

import msgspec

from chalicelib.accounts import profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import PromoterChange
from chalicelib.edge import auth
from chalicelib.foundation import clock, secret_settings, settings
from infra.local.data_folder import RunSecrets

TOKEN_SECONDS = 30 * 86_400

_LISTEN = """
            Stripe cannot report payments to this run, because no webhook secret is set. To receive Stripe's webhooks:
            stripe listen --forward-to {}/webhooks/stripe
            make run STRIPE_API_KEY=... STRIPE_WEBHOOK_SECRET=<the whsec_... that stripe prints>"""


class DemoLogin(msgspec.Struct):
    email: str
    password: str
    token: str


class DemoAccess(msgspec.Struct):
    """The content of `demo.json`, for scripts. `stripe_url` is the address of the fake Stripe; None if it does not run."""

    stage: str
    base_url: str
    web_url: str
    store_url: str
    stripe_url: str | None
    admin: DemoLogin
    promoter: DemoLogin
    user: DemoLogin


def create_access(origin: str, store_url: str, stripe_url: str | None, secrets: RunSecrets) -> DemoAccess:
    """Create the accounts of the demo logins, unless they exist, and issue their tokens, which are valid for 30 days."""

    def verify_promoter(promoter_id: str) -> None:
        profile = PromoterChange(
            name="Demo Promoter",
            company="Demo Ltd",
            description="Sells the demo events.",
            website=None,
            email=f"{promoter_id}@demo.example",
            policies="We refund tickets until seven days before the event. If an event is cancelled, we refund everybody.",
            verified=True,
        )
        if (current := profiles.find_promoter(promoter_id)) is not None and current.version == 1:  # unchanged since the account was created
            profiles.save_promoter(promoter_id, profile, "make run", clock.now(), by_admin=True)

    def login(name: str, password: str, *roles: auth.Role) -> DemoLogin:
        now = clock.now()
        user_id, email, all_roles = f"demo-{name}", f"{name}@demo.example", ("user", *roles)
        account = Account(user_id=user_id, email=email, roles=all_roles, created_at=now, verified_at=now, first_name=name.title())
        accounts.create_account(account, password)
        if "promoter" in roles:
            verify_promoter(user_id)
        return DemoLogin(email, password, auth.issue_token(user_id, set(all_roles), seconds=TOKEN_SECONDS))

    return DemoAccess(
        stage=settings.current().stage,
        base_url=f"{origin}/api/v1",
        web_url=f"{origin}/",
        store_url=store_url,
        stripe_url=stripe_url,
        admin=login("admin", secrets.admin_password, "admin"),
        promoter=login("promoter", secrets.promoter_password, "promoter"),
        user=login("user", secrets.user_password),
    )


def welcome_text(access: DemoAccess, file: Path) -> str:
    """Return the text for the terminal when the run is ready; `file` is the path of `demo.json`."""
    return f"""
Fairgate is running.

  Web       {access.web_url}
  API       {access.base_url}        (documentation: {access.web_url}docs; try {access.base_url}/events)
  Store     {access.store_url}               (aws dynamodb list-tables --endpoint-url {access.store_url})

  Payments  {_payments_text(access.stripe_url, access.base_url)}

  Logins    {access.admin.email}      {access.admin.password}
            {access.promoter.email}   {access.promoter.password}
            {access.user.email}       {access.user.password}
  Tokens    in {file}

Ctrl-C stops it. The data is in {file.parent}.
"""


def _payments_text(stripe_url: str | None, base_url: str) -> str:
    """Describe how checkouts are paid without a provider, and with Stripe."""
    simulated_by_default = settings.current().payment_provider == "simulated"
    on_request = 'simulated, unless a checkout has "provider": "stripe": then\n            ' if simulated_by_default else ""
    if stripe_url is not None:
        where = f"at a fake Stripe on this machine, {stripe_url}, which accepts test cards only"
        return f"{on_request}{where}\n            To use Stripe's own test mode: make run STRIPE_API_KEY=sk_test_..."
    if secret_settings.optional_secret("stripe_api_key"):
        where = f"{on_request}at Stripe, with your key"
        return where if secret_settings.optional_secret("stripe_webhook_secrets") else where + _LISTEN.format(base_url)
    if settings.current().payment_simulation == "on":
        return "simulated"
    return "none: simulation is off and there is no Stripe key. To set one: make run STRIPE_API_KEY=..."
