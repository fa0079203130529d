"""What every provider of mail does, and which one the settings name."""

from typing import Protocol

from chalicelib.foundation import settings
from chalicelib.notifications.model import EncodedMail


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
        from chalicelib.notifications.providers import ses

        return ses.SesProvider()
    from chalicelib.notifications.providers import smtp

    provider: MailProvider | None = smtp.find_provider()
    return provider
