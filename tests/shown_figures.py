"""The figures of the pages that no constant of ours decides, in the words of the page, and what shows each."""

# What shows a figure: a test, a page or a command; "by hand" what was tried once; or whose figure it is:
# AWS's or Stripe's, who document it, or that of an example.
SHOWN: dict[str, dict[str, str]] = {
    "README.md": {"some $8 a month": "docs/costs.md", "(one to three minutes, once)": "make run", "in ten minutes": "by hand"},
    "docs/accounts.md": {
        "a little more than an hour after the last": "tests/accounts/attempts/test_service.py::test_a_counter_begins_anew_after_its_window",
        "last 35 days": "AWS",
    },
    "docs/backup.md": {"the last 35 days": "AWS"},
    "docs/bootstrap.md": {"if `date` is a day; if": "tests/bootstrap/test_validation.py"},
    "docs/checkin.md": {
        "3 MB on their way": "tests/checkin/test_manifest.py::test_ten_thousand_tickets_are_as_large_as_the_page_says",
    },
    "docs/deployment.md": {
        "about $7 a month": "AWS",
        "the last 35 days": "AWS",
        "For about 15 seconds": "tests/infra/test_smoke_test.py",
        "up to half a minute": "tests/infra/test_smoke_test.py",
    },
    "docs/drops.md": {
        "goes on sale 5 seconds later and lets in 20 buyers every 2 seconds": "tests/test_docs_commands.py",
        "A week before": "an example",
        "a request takes 100 ms": "an example",
        "An hour before": "an example",
        "the last five minutes": "an example",
    },
    "docs/event-images.md": {
        "more than one frame": "tests/catalog/image_uploads",
        "8 bits": "tests/images/test_rendering.py",
        "6 MB in base64: some 4.5 MB": "AWS",
        "deleted when it was, or after a day": "tests/infra/test_template.py",
        "what came of it; deleted after a day": "tests/infra/test_template.py",
    },
    "docs/events.md": {"a day (UTC)": "tests/catalog/test_search.py"},
    "docs/messages.md": {
        "at most three days": "AWS",
    },
    "docs/migration.md": {"took 21 seconds to check, seven minutes to write, and 72 MB of memory": "by hand"},
    "docs/operations.md": {
        "in five minutes; it takes AWS WAF, which costs $7 a month": "AWS",
        "the last 35 days": "AWS",
        "exported once a day": "tests/infra/test_template.py",
        "a second of 100 ms": "an example",
        "an overlap of an hour": "an example",
        "stays at 0 for five minutes": "tests/infra/test_alarms.py",
        "above 0 for ten minutes": "tests/infra/test_alarms.py",
        "wait half an hour": "docs/reconciliation.md",
        "within half an hour": "docs/reconciliation.md",
    },
    "docs/packages.md": {"takes 4.5 MB": "docs/event-images.md"},
    "docs/payments.md": {"again for three days": "Stripe"},
    "docs/promoters.md": {"every 30 seconds sell 280 tickets a minute: 5,000 tickets in 18 minutes": "an example"},
    "docs/reconciliation.md": {
        "the 15 minutes that a function may run": "AWS",
        "keeps events for 30 days": "Stripe",
        "calls to Stripe a day": "tests/reconciliation",
        "100,000 a day": "an example",
        "4,300 calls a day are one in 20 seconds": "tests/reconciliation",
    },
    "docs/runbook.md": {
        "one minute of each hour": "an example",
        "goes on for more than five minutes": "an example",
        "again for three days": "Stripe",
        "for 24 hours": "AWS",
        "older than 24 hours": "AWS",
        "After 24 hours": "AWS",
    },
    "docs/tickets.md": {
        "about 100 characters": "tests/tickets/test_qr.py::test_the_text_is_as_long_as_the_page_says",
        "The SVG has 6 KB": "tests/tickets/test_qr.py::test_both_images_are_as_small_as_the_page_says",
    },
    "docs/try-a-drop.md": {
        "In ten minutes": "by hand",
        "a minute later": "tests/test_docs_commands.py",
        "every ten seconds": "tests/test_docs_commands.py",
        "Within half a minute": "an example",
    },
    "docs/waiting-room.md": {
        "half a kilobyte": "tests/waiting_room/test_admin_controls.py::test_the_public_state_has_half_a_kilobyte",
        "the key's 32 bytes": "tests/waiting_room/test_verify.py",
        "at most 100 bytes, so the state has at most 6 KB": (
            "tests/waiting_room/test_instances.py::test_the_state_stays_small_whatever_admins_do"
        ),
    },
    "docs/webhooks.md": {"more than five minutes away": "tests/outgoing_webhooks/test_example.py"},
}
