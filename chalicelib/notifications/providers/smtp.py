"""Any mail server, by SMTP: the one of the secret setting `smtp_url`."""

from urllib.parse import unquote, urlsplit

from msgspec import Struct

from chalicelib.foundation import deadline, secret_settings
from chalicelib.foundation.settings import SettingsError
from chalicelib.notifications.model import EncodedMail
from chalicelib.notifications.providers.protocol import MailFailed, MailRefused

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


def find_provider() -> SmtpServer | None:
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
