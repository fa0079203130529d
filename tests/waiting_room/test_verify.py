"""The command that checks a draw from outside: it accepts an honest one and finds what is wrong with any other."""

import http.server
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from threading import Thread

import pytest

from chalicelib.waiting_room import draw, verify
from chalicelib.waiting_room.model import LATE
from chalicelib.waiting_room.permutation import ALGORITHM
from tests.waiting_room.random_rooms import unsigned_token

ROOT = Path(__file__).parents[2]
KEY = sha256(b"a key of the tests").digest()
COUNTS = [40, 0, 25, 1]
OFFSETS = [0, 40, 40, 65]
N = 66


def proof(**changes):
    known = {"event_id": "drop", "room": 1, "algorithm": ALGORITHM, "commitment": draw.commitment(KEY), "opened": True}
    return known | {"key": KEY.hex(), "n": N, "offsets": OFFSETS, "total": N + 3} | changes


def everybody():
    """All tokens with their positions, late ones too, as `token position` lines."""
    arrivals = [(counter, number) for counter, count in enumerate(COUNTS) for number in range(1, count + 1)]
    arrivals += [(LATE, number) for number in range(1, 4)]
    return [(unsigned_token(*arrival), draw.position(KEY, N, OFFSETS, *arrival)) for arrival in arrivals]


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on a proof and lines of tokens; (exit code, what it printed)."""

    def run(document, lines=(), *more):
        (tmp_path / "proof.json").write_text(document if isinstance(document, str) else json.dumps(document))
        (tmp_path / "tokens").write_text("\n".join(lines))
        code = verify.main([str(tmp_path / "proof.json"), str(tmp_path / "tokens"), *more])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def lines(claims):
    return [f"{token} {position}" for token, position in claims]


def test_an_honest_draw_is_accepted(run):
    code, text = run(proof(), lines(everybody()), "--commitment", draw.commitment(KEY))
    assert code == 0, text
    assert "66 drawn and 3 late positions computed, 69 compared" in text
    assert "every position from 1 to 66 belongs to exactly one of them" in text
    assert run(proof(), [token for token, _ in everybody()])[0] == 0
    assert run(proof(), ["", everybody()[0][0], " "])[0] == 0
    assert run(proof(), [], "--token", everybody()[0][0], "--token", "{} {}".format(*everybody()[1]))[0] == 0
    assert run(proof(n=0, offsets=[0], total=0))[0] == 0


def test_two_swapped_positions_are_found(run):
    claims = everybody()
    claims[7], claims[30] = (claims[7][0], claims[30][1]), (claims[30][0], claims[7][1])
    code, text = run(proof(), lines(claims))
    assert code == 1
    assert "line 8: position" in text
    assert "line 31: position" in text
    assert "faults found: 2" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": bytes(32).hex()}, "not the one that was committed to"),
        ({"commitment": "0" * 64}, "not the one that was committed to"),
        ({"n": N - 20}, "do not add up"),
        ({"n": N + 1}, "the draw says"),
        ({"offsets": [1, 40, 40, 65]}, "do not add up"),
        ({"offsets": [0, 40, 39, 65]}, "do not add up"),
        ({"offsets": []}, "do not add up"),
        ({"offsets": [0, 39, 40, 65]}, "was never given out"),
        ({"room": 2}, "the token is of event drop, room 1"),
        ({"event_id": "other"}, "the token is of event drop, room 1"),
    ],
)
def test_a_proof_that_was_tampered_with_is_found(run, changes, says):
    code, text = run(proof(**changes), lines(everybody()))
    assert (code, says in text) == (1, True), text


def test_another_commitment_than_the_noted_one_is_found_before_and_after_the_opening(run):
    code, text = run(proof(), [], "--commitment", "ab" * 32)
    assert (code, "not the one that was noted" in text) == (1, True)
    closed = proof(opened=False, key=None, n=None)
    code, text = run(closed, [], "--commitment", "ab" * 32)
    assert (code, "not the one that was noted" in text) == (1, True)


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (unsigned_token(0, 41), "was never given out"),
        (unsigned_token(4, 1), "was never given out"),
        (unsigned_token(0, 0), "was never given out"),
        (unsigned_token(LATE, 0), "was never given out"),
        (unsigned_token(0, 5), "as line 5 has"),
        (unsigned_token(LATE, 2), "as line 68 has"),
        (unsigned_token(0, 5, event_id="other"), "the token is of event other"),
        (unsigned_token(0, 5, room=2), "the token is of event drop, room 2"),
        ("rubbish", "not a token"),
        ("!", "not a token"),
        ("e30.x", "not a token"),
        ("bnVsbA.x", "not a token"),
        ("W10.x", "not a token"),
        ("eyJlIjoxLCJyIjoyLCJzIjowLCJjIjoxfQ.x", "not a token"),
    ],
)
def test_a_token_that_cannot_be_of_this_draw_is_found(run, forged, says):
    code, text = run(proof(), [*lines(everybody()), forged])
    assert (code, says in text, "faults found: 1" in text) == (1, True, True), text


def test_many_faults_are_counted_and_some_shown(run):
    code, text = run(proof(), ["rubbish"] * 50)
    assert (code, text.count("FAULT"), "and 30 more" in text) == (1, verify.MAX_SHOWN, True)


@pytest.mark.parametrize(
    ("document", "given", "says"),
    [
        (proof(opened=False, key=None, n=None), [], f"has not opened yet; note its commitment: {draw.commitment(KEY)}"),
        (proof(algorithm="dice"), [], "'dice'"),
        (proof(n=None), [], "incomplete"),
        (proof(key="xyz"), [], "incomplete"),
        (proof(n=-1), [], "not between"),
        ("[]", [], "not a proof"),
        ("<html>", [], "proof.json"),
        (proof(), ["token 5 6"], "line 1 is neither"),
        (proof(), ["token five"], "line 1 is neither"),
    ],
)
def test_what_cannot_be_checked_is_neither_right_nor_wrong(run, document, given, says):
    code, text = run(document, given)
    assert (code, says in text) == (2, True), text


def test_wrong_use(run, tmp_path, capsys):
    assert run(proof(), [], "--commitment", "short")[0] == 2
    (tmp_path / "proof.json").write_text(json.dumps(proof()))
    for arguments in ([], ["--no-such"], ["missing.json"], ["http://127.0.0.1:1/"], [str(tmp_path / "proof.json"), "missing"]):
        assert verify.main(arguments) == 2, arguments
    capsys.readouterr()


def test_it_runs_on_python_alone_with_a_proof_from_an_address(tmp_path):
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(proof()).encode())

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        answer = subprocess.run(
            [sys.executable, "-S", "-m", "chalicelib.waiting_room.verify", f"http://127.0.0.1:{server.server_port}/", "-"],
            input="\n".join(lines(everybody())),
            cwd=ROOT,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert (answer.returncode, "66 drawn and 3 late" in answer.stdout) == (0, True), answer.stderr


def test_it_accepts_what_the_shop_says(api, time, run):
    from tests.waiting_room import test_line

    event_id, _ = test_line.make_drop(api, time)
    address = f"/events/{event_id}/waiting-room/proof"
    before = api.get(address).json
    given = test_line.gather(api, event_id, 12)
    time.advance(test_line.OPENS)
    given["late"] = test_line.join(api, event_id, "late")
    claims = [f"{token} {test_line.status(api, event_id, token)['position']}" for token in given.values()]
    code, text = run(api.get(address).json, claims, "--commitment", before["commitment"])
    assert (code, "12 drawn and 1 late" in text) == (0, True), text
