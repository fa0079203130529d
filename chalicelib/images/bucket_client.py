"""The client of S3, for the bucket of the images."""

from functools import lru_cache
from typing import Any

from botocore.config import Config

from chalicelib.foundation import sdk_calls, settings


def client() -> Any:
    """The S3 client of this process."""
    current = settings.current()
    return _client(current.images_endpoint, current.region)


@lru_cache(maxsize=8)
def _client(endpoint: str, region: str) -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "virtual"},
    )
    created = sdk_calls.create_client("s3", region, config, endpoint)
    sdk_calls.keep_deadline(created, "s3")
    return created
