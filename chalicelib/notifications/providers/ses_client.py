"""The client of SES."""

from functools import lru_cache
from typing import Any

from botocore.config import Config

from chalicelib.foundation import sdk_calls, settings


def client() -> Any:
    """The SES client of this process."""
    return _client(settings.current().region)


@lru_cache(maxsize=4)
def _client(region: str) -> Any:
    # No attempt of botocore's own: one whose answer was lost might have sent the mail, and the outbox tries again anyway.
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
    created = sdk_calls.create_client("sesv2", region, config)
    sdk_calls.keep_deadline(created, "sesv2")
    return created
