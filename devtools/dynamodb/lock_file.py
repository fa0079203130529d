"""The lock file, which allows one process at a time to have a store's folder open."""

import fcntl
import os
from pathlib import Path
from typing import IO

from devtools.dynamodb.errors import StoreInUse


def lock(file: Path) -> IO[str]:
    """Lock the file until the returned handle is closed, and write the process id into it. Raises StoreInUse."""
    handle = file.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        process_id = handle.read().strip()
        handle.close()
        raise StoreInUse(f"The store in {file.parent} is in use by process {process_id}. Stop it, or choose another folder.") from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle
