"""How long a request or a scheduled job may take: what Lambda leaves it, less a reserve for the last call and the reply."""

import math
from typing import Any

# The longest that a call may take which began just before the deadline: of the store (connecting, and waiting for the answer, have
# a timeout each), and of Secrets Manager. The rest is for the reply.
RESERVE_SECONDS = 5


def lambda_seconds(lambda_context: Any) -> float:
    """Seconds for calls until Lambda ends the function; infinity where there is no Lambda, as in the local runtime."""
    if lambda_context is None:
        return math.inf
    return float(lambda_context.get_remaining_time_in_millis()) / 1000 - RESERVE_SECONDS
