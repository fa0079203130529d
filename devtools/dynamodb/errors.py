"""Why a store can't be opened or can't go on; each message says what to do."""


class StoreFailed(Exception):
    """The store can't go on: its journal could not be written. What was answered before is safe."""


class StoreInUse(Exception):
    """Another process, or another store of this one, has the folder open."""


class StoreDamaged(Exception):
    """What is on disk is not what was written. Nothing was changed by looking at it."""


class StoreTooNew(Exception):
    """A later version of this program wrote the store."""
