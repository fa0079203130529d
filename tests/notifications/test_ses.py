"""Sending through SES, as its API takes calls and refuses them; botocore's own description checks what is sent."""

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber

from chalicelib.foundation import settings
from chalicelib.notifications import providers
from chalicelib.notifications.model import EncodedMail
from chalicelib.notifications.providers import MailFailed, MailRefused, ProviderBusy, SendingStopped

MAIL = EncodedMail("tickets@shop.test", "ada@example.com", b"Subject: Hi\r\n\r\nHi\r\n", "order_confirmed.p.3")


@pytest.fixture
def ses():
    with settings.override(mail_provider="ses", ses_configuration_set="fairgate-test"), Stubber(providers.ses_client()) as stubber:
        yield stubber


def send(mail=MAIL):
    return providers.find_provider().send(mail)


def test_a_mail_carries_its_configuration_set_and_notification_id(ses):
    expected = {
        "FromEmailAddress": "tickets@shop.test",
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "Content": {"Raw": {"Data": MAIL.raw}},
        "ConfigurationSetName": "fairgate-test",
        "EmailTags": [{"Name": "notification", "Value": "order_confirmed.p.3"}],
    }
    ses.add_response("send_email", {"MessageId": "0100"}, expected)
    assert send() == "0100"


def test_a_mail_without_a_notification_has_no_tag(ses):
    expected = {"FromEmailAddress": ANY, "Destination": ANY, "Content": ANY, "ConfigurationSetName": ANY}
    ses.add_response("send_email", {"MessageId": "0100"}, expected)
    assert send(EncodedMail("a@shop.test", "b@example.com", b"x")) == "0100"


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("TooManyRequestsException", "Maximum sending rate exceeded.", ProviderBusy),
        ("ThrottlingException", "Rate exceeded", ProviderBusy),
        ("LimitExceededException", "", ProviderBusy),
        ("TooManyRequestsException", "Daily message quota exceeded.", SendingStopped),
        ("SendingPausedException", "", SendingStopped),
        ("AccountSuspendedException", "", SendingStopped),
        ("MessageRejected", "ada@example.com is not verified", MailRefused),
        ("BadRequestException", "", MailRefused),
        ("MailFromDomainNotVerifiedException", "", MailFailed),
        ("InternalFailure", "", MailFailed),
    ],
)
def test_refusals_of_ses_are_told_apart_without_repeating_addresses(ses, code, message, error):
    ses.add_client_error("send_email", code, message)
    with pytest.raises(MailFailed) as raised:
        send()
    assert type(raised.value) is error
    assert str(raised.value) == (f"{code} (daily)" if "Daily" in message else code)


def test_no_answer_is_a_failure_that_may_be_tried_again(monkeypatch):
    def time_out(**_):
        raise ReadTimeoutError(endpoint_url="https://email.us-east-1.amazonaws.com")

    with settings.override(mail_provider="ses"):
        monkeypatch.setattr(providers.ses_client(), "send_email", time_out)
        with pytest.raises(MailFailed, match="ReadTimeoutError"):
            send()
