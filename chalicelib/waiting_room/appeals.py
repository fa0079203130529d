"""Appeals: a user whom the rule of entry refused writes to the promoter, who answers. A granted appeal gives the user a place.

Each user has at most one appeal per event. The appeal's id is also the name of the place that the appeal may give. Appeals expire with the
places.
"""

from msgspec.structs import replace
from pynamodb.expressions.operand import Path

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge import rate_limits
from chalicelib.waiting_room import tokens
from chalicelib.waiting_room.model import (
    Appeal,
    AppealAnswered,
    AppealCounts,
    AppealExists,
    AppealStatus,
    RefusalUnknown,
    TooManyAppeals,
)
from chalicelib.waiting_room.store import WaitingRoomRow

MAX_APPEALS = 2_000  # for each event
MAX_TEXT = 1_000
LIST_SECONDS = 730 * 86_400  # how long the list of a user's appeals is kept after the latest of them
COUNT_SECONDS = 5

_counts: TtlCache[AppealCounts] = TtlCache(lambda: COUNT_SECONDS, max_keys=1_000)  # by event id


def write(event_id: str, user_id: str, refusal: str, text: str, expires_at: int, now: int) -> Appeal:
    """Store the user's appeal. Returns the stored appeal if the request is repeated.

    Raises RefusalUnknown unless `refusal` shows that the waiting room has refused the user, AppealExists and TooManyAppeals. Also raises
    RateLimited if many people in the caller's network have appealed; otherwise, one stranger could use up the event's appeals.
    """
    reason = tokens.read_refusal(refusal, event_id, user_id)
    if reason is None:
        raise RefusalUnknown()
    new = Appeal(id=tokens.appeal_key(event_id, user_id), reason=reason, text=text, created_at=now)
    if find(event_id, new.id) is None:
        rate_limits.count_guess(rate_limits.APPEAL, event_id, now)
    row = WaitingRoomRow(_row_id(event_id, new.id), appeal=new, holder_id=user_id, ttl=expires_at)
    row.lane, row.entry = _lane(event_id, "open"), _place_in_lane(new)
    counter, arrivals = WaitingRoomRow(_counter_id(event_id)), WaitingRoomRow.arrivals
    listed = [WaitingRoomRow.members.add({row.id}), WaitingRoomRow.ttl.set(max(expires_at, now + LIST_SECONDS))]
    try:
        dynamo.transact(
            [
                dynamo.transact_put(row, WaitingRoomRow.id.does_not_exist()),
                dynamo.transact_update(counter, [arrivals.add(1)], arrivals.does_not_exist() | (arrivals < MAX_APPEALS)),
                dynamo.transact_update(WaitingRoomRow(_list_id(user_id)), listed),
            ]
        )
    except dynamo.ConditionFailed as cancelled:
        stored = cancelled.row(0, WaitingRoomRow)
        if stored is None:
            raise TooManyAppeals(limit=MAX_APPEALS) from cancelled
        if (stored.appeal.text, stored.appeal.reason) != (text, reason):
            raise AppealExists() from cancelled
        return stored.appeal
    return new


def find_own(event_id: str, user_id: str) -> Appeal | None:
    """Return the user's appeal, or None if there is none."""
    found = find(event_id, tokens.appeal_key(event_id, user_id))
    return None if found is None else found[0]


def find(event_id: str, appeal_id: str) -> tuple[Appeal, str] | None:
    """Return an appeal and the id of the user who wrote it, or None if there is none."""
    row = WaitingRoomRow.find(_row_id(event_id, appeal_id))
    return None if row is None else (row.appeal, row.holder_id)


def list_of_user(user_id: str) -> dict[str, Appeal]:
    """Return the user's appeals by event id, without emptied appeals."""
    return {row.id.split("#")[1]: row.appeal for row in _rows_of_user(user_id)}


def move(guest_id: str, user_id: str, now: int) -> None:
    """Add a guest's appeals to the export and erasure of the account that the guest has moved to. Places do not move. Safe to repeat."""
    listed = WaitingRoomRow.find(_list_id(guest_id))
    if listed is not None:
        ttl = max(int(listed.ttl), now + LIST_SECONDS)
        dynamo.update_now(WaitingRoomRow(_list_id(user_id)), [WaitingRoomRow.members.add(listed.members), WaitingRoomRow.ttl.set(ttl)])


def empty_texts(user_id: str) -> None:
    """Empty the texts of the user's appeals and of the answers. The decisions stay. Safe to repeat."""
    text, answer = Path("appeal.text"), Path("appeal.answer")
    for row in _rows_of_user(user_id):  # changes only the texts, because a manager may answer in between
        dynamo.update_if(row, [text.set(""), answer.remove()], text.exists())


def _rows_of_user(user_id: str) -> list[WaitingRoomRow]:
    listed = WaitingRoomRow.find(_list_id(user_id))
    return [] if listed is None else [row for row in WaitingRoomRow.find_all(listed.members) if row.appeal.text]


def list_appeals(event_id: str, status: AppealStatus, limit: int, after: str | None) -> list[tuple[str, Appeal]]:
    """Return at most `limit` appeals with a status after the position `after`, each with its position.

    May miss changes of the last second.
    """
    condition = WaitingRoomRow.entry > after if after is not None else None
    found = {row.id: row.entry for row in WaitingRoomRow.entry_index.query(_lane(event_id, status), condition, limit=limit)}
    rows = WaitingRoomRow.find_all(found)
    return sorted((found[row.id], row.appeal) for row in rows)


def answer(event_id: str, appeal: Appeal, status: AppealStatus, text: str, actor: str, now: int) -> Appeal:
    """Record the answer to an open appeal. Returns the appeal as stored, even if it already has this answer. Raises AppealAnswered.

    An erased user's appeal has no text, and keeps no text of the answer either.
    """
    text = text if appeal.text else ""
    if (appeal.status, appeal.answer) == (status, text):
        return appeal
    after = replace(appeal, status=status, answer=text, answered_at=now)
    row, counter = WaitingRoomRow(_row_id(event_id, appeal.id)), WaitingRoomRow(_counter_id(event_id))
    count, action = (
        (WaitingRoomRow.granted, "waiting_room.appeal_granted")
        if status == "granted"
        else (WaitingRoomRow.denied, "waiting_room.appeal_denied")
    )
    changes = WaitingRoomRow.set_or_remove({"appeal": after, "lane": _lane(event_id, status)})
    try:
        dynamo.transact(
            [
                dynamo.transact_update(row, changes, WaitingRoomRow.appeal == replace(appeal, status="open", answer="", answered_at=None)),
                dynamo.transact_update(counter, [count.add(1)]),
                audit.entry_item(f"event#{event_id}", action, actor, now, {"appeal_id": appeal.id}),
            ]
        )
    except dynamo.ConditionFailed as cancelled:
        stored = cancelled.row(0, WaitingRoomRow)
        if stored is None or (stored.appeal.status, stored.appeal.answer) != (status, text):
            raise AppealAnswered() from cancelled
        return stored.appeal
    return after


def count(event_id: str, now: int) -> AppealCounts:
    """Return the event's numbers of appeals, which may be a few seconds old."""

    def fetch() -> AppealCounts:
        row = WaitingRoomRow.find(_counter_id(event_id), consistent_read=False)
        return AppealCounts(0, 0, 0) if row is None else AppealCounts(int(row.arrivals or 0), int(row.granted or 0), int(row.denied or 0))

    return _counts.get(now, None, fetch, event_id)


def _row_id(event_id: str, appeal_id: str) -> str:
    return f"appeal#{event_id}#{appeal_id}"


def _counter_id(event_id: str) -> str:
    return f"appeals#{event_id}"


def _list_id(user_id: str) -> str:
    return f"appeals-of#{user_id}"


def _lane(event_id: str, status: AppealStatus) -> str:
    return f"appeal#{event_id}#{status}"


def _place_in_lane(appeal: Appeal) -> str:
    return f"{appeal.created_at:010}#{appeal.id}"
