"""Idempotency keys as Stripe documents them: the same call gets the same answer for 24 hours, errors included."""

from dataclasses import dataclass

from devtools.stripe.errors import idempotency
from devtools.stripe.state import State

KEPT_SECONDS = 24 * 3600
MAX_KEY = 255


@dataclass(frozen=True)
class Kept:
    status: int
    body: str
    request_id: str


class Keys:
    """Callers hold the state's lock."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._running: set[str] = set()

    def begin(self, key: str, path: str, fingerprint: str) -> Kept | None:
        """The kept answer; None when the caller is to work, and to `finish`. Raises ApiError for other misuse."""
        if len(key) > MAX_KEY:
            raise idempotency(f"Idempotency keys must be at most {MAX_KEY} characters long.")
        if key in self._running:
            told = "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, "
            raise idempotency(f"{told}and the other request is still going through): {key}.", status=409, code="idempotency_key_in_use")
        kept = self._state.find("_key", key)
        if kept is not None and kept["at"] + KEPT_SECONDS > self._state.now():
            told = f"Try using a key other than '{key}' if you meant to execute a different request."
            if kept["path"] != path:
                same = f"the same endpoint they were first used for ('{path}' vs '{kept['path']}')"
                raise idempotency(f"Keys for idempotent requests can only be used for {same}. {told}")
            if kept["fingerprint"] != fingerprint:
                raise idempotency(
                    f"Keys for idempotent requests can only be used with the same parameters they were first used with. {told}"
                )
            return Kept(kept["status"], kept["body"], kept["request_id"])
        self._running.add(key)
        return None

    def finish(self, key: str, path: str, fingerprint: str, answer: Kept | None) -> None:
        """`answer`: what to keep; None when no endpoint began to work."""
        self._running.discard(key)
        if answer is not None:
            entry = {"id": key, "at": self._state.now(), "path": path, "fingerprint": fingerprint}
            self._state.put("_key", {**entry, "status": answer.status, "body": answer.body, "request_id": answer.request_id})

    def sweep(self) -> None:
        now = self._state.now()
        for entry in self._state.all("_key"):
            if entry["at"] + KEPT_SECONDS > now:
                return  # they are in the order of their times
            self._state.remove("_key", entry["id"])
