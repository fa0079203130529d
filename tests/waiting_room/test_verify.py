"""The command that checks a draw from outside accepts an honest draw and finds the faults of any other."""

import gzip
import http.server
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from threading import Thread

import pytest

from chalicelib.foundation import clock
from chalicelib.waiting_room import draw, verify
from chalicelib.waiting_room.draw import ALGORITHM
from chalicelib.waiting_room.model import LATE
from tests.waiting_room import sale
from tests.waiting_room.random_rooms import unsigned_token
from tests.waiting_room.test_draw import REAL_ROUNDS

ROOT = Path(__file__).parents[2]
KEY = sha256(b"a key of the tests").digest()
COUNTS = [40, 0, 25, 1]
OFFSETS = [0, 40, 40, 65]  # per counter, the arrivals of the counters before it
N = 66


def proof(**changes):
    """The proof document of an honest draw, with changes."""
    document = {"event_id": "drop", "room": 1, "algorithm": ALGORITHM, "commitment": draw.commitment(KEY), "opened": True}
    return document | {"key": KEY.hex(), "n": N, "offsets": OFFSETS, "total": N + 3} | changes


def all_claims(key=KEY):
    """(token, position) of all arrivals, late ones too."""
    arrivals = [(counter, number) for counter, count in enumerate(COUNTS) for number in range(1, count + 1)]
    arrivals += [(LATE, number) for number in range(1, 4)]
    return [(unsigned_token(*arrival), draw.position(key, N, tuple(OFFSETS), *arrival)) for arrival in arrivals]


@pytest.fixture
def run(tmp_path, capsys):
    """A function that runs the command on a proof and lines of tokens; it returns (exit code, printed text)."""

    def run(document, lines=(), *options):
        (tmp_path / "proof.json").write_text(document if isinstance(document, str) else json.dumps(document))
        (tmp_path / "tokens").write_text("\n".join(lines))
        code = verify.main([str(tmp_path / "proof.json"), str(tmp_path / "tokens"), *options])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def lines(claims):
    return [f"{token} {position}" for token, position in claims]


def test_members_of_one_group_share_a_position_and_others_do_not(run):
    member, other, alone = (unsigned_token(0, 1, group=group) for group in ("a" * 32, "b" * 32, None))
    listed = proof(algorithm=f"{ALGORITHM}+groups", entry="verified_address", entries={"root": "0" * 64, "pages": 16})
    assert run(listed, [member, member])[0] == verify.EXIT_INCOMPLETE
    for tokens in ([member, other], [member, alone], [alone, member], [alone, alone]):
        code, text = run(listed, tokens)
        assert (code, "has the same position" in text) == (1, True)


def test_a_list_of_an_earlier_version_does_not_show_who_is_in_a_group(run):
    member, root = unsigned_token(0, 1, group="a" * 32), "0" * 64
    earlier = proof(entry="verified_address", entries={"root": root, "pages": 16})
    code, text = run(earlier, [member, member])
    assert (code, "whether 2 tokens are of members who joined a group before the draw" in text) == (verify.EXIT_INCOMPLETE, True)


@pytest.mark.parametrize("fields", [{}, {"entry": "verified_address"}, {"entry": "open", "entries": {"root": "0" * 64, "pages": 16}}])
def test_a_room_that_cannot_have_groups_has_no_members(run, fields):
    code, text = run(proof(**fields), [unsigned_token(0, 1, group="a" * 32)])
    assert (code, "the token names a group, and this room has none" in text) == (verify.EXIT_FAULTS, True)


def test_an_honest_draw_is_accepted(run):
    code, text = run(proof(), lines(all_claims()), "--commitment", draw.commitment(KEY))
    assert code == 0, text
    assert "66 drawn and 3 late positions computed, 69 compared" in text
    assert "every position from 1 to 66 belongs to exactly one of these tokens" in text
    assert run(proof(), [token for token, _ in all_claims()])[0] == 0
    assert run(proof(), ["", all_claims()[0][0], " "])[0] == 0
    assert run(proof(), [], "--token", all_claims()[0][0], "--token", "{} {}".format(*all_claims()[1]))[0] == 0
    assert run(proof(n=0, offsets=[0], total=0))[0] == 0


def test_the_result_names_what_was_not_checked(run):
    code, text = run(proof(), [])
    assert (code, text.count("NOT CHECKED")) == (0, 2)
    assert "compare the commitment with one that was noted then (--commitment)" in text
    assert "places in line, because there were no tokens" in text
    assert text.rstrip().endswith("all checks passed, but some were not made")
    code, text = run(proof(), lines(all_claims()), "--commitment", draw.commitment(KEY))
    assert (code, text.count("NOT CHECKED"), "whether the shop issued these tokens" in text) == (0, 1, True)


def test_the_result_can_be_json(run):
    code, text = run(proof(), lines(all_claims())[:2], "--commitment", draw.commitment(KEY), "--json")
    report = json.loads(text)
    assert (code, report["exit_code"], report["faults"]) == (0, 0, [])
    assert report["not_checked"] == ["whether the shop issued these tokens, which only the shop knows"]
    assert report["lines"][-1] == "all checks passed, but some were not made"
    wrong = unsigned_token(0, 1), draw.position(KEY, N, tuple(OFFSETS), 0, 1) + 1
    code, text = run(proof(), lines([wrong]), "--json")
    report = json.loads(text)
    assert (code, report["exit_code"], len(report["faults"])) == (1, 1, 1)
    assert report["faults"][0].startswith("line 1: ")


def test_the_position_of_each_token_is_shown(run):
    claims = all_claims()
    _, text = run(proof(), [claims[4][0], claims[9][0]])
    assert f"line 1: position {claims[4][1]}\n" in text
    assert f"line 2: position {claims[9][1]}\n" in text


@pytest.mark.parametrize(("content", "reason"), [("<!doctype html>", "is a web page, not data"), ('{"key": "', "is not complete JSON")])
def test_a_document_of_another_kind_is_refused(tmp_path, capsys, content, reason):
    path = tmp_path / "proof.json"
    path.write_text(content)
    assert verify.main([str(path)]) == verify.EXIT_NOT_CHECKED
    printed = capsys.readouterr()
    assert (reason in printed.err, printed.out) == (True, "")
    assert verify.main([str(path), "--json"]) == verify.EXIT_NOT_CHECKED
    failure = json.loads(capsys.readouterr().out)
    assert (failure["exit_code"], reason in failure["error"]) == (verify.EXIT_NOT_CHECKED, True)


def test_a_list_that_the_shop_leaves_out_is_missed(run):
    """Without this, a draw without its list would look like one from before lists, whose check ends with 0."""
    code, text = run(proof(closes_at="2026-06-01T12:08:30Z", entries=None), lines(all_claims()), "--commitment", draw.commitment(KEY))
    assert (code, "its list of entries is missing" in text) == (1, True), text
    assert run(proof(closes_at=None, entries=None), lines(all_claims()), "--commitment", draw.commitment(KEY))[0] == 0


def test_two_swapped_positions_are_found(run):
    claims = all_claims()
    claims[7], claims[30] = (claims[7][0], claims[30][1]), (claims[30][0], claims[7][1])
    code, text = run(proof(), lines(claims))
    assert code == 1
    assert "line 8: position" in text
    assert "line 31: position" in text
    assert "faults found: 2. Do not rely on this." in text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"key": bytes(32).hex()}, "does not match the commitment"),
        ({"commitment": "0" * 64}, "does not match the commitment"),
        ({"n": N - 20}, "do not add up"),
        ({"n": N + 1}, "the draw says"),
        ({"offsets": [1, 40, 40, 65]}, "do not add up"),
        ({"offsets": [0, 40, 39, 65]}, "do not add up"),
        ({"offsets": []}, "do not add up"),
        ({"offsets": [0, 39, 40, 65]}, "was never given out"),
        ({"room": 2}, "the token belongs to event drop, room 1"),
        ({"event_id": "other"}, "the token belongs to event drop, room 1"),
    ],
)
def test_a_changed_proof_is_found(run, changes, fault):
    code, text = run(proof(**changes), lines(all_claims()))
    assert (code, fault in text) == (1, True), text


def test_a_changed_commitment_is_found_before_and_after_opening(run):
    code, text = run(proof(), [], "--commitment", "ab" * 32)
    assert (code, "not the one that you noted" in text) == (1, True)
    unopened = proof(opened=False, key=None, n=None)
    code, text = run(unopened, [], "--commitment", "ab" * 32)
    assert (code, "not the one that you noted" in text) == (1, True)


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        (unsigned_token(0, 41), "was never given out"),
        (unsigned_token(4, 1), "was never given out"),
        (unsigned_token(0, 0), "was never given out"),
        (unsigned_token(LATE, 0), "was never given out"),
        (unsigned_token(LATE - 1, 1), "the room has no counter -2"),
        (unsigned_token(0, 5), "as line 5"),
        (unsigned_token(LATE, 2), "as line 68"),
        (unsigned_token(0, 5, event_id="other"), "the token belongs to event other"),
        (unsigned_token(0, 5, room=2), "the token belongs to event drop, room 2"),
        ("rubbish", "not a waiting room token"),
        ("!", "not a waiting room token"),
        ("e30.x", "not a waiting room token"),
        ("bnVsbA.x", "not a waiting room token"),
        ("W10.x", "not a waiting room token"),
        ("eyJlIjoxLCJyIjoyLCJzIjowLCJjIjoxfQ.x", "not a waiting room token"),
    ],
)
def test_a_token_that_cannot_belong_to_the_draw_is_found(run, forged, fault):
    code, text = run(proof(), [*lines(all_claims()), forged])
    assert (code, fault in text, "faults found: 1" in text) == (1, True, True), text


def test_many_faults_are_counted_and_the_first_are_shown(run):
    code, text = run(proof(), ["rubbish"] * 50)
    assert (code, text.count("FAULT"), "and 30 more" in text) == (1, verify.MAX_FAULTS_SHOWN, True)


@pytest.mark.parametrize(
    ("document", "token_lines", "reason"),
    [
        (
            proof(opened=False, key=None, n=None),
            [],
            f"has not opened yet; note its commitment and run this again after the opening: {draw.commitment(KEY)}",
        ),
        (proof(algorithm="dice"), [], "'dice'"),
        (proof(n=None), [], "incomplete"),
        (proof(key="xyz"), [], "incomplete"),
        (proof(n=-1), [], "not between"),
        (json.dumps(proof(n=-1)).replace("-1", "1e999"), [], "malformed"),
        (proof(late_counters=[]), [], "incomplete"),
        (proof(entries=[]) | {"entries": ["root"]}, [], "incomplete"),
        ("[" * 100_000, [], "malformed"),
        ("[]", [], "not a proof"),
        ("<html>", [], "proof.json"),
        (proof(), ["token 5 6"], "line 1 must be a token"),
        (proof(), ["token five"], "line 1 must be a token"),
    ],
)
def test_an_unusable_proof_or_token_line_exits_with_2_and_the_reason(run, document, token_lines, reason):
    code, text = run(document, token_lines)
    assert (code, reason in text) == (2, True), text


def test_wrong_arguments_exit_with_2(run, tmp_path, capsys):
    assert run(proof(), [], "--commitment", "short")[0] == 2
    (tmp_path / "proof.json").write_text(json.dumps(proof()))
    for arguments in ([], ["--no-such"], ["missing.json"], ["http://127.0.0.1:1/"], [str(tmp_path / "proof.json"), "missing"]):
        assert verify.main(arguments) == 2, arguments
    capsys.readouterr()


def test_it_runs_without_packages_on_a_proof_from_a_url(tmp_path):
    class ProofHandler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            assert self.headers["Accept-Encoding"] == "gzip"
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(gzip.compress(json.dumps(proof()).encode()))

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), ProofHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        finished = subprocess.run(
            [sys.executable, "-S", "-m", "chalicelib.waiting_room.verify", f"http://127.0.0.1:{server.server_port}/", "-"],
            input="\n".join(lines(all_claims())),
            cwd=ROOT,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert (finished.returncode, "66 drawn and 3 late" in finished.stdout) == (0, True), finished.stderr


def test_it_accepts_the_draw_of_a_real_sale(api, time, run):
    event_id, _ = sale.create_sale(api, time)
    proof_path = f"/events/{event_id}/waiting-room/proof"
    before = api.get(proof_path).json
    tokens = sale.join_many(api, event_id, 12)
    time.advance(sale.SECONDS_TO_OPENING)
    tokens["late"] = sale.join(api, event_id, "late")
    claims = [f"{token} {sale.get_status(api, event_id, token)['position']}" for token in tokens.values()]
    code, text = run(api.get(proof_path).json, claims, "--commitment", before["commitment"])
    assert (code, "12 drawn and 1 late" in text) == (verify.EXIT_INCOMPLETE, True), text  # without the list of entries


# A draw of the shop's version before rooms had a list of entries: the published proof, and each token with the position that was shown.
FIRST_VERSION_PROOF = {
    "event_id": "01KT1GW6G0FESTZDC934YX7A5V",
    "room": 1,
    "algorithm": "feistel-mod-sha256-cycle-walking",
    "commitment": "e4e0cc9455b26bcd227c0e78153bdc0062cafe7e0524669642018be612d00a9d",
    "on_sale_at": "2026-06-01T12:10:00Z",
    "opened": True,
    "key": "a0f69a38b6bfcb07a494f40d5f341816183cec9f828f9980f9fd7cbac1d69a28",
    "n": 6,
    "offsets": [0],
    "total": 6,
}
FIRST_VERSION_TOKENS = [
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiM2EzY2Q4NGI3MDZiMDhhYiIsInMiOjAsImMiOjEsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".xdtpXH9CgS3cbgvko203NP63kgTJtuZ6z2oxv6Jkew4 6",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiZjBmZTc0ODQ3ZDRjNDcxMCIsInMiOjAsImMiOjIsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".xhYxkly7DHo8u_RiSBbRJsVuilsyOFQ2a5rdrPS-qM0 5",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiYmE0NGFhN2Q3NjA4YjI3NiIsInMiOjAsImMiOjMsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".P-1KVgWPq0ONOmJTc3myQIvRe2idrmJf2AGhFvJsA-U 1",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiNTQ4Njc1OGYzYzNkNGRkNCIsInMiOjAsImMiOjQsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".-kuNrOynCWVHBPyAMk5IcaviPsRuUa1aRD7cEJXEN1I 4",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiYzZlZDA0MDRmMzhjMjk4MyIsInMiOjAsImMiOjUsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".OYO2mtRMBZW9-Ozueqlw3pRHxJzkqd7SvPkGGBi-vKY 2",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiMDVlZTY5NjliODBmYzE5NCIsInMiOjAsImMiOjYsInQiOjE3ODAzMTUyMDAsIngiOjE3ODI5MDcyMDF9"
    ".QoKQdtKvG6gK1LSG6RYlFIh5ooU3-sPcdf38Zd1B_8E 3",
    "eyJlIjoiMDFLVDFHVzZHMEZFU1RaREM5MzRZWDdBNVYiLCJyIjoxLCJ1IjoiNzllZDQ1ZDEwZjYzY2E0OCIsInMiOi0xLCJjIjoxLCJ0IjoxNzgwMzE1ODAxLCJ4IjoxNzgyOTA3MjAxfQ"
    ".5UOb-QOFIn6aNqXz867xI4mZvKwqMEaexjnTcSvd880 7",
]


def test_draws_of_the_first_version_are_still_checked(run):
    proof, commitment = FIRST_VERSION_PROOF, FIRST_VERSION_PROOF["commitment"]
    code, text = run(proof, FIRST_VERSION_TOKENS, "--commitment", commitment)
    assert (code, "6 drawn and 1 late positions computed, 7 compared" in text) == (0, True), text
    token = FIRST_VERSION_TOKENS[0].split()[0]
    assert run(proof, [f"{token} 1"], "--commitment", commitment)[0] == 1


def test_late_counters_take_turns_after_the_draw(run):
    arrivals = [(LATE - place, number) for number in range(1, 4) for place in range(3)]
    late = [f"{unsigned_token(*arrival)} {N + place}" for place, arrival in enumerate(arrivals, 1)]
    code, text = run(proof(late_counters=3), [*lines(all_claims()[:N]), *late])
    assert (code, "66 drawn and 9 late positions computed, 75 compared" in text) == (0, True), text


@pytest.mark.slow
def test_a_hundred_thousand_tokens_are_accepted_and_one_swap_is_found():
    counts = [25_003, 1, 0, 49_996, 25_000]  # of five counters
    offsets = tuple(sum(counts[:counter]) for counter in range(len(counts)))
    proof = verify.DrawProof("drop", 1, draw.commitment(KEY), KEY, 100_000, offsets)
    claims = []
    for counter, count in enumerate(counts):
        for number in range(1, count + 1):
            position = draw.position(proof.key, 100_000, offsets, counter, number)
            claims.append(verify.PositionClaim(f"line {len(claims) + 1}", unsigned_token(counter, number), position))
    report = verify.check(proof, claims, proof.commitment)
    assert (report.faults, report.drawn_count, report.compared_count) == ([], 100_000, 100_000)
    assert sorted(report.positions) == list(range(1, 100_000 + 1))
    first, second = claims[12_345], claims[67_890]
    claims[12_345] = verify.PositionClaim(first.source, first.token, second.position)
    claims[67_890] = verify.PositionClaim(second.source, second.token, first.position)
    assert [fault.split(":")[0] for fault in verify.check(proof, claims).faults] == ["line 12346", "line 67891"]


def beacon_proof(number=1000, delay=5, **changes):
    """The proof document of an honest draw with the real round 1000, with changes to what it says about the beacon."""
    chain, signature = draw.QUICKNET, REAL_ROUNDS[number]
    closes_at = draw.round_time(chain, 1000) - draw.ROUND_SECONDS_AFTER_CLOSING
    beacon = {
        "chain": chain.hash,
        "scheme": draw.BEACON_SCHEME,
        "public_key": chain.public_key,
        "genesis": chain.genesis,
        "period": chain.period,
        "round": number,
        "signature": signature,
        "randomness": draw.beacon_randomness(bytes.fromhex(signature)).hex(),
    }
    listed = {"root": "ab" * 32, "pages": 16, "published_at": clock.iso(closes_at + delay)}
    return proof(algorithm=draw.BEACON_ALGORITHM, closes_at=clock.iso(closes_at), entries=listed, beacon=beacon | changes)


SEED = draw.seed(KEY, draw.beacon_randomness(bytes.fromhex(REAL_ROUNDS[1000])))


def test_an_honest_draw_with_the_beacon_is_accepted(run):
    code, text = run(beacon_proof(), lines(all_claims(SEED)), "--commitment", draw.commitment(KEY), "--round", "1000")
    assert code == verify.EXIT_INCOMPLETE, text  # without the list of entries
    assert "(--round)" not in text
    assert "round 1000 of drand's quicknet, fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd" in text
    assert run(beacon_proof(), lines(all_claims()))[0] == 1  # positions that follow from the key alone
    assert run({**beacon_proof(), "n": 0, "offsets": [0], "beacon": {}})[0] == verify.EXIT_INCOMPLETE
    assert run({**beacon_proof(), "closes_at": 7})[0] == 2


OTHER = draw.beacon_randomness(bytes.fromhex(REAL_ROUNDS[1001])).hex()


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        (beacon_proof(1001), "round 1001 does not follow from the times"),
        (beacon_proof(delay=31), "round 1000 does not follow from the times"),  # the list was published too late for this round
        (beacon_proof(signature=REAL_ROUNDS[1001], randomness=OTHER), "the signature of round 1000 is not the beacon's"),
        (beacon_proof(signature="00"), "the signature of round 1000 is not the beacon's"),
        (beacon_proof(randomness=OTHER), "the randomness is not the SHA-256"),
        (beacon_proof(chain="ab" * 32), "is not drand's public chain quicknet"),
        (beacon_proof(public_key="00" * 96), "the public key of the beacon's chain is malformed"),
        (beacon_proof(genesis=draw.QUICKNET.genesis + 3), "does not follow from the times"),
        ({**beacon_proof(), "entries": None}, "the list of entries is missing"),
    ],
)
def test_a_changed_beacon_is_found(run, document, fault):
    code, text = run(document)
    assert (code, fault in text) == (1, True), text


def test_a_beacon_that_was_noted_is_compared(run):
    for document, options, fault in (
        (beacon_proof(), ["--round", "999"], "not the one that you noted"),
        (beacon_proof(), ["--chain", "ab" * 32], "not the one that you noted"),
        (proof(), ["--round", "1000"], "follows from the key alone"),
        (proof(), ["--chain", draw.QUICKNET.hash], "follows from the key alone"),
    ):
        code, text = run(document, [], *options)
        assert (code, fault in text) == (1, True), text
    code, text = run(beacon_proof(), [], "--chain", draw.QUICKNET.hash)
    assert (code, "compare it with one that was noted then (--round)" in text) == (verify.EXIT_INCOMPLETE, True)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({**beacon_proof(), "beacon": None}, "incomplete"),
        (beacon_proof(signature=None), "incomplete"),
        (beacon_proof(period=0), "incomplete"),
        (beacon_proof(scheme="pedersen-bls-chained"), "can only check 'bls-unchained-g1-rfc9380'"),
    ],
)
def test_a_proof_without_a_usable_beacon_exits_with_2(run, document, reason):
    code, text = run(document)
    assert (code, reason in text) == (2, True), text


def test_it_says_which_package_checks_the_beacon(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_arkworks_bls12381", None)
    code, text = run(beacon_proof())
    assert (code, "pip install py_arkworks_bls12381" in text) == (2, True), text
    assert run(proof(), lines(all_claims()))[0] == 0


HOSTILE = "drop\x1b[2J\x1b[1;1H\nall checks passed\r\u009b1A\u2028\u202e"


def test_texts_of_a_dishonest_shop_cannot_control_the_terminal(run):
    wrong = unsigned_token(0, 1), draw.position(KEY, N, tuple(OFFSETS), 0, 1) + 1
    hostile = proof(event_id=HOSTILE, commitment=HOSTILE)
    for document, options in (
        (hostile, []),
        (hostile, ["--json"]),
        (hostile | {"opened": False}, []),
        (proof(algorithm=HOSTILE), []),
        (proof(key=HOSTILE), []),
        (proof(commitment=HOSTILE, opened=False), ["--commitment", "0" * 64]),
    ):
        code, text = run(document, lines([wrong]), *options)
        assert code != verify.EXIT_OK
        assert all(sign.isprintable() for line in text.split("\n") for sign in line), text
        assert "all checks passed" not in text.split("\n")
    assert json.loads(run(hostile, lines([wrong]), "--json")[1])["lines"][0].startswith(f"event {HOSTILE}, ")


def test_a_long_text_of_a_dishonest_shop_does_not_hide_the_result(run):
    code, text = run(proof(event_id="d" * 1_000_000))
    assert (code, len(text) < 5_000) == (0, True)


def test_an_offer_to_a_far_place_takes_no_time(run, tmp_path):
    far = proof(n=draw.MAX_N, offsets=[0], total=draw.MAX_N)
    positions = {draw.position(KEY, draw.MAX_N, (0,), 0, number): number for number in range(1, 20)}
    last = max(positions)
    offer = {"digest": "00" * 32, "counter": 0, "number": positions[last], "position": last}
    ballot = tmp_path / "ballot.json"
    ballot.write_text(json.dumps({"event_id": "drop", "room": 1, "offers": [offer], "next_cursor": None}))
    code, text = run(far, [], "--ballot", str(ballot))
    assert (code, f"{last - 1} places before it were not" in text, text.count("           place ")) == (0, True, 20)


def test_documents_of_a_dishonest_shop_do_not_fill_the_memory(run, tmp_path):
    page = {"event_id": "drop", "room": 1, "offers": [], "next_cursor": None, "more": [[]] * 20_000}
    ballot = tmp_path / "ballot.json"
    ballot.write_text(json.dumps(page))
    assert run(proof(), [], "--ballot", str(ballot))[0] == 0
    code, text = run(proof(), [], "--ballot", str(ballot), "--memory", "2")
    assert (code, "the documents need more than 2 MB of memory; to read them anyway, set --memory" in text) == (2, True), text
    assert run(proof(), [], "--memory", "2")[0] == 0, "each run counts its own documents"


def test_a_draw_with_a_million_counters_takes_no_time(run):
    code, text = run(proof(offsets=[0] * 1_000_000))
    assert (code, "66 arrivals were drawn" in text) == (0, True)
