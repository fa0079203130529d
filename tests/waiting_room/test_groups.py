"""Groups: up to six people whose addresses are verified share one number of the draw, and each of them may buy."""

from collections import Counter
from random import Random

import pytest
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.waiting_room import draw, entries, entry_list, room_cache, store, tokens, verify
from chalicelib.waiting_room.model import MAX_MEMBERS, Arrival
from chalicelib.waiting_room.store import GROUP_CLOSING_SECONDS
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, make_earlier, reserve


@pytest.fixture
def group_sale(api, time):
    return create_sale(api, time, entry="verified_address", groups=True, wave_size=10, pass_seconds=300)


def seconds_to_the_end():
    """From the creation of a sale until its groups can no longer change."""
    return SECONDS_TO_OPENING - settings.current().draw_closing_seconds - GROUP_CLOSING_SECONDS


def try_join(api, event_id, user, invitation=None, email=None):
    """Join with the proof of an address, as after the code by email."""
    proof = tokens.sign_address(event_id, tokens.address_key(event_id, email or f"{user}@example.com"), user)
    body = {"address_proof": proof} | ({} if invitation is None else {"invitation": invitation})
    return api.post(f"/events/{event_id}/waiting-room/join", json=body, user=user)


def join(api, event_id, user, invitation=None):
    reply = try_join(api, event_id, user, invitation)
    assert reply.status == 200, reply.json
    return reply.json["token"]


def show_group(api, event_id, user, token):
    return api.post(f"/events/{event_id}/waiting-room/group", json={"token": token}, user=user)


def leave(api, event_id, user, token):
    return api.post(f"/events/{event_id}/waiting-room/group/leave", json={"token": token}, user=user)


def form_group(api, event_id, *users):
    """Let the first user form a group, and the others join it. The tokens by user, and the invitation."""
    first, *others = users
    reply = show_group(api, event_id, first, join(api, event_id, first))
    assert reply.status == 200, reply.json
    invitation = reply.json["invitation"]
    return {first: reply.json["token"]} | {user: join(api, event_id, user, invitation) for user in others}, invitation


def get_state(api, event_id, time):
    time.advance(room_cache.MAX_AGE_SECONDS)
    return api.get(f"/events/{event_id}/waiting-room/state").json


def test_members_have_one_position_and_each_of_them_may_buy_up_to_the_limit(api, time, group_sale):
    event_id, tier_id = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob", "eve")
    alone = join(api, event_id, "zoe")
    assert get_state(api, event_id, time)["total"] == 2
    time.advance(SECONDS_TO_OPENING)
    positions = {user: get_status(api, event_id, token)["position"] for user, token in placed.items()}
    assert len(set(positions.values())) == 1
    assert {*positions.values(), get_status(api, event_id, alone)["position"]} == {1, 2}
    for user, token in placed.items():
        reservation_id = reserve(api, event_id, tier_id, user, token, 4).json["id"]
        builders.start_checkout(api, user, reservation_id)
        assert builders.confirm(api, user, reservation_id).status == 201
        assert reserve(api, event_id, tier_id, user, token).json["error"] == "pass_used"
    invariants.check(time.now)


def test_the_list_has_each_member_and_nobody_who_gave_up_a_number(api, time, group_sale):
    event_id, tier_id = group_sale
    own = join(api, event_id, "bob")
    placed, _ = form_group(api, event_id, "ada", "bob")
    founder = join(api, event_id, "ada")
    assert founder == placed["ada"]
    time.advance(SECONDS_TO_OPENING)
    state = get_state(api, event_id, time)
    assert state["key"] is not None  # the list does not wait for the number that was given up
    assert state["n"] == 2  # the number that bob gave up belongs to nobody
    arrivals = [tokens.read_token(token) for token in placed.values()]
    digests = {entries.entrant_digest(state["commitment"], arrival.user) for arrival in arrivals}
    assert {(entry.digest, entry.number) for entry in list_entries(event_id, time)} == {(digest, arrivals[0].number) for digest in digests}
    refused = reserve(api, event_id, tier_id, "bob", own)
    assert (refused.status, refused.json["error"]) == (404, "entry_unknown")
    assert reserve(api, event_id, tier_id, "bob", placed["bob"]).status == 201
    report = check_proof(api, event_id, *placed.values())
    assert (report.faults, len(report.positions), report.unlisted_members) == ([], 1, 0)


def list_entries(event_id, time):
    """All entries of the published list."""
    room = store.find_room(event_id)
    return [entry for page in range(16) for entry in entry_list.load_page(room, page, time.now)[0]]


def check_proof(api, event_id, *placed):
    """Check the proof, the whole list and these tokens, as the command does."""
    proof = verify._parse_proof(api.get(f"/events/{event_id}/waiting-room/proof").json)
    pages = [api.get(f"/events/{event_id}/waiting-room/entries", query={"page": str(page)}).json for page in range(proof.pages)]
    return verify.check(proof, [verify.PositionClaim(token, token, None) for token in placed], pages=pages)


@pytest.mark.parametrize("groups", [True, False])
def test_a_friend_of_the_operator_is_no_member_unless_the_list_says_so(api, time, groups):
    """The operator knows the key, and signs a token with a good number for a friend who joined no group."""
    event_id, tier_id = create_sale(api, time, entry="verified_address", groups=groups, wave_size=10)
    placed = form_group(api, event_id, "ada", "bob")[0]["bob"] if groups else join(api, event_id, "bob")
    listed = tokens.read_token(placed)
    key = tokens.address_key(event_id, "friend@example.com")
    forged = replace(listed, user=key, holder=tokens.user_key("friend"))
    names = {listed.user, listed.group or listed.user}
    friends = [tokens.sign_arrival(replace(forged, group=name)) for name in names]
    time.advance(SECONDS_TO_OPENING)
    get_state(api, event_id, time)
    for friend in friends:
        refused = reserve(api, event_id, tier_id, "friend", friend)
        assert (refused.status, refused.json["error"]) == (404, "entry_unknown")
        report = check_proof(api, event_id, friend)
        # In a room that may have groups but has none, the list could be one of an earlier version, which does not have members.
        assert len(report.faults) == (1 if groups else 0)
        assert report.unlisted_members == (0 if groups else 1)
    assert reserve(api, event_id, tier_id, "bob", placed).status == 201


def test_the_list_is_complete_at_once_however_people_came_to_their_groups(api, time, group_sale):
    """The list waits for as many entries as there will be, and not for the numbers that nobody has."""
    event_id, _ = group_sale
    had_number = join(api, event_id, "bob")
    placed, invitation = form_group(api, event_id, "ada", "bob", "new", "left", "gone")
    assert tokens.read_token(had_number).number == 1
    assert leave(api, event_id, "left", placed["left"]).status == 200
    assert leave(api, event_id, "gone", placed["gone"]).status == 200
    back = {"left": join(api, event_id, "left", invitation), "gone": join(api, event_id, "gone")}
    time.advance(SECONDS_TO_OPENING - settings.current().draw_closing_seconds - room_cache.MAX_AGE_SECONDS)
    state = get_state(api, event_id, time)
    assert (state["n"], state["root"] is not None) == (3, True)
    assert len(list_entries(event_id, time)) == 5
    time.advance(SECONDS_TO_OPENING)
    get_state(api, event_id, time)
    assert check_proof(api, event_id, *(placed | back).values()).faults == []


def test_groups_may_be_added_to_a_room_and_stay_in_it(api, time):
    event_id, tier_id = create_sale(api, time, entry="verified_address", wave_size=10, opens_in=20 * 86_400)
    alone = join(api, event_id, "zoe")
    assert "groups_until" not in get_state(api, event_id, time)
    event = api.get(f"/events/{event_id}").json

    def set_groups(groups):
        room = {"entry": "verified_address", "groups": groups, "wave_size": 10}
        reply = api.patch(f"/events/{event['id']}", json={"waiting_room": room}, token=builders.admin_token())
        assert reply.status == 200, reply.json

    set_groups(True)
    assert "groups_until" in get_state(api, event_id, time)
    placed, _ = form_group(api, event_id, "ada", "bob")
    set_groups(False)
    assert "groups_until" not in get_state(api, event_id, time)
    time.advance(20 * 86_400)
    get_state(api, event_id, time)
    assert check_proof(api, event_id, alone, *placed.values()).faults == []
    assert reserve(api, event_id, tier_id, "bob", placed["bob"]).status == 201


def test_a_room_of_an_earlier_version_keeps_its_groups(api, time, group_sale):
    event_id, tier_id = group_sale
    join(api, event_id, "zoe")
    make_earlier(event_id)
    time.advance(room_cache.MAX_AGE_SECONDS)
    placed, _ = form_group(api, event_id, "ada", "bob", "eve")
    assert leave(api, event_id, "eve", placed["eve"]).status == 200
    listed = tokens.read_token(placed["ada"])
    key, holder = tokens.address_key(event_id, "friend@example.com"), tokens.user_key("friend")
    friends = [tokens.sign_arrival(replace(listed, user=key, holder=holder, group=name)) for name in (listed.group, listed.user)]
    time.advance(SECONDS_TO_OPENING - settings.current().draw_closing_seconds)
    assert get_state(api, event_id, time)["root"] is not None  # it does not wait for a number
    time.advance(settings.current().draw_closing_seconds)
    get_state(api, event_id, time)
    digest = entries.entrant_digest(store.find_room(event_id).commitment, listed.group)
    assert digest in {entry.digest for entry in list_entries(event_id, time)}
    assert len(list_entries(event_id, time)) == 2
    report = check_proof(api, event_id, placed["ada"], placed["bob"])
    assert (report.faults, report.unlisted_members) == ([], 2)
    for user, token in (("friend", friends[0]), ("friend", friends[1]), ("eve", placed["eve"])):
        assert reserve(api, event_id, tier_id, user, token).json["error"] == "entry_unknown"
    for user in ("ada", "bob"):
        assert reserve(api, event_id, tier_id, user, placed[user]).status == 201


def test_a_room_of_an_earlier_version_without_groups_has_none(api, time):
    event_id, tier_id = create_sale(api, time, wave_size=10)
    token = api.post(f"/events/{event_id}/waiting-room/join", user="ada").json["token"]
    make_earlier(event_id)
    time.advance(SECONDS_TO_OPENING)
    listed = tokens.read_token(token)
    friend = tokens.sign_arrival(replace(listed, user=tokens.user_key("friend"), group=listed.user))
    assert reserve(api, event_id, tier_id, "friend", friend).json["error"] == "entry_unknown"
    assert reserve(api, event_id, tier_id, "ada", token).status == 201


def test_a_group_has_six_members_at_most(api, time, group_sale):
    event_id, _ = group_sale
    users = [f"u{number}" for number in range(MAX_MEMBERS)]
    placed, invitation = form_group(api, event_id, *users)
    refused = try_join(api, event_id, "late", invitation)
    assert (refused.status, refused.json["error"]) == (409, "group_full")
    assert join(api, event_id, "u3", invitation) == placed["u3"]
    shown = show_group(api, event_id, "u5", placed["u5"]).json
    assert (shown["members"], shown["max_members"], shown["token"]) == (6, 6, placed["u5"])
    assert leave(api, event_id, "u0", placed["u0"]).status == 200
    assert try_join(api, event_id, "late", invitation).status == 200


def test_the_same_address_is_one_member(api, time, group_sale):
    """In another browser, a member has the same place, and only there."""
    event_id, tier_id = group_sale
    placed, invitation = form_group(api, event_id, "ada", "bob")
    phone = try_join(api, event_id, "bobs-phone", invitation, "Bob@example.com").json["token"]
    assert show_group(api, event_id, "ada", placed["ada"]).json["members"] == 2
    time.advance(SECONDS_TO_OPENING)
    assert get_status(api, event_id, phone)["position"] == 1
    assert reserve(api, event_id, tier_id, "bob", placed["bob"]).json["error"] == "token_of_another_user"
    assert reserve(api, event_id, tier_id, "bobs-phone", phone).status == 201
    invariants.check(time.now)


def test_somebody_who_leaves_gets_a_number_of_their_own_and_cannot_buy_with_the_groups(api, time, group_sale):
    event_id, tier_id = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob")
    for _ in range(2):  # safe to repeat
        assert leave(api, event_id, "ada", placed["ada"]).status == 200
    alone = join(api, event_id, "ada")
    assert leave(api, event_id, "ada", alone).json["error"] == "not_in_group"
    assert show_group(api, event_id, "bob", placed["bob"]).json["members"] == 1
    time.advance(SECONDS_TO_OPENING)
    assert {get_status(api, event_id, token)["position"] for token in (placed["bob"], alone)} == {1, 2}
    assert reserve(api, event_id, tier_id, "ada", placed["ada"]).json["error"] == "entry_unknown"
    assert reserve(api, event_id, tier_id, "ada", alone).status == 201
    assert reserve(api, event_id, tier_id, "bob", placed["bob"]).status == 201
    invariants.check(time.now)


def test_leaving_groups_again_and_again_does_not_make_the_draw_longer(api, time, group_sale):
    """Each number that somebody gave up is a place in line that nobody has."""
    event_id, _ = group_sale
    with settings.override(rate_limits="on", limit_leave_group="3/86400"):
        for _ in range(5):
            placed, _ = form_group(api, event_id, "ada")
            left = leave(api, event_id, "ada", placed["ada"])
            time.advance(60)
    assert (left.status, left.json["error"]) == (429, "rate_limited")
    assert get_state(api, event_id, time)["total"] == 4
    assert show_group(api, event_id, "ada", placed["ada"]).json["members"] == 1, "ada has stayed"


def test_somebody_who_comes_back_to_the_group_can_buy(api, time, group_sale):
    event_id, tier_id = group_sale
    placed, invitation = form_group(api, event_id, "ada", "bob")
    leave(api, event_id, "bob", placed["bob"])
    back = join(api, event_id, "bob", invitation)
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "bob", back).status == 201


def test_a_group_that_everybody_has_left_cannot_be_joined(api, time, group_sale):
    event_id, _ = group_sale
    placed, invitation = form_group(api, event_id, "ada")
    leave(api, event_id, "ada", placed["ada"])
    refused = try_join(api, event_id, "bob", invitation)
    assert (refused.status, refused.json["error"]) == (404, "invitation_invalid")
    assert try_join(api, event_id, "bob").status == 200


def test_nobody_is_in_two_groups(api, time, group_sale):
    event_id, _ = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob")
    _, other = form_group(api, event_id, "eve")
    refused = try_join(api, event_id, "bob", other)
    assert (refused.status, refused.json["error"]) == (409, "in_another_group")
    leave(api, event_id, "bob", placed["bob"])
    assert try_join(api, event_id, "bob", other).status == 200


def test_an_invitation_is_for_one_room(api, time, group_sale):
    event_id, _ = group_sale
    _, invitation = form_group(api, event_id, "ada")
    other, _ = create_sale(api, time, "Other", entry="verified_address", groups=True)
    attempts = [(other, invitation), (event_id, f"{invitation[:-1]}!"), (event_id, "x"), (event_id, "é")]
    assert [try_join(api, event, "bob", sent).json["error"] for event, sent in attempts] == ["invitation_invalid"] * 4
    api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token())
    assert try_join(api, event_id, "bob", invitation).json["error"] == "invitation_invalid"


def test_groups_end_before_the_draw_closes(api, time, group_sale):
    event_id, _ = group_sale
    until = time.now + seconds_to_the_end()
    assert api.get(f"/events/{event_id}/waiting-room/state").json["groups_until"] == until
    placed, invitation = form_group(api, event_id, "ada", "bob")
    alone = join(api, event_id, "eve")
    time.advance(until - time.now - 1)
    assert try_join(api, event_id, "zoe", invitation).status == 200
    time.advance(1)
    refusals = [
        try_join(api, event_id, "late", invitation),
        show_group(api, event_id, "eve", alone),
        leave(api, event_id, "bob", placed["bob"]),
    ]
    assert [(reply.status, reply.json["error"]) for reply in refusals] == [(409, "groups_closed")] * 3
    assert show_group(api, event_id, "bob", placed["bob"]).json["members"] == 3
    assert try_join(api, event_id, "bob", invitation).json["token"] == placed["bob"]
    time.advance(GROUP_CLOSING_SECONDS + settings.current().draw_closing_seconds)
    assert "groups_until" not in get_state(api, event_id, time)
    assert try_join(api, event_id, "late", invitation).json["error"] == "groups_closed"
    assert try_join(api, event_id, "late").status == 200  # by themselves


@pytest.mark.parametrize(
    "room",
    [{"entry": "verified_address"}, {"entry": "open", "groups": True}, {"entry": "access_code", "groups": True}],
)
def test_groups_are_only_for_verified_people_where_the_promoter_allows_them(api, time, room):
    event_id, _ = create_sale(api, time, **room)
    assert "groups_until" not in api.get(f"/events/{event_id}/waiting-room/state").json
    if room["entry"] == "verified_address":
        refused = show_group(api, event_id, "ada", join(api, event_id, "ada"))
        assert (refused.status, refused.json["error"]) == (409, "groups_closed")


def test_a_room_without_a_list_has_no_groups(api, time):
    """There, a member could still buy with the number of their own."""
    event_id, _ = create_sale(api, time, entry="verified_address", groups=True, opens_in=60)
    assert "groups_until" not in api.get(f"/events/{event_id}/waiting-room/state").json


def test_a_member_who_missed_the_turn_joins_again_without_the_group(api, time, group_sale):
    event_id, tier_id = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob")
    time.advance(SECONDS_TO_OPENING + 900)
    late = join(api, event_id, "ada")
    assert tokens.read_token(late).group is None
    assert get_status(api, event_id, late)["position"] == 2
    time.advance(60)
    assert reserve(api, event_id, tier_id, "ada", late).status == 201
    assert reserve(api, event_id, tier_id, "bob", placed["bob"]).json["error"] == "pass_expired"


def test_a_sale_that_is_postponed_keeps_its_groups(api, time, group_sale):
    event_id, _ = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob")
    arrivals = {user: tokens.read_token(token) for user, token in placed.items()}
    group = arrivals["ada"].group
    before = store.WaitingRoomRow.find(f"group#{event_id}#1#{group}").ttl
    later = {"starts_at": builders.clock.iso(time.now + 200 * 86_400), "on_sale_at": builders.clock.iso(time.now + 100 * 86_400)}
    assert api.patch(f"/events/{event_id}", json=later, token=builders.admin_token()).status == 200
    time.advance(room_cache.MAX_AGE_SECONDS)
    join(api, event_id, "bob")
    rows = [row for row in store.WaitingRoomRow.scan() if row.lane is not None]
    assert {row.id for row in rows} == {f"entry#{event_id}#1#{arrival.user}" for arrival in arrivals.values()}  # the list still has both
    assert store.WaitingRoomRow.find(f"group#{event_id}#1#{group}").ttl > before


def test_the_store_knows_neither_addresses_nor_users(api, group_sale):
    form_group(api, group_sale[0], "zoe", "zack")
    [group] = [row for row in store.WaitingRoomRow.scan() if row.members]
    assert "zoe" not in str(group.to_dynamodb_dict())
    assert "zack" not in str(group.to_dynamodb_dict())


def test_a_purchase_with_the_place_of_a_group_costs_no_more(api, time, group_sale):
    event_id, tier_id = group_sale
    placed, _ = form_group(api, event_id, "ada", "bob")
    placed |= {user: join(api, event_id, user) for user in ("yan", "zoe")}
    time.advance(SECONDS_TO_OPENING)
    units = {}
    for user in ("yan", "zoe", "bob"):  # the first request also loads the room and the catalog
        with record_calls(measured=True) as calls:
            assert reserve(api, event_id, tier_id, user, placed[user]).status == 201
        units[user] = (list(calls), calls.capacity)
    assert units["bob"] == units["zoe"]


def test_waves_leave_tickets_for_all_members(api, time):
    """24 tickets, at most 6 for each of up to 6 members: one place at a time."""
    room = {"entry": "verified_address", "groups": True, "follow_stock": True}
    event_id, _ = create_sale(api, time, capacity=24, wave_seconds=10, pass_seconds=30, longer_pass_seconds=30, **room)
    placed = [join(api, event_id, f"u{number}") for number in range(9)]
    time.advance(SECONDS_TO_OPENING)
    admitted = []
    for _ in range(60):
        admitted.append(sum(get_status(api, event_id, token)["can_enter"] for token in placed))
        time.advance(1)
    assert admitted[0] == 3  # the first wave has its size
    assert max(admitted[31:]) == 1


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_the_odds_of_a_group_equal_those_of_one_person(api, time, group_sale):
    event_id, _ = group_sale
    placed, _ = form_group(api, event_id, *(f"m{number}" for number in range(MAX_MEMBERS)))
    placed |= {f"u{number}": join(api, event_id, f"u{number}") for number in range(9)}
    n, draws = get_state(api, event_id, time)["total"], 100_000
    assert n == 10
    rng = Random(5)
    keys = [rng.randbytes(32) for _ in range(draws)]
    for user in ("m0", "u8"):
        arrival = tokens.read_token(placed[user])
        counts = Counter(draw.position(key, n, (0,), arrival.counter, arrival.number, 1) for key in keys)
        deviation = sum((count - draws / n) ** 2 / (draws / n) for count in counts.values())
        assert deviation < 27.9  # chi-squared with 9 degrees of freedom exceeds this in one of 1,000 cases
    assert len({tokens.read_token(placed[f"m{number}"]).pass_id for number in range(MAX_MEMBERS)}) == 1


def test_another_shop_gives_each_member_a_pass_and_none_to_people_who_left(api, time):
    opens = builders.clock.iso(time.now + SECONDS_TO_OPENING)
    room = {"entry": "verified_address", "groups": True, "wave_size": 3, "pass_seconds": 300, "shop_url": "https://tickets.example/"}
    event_id = builders.create_event(api, on_sale_at=opens, status="scheduled", waiting_room=room)
    placed, _ = form_group(api, event_id, "ada", "bob", "eve")
    assert leave(api, event_id, "eve", placed["eve"]).status == 200
    time.advance(SECONDS_TO_OPENING)
    replies = {user: api.post(f"/events/{event_id}/waiting-room/pass", json={"token": token}, user=user) for user, token in placed.items()}
    assert replies["eve"].json["error"] == "entry_unknown"
    used = [
        api.post(f"/events/{event_id}/waiting-room/pass-uses", json={"shop_pass": replies[user].json["shop_pass"], "session": user}).json
        for user in ("ada", "bob")
    ]
    assert used == [{"is_first": True}] * 2


def test_a_group_of_a_place_that_changed_is_not_formed(api):
    arrival = Arrival("drop", 1, "a" * 32, 0, 1, 1, 2, holder="b")
    with pytest.raises(store.EntryConflict):
        store.form_group(arrival, replace(arrival, group="c" * 32), 2)
    assert list(store.WaitingRoomRow.scan()) == []
