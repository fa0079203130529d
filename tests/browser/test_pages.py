"""Every page and state passes the checks of `page_checks`, which `make shots` also draws."""

from urllib.parse import urlsplit

import pytest

from chalicelib.foundation import settings
from infra import accessibility
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.door_staff import DoorStaff
from tests.browser.drawn_pages import DRAWN, assert_drawn, pages_of_the_code
from tests.browser.managers import Manager
from tests.browser.page_checks import AXE, RULES, check
from tests.browser.refusals import assert_refused
from tests.browser.scenes import accounts, buying, cards, waiting_room, waitlist, wallet
from tests.browser.scenes.stage import CardStage, Stage
from tests.browser.tours import admin, live, money, promoter, tickets, waiting
from tests.browser.tours.door import TOURS as DOOR_TOURS

SCENES = [*buying.SCENES, *waiting_room.SCENES, *wallet.SCENES, *accounts.SCENES, *waitlist.SCENES]
TOURS = [*admin.TOURS, *promoter.TOURS, *tickets.TOURS, *live.TOURS, *money.TOURS, *waiting.TOURS]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_page_is_accessible_and_fits_a_phone(new_buyer, api, time, scene):
    stage = Stage(new_buyer(reduced_motion="reduce"), api, time)
    policies = "We refund tickets until seven days before the event."
    legal_url = "https://fairgate.example/legal"
    with settings.override(contact_email="tickets@fairgate.example", shop_policies=policies, legal_url=legal_url):
        scene(stage)
        check(stage.page, scene.__name__)
    assert_drawn(scene, [path_of(stage.page)])
    assert_refused(scene, stage.buyer.refused)


@pytest.mark.parametrize("scene", cards.SCENES, ids=lambda scene: scene.__name__)
def test_every_page_about_payments_by_card_is_accessible_and_fits_a_phone(new_buyer, shop, origin, scene):
    with settings.override(checkout_origins=origin, stripe_publishable_key=shop.fake.publishable_key):
        stage = CardStage(new_buyer(reduced_motion="reduce"), shop)
        scene(stage)
        check(stage.page, scene.__name__)


@pytest.mark.parametrize("tour", TOURS, ids=lambda tour: tour.__name__)
def test_every_page_of_managers_is_accessible_and_fits_a_phone(new_buyer, api, time, tour):
    person = new_buyer(reduced_motion="reduce")
    manager = Manager(person.page, api, time)
    paths = set()
    for state in tour(manager):
        check(manager.page, f"{tour.__name__}_{state}")
        paths.add(path_of(manager.page))
    assert_drawn(tour, paths)
    assert_refused(tour, person.refused)


@pytest.mark.parametrize("tour", DOOR_TOURS, ids=lambda tour: tour.__name__)
def test_every_page_of_the_door_is_accessible_and_fits_a_phone(new_buyer, api, time, mailbox, tour):  # noqa: F811
    person = new_buyer(reduced_motion="reduce")
    staff = DoorStaff(person.page, api, builders.create_event(api), mailbox)
    paths = set()
    for state in tour(staff):
        check(staff.page, f"door_{tour.__name__}_{state}")
        paths.add(path_of(staff.page))
    assert_drawn(tour, paths)
    assert_refused(tour, person.refused)


def test_every_page_of_the_code_is_drawn_by_a_scene_or_a_tour():
    assert set(DRAWN) == pages_of_the_code()
    assert set(DRAWN.values()) <= {*SCENES, *TOURS, *DOOR_TOURS}


def test_axe_has_rules_for_the_criteria_that_it_is_said_to_check(new_buyer, origin):
    """docs/accessibility.md names the criteria. A rule has the clause of the European standard among its tags."""
    page = new_buyer().page
    page.goto("/")
    page.evaluate(AXE.read_text())
    rules = page.evaluate("axe.getRules()")
    used = [rule for rule in rules if rule["ruleId"] in RULES["dark"]["values"] or not {*rule["tags"]}.isdisjoint(RULES["light"]["values"])]
    clauses = {tag.removeprefix("EN-") for rule in used for tag in rule["tags"]}
    for criterion in accessibility.CRITERIA:
        assert ("axe" in criterion.checks) == (criterion.clause in clauses and criterion.state != "no such content"), criterion.clause


def path_of(page):
    return urlsplit(page.url).path
