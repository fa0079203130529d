"""Routes for messages: people ask for messages about their turn; managers write to ticket holders and see which emails were sent."""

from collections.abc import Sequence
from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts.model import Email
from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import (
    Announcement,
    AnnouncementNotFound,
    AnnouncementsRefused,
    AnnouncementStarted,
    AnnouncementStatus,
    Audience,
    Door,
    PushSubscription,
    TurnNotAhead,
    TurnNotice,
)
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import NotBlank
from chalicelib.catalog.forms import Moment, check_date_ids, epoch_seconds
from chalicelib.catalog.model import MAX_DATES, Event
from chalicelib.edge import cursors, rate_limits
from chalicelib.edge.auth import Forbidden
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.rate_limits import CATALOG, MAIL, RECIPIENT, RateLimited, limited, limited_for_caller
from chalicelib.edge.routes import CacheableReply, Done, Reply, RequestContext, route
from chalicelib.foundation import addons, clock
from chalicelib.foundation.addons import PersonalItems
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.ids import Id
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Notification, NotificationNotFound, NotificationStatus, NotResendable, Problem, recipient_key
from chalicelib.notifications.store import list_event_notifications, list_problem_notifications
from chalicelib.waiting_room.model import (
    JoiningStopped,
    NoWaitingRoom,
    RoomCleared,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
)

bp = Blueprint(__name__)

PUSH_KEY_SECONDS = 300  # how long browsers and the CDN may keep the public key


class TurnNoticeBody(Struct, forbid_unknown_fields=True):
    """`token` is the waiting room's token. Users whose account has no confirmed address send `email` or `push`, or both."""

    token: Annotated[str, Meta(max_length=2048)]
    email: Email | None = None
    push: PushSubscription | None = None


class TurnNoticeView(Struct, frozen=True, kw_only=True):
    """A request for messages about a turn. `email` is null if the emails go to the account's address, or if no emails were requested.

    `push` is the subscription of the browser that gets push messages.
    """

    event_id: str
    email: str | None
    push: PushSubscription | None
    language: Language
    joined_at: Timestamp


class PushKeyView(Struct, frozen=True):
    """`public_key` is the `applicationServerKey` that a browser needs to subscribe to push messages, in base64url."""

    public_key: str


@route(bp, "GET", "/push-key", access="public")
def show_push_key(_request: RequestContext) -> CacheableReply[PushKeyView]:
    """Show the shop's public key for push messages."""
    from chalicelib.addons.messages import push  # imported here because few requests need it

    return CacheableReply.encode(PushKeyView(push.public_key()), max_age=PUSH_KEY_SECONDS)


@route(
    bp,
    "PUT",
    "/events/{event_id}/waiting-room/notice",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(
        NotFound,
        NoWaitingRoom,
        TokenInvalid,
        TokenOfAnotherEvent,
        TokenOfAnotherUser,
        TokenExpired,
        RoomCleared,
        TurnNotAhead,
        JoiningStopped,
        RateLimited,
    ),
)
def request_turn_messages(request: RequestContext, event_id: str, body: TurnNoticeBody) -> Reply[TurnNoticeView]:
    """Ask for a message with your place after the draw, and for a message shortly before your turn, by email, push message or both."""
    from chalicelib.addons.messages import push, turn_notices  # imported here because few requests need it

    user_id = request.require_user().user_id
    if body.push is not None:
        push.check_subscription(body.push)
    address, stored = turn_notices.choose_address(user_id, body.email, has_push=body.push is not None)
    receiver = recipient_key(address) if address is not None else push.topic_of(body.push.endpoint) if body.push is not None else ""
    turn_notices.check_place(user_id, event_id, body.token, request.now)  # a wrong token must not use up the address's limit
    with limited(request, MAIL, receiver, scope="turn"):
        notice = turn_notices.request_messages(user_id, event_id, body.token, stored, body.push, request.language, request.now)
    return Reply(turn_notice_view(notice))


@route(bp, "DELETE", "/events/{event_id}/waiting-room/notice", access="user")
def stop_turn_messages(request: RequestContext, event_id: str) -> Reply[Done]:
    """Stop the messages about your turn at an event. Your place stays the same."""
    from chalicelib.addons.messages import turn_notices

    turn_notices.stop_messages(request.require_user().user_id, event_id, request.now)
    return Reply(Done("You will not receive any more messages about your turn. Your place in the waiting room stays the same."))


def turn_notice_view(notice: TurnNotice) -> TurnNoticeView:
    joined_at = clock.iso(notice.arrival.joined_at)
    return TurnNoticeView(event_id=notice.event_id, email=notice.email, push=notice.push, language=notice.language, joined_at=joined_at)


def _delete_turn_notices(notices: Sequence[TurnNotice], _user_id: str, now: int) -> None:
    from chalicelib.addons.messages import turn_notices

    for notice in notices:
        turn_notices.delete_notice(notice, now)


# The field is named after the table.
PERSONAL_ITEMS = PersonalItems(
    field="event_notices",
    view=TurnNoticeView,
    read=store.list_turn_notices,
    show=lambda notice, _now: turn_notice_view(notice),
    delete=_delete_turn_notices,
)

_POSITION = r"\d{11}[#~].{1,300}"


class MessagesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which messages to list: all messages about one event or, for admins, all messages with this problem, from all events."""

    event_id: Id | None = None
    problem: Problem = "failed"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class MessageView(Struct, frozen=True, kw_only=True):
    """An email about a change. `subject_id` is the id of what changed, such as an order. `failure` is the last attempt's error."""

    id: str
    kind: str
    status: NotificationStatus
    event_id: str
    subject_id: str
    language: str
    attempts: int
    created_at: Timestamp
    changed_at: Timestamp
    next_try_at: Timestamp | None
    failure: str | None


class MessagesView(Struct, frozen=True, kw_only=True):
    """A page of messages, newest first. `next_cursor` is null on the last page."""

    messages: list[MessageView]
    next_cursor: str | None


@route(bp, "GET", "/admin/messages", access="manager", errors=(NotFound,))
def list_messages(request: RequestContext, query: MessagesQuery) -> Reply[MessagesView]:
    """List the emails about an event, or the undelivered emails of all events."""
    identity = request.require_user()
    after = cursors.decode(query.cursor, _POSITION) if query.cursor is not None else None
    if query.event_id is not None:
        event = permissions.require_manager(identity, query.event_id)
        found, last = list_event_notifications(event.id, query.limit, after)
    elif "admin" in identity.roles:
        found, last = list_problem_notifications(query.problem, query.limit, after)
    else:
        raise Forbidden("Name one of your events in `event_id`. Only admins see the messages of all events.")
    return Reply(MessagesView(messages=[_view(notification) for notification in found], next_cursor=cursors.encode(last) if last else None))


@route(bp, "POST", "/admin/messages/{message_id}/resend", access="manager", errors=(NotificationNotFound, NotResendable, RateLimited))
def resend_message(request: RequestContext, message_id: str) -> Reply[MessageView]:
    """Resend an email. It goes out within a minute. Does nothing if the email is already queued."""
    identity = request.require_user()
    notification = outbox.get_notification(message_id)
    if not permissions.may_manage(identity, notification.event_id):
        raise NotificationNotFound()
    if notification.status != "queued":  # emails about paid orders do not count toward any limit when they are sent
        rate_limits.count_effect_or_refuse(RECIPIENT, f"resend {notification.facts.get('order_id', notification.id)}", request.now)
    return Reply(_view(outbox.resend_notification(notification, identity.user_id, request.now)))


def _view(notification: Notification) -> MessageView:
    return MessageView(
        id=notification.id,
        kind=notification.kind,
        status=notification.status,
        event_id=notification.event_id,
        subject_id=notification.subject_id,
        language=notification.language,
        attempts=notification.attempts,
        created_at=clock.iso(notification.created_at),
        changed_at=clock.iso(notification.changed_at),
        next_try_at=clock.iso(max(notification.next_at, notification.due_at)) if notification.next_at is not None else None,
        failure=notification.failure,
    )


MAX_LISTED = 100
MAX_SCHEDULED_SECONDS = 366 * 86_400

_CONTROLS = r"\x00-\x1f\x7f\x85\u2028\u2029"
Subject = Annotated[
    str,
    Meta(
        max_length=120,
        pattern=rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*\Z",
        examples=["Doors open early"],
        description="One line that is not blank.",
    ),
]


AnnouncementText = Annotated[NotBlank, Meta(max_length=5000)]


class AnnouncementBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """An email to the holders of valid tickets, or to people who are `waiting` on the waitlist, including the losers of a ballot.

    The email goes to people who have or want tickets of the types `tier_ids`, or of any type if `tier_ids` is empty. With `date_ids`, it
    goes only to people whose tickets are, or would be, valid on one of these dates. `door` limits it to holders who have entered, or to
    holders who have not. It is sent at `send_at`, or as soon as possible. `subjects` and `texts` are translations, by language.
    """

    subject: Subject
    text: AnnouncementText
    subjects: dict[Language, Subject] = {}
    texts: dict[Language, AnnouncementText] = {}
    tier_ids: Annotated[list[Id], Meta(max_length=100)] = []
    date_ids: Annotated[list[str], Meta(max_length=MAX_DATES)] = []
    door: Door | None = None
    audience: Audience = "holders"
    send_at: Moment | None = None


class AnnouncementView(Struct, frozen=True, kw_only=True):
    """An announcement. `tickets` counts the tickets that are held or wanted by the people whose emails are in the outbox.

    The status `queued` means that all emails are in the outbox.
    """

    id: str
    event_id: str
    subject: str
    text: str
    subjects: dict[str, str]
    texts: dict[str, str]
    tier_ids: list[str]
    date_ids: list[str]
    door: Door | None
    audience: Audience
    status: AnnouncementStatus
    tickets: int
    created_at: Timestamp
    send_at: Timestamp


class AnnouncementsView(Struct, frozen=True):
    announcements: list[AnnouncementView]


class AnnouncementPreview(Struct, frozen=True):
    """The email of an announcement in the language of the request, which is the same for all readers in this language."""

    subject: str
    text: str
    html: str


@route(bp, "GET", "/admin/events/{event_id}/announcements", access="manager", errors=(NotFound,))
def list_announcements(request: RequestContext, event_id: str) -> Reply[AnnouncementsView]:
    """List the latest 100 announcements of an event, newest first."""
    event = permissions.require_manager(request.require_user(), event_id)
    return Reply(AnnouncementsView([_announcement_view(each) for each in store.list_announcements(event.id, MAX_LISTED)]))


@route(
    bp,
    "POST",
    "/admin/events/{event_id}/announcements/preview",
    access="manager",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NotFound, AnnouncementsRefused),
)
def preview_announcement(request: RequestContext, event_id: str, body: AnnouncementBody) -> Reply[AnnouncementPreview]:
    """Show the email that an announcement would send. Sends nothing."""
    from chalicelib.addons.messages import composition

    event = _require_announcer(request, event_id)
    mail = composition.preview_announcement(_announcement(event, "preview", body, request.now), event, request.language)
    return Reply(AnnouncementPreview(mail.subject, mail.text, mail.html))


@route(
    bp,
    "PUT",
    "/admin/events/{event_id}/announcements/{announcement_id}",
    access="manager",
    errors=(NotFound, AnnouncementsRefused, AnnouncementStarted, RateLimited),
)
@limited_for_caller(CATALOG)  # each change writes an audit entry
def save_announcement(request: RequestContext, event_id: str, announcement_id: str, body: AnnouncementBody) -> Reply[AnnouncementView]:
    """Send or schedule an announcement under a new id of your choice, or change an announcement that is still scheduled."""
    from chalicelib.addons.messages import event_notices

    event = _require_announcer(request, event_id)
    announcement, actor = _announcement(event, announcement_id, body, request.now), request.require_user().user_id
    return Reply(_announcement_view(event_notices.save_announcement(announcement, event.promoter_id, actor, request.now)))


@route(bp, "DELETE", "/admin/events/{event_id}/announcements/{announcement_id}", access="manager", errors=(NotFound, AnnouncementNotFound))
def stop_announcement(request: RequestContext, event_id: str, announcement_id: str) -> Reply[AnnouncementView]:
    """Stop an announcement. Emails that are still waiting are dropped."""
    from chalicelib.addons.messages import event_notices

    identity = request.require_user()
    event = permissions.require_manager(identity, event_id)
    return Reply(_announcement_view(event_notices.stop_announcement(event.id, announcement_id, identity.user_id, request.now)))


def _require_announcer(request: RequestContext, event_id: str) -> Event:
    """Return the event if the caller may write announcements about it. Raises NotFound, Forbidden or AnnouncementsRefused."""
    from chalicelib.promoters.service import find_verified_promoter, is_known

    event = permissions.require_manager(request.require_user(), event_id)
    if not is_known(event, find_verified_promoter(event)):
        raise AnnouncementsRefused()
    return event


def _announcement(event: Event, announcement_id: str, body: AnnouncementBody, now: int) -> Announcement:
    """Return the announcement that a request body describes.

    Raises InvalidInput for an unknown ticket type or date, a time that is too late, or fields that do not suit the audience.
    """
    unknown = set(body.tier_ids) - {tier.id for tier in catalog.load_current().event_tiers(event.id)}
    if unknown:
        raise InvalidInput("This event does not have all of these ticket types.", path="$.tier_ids", rule="unknown")
    check_date_ids(body.date_ids, event.dates)
    if body.audience == "waiting" and not addons.is_on("waitlist"):
        raise InvalidInput("This stage has no waitlist.", path="$.audience", rule="no_waitlist")
    if body.audience == "waiting" and body.door is not None:
        raise InvalidInput(
            "People on the waitlist have no tickets yet, so they cannot be chosen by entry.", path="$.door", rule="not_for_waiting"
        )
    due_at = epoch_seconds("send_at", body.send_at)
    if due_at is not None and due_at > now + MAX_SCHEDULED_SECONDS:
        raise InvalidInput("Choose a time within the next year.", path="$.send_at", rule="too_late")
    return Announcement(
        id=announcement_id,
        event_id=event.id,
        subject=body.subject,
        text=body.text,
        subjects=body.subjects,
        texts=body.texts,
        tier_ids=sorted(set(body.tier_ids)),
        date_ids=sorted(set(body.date_ids)),
        door=body.door,
        audience=body.audience,
        created_at=now,
        written_at=now,
        due_at=max(now, due_at or now),
    )


def _announcement_view(announcement: Announcement) -> AnnouncementView:
    return AnnouncementView(
        id=announcement.id,
        event_id=announcement.event_id,
        subject=announcement.subject,
        text=announcement.text,
        subjects=announcement.subjects,
        texts=announcement.texts,
        tier_ids=announcement.tier_ids,
        date_ids=announcement.date_ids,
        door=announcement.door,
        audience=announcement.audience,
        status=announcement.status,
        tickets=announcement.tickets,
        created_at=clock.iso(announcement.created_at),
        send_at=clock.iso(announcement.due_at),
    )
