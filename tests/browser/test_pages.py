"""Every page and state passes the checks of `page_checks`, which `make shots` also draws."""

import pytest

from chalicelib import settings
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.browser.door_staff import DoorStaff
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.browser.scenes import accounts, buying, cards, waiting_room, waitlist, wallet
from tests.browser.scenes.stage import CardStage, Stage
from tests.browser.tours import admin, live, money, promoter, tickets, waiting
from tests.browser.tours.door import TOURS as DOOR_TOURS

SCENES = [*buying.SCENES, *waiting_room.SCENES, *wallet.SCENES, *accounts.SCENES, *waitlist.SCENES]
TOURS = [*admin.TOURS, *promoter.TOURS, *tickets.TOURS, *live.TOURS, *money.TOURS, *waiting.TOURS]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_page_is_accessible_and_fits_a_phone(new_buyer, api, time, scene):
    stage = Stage(new_buyer(reduced_motion="reduce"), api, time)
    scene(stage)
    check(stage.page, scene.__name__)


@pytest.mark.parametrize("scene", cards.SCENES, ids=lambda scene: scene.__name__)
def test_every_page_about_payments_by_card_is_accessible_and_fits_a_phone(new_buyer, shop, origin, scene):
    with settings.override(checkout_origins=origin, stripe_publishable_key=shop.fake.publishable_key):
        stage = CardStage(new_buyer(reduced_motion="reduce"), shop)
        scene(stage)
        check(stage.page, scene.__name__)


@pytest.mark.parametrize("tour", TOURS, ids=lambda tour: tour.__name__)
def test_every_page_for_those_who_manage_is_accessible_and_fits_a_phone(new_buyer, api, time, tour):
    manager = Manager(new_buyer(reduced_motion="reduce").page, api, time)
    for state in tour(manager):
        check(manager.page, f"{tour.__name__}_{state}")


@pytest.mark.parametrize("tour", DOOR_TOURS, ids=lambda tour: tour.__name__)
def test_every_page_of_the_door_is_accessible_and_fits_a_phone(new_buyer, api, time, mailbox, tour):  # noqa: F811
    staff = DoorStaff(new_buyer(reduced_motion="reduce").page, api, builders.create_event(api), mailbox)
    for state in tour(staff):
        check(staff.page, f"door_{tour.__name__}_{state}")
