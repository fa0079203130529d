"""The reasons why a store cannot be opened or cannot go on. Each message says what to do."""


class StoreFailed(Exception):
    """The store accepts no more calls: its journal could not be written, or it is closed. All earlier answers are safe on disk."""


class StoreInUse(Exception):
    """Another process, or another store of this process, has the folder open."""


class StoreDamaged(Exception):
    """The files on disk are not what was written. The check did not change them."""


class StoreTooNew(Exception):
    """A newer version of this program wrote the store."""
