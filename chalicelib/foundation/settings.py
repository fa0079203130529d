"""The settings: all limits, durations, switches and keys, each set by an environment variable FAIRGATE_<NAME>.

The environment is read at first use, not at import. Only the add-ons are read at import, because they decide which routes the app has.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

PREFIX = "FAIRGATE_"
DEFAULT_REGION = "us-east-1"
# The first of these variables that is set determines the region. Lambda sets AWS_REGION.
REGION_VARIABLES = (f"{PREFIX}REGION", "AWS_REGION", "AWS_DEFAULT_REGION")

Seconds = Annotated[int, Meta(ge=1, le=31 * 86_400)]
Switch = Literal["on", "off"]
RateText = Annotated[str, Meta(pattern="^[1-9][0-9]{0,4}/[1-9][0-9]{0,4}$", title="requests/seconds, each from 1 to 99,999")]
_DEFAULT_TAX = r"[A-Z]{2}(-[A-Z0-9]{1,3})?=(0|[1-9][0-9]?)(\.[0-9]{0,2}[1-9])?"

# The external payment providers, whose books are compared with ours. Each provider has a module in `chalicelib/payments/providers/`.
ExternalProviderName = Literal["stripe", "mollie"]
# Each payment is opened by one call to its provider and verified by another.
PROVIDER_CALLS_PER_PAYMENT = 2

BUILD_FILE = "build.txt"  # in chalicelib, in the package of a deployed stage
DEVELOPMENT = "development"  # the build of code that is not in a package
PRODUCTION = "prod"  # the stage that accepts real money
# Each add-on is a package of this name in chalicelib/addons (docs/architecture.md).
ADDONS = ("documents", "images", "messages", "outgoing_webhooks", "packages", "reports", "waitlist", "wallets")
_ANY_ADDON = f"({'|'.join(ADDONS)})"
# Values that production refuses: (setting, value) -> reason.
NOT_IN_PRODUCTION = {
    ("identity", "demo"): "with demo, anybody can act as any user",
    ("payment_simulation", "on"): "a simulated payment gives tickets without money",
    ("payment_provider", "simulated"): "a simulated payment gives tickets without money",
    ("webhook_targets", "local"): "with local, promoters could send requests to services on our own machines",
    ("email_verification", "later"): "with later, anybody can find out who has an account",
}


# Former settings, which nobody needed to change: name -> what applies instead. Until the sunset of deprecated names they are ignored, so
# that stages that set them keep working.
DEPRECATED = {
    "cache_seconds": "Changes that only managers see are read again after 300 seconds.",
    "challenge_seconds": "The solution of a proof-of-work challenge is accepted for 300 seconds.",
    "idempotency_seconds": "The reply to an Idempotency-Key is kept for a day.",
    "stock_cache_seconds": "Displayed stock figures are read again after one second, or after three seconds while they do not change.",
    "waitlist_keep_seconds": "Returned tickets are kept back for a larger party for an hour, then twice as long each time.",
    "waitlist_patience_seconds": "Smaller parties overtake a larger party for an hour.",
    "waitlist_shortest_offer_seconds": "An offer of the waitlist lasts at least 900 seconds, unless the sale ends earlier.",
}


def _says(description: str) -> Meta:
    return Meta(description=description)


def _group(title: str) -> Meta:
    """Mark the first setting of a group. The group ends where the next one begins."""
    return Meta(extra={"group": title})


def _secret(*beginnings: str) -> Meta:
    """Mark a setting as a secret, which can also be set in Secrets Manager. If `beginnings` are given, its value must have one of them."""
    return Meta(extra={"beginnings": beginnings})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a process. FAIRGATE_NAME sets the field `name`. `make docs` writes docs/settings.md from the fields."""

    stage: Annotated[
        str,
        Meta(pattern="^[a-z][a-z0-9-]{0,19}$", title="lowercase letters, digits and -, beginning with a letter; 20 at most"),
        _says("Name of the deployment. It is part of every table's name."),
        _group("Stage"),
    ] = "local"
    region: Annotated[
        str,
        _says("AWS region of the tables and the secret. If it is not set, `AWS_REGION` and then `AWS_DEFAULT_REGION` apply."),
    ] = DEFAULT_REGION
    regions: Annotated[
        str,
        Meta(
            pattern="^([a-z0-9-]+, ?[a-z0-9-]+, ?[a-z0-9-]+)?$", title="two regions and the region of their witness, such as a-1, b-1, c-1"
        ),
        _says(
            "The two regions of a stage with a standby, and a third region that knows which of them sells, comma separated "
            "([regions](regions.md)). Empty: the stage has one region."
        ),
    ] = ""
    addons: Annotated[
        str,
        Meta(pattern=f"^(all|none|{_ANY_ADDON}( *, *{_ANY_ADDON})*)$", title=f"all, none, or names with commas: {', '.join(ADDONS)}"),
        _says("Which add-ons the stage has: `all`, `none`, or their names, comma separated ([deployment](deployment.md#add-ons))."),
    ] = "all"
    store_endpoint: Annotated[str, _says("Address of a DynamoDB-compatible store. Empty: DynamoDB on AWS.")] = ""
    images_bucket: Annotated[str, _says("Name of the S3 bucket for uploaded images. The stack of a deployed stage sets it.")] = ""
    images_endpoint: Annotated[str, _says("Address of an S3-compatible store for images. Empty: S3 on AWS.")] = ""
    shell_file: Annotated[
        str, _says("File with the shell of the web pages, which the build writes. Empty: the file in the package of a deployed stage.")
    ] = ""
    cors_origins: Annotated[str, _says("Origins whose pages may call the API from a browser, comma separated. `*` allows all.")] = "*"
    request_seconds: Annotated[
        int,
        Meta(ge=1, le=24),
        _says("Seconds after which a request stops calling DynamoDB and Stripe and replies. Keep it at least 5 below Lambda's timeout."),
    ] = 14
    head_check_seconds: Annotated[Seconds, _says("Seconds between an instance's checks for a new version of the catalog.")] = 5
    shop_url: Annotated[str, _says("Address of the shop's web pages, to which links in emails lead."), _group("Shop")] = (
        "http://127.0.0.1:8000"
    )
    contact_email: Annotated[
        str, _says("Address to which buyers write about events without a verified promoter. Empty: buyers see only the shop's website.")
    ] = ""
    shop_policies: Annotated[str, _says("What buyers should know before they buy from the shop itself, such as when they get refunds.")] = (
        ""
    )
    default_taxes: Annotated[
        str,
        Meta(
            pattern=rf"^({_DEFAULT_TAX}(, ?{_DEFAULT_TAX})*)?$",
            title="countries or regions with percentages, such as ES=21, ES-CN=7",
        ),
        _says(
            "The taxes in prices at events without a promoter, by the event's country and region, for ticket types without a tax of their "
            "own: `ES=21, ES-CN=7`. Empty: none."
        ),
    ] = ""
    automatic_tax: Annotated[
        Switch,
        _says(
            "Whether Stripe Tax calculates the taxes in prices at events without a promoter, which need the venue's full address. "
            "Payments that Stripe does not take have the default taxes."
        ),
    ] = "off"
    vies_url: Annotated[
        str,
        Meta(pattern=r"^(https?://\S+)?$", title="begins with http:// or https://"),
        _says(
            "Address of VIES, which says whether the VAT ids of companies on invoices exist: "
            "`https://ec.europa.eu/taxation_customs/vies/rest-api`. Empty: only their form is checked."
        ),
    ] = ""
    legal_url: Annotated[
        str,
        Meta(pattern=r"^(https?://\S+)?$", title="begins with http:// or https://"),
        _says(
            "Page with the shop's legal notice, terms and privacy policy, to which every page links. Empty: the texts that admins publish."
        ),
    ] = ""
    hold_seconds: Annotated[
        Seconds,
        _says("Seconds for which a reservation holds its tickets, unless the event sets its own (`Event.effective_hold_seconds`)."),
        _group("Sales"),
    ] = 180
    checkout_seconds: Annotated[int, Meta(ge=0, le=86_400), _says("Seconds that opening a checkout adds to the hold of a reservation.")] = 0
    event_purchase_limit: Annotated[
        int, Meta(ge=1, le=1000), _says("How many tickets of an event a user may have, unless the event sets its own limit.")
    ] = 6
    tier_purchase_limit: Annotated[
        int, Meta(ge=1, le=50), _says("How many tickets of one tier a purchase may have, unless the tier sets its own limit.")
    ] = 4
    refund_fee_cents: Annotated[
        int,
        Meta(ge=0),
        _says("Fee for each ticket, in minor units, if a buyer changes their mind and the refund request does not set a fee."),
    ] = 0
    refund_fee_percent: Annotated[
        int, Meta(ge=0, le=100), _says("Fee for each ticket, as a percentage of its price, added to the fee above.")
    ] = 0
    purchase_ttl_seconds: Annotated[Seconds, _says("Seconds after which an abandoned purchase may be deleted.")] = 30 * 86_400
    wave_size: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        _says("How many buyers a waiting room admits with each wave, unless the event sets its own number."),
        _group("Waiting room and waitlist"),
    ] = 100
    wave_seconds: Annotated[Seconds, _says("Seconds between two waves, unless the event sets its own interval.")] = 30
    pass_seconds: Annotated[Seconds, _says("Seconds that an admitted buyer's turn lasts, unless the event sets its own time.")] = 180
    grace_seconds: Annotated[
        int,
        Meta(ge=0, le=86_400),
        _says("Seconds after a missed turn in which the buyer may still reserve, unless the event sets its own time."),
    ] = 60
    join_difficulty: Annotated[
        int, Meta(ge=0, le=24), _says("Leading zero bits of the proof of work that a join requires. 0 requires no proof.")
    ] = 0
    limit_appeal: Annotated[
        RateText,
        _says(
            "How many people may appeal at one event after its waiting room has refused them. The people in one network may write at most "
            "a twentieth of this number."
        ),
    ] = "2000/86400"
    limit_card_check: Annotated[
        RateText,
        _says("How often a user may have a payment card checked to join waiting rooms. A network may have ten times as many checked."),
    ] = "3/3600"
    limit_declined_card: Annotated[
        RateText,
        _says(
            "How many cards banks may decline at the waiting room of one event. Above a twentieth of this number, a network cannot have "
            "more cards checked."
        ),
    ] = "60/3600"
    limit_leave_group: Annotated[
        RateText,
        _says("How often somebody may leave a group in the waiting room of an event. Counted for the email address, whoever uses it."),
    ] = "5/86400"
    draw_closing_seconds: Annotated[
        int,
        Meta(ge=0, le=120),  # the pages ask people to come two minutes before the opening
        _says(
            "How many seconds before the opening the draw of a new waiting room closes. Everybody can then see the list of entries before "
            "the key. 0: the draw closes at the opening, and there is no list."
        ),
    ] = 90
    beacon_mirrors: Annotated[
        str,
        Meta(min_length=1, title="one address or more, comma separated"),
        _says(
            "Mirrors of the public beacon drand, comma separated, for draws that follow from a key and the beacon. Each attempt to get a "
            "round asks one of them."
        ),
    ] = "https://api.drand.sh,https://api2.drand.sh,https://api3.drand.sh,https://drand.cloudflare.com"
    beacon_chain: Annotated[
        str,
        Meta(
            pattern="^([0-9a-f]{64}/[0-9a-f]{192}/[0-9]{1,12}/[1-9][0-9]{0,3})?$",
            title="<chain hash>/<public key>/<genesis in epoch seconds>/<period in seconds>",
        ),
        _says(
            "Another chain of drand with the scheme `bls-unchained-g1-rfc9380`, for new waiting rooms. Empty: the public chain quicknet."
        ),
    ] = ""
    waiting_room_counters: Annotated[
        int,
        Meta(ge=1, le=64),
        _says("How many items count the arrivals of a waiting room, before and after the opening. Each item accepts 1,000 joins a second."),
    ] = 1
    waitlist_offer_seconds: Annotated[
        Seconds,
        _says("Seconds for which an offer of the waitlist holds its tickets, up to a quarter of the time until the sale ends."),
    ] = 86_400
    payment_provider: Annotated[
        Literal["auto", "simulated", ExternalProviderName],
        _says(
            "The payment provider of a checkout that does not name one. `auto` is Stripe if its key is set, or else Mollie if its key "
            "is set, and simulation otherwise. Stage `prod` refuses `simulated`."
        ),
        _group("Payments"),
    ] = "auto"
    payment_simulation: Annotated[
        Switch, _says("Whether payments can be simulated (`simulate` in the confirm request). Stage `prod` refuses `on`.")
    ] = "off"
    checkout_page: Annotated[
        Literal["own", "hosted"],
        _says(
            'Where buyers pay by Stripe if a checkout leaves the choice to the shop (`"page": "either"`): on the shop\'s `own` page, '
            "which needs the publishable key, or on Stripe's `hosted` page."
        ),
    ] = "own"
    checkout_origins: Annotated[
        str,
        _says(
            "Origins that `success_url` and `cancel_url` may lead to, comma separated. Buyers return to the first origin if a "
            "checkout names no URL."
        ),
    ] = ""
    stripe_api_key: Annotated[
        str,
        _says("Secret key of Stripe, which enables payments through Stripe. Only stage `prod` accepts live keys."),
        _secret("sk_test_", "sk_live_", "rk_test_", "rk_live_"),
    ] = ""
    stripe_publishable_key: Annotated[
        str,
        Meta(pattern="^(pk_(test|live)_.*)?$", title="begins with pk_test_ or pk_live_"),
        _says("Publishable key of Stripe, which buyers' browsers use."),
    ] = ""
    stripe_webhook_secrets: Annotated[
        str,
        _says("Signing secrets of Stripe's webhooks, comma separated. A webhook is accepted if one of them matches."),
        _secret("whsec_"),
    ] = ""
    stripe_namespace: Annotated[
        str,
        Meta(pattern="^[a-zA-Z0-9_-]{0,40}$", title="letters, digits, _ and -; 40 at most"),
        _says(
            "Marks the payments of this deployment at Stripe and Mollie, in case several deployments share an account. Empty: the name of "
            "the stage."
        ),
    ] = ""
    connected_accounts: Annotated[
        Literal["off", "standard", "express"],
        _says(
            "Whether promoters can connect their own Stripe accounts, on which buyers then pay, and which kind: `standard` accounts have "
            "Stripe's full dashboard, `express` accounts a reduced one. `off` connects no further accounts."
        ),
    ] = "off"
    connected_account_required: Annotated[
        Switch,
        _says("Whether promoters can publish and sell paid tickets only while their account is active."),
    ] = "off"
    application_fee_cents: Annotated[
        int,
        Meta(ge=0),
        _says("The operator's fee for each paid ticket, in minor units, from payments on connected accounts."),
    ] = 0
    application_fee_basis_points: Annotated[
        int, Meta(ge=0, le=10_000), _says("The operator's fee in hundredths of a percent of the total, added to the fee above.")
    ] = 0
    application_fee_refunds: Annotated[
        Switch, _says("Whether refunds of sold tickets give the promoter the operator's fee back. It applies to payments opened later.")
    ] = "on"
    stripe_call_rate: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says(
            "How many calls a second Stripe accepts: 100 in live mode, 25 in test mode. Waves that follow the stock stay below this rate."
        ),
    ] = 100
    stripe_endpoint_rate: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says(
            "How many calls a second Stripe accepts to one of its endpoints, such as the one for new payments: 25 unless Stripe has raised "
            "the limit for your account. Waves that follow the stock and the jobs stay below this rate."
        ),
    ] = 25
    stripe_api_base: Annotated[str, _says("Address of a fake Stripe API. Empty: Stripe itself.")] = ""
    mollie_api_key: Annotated[
        str,
        _says("API key of Mollie, which enables payments through Mollie. Only stage `prod` accepts live keys."),
        _secret("test_", "live_"),
        _group("Payments through Mollie"),
    ] = ""
    mollie_webhook_secrets: Annotated[
        str,
        _says(
            "Secrets of 32 characters or more, comma separated, from which the addresses of Mollie's webhooks are derived. New payments "
            "use the first; a webhook is accepted if one of them matches."
        ),
        _secret(),
    ] = ""
    mollie_webhook_url: Annotated[
        str,
        Meta(pattern="^(https?://.+/webhooks/mollie)?$", title="the API's address, ending in /webhooks/mollie"),
        _says("Address at which Mollie reaches this stage's API, ending in `/webhooks/mollie`. Required with a key of Mollie."),
    ] = ""
    mollie_call_rate: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says("How many calls a second to make to Mollie, which states no limit. Waves that follow the stock stay below this rate."),
    ] = 25
    mollie_api_base: Annotated[str, _says("Address of a fake Mollie API. Empty: Mollie itself.")] = ""
    doors_open_seconds: Annotated[
        Seconds, _says("Seconds before the start of an event at which its doors open."), _group("Tickets and the door")
    ] = 12 * 3600
    doors_close_seconds: Annotated[
        Seconds, _says("Seconds after the start of an event at which its doors close, if the event has no end.")
    ] = 12 * 3600
    attendee_lock_seconds: Annotated[
        Seconds, _says("Seconds before the start of an event from which the names on its tickets cannot be changed.")
    ] = 3600
    transfer_seconds: Annotated[Seconds, _says("Seconds for which the link of a ticket transfer can be accepted.")] = 7 * 86_400
    google_wallet_issuer: Annotated[
        str,
        Meta(pattern="^([0-9]{1,25})?$", title="digits"),
        _says("Issuer id of the Google Wallet API. With it and the key below, buyers can put tickets into Google Wallet."),
        _group("Wallets of phones"),
    ] = ""
    google_wallet_key: Annotated[
        str,
        _says("Key of a Google service account that may use the issuer's passes: the JSON text of the file that Google provides."),
        _secret("{"),
    ] = ""
    google_wallet_api_base: Annotated[
        str,
        Meta(pattern=r"^https?://\S+$", title="begins with http:// or https://"),
        _says("Address of the Google Wallet API."),
    ] = "https://walletobjects.googleapis.com"
    apple_pass_type: Annotated[
        str,
        Meta(pattern=r"^(pass\.[A-Za-z0-9.-]{1,100})?$", title="begins with pass."),
        _says("Pass type identifier at Apple. With it, the team and the certificate below, buyers can put tickets into Apple Wallet."),
    ] = ""
    apple_team: Annotated[
        str,
        Meta(pattern="^([A-Z0-9]{10})?$", title="10 letters or digits"),
        _says("Identifier of the team at Apple that has the pass type."),
    ] = ""
    apple_pass_certificate: Annotated[
        str,
        _says(
            "In PEM form: the certificate of the pass type, its private key without a password, and Apple's intermediate certificate "
            "(WWDR) that has signed it."
        ),
        _secret("-----BEGIN "),
    ] = ""
    apple_push_base: Annotated[
        str,
        Meta(pattern=r"^https://\S+$", title="begins with https://"),
        _says("Address of Apple's push service (APNs), which tells phones about changed passes."),
    ] = "https://api.push.apple.com"
    mail_provider: Annotated[
        Literal["smtp", "ses"],
        _says("What sends emails: `smtp` is the server below, and `ses` is Amazon's Simple Email Service in the region of the stage."),
        _group("Emails, webhooks and push messages"),
    ] = "smtp"
    mail_from: Annotated[
        str, _says("Sender of emails: an address, or `Name <address>`. The name is also the seller of events without a verified promoter.")
    ] = "Fairgate <tickets@localhost>"
    mail_rate: Annotated[
        int,
        Meta(ge=1, le=1000),
        _says(
            "Emails per second that the mail provider accepts; SES accepts 14 from a new account. Emails about orders and events use 80 % "
            "of it, and the rest is for emails that people request."
        ),
    ] = 14
    smtp_url: Annotated[
        str,
        _says(
            "Server that sends emails: `smtps://user:password@host:465`, `smtp+starttls://user:password@host:587`, or "
            "`smtp://host:25` without encryption. User and password are percent-encoded. Empty: no emails are sent."
        ),
        _secret("smtp://", "smtps://", "smtp+starttls://"),
    ] = ""
    ses_configuration_set: Annotated[
        str, _says("Name of the SES configuration set with which emails are sent. The stack of a stage that uses SES sets it.")
    ] = ""
    ses_topic_arn: Annotated[
        str, _says("ARN of the SNS topic that SES reports to. The stack sets this too. Empty: `POST /webhooks/ses` refuses all messages.")
    ] = ""
    webhook_targets: Annotated[
        Literal["public", "local"],
        _says(
            "Where promoters' webhooks and push messages may be sent: to `public` addresses by https, or also to 127.0.0.1, with or "
            "without encryption (`local`). Stage `prod` refuses `local`."
        ),
    ] = "public"
    publishing: Annotated[
        Literal["verified", "all"],
        _says("Which promoters may publish events: only those whom an admin has `verified`, or `all`. All promoters may prepare drafts."),
        _group("Promoters"),
    ] = "verified"
    promoter_events: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says("How many drafts, current and future events, and events created in the last 30 days a verified promoter may have."),
    ] = 500
    unverified_events: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says("How many events, including past ones, a promoter may have before an admin verifies them. Ten deleted drafts count as one."),
    ] = 10
    unverified_drafts: Annotated[
        int,
        Meta(ge=1, le=100_000),
        _says(
            "Limit of the stage's drafts and cancelled events of promoters. Once it is reached, promoters whom no admin has verified "
            "cannot create events. Events of locked promoters do not count, nor do cancelled events that are over or have a verified "
            "promoter. Ten deleted events or ticket types count as one. If deleted ones alone reach this number, new ticket types "
            "are refused too. For a promoter who has deleted fewer than ten, thirty count as one. Deleted ones stay in memory, "
            "so they count even if their promoter is locked. If they keep new promoters out, raise this limit."
        ),
    ] = 1000
    unverified_kilobytes: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says(
            "How many KB the descriptions, metadata, dates, questions and holdbacks of an event and its ticket types may have until an "
            "admin has verified its promoter."
        ),
    ] = 64
    unverified_tiers: Annotated[
        int,
        Meta(ge=1, le=97),
        _says("How many ticket types an event may have until an admin has verified its promoter. Ten deleted ticket types count as one."),
    ] = 20
    unverified_tickets: Annotated[
        int,
        Meta(ge=1, le=2_000_000),
        _says("How many tickets the ticket types of an event may have in total until an admin has verified its promoter."),
    ] = 100_000
    unverified_codes: Annotated[
        int, Meta(ge=1, le=2_000), _says("How many promo codes an event may have until an admin has verified its promoter.")
    ] = 50
    unverified_endpoints: Annotated[
        int, Meta(ge=1, le=10), _says("How many webhook endpoints a promoter may have until an admin has verified them.")
    ] = 2
    rate_limits: Annotated[Switch, _says("Whether the rate limits below apply."), _group("Rate limits")] = "on"
    # `limit_<name>` is the `RateLimit` <NAME> of `edge/rate_limits.py`. A route applies it with `limited`.
    limit_join: Annotated[RateText, _says("How often a user may join the waiting room of an event.")] = "10/60"
    limit_reserve: Annotated[RateText, _says("How often a user may reserve.")] = "5/60"
    limit_checkout: Annotated[RateText, _says("How often a user may open a checkout session.")] = "5/60"
    limit_confirm: Annotated[RateText, _says("How often a user may confirm a checkout.")] = "10/60"
    limit_tax_calculation: Annotated[
        RateText,
        _says(
            "How often a user may open a payment whose taxes Stripe calculates. Stripe bills each calculation to the seller, even if nobody"
            " pays."
        ),
    ] = "100/86400"
    limit_waitlist: Annotated[RateText, _says("How often a user may join the waitlist of an event.")] = "10/60"
    limit_sign_up: Annotated[
        RateText,
        _says(
            "How often people may register, become guests or request a passkey challenge. Counted per source address only, and "
            "multiplied by the factor below."
        ),
    ] = "5/60"
    limit_promo_code: Annotated[
        RateText,
        _says(
            "How often people may check whether a promo code is valid. Counted per source address only, and multiplied by the factor below."
        ),
    ] = "5/60"
    limit_invalid_code: Annotated[
        RateText,
        _says(
            "How many wrong promo codes all guests together may try for one event. The guests of one network may try at most a "
            "twentieth of this number. Above the limit, guests can use promo codes only in networks with few wrong ones. The limit does "
            "not apply to people with an account."
        ),
    ] = "1000/3600"
    limit_transfer: Annotated[
        RateText,
        _says(
            "How often people may look at or accept a ticket that was offered to them, return tickets, or download an order as a PDF. "
            "Counted per source address only, and multiplied by the factor below."
        ),
    ] = "10/60"
    limit_invite: Annotated[
        RateText,
        _says(
            "How often a user may name or invite the guests of seats. Also how often a user may change their profile or the names on their "
            "tickets, or offer a ticket or withdraw the offer, in total."
        ),
    ] = "300/3600"
    limit_catalog: Annotated[
        RateText,
        _says(
            "How often a promoter or coordinator may create, change, publish or cancel events, ticket types and promo codes, upload "
            "pictures, change a promoter's profile or the names on tickets, or resume a sale. New, changed and deleted capacities and "
            "holdbacks, many promo codes at once and complimentary tickets also count once for each 50 items that they write, in a counter "
            "of their own."
        ),
    ] = "120/60"
    limit_webhook: Annotated[
        RateText,
        _says("How often a user may create, change, test or replay webhooks, or replace their secrets."),
    ] = "300/3600"
    limit_legal_text: Annotated[
        RateText,
        _says("How many legal texts a promoter, or the shop, may publish. Replaced terms and refund policies are stored for good."),
    ] = "100/86400"
    address_factor: Annotated[
        int,
        Meta(ge=1, le=10_000),
        _says("Rate limit of a source address, as a multiple of the limit of a user. Its share of the stage's emails grows with this."),
    ] = 10
    limit_mail: Annotated[
        RateText, _says("How often emails of a kind may be requested for one mailbox from one source address."), _group("Limits of emails")
    ] = "5/900"
    limit_requested_mail: Annotated[
        RateText,
        _says(
            "How many emails that anybody can request for any address the whole stage sends: links of accounts and of lost tickets, and "
            "invitations. Codes for waiting rooms have a limit of the same size. One source address may use up a twentieth of each, more "
            "with a higher `FAIRGATE_ADDRESS_FACTOR`: before a large drop, raise the limit to 20 times the number of people who may share "
            "an address. Above the limit, emails go only to verified accounts and to buyers who have paid."
        ),
    ] = "5000/3600"
    limit_recipient: Annotated[
        RateText,
        _says(
            "How many emails strangers can cause for one mailbox; further emails wait. The emails that anybody can request have the same "
            "limit in a counter of their own, and one source address may cause a fifth of them. "
            "This also limits how often one ticket may change hands, and how often the emails about one order may be sent again."
        ),
    ] = "40/86400"
    limit_promoter_mail: Annotated[
        RateText, _says("How many emails may go out for a promoter's events, not counting paid orders; further emails wait.")
    ] = "99999/86400"
    limit_unverified_mail: Annotated[
        RateText, _says("How many emails about free orders may go out for the events of an unverified promoter; further emails wait.")
    ] = "200/86400"
    limit_short_mail: Annotated[
        RateText,
        _says(
            "How many short emails one address may get about one event of an unverified promoter; further emails wait for at most two days."
        ),
    ] = "1/86400"
    limit_announcement: Annotated[RateText, _says("How many announcements to its ticket holders one event may have.")] = "3/86400"
    limit_all_announcements: Annotated[
        RateText, _says("How many announcements all events of the stage may have; the events of one promoter may have a quarter of them.")
    ] = "200/86400"
    identity: Annotated[
        Literal["demo", "jwt"],
        _says("`jwt` requires access tokens. `demo` also accepts the header X-User-Id as the user; stage `prod` refuses it."),
        _group("Identity and secrets"),
    ] = "jwt"
    email_verification: Annotated[
        Literal["required", "later"],
        _says(
            "`required`: people must follow the link in the email that verifies their address before they can sign in. `later`: "
            "they can sign in at once, which reveals whether an address has an account; stage `prod` refuses it."
        ),
    ] = "required"
    second_factor: Annotated[
        Literal["optional", "managers"],
        _says(
            "Who needs an authenticator app or a passkey. `optional`: people who set one up. `managers`: also admins, promoters and "
            "coordinators, who have only a buyer's rights until they have set it up."
        ),
    ] = "optional"
    oidc_issuer: Annotated[
        str,
        Meta(pattern=r"^(https?://\S+)?$", title="begins with http:// or https://"),
        _says(
            "Address of the OpenID Connect provider through which the operator's own staff sign in "
            "([staff](accounts.md#sign-in-of-staff)): `https://login.example.com/tenant`, as its discovery document names it. Empty: none."
        ),
    ] = ""
    oidc_client_id: Annotated[str, _says("Id of this shop at the OpenID Connect provider.")] = ""
    oidc_client_secret: Annotated[str, _says("Secret of this shop at the OpenID Connect provider."), _secret()] = ""
    oidc_domains: Annotated[
        str,
        Meta(pattern=r"^([a-z0-9.-]+(, ?[a-z0-9.-]+)*)?$", title="domains in lowercase letters, comma separated"),
        _says("Domains of the email addresses that may sign in through the OpenID Connect provider, comma separated: `example.com`."),
    ] = ""
    oidc_admin_group: Annotated[
        str,
        Meta(pattern=r"^([^\s=]+=\S.*)?$", title="claim=value"),
        _says("Claim of the OpenID Connect provider that makes somebody an admin: `groups=fairgate-admins`. Empty: none does."),
    ] = ""
    password_memory_kib: Annotated[
        int, Meta(ge=19_456, le=1_048_576), _says("Memory in KiB that hashing a password takes (Argon2id, two passes, one thread).")
    ] = 19_456
    jwt_secret: Annotated[
        str, _says("Secret from which keys are derived, such as the key of the waiting room's tokens; 32 characters or more."), _secret()
    ] = ""
    jwt_keys: Annotated[
        str,
        _says(
            "Keys that sign access tokens, `id:secret`, comma separated. The first key signs new tokens, and all keys verify "
            "tokens. Empty: one key, `default`, which is the secret above."
        ),
        _secret(),
    ] = ""
    ticket_keys: Annotated[
        str,
        _says("Keys that sign tickets, `id:secret`, comma separated. The first key signs new tickets, and all keys verify tickets."),
        _secret(),
    ] = ""
    edge_key: Annotated[
        str,
        _says(
            "Key of the CDN, 32 characters or more. If a request carries it, the header `X-Viewer-Address` is its source "
            "address. Empty: that header is ignored."
        ),
        _secret(),
    ] = ""
    secrets_arn: Annotated[
        str, _says("Name or ARN of a secret in Secrets Manager: JSON with the secret settings that the environment does not have.")
    ] = ""

    @property
    def addon_names(self) -> tuple[str, ...]:
        """The names of the add-ons that are on, in alphabetical order."""
        named = {name.strip() for name in self.addons.split(",")}
        return ADDONS if self.addons == "all" else tuple(name for name in ADDONS if name in named)

    @property
    def has_staff_sign_in(self) -> bool:
        """Whether staff sign in through an OpenID Connect provider: its address, the id and the domains are set."""
        return bool(self.oidc_issuer and self.oidc_client_id and self.oidc_domains)

    @property
    def oidc_domain_names(self) -> frozenset[str]:
        """The domains of the addresses that may sign in through the OpenID Connect provider."""
        return frozenset(name.strip() for name in self.oidc_domains.split(","))

    @property
    def region_names(self) -> list[str]:
        """The two regions of a stage with a standby, and the region of the witness. Empty if the stage has no standby."""
        return [name for part in self.regions.split(",") if (name := part.strip())]

    @property
    def other_regions(self) -> list[str]:
        """The stage's other region, and the region of the witness. Empty if the stage has no standby."""
        return [name for name in self.region_names if name != self.region]

    @property
    def shop_name(self) -> str:
        """The name in the sender of emails, which is also the name of the shop."""
        from email.utils import parseaddr  # few requests name the shop

        return parseaddr(self.mail_from)[0] or "Fairgate"

    def page_url(self, path: str) -> str:
        """Return the address of a page of the shop. `path` has no leading slash."""
        return f"{self.shop_url.rstrip('/')}/{path}"

    @property
    def provider_namespace(self) -> str:
        """The mark that distinguishes our payments at a provider, because shops that share an account get each other's webhooks."""
        return self.stripe_namespace or self.stage


# Secret setting -> the allowed beginnings of its value; an empty tuple allows any beginning.
SECRETS: dict[str, tuple[str, ...]] = {
    name: meta.extra["beginnings"]
    for name, hint in Settings.__annotations__.items()
    for meta in hint.__metadata__
    if isinstance(meta, Meta) and meta.extra and "beginnings" in meta.extra
}


class SettingsError(Exception):
    """A setting is unknown, missing or malformed. The message begins with the environment variable."""

    @property
    def variable(self) -> str:
        """The name of the environment variable, without any part of its value."""
        return str(self).partition(" ")[0].rstrip(":")


_current: Settings | None = None


def read(environment: dict[str, str]) -> Settings:
    """Return the settings of an environment. Raises SettingsError for an invalid value or an unknown variable with our prefix."""
    types = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    variables = {PREFIX + name.upper() for name in types}
    for key in environment:
        if key.startswith(PREFIX) and key not in variables and key.removeprefix(PREFIX).lower() not in DEPRECATED:
            raise SettingsError(_unknown(key, variables))
    given = {name: environment[key] for name in types if (key := PREFIX + name.upper()) in environment}
    given["region"] = next(filter(None, map(environment.get, REGION_VARIABLES)), DEFAULT_REGION)
    for name, value in given.items():  # one at a time first, so that the error names the variable
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError:
            from chalicelib.foundation import allowed_values  # not needed at a cold start

            allowed = allowed_values.description(types[name])
            raise SettingsError(f"{PREFIX}{name.upper()}: must be {allowed}, not {value!a}") from None
    settings = msgspec.convert(given, Settings, strict=False)
    _check_production(settings)
    return settings


def _unknown(key: str, variables: set[str]) -> str:
    from difflib import get_close_matches  # not needed at a cold start

    [nearest] = get_close_matches(key, sorted(variables), n=1, cutoff=0)
    return f"{key} is not a setting; the nearest name is {nearest}"


def values_in_production(name: str) -> list[str]:
    """Return the values that production accepts for a setting with a choice of values."""
    choice, *_ = get_args(next(field.type for field in msgspec.structs.fields(Settings) if field.name == name))
    return [value for value in get_args(choice) if (name, value) not in NOT_IN_PRODUCTION]


def _check_production(settings: Settings) -> None:
    """Raise SettingsError for a value that production refuses."""
    if settings.stage != PRODUCTION:
        return
    for (name, value), reason in NOT_IN_PRODUCTION.items():
        if getattr(settings, name) == value:
            allowed = " or ".join(values_in_production(name))
            raise SettingsError(f"{PREFIX}{name.upper()}: must be {allowed} in stage {PRODUCTION}, not {value!r}: {reason}")


def addons_of_process() -> tuple[str, ...]:
    """Return the names of the add-ons that are on in this process. This is the only setting that is read while `app` is imported."""
    variable = f"{PREFIX}ADDONS"
    return read({variable: os.environ.get(variable, "all")}).addon_names


@cache
def build() -> str:
    """Return the version and commit of the running code, for example `1.2.0+3f9c2ab41d07`, which `GET /health` shows.

    Packages have it in BUILD_FILE, which `make package` writes. Outside of a package it is DEVELOPMENT.
    """
    try:
        return (Path(__file__).parents[1] / BUILD_FILE).read_text().strip()
    except FileNotFoundError:
        return DEVELOPMENT


def current() -> Settings:
    """Return the settings of this process. They are read from the environment once."""
    global _current
    if _current is None:
        _current = read(dict(os.environ))
    return _current


@contextmanager
def override(**values: Any) -> Iterator[Settings]:
    """Change settings while the block runs, in all threads; for tests and tools."""
    global _current
    before = current()
    _current = msgspec.structs.replace(before, **values)
    try:
        yield _current
    finally:
        _current = before
