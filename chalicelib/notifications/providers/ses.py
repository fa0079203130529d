"""Amazon's Simple Email Service, by its API, version 2."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.foundation import settings
from chalicelib.notifications.model import EncodedMail
from chalicelib.notifications.providers import ses_client
from chalicelib.notifications.providers.protocol import MailFailed, MailRefused, ProviderBusy

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
            sent = ses_client.client().send_email(**arguments)
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            kind = ProviderBusy if code in _BUSY else MailRefused if code in _REFUSED else MailFailed
            raise kind(code) from None  # its message may have the address
        except BotoCoreError as error:
            raise MailFailed(type(error).__name__) from None
        return str(sent["MessageId"])
