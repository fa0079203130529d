"""Types of accounts, the formats of fields that people enter, and the errors that callers see."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from chalicelib.edge.auth import Role
from chalicelib.foundation.errors import ApiError, InvalidInput

MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 128  # shorter passwords from earlier versions still work

# The addresses that HTML's `<input type=email>` accepts, except that the domain needs a dot, and that the local part neither begins nor
# ends with a dot.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
Email = Annotated[
    str,
    Meta(
        pattern=rf"\A(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}\Z",
        max_length=254,
        examples=["ada@example.com"],
        description="An email address, such as ada@example.com.",
    ),
]
# A password at sign-in needs no rules, because it is only compared.
EnteredPassword = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD_LENGTH)]
NewPassword = Annotated[str, Meta(min_length=MIN_PASSWORD_LENGTH, max_length=MAX_PASSWORD_LENGTH, examples=["correct horse battery"])]
# Characters that a line of text may not contain: control characters, line breaks, and marks that change the direction of the text.
NOT_IN_LINES = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
# Names are displayed to others, such as the staff at the door, and some appear in email headers.
PersonName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=rf"\A[^{NOT_IN_LINES}]*[^\s{NOT_IN_LINES}][^{NOT_IN_LINES}]*\Z",
        examples=["Ada"],
        description="One line of text that is not blank.",
    ),
]
_Line = Annotated[
    str,
    Meta(
        min_length=1,
        pattern=r"\A[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z",
        description="One line of text that is not blank.",
    ),
]
PasskeyName = Annotated[_Line, Meta(max_length=60, examples=["My phone"])]
Company = Annotated[_Line, Meta(max_length=200, examples=["Harbor Concerts"])]
PostalAddress = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=500,
        pattern=r"\A(?=\s*\S)([^\x00-\x1f\x7f]*\n){0,5}[^\x00-\x1f\x7f]*\Z",
        examples=["1 Harbor Street\nLisbon 1100-001\nPortugal"],
        description="A postal address in one to six lines.",
    ),
]
TaxId = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9 ./-]{2,28}[A-Za-z0-9]\Z",
        examples=["PT501234567"],
        description="A tax or VAT number: 4 to 30 letters, digits, spaces or . / -, beginning and ending with a letter or digit.",
    ),
]


LegalTextId = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9a-f]{32}\Z",
        examples=["0123456789abcdef0123456789abcdef"],
        description="The id of a legal text: 32 hexadecimal digits.",
    ),
]


class BankAccount(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A bank account, as buyers need it for a transfer. The check digits of the `iban` must be correct."""

    holder: Company
    iban: Annotated[
        str,
        Meta(
            pattern=r"\A[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\Z",
            examples=["PT50000201231234567890154"],
            description="An IBAN in capitals, without spaces.",
        ),
    ]
    bic: Annotated[str, Meta(pattern=r"\A[A-Z0-9]{8}([A-Z0-9]{3})?\Z", examples=["BCOMPTPL"], description="A BIC in capitals.")] | None = (
        None
    )

    def __post_init__(self) -> None:
        if int("".join(str(int(character, 36)) for character in self.iban[4:] + self.iban[:4])) % 97 != 1:
            raise ValueError("The check digits of the IBAN are wrong. Correct the IBAN")


Phone = Annotated[
    str,
    Meta(
        pattern=r"\A\+?[0-9][0-9 ()./-]{4,30}\Z",
        examples=["+351 210 000 000"],
        description="A phone number that starts with a digit or with + and a digit, and has 4 to 30 more digits, spaces or ( ) . / -.",
    ),
]
FactorCode = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9 -]{4,38}[A-Za-z0-9]\Z",
        examples=["123456"],
        description="Six digits from an authenticator app, a recovery code, or a code from a passkey.",
    ),
]
_BASE64URL = {
    "min_length": 1,
    "pattern": r"\A[A-Za-z0-9_-]+\Z",
    "examples": ["Yk9fMTIz"],
    "description": "Bytes in base64url without padding.",
}
ShortBytes = Annotated[str, Meta(**_BASE64URL, max_length=1400)]
LongBytes = Annotated[str, Meta(**_BASE64URL, max_length=8000)]
ProviderText = Annotated[str, Meta(min_length=1, max_length=2000)]
RefreshToken = Annotated[str, Meta(min_length=1, max_length=200)]
MailedToken = Annotated[str, Meta(min_length=1, max_length=200)]


class AddressBody(Struct, forbid_unknown_fields=True):
    email: Email


# Roles that people can choose when they register.
OwnRole = Literal["user", "promoter"]
MailPurpose = Literal["verify_email", "reset_password", "change_email", "find_tickets", "own_data", "invitation"]
# The purposes of one-time challenges and codes, which are valid for a few minutes and are not emailed.
ChallengePurpose = Literal["new_passkey", "passkey", "passkey_code", "staff_sign_in"]
LinkPurpose = Literal[MailPurpose, ChallengePurpose]


class Profile(Struct, frozen=True):
    """The data that people enter about themselves."""

    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    company: str | None = None


class Passkey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A passkey of an account. `credential` is its id and public key as the authenticator sent them, in base64url.

    `counter` is the authenticator's signature counter at the last use; authenticators that synchronize their passkeys always send 0.
    """

    id: str
    name: str
    credential: str
    created_at: int
    counter: int = 0
    used_at: int | None = None


class PasskeySignature(Struct, forbid_unknown_fields=True):
    """What `navigator.credentials.get` returns for a challenge from `POST /auth/passkeys/challenge`, each part in base64url."""

    credential_id: ShortBytes
    user_handle: ShortBytes
    client_data: LongBytes
    authenticator_data: LongBytes
    signature: ShortBytes


class Account(Struct, frozen=True, kw_only=True):
    """A person's account. `verified_at` is when the owner verified the email address, and `locked_at` is when an admin locked the account.

    Both are epoch seconds, or None if this has not happened. `generation` increases whenever all sessions of the account end. With a
    `totp_secret`, a sign-in also needs a code from the authenticator app. `totp_pending` is a new secret that its owner has not confirmed
    with a code yet. It expires at `totp_pending_until` (epoch seconds), or when all sessions of the account end.
    """

    user_id: str
    email: str
    roles: tuple[Role, ...]
    created_at: int
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    company: str | None = None
    verified_at: int | None = None
    locked_at: int | None = None
    generation: int = 1
    totp_secret: str | None = None
    totp_pending: str | None = None
    totp_pending_until: int | None = None
    passkeys: tuple[Passkey, ...] = ()

    @property
    def has_second_factor(self) -> bool:
        """Whether a sign-in needs more than the password: the account has an authenticator app or a passkey."""
        return self.totp_secret is not None or bool(self.passkeys)

    @property
    def name(self) -> str | None:
        """The first and last name. None if the owner has given neither."""
        return " ".join(filter(None, (self.first_name, self.last_name))) or None


class Credentials(Struct, frozen=True):
    """The data that a sign-in with a password needs. `email_key` is the comparable form of the email address."""

    email_key: str
    user_id: str
    password_hash: str


class LoginFailed(ApiError):
    """A sign-in was refused. The error is the same for all reasons, so that it does not reveal whether an address has an account."""

    code: ClassVar[str] = "login_failed"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = (
        "The email address or the password is wrong, or the address is not verified yet. "
        "If you have just registered, open the link in our email first."
    )


class AccountLocked(ApiError):
    """An admin has locked the account. Raised only after a correct password, so that nobody else learns about the lock."""

    code: ClassVar[str] = "account_locked"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This account is locked. Contact the shop if you think this is a mistake."


class SecondFactorRequired(ApiError):
    """The code is missing or wrong. Raised only after a correct password, so that nobody else learns who has a second factor."""

    code: ClassVar[str] = "second_factor_required"
    status: ClassVar[int] = 401
    default_message: ClassVar[str] = (
        "Enter the current code from your authenticator app, or one of your recovery codes, or sign in with a passkey. "
        "Each code works only once."
    )

    def __init__(self) -> None:
        super().__init__(path="$.code")


class NoSecondFactor(ApiError):
    code: ClassVar[str] = "no_second_factor"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Your account has no authenticator app, or it has just been changed. Start again."


class PasskeyRefused(ApiError):
    """A passkey is unknown, belongs to another site, or did not sign the challenge, or the challenge was used or has expired."""

    code: ClassVar[str] = "passkey_refused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This passkey was not accepted. Try again, or sign in another way."


class TooManyPasskeys(ApiError):
    code: ClassVar[str] = "too_many_passkeys"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Your account has ten passkeys, which is the maximum. Remove one that you no longer use."


class StaffSignInExpired(ApiError):
    code: ClassVar[str] = "staff_sign_in_expired"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This sign-in took too long, was already used, or began in another browser. Start again."


class StaffSignInRefused(ApiError):
    """The provider's reply does not prove who has signed in, because its code or its token is not valid."""

    code: ClassVar[str] = "staff_sign_in_refused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The sign-in service did not confirm who you are. Start again, or tell the people who run this shop."


class StaffAddressRefused(ApiError):
    code: ClassVar[str] = "staff_address_refused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = (
        "The sign-in service has not verified your email address, or your address is not allowed to sign in this way."
    )


class StaffSignInUnavailable(ApiError):
    code: ClassVar[str] = "staff_sign_in_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The sign-in service is not responding. Try again in a minute."


class AddressNotVerified(ApiError):
    code: ClassVar[str] = "address_not_verified"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Verify your email address first: follow the link in our email."


class WrongPassword(ApiError):
    code: ClassVar[str] = "wrong_password"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "The current password is wrong."


class CommonPassword(InvalidInput):
    """A password that attackers try first."""

    code: ClassVar[str] = "common_password"
    default_message: ClassVar[str] = "This password is easy to guess. Choose a different one."


class LinkExpired(ApiError):
    code: ClassVar[str] = "link_expired"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This link has expired or has already been used. Request a new email."


class NoAccount(ApiError):
    code: ClassVar[str] = "no_account"
    status: ClassVar[int] = 404
    default_message: ClassVar[str] = "You do not have an account yet. Register first."


class AccountChanging(ApiError):
    code: ClassVar[str] = "account_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Your account is being changed somewhere else right now, perhaps on another device. Sign in again, then try again."
    )


class AlreadyRegistered(ApiError):
    code: ClassVar[str] = "already_registered"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You already have an account. Sign in to it, or sign out before you register another one."


def email_key(email: str) -> str:
    """Return the comparable form of an address, which is the same for addresses that differ only in case."""
    return email.lower()
