"""The providers of mail, SES and SMTP, and which one the settings name."""

from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from chalicelib.foundation import deadline, sdk_calls, secret_settings, settings
from chalicelib.foundation.settings import SettingsError
from chalicelib.notifications.model import EncodedMail

# What every provider of mail does, and which one the settings name.


class MailProvider(Protocol):
    """Takes mails to deliver them."""

    def send(self, mail: EncodedMail) -> str | None:
        """Hand a mail over; returns the provider's id for it, if it gives one. Raises MailRefused, ProviderBusy or MailFailed."""
        ...


class MailFailed(Exception):
    """The provider did not take the mail, or did not answer; it may do so later. The text has no address."""


class ProviderBusy(MailFailed):
    """The provider takes no mails now, because it got too many."""


class MailRefused(MailFailed):
    """The provider does not take this mail, and never will."""


def find_provider() -> MailProvider | None:
    """The provider that the settings name; None if they name none. Raises SettingsError for a malformed setting."""
    if settings.current().mail_provider == "ses":
        return SesProvider()

    provider: MailProvider | None = find_smtp_server()
    return provider


# The client of SES.


def ses_client() -> Any:
    """The SES client of this process."""
    return _ses_client(settings.current().region)


@lru_cache(maxsize=4)
def _ses_client(region: str) -> Any:
    # No attempt of botocore's own: one whose answer was lost might have sent the mail, and the outbox tries again anyway.
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    created = sdk_calls.create_client("sesv2", region, config)
    sdk_calls.keep_deadline(created, "sesv2")
    return created


# Amazon's Simple Email Service, by its API, version 2.

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
_BUSY = frozenset(
    {"AccountSuspendedException", "LimitExceededException", "SendingPausedException", "ThrottlingException", "TooManyRequestsException"}
)
_REFUSED = frozenset({"BadRequestException", "MessageRejected"})

NOTIFICATION_TAG = "notification"  # its value comes back in SES's reports about the mail


class SesProvider:
    """Sends from the region of the stage, with the settings' configuration set, which says where SES reports deliveries and bounces."""

    def send(self, mail: EncodedMail) -> str:
        """Hand a mail over; returns its id at SES."""
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
            kind = ProviderBusy if code in _BUSY else MailRefused if code in _REFUSED else MailFailed
            raise kind(code) from None  # its message may have the address
        except BotoCoreError as error:
            raise MailFailed(type(error).__name__) from None
        return str(sent["MessageId"])


# Any mail server, by SMTP: the one of the secret setting `smtp_url`.

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
TIMEOUT_SECONDS = 5
PERMANENT = 500  # the codes of SMTP from here on say that trying again is of no use


class SmtpServer(Struct, frozen=True):
    """`security` is the scheme of the setting: `smtps` (TLS from the start), `smtp+starttls`, or `smtp` (not encrypted)."""

    security: str
    host: str
    port: int
    user: str
    password: str

    def send(self, mail: EncodedMail) -> str | None:
        """Hand a mail over; SMTP gives no id. Raises MailRefused if the server refuses the recipient or the content, else MailFailed."""
        import smtplib

        try:
            self._send(mail)
            return None
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise (MailRefused if code >= PERMANENT else MailFailed)(f"recipient refused ({code})") from None
        except smtplib.SMTPDataError as error:
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
    """The server that the setting names, None if it is empty. Raises SettingsError."""
    url = secret_settings.optional_secret("smtp_url")
    return parse_server(url) if url else None


def parse_server(url: str) -> SmtpServer:
    """The server of a URL; raises SettingsError, which does not repeat the setting, because it has a password."""
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
