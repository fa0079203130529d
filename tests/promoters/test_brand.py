"""The brand of a promoter's events: colors that can be read, and a logo. Pages get them with the event."""

import re
from pathlib import Path

import pytest

from chalicelib.addons.images import service as images
from chalicelib.audit import service as audit
from chalicelib.catalog import forms
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import NO_BRAND
from tests import builders, invariants, pictures
from tests.accounts.conftest import PASSWORD
from tests.catalog.test_quotas import verify
from tests.promoters.test_suspension import sign_up_promoter
from tests.simulation.instance_memory import InstanceMemory, separate_memories

BUCKET = "images"
GREEN = {"color": "#17643f", "dark_color": "#77d3a2"}
NO_LOGO = {"logo": None}


@pytest.fixture
def promoter(api, buckets):
    """A verified promoter: the id, and how to send requests as that person."""
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    return promoter_id, by


def send_logo(api, promoter_id, raw, by):
    return pictures.send(api, f"/promoters/{promoter_id}/logo", raw, by["token"])


def event_of(api, promoter_id):
    event_id = builders.create_event(api)
    assert api.patch(f"/events/{event_id}", json={"promoter_id": promoter_id}, token=builders.admin_token()).status == 200
    return event_id


def test_events_have_the_colors_and_the_logo_of_their_promoter(api, promoter, buckets, time):
    promoter_id, by = promoter
    event_id, other = event_of(api, promoter_id), builders.create_event(api)
    assert api.get(f"/events/{event_id}").json["brand"] is None
    changed = api.put(f"/promoters/{promoter_id}/brand", json=GREEN, **by)
    assert (changed.status, changed.json) == (200, GREEN | NO_LOGO)
    logo = send_logo(api, promoter_id, pictures.picture(size=(400, 200)), by).json["logo"]
    assert (logo["width"], logo["height"]) == (400, 200)
    shown = api.get(f"/events/{event_id}").json["brand"]
    assert shown == api.get(f"/promoters/{promoter_id}").json["brand"] == GREEN | {"logo": logo}
    assert api.get(f"/events/{event_id}", token=builders.admin_token()).json["brand"] == shown, "managers see it on the page, too"
    assert api.get(f"/events/{other}").json["brand"] is None
    assert catalog.load_current().choices_of(promoter_id) == catalog.snapshot().choices_of(promoter_id)
    actions = [entry.action for entry in audit.list_entries(f"promoter#{promoter_id}")]
    assert actions.count("promoter.brand_changed") == 2
    invariants.check(time.now)


def test_the_brand_and_the_default_taxes_leave_each_other_alone(api, promoter):
    promoter_id, by = promoter
    taxes = {"default_taxes": [{"country": "ES", "tax": {"percent": "21"}}]}
    for path, body in (("brand", GREEN), ("default-taxes", taxes), ("brand", {"color": None, "dark_color": None})):
        assert api.put(f"/promoters/{promoter_id}/{path}", json=body, **by).status == 200
    shown = api.get(f"/promoters/{promoter_id}", **by).json
    assert (shown["default_taxes"], shown["brand"]) == (taxes["default_taxes"], None)


@pytest.mark.parametrize(
    ("body", "path", "rule"),
    [
        (GREEN | {"color": "#ffcc00"}, "$.color", "low_contrast"),
        (GREEN | {"dark_color": "#17643f"}, "$.dark_color", "low_contrast"),
        ({"color": "#17643f"}, "$.dark_color", "missing"),
        ({"dark_color": "#77d3a2"}, "$.color", "missing"),
        (GREEN | {"color": "green"}, "$.color", "wrong_form"),
        (GREEN | {"color": "#17643F"}, "$.color", "wrong_form"),
        (GREEN | {"logo": None}, "$.logo", None),
    ],
)
def test_colors_that_cannot_be_read_are_refused(api, promoter, body, path, rule):
    promoter_id, by = promoter
    refused = api.put(f"/promoters/{promoter_id}/brand", json=body, **by)
    assert (refused.status, refused.json["path"], refused.json.get("rule")) == (400, path, rule)
    assert catalog.load_current().choices == {}


@pytest.mark.parametrize(("name", "other"), [("color", "#747474"), ("dark_color", "#8b8b8b")])
def test_the_least_contrast_is_that_of_wcag(api, promoter, name, other):
    """`other` has just too little contrast with the pages: 4.44:1 on light pages and 4.06:1 on dark ones."""
    promoter_id, by = promoter
    enough = {"color": "#676767", "dark_color": "#969696"}
    assert api.put(f"/promoters/{promoter_id}/brand", json=enough, **by).status == 200
    assert api.put(f"/promoters/{promoter_id}/brand", json=enough | {name: other}, **by).status == 400


def test_the_pages_are_as_light_and_as_dark_as_the_check_assumes():
    tokens = Path("web/src/styles/tokens.css").read_text()
    found = re.search(r"--sunk: light-dark\((#\w+), (#\w+)\)", tokens)
    assert found is not None
    assert found.groups() == (forms.PAGE_COLORS["light"], forms.PAGE_COLORS["dark"])


def test_a_stranger_gets_no_brand_but_may_remove_one(api, buckets):
    promoter_id, by = sign_up_promoter(api)
    path = f"/promoters/{promoter_id}"
    raw = pictures.picture()
    for refused in (api.put(f"{path}/brand", json=GREEN, **by), send_logo(api, promoter_id, raw, by)):
        assert (refused.status, refused.json["error"]) == (403, "forbidden")
    assert list(buckets.list_keys(BUCKET)) == []
    verify(api, promoter_id)
    assert api.put(f"{path}/brand", json=GREEN, **by).status == send_logo(api, promoter_id, raw, by).status == 200
    assert api.put(path, json={"name": "Other"}, **by).json["verified"] is False
    assert api.put(f"{path}/brand", json=GREEN | {"color": "#000000"}, **by).status == 403
    assert api.put(f"{path}/brand", json={}, **by).status == api.delete(f"{path}/logo", **by).status == 200
    assert api.get(path, **by).json["brand"] is None
    assert list(buckets.list_keys(BUCKET)) == []


def test_another_logo_takes_the_place_of_the_first_and_of_its_files(api, promoter, buckets, time):
    promoter_id, by = promoter
    raw = pictures.picture()
    first = send_logo(api, promoter_id, raw, by).json["logo"]
    assert send_logo(api, promoter_id, raw, by).json["logo"] == first, "the same file again changes nothing"
    second = send_logo(api, promoter_id, pictures.picture(color=(0, 99, 0)), by).json["logo"]
    assert second["url"] != first["url"]
    kept = {second["url"][1:], *(thumbnail["url"][1:] for thumbnail in second["thumbnails"])}
    assert set(buckets.list_keys(BUCKET)) == kept
    time.advance(2 * images.UNUSED_SECONDS)
    assert images.delete_unused(time.now) == 0, "a logo is in use"
    refused = send_logo(api, promoter_id, b"no picture", by)
    assert (refused.status, refused.json["error"]) == (400, "image_refused")
    assert set(buckets.list_keys(BUCKET)) == kept


def test_the_data_of_a_promoter_is_erased_with_the_brand(api, promoter, buckets, time):
    promoter_id, by = promoter
    send_logo(api, promoter_id, pictures.picture(), by)
    assert api.delete("/auth/me", json={"password": PASSWORD}, **by).status == 200
    assert catalog.load_current().choices_of(promoter_id).brand.logo is None
    time.advance(2 * images.UNUSED_SECONDS)
    assert images.delete_unused(time.now) > 0
    assert list(buckets.list_keys(BUCKET)) == []


def test_an_instance_that_does_not_know_the_brand_yet_erases_it_too(api, promoter):
    promoter_id, by = promoter
    other = InstanceMemory()
    with separate_memories():
        with other.active():
            catalog.snapshot()
        with InstanceMemory().active():
            assert api.put(f"/promoters/{promoter_id}/brand", json=GREEN, **by).status == 200
        with other.active():
            assert api.delete("/auth/me", json={"password": PASSWORD}, **by).status == 200
    assert catalog.load_current().choices_of(promoter_id).brand == NO_BRAND
