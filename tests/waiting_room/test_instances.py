"""Many instances that load one room: each change is decided once, whatever the age of what each of them has read."""

import random
from functools import partial
from itertools import pairwise

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import CatalogHead, Event, VersionContent
from chalicelib.foundation import settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.waiting_room import entries, entry_list, store
from chalicelib.waiting_room.tokens import read_token
from tests import builders, invariants
from tests.simulation.faults import record_calls
from tests.simulation.instance_memory import separate_memories
from tests.simulation.interleavings import run_seeds
from tests.waiting_room import test_groups as groups
from tests.waiting_room.instances import Instance, start_instances
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve


@pytest.fixture(autouse=True)
def _separate_memories(api):
    with separate_memories():
        yield


def stored_plan(event_id):
    return store.load_room_and_arrivals(event_id)[0].segments


def set_paused(instance, api, event_id, paused):
    with instance.active():
        reply = api.post(f"/admin/events/{event_id}/{'pause' if paused else 'resume'}", token=builders.admin_token())
    assert reply.status == 200


def test_an_instance_with_an_older_catalog_undoes_no_pause_or_resume(api, time, sale):
    event_id, _ = sale
    time.advance(SECONDS_TO_OPENING)
    instances = start_instances(api, time, event_id, 6)
    for number, paused in enumerate((True, False), start=2):
        set_paused(instances[-1], api, event_id, paused)
        for _ in range(settings.current().head_check_seconds + 2):
            for instance in instances:
                assert len(instance.poll()["segments"]) == number
            time.advance(1)
        assert stored_plan(event_id)[-1].paused == paused


@pytest.mark.parametrize(("quiet_seconds", "limit"), [(0, 2), (9, 4)])
def test_all_instances_soon_show_that_nothing_is_left(api, time, quiet_seconds, limit):
    """Within two seconds while tickets are sold, and a little later after a quiet time, in which the stock is read less often."""
    event_id, tier_id = create_sale(api, time, capacity=8, wave_size=10, pass_seconds=300)
    tokens = join_many(api, event_id, 2)
    time.advance(SECONDS_TO_OPENING)
    _, seller, *_ = instances = start_instances(api, time, event_id, 5)  # the first of them reads the stock for all

    def sell(user):
        with seller.active():
            assert reserve(api, event_id, tier_id, user, tokens[user], 4).status == 201

    sell("u0")
    for _ in range(1 + quiet_seconds):
        time.advance(1)
        for instance in instances:
            instance.poll()
    sell("u1")
    seconds = 0
    while sum(instance.poll()["tickets"][tier_id]["available"] for instance in reversed(instances)) > 0:
        time.advance(1)
        seconds += 1
    assert seconds <= limit
    invariants.check(time.now)


def test_a_missed_pause_and_resume_are_not_replayed(api, time, sale):
    """The second instance read the catalog between the two, and the first only after both: nothing is left to do."""
    event_id, _ = sale
    time.advance(SECONDS_TO_OPENING)
    first, between = start_instances(api, time, event_id, 2, every=0)
    time.advance(settings.current().head_check_seconds)
    first.poll()
    catalog.set_paused(event_id, True, "admin", time.now)
    with between.active():
        assert catalog.snapshot().events[event_id].paused
    catalog.set_paused(event_id, False, "admin", time.now)
    time.advance(settings.current().head_check_seconds - 1)
    assert len(Instance(api, event_id).poll()["segments"]) == 1
    assert len(between.poll()["segments"]) == 1


def publish_opening(opens_at, now):
    """Apply a bootstrap file with one event, which opens at `opens_at`."""
    event = Event(
        id="drop",
        name="Drop",
        venue="Hall",
        starts_at=now + 86_400,
        status="active",
        date="",
        managed_by="bootstrap",
        on_sale_at=opens_at,
    )
    head, _ = catalog.load_head_and_catalog()
    with catalog.open_publication(now) as publication:
        catalog.write_version(publication.number, VersionContent([event], [], {}), b"{}")
        catalog.publish_version(head, CatalogHead(publication.number, head.revision + 1, "", now, "admin"), "catalog.applied", {})


@pytest.mark.parametrize("another_has_noticed", [False, True])
def test_an_opening_that_was_put_off_a_second_before_does_not_take_place(api, time, another_has_noticed):
    opens_at = time.now + 2
    publish_opening(opens_at, time.now)
    instance = Instance(api, "drop")
    instance.poll()
    time.advance(1)
    publish_opening(opens_at + 3600, time.now)
    if another_has_noticed:
        assert Instance(api, "drop").poll()["on_sale_at"] == opens_at + 3600
    time.advance(1)
    assert (instance.poll()["n"], store.load_room_and_arrivals("drop")[0].n) == (None, None)
    time.advance(3600)
    assert instance.poll()["n"] == 0


@pytest.mark.not_on_moto
def test_the_size_of_a_wave_is_decided_once(api, time):
    """The figures change between any two polls: from enough for everybody to nothing at all."""
    event_id, tier_id = create_sale(api, time, capacity=60, follow_stock=True, wave_seconds=10)
    join_many(api, event_id, 6)
    time.advance(SECONDS_TO_OPENING)
    instances = [Instance(api, event_id) for _ in range(4)]
    opens, changed_at = time.now, []
    before = instances[0].poll()["segments"]
    for second in range(50):
        for number, instance in enumerate(instances):
            is_sold_out = (number + second // 10) % 2
            held = hold_tickets(HoldRequest(tier_id, 1, 60, f"all-{second}-{number}", time.now + 100_000, time.now)) if is_sold_out else []
            plan = instance.poll()["segments"]
            if plan != before:
                changed_at.append(time.now - opens)
            before = plan
            inventory.release_holds(held)
        time.advance(1)
    decided_at = [second // 10 for second in changed_at if second % 10 >= 5]
    started_at = [second // 10 for second in changed_at if second % 10 < 5]
    assert len(decided_at) >= 2
    for waves in (decided_at, started_at):
        assert waves == sorted(set(waves)), changed_at


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_the_waves_follow_the_stock_for_as_long_as_the_sale_lasts(api, time):
    """One wave a second, and other figures for each: the plan stays short, and the last figures still count."""
    event_id, tier_id = create_sale(api, time, capacity=60, follow_stock=True, wave_seconds=1, wave_size=20, longer_pass_seconds=60)
    join(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING)
    instance, sizes = Instance(api, event_id), set()
    for second in range(130):
        held = hold_tickets(HoldRequest(tier_id, 1, 1 + 7 * second % 60, f"some-{second}", time.now + 100_000, time.now))
        plan = instance.poll()["segments"]
        assert len(plan) <= 24
        if second >= 70:  # the plan was full for longer than a pass lasts
            sizes.add(plan[-1]["wave_size"])
        inventory.release_holds(held)
        time.advance(1)
    assert len(sizes) > 3


@pytest.mark.usefixtures("threaded_store")
def test_one_instance_writes_the_opening_and_the_others_read_it(api, time):
    """In any order of their store calls. An instance that finds another one at work shows the room as it was for a second."""
    counters, instance_count = 6, 12

    def scenario(play):
        event_id, _ = create_sale(api, time, f"Drop {play.seed}")
        join_many(api, event_id, 5)
        instances = start_instances(api, time, event_id, instance_count, every=0)
        time.advance(SECONDS_TO_OPENING)
        with record_calls() as calls:
            run = play({f"i{number}": instance.poll for number, instance in enumerate(instances)})
        writes = calls.of("UpdateItem", "waiting-room")
        assert len([entry for entry in writes if entry.outcome == "done"]) == counters + 2  # the lease, the counters, the draw
        assert len(writes) <= counters + 1 + instance_count
        assert {state["n"] for state in run.results.values()} <= {None, 5}
        time.advance(1)
        assert {instance.poll()["n"] for instance in instances} == {5}

    with settings.override(waiting_room_counters=counters, draw_closing_seconds=0):
        run_seeds(6, scenario)


@pytest.mark.usefixtures("threaded_store")
def test_instances_publish_one_complete_list_even_if_some_crash(api, time):
    def scenario(play):
        event_id, _ = create_sale(api, time, f"Drop {play.seed}")
        tokens = join_many(api, event_id, 9)
        instances = start_instances(api, time, event_id, 4, every=0)
        time.advance(SECONDS_TO_OPENING - settings.current().draw_closing_seconds)
        play({f"i{number}": instance.poll for number, instance in enumerate(instances)}, crashes=play.seed % 3)
        time.advance(entry_list.LEASE_SECONDS)
        state = Instance(api, event_id).poll()
        assert (state["n"], state["key"]) == (9, None)
        assert {instance.poll()["root"] for instance in instances} == {state["root"]}
        for token in tokens.values():
            digest = entries.entrant_digest(state["commitment"], read_token(token).user)
            entry, proof = entry_list.find_proof(store.find_room(event_id), digest, time.now)
            assert entries.is_proven(entry, proof, state["n"], state["offsets"], state["root"])

    run_seeds(9, scenario)


@pytest.mark.usefixtures("threaded_store")
def test_a_join_during_a_crashed_opening_is_drawn_or_late(api, time):
    def scenario(play):
        event_id, _ = create_sale(api, time, f"Drop {play.seed}")
        tokens = join_many(api, event_id, 4)
        instances = start_instances(api, time, event_id, 3, every=0)
        joining = Instance(api, event_id)
        time.advance(SECONDS_TO_OPENING)
        actors = {f"i{number}": instance.poll for number, instance in enumerate(instances)}

        def join_as_ada():
            with joining.active():
                return join(api, event_id, "ada")

        run = play({**actors, "ada": join_as_ada}, crashes=play.seed % 2)
        tokens["ada"] = run.results.get("ada") or join_as_ada()
        time.advance(entry_list.SETTLING_SECONDS)  # so that all leases have ended, and a number without an entry does not delay the draw
        positions = [get_status(api, event_id, token)["position"] for token in tokens.values()]
        assert None not in positions
        assert len(set(positions)) == len(positions)
        assert instances[0].poll()["n"] is not None
        invariants.check(time.now)

    with settings.override(waiting_room_counters=3):
        run_seeds(30, scenario)


def on_an_instance(api, event_id, send):
    """Return a function that sends a request to an instance of its own."""

    def run():
        with Instance(api, event_id).active():
            return send()

    return run


def check_groups(event_id):
    """Each member has the number of the group, the group knows exactly its members, and the list has everybody with their number."""
    rows = [row for row in store.WaitingRoomRow.scan() if row.arrival is not None and row.arrival.event_id == event_id]
    places = {row.arrival.user: row.arrival for row in rows if row.id.startswith("entry#")}
    found = {row.arrival.user: row for row in rows if row.id.startswith("group#")}
    for group, row in found.items():
        members = {user: place for user, place in places.items() if place.group == group}
        assert set(row.members or ()) == members.keys()
        assert len(members) <= 6
        assert {place.pass_id for place in members.values()} <= {row.arrival.pass_id}
    assert {place.group for place in places.values()} - {None} <= found.keys()
    assert {row.arrival.user: row.entry.split("#", 1)[1] for row in rows if row.lane is not None} == {
        user: f"{place.counter}#{place.number}" for user, place in places.items()
    }


@pytest.mark.usefixtures("threaded_store")
def test_groups_stay_whole_if_people_come_and_go_at_once_or_crash(api, time):
    """Two people want the last place in a group while a member leaves. One of them also joins alone, and another group."""

    def scenario(play):
        event_id, _ = create_sale(api, time, f"Drop {play.seed}", entry="verified_address", groups=True)
        tokens, invitation = groups.form_group(api, event_id, *(f"u{number}" for number in range(5)))
        _, elsewhere = groups.form_group(api, event_id, "v0")
        alone = groups.join(api, event_id, "eve")
        requests = {
            "bob": lambda: groups.try_join(api, event_id, "bob", invitation),
            "bob-elsewhere": lambda: groups.try_join(api, event_id, "bob", elsewhere),
            "bob-alone": lambda: groups.try_join(api, event_id, "bob"),
            "eve": lambda: groups.try_join(api, event_id, "eve", invitation),
            "eve-forms": lambda: groups.show_group(api, event_id, "eve", alone),
            "u1": lambda: groups.leave(api, event_id, "u1", tokens["u1"]),
        }

        play({name: on_an_instance(api, event_id, send) for name, send in requests.items()}, crashes=play.seed % 3)
        check_groups(event_id)
        for send in requests.values():  # clients whose requests crashed repeat them
            assert send().status in (200, 404, 409)
        check_groups(event_id)
        current = {user: groups.join(api, event_id, user) for user in ("bob", "eve", "u0", "v0")}
        time.advance(SECONDS_TO_OPENING + entry_list.SETTLING_SECONDS)
        for _ in range(2):
            time.advance(entry_list.SETTLING_SECONDS)  # numbers of crashed joins have no entry
            positions = {user: get_status(api, event_id, token)["position"] for user, token in current.items()}
        assert None not in positions.values()
        by_owner = {read_token(token).owner: positions[user] for user, token in current.items()}
        assert len(set(by_owner.values())) == len(by_owner)
        invariants.check(time.now)

    run_seeds(30, scenario)


@pytest.mark.usefixtures("threaded_store")
def test_a_group_that_is_formed_while_the_draw_closes_is_in_the_list_or_unchanged(api, time):
    """Groups end a minute before the closing. A request that began before has ended by then, so the list has each member."""

    def scenario(play):
        event_id, _ = create_sale(api, time, f"Drop {play.seed}", entry="verified_address", groups=True)
        own = {user: groups.join(api, event_id, user) for user in ("ada", "bob", "eve")}
        instances = start_instances(api, time, event_id, 2, every=0)
        time.advance(groups.seconds_to_the_end() - play.seed % 2)
        requests = {user: partial(groups.show_group, api, event_id, user, token) for user, token in own.items()}
        play({user: on_an_instance(api, event_id, send) for user, send in requests.items()}, crashes=play.seed % 3)
        check_groups(event_id)
        time.advance(store.GROUP_CLOSING_SECONDS + 1)
        play({f"i{number}": instance.poll for number, instance in enumerate(instances)})
        time.advance(entry_list.LEASE_SECONDS)
        state = Instance(api, event_id).poll()
        room = store.find_room(event_id)
        for user in own:
            token = groups.join(api, event_id, user)
            digest = entries.entrant_digest(state["commitment"], read_token(token).user)
            entry, proof = entry_list.find_proof(room, digest, time.now)
            assert entries.is_proven(entry, proof, state["n"], state["offsets"], state["root"])
        assert state["n"] == 3

    run_seeds(12, scenario)


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_the_state_stays_small_whatever_admins_do(api, time):
    """No pass expires here, so nothing that admitted anybody can be merged."""
    event_id, _ = create_sale(api, time, pass_seconds=86_400, wave_seconds=2, follow_stock=True)
    tokens = join_many(api, event_id, 6)
    time.advance(SECONDS_TO_OPENING)
    rng, paused, refusals = random.Random(8), False, 0
    path = f"/admin/events/{event_id}"
    for _ in range(90):
        kind = rng.randrange(3)
        if kind == 0:
            paused = not paused
            assert api.post(f"{path}/{'pause' if paused else 'resume'}", token=builders.admin_token()).status == 200
        else:
            size = rng.randint(1, 1_000_000)
            name, body = ("let-in", {"count": size}) if kind == 1 else ("rate", {"wave_size": size, "wave_seconds": rng.randint(1, 90)})
            reply = api.post(f"{path}/waiting-room/{name}", json=body, token=builders.admin_token())
            refusals += reply.status == 409
            assert reply.status == 200 or reply.json["error"] == "too_many_changes"
        time.advance(rng.choice([0, 1, 3, 60]))
        document = api.get(f"/events/{event_id}/waiting-room/state")
        assert len(document.json["segments"]) <= 48
        assert len(document.body) <= 6_000
    assert refusals > 5
    assert all(a["since"] <= b["since"] for a, b in pairwise(document.json["segments"]))
    if paused:
        assert api.post(f"{path}/resume", token=builders.admin_token()).status == 200
    time.advance(86_401)  # all passes have expired, so there is place again
    assert api.post(f"{path}/waiting-room/let-in", json={"count": 1}, token=builders.admin_token()).status == 200
    assert api.post(f"{path}/pause", token=builders.admin_token()).status == 200
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert len(state["segments"]) <= 4
    assert state["segments"][-1]["paused"]
    assert get_status(api, event_id, tokens["u0"])["pass_expired"]
