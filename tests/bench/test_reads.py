"""Reads over HTTP: every response counts once, and one that differs ends the measure."""

import pytest

from bench import bare_chalice
from bench.http_client import Response, Script, Target, request_bytes
from bench.local_runtime import bare_server
from bench.reads import WrongResponse, read_repeatedly


@pytest.fixture
def answers(monkeypatch):
    """Plays scripts without a server, one after the other: `answers[request]` are the responses, the last one for good."""
    responses: dict[bytes, list[Response]] = {}
    sent: list[bytes] = []

    def play(target: Target, scripts: list[Script], connections: int, **options: bool) -> None:
        for script in scripts:
            request = next(script)
            while request is not None:
                sent.append(request)
                left = responses[request]
                try:
                    request = script.send(left.pop(0) if len(left) > 1 else left[0])
                except StopIteration:
                    request = None

    monkeypatch.setattr("bench.reads.play", play)
    responses[b"sent"] = sent
    return responses


TARGET = Target("127.0.0.1", 1, "", False)


def test_each_connection_begins_with_another_request(answers):
    answers |= {name: [Response(200, b"x", 0.0)] for name in (b"a", b"b", b"c", b"d")}
    read_repeatedly(TARGET, [b"a", b"b", b"c", b"d"], connections=2, seconds=0)
    assert answers[b"sent"] == [b"a", b"c"]


@pytest.mark.parametrize("wrong", [Response(500, b"xx", 0.0), Response(200, b"x", 0.0), Response(200, b"xxxxx", 0.0)])
def test_another_status_or_length_ends_the_measure(answers, wrong):
    answers[b"a"] = [Response(200, b"xx", 0.0), wrong]
    with pytest.raises(WrongResponse, match=r"b'a'"):
        read_repeatedly(TARGET, [b"a"], connections=1, seconds=60, tolerance=0)


def test_the_floor_is_a_bare_chalice_app_behind_the_local_server():
    with bare_server() as target:
        rate = read_repeatedly(target, [request_bytes(target, "GET", bare_chalice.PATH)], connections=2, seconds=0)
    assert rate.per_second > 0
