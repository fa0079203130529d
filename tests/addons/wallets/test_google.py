"""Tickets in Google Wallet: the link, the class and the object, the rotating code at the door, and changes."""

import hmac
from hashlib import sha256

import jwt
import pytest

from chalicelib.addons.wallets import passes, store
from chalicelib.foundation import clock, settings
from chalicelib.promoters import service
from chalicelib.tickets import qr
from infra import cold_starts
from infra.instance import Instance
from infra.template.stages import ROOT
from tests import builders
from tests.addons.documents.test_fonts import SCRIPTS
from tests.addons.wallets import fakes
from tests.addons.wallets.conftest import BOUND_SECONDS
from tests.catalog.test_quotas import verify
from tests.promoters.test_suspension import sign_up_promoter

pytestmark = pytest.mark.not_on_moto  # the changes come from the streams


def shown_code(content, at):
    """The text of the barcode as a phone computes it from the object at a time (RFC 6238)."""
    barcode = content["rotatingBarcode"]
    details = barcode["totpDetails"]
    [parameter] = details["parameters"]
    digest = hmac.digest(bytes.fromhex(parameter["key"]), (1000 * at // int(details["periodMillis"])).to_bytes(8, "big"), "sha1")
    offset = digest[19] % 16
    number = int.from_bytes(digest[offset : offset + 4], "big") % 2**31 % 10 ** parameter["valueLength"]
    return barcode["valuePattern"].replace("{totp_value_0}", f"{number:0{parameter['valueLength']}}")


@pytest.fixture
def saved(door, google):
    """The object of Ada's first ticket, as Google has it."""
    reply = door.add("google")
    assert reply.status == 200, reply.json
    return google.object(door.tickets[0].id)


def test_the_link_names_the_object_and_is_signed_by_the_service_account(door, google, time):
    link = door.add("google").json["url"]
    token = link.removeprefix("https://pay.google.com/gp/v/save/")
    assert len(token) < 1800  # longer links may be cut off
    claims = jwt.decode(token, fakes.private_key("google").public_key(), ["RS256"], {"verify_iat": False}, audience="google")
    assert (claims["iss"], claims["typ"], claims["iat"]) == (fakes.ACCOUNT, "savetowallet", time.now)
    [named] = claims["payload"]["eventTicketObjects"]
    assert google.stored[named["id"]]["classId"] == named["classId"]
    assert named.keys() == {"id", "classId"}
    assert google.stored[named["classId"]]["venue"]["name"]["defaultValue"]["value"] == "Hall"
    assert door.add("google").json["url"].startswith("https://pay.google.com/gp/v/save/")
    assert len(google.stored) == 2


@pytest.mark.slow
def test_an_instance_that_has_checked_an_access_token_can_sign_links(google):
    """Access tokens need no `cryptography`, so PyJWT is loaded without it, and then knows no RS256."""
    values = {"issuer": fakes.ISSUER, "key": google.key, "api_base": google.url}
    environment = {f"FAIRGATE_GOOGLE_WALLET_{name.upper()}": value for name, value in values.items()}
    environment |= {"FAIRGATE_WEBHOOK_TARGETS": "local"}
    with cold_starts.filled_store() as stored, Instance(ROOT, cold_starts.API, stored | environment) as instance:
        [ticket] = cold_starts.buy(instance).json_body()["tickets"]
        reply = cold_starts.Client(instance).signed_request("POST", f"/tickets/{ticket['id']}/passes", {"wallet": "google"})
    assert reply.json_body()["url"].startswith("https://pay.google.com/gp/v/save/")


def test_only_the_owner_of_a_valid_ticket_gets_a_link(door, google):
    assert door.add("google", user="eve").status == 404
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    assert (door.add("google").status, door.add("google").json["error"]) == (410, "ticket_void")
    assert not google.stored


def test_the_code_of_the_wallet_lets_its_owner_in_once(door, saved, time):
    text = shown_code(saved, time.now)
    assert door.tickets[0].code not in text
    assert door.scan(text).status == 200
    assert door.refusal(text) == (409, "already_admitted")


@pytest.mark.parametrize(("seconds", "outcome"), [(0, 200), (29, 200), (59, 200), (90, 410), (3600, 410), (-90, 410)])
def test_an_old_picture_is_refused_while_the_door_is_online(door, saved, time, seconds, outcome):
    text = shown_code(saved, time.now)
    time.advance(seconds)
    assert door.scan(text).status == outcome
    if outcome == 410:
        assert door.scan(text).json["error"] == "code_expired"
        assert door.scan(shown_code(saved, time.now)).status == 200


def test_the_fixed_part_alone_is_no_code(door, saved, time):
    ticket_id, fixed_part = shown_code(saved, time.now).split(":")[1:3]
    forged = [fixed_part, f"FG1:{ticket_id}:{fixed_part}:x", f"FG1:{ticket_id}:{fixed_part}:{door.tickets[0].qr_sig}"]
    assert [door.refusal(text) for text in forged] == [(404, "code_unknown")] * 3
    assert [door.refusal(f"FG2:{ticket_id}:{fixed_part}:{password}") for password in ("", "x", "00000000")] == [(410, "code_expired")] * 3
    assert door.refusal(f"FG2:{ticket_id}:AAAA:12345678") == (404, "code_unknown")
    assert door.refusal(f"FG2:{door.tickets[1].id}:{fixed_part}:12345678") == (404, "code_unknown")
    assert door.refusal(f"FG2:{ticket_id}.1:{fixed_part}:12345678") == (404, "code_unknown")


def test_a_scan_that_was_counted_can_be_repeated_later(door, saved, time):
    text = shown_code(saved, time.now)
    assert door.scan(text, device="d1", scan_id="1").status == 200
    time.advance(600)
    repeated = door.scan(text, device="d1", scan_id="1")
    assert (repeated.status, repeated.json["repeated"]) == (200, True)


def test_without_a_network_the_fixed_part_decides(door, saved, time):
    """The device has a digest of the fixed part, and nothing from which anybody could compute a code."""
    text = shown_code(saved, time.now)
    fixed_part, listed = text.split(":")[2], wallet_digests(door)
    assert listed[sha256(fixed_part.encode()).hexdigest()] == door.tickets[0].id
    manifest = door.api.get(f"/events/{door.event_id}/manifest", token=door.token).body.decode()
    secrets = (saved["rotatingBarcode"]["totpDetails"]["parameters"][0]["key"], fixed_part, door.tickets[0].code, door.tickets[0].qr_sig)
    assert [secret for secret in secrets if secret in manifest] == []
    later = door.offline_scan("1", code=text)
    time.advance(3600)
    assert [scan["outcome"] for scan in door.sync("d1", later).json["scans"]] == ["admitted"]


def test_without_a_network_the_code_of_a_former_owner_is_not_listed(door, saved, time):
    """A device whose list is older admits the former owner; the sync then refuses the scan, because the code is no longer the ticket's."""
    former = shown_code(saved, time.now)
    digest = sha256(former.split(":")[2].encode()).hexdigest()
    assert digest in wallet_digests(door)
    door.lose_first_ticket("transfer")
    assert digest not in wallet_digests(door)
    forged = f"FG2:{door.tickets[1].id}:{former.split(':')[2]}:12345678"
    scans = [door.offline_scan("1", code=former), door.offline_scan("2", code=forged)]
    assert [(scan["outcome"], scan["error"]) for scan in door.sync("d1", *scans).json["scans"]] == [("refused", "code_unknown")] * 2
    assert door.ticket.inside_count == 0


def wallet_digests(door):
    """The digests of fixed parts in the manifest, each with the id of its ticket."""
    manifest = door.api.get(f"/events/{door.event_id}/manifest", token=door.token).json
    return {ticket["wallet_sha256"]: ticket["id"] for ticket in manifest["tickets"]}


@pytest.mark.parametrize("way", ["refund", "transfer", "resale"])
def test_a_pass_is_void_seconds_after_its_ticket_has_changed(door, saved, google, time, way):
    door.lose_first_ticket(way)
    door.wait(BOUND_SECONDS)
    assert google.stored[saved["id"]]["state"] == "INACTIVE"
    assert google.stored[saved["id"]]["rotatingBarcode"] is None
    assert door.scan(shown_code(saved | {"rotatingBarcode": _barcode(door.tickets[0])}, time.now)).status in (404, 410)
    assert door.update()["due"] == 0
    if way == "transfer":
        assert door.add("google", user="bob").status == 200
        theirs = google.object(door.tickets[0].id)
        assert (theirs["id"] != saved["id"], theirs["state"]) == (True, "ACTIVE")
        assert door.scan(shown_code(theirs, time.now)).status == 200


def _barcode(ticket):
    """The barcode that the phone of the former owner still shows without a network."""
    from chalicelib.tickets import signature

    parameters = [{"key": signature.totp_key(ticket.code, ticket.qr_sig).hex(), "valueLength": 8}]
    return {"valuePattern": qr.rotating_text(ticket, "{totp_value_0}"), "totpDetails": {"periodMillis": "30000", "parameters": parameters}}


def test_a_changed_place_and_time_reach_the_class_that_all_tickets_share(door, saved, google, time):
    door.add("google", 2)
    starts = clock.iso(time.now + 7200)
    door.change_event(venue="Arena", starts_at=starts)
    assert door.update()["failed"] == 0
    changed = google.stored[saved["classId"]]
    assert changed["venue"]["name"]["defaultValue"]["value"] == "Arena"
    assert changed["dateTime"]["start"] == starts
    door.change_event(description="Bring a coat")
    assert door.update()["due"] == 0


def test_a_changed_date_and_its_place_reach_the_class(door, google, time):
    first, second = time.now + 7200, time.now + 2 * 86_400
    door.spread(first, second)
    door.buy_for("d2")
    assert door.add("google").status == 200
    shown = google.stored[google.object(door.tickets[0].id)["classId"]]
    assert (shown["dateTime"]["start"], shown["venue"]["name"]["defaultValue"]["value"]) == (clock.iso(second), "Hall")
    door.spread(first, second + 1800, venue="Park")
    door.wait(BOUND_SECONDS)
    assert (shown["dateTime"]["start"], shown["venue"]["name"]["defaultValue"]["value"]) == (clock.iso(second + 1800), "Park")


@pytest.mark.parametrize("date_id", [None, "d2"])
def test_passes_are_void_seconds_after_a_cancellation(door, google, time, date_id):
    """The refunds may take longer."""
    door.spread(time.now + 7200, time.now + 2 * 86_400)
    assert door.add("google").status == 200
    other = google.object(door.tickets[0].id)
    door.buy_for("d2")
    assert door.add("google").status == 200
    door.cancel(date_id=date_id)
    door.wait(BOUND_SECONDS)
    assert door.ticket.state == "valid"
    void = google.object(door.tickets[0].id)
    assert (void["state"], void["rotatingBarcode"]) == ("INACTIVE", None)
    assert other["state"] == ("INACTIVE" if date_id is None else "ACTIVE")
    assert door.add("google").status == 200
    assert google.object(door.tickets[0].id)["state"] == "INACTIVE"


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize("shop", ["https://shop.example", "http://127.0.0.1:8000"])
def test_google_reads_the_logo_of_the_promoter_by_https(door, google, shop):
    address = door.add_logo((400, 200))
    with settings.override(shop_url=shop):
        assert door.add("google").status == 200
        [saved] = [content for name, content in google.stored.items() if name.endswith(door.tier_id)]
        shown = saved.get("logo", {}).get("sourceUri", {}).get("uri")
        assert shown == (f"{shop}{address}" if shop.startswith("https") else None)
        if shown:
            assert door.api.delete(f"/promoters/{door.event.promoter_id}/logo", token=builders.admin_token()).status == 200
            assert door.add("google").status == 200
            assert google.stored[saved["id"]]["logo"] is None


def test_a_changed_event_keeps_the_name_of_its_promoter(door, saved, google):
    promoter_id, _ = sign_up_promoter(door.api)
    verify(door.api, promoter_id)
    door.change_event(promoter_id=promoter_id, venue="Arena")
    assert door.update()["failed"] == 0
    changed = google.stored[saved["classId"]]
    assert changed["venue"]["name"]["defaultValue"]["value"] == "Arena"
    assert changed["issuerName"] == service.find_seller(door.event).name


def test_a_named_attendee_appears_on_the_pass(door, saved, google):
    with settings.override(attendee_lock_seconds=1):
        named = door.api.patch(f"/tickets/{door.tickets[0].id}", json={"attendee": {"name": "Ann"}}, user="ada")
    assert named.status == 200, named.json
    door.update()
    assert google.stored[saved["id"]]["ticketHolderName"] == "Ann"


@pytest.mark.parametrize("script", SCRIPTS)
def test_google_gets_the_names_of_events_and_people_in_their_script(door, google, script):
    name = SCRIPTS[script]
    door.name_everything(name)
    assert door.add("google").status == 200
    saved = google.object(door.tickets[0].id)
    event = google.stored[saved["classId"]]
    shown = [event["eventName"], event["venue"]["name"], event["venue"]["address"], saved["ticketType"]]
    assert [text["defaultValue"]["value"] for text in shown] == [name] * 4
    assert saved["ticketHolderName"] == name


@pytest.mark.parametrize("status", [500, 403])
def test_nothing_is_lost_while_google_refuses(door, saved, google, time, status):
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    google.status = status
    assert door.update()["due"] == 0  # the next attempt is later
    assert google.stored[saved["id"]]["state"] == "ACTIVE"
    time.advance(86_400)
    assert door.run_schedule() | {"setup_errors": []} == {"due": 1, "updated": 0, "failed": 1, "given_up": 0, "left": 0, "setup_errors": []}
    google.status = 0
    time.advance(3600)
    assert door.run_schedule()["updated"] == 1
    assert google.stored[saved["id"]]["state"] == "INACTIVE"


def test_each_class_is_written_once_and_again_when_it_has_changed(door, google):
    for number in (1, 2):
        assert door.add("google", number).status == 200
        assert door.add("google", number).status == 200
    created = [request for request in google.requests if request == "POST /walletobjects/v1/eventTicketClass"]
    assert (len(created), sum(google.calls.values())) == (1, 1 + 2 + 2 * 2), "an object that exists takes two calls"
    door.stop_stream()
    door.change_event(venue="Arena")
    assert door.add("google").status == 200
    assert google.stored[google.object(door.tickets[0].id)["classId"]]["venue"]["name"]["defaultValue"]["value"] == "Arena"


def test_a_class_is_known_for_as_long_as_the_passes_of_a_postponed_event(door, google, time):
    def kept_until():
        [row] = store.TextRow.query(f"classes#{door.event_id}")
        return row.ttl

    door.stop_stream()
    assert door.add("google").status == 200
    first = kept_until()
    for days in (20, 700):
        door.change_event(starts_at=clock.iso(time.now + days * 86_400))
        assert door.add("google").status == 200  # the pass from before writes the class, which has changed
        assert kept_until() == first
        time.advance(1)
        assert door.add("google", 2).status == 200
        made = [each.ttl for each in store.list_passes(door.tickets[1].id)]
        store.delete_pass(store.list_passes(door.tickets[1].id)[0])
        assert (kept_until() > first) == (days > 30)
    assert kept_until() == made[0]
    door.change_event(venue="Arena")
    assert door.add("google").status == 200
    assert kept_until() == made[0], "a pass from before does not shorten it"


def test_a_class_that_two_requests_write_at_once_is_written_again(door, google, monkeypatch):
    """The earlier request writes last, with the earlier venue."""
    write = passes.google.put

    def write_late(kind, body):
        if kind == "eventTicketClass":
            monkeypatch.setattr(passes.google, "put", write)
            door.change_event(venue="Arena")
            assert door.add("google", 2).status == 200
        write(kind, body)

    door.stop_stream()
    monkeypatch.setattr(passes.google, "put", write_late)
    with settings.override(request_seconds=600):
        assert door.add("google").status == 200
    shown = google.stored[google.object(door.tickets[0].id)["classId"]]
    assert shown["venue"]["name"]["defaultValue"]["value"] == "Hall"
    assert door.add("google").status == 200
    assert shown["venue"]["name"]["defaultValue"]["value"] == "Arena"


@pytest.mark.parametrize("way", ["refund", "transfer", "resale"])
def test_the_schedule_makes_an_update_that_the_stream_does_not_make(door, saved, google, time, way):
    door.stop_stream()
    door.lose_first_ticket(way)
    door.wait(59)
    assert google.stored[saved["id"]]["state"] == "ACTIVE"
    assert door.run_schedule()["updated"] == 1
    assert google.stored[saved["id"]]["state"] == "INACTIVE"


def test_an_update_that_fails_for_days_is_given_up(door, saved, google, time):
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    google.status = 500
    door.update()
    time.advance(4 * 86_400)
    assert door.update()["given_up"] == 1
    google.status = 0
    time.advance(86_400)
    assert door.update()["due"] == 0


def test_a_buyer_hears_that_google_does_not_answer(door, google):
    google.status = 503
    reply = door.add("google")
    assert (reply.status, reply.json["error"]) == (503, "wallet_unavailable")
    google.status = 0
    assert door.add("google").status == 200


@pytest.mark.parametrize("is_again", [False, True])
@pytest.mark.parametrize("way", ["refund", "cancellation"])
def test_a_change_while_the_pass_is_being_written_is_not_overwritten(door, google, monkeypatch, way, is_again):
    """The update after the change may come before our write, which still has the valid ticket and event."""
    write, made = passes.google.put, []
    if is_again:
        assert door.add("google").status == 200

    def write_late(kind, body):
        if kind == "eventTicketObject":
            door.cancel() if way == "cancellation" else door.lose_first_ticket(way)
            door.wait(BOUND_SECONDS)
            made.extend(google.requests)
        write(kind, body)

    monkeypatch.setattr(passes.google, "put", write_late)
    with settings.override(request_seconds=600):  # the changes are passed on during the request
        assert door.add("google").status == 200
    assert any(request.startswith("PATCH ") for request in made), "the update came first"
    assert google.object(door.tickets[0].id)["state"] == "ACTIVE"
    door.update()
    assert google.object(door.tickets[0].id)["state"] == "INACTIVE"


def test_a_change_during_an_update_is_not_lost(door, saved, google, monkeypatch):
    write = passes.google.patch

    def write_late(kind, body):
        if body.get("ticketHolderName") == "Ann":
            monkeypatch.setattr(passes.google, "patch", write)
            builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
            door.update()
        write(kind, body)

    monkeypatch.setattr(passes.google, "patch", write_late)
    with settings.override(attendee_lock_seconds=1):
        door.api.patch(f"/tickets/{door.tickets[0].id}", json={"attendee": {"name": "Ann"}}, user="ada")
    door.update()
    door.update()
    assert google.stored[saved["id"]]["state"] == "INACTIVE"


def test_tickets_without_passes_cause_no_updates(door, google):
    builders.refund(door.api, door.order_id, tickets=[door.tickets[1].id])
    assert door.update()["due"] == 0


def test_a_stage_that_is_not_set_up_offers_no_wallet(door, api):
    assert api.get("/wallets").json == {"wallets": []}
    assert door.add("google").status == door.add("apple").status == 404
    manifest = api.get(f"/events/{door.event_id}/manifest", token=door.token).json
    assert "wallet_sha256" not in manifest["tickets"][0]
    assert api.get("/health").json["errors"] == []


def test_a_wrong_key_is_told_by_the_health_and_not_to_the_first_buyer(door, api, google):
    assert api.get("/wallets").json == {"wallets": ["google"]}
    for key in ("{}", google.key.replace("BEGIN", "BEGAN"), "{"):
        with settings.override(google_wallet_key=key):
            assert api.get("/health").json["errors"] == ["GoogleWalletKeyInvalid"]
            assert api.get("/wallets").json == {"wallets": []}
            assert door.add("google").status == 404
