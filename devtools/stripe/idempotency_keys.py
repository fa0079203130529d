"""Idempotency keys, as Stripe documents them: the same request gets the same response for 24 hours, errors included."""

from dataclasses import dataclass

from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import idempotency_error

RETENTION_SECONDS = 24 * 3600
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class SavedResponse:
    status: int
    body: str
    request_id: str


class IdempotencyKeys:
    """Callers hold the state's lock."""

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self._in_progress: set[str] = set()

    def begin(self, key: str, path: str, fingerprint: str) -> SavedResponse | None:
        """Return the saved response; None: the caller must process the request and call `finish`. Raises StripeApiError for misuse."""
        if len(key) > MAX_KEY_LENGTH:
            raise idempotency_error(f"Idempotency keys must be at most {MAX_KEY_LENGTH} characters long.")
        if key in self._in_progress:
            message = "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, "
            message += f"and the other request is still going through): {key}."
            raise idempotency_error(message, status=409, code="idempotency_key_in_use")
        saved = self._state.find("_key", key)
        if saved is not None and saved["at"] + RETENTION_SECONDS > self._state.now():
            advice = f"Try using a key other than '{key}' if you meant to execute a different request."
            if saved["path"] != path:
                endpoints = f"the same endpoint they were first used for ('{path}' vs '{saved['path']}')"
                raise idempotency_error(f"Keys for idempotent requests can only be used for {endpoints}. {advice}")
            if saved["fingerprint"] != fingerprint:
                raise idempotency_error(
                    f"Keys for idempotent requests can only be used with the same parameters they were first used with. {advice}"
                )
            return SavedResponse(saved["status"], saved["body"], saved["request_id"])
        self._in_progress.add(key)
        return None

    def finish(self, key: str, path: str, fingerprint: str, response: SavedResponse | None) -> None:
        """Save the response; None: processing did not begin, and the key stays free."""
        self._in_progress.discard(key)
        if response is not None:
            entry = {"id": key, "at": self._state.now(), "path": path, "fingerprint": fingerprint}
            self._state.put("_key", {**entry, "status": response.status, "body": response.body, "request_id": response.request_id})

    def delete_expired(self) -> None:
        now = self._state.now()
        for entry in self._state.oldest_first("_key"):
            if entry["at"] + RETENTION_SECONDS > now:
                return  # entries are in the order of their times
            self._state.remove("_key", entry["id"])
