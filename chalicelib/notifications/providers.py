"""The mail providers SES and SMTP. The settings choose between them."""

import re
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from chalicelib.foundation import deadline, sdk_calls, secret_settings, settings
from chalicelib.foundation.settings import SettingsError
from chalicelib.notifications.model import EncodedMail

# The interface of a mail provider, and the provider that the settings name.


class MailProvider(Protocol):
    """A service that accepts emails for delivery."""

    def send(self, mail: EncodedMail) -> str | None:
        """Hand over an email. Returns the email's id at the provider, if it has one. Raises MailFailed or one of its subclasses."""
        ...


class MailFailed(Exception):
    """The provider did not accept the email, or did not respond. A later attempt may succeed. The exception's text contains no address."""


class ProviderBusy(MailFailed):
    """The provider gets emails faster than it accepts them. It accepts the same email a few seconds later."""


class SendingStopped(MailFailed):
    """The provider accepts no emails for longer: its daily limit is reached, or sending is suspended or paused."""


class MailRefused(MailFailed):
    """The provider rejected this email permanently."""


def find_provider() -> MailProvider | None:
    """Return the provider that the settings name, or None if no provider is set. Raises SettingsError for a malformed setting."""
    if settings.current().mail_provider == "ses":
        return SesProvider()
    return find_smtp_server()


# The client of SES.


def ses_client() -> Any:
    """Return the SES client of this process."""
    return _ses_client(settings.current().region)


@lru_cache(maxsize=4)
def _ses_client(region: str) -> Any:
    # No retries by botocore: an attempt whose response was lost may have sent the email, and the outbox retries anyway.
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    created = sdk_calls.create_client("sesv2", region, config)
    sdk_calls.keep_deadline(created, "sesv2")
    return created


# Amazon Simple Email Service, API version 2.

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
_ERRORS: dict[str, type[MailFailed]] = {
    "LimitExceededException": ProviderBusy,
    "ThrottlingException": ProviderBusy,
    "TooManyRequestsException": ProviderBusy,
    "AccountSuspendedException": SendingStopped,
    "SendingPausedException": SendingStopped,
    "BadRequestException": MailRefused,
    "MessageRejected": MailRefused,
}
# How providers name their limits: "Daily message quota exceeded", "Daily user sending limit exceeded", "Maximum sending rate exceeded".
_DAILY_LIMIT, _RATE = re.compile("daily.*(limit|quota)", re.IGNORECASE), re.compile(r"throttl|too many|\brate\b", re.IGNORECASE)

NOTIFICATION_TAG = "notification"  # SES repeats the tag's value in its reports about the email


class SesProvider:
    """Amazon SES in the region of the stage. The configuration set from the settings tells SES where to send its reports about emails."""

    def send(self, mail: EncodedMail) -> str:
        """Hand over an email. Returns the email's id at SES. Raises MailFailed or one of its subclasses."""
        arguments: dict[str, Any] = {
            "FromEmailAddress": mail.sender,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {"Raw": {"Data": mail.raw}},
        }
        if settings.current().ses_configuration_set:
            arguments["ConfigurationSetName"] = settings.current().ses_configuration_set
        if mail.notification_id is not None:
            arguments["EmailTags"] = [{"Name": NOTIFICATION_TAG, "Value": mail.notification_id}]
        try:
            sent = ses_client().send_email(**arguments)
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            kind = _ERRORS.get(code, MailFailed)
            if kind is ProviderBusy and _DAILY_LIMIT.search(error.response["Error"].get("Message", "")):
                kind, code = SendingStopped, f"{code} (daily)"
            raise kind(code) from None  # the error's message may contain the address
        except BotoCoreError as error:
            raise MailFailed(type(error).__name__) from None
        return str(sent["MessageId"])


# SMTP: the mail server in the secret setting `smtp_url`.

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
TIMEOUT_SECONDS = 5
PERMANENT = 500  # SMTP codes of 500 or more are permanent failures: a retry is useless


class SmtpServer(Struct, frozen=True):
    """A mail server. `security` is the scheme of its URL: `smtps` (TLS from the start), `smtp+starttls`, or `smtp` (not encrypted)."""

    security: str
    host: str
    port: int
    user: str
    password: str

    def send(self, mail: EncodedMail) -> str | None:
        """Hand over an email. Returns None, because SMTP gives no id.

        Raises MailRefused if the server rejects the recipient or the content permanently, SendingStopped or ProviderBusy if the text of a
        refusal names the server's daily limit or its rate, and otherwise MailFailed. A refused recipient says nothing about other emails.
        """
        import smtplib

        try:
            self._send(mail)
            return None
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise (MailRefused if code >= PERMANENT else MailFailed)(f"recipient refused ({code})") from None
        except smtplib.SMTPResponseException as error:
            if _DAILY_LIMIT.search(str(error.smtp_error)):
                # Servers refuse an email's content for a limit of its recipient too. Only SES calls this throttling.
                is_ours = not isinstance(error, smtplib.SMTPDataError) or "Throttling" in str(error.smtp_error)
                raise (SendingStopped if is_ours else MailFailed)(f"daily limit ({error.smtp_code})") from None
            if error.smtp_code < PERMANENT and _RATE.search(str(error.smtp_error)):
                raise ProviderBusy(f"too many emails ({error.smtp_code})") from None
            if not isinstance(error, smtplib.SMTPDataError):
                raise MailFailed(type(error).__name__) from None
            raise (MailRefused if error.smtp_code >= PERMANENT else MailFailed)(f"content refused ({error.smtp_code})") from None
        except OSError as error:  # smtplib's errors are OSErrors too
            raise MailFailed(type(error).__name__) from None

    def _send(self, mail: EncodedMail) -> None:
        import smtplib
        import ssl

        deadline.require(TIMEOUT_SECONDS)
        if self.security == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        else:
            connection = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        with connection:
            if self.security == "smtp+starttls":
                connection.starttls(context=ssl.create_default_context())
            if self.user:
                connection.login(self.user, self.password)
            connection.sendmail(mail.sender, [mail.to], mail.raw)


def find_smtp_server() -> SmtpServer | None:
    """Return the server that the setting `smtp_url` names, or None if the setting is empty. Raises SettingsError."""
    url = secret_settings.optional_secret("smtp_url")
    return parse_server(url) if url else None


def parse_server(url: str) -> SmtpServer:
    """Parse the URL of a server. Raises SettingsError, without the value of the setting, because the URL contains a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise _malformed() from None
    if not parts.hostname or parts.path.strip("/") or parts.query:
        raise _malformed()
    return SmtpServer(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def _malformed() -> SettingsError:
    return SettingsError(
        "FAIRGATE_SMTP_URL: must be smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25"
    )
