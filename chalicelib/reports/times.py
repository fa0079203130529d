"""Times in the queries of reports."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput

Time = Annotated[datetime, Meta(tz=True)]


def epoch_seconds(moment: datetime | None, path: str) -> int | None:
    """A time of a query in epoch seconds. Raises InvalidInput."""
    try:
        return clock.epoch_seconds(moment) if moment is not None else None
    except ValueError as error:
        raise InvalidInput(f"`{path}`: {error}.", path=path) from None
