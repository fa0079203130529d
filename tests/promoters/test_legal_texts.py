"""Legal texts of promoters and of the shop: who publishes them, where buyers find them, and what an order keeps of them."""

import pytest

from chalicelib.accounts import profiles
from chalicelib.audit import service as audit
from chalicelib.foundation import settings
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD
from tests.promoters.test_suspension import sign_up_promoter
from tests.simulation.interference import interfere_before

TERMS = "1. Tickets\n\nEach ticket admits one person."


def publish(api, owner="pat", kind="terms", language="en", caller=None, **body):
    body = body or {"text": TERMS}
    return api.put(f"/promoters/{owner}/legal-texts/{kind}/{language}", json=body, **(caller or {"token": builders.admin_token()}))


def shown(api, owner="pat") -> list[dict]:
    return api.get(f"/promoters/{owner}/legal-texts").json["legal_texts"]


def verify(api, promoter_id: str) -> None:
    assert api.put(f"/promoters/{promoter_id}", json={"name": "Pat", "verified": True}, token=builders.admin_token()).status == 200


@pytest.fixture
def promoter(api, time) -> str:
    verify(api, "pat")
    return "pat"


def test_buyers_find_the_texts_of_the_seller(api, time, promoter):
    event_id, _ = builders.create_promoted_shop(promoter)
    publish(api)
    publish(api, kind="imprint", language="es", url="https://pat.example/aviso")
    [imprint, terms] = api.get(f"/events/{event_id}/seller").json["legal_texts"]
    assert imprint == {"id": imprint["id"], "kind": "imprint", "language": "es", "url": "https://pat.example/aviso"}
    assert (terms["kind"], terms["language"]) == ("terms", "en")
    reply = api.get(f"/legal-texts/{terms['id']}")
    assert (reply.json["text"], reply.json["owner_id"], reply.json["created_at"]) == (TERMS, promoter, "2026-06-01T12:00:00Z")


def test_the_shop_has_texts_too(api, time):
    publish(api, owner="shop", kind="privacy")
    event_id = builders.create_event(api)
    [text] = shown(api, "shop")
    assert api.get(f"/events/{event_id}/seller").json["legal_texts"] == [text]
    assert api.get(f"/legal-texts/{text['id']}").json["owner_id"] == "shop"


def test_an_owner_publishes_a_limited_number_of_texts_a_day(api, time, promoter):
    verify(api, "pia")
    with settings.override(rate_limits="on", limit_legal_text="2/86400"):
        assert [publish(api, text=f"Terms {number}").status for number in range(3)] == [200, 200, 429]
        assert api.delete("/promoters/pat/legal-texts/terms/en", token=builders.admin_token()).status == 200
        assert publish(api, owner="pia").status == 200
        time.advance(86_400)
        assert publish(api).status == 200


def test_another_wording_is_another_text_and_the_former_one_stays(api, time, promoter):
    [former] = publish(api).json["legal_texts"]
    time.advance(86_400)
    [present] = publish(api, text="New terms").json["legal_texts"]
    assert former["id"] != present["id"]
    assert shown(api) == [present]
    assert api.get(f"/legal-texts/{former['id']}").json["text"] == TERMS
    [again] = publish(api).json["legal_texts"]
    assert again["id"] == former["id"], "the same wording is the same text"
    assert api.get(f"/legal-texts/{again['id']}").json["created_at"] == "2026-06-01T12:00:00Z"


def test_the_same_text_of_another_seller_is_another_text(api, time, promoter):
    [own], [of_shop] = publish(api).json["legal_texts"], publish(api, owner="shop").json["legal_texts"]
    assert own["id"] != of_shop["id"]


def test_a_text_can_be_removed(api, time, promoter):
    [terms] = publish(api).json["legal_texts"]
    removed = api.delete("/promoters/pat/legal-texts/terms/en", token=builders.admin_token())
    assert (removed.status, removed.json) == (200, {"legal_texts": []})
    assert api.delete("/promoters/pat/legal-texts/terms/en", token=builders.admin_token()).json == {"legal_texts": []}
    assert api.get(f"/legal-texts/{terms['id']}").status == 200, "orders may name it"


def test_changes_are_audited_without_the_text(api, time, promoter):
    [terms] = publish(api).json["legal_texts"]
    publish(api)
    entries = [entry for entry in audit.list_entries("promoter#pat", 10) if entry.action == "legal_text.replaced"]
    assert [entry.details for entry in entries] == [{"kind": "terms", "language": "en", "text_id": terms["id"]}]


def test_only_a_verified_promoter_publishes_their_own_texts(api, time, promoter):
    token = builders.token("pat", "promoter")
    assert publish(api, caller={"token": token}).status == 200
    assert publish(api, owner="shop", caller={"token": token}).status == 403
    assert publish(api, caller={"token": builders.token("quinn", "promoter")}).status == 403
    api.put("/promoters/quinn", json={"name": "Quinn"}, token=builders.admin_token())
    refused = publish(api, owner="quinn", caller={"token": builders.token("quinn", "promoter")})
    assert (refused.status, refused.json["error"]) == (403, "forbidden")
    assert "verify" in refused.json["message"]
    assert api.get("/promoters/quinn/legal-texts").status == 404, "strangers see nothing of an unverified promoter"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("terms/en", {}, "$.text"),
        ("terms/en", {"text": "x", "url": "https://pat.example"}, "$.text"),
        ("terms/en", {"text": ""}, "$.text"),
        ("terms/en", {"text": "x" * 40_001}, "$.text"),
        ("terms/en", {"url": "javascript:alert(1)"}, "$.url"),
        ("rules/en", {"text": "x"}, "kind"),
        ("terms/eng", {"text": "x"}, "language"),
    ],
)
def test_what_is_no_legal_text_is_refused_with_the_field(api, time, promoter, path, body, field):
    reply = api.put(f"/promoters/pat/legal-texts/{path}", json=body, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, field), reply.json
    assert shown(api) == []


def test_there_is_a_limit_of_texts(api, time, promoter):
    for number in range(profiles.MAX_LEGAL_TEXTS):
        assert publish(api, language=f"a{chr(97 + number % 26)}", kind=("terms", "privacy")[number // 26]).status == 200
    refused = publish(api, kind="imprint")
    assert (refused.status, refused.json["error"]) == (409, "too_many_legal_texts")
    assert publish(api, language="aa", text="Other terms").status == 200, "one of them can be replaced"


@pytest.mark.parametrize("call", range(1, 5))
def test_two_changes_at_once_are_both_kept(api, time, promoter, call):
    with interfere_before(call, lambda: publish(api, kind="privacy")):
        assert publish(api).status == 200
    assert [text.kind for text in profiles.list_legal_texts("pat")] == ["privacy", "terms"]


def test_an_order_keeps_the_terms_that_its_buyer_accepted(api, time, promoter):
    event_id, tier_id = builders.create_promoted_shop(promoter)
    [terms] = publish(api).json["legal_texts"]
    reservation = builders.reserve(api, "ada", event_id, tier_id)
    session = builders.start_checkout(api, "ada", reservation.json["id"], accepted_terms=terms["id"])
    order_id = session.json["id"]
    assert builders.confirm(api, "ada", order_id).status == 201
    publish(api, text="New terms")
    assert api.get(f"/orders/{order_id}", user="ada").json["order"]["accepted_terms"] == terms["id"]
    invariants.check(time.now)


def test_the_terms_of_a_checkout_can_be_replaced_but_not_made_up(api, time, promoter):
    event_id, tier_id = builders.create_promoted_shop(promoter)
    [terms] = publish(api).json["legal_texts"]
    reservation = builders.reserve(api, "ada", event_id, tier_id)
    refused = builders.start_checkout(api, "ada", reservation.json["id"], accepted_terms="my own")
    assert (refused.status, refused.json["path"]) == (400, "$.accepted_terms")
    assert builders.start_checkout(api, "ada", reservation.json["id"]).status == 201
    changed = builders.start_checkout(api, "ada", reservation.json["id"], key="changed", replace=True, accepted_terms=terms["id"])
    assert changed.status == 200
    assert builders.confirm(api, "ada", changed.json["id"]).status == 201
    assert api.get(f"/orders/{changed.json['id']}", user="ada").json["order"]["accepted_terms"] == terms["id"]


def test_only_what_buyers_were_promised_outlives_the_account_of_a_promoter(api, time):
    promoter_id, by = sign_up_promoter(api)
    verify(api, promoter_id)
    ids = {}
    for kind in ("imprint", "terms", "imprint", "refunds", "privacy"):
        texts = publish(api, owner=promoter_id, kind=kind, text=f"{kind} {len(ids)}").json["legal_texts"]
        ids |= {each["id"]: each["kind"] for each in texts}
    assert len(ids) == 5, "with the imprint that was replaced"
    assert all(api.get(f"/legal-texts/{text_id}").status == 200 for text_id in ids)
    assert api.delete("/auth/me", json={"password": PASSWORD}, **by).status == 200
    left = {kind for text_id, kind in ids.items() if api.get(f"/legal-texts/{text_id}").status == 200}
    assert left == {"terms", "refunds"}
    assert publish(api, owner=promoter_id, kind="imprint").status == 404, "also for admins, because there is no promoter"
    assert profiles.list_legal_texts(promoter_id) == []


@pytest.mark.parametrize("has_texts", [False, True])
@pytest.mark.parametrize("erasure_begins", [False, True])
def test_no_text_that_is_published_during_an_erasure_stays(api, time, has_texts, erasure_begins):
    number, happened = 0, [0]
    while happened:
        number += 1
        promoter_id, by = sign_up_promoter(api, f"pat{number}@home.test")
        verify(api, promoter_id)
        if has_texts:
            publish(api, owner=promoter_id, kind="privacy")
        ids: list[str] = []

        def publish_imprint(owner=promoter_id, ids=ids) -> None:
            ids.extend(each["id"] for each in publish(api, owner=owner, kind="imprint").json.get("legal_texts", ()))

        def erase(by=by) -> None:
            assert api.delete("/auth/me", json={"password": PASSWORD}, **by).status == 200

        first, second = (erase, publish_imprint) if erasure_begins else (publish_imprint, erase)
        with interfere_before(number, second) as happened:
            first()
        if not happened:
            second()
        assert [api.get(f"/legal-texts/{text_id}").status for text_id in ids] == [404] * len(ids), number
        assert profiles.list_legal_texts(promoter_id) == []
    assert number > 3


def test_the_last_texts_that_were_replaced_stay(api, time, promoter):
    ids = [publish(api, kind="imprint", text=f"Imprint {number}").json["legal_texts"][0]["id"] for number in range(33)]
    assert [api.get(f"/legal-texts/{text_id}").status for text_id in ids[:3]] == [404, 404, 200]
    assert publish(api, kind="imprint", text="Imprint 0").json["legal_texts"][0]["id"] == ids[0]
    assert [api.get(f"/legal-texts/{text_id}").status for text_id in ids[:4]] == [200, 404, 404, 200]


def test_only_admins_see_the_texts_of_a_locked_promoter(api, time):
    promoter_id, _ = sign_up_promoter(api)
    verify(api, promoter_id)
    [terms] = publish(api, owner=promoter_id).json["legal_texts"]
    path = f"/legal-texts/{terms['id']}"
    for locked, seen in ((True, 404), (False, 200)):
        assert api.patch(f"/admin/users/{promoter_id}", json={"locked": locked}, token=builders.admin_token()).status == 200
        assert (api.get(path).status, api.get(path, token=builders.admin_token()).status) == (seen, 200)


def test_texts_cannot_take_the_place_of_a_profile(api, time, promoter):
    """Texts are rows of the table of profiles, under keys that no promoter has."""
    [terms] = publish(api).json["legal_texts"]
    for owner in (f"legal-text#{terms['id']}", "legal-texts#pat"):
        assert api.get(f"/promoters/{owner.replace('#', '%23')}").status == 404
    assert [each["id"] for each in api.get("/promoters").json["promoters"]] == ["pat"]
