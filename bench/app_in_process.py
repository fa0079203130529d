"""The app with a client in this process, on a local store in memory or in a folder, for measurements without HTTP."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, memory, settings
from infra import tables
from infra.local.environment import LOCAL_CREDENTIALS
from infra.local.gateway import Gateway
from tests import engines
from tests.client import Client

MANY_TICKETS = 20_000
# A Lambda instance writes log lines too, but here they would end up in the terminal.
_ENVIRONMENT = {
    **LOCAL_CREDENTIALS,
    "POWERTOOLS_METRICS_DISABLED": "true",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_SETTINGS = {"stage": "bench", "identity": "demo", "payment_simulation": "on", "rate_limits": "off", "publishing": "all"}
_SECRETS = {"jwt_secret": "bench" * 8, "ticket_keys": "k1:" + "bench" * 8}


@contextmanager
def app_in_process(folder: Path | None = None, *, store: Any = None, **overrides: Any) -> Iterator[Client]:
    """Yield a client of the app on empty tables. With a folder, the store writes its journal there. `store` is another local store."""
    with (
        patch.dict(os.environ, _ENVIRONMENT),
        patch.object(logging.getLogger(log.SERVICE), "disabled", True),
        settings.override(**{**_SETTINGS, **_SECRETS, **overrides}),
        store or engines.local(folder),
        TemporaryDirectory() as images,
        engines.folder_buckets(Path(images)),
    ):
        tables.create_all(dynamo.client())
        import app

        memory.forget_everything()  # caches of an earlier run in this process hold other tables
        yield Client(Gateway(app.app))
