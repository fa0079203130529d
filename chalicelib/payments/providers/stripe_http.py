"""The HTTP client under Stripe's SDK: each attempt keeps the deadline of the request, and says whether it may have been done.

Imports the SDK, so it is imported at the first call only.
"""

from typing import Any

import requests
import stripe

from chalicelib.foundation import deadline, effects

CONNECT_SECONDS = 2
READ_SECONDS = 6
# What must be left after an attempt, for writing down what Stripe answered, or that it did not.
STORE_SECONDS = 2
MIN_READ_SECONDS = 1.5  # with less time for its answer, an attempt is not begun
MAX_BACKOFF_SECONDS = 1  # the SDK's, before its second repetition


class DeadlineClient(stripe.RequestsClient):
    """The SDK's client for `requests`, with the repetitions of the SDK as long as there is time."""

    def __init__(self) -> None:
        super().__init__(session=_Session())

    def request(self, method: str, *arguments: Any, **options: Any) -> Any:
        """One attempt. Raises DeadlineExceeded, or stripe.APIConnectionError."""
        deadline.require(MIN_READ_SECONDS + STORE_SECONDS)
        is_counted = method != "get" and effects.begin()
        try:
            reply = super().request(method, *arguments, **options)
        except stripe.APIConnectionError as error:
            if is_counted and isinstance(error.__cause__, requests.ConnectTimeout):
                effects.withdraw()
            raise
        # 409: another attempt under the same key is being done.
        if is_counted and 400 <= reply[1] < 500 and reply[1] != 409:
            effects.withdraw()
        return reply

    def _should_retry(self, *arguments: Any, **options: Any) -> bool:
        has_time = deadline.remaining() >= MAX_BACKOFF_SECONDS + MIN_READ_SECONDS + STORE_SECONDS
        return has_time and bool(super()._should_retry(*arguments, **options))


class _Session(requests.Session):
    """Connections to Stripe, which wait no longer than the request may."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        seconds = min(READ_SECONDS, deadline.remaining() - STORE_SECONDS)
        return super().request(*arguments, **{**options, "timeout": (min(CONNECT_SECONDS, seconds), seconds)})
