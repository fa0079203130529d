"""The lock file."""

import pytest

from devtools.dynamodb.errors import StoreInUse
from devtools.dynamodb.store import open_store


def test_a_folder_is_opened_once(tmp_path):
    with open_store(tmp_path), pytest.raises(StoreInUse, match="in use by process"):
        open_store(tmp_path)
    open_store(tmp_path).close()
