"""The bucket of a local run: what the API stores is shown, and what a browser sends is checked and becomes the image."""

import re

import pytest

import app
from chalicelib.addons.images import store
from chalicelib.foundation import settings
from devtools.s3.transport import in_process_buckets
from infra.local.environment import BUCKET, LOCAL_CREDENTIALS, UPLOADS
from infra.local.images import LocalImages
from tests import builders, pictures


@pytest.fixture
def images(api, threaded_store, tmp_path):
    with settings.override(images_bucket=BUCKET, images_endpoint=f"http://127.0.0.1:8000{UPLOADS}"):
        local = LocalImages(tmp_path, app.app)
        client = store.client()
        client._request_signer._credentials.secret_key = LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        with in_process_buckets(local.buckets, client):
            yield local


def set_image(api, event_id):
    return pictures.send(api, f"/events/{event_id}/image", pictures.picture(), builders.admin_token()).json["image"]


def test_stored_images_may_be_cached_for_a_year(api, images):
    image = set_image(api, builders.create_event(api))
    for address, kind in ((image["url"], "image/jpeg"), (image["thumbnails"][0]["url"], "image/webp")):
        shown = images.response("GET", address, (), b"")
        assert (shown.status, shown.headers["Content-Type"]) == (200, kind)
        assert shown.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert images.response("GET", "/media/../secrets.json", (), b"").status == 404
    assert images.response("POST", image["url"], (), b"").status == 404
    assert images.response("GET", "/events", (), b"") is None


def test_a_file_that_a_browser_sends_becomes_the_image(api, images):
    event_id, token = builders.create_event(api), builders.admin_token()
    upload = api.post(f"/events/{event_id}/image/upload", json={"content_type": "image/jpeg"}, token=token).json
    target = re.sub("^http://[^/]*", "", upload["url"])
    body, content_type = pictures.form(pictures.picture(), name="file", fields=upload["fields"])
    reply = images.response("POST", target, [("Content-Type", content_type)], body)
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "*")
    images.stop()  # waits for the check
    assert api.get(f"/events/{event_id}/image/upload/{upload['id']}", token=token).json["state"] == "done"
    assert upload["id"] in api.get(f"/events/{event_id}").json["image_url"]


def test_a_file_that_the_form_is_not_for_is_refused(api, images):
    upload = api.post(
        f"/events/{builders.create_event(api)}/image/upload", json={"content_type": "image/jpeg"}, token=builders.admin_token()
    ).json
    body, content_type = pictures.form(b"x", name="file", fields=upload["fields"] | {"key": "media/stolen.jpg"})
    reply = images.response("POST", f"{UPLOADS}/{BUCKET}", [("Content-Type", content_type)], body)
    assert (reply.status, b"<Code>AccessDenied</Code>" in reply.body) == (403, True)
    assert images.response("OPTIONS", f"{UPLOADS}/{BUCKET}", (), b"").status == 200


def test_uploads_before_a_stop_are_checked_after_the_next_start(api, images):
    event_id = builders.create_event(api)
    images.buckets.put(BUCKET, f"uploads/{event_id}/01KT0000000000000000000000", {"x-amz-meta-actor": "ada"}, pictures.picture())
    images.start()
    images.stop()
    assert api.get(f"/events/{event_id}").json["image"] is not None
