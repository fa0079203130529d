"""Lambda SnapStart: many instances start from one snapshot of memory, so each instance renews the state that must differ.

Only the seed of `random`, which Python sets at import, must differ: without a new seed, all instances would try the same shards in the same
order and wait equally long. Ids and nonces come from the system's random numbers, which Lambda makes different in each instance. Caches are
emptied too, because they would be as old as the snapshot.
"""

import random

from chalicelib.foundation import memory


def register_renewal() -> None:
    """Ask Lambda to call `renew` in each instance that starts from a snapshot. Elsewhere this does nothing."""
    try:
        # Lambda's runtime has `snapshot_restore_py` from Python 3.12 on. Without SnapStart, the runtime never calls the function.
        from snapshot_restore_py import register_after_restore
    except ImportError:
        return
    register_after_restore(renew)


def renew() -> None:
    random.seed()
    memory.forget_everything()
