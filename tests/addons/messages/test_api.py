"""Managers of an event and admins see its messages and send them again."""

from chalicelib.audit import service as audit
from chalicelib.foundation import settings
from chalicelib.notifications import ses_reports
from chalicelib.notifications.providers import MailRefused
from chalicelib.notifications.store import NotificationRow
from tests import builders
from tests.addons.messages.test_order_notices import buy


def list_messages(api, token=None, **query):
    reply = api.get("/admin/messages", query={name: str(value) for name, value in query.items()}, token=token or builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def test_a_mail_that_was_given_up_is_listed_and_sent_again(post, api, time):
    shop = builders.create_shop(api)
    order_id = buy(api, shop)
    post.provider.fault = lambda _: MailRefused("recipient refused (550)")
    post.deliver()
    [failed] = list_messages(api)["messages"]
    assert (failed["kind"], failed["status"], failed["failure"]) == ("order_confirmed", "failed", "recipient refused (550)")
    assert (failed["subject_id"], failed["attempts"], failed["next_try_at"]) == (order_id, 1, None)

    post.provider.fault = lambda _: None
    resent = api.post(f"/admin/messages/{failed['id']}/resend", token=builders.admin_token())
    assert (resent.status, resent.json["status"]) == (200, "queued")
    again = api.post(f"/admin/messages/{failed['id']}/resend", token=builders.admin_token())
    assert (again.status, again.json["error"]) == (409, "not_resendable")
    post.send()
    assert post.kinds == ["order_confirmed"]
    assert list_messages(api)["messages"] == []
    [entry] = [entry for entry in audit.list_entries(f"event#{shop[0]}") if entry.action == "message.resent"]
    assert (entry.actor, entry.details["message_id"]) == ("root", failed["id"])


def test_the_confirmation_of_a_paid_order_is_sent_before_older_mails(post, api, time):
    event_id, tier_id = builders.create_shop(api)
    free = builders.create_tier(api, event_id, "Free", price_cents=0)
    buy(api, (event_id, free), user="bob")
    post.follow()
    time.advance(600)
    buy(api, (event_id, tier_id), user="ada")
    post.follow()
    messages = list_messages(api, event_id=event_id)["messages"]
    assert [message["next_try_at"] for message in messages] == [message["created_at"] for message in messages]
    with settings.override(mail_rate=1):
        assert [mail["To"] for mail in post.deliver()] == ["ada@home.test", "bob@home.test"]


def test_an_admin_lets_an_address_get_mails_again(post, api, time):
    shop = builders.create_shop(api)
    ses_reports.suppress("ada@home.test", "bounced", time.now)
    buy(api, shop)
    assert post.deliver() == []
    [held] = list_messages(api, problem="suppressed")["messages"]

    def release(address):
        return api.post("/admin/suppressed-addresses/release", json={"email": address}, token=builders.admin_token())

    assert release("Ada@Home.test ").status == 200
    again = release("ada@home.test")
    assert (again.status, again.json["error"]) == (404, "not_suppressed")
    assert api.post(f"/admin/messages/{held['id']}/resend", token=builders.admin_token()).status == 200
    assert [mail["To"] for mail in post.deliver()] == ["ada@home.test"]
    [entry] = audit.list_entries("suppressed-addresses")
    assert (entry.action, entry.actor, entry.details) == ("address.released", "root", {})


def read_pages(api, **query):
    """Return the subjects of all messages, page by page."""
    found, page = [], list_messages(api, limit=3, **query)
    while True:
        found += [message["subject_id"] for message in page["messages"]]
        if page["next_cursor"] is None:
            return found
        page = list_messages(api, limit=3, cursor=page["next_cursor"], **query)


def test_mails_of_an_event_share_no_single_key_and_are_listed_in_order(post, api, time):
    shop, orders = builders.create_shop(api, capacity=50), []
    for number in range(16):
        orders.append(buy(api, shop, user=f"user-{number}"))
        time.advance(1)
    post.follow()
    assert len({row.event_lane for row in NotificationRow.scan()}) > 1
    assert {row.position for row in NotificationRow.scan()} == {None}  # it would put them under the single key of the event, too
    assert read_pages(api, event_id=shop[0]) == orders[::-1]


def test_mails_of_the_previous_version_and_undelivered_mails_are_listed_once(post, api, time):
    shop, orders = builders.create_shop(api, capacity=50), []
    for number in range(12):
        orders.append(buy(api, shop, user=f"user-{number}"))
        time.advance(1)
        post.follow()
    for row in NotificationRow.scan():
        if orders.index(row.subject_id) in (0, 2, 3, 7, 10):  # the previous version knew no lanes
            row.position, row.event_lane, row.event_position = row.event_position, None, None
            row.save()
    post.provider.fault = lambda number: MailRefused("recipient refused (550)") if number % 3 else None
    post.deliver()
    assert read_pages(api, event_id=shop[0]) == orders[::-1]
    failed = [row.subject_id for row in NotificationRow.scan() if row.status == "failed"]
    assert len(failed) == 8
    assert sorted(read_pages(api)) == sorted(failed)


def test_only_managers_of_an_event_see_the_pages_of_its_mails(post, api, time):
    shop = builders.create_promoted_shop("nora")
    other = builders.create_shop(api)
    for number in range(5):
        buy(api, shop, user=f"user-{number}")
        time.advance(1)
    buy(api, other, user="eve")
    post.deliver()
    nora = builders.token("nora", "promoter")
    found, cursor = [], None
    while True:
        page = list_messages(api, nora, event_id=shop[0], limit=2, **({"cursor": cursor} if cursor else {}))
        found += page["messages"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [message["status"] for message in found] == ["sent"] * 5
    assert [message["created_at"] for message in found] == sorted((message["created_at"] for message in found), reverse=True)
    assert "@" not in str(found)
    assert api.get("/admin/messages", query={"event_id": other[0]}, token=nora).status == 403
    assert api.get("/admin/messages", token=nora).status == 403
    theirs = list_messages(api, event_id=other[0])["messages"][0]["id"]
    assert api.post(f"/admin/messages/{theirs}/resend", token=nora).status == 404
    assert api.post("/admin/messages/order_confirmed.x.1/resend", token=nora).status == 404
