"""Images of events: through a form, straight to the bucket, and what is left in the bucket after each."""

import io
from hashlib import md5

import pytest
from PIL import Image

import app
from chalicelib.addons.images import service, store
from chalicelib.addons.images.service import ImageOwner
from chalicelib.foundation import settings
from devtools.s3.upload_forms import FormRefused, accept_form
from infra.local.images import stored_event
from tests import builders, pictures
from tests.accounts.conftest import log_in, register
from tests.simulation.interference import interfere_before

HOUR = 3600
BUCKET = "images"


@pytest.fixture
def event_id(api, time, buckets):
    return builders.create_event(api)


def files(buckets, prefix=""):
    return list(buckets.list_keys(BUCKET, prefix))


def set_image(api, event_id, raw, **options):
    return pictures.send(api, f"/events/{event_id}/image", raw, builders.admin_token(), **options)


def remove_image(api, event_id, **headers):
    return api.delete(f"/events/{event_id}/image", token=builders.admin_token(), headers=headers)


def shown(buckets, address):
    found = buckets.find(BUCKET, address.removeprefix("/"))
    return found.headers, Image.open(io.BytesIO(found.body))


def test_a_form_sets_the_image_of_an_event(api, buckets, event_id):
    reply = set_image(api, event_id, pictures.picture(size=(1000, 500)))
    assert reply.status == 200, reply.json
    image = api.get(f"/events/{event_id}").json["image"]
    assert reply.json["image"] == image == api.get("/events").json[0]["image"]
    assert (reply.json["image_url"], image["width"], image["height"]) == (image["url"], 1000, 500)
    assert [(thumbnail["width"], thumbnail["height"]) for thumbnail in image["thumbnails"]] == [(320, 160), (640, 320)]
    addresses = [image["url"], *(thumbnail["url"] for thumbnail in image["thumbnails"])]
    assert sorted(address[1:] for address in addresses) == files(buckets)
    assert all(address.startswith(f"/media/{event_id}/") for address in addresses)
    headers, jpeg = shown(buckets, image["url"])
    assert (headers["content-type"], headers["cache-control"]) == ("image/jpeg", "public, max-age=31536000, immutable")
    assert jpeg.size == (1000, 500)
    headers, thumbnail = shown(buckets, image["thumbnails"][0]["url"])
    assert (headers["content-type"], thumbnail.size) == ("image/webp", (320, 160))


def test_the_change_is_in_the_audit_log_and_makes_a_version(api, buckets, event_id):
    before = api.get(f"/admin/events/{event_id}", token=builders.admin_token()).json["version"]
    reply = set_image(api, event_id, pictures.picture())
    assert reply.json["version"] == before + 1
    assert reply.headers["etag"] == f'"{before + 1}"'
    [entry] = api.get(f"/events/{event_id}/audit?action=event.image_changed", token=builders.admin_token()).json["entries"]
    assert entry["actor"] == "root"
    assert entry["changes"]["image_url"] == {"before": None, "after": reply.json["image_url"]}


def test_another_image_takes_the_place_of_the_first_and_of_its_files(api, buckets, event_id):
    first = set_image(api, event_id, pictures.picture()).json["image"]
    second = set_image(api, event_id, pictures.picture(color=(0, 99, 0))).json["image"]
    assert first["url"] != second["url"]
    assert len(files(buckets)) == 1 + len(second["thumbnails"])
    assert second["url"][1:] in files(buckets)


def test_the_same_file_again_changes_nothing(api, buckets, event_id):
    raw = pictures.picture()
    first = set_image(api, event_id, raw).json
    assert set_image(api, event_id, raw).json == first


def test_the_same_file_twice_at_once_is_one_change(api, time, buckets, event_id):
    raw = pictures.picture()
    with interfere_before(3, lambda: set_image(api, event_id, raw)) as others:
        reply = set_image(api, event_id, raw)
    assert [each.json for each in others] == [reply.json]
    assert len(files(buckets)) == 1 + len(reply.json["image"]["thumbnails"])


def test_an_image_is_removed_with_its_files_and_again(api, buckets, event_id):
    set_image(api, event_id, pictures.picture())
    for _ in range(2):
        reply = remove_image(api, event_id)
        assert (reply.status, reply.json["image"], reply.json["image_url"]) == (200, None, None)
    assert files(buckets) == []


@pytest.mark.parametrize("name", pictures.HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_is_stored(name, api, buckets, event_id):
    raw, status, reason = pictures.HOSTILE[name]
    reply = set_image(api, event_id, raw)
    expected = ("image_refused", reason) if status == 400 else ("image_too_large", None)
    assert (reply.status, reply.json["error"], reply.json.get("reason")) == (status, *expected)
    assert reply.json["message"]
    assert files(buckets) == []
    assert api.get(f"/events/{event_id}").json["image"] is None


def test_a_picture_that_aws_does_not_pass_on_is_refused_everywhere_and_the_reply_names_the_bucket(api, buckets, event_id):
    largest = pictures.picture() + bytes(4_500_000 - len(pictures.picture()))
    assert set_image(api, event_id, largest).status == 200
    reply = set_image(api, event_id, largest + b"0")
    assert (reply.status, reply.json["error"]) == (413, "image_too_large")
    assert "POST .../image/upload" in reply.json["message"]


def test_a_request_without_a_file_says_what_to_send(api, buckets, event_id):
    path, token = f"/events/{event_id}/image", builders.admin_token()
    assert pictures.send(api, path, pictures.picture(), token, name="photo").json["path"] == "$.image"
    body, content_type = pictures.form(pictures.picture())
    for broken in (body[:300], b"", body.replace(b"b0undary--", b"")):
        reply = api.post(path, body=broken, headers={"Content-Type": content_type}, token=token)
        assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", "$.image")
    reply = api.post(path, json={"image": "x"}, token=token)
    assert (reply.status, reply.json["error"]) == (415, "unsupported_media_type")
    assert "multipart/form-data" in reply.json["message"]


def test_the_second_of_two_editors_learns_of_the_first(api, buckets, event_id):
    version = api.get(f"/admin/events/{event_id}", token=builders.admin_token()).json["version"]
    assert set_image(api, event_id, pictures.picture(), headers={"If-Match": f'"{version}"'}).status == 200
    kept = files(buckets)
    late = set_image(api, event_id, pictures.picture(color=(0, 99, 0)), headers={"If-Match": f'"{version}"'})
    assert (late.status, late.json["error"]) == (412, "precondition_failed")
    assert remove_image(api, event_id, **{"If-Match": f'"{version}"'}).status == 412
    assert files(buckets) == kept


def test_an_address_takes_the_place_of_an_uploaded_image(api, time, buckets, event_id):
    image = set_image(api, event_id, pictures.picture()).json
    path, token = f"/events/{event_id}", builders.admin_token()
    same = api.patch(path, json={"image_url": image["image_url"]}, token=token).json
    assert same["image"] == image["image"]
    foreign = api.patch(path, json={"image_url": "/media/another/x.jpg"}, token=token)
    assert (foreign.status, foreign.json["path"]) == (400, "$.image_url")
    other = api.patch(path, json={"image_url": "https://example.org/x.jpg"}, token=token).json
    assert (other["image_url"], other["image"]) == ("https://example.org/x.jpg", None)
    time.advance(2 * HOUR)
    run_clean_images()
    assert files(buckets) == []


def test_an_event_of_the_bootstrap_file_keeps_its_image(api, time, buckets):
    event_id, _ = builders.create_promoted_shop("nora")
    reply = set_image(api, event_id, pictures.picture())
    assert (reply.status, reply.json["error"]) == (409, "managed_by_bootstrap")
    assert files(buckets) == []


def test_previews_show_the_uploaded_image(api, buckets, event_id):
    image_url = set_image(api, event_id, pictures.picture()).json["image_url"]
    page = api.get(f"/events/{event_id}/preview").body.decode()
    assert f'<meta property="og:image" content="{settings.current().shop_url}{image_url}">' in page


def test_without_a_bucket_the_reply_says_that_it_is_not_set_up(api, time):
    event_id = builders.create_event(api)
    reply = set_image(api, event_id, pictures.picture())
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (503, "not_set_up", "unchanged")


# ------------------------------------------------------------------ straight to the bucket
def begin_upload(api, event_id, content_type="image/jpeg"):
    reply = api.post(f"/events/{event_id}/image/upload", json={"content_type": content_type}, token=builders.admin_token())
    assert reply.status == 201, reply.json
    return reply.json


def send_form(buckets, upload, raw, now, **changed_fields):
    body, content_type = pictures.form(raw, name="file", fields=upload["fields"] | changed_fields)
    return accept_form(buckets, BUCKET, content_type, body, store.client()._request_signer._credentials.secret_key, lambda: now)


def check(key):
    app.app.handler_map["process_image"](stored_event(key), None)


def send_scan_result(key, raw, status="NO_THREATS_FOUND"):
    scanned = {"bucketName": BUCKET, "objectKey": key, "eTag": md5(raw).hexdigest()}
    detail = {"s3ObjectDetails": scanned, "scanResultDetails": {"scanResultStatus": status}}
    app.app.handler_map["process_image"]({"source": "aws.guardduty", "detail": detail}, None)


def run_clean_images():
    app.app.handler_map["clean_images"]({"detail-type": "Scheduled Event", "source": "aws.events"} | _SCHEDULED, None)


_SCHEDULED = dict.fromkeys(("version", "id", "account", "time", "region"), "x") | {"resources": [], "detail": {}}


def state(api, event_id, upload):
    return api.get(f"/events/{event_id}/image/upload/{upload['id']}", token=builders.admin_token()).json


@pytest.fixture
def real_time(monkeypatch):
    """The forms of boto3 expire by the clock of the machine."""
    import time

    return time.time()


def test_a_file_that_was_sent_to_the_bucket_becomes_the_image(api, buckets, event_id, real_time):
    upload = begin_upload(api, event_id)
    assert state(api, event_id, upload) == {"id": upload["id"], "state": "waiting", "error": None, "reason": None, "message": None}
    key = send_form(buckets, upload, pictures.picture(), real_time)
    assert files(buckets) == [key] == [f"uploads/{event_id}/{upload['id']}"]
    assert api.get(f"/events/{event_id}").json["image"] is None
    check(key)
    image = api.get(f"/events/{event_id}").json["image"]
    assert image["url"].startswith(f"/media/{event_id}/{upload['id']}-")
    assert state(api, event_id, upload)["state"] == "done"
    assert files(buckets, "uploads/") == []
    check(key)  # EventBridge may call twice
    assert api.get(f"/events/{event_id}").json["image"] == image
    [entry] = api.get(f"/events/{event_id}/audit?action=event.image_changed", token=builders.admin_token()).json["entries"]
    assert entry["actor"] == "root"


def test_a_form_is_for_one_file_however_often_it_is_sent(api, buckets, event_id, real_time):
    """The form counts once toward the rate limit, and each picture would be a change of the catalog."""
    upload = begin_upload(api, event_id)
    check(send_form(buckets, upload, pictures.picture(), real_time))
    first = api.get(f"/admin/events/{event_id}", token=builders.admin_token()).json
    check(send_form(buckets, upload, pictures.picture(color=(0, 99, 0)), real_time))
    assert api.get(f"/admin/events/{event_id}", token=builders.admin_token()).json["version"] == first["version"]
    assert api.get(f"/events/{event_id}").json["image"] == first["image"]
    assert (state(api, event_id, upload)["state"], files(buckets, "uploads/")) == ("done", [])


@pytest.mark.parametrize("name", [name for name, (raw, status, _) in pictures.HOSTILE.items() if raw and status == 400])
def test_a_hostile_file_that_was_sent_to_the_bucket_is_refused(name, api, buckets, event_id, real_time):
    raw, _, reason = pictures.HOSTILE[name]
    upload = begin_upload(api, event_id)
    check(send_form(buckets, upload, raw, real_time))
    refused = state(api, event_id, upload)
    assert (refused["state"], refused["error"], refused["reason"]) == ("refused", "image_refused", reason)
    assert refused["message"]
    assert files(buckets) == [f"outcomes/{event_id}/{upload['id']}.json"]
    assert api.get(f"/events/{event_id}").json["image"] is None


@pytest.mark.parametrize(
    ("raw", "seconds", "changed", "code"),
    [
        (pictures.HOSTILE["5 MB and 1"][0], 0, {}, "EntityTooLarge"),
        (b"", 0, {}, "EntityTooSmall"),
        (b"x", 0, {"Content-Type": "text/html"}, "AccessDenied"),
        (b"x", 0, {"key": "media/stolen.jpg"}, "AccessDenied"),
        (b"x", 0, {"acl": "public-read"}, "AccessDenied"),
        (b"x", 0, {"x-amz-meta-actor": "eve"}, "AccessDenied"),
        (b"x", 0, {"policy": "e30="}, "SignatureDoesNotMatch"),
        (b"x", 601, {}, "AccessDenied"),
    ],
)
def test_the_bucket_refuses_what_the_form_is_not_for(raw, seconds, changed, code, api, buckets, event_id, real_time):
    upload = begin_upload(api, event_id)
    with pytest.raises(FormRefused) as refused:
        send_form(buckets, upload, raw, real_time + seconds, **changed)
    assert refused.value.code == code
    assert files(buckets) == []


def test_the_form_of_a_locked_promoter_sets_no_image(api, time, buckets, real_time):
    register(api, "pat@example.com", role="promoter")
    user_id = log_in(api, "pat@example.com").json["user"]["id"]
    event_id = api.post("/events", json={"name": "Night"}, token=builders.token(user_id, "promoter")).json["id"]
    upload = begin_upload(api, event_id)
    key = send_form(buckets, upload, pictures.picture(), real_time)
    assert api.patch(f"/admin/users/{user_id}", json={"locked": True}, token=builders.admin_token()).status == 200
    check(key)
    assert (state(api, event_id, upload)["state"], state(api, event_id, upload)["error"]) == ("refused", "forbidden")
    assert files(buckets, "media/") == []


def test_the_later_of_two_uploads_stays(api, time, buckets, event_id, real_time):
    first = begin_upload(api, event_id)
    time.advance(1)
    second = begin_upload(api, event_id)
    late = send_form(buckets, first, pictures.picture(), real_time)
    check(send_form(buckets, second, pictures.picture(color=(0, 99, 0)), real_time))
    check(late)
    assert second["id"] in api.get(f"/events/{event_id}").json["image"]["url"]
    assert state(api, event_id, first)["error"] == "newer_image"
    assert all(first["id"] not in key for key in files(buckets, "media/"))


def test_a_scanned_file_is_read_only_if_it_is_clean(api, buckets, event_id, real_time):
    upload = begin_upload(api, event_id)
    key = send_form(buckets, upload, pictures.picture(), real_time)
    for status, count in (("THREATS_FOUND", 0), ("NO_THREATS_FOUND", 1)):
        send_scan_result(key, pictures.picture(), status)
        assert len(files(buckets, f"media/{event_id}/")) == count * 3


def test_a_clean_file_does_not_release_a_later_file_of_the_same_form(api, buckets, event_id, real_time):
    upload, clean, later = begin_upload(api, event_id), pictures.picture(), pictures.picture(size=(300, 60))
    key = send_form(buckets, upload, clean, real_time)
    assert send_form(buckets, upload, later, real_time) == key
    send_scan_result(key, clean)
    assert (state(api, event_id, upload)["state"], files(buckets)) == ("waiting", [key])
    send_scan_result(key, later)
    assert (state(api, event_id, upload)["state"], api.get(f"/events/{event_id}").json["image"]["width"]) == ("done", 300)


def test_an_upload_names_one_of_the_types(api, buckets, event_id):
    reply = api.post(f"/events/{event_id}/image/upload", json={"content_type": "image/svg+xml"}, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "$.content_type")


# ------------------------------------------------------------------ crashes
class Crash(BaseException):
    """The process ended."""


def crash_at(monkeypatch, number):
    """Let the process crash before the bucket's call of this number, counted from 1."""
    client, count = store.client(), iter(range(1, 1000))

    def count_call(**_):
        if next(count) == number:
            raise Crash

    client.meta.events.register_first("before-call.s3", count_call, unique_id="crash")
    return lambda: client.meta.events.unregister("before-call.s3", unique_id="crash")


@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_at_any_call_of_the_bucket_leaves_no_file_for_ever(number, api, time, buckets, event_id, monkeypatch):
    set_image(api, event_id, pictures.picture())
    monkeypatch.setattr("chalicelib.foundation.parallel.FEW", 100)  # so that the number of a call is always that of the same one
    go_on = crash_at(monkeypatch, number)
    other = pictures.picture(color=(0, 99, 0))
    try:
        service.set_image(ImageOwner(event_id), other, "root", time.now)
    except Crash:
        pass
    finally:
        go_on()
    shown_image = api.get(f"/events/{event_id}").json["image"]
    assert shown_image["url"][1:] in files(buckets)  # never a reference to files that are not there
    assert set_image(api, event_id, other).status == 200
    time.advance(2 * HOUR)
    run_clean_images()
    image = api.get(f"/events/{event_id}").json["image"]
    assert len(files(buckets)) == 1 + len(image["thumbnails"])
    assert image["url"][1:] in files(buckets)


def test_files_that_are_being_stored_are_not_cleaned_away(api, time, buckets, event_id):
    image = set_image(api, event_id, pictures.picture()).json["image"]
    buckets.put(BUCKET, f"media/{event_id}/01NEW-0123456789abcdef.jpg", {}, b"x")
    time.advance(HOUR)
    run_clean_images()
    assert len(files(buckets)) == 2 + len(image["thumbnails"])
    time.advance(1)
    run_clean_images()
    assert len(files(buckets)) == 1 + len(image["thumbnails"])
