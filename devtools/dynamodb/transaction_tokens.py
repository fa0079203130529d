"""ClientRequestTokens: a transaction that is sent again within 10 minutes gets the first response and changes nothing.

`_txn_token_lookup` and `_txn_token_store` are replaced: MiniStack keeps whole requests, and compares them after it has rewritten
their numbers. Here a digest of each request is kept, in the journal too.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from devtools.dynamodb.change_recorder import ChangeRecorder
from devtools.dynamodb.changes import TransactionToken
from devtools.dynamodb.ministack import MiniStack

_TOKEN_SECONDS = 600
_CLEANUP_SECONDS = 60

_sorted_encoder = msgspec.msgpack.Encoder(order="deterministic")


class TransactionTokens:
    def __init__(self, ministack: MiniStack, recorder: ChangeRecorder) -> None:
        self._ministack, self._recorder = ministack, recorder
        self._tokens: dict[str, TransactionToken] = {}
        self._request_digest = b""
        self._cleaned_at = 0.0
        ministack.dynamodb._txn_token_lookup, ministack.dynamodb._txn_token_store = self._lookup, self._save

    def begin(self, request: dict[str, Any]) -> None:
        """Note the request that MiniStack is about to process; its token is not part of what must be equal."""
        compared = {name: value for name, value in request.items() if name != "ClientRequestToken"}
        self._request_digest = blake2b(_sorted_encoder.encode(compared), digest_size=16).digest()

    def restore(self, token: TransactionToken) -> None:
        self._tokens[token.token] = token

    def valid(self) -> Iterator[TransactionToken]:
        return (token for token in self._tokens.values() if self._is_valid(token))

    def _lookup(self, token: str) -> dict[str, Any] | None:
        known = self._tokens.get(token)
        if known is None or not self._is_valid(known):
            return None
        return {"signature": _RequestComparison(known.digest == self._request_digest), "response": known.response, "sizes": known.sizes}

    def _save(self, token: str, entry: dict[str, Any]) -> None:
        now = self._ministack.clock()
        if now - self._cleaned_at >= _CLEANUP_SECONDS:
            self._cleaned_at = now
            self._tokens = {valid.token: valid for valid in self.valid()}
        self._tokens[token] = TransactionToken(token, self._request_digest, entry["response"], entry["sizes"], now)
        self._recorder.add(self._tokens[token])

    def _is_valid(self, token: TransactionToken) -> bool:
        return self._ministack.clock() - token.completed_at < _TOKEN_SECONDS


class _RequestComparison:
    """MiniStack compares an earlier request with the present one by `==`: this stands for the earlier one and has the result."""

    def __init__(self, is_equal: bool) -> None:
        self._is_equal = is_equal

    def __eq__(self, other: object) -> bool:
        return self._is_equal

    __hash__ = None  # type: ignore[assignment]
