"""Images of packages follow the rules of events' images, and are separate from the images of events and other packages."""

import pytest

import app
from infra.local.images import stored_event
from tests import pictures
from tests.addons.packages.requests import call, create_event, create_package, path, promoter

pytestmark = pytest.mark.usefixtures("time")

BUCKET = "images"


@pytest.fixture
def event(api, time, buckets) -> str:
    return create_event(api)


def files(buckets, prefix="media/"):
    return list(buckets.list_keys(BUCKET, prefix))


def set_image(api, event_id, package_id, raw, **options):
    return pictures.send(api, f"{path(event_id, package_id)}/image", raw, promoter(), **options)


def run_clean_images():
    event = dict.fromkeys(("version", "id", "detail-type", "source", "account", "time", "region"), "x")
    app.app.handler_map["clean_images"](event | {"resources": [], "detail": {}}, None)


def test_a_package_shows_its_image_to_managers_and_buyers(api, buckets, event):
    package = create_package(api, event)["id"]
    reply = set_image(api, event, package, pictures.picture())
    assert (reply.status, reply.json["version"]) == (200, 2), reply.json
    image = reply.json["image"]
    assert reply.json["image_url"] == image["url"]
    assert image["url"].startswith(f"/media/{event}/{package}/")
    assert sorted([image["url"][1:], *(thumbnail["url"][1:] for thumbnail in image["thumbnails"])]) == files(buckets)
    assert call(api, "GET", event, package).json["image"] == image
    assert api.get(f"/tiers/{package}", token=promoter()).json["image"] == image
    [entry] = [log for log in call(api, "GET", event, package, "audit").json["audit_logs"] if log["action"] == "package.image_changed"]
    assert entry["changes"]["image_url"] == {"before": None, "after": image["url"]}


def test_an_image_is_replaced_and_removed_with_its_files(api, buckets, event):
    package = create_package(api, event)["id"]
    first = set_image(api, event, package, pictures.picture()).json["image"]
    second = set_image(api, event, package, pictures.picture(color=(0, 99, 0))).json["image"]
    assert first["url"] != second["url"]
    assert len(files(buckets)) == 1 + len(second["thumbnails"])
    for _ in range(2):
        removed = api.delete(f"{path(event, package)}/image", token=promoter())
        assert (removed.status, removed.json["image"], removed.json["image_url"]) == (200, None, None)
    assert files(buckets) == []


@pytest.mark.parametrize("name", pictures.HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_is_stored(name, api, buckets, event):
    package = create_package(api, event)["id"]
    raw, status, _ = pictures.HOSTILE[name]
    reply = set_image(api, event, package, raw)
    assert (reply.status, reply.json["error"]) == (status, "image_refused" if status == 400 else "image_too_large")
    assert files(buckets) == []
    assert call(api, "GET", event, package).json["version"] == 1


def test_the_second_of_two_editors_sees_the_package_as_it_is_now(api, buckets, event):
    package = create_package(api, event)["id"]
    image = set_image(api, event, package, pictures.picture(), headers={"If-Match": '"1"'}).json["image"]
    late = set_image(api, event, package, pictures.picture(color=(0, 99, 0)), headers={"If-Match": '"1"'})
    assert (late.status, late.json["error"], late.json["current"]["image"]) == (412, "precondition_failed", image)


def test_a_file_that_was_sent_to_the_bucket_becomes_the_image(api, buckets, event):
    package = create_package(api, event)["id"]
    upload = api.post(f"{path(event, package)}/image/upload", json={"content_type": "image/png"}, token=promoter()).json
    key = upload["fields"]["key"]
    assert key == f"uploads/{event}/{package}/{upload['id']}"
    buckets.put(BUCKET, key, {"content-type": "image/png", "x-amz-meta-actor": "nora"}, pictures.picture("PNG"))
    state = f"{path(event, package)}/image/upload/{upload['id']}"
    assert api.get(state, token=promoter()).json["state"] == "waiting"
    app.app.handler_map["process_image"](stored_event(key), None)
    assert api.get(state, token=promoter()).json["state"] == "done"
    assert upload["id"] in call(api, "GET", event, package).json["image_url"]
    assert api.get(f"/events/{event}", token=promoter()).json["image"] is None


def test_a_copy_has_no_image_and_images_in_use_are_not_cleaned_away(api, time, buckets, event):
    package = create_package(api, event)["id"]
    set_image(api, event, package, pictures.picture())
    pictures.send(api, f"/events/{event}/image", pictures.picture(), promoter())
    copy = api.post(f"{path(event, package)}/duplicate", token=promoter(), headers={"Idempotency-Key": "copy"}).json
    assert copy["image"] is None
    kept = files(buckets)
    time.advance(7200)
    run_clean_images()
    assert files(buckets) == kept
    api.delete(path(event, package), token=promoter())
    run_clean_images()
    assert all(f"/{package}/" not in key for key in files(buckets))
    assert len(files(buckets)) == len(kept) // 2


def test_an_address_of_another_image_is_refused(api, buckets, event):
    first, second = (create_package(api, event, name=name)["id"] for name in ("One", "Two"))
    address = set_image(api, event, first, pictures.picture()).json["image_url"]
    assert call(api, "PATCH", event, first, json={"image_url": address}).status == 200
    refused = call(api, "PATCH", event, second, json={"image_url": address})
    assert (refused.status, refused.json["path"]) == (400, "$.image_url")
