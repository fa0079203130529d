"""Routes for emails: managers see the emails about their events, and admins also see all undelivered emails."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog import permissions
from chalicelib.edge import cursors
from chalicelib.edge.auth import Forbidden
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.notifications import outbox
from chalicelib.notifications.model import Notification, NotificationNotFound, NotificationStatus, NotResendable, Problem
from chalicelib.notifications.store import list_event_notifications, list_problem_notifications

bp = Blueprint(__name__)

_POSITION = r"\d{11}#.{1,300}"


class MessagesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which messages to list: all messages about one event or, for admins, all messages with this problem, from all events."""

    event_id: Id | None = None
    problem: Problem = "failed"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class MessageView(Struct, frozen=True, kw_only=True):
    """An email about a change. `subject_id` is the order, ticket or event that changed. `failure` is the last attempt's error."""

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


@route(bp, "POST", "/admin/messages/{message_id}/resend", access="manager", errors=(NotificationNotFound, NotResendable))
def resend_message(request: RequestContext, message_id: str) -> Reply[MessageView]:
    """Send an email again unless it is already queued. It is sent within a minute."""
    identity = request.require_user()
    notification = outbox.get_notification(message_id)
    if not permissions.may_manage(identity, notification.event_id):
        raise NotificationNotFound()
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
        next_try_at=clock.iso(notification.next_at) if notification.next_at is not None else None,
        failure=notification.failure,
    )
