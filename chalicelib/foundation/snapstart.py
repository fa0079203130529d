"""Lambda SnapStart: many instances start from one snapshot of the memory, so what must differ between them is made again.

That is the state of `random`, which Python seeds at its import: without this all instances would try the same shards in the same order and
wait equally long. Ids and nonces come from the system's random numbers, which Lambda keeps different. What an instance remembers is
forgotten too, because it would be as old as the snapshot.
"""

import random

from chalicelib.foundation import memory


def register_renewal() -> None:
    """Ask Lambda to call `renew` in each instance that starts from a snapshot. Elsewhere this does nothing."""
    try:
        # A part of Lambda's own runtime from Python 3.12 on; it never calls the function without SnapStart.
        from snapshot_restore_py import register_after_restore
    except ImportError:
        return
    register_after_restore(renew)


def renew() -> None:
    random.seed()
    memory.forget_everything()
