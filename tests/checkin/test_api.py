"""The code that opens the door page on a device of the staff."""

from chalicelib.edge import auth
from chalicelib.foundation import settings
from tests import builders
from tests.tickets.test_qr import rasterize, scan


def test_the_code_leads_to_the_door_of_the_event_and_has_no_secret(api):
    event_id = builders.create_event(api)
    path = f"/events/{event_id}/door/qr"
    with settings.override(shop_url="https://shop.test"):
        shown = api.get(path, query={"format": "svg"}, token=builders.admin_token())
        again = api.get(path, token=builders.admin_token(), headers={"If-None-Match": shown.headers["ETag"]})
    assert (shown.status, shown.headers["Content-Type"], again.status) == (200, "image/svg+xml", 304)
    assert scan(rasterize(shown.body)).text == f"https://shop.test/door?event={event_id}"


def test_only_people_who_manage_the_event_get_the_code(api):
    path = f"/events/{builders.create_event(api)}/door/qr"
    assert api.get(path, user="ada").status == 403
    assert api.get(path, token=auth.issue_token("paul", {"promoter"})).status == 403
    assert api.get(path).status == 401
