"""The routes of the catalog: who may call them, and with which parameters."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from tests import builders

ADMIN_ROUTES = [
    ("get", "/admin/events"),
    ("post", "/admin/events"),
    ("get", "/admin/events/fest"),
    ("get", "/admin/tiers"),
    ("post", "/admin/tiers"),
    ("get", "/admin/tiers/x"),
    ("post", "/admin/catalog/invalidate"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_only_admins_may_call_the_admin_routes(api, method, path):
    call = getattr(api, method)
    assert call(path).status == 401
    assert call(path, user="root").status == 403, "the demo identity never makes an admin"
    assert call(path, token=builders.token("ada", "promoter", "staff")).status == 403
    assert call(path, token=auth.issue_token("root", {"admin"}, seconds=-1)).status == 401


def test_anybody_may_see_which_catalog_is_served(api, apply_document):
    assert api.get("/catalog").json == {"version": 0, "revision": 0, "checksum": ""}
    apply_document()
    catalog.invalidate()
    served = api.get("/catalog").json
    head, _ = catalog.load_head_and_catalog()
    assert served == {"version": head.version, "revision": head.revision, "checksum": head.checksum}
    assert head.version == 1


def test_an_unknown_status_of_ticket_types_is_refused(api, apply_document):
    reply = api.get("/tickets/types?status=gone")
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", "status")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_ticket_types_can_only_be_read(api, method):
    assert getattr(api, method)("/tickets/types").status == 405
