"""Tickets in Apple Wallet: the signed file, the web service for updates, and pushes."""

import io
import json
import subprocess
import zipfile
from hashlib import sha1

import pytest
from msgspec.structs import replace
from PIL import Image

from chalicelib.addons.wallets import passes, store
from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr
from tests import builders
from tests.addons.documents.test_fonts import SCRIPTS
from tests.addons.wallets import fakes, formats
from tests.addons.wallets.conftest import BOUND_SECONDS
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.not_on_moto  # the changes come from the streams
PHONE, PUSH_TOKEN = "0123456789abcdef0123456789abcdef", "ab" * 32


class Phone:
    """An iPhone with the pass of Ada's first ticket, which calls the web service that the pass names."""

    def __init__(self, door, device=PHONE):
        self.door, self.api, self.device = door, door.api, device
        self.take(self.api.get(path_of(door.add("apple").json["url"])))

    def take(self, reply):
        """Keep a new version of the pass."""
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/vnd.apple.pkpass")
        self.files, self.modified = unpacked(reply.body), reply.headers["Last-Modified"]
        self.content = json.loads(self.files["pass.json"])
        formats.check_pass(self.content)
        self.base = f"/apple/v1/devices/{self.device}/registrations/{fakes.PASS_TYPE}"
        self.latest = f"/apple/v1/passes/{fakes.PASS_TYPE}/{self.content['serialNumber']}"

    @property
    def headers(self):
        return {"Authorization": f"ApplePass {self.content['authenticationToken']}"}

    def register(self, token=PUSH_TOKEN, **options):
        return self.api.post(
            f"{self.base}/{self.content['serialNumber']}", json={"pushToken": token}, **{"headers": self.headers} | options
        )

    def unregister(self):
        return self.api.delete(f"{self.base}/{self.content['serialNumber']}", headers=self.headers)

    def changed(self, since=None):
        return self.api.get(self.base, query={"passesUpdatedSince": since} if since else {})

    def fetch(self):
        return self.api.get(self.latest, headers=self.headers | {"If-Modified-Since": self.modified})


def path_of(url):
    return url.partition("/api/v1")[2]


def unpacked(body):
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def phone(door, apns):
    found = Phone(door)
    assert found.register().status == 201
    return found


def test_the_file_has_the_ticket_its_images_and_a_manifest_of_all(door, apns):
    phone = Phone(door)
    assert phone.content["barcodes"][0]["message"] == qr.text(door.tickets[0])
    assert (phone.content["voided"], phone.content["teamIdentifier"]) == (False, fakes.TEAM)
    [event] = phone.content["eventTicket"]["primaryFields"]
    assert event["value"] == "Night"
    manifest = json.loads(phone.files["manifest.json"])
    assert manifest.keys() == phone.files.keys() - {"manifest.json", "signature"}
    assert manifest == {name: sha1(phone.files[name]).hexdigest() for name in manifest}
    sizes = {name: Image.open(io.BytesIO(phone.files[name])).size for name in manifest if name.endswith(".png")}
    assert sizes["icon.png"] == (29, 29)
    assert sizes["icon@2x.png"] == (58, 58)
    assert all(width <= 160 * 3 and height <= 50 * 3 for width, height in sizes.values())


@pytest.mark.parametrize(("uploaded", "shown"), [((1200, 400), (150, 50)), ((1200, 200), (160, 27)), ((200, 200), (50, 50))])
def test_the_pass_shows_the_logo_of_the_promoter(door, apns, buckets, uploaded, shown):
    door.add_logo(uploaded)
    files = Phone(door).files
    logos = {name: Image.open(io.BytesIO(files[name])) for name in ("logo.png", "logo@2x.png", "logo@3x.png")}
    for scale, logo in enumerate(logos.values(), start=1):
        assert logo.format == "PNG"
        assert all(abs(side - scale * expected) <= scale for side, expected in zip(logo.size, shown, strict=True))
        red, _, blue = logo.convert("RGB").getpixel((logo.width // 8, logo.height // 8))
        assert blue > red, "the corner of the picture is blue"
    manifest = json.loads(files["manifest.json"])
    assert all(sha1(files[name]).hexdigest() == manifest[name] for name in logos)


def test_a_pass_without_the_file_of_its_logo_shows_the_sign_of_the_shop(door, apns, buckets):
    plain = Phone(door).files
    address = door.add_logo((400, 200))
    for key in list(buckets.list_keys("images", address[1:].partition(".")[0])):
        buckets.delete("images", key)
    assert {name for name in plain if plain[name] != Phone(door).files[name]}.isdisjoint({"logo.png", "icon.png"})


def test_openssl_verifies_the_signature_of_the_manifest(door, apns, tmp_path):
    phone = Phone(door)
    (tmp_path / "wwdr.pem").write_text(fakes.certificate_pem("wwdr", "wwdr"))
    for name in ("manifest.json", "signature"):
        (tmp_path / name).write_bytes(phone.files[name])
    command = ["openssl", "smime", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", "manifest.json"]
    verify = [*command, "-CAfile", "wwdr.pem", "-purpose", "any"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "manifest.json").write_bytes(phone.files["manifest.json"] + b" ")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True).returncode != 0


def test_the_link_is_only_for_the_owner(door, apns):
    url = path_of(door.add("apple").json["url"])
    assert door.add("apple", user="eve").status == 404
    assert door.api.get(url[:-1] + ("a" if url[-1] != "a" else "b")).status == 404
    assert door.api.get(url.replace(door.tickets[0].id, door.tickets[1].id)).status == 404


@pytest.mark.parametrize(("language", "label"), [("es", "Comienza"), ("de", "Beginn"), ("en", "Starts")])
def test_the_pass_speaks_the_language_of_its_owner(door, apns, language, label):
    url = door.add("apple", **{"Accept-Language": language}).json["url"]
    content = json.loads(unpacked(door.api.get(path_of(url)).body)["pass.json"])
    assert content["eventTicket"]["secondaryFields"][0]["label"] == label


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_pass_names_events_and_people_in_their_script(door, apns, script):
    name = SCRIPTS[script]
    door.name_everything(name)
    phone = Phone(door)
    fields = {field["key"]: field["value"] for group in phone.content["eventTicket"].values() for field in group}
    assert [fields[key] for key in ("event", "place", "ticket", "name")] == [name] * 4
    assert phone.content["description"] == name
    assert phone.files["pass.json"].count(name.encode()) >= 5, "as letters in UTF-8"


def test_a_phone_registers_once_and_hears_of_nothing_until_something_changes(phone):
    assert phone.register().status == 200
    listed = phone.changed().json
    assert listed["serialNumbers"] == [phone.content["serialNumber"]]
    assert phone.changed(listed["lastUpdated"]).status == 204
    assert phone.fetch().status == 304


@pytest.mark.parametrize("sent", ["", "ApplePass", "ApplePass x", "Bearer {token}", "ApplePass {token}x"])
def test_the_web_service_wants_the_token_of_the_pass(phone, sent):
    headers = {"Authorization": sent.format(token=phone.content["authenticationToken"])}
    replies = [
        phone.register(headers=headers),
        phone.api.get(phone.latest, headers=headers),
        phone.api.delete(f"{phone.base}/x.y", headers=headers),
    ]
    assert [(reply.status, reply.json["error"]) for reply in replies] == [(401, "pass_token_refused")] * 3


def test_a_pass_of_another_type_or_serial_is_refused_in_the_same_way(phone):
    for path in (phone.latest.replace("tickets", "coupons"), phone.latest[:-1] + "x"):
        assert phone.api.get(path, headers=phone.headers).json["error"] == "pass_token_refused"
    assert phone.api.get(phone.base.replace("tickets", "coupons")).status == 204


@pytest.mark.parametrize("way", ["refund", "transfer", "resale"])
def test_a_pass_is_void_seconds_after_its_ticket_has_changed(phone, apns, time, way):
    door, since = phone.door, phone.changed().json["lastUpdated"]
    door.lose_first_ticket(way)
    door.wait(BOUND_SECONDS)
    assert apns.pushes == [PUSH_TOKEN]
    changed = phone.changed(since).json
    assert changed["serialNumbers"] == [phone.content["serialNumber"]]
    phone.take(phone.fetch())
    assert phone.content["voided"] is True
    assert "barcodes" not in phone.content
    assert phone.changed(changed["lastUpdated"]).status == 204
    if way == "transfer":
        url = door.add("apple", user="bob").json["url"]
        theirs = json.loads(unpacked(door.api.get(path_of(url)).body)["pass.json"])
        assert theirs["serialNumber"] != phone.content["serialNumber"]
        assert theirs["barcodes"][0]["message"] == qr.text(door.ticket)


@pytest.mark.parametrize("way", ["refund", "transfer", "resale"])
def test_the_schedule_tells_a_phone_what_the_stream_does_not(phone, apns, way):
    phone.door.stop_stream()
    phone.door.lose_first_ticket(way)
    phone.door.wait(59)
    assert apns.pushes == []
    assert phone.door.run_schedule()["updated"] == 1
    assert apns.pushes == [PUSH_TOKEN]
    phone.take(phone.fetch())
    assert phone.content["voided"] is True


def test_a_changed_place_and_time_reach_the_phone(phone, apns, time):
    starts_at = clock.iso(time.now + 7200)
    phone.door.change_event(venue="Arena", starts_at=starts_at)
    phone.door.update()
    assert apns.pushes == [PUSH_TOKEN]
    phone.take(phone.fetch())
    starts, place = phone.content["eventTicket"]["secondaryFields"]
    assert (place["value"], place["changeMessage"]) == ("Arena", "New place: %@")
    assert phone.content["relevantDate"] == starts_at
    assert starts["changeMessage"] == "New time: %@"


def test_a_changed_date_and_its_place_reach_the_phone(door, apns, time):
    first, second = time.now + 7200, time.now + 2 * 86_400
    door.spread(first, second)
    door.buy_for("d2")
    phone = Phone(door)
    assert phone.register().status == 201
    door.spread(first, second + 1800, venue="Park")
    door.wait(BOUND_SECONDS)
    assert apns.pushes == [PUSH_TOKEN]
    phone.take(phone.fetch())
    assert phone.content["relevantDate"] == clock.iso(second + 1800)
    assert phone.content["eventTicket"]["secondaryFields"][1]["value"] == "Park"


@pytest.mark.parametrize("date_id", [None, "d2"])
def test_a_pass_is_void_seconds_after_a_cancellation(door, apns, time, date_id):
    """The refund may take longer."""
    door.spread(time.now + 7200, time.now + 2 * 86_400)
    other = Phone(door, "1" * 32)
    door.buy_for("d2")
    phone = Phone(door)
    assert phone.register().status == other.register("cd" * 32).status == 201
    door.cancel(date_id=date_id)
    door.wait(BOUND_SECONDS)
    assert PUSH_TOKEN in apns.pushes
    assert door.ticket.state == "valid"
    phone.take(phone.fetch())
    other.take(other.fetch())
    assert (phone.content["voided"], other.content["voided"]) == (True, date_id is None)


def test_two_changes_in_one_second_are_two_versions(phone, time):
    phone.door.change_event(venue="Arena")
    phone.door.update()
    phone.take(phone.fetch())
    phone.door.change_event(venue="Park")
    phone.door.update()
    phone.take(phone.fetch())
    assert phone.content["eventTicket"]["secondaryFields"][1]["value"] == "Park"


def test_a_frozen_ticket_is_void_only_while_it_is_frozen(phone):
    from chalicelib.dynamodb import dynamo
    from chalicelib.tickets import service

    for change, is_void in ((service.freeze_items, True), (service.thaw_items, False)):
        dynamo.transact(change([phone.door.ticket]))
        phone.door.update()
        phone.take(phone.fetch())
        assert phone.content["voided"] is is_void


def test_nothing_is_lost_while_apns_is_down(phone, apns, time):
    builders.refund(phone.door.api, phone.door.order_id, tickets=[phone.door.tickets[0].id])
    apns.is_down = True
    assert phone.door.update()["due"] == 0  # the next attempt is later
    assert apns.pushes == []
    apns.is_down = False
    time.advance(3600)
    assert phone.door.update()["updated"] == 1
    assert apns.pushes == [PUSH_TOKEN]


@pytest.mark.parametrize(("status", "pushes"), [(410, 1), (400, 1), (500, 2), (429, 2)])
def test_a_phone_that_apns_no_longer_knows_is_forgotten(phone, apns, time, status, pushes):
    other = Phone(phone.door, "f" * 32)
    assert other.register("cd" * 32).status == 201
    apns.statuses[PUSH_TOKEN] = status
    phone.door.change_event(venue="Arena")
    phone.door.update()
    assert sorted(apns.pushes) == sorted([PUSH_TOKEN, "cd" * 32])
    apns.statuses.clear()
    time.advance(3600)
    phone.door.change_event(venue="Park")
    phone.door.update()
    assert apns.pushes.count(PUSH_TOKEN) >= pushes
    assert (PUSH_TOKEN in apns.pushes[2:]) == (pushes == 2)


@pytest.mark.parametrize("certificate", ["", "-----BEGIN nonsense"])
def test_a_certificate_that_is_unusable_does_not_stop_other_updates(phone, apns, google, time, monkeypatch, caplog, certificate):
    monkeypatch.setattr(passes, "PORTION", 1)
    first, second = phone.door.tickets
    assert phone.door.add("google", 2).status == 200
    with settings.override(apple_pass_certificate=certificate):
        builders.refund(phone.door.api, phone.door.order_id, tickets=[first.id])
        time.advance(1)
        builders.refund(phone.door.api, phone.door.order_id, tickets=[second.id], key="second")
        phone.door.update()
    assert google.object(second.id)["state"] == "INACTIVE"
    assert "wallets.certificate_unusable" in caplog.text
    time.advance(3600)
    phone.door.update()
    assert apns.pushes == [PUSH_TOKEN]


@pytest.mark.parametrize("status", [400, 429])
def test_a_class_that_google_refuses_does_not_keep_a_change_from_phones(phone, apns, google, status):
    assert phone.door.add("google", 1).status == 200
    google.status = status
    phone.door.change_event(venue="Arena")
    phone.door.update()
    assert apns.pushes == [PUSH_TOKEN]


def test_an_unregistered_phone_gets_no_pushes(phone, apns):
    assert phone.unregister().status == 200
    assert phone.changed().status == 204
    phone.door.change_event(venue="Arena")
    phone.door.update()
    assert apns.pushes == []


def register_another(phone, number):
    return phone.api.post(
        f"{phone.base.replace(PHONE, f'{number:032x}')}/{phone.content['serialNumber']}", json={"pushToken": "ab"}, headers=phone.headers
    )


def test_a_pass_can_be_on_twenty_phones(phone):
    replies = [register_another(phone, number) for number in range(20)]
    assert [reply.status for reply in replies] == [201] * 19 + [409]
    assert phone.register().status == 200, "a phone that has the pass"
    assert phone.unregister().status == register_another(phone, 0).status == 200
    assert register_another(phone, 19).status == 201


def test_phones_that_register_at_the_same_time_are_no_more_than_twenty(phone, monkeypatch):
    for number in range(18):
        register_another(phone, number)
    register, statuses = store.register, []

    def register_in_between(*arguments):
        monkeypatch.setattr(store, "register", register)
        statuses.append(register_another(phone, 18).status)
        return register(*arguments)

    monkeypatch.setattr(store, "register", register_in_between)
    statuses.append(register_another(phone, 19).status)
    assert statuses == [201, 409]
    [made] = store.list_passes(phone.content["serialNumber"].rpartition(".")[0])
    assert len(store.list_devices(made)) == 20
    assert not store.list_serials(f"{19:032x}")


def test_a_phone_with_very_many_passes_reads_only_those_of_its_newest_tickets(phone, time):
    """Anybody may register passes under any id of a phone, and ask without a limit which of them have changed."""
    for number in range(store.MAX_LISTED):
        older = store.Pass(
            wallet="apple",
            ticket_id=f"{number:026}-1",
            event_id=phone.door.event_id,
            digest="0" * 16,
            token="secret",
            language="en",
            changed_at=time.now,
            ttl=time.now,
        )
        store.register(store.create_pass(older), PHONE, PUSH_TOKEN)
    with record_calls(measured=True) as log:
        serials = phone.changed().json["serialNumbers"]
    assert (len(serials), log.round_trips) == (store.MAX_LISTED, 2)
    assert log.capacity[0] <= store.MAX_LISTED + 10
    assert phone.content["serialNumber"] in serials


def test_a_phone_can_report_an_error(phone):
    assert phone.api.post("/apple/v1/log", json={"logs": ["x" * 5000]}).status == 200


def test_strangers_cannot_fill_the_log(api, caplog):
    with settings.override(rate_limits="on", limit_transfer="1/60", address_factor=1):
        replies = [api.post("/apple/v1/log", json={"logs": ["nonsense"]}) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 429]
    assert "nonsense" not in caplog.text, "this stage has no passes of Apple"


def test_a_date_that_cannot_be_is_no_date(phone):
    """A phone that sends no usable date gets the pass."""
    headers = phone.headers | {"If-Modified-Since": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}
    assert phone.api.get(phone.latest, headers=headers).status == 200


@pytest.mark.parametrize(
    ("certificate", "error"),
    [
        ("-----BEGIN nonsense", "ApplePassCertificateInvalid"),
        ("of another key", "ApplePassCertificateInvalid"),
        ("expired", "ApplePassCertificateExpired"),
        ("of another type", "ApplePassCertificateOfAnotherType"),
    ],
)
def test_a_wrong_certificate_is_told_by_the_health_and_not_to_the_first_buyer(door, api, apns, time, certificate, error):
    wrong = {
        "of another key": fakes.certificate_pem("pass type", "wwdr", user_id=fakes.PASS_TYPE) + fakes.key_pem("apns"),
        "expired": fakes.pass_certificate(),
        "of another type": fakes.pass_certificate(user_id="pass.com.example.coupons"),
    }.get(certificate, certificate)
    if certificate == "expired":
        time.advance(3 * 365 * 86_400)
    assert api.get("/wallets").json == {"wallets": [] if certificate == "expired" else ["apple"]}
    with settings.override(apple_pass_certificate=wrong):
        assert api.get("/health").json["errors"] == [error]
        assert api.get("/wallets").json == {"wallets": []}
        assert door.add("apple").status == 404


@pytest.fixture
def behind_google(phone, google, time, monkeypatch):
    """A phone whose update comes after the updates of 20 other tickets, which are in Google Wallet."""
    monkeypatch.setattr(passes.parallel, "call_each", google.call_each)
    phone.door.stop_stream()
    phone.door.wait(5)
    ticket, find, ticket_ids = phone.door.tickets[0], passes.tickets.get_ticket, [f"00{number:02}-1" for number in range(20)]
    for waiting in ticket_ids:
        shared = {"digest": "0", "token": "", "language": "en", "changed_at": 0, "ttl": time.now + 9999}
        store.create_pass(store.Pass(wallet="google", ticket_id=waiting, event_id="other", **shared))
    others = {ticket_id: replace(ticket, id=ticket_id) for ticket_id in ticket_ids}
    monkeypatch.setattr(passes.tickets, "get_ticket", lambda ticket_id: others.get(ticket_id) or find(ticket_id))
    store.put_updates([store.Update("ticket", waiting, time.now) for waiting in ticket_ids])
    return phone


@pytest.mark.parametrize("change", ["event", "ticket", "retry"])
def test_a_change_reaches_phones_while_many_tickets_wait_for_google(behind_google, apns, google, time, monkeypatch, change):
    monkeypatch.setattr(passes, "PORTION", 2)
    google.rate = 0
    door = behind_google.door
    door.run_schedule()
    if change == "event":
        door.change_event(venue="Arena")
    elif change == "ticket":
        builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    else:
        store.put_updates([store.Update("ticket", door.tickets[0].id, time.now, attempts=1)], time.now)
    door.wait(5)
    report = door.run_schedule()
    assert (apns.pushes, report["failed"], report["given_up"]) == ([PUSH_TOKEN], 0, 0)
    assert len(list(store.UpdateRow.query("due"))) == 20


def test_a_change_waits_only_a_moment_for_google_before_it_reaches_phones(behind_google, apns, google, time, monkeypatch):
    begun, pushed_after, push, door = google.waited, [], passes.apple.push, behind_google.door
    monkeypatch.setattr(passes.apple, "push", lambda tokens: pushed_after.append(google.waited - begun) or push(tokens))
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    door.wait(5)
    report = door.run_schedule()
    assert (len(pushed_after), apns.pushes) == (1, [PUSH_TOKEN])
    assert pushed_after[0] <= 1
    assert (report["updated"], report["failed"], list(store.UpdateRow.query("due"))) == (21, 0, [])
