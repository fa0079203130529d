"""The list of entries closes before the opening, is published before the key, and decides who has which number."""

import json

import pytest
from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.waiting_room import draw, entries, entry_list, store, tokens, verify
from chalicelib.waiting_room.entries import Entry, EntryProof
from tests import invariants
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import separate_memories
from tests.waiting_room.instances import start_instances
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position

CLOSING_SECONDS = 90


@pytest.fixture(autouse=True)
def closing():
    """The draw closes before the opening, as in production."""
    with settings.override(draw_closing_seconds=CLOSING_SECONDS):
        yield


@pytest.fixture
def sale(api, time):
    """A sale that admits 100 buyers at its opening; (event id, tier id)."""
    return create_sale(api, time, wave_size=100)


def get_state(api, event_id):
    return api.get(f"/events/{event_id}/waiting-room/state").json


def get_proof(api, event_id):
    return api.get(f"/events/{event_id}/waiting-room/proof").json


def digest_of(state, token):
    return entries.entrant_digest(state["commitment"], tokens.read_token(token).user).hex()


def get_entry(api, event_id, token):
    reply = api.get(f"/events/{event_id}/waiting-room/entries/{digest_of(get_state(api, event_id), token)}")
    assert reply.status == 200, reply.json
    return reply.json


def is_proven(state, document):
    entry = Entry(bytes.fromhex(document["digest"]), document["counter"], document["number"])
    proof = EntryProof(document["index"], document["page_size"], [bytes.fromhex(sibling) for sibling in document["path"]])
    return entries.is_proven(entry, proof, state["n"], state["offsets"], state["root"])


def test_the_list_is_published_before_the_key(api, time, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 7)
    before = get_state(api, event_id)
    assert before["closes_at"] == before["on_sale_at"] - CLOSING_SECONDS
    assert (before["n"], before["root"], before["key"]) == (None, None, None)
    time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS)
    closed = get_state(api, event_id)
    assert (closed["n"], closed["offsets"], closed["key"]) == (7, [0], None)
    assert all(is_proven(closed, get_entry(api, event_id, token)) for token in joined.values())
    assert get_status(api, event_id, joined["u0"])["position"] is None
    time.advance(CLOSING_SECONDS)
    opened = get_state(api, event_id)
    assert opened["key"] is not None
    assert (opened["n"], opened["root"]) == (7, closed["root"])
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)
    invariants.check(time.now)


def test_who_joins_after_the_closing_comes_after_the_draw(api, time, sale):
    event_id, tier_id = sale
    early = join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS + 1)
    late = join(api, event_id, "late")
    assert get_status(api, event_id, late)["position"] is None
    time.advance(1)
    assert get_status(api, event_id, late)["total"] == 4
    time.advance(CLOSING_SECONDS)
    assert users_by_position(api, event_id, {**early, "late": late})[3] == "late"
    assert reserve(api, event_id, tier_id, "late", late).status == 201


def test_a_sale_that_opens_soon_closes_its_draw_at_the_opening(api, time):
    with settings.override(draw_closing_seconds=SECONDS_TO_OPENING - 59):
        event_id, tier_id = create_sale(api, time)
        token = join(api, event_id, "ada")
    state = get_state(api, event_id)
    assert (state["closes_at"], get_proof(api, event_id)["entries"]) == (None, None)
    time.advance(SECONDS_TO_OPENING)
    assert get_state(api, event_id)["root"] is None
    assert api.get(f"/events/{event_id}/waiting-room/entries").json["error"] == "entry_unknown"
    assert reserve(api, event_id, tier_id, "ada", token).status == 201


def test_numbers_of_crashed_joins_delay_the_list_but_not_the_opening(api, time, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 4)
    store.take_arrival_number(store.find_room(event_id), 0)  # and then the instance crashed
    time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS)
    for seconds in (0, entry_list.SETTLING_SECONDS - 1):
        time.advance(seconds)
        assert get_state(api, event_id)["root"] is None
    assert api.get(f"/events/{event_id}/waiting-room/entries/{'0' * 64}").json["error"] == "entry_unknown"
    time.advance(1)
    state = get_state(api, event_id)
    assert state["n"] == 5
    assert all(is_proven(state, get_entry(api, event_id, token)) for token in joined.values())


def test_an_entry_that_the_index_shows_late_is_in_the_list(api, time, sale, monkeypatch):
    event_id, _ = sale
    joined = join_many(api, event_id, 6)
    listed = store.list_entries
    with monkeypatch.context() as late:
        late.setattr(store, "list_entries", lambda *lane: list(listed(*lane))[1:])
        time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS)
        assert get_state(api, event_id)["root"] is None
    time.advance(10)
    state = get_state(api, event_id)
    assert all(is_proven(state, get_entry(api, event_id, token)) for token in joined.values())


def test_an_opening_without_a_list_waits_for_it(api, time, sale):
    """Nobody loaded the room between the closing and the opening."""
    event_id, _ = sale
    joined = join_many(api, event_id, 3)
    store.take_arrival_number(store.find_room(event_id), 0)
    time.advance(SECONDS_TO_OPENING)
    state = get_state(api, event_id)
    assert (state["key"], state["n"]) == (None, 4)
    time.advance(entry_list.SETTLING_SECONDS)
    assert get_state(api, event_id)["key"] is not None
    assert sorted(users_by_position(api, event_id, joined)) == sorted(joined)


# An operator who knows the key cannot give a good number to a friend.


def forge(token, **changes):
    """A token that the operator signs, with changes."""
    return tokens.sign_arrival(replace(tokens.read_token(token), **changes))


@pytest.fixture
def opened(api, time, sale):
    """The sale, whose operator took three numbers for later; (event id, tier id, tokens of the users)."""
    event_id, tier_id = sale
    joined = join_many(api, event_id, 5)
    for _ in range(3):
        store.take_arrival_number(store.find_room(event_id), 0)
    time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS)
    get_state(api, event_id)
    time.advance(entry_list.SETTLING_SECONDS)
    get_state(api, event_id)
    time.advance(CLOSING_SECONDS)
    assert get_state(api, event_id)["key"] is not None
    return event_id, tier_id, joined


def check_with_verify(api, event_id, tmp_path, capsys, *lines, **changes):
    """Run the command on the published documents and these lines of tokens; (exit code, printed text)."""
    proof = get_proof(api, event_id) | changes
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    for number in range(proof["entries"]["pages"]):
        page = api.get(f"/events/{event_id}/waiting-room/entries", query={"page": str(number)})
        assert page.status == 200, page.json
        (tmp_path / str(number)).write_text(json.dumps(page.json))
    (tmp_path / "tokens").write_text("\n".join(lines))
    code = verify.main([str(tmp_path / "proof.json"), str(tmp_path / "tokens"), "--entries", str(tmp_path)])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


@pytest.mark.parametrize(
    "changes",
    [{"number": 6}, {"number": 8}, {"number": 1}, {"user": "0123456789abcdef"}],
    ids=["extra number", "last extra number", "number of another person", "another person"],
)
def test_a_number_admits_only_its_entrant(api, opened, tmp_path, capsys, changes):
    event_id, tier_id, joined = opened
    friend = forge(joined["u4"], **changes)
    code, text = check_with_verify(api, event_id, tmp_path, capsys, friend)
    assert (code, "does not have this token's entrant with this number" in text) == (1, True), text
    if "user" not in changes:  # such a token is refused without the list
        reply = reserve(api, event_id, tier_id, "u4", friend)
        assert (reply.status, reply.json["error"]) == (404, "entry_unknown")


def test_an_open_room_has_no_groups_for_a_friend_of_the_operator(api, opened, tmp_path, capsys):
    """The friend's token names a listed person as the group of the friend, who would then share that person's good number."""
    event_id, tier_id, joined = opened
    listed = tokens.read_token(joined["u2"])
    friend = forge(joined["u2"], user=tokens.user_key("friend"), group=listed.user)
    reply = reserve(api, event_id, tier_id, "friend", friend)
    assert (reply.status, reply.json["error"]) == (404, "entry_unknown")
    code, text = check_with_verify(api, event_id, tmp_path, capsys, friend)
    assert (code, "names a group, and this room has none" in text) == (verify.EXIT_FAULTS, True), text


def test_in_an_open_room_nobody_holds_the_place_of_another_user(api, opened, tmp_path, capsys):
    """Only the places of addresses and cards have holders. The friend would use the number of a listed person."""
    event_id, tier_id, joined = opened
    friend = forge(joined["u2"], holder=tokens.user_key("friend"))
    reply = reserve(api, event_id, tier_id, "friend", friend)
    assert (reply.status, reply.json["error"]) == (404, "entry_unknown")
    code, text = check_with_verify(api, event_id, tmp_path, capsys, friend)
    assert (code, "names a holder, and in this room places belong to users" in text) == (verify.EXIT_FAULTS, True), text
    assert reserve(api, event_id, tier_id, "u2", joined["u2"]).status == 201


def test_two_late_arrivals_do_not_share_a_number_as_a_group(api, opened, tmp_path, capsys):
    event_id, tier_id, _ = opened
    late = join(api, event_id, "late")
    friends = [forge(late, user=tokens.user_key(user), group="0" * 32) for user in ("friend", "another-friend")]
    assert reserve(api, event_id, tier_id, "friend", friends[0]).json["error"] == "entry_unknown"
    code, text = check_with_verify(api, event_id, tmp_path, capsys, *friends)
    assert (code, "names a group, and late arrivals have none" in text) == (verify.EXIT_FAULTS, True), text


@pytest.mark.parametrize("user", ["friend", "guest-of-the-house"])
def test_an_entry_that_is_written_after_the_closing_is_not_in_the_list(api, opened, user):
    event_id, tier_id, joined = opened
    room = store.find_room(event_id)
    arrival = replace(tokens.read_token(joined["u4"]), user=tokens.user_key(user), number=7)
    store.put_entry(arrival, None, 2_000_000_000, entry_list.entry_of(room, arrival))
    token = join(api, event_id, user)
    assert reserve(api, event_id, tier_id, user, token).json["error"] == "entry_unknown"
    assert tokens.read_token(join(api, event_id, user)).is_late  # as the message says: a new place


def test_the_command_accepts_an_honest_list_and_finds_a_changed_one(api, opened, tmp_path, capsys):
    event_id, _, joined = opened
    code, text = check_with_verify(api, event_id, tmp_path, capsys, *joined.values())
    assert (code, "5 of 8 numbers belong to entrants" in text) == (verify.EXIT_INCOMPLETE, True), text
    code, text = check_with_verify(api, event_id, tmp_path, capsys, n=7)
    assert (code, "not the published root" in text) == (1, True), text
    other = get_proof(api, event_id)["entries"] | {"root": "0" * 64}
    code, text = check_with_verify(api, event_id, tmp_path, capsys, entries=other)
    assert (code, "not the published root" in text) == (1, True), text


def test_the_exit_code_says_whether_all_checks_were_made(api, opened, tmp_path, capsys):
    """An extra number that the operator signed for a friend shows only in the list, so 0 would say too much without it."""
    event_id, _, joined = opened
    check_with_verify(api, event_id, tmp_path, capsys)  # which stores the documents
    proof = get_proof(api, event_id)
    options = {"--commitment": proof["commitment"], "--root": proof["entries"]["root"], "--entries": str(tmp_path)}

    def run(token, *left_out):
        given = [part for name, value in options.items() if name not in left_out for part in (name, value)]
        return verify.main([str(tmp_path / "proof.json"), "--token", token, *given])

    extra = forge(joined["u4"], number=6)
    assert (run(joined["u1"]), run(extra)) == (verify.EXIT_OK, verify.EXIT_FAULTS)
    for name in options:
        assert run(joined["u1"], name) == verify.EXIT_INCOMPLETE, name
    assert run(extra, "--entries") == verify.EXIT_INCOMPLETE


def test_the_command_ends_although_a_list_has_no_last_page(api, opened, tmp_path, capsys):
    (tmp_path / "proof").write_text(json.dumps(get_proof(api, opened[0]) | {"entries": {"root": "0" * 64, "pages": 10**12}}))
    assert verify.main([str(tmp_path / "proof"), "--entries", str(tmp_path)]) == 2
    assert "announces 1000000000000 pages of entries, and this program reads at most 16 for n = 8" in capsys.readouterr().err


def test_a_page_that_a_cache_kept_from_a_cleared_room_is_no_fault(api, opened, tmp_path, capsys):
    """A cache may keep pages for an hour. The key and the root of the new room say nothing about them."""
    code, text = check_with_verify(api, opened[0], tmp_path, capsys, room=2)
    assert (code, "belongs to room 1; a cache may show it" in text) == (2, True), text


DIGESTS = [bytes([first]) + bytes(31) for first in (0x01, 0x02)]
FRIEND, OTHER = Entry(DIGESTS[0], 0, 1), Entry(DIGESTS[1], 0, 2)
SEVEN = [Entry(bytes([0, number]) + bytes(30), 0, 1) for number in range(7)]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        # The friend chooses the better number after the draw.
        ({0: [FRIEND, OTHER, Entry(DIGESTS[0], 0, 3)]}, "not in the place"),
        ({0: [FRIEND, OTHER], 7: [Entry(DIGESTS[0], 0, 3)]}, "not in the place"),
        ({0: [FRIEND, Entry(DIGESTS[0], 0, 3), OTHER]}, "page 0, entry 2: this entrant has more than one number"),
        ({0: [FRIEND, Entry(DIGESTS[1], 0, 1)]}, "page 0, entry 2: has the same number as page 0, entry 1"),
        ({0: [FRIEND, Entry(DIGESTS[1], 0, 4)]}, "number 4 of counter 0 was never given out before the closing"),
        ({0: [FRIEND, Entry(DIGESTS[1], 1, 2)]}, "number 2 of counter 1 was never given out before the closing"),
    ],
)
def test_the_command_finds_what_a_dishonest_list_says(tmp_path, capsys, rows, fault):
    """The root fits each of these lists, because the operator publishes both."""
    assert check_dishonest_list(tmp_path, rows) == 1
    assert fault in capsys.readouterr().out


def test_the_members_of_a_group_share_a_number_if_the_root_says_so(tmp_path, capsys):
    assert check_dishonest_list(tmp_path, {0: SEVEN[:6]}, "+groups", has_groups=True) == verify.EXIT_INCOMPLETE
    assert "1 of the numbers belong to groups, which have 6 members" in capsys.readouterr().out
    assert check_dishonest_list(tmp_path, {0: SEVEN}, "+groups", has_groups=True) == verify.EXIT_FAULTS
    assert "page 0, entry 7: has the same number as page 0, entry 1, page 0, entry 2" in capsys.readouterr().out
    for suffix, has_groups in (("+groups", False), ("", True)):  # the operator says later that there were groups, or none
        assert check_dishonest_list(tmp_path, {0: [FRIEND, OTHER]}, suffix, has_groups=has_groups) == verify.EXIT_FAULTS
        assert "not the published root" in capsys.readouterr().out


def check_dishonest_list(tmp_path, rows, suffix="", *, has_groups=False):
    """Run the command on a list with these entries by page; its exit code."""
    roots = [entries.page_root(b"".join(row.encode() for row in rows.get(page, []))) for page in range(16)]
    key = bytes(32)
    proof = {
        "algorithm": draw.ALGORITHM + suffix,
        "event_id": "drop",
        "room": 1,
        "commitment": draw.commitment(key),
        "key": key.hex(),
        "n": 3,
        "offsets": [0],
        "entries": {"root": entries.list_root(3, [0], entries.join_roots(roots), has_groups=has_groups), "pages": 16},
    }
    (tmp_path / "proof").write_text(json.dumps(proof))
    for page in range(16):
        listed = [{"digest": row.digest.hex(), "counter": row.counter, "number": row.number} for row in rows.get(page, [])]
        (tmp_path / str(page)).write_text(json.dumps({"page": page, "entries": listed}))
    return verify.main([str(tmp_path / "proof"), "--entries", str(tmp_path)])


def test_the_command_checks_single_entries_and_the_noted_root(api, opened, tmp_path, capsys):
    event_id, _, joined = opened
    (tmp_path / "proof").write_text(json.dumps(get_proof(api, event_id)))
    entry = get_entry(api, event_id, joined["u1"])
    (tmp_path / "own").write_text(json.dumps(entry))
    (tmp_path / "other").write_text(json.dumps(entry | {"number": 4}))
    root = get_state(api, event_id)["root"]
    checked = verify.main([str(tmp_path / "proof"), "--entry", str(tmp_path / "own"), "--root", root])
    assert checked == verify.EXIT_INCOMPLETE  # the entry is in the list, but others may be wrong
    assert "1 proofs of single entries" in capsys.readouterr().out
    assert verify.main([str(tmp_path / "proof"), "--entry", str(tmp_path / "other")]) == 1
    assert "does not have this entry" in capsys.readouterr().out
    assert verify.main([str(tmp_path / "proof"), "--root", "0" * 64]) == 1
    assert "not the one that you noted" in capsys.readouterr().out


# Requests


def test_a_reservation_with_its_proof_does_not_read_the_list(api, opened):
    event_id, tier_id, joined = opened
    document = get_entry(api, event_id, joined["u0"])
    proof = {name: document[name] for name in ("index", "page_size", "path")}
    for user, sent, reads in (("u0", proof, []), ("u1", None, ["GetItem"])):
        body = {"tier_id": tier_id, "quantity": 1, "token": joined[user], "entry_proof": sent}
        with faults.record_calls() as calls:
            assert api.post(f"/events/{event_id}/reservations", json=body, user=user).status == 201
        assert calls == [*reads, "UpdateItem", "TransactWriteItems"]


def test_a_package_is_bought_with_the_proof_too(api, opened):
    event_id, tier_id, joined = opened
    document = get_entry(api, event_id, joined["u0"])
    proof = {name: document[name] for name in ("index", "page_size", "path")}
    reads = {}
    for user, sent in (("u0", proof), ("u1", proof), ("u2", None)):  # the proof of another person is worth nothing
        body = {"package_id": tier_id, "quantity": 1, "token": joined[user], "entry_proof": sent}
        with record_calls() as calls:
            reply = api.post(f"/events/{event_id}/tickets/purchase", json=body, user=user, headers={"Idempotency-Key": user})
        assert reply.status == 201, reply.json
        reads[user] = len(calls.of(table="waiting-room"))
    assert reads == {"u0": 0, "u1": 1, "u2": 1}


@pytest.mark.parametrize("path", [["zz" * 32], ["00" * 31], ["00" * 32] * 65])
def test_a_malformed_proof_is_refused_and_its_field_named(api, opened, path):
    event_id, tier_id, joined = opened
    body = {"tier_id": tier_id, "quantity": 1, "token": joined["u0"], "entry_proof": {"index": 0, "page_size": 1, "path": path}}
    reply = api.post(f"/events/{event_id}/reservations", json=body, user="u0")
    assert (reply.status, reply.json["path"].startswith("$.entry_proof.path")) == (400, True), reply.json


def test_the_list_has_pages_and_unknown_ones_are_refused(api, opened):
    event_id, _, joined = opened
    page = api.get(f"/events/{event_id}/waiting-room/entries", query={"page": "16"})
    assert (page.status, page.json["pages"]) == (404, 16)
    assert api.get(f"/events/{event_id}/waiting-room/entries", query={"page": "-1"}).status == 400
    assert api.get(f"/events/{event_id}/waiting-room/entries/xyz").status == 404
    proof = f"/events/{event_id}/waiting-room/entries/{digest_of(get_state(api, event_id), joined['u0'])}"
    for path in (f"/events/{event_id}/waiting-room/entries", proof):
        assert api.get(path).headers["Cache-Control"] == "public, max-age=3600"


# Instances


def test_many_instances_publish_one_list(api, time, sale):
    event_id, _ = sale
    joined = join_many(api, event_id, 20)
    with separate_memories():
        instances = start_instances(api, time, event_id, 6)
        time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS)
        roots = {instance.poll()["root"] for instance in instances}
    assert len(roots - {None}) == 1
    state = get_state(api, event_id)
    assert all(is_proven(state, get_entry(api, event_id, token)) for token in joined.values())


def test_an_instance_that_has_not_seen_the_list_does_not_say_that_an_entry_is_missing(api, time, sale, monkeypatch):
    """Browsers ask for their entry once any instance shows the root. Another instance may not have loaded the room since then."""
    event_id, _ = sale
    token = join(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING - CLOSING_SECONDS - 2)
    with separate_memories():
        builder, behind = start_instances(api, time, event_id, 2)
        with monkeypatch.context() as building:
            building.setattr(store, "take_lane", lambda *_: False)  # the other instance builds the list
            assert behind.poll()["root"] is None
        state = builder.poll()
        assert state["root"] is not None
        with behind.active():
            reply = api.get(f"/events/{event_id}/waiting-room/entries/{digest_of(state, token)}")
    assert (reply.status, reply.json["error"], reply.json["reason"]) == (404, "entry_unknown", "unpublished")


def test_a_page_that_a_read_misses_is_read_again(api, opened, monkeypatch):
    """A read of a page may be older than the page, which was written a moment ago. The entrant must not lose the number because of that."""
    event_id, tier_id, joined = opened
    find = store.WaitingRoomRow.find.__func__

    def find_old(cls, *key, consistent_read=True):
        return None if key[0].startswith("page#") and not consistent_read else find(cls, *key, consistent_read=consistent_read)

    monkeypatch.setattr(store.WaitingRoomRow, "find", classmethod(find_old))
    state = get_state(api, event_id)
    assert all(is_proven(state, get_entry(api, event_id, token)) for token in joined.values())
    assert reserve(api, event_id, tier_id, "u0", joined["u0"]).status == 201


def test_a_slow_instance_does_not_replace_the_build_of_another(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    room = store.find_room(event_id)
    assert store.take_lane(room, 0, 1_000, 1_015)
    assert not store.take_lane(room, 0, 1_014, 1_029)
    assert store.take_lane(room, 0, 1_015, 1_030)
    lane = store.Lane(0, "slow", 0, 1_020)
    assert not store.save_lane(room, lane, {}, bytes(32), 1_015, 2_000_000_000)
    assert store.save_lane(room, replace(lane, build="quick"), {}, bytes(32), 1_030, 2_000_000_000)
    assert store.load_lanes(room)[0][0].build == "quick"
