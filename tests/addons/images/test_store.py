"""The bucket: what the product reads back is what it has written, in moto's S3 and in the folder of a local run alike."""

import json
from base64 import b64decode

import boto3
import pytest

from chalicelib.addons.images import store
from chalicelib.foundation import settings
from tests import engines


@pytest.fixture(params=["moto", "folder"])
def bucket(request, tmp_path, time):
    if request.param == "folder":
        with engines.folder_buckets(tmp_path):
            yield
    else:
        store._client.cache_clear()  # one that moto has not seen being made would call AWS
        with engines.moto(), settings.override(images_bucket="images"):
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="images")
            yield
        store._client.cache_clear()


def test_a_file_is_read_as_it_was_written(bucket):
    store.put("outcomes/e/1.json", b"{}", "application/json")
    found = store.find("outcomes/e/1.json", 100)
    assert (found.body, found.content_type, found.notes) == (b"{}", "application/json", {})
    assert found.etag == "99914b932bd37a50b983c5e7c90ae93b"  # the MD5 digest


def test_a_file_is_written_again(bucket):
    for body in (b"first", b"second"):
        store.put("media/e/1.jpg", body, "image/jpeg", cache_control=store.FOREVER)
    assert store.find("media/e/1.jpg", 100).body == b"second"


def test_a_missing_file_reads_as_none_and_can_be_deleted(bucket):
    assert store.find("uploads/e/1", 100) is None
    store.delete("uploads/e/1")


def test_no_more_is_read_than_shows_that_a_file_is_too_long(bucket):
    store.put("uploads/e/1", bytes(500), "image/png")
    assert len(store.find("uploads/e/1", 100).body) == 101
    store.put("uploads/e/2", b"", "image/png")
    assert store.find("uploads/e/2", 100).body == b""


def test_a_deleted_file_is_gone(bucket):
    store.put("media/e/1.jpg", b"x", "image/jpeg")
    store.delete("media/e/1.jpg")
    assert store.find("media/e/1.jpg", 100) is None


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_files_are_listed_by_what_they_begin_with_over_all_pages(bucket):
    keys = [f"media/e/{number:04d}.jpg" for number in range(1003)]
    for key in [*keys, "uploads/e/1"]:
        store.put(key, b"x", "image/jpeg")
    listed = list(store.list_files("media/"))
    assert [file.key for file in listed] == keys
    assert all(isinstance(file.stored_at, int) and file.stored_at > 1_500_000_000 for file in listed)


def test_a_form_is_for_one_name_one_type_and_a_size(bucket):
    form = store.upload_form("uploads/e/1", "image/png", 5_000, 600, {"actor": "ada"})
    conditions = json.loads(b64decode(form.fields["policy"]))["conditions"]
    for condition in (
        ["content-length-range", 1, 5_000],
        {"Content-Type": "image/png"},
        {"x-amz-meta-actor": "ada"},
        {"key": "uploads/e/1"},
        {"bucket": "images"},
    ):
        assert condition in conditions
    assert form.fields["key"] == "uploads/e/1"


def test_without_the_name_of_a_bucket_there_is_none(time):
    with pytest.raises(settings.SettingsError, match="FAIRGATE_IMAGES_BUCKET"):
        store.put("media/x", b"", "image/png")
