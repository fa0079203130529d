"""The page *Emails* gives the reason for a failed attempt in its own words (web/src/manage/messages/failure-reasons.ts)."""

import pytest

from chalicelib.notifications import providers
from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
import { failureReason } from "$WEB/src/manage/messages/failure-reasons.ts";
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(failureReason(JSON.parse(line))));
"""
ERRORS = {
    "recipient": ["recipient refused (550)", "recipient refused (450)"],
    "content": ["content refused (554)", "MessageRejected", "BadRequestException"],
    "sender": ["SMTPSenderRefused", "MailFromDomainNotVerifiedException"],
    "credentials": ["SMTPAuthenticationError", "AccessDeniedException"],
    "suspended": ["AccountSuspendedException", "SendingPausedException"],
    "limit": ["LimitExceededException", "TooManyRequestsException (daily)", "too many emails (454)", "daily limit (454)"],
    "not_composed": ["not composed: KeyError", "not composed: TimeoutError"],
    "unreachable": ["TimeoutError", "ConnectionRefusedError", "SMTPServerDisconnected", "SMTPConnectError", "gaierror", "ReadTimeoutError"],
    None: ["NotFoundException", "SMTPDataError"],
}


@pytest.mark.parametrize("reason", ERRORS)
def test_each_known_error_has_a_reason(reason):
    assert run_module(SCRIPT, ERRORS[reason]) == [reason] * len(ERRORS[reason])


def test_each_error_that_the_provider_decides_on_is_known():
    assert None not in run_module(SCRIPT, sorted(providers._ERRORS))
