"""HTTP client for Stripe's SDK. It keeps each attempt within the request's deadline, and tracks whether Stripe may have made the change.

This module imports the SDK, so `stripe.py` imports this module only at the first call.
"""

from typing import Any

import requests
import stripe

from chalicelib.foundation import deadline, effects

CONNECT_SECONDS = 2
READ_SECONDS = 6
# Time reserved after an attempt, to store Stripe's answer or the fact that there was no answer.
STORE_SECONDS = 2
MIN_READ_SECONDS = 1.5  # with less time for the answer, no attempt is started
MAX_BACKOFF_SECONDS = 1  # the SDK's longest wait, before its second retry


class DeadlineClient(stripe.RequestsClient):
    """The SDK's client for `requests`, with the SDK's retries while there is time for them."""

    def __init__(self) -> None:
        super().__init__(session=_Session())

    def request(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Make one attempt. Raises DeadlineExceeded or stripe.APIConnectionError."""
        deadline.require(MIN_READ_SECONDS + STORE_SECONDS)
        is_counted = method != "get" and effects.begin()
        try:
            reply = super().request(method, *arguments, **options)
        except stripe.APIConnectionError as error:
            if is_counted and isinstance(error.__cause__, requests.ConnectTimeout):
                effects.withdraw()
            raise
        # A 409 means that another attempt with the same key is in progress, which may still make the change.
        if is_counted and 400 <= reply[1] < 500 and reply[1] != 409:
            effects.withdraw()
        return reply

    def _should_retry(self, *arguments: Any, **options: Any) -> bool:
        has_time = deadline.remaining() >= MAX_BACKOFF_SECONDS + MIN_READ_SECONDS + STORE_SECONDS
        return has_time and bool(super()._should_retry(*arguments, **options))


class _Session(requests.Session):
    """Connections to Stripe that wait no longer than the request's deadline allows."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        seconds = min(READ_SECONDS, deadline.remaining() - STORE_SECONDS)
        return super().request(*arguments, **{**options, "timeout": (min(CONNECT_SECONDS, seconds), seconds)})
