"""The pages of a stage without add-ons: what is built for it."""

import pytest

from infra import web

pytestmark = pytest.mark.slow

# What belongs to add-ons in the built pages: chunks, the pages' addresses, and paths of the API.
CHUNKS = ("compare-page", "figures", "history-page", "message", "order-list", "problem-messages", "replay", "sales", "waitlist", "webhooks")
ADDRESSES = ("/history", "/sales", "/manage/compare", "/manage/messages", "/manage/webhooks", "/waitlist", "new-package", "`/orders`")
PATHS = (
    "/analytics",
    "/disputes",
    "/image",
    "/suppressed-addresses",
    "/tickets/packages",
    "/webhook-endpoints",
    ".pdf",
    "/admin/audit",
    "/stats",
)
RIGHTS = "rights-"  # the chunk with the calls that prove each right


def test_pages_of_addons_that_are_off_are_not_built():
    scripts = {file.name: file.read_text() for file in (web.build(()) / "assets").glob("*.js")}
    assert [name for name in scripts if name.startswith(CHUNKS)] == []
    found = [(name, part) for name, text in scripts.items() if RIGHTS not in name for part in (*ADDRESSES, *PATHS) if part in text]
    assert found == []
    everything = {file.name: file.read_text() for file in (web.build() / "assets").glob("*.js")}
    assert {part for part in (*ADDRESSES, *PATHS) if not any(part in text for text in everything.values())} == set()
    assert [chunk for chunk in CHUNKS if not any(name.startswith(chunk) for name in everything)] == []
