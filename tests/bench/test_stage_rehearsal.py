"""The rehearsal on a stage: the crowd plays over the API only. The tests call the app in this process, and one sends HTTP."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from bench import rehearsal, rehearse
from bench.drop_comparison import comparison, load_drop
from bench.rehearsal import LEAD_SECONDS, NO_REPLY, Moment, Options, Refusal, RehearsalRefused, Report
from bench.rehearsal_page import lines, page, summary
from bench.stage_rehearsal import RealTimeline, StageGateway, StageOptions, check_stage, play, refusal_name, solve
from chalicelib.edge import proof_of_work
from chalicelib.foundation import clock, settings
from chalicelib.waiting_room.verify import REPORT_FORMAT
from tests import builders, invariants
from tests.bench.test_rehearsal import Text
from tests.client import Client
from tests.simulation.instances import Timeline

pytestmark = pytest.mark.slow

URL = "https://dev.test/api/v1"
REPLY_SECONDS = 0.05


def copy_event(api, time, *, opens_in=120, **fields):
    """Create a copy of an event that opens soon. Returns its id."""
    room = {"wave_size": 10, "wave_seconds": 5}
    event_id = builders.create_event(api, status="scheduled", on_sale_at=clock.iso(time.now + opens_in), **{"waiting_room": room, **fields})
    builders.create_tier(api, event_id, capacity=40)
    return event_id


def run(api, time, event_id, *, people=30, seed=1, break_reply=None):
    """Play on a virtual clock, with one virtual sweep a minute. `break_reply` may change the replies of the stage."""
    opening = check_stage(api, builders.admin_token(), event_id)
    timeline = Timeline()
    timeline.now = time.now - opening + LEAD_SECONDS

    def submit(call, receive):
        reply = call()
        changed = break_reply(reply) if break_reply else reply
        timeline.at(timeline.now + REPLY_SECONDS, lambda: receive(changed, REPLY_SECONDS))

    for minute in range(1, 40):
        timeline.at(LEAD_SECONDS + minute * 60, builders.run_sweep)
    with clock.override(lambda: opening - LEAD_SECONDS + timeline.now):
        report = play(api, URL, builders.admin_token(), event_id, Options(people=people, seed=seed), opening, timeline, 1800, submit)
        invariants.check(clock.now())
    return report


def test_the_crowd_plays_the_event_over_the_api(api, time):
    report = run(api, time, copy_event(api, time))
    ends = sum(report.ends.values(), Counter())
    assert ends.total() == 30
    assert 8 < ends["bought"] == report.orders
    assert report.moments[-1].sold <= 40
    assert len({place for place, _ in report.waits}) == len(report.waits) > 20
    assert report.faults == []
    assert report.is_go
    assert {"guest", "join", "status", "reserve", "checkout", "confirm", "live"} <= set(report.seconds)
    assert report.reply_seconds(95) == REPLY_SECONDS


def test_an_event_without_a_waiting_room_can_be_played(api, time):
    report = run(api, time, copy_event(api, time, waiting_room={"enabled": False}), people=10)
    assert report.orders > 3
    assert report.waits == []
    assert report.is_go


def test_free_tickets_and_proofs_of_work_are_played(api, time):
    event_id = copy_event(api, time)
    builders.create_tier(api, event_id, "Free", price_cents=0, capacity=40)
    with settings.override(join_difficulty=8):
        report = run(api, time, event_id, people=12)
    assert report.orders > 4
    assert report.replies["join 403"] > 10
    assert report.is_go


def test_the_limit_that_answers_first_is_named(api, time):
    with settings.override(rate_limits="on", address_factor=1):
        report = run(api, time, copy_event(api, time))
    name, first = report.first_refusals[0]
    assert name == "guest: rate_limited (sign_up: 5 in 60 s by address)"
    assert first.second < 0
    assert "FAIRGATE_ADDRESS_FACTOR" in report.notes[0]
    assert any(line.startswith(f"{name}: ") and "before the opening" in line for line in lines(report))


@pytest.mark.parametrize(("status", "failure"), [(500, "confirm: status 500, "), (NO_REPLY, "confirm: no reply, ")])
def test_failed_requests_and_lost_tickets_are_no_go(api, time, status, failure):
    def fail(reply):
        return msgspec.structs.replace(reply, status=status) if "tickets" in (reply.json or {}) else reply

    report = run(api, time, copy_event(api, time), people=10, break_reply=fail)
    assert not report.is_go
    assert any(fault.startswith(failure) for fault in report.faults)
    assert any(fault.endswith("and the crowd bought 0.") for fault in report.faults)


def test_a_stage_that_takes_money_ends_the_rehearsal(api, time):
    event_id = copy_event(api, time)
    with settings.override(payment_simulation="off"), pytest.raises(RehearsalRefused, match="takes real payments"):
        run(api, time, event_id)


def _buy(api, event_id, tier_id):
    assert builders.buy(api, "ada", event_id, tier_id).status == 201


def test_what_could_harm_a_buyer_or_a_sale_is_refused(api, time):
    def refused(event_id, token=None):
        with pytest.raises(RehearsalRefused) as refusal:
            check_stage(api, token or builders.admin_token(), event_id)
        return str(refusal.value)

    sold = builders.create_shop(api)
    _buy(api, *sold)
    assert "has orders: 1 tickets sold, 0 on hold" in refused(sold[0])
    assert "is on_sale. A rehearsal needs a copy that has not opened" in refused(builders.create_shop(api)[0])
    assert "Start at most 30 minutes earlier" in refused(copy_event(api, time, opens_in=7200))
    seen = copy_event(api, time)
    assert api.post(f"/events/{seen}/waiting-room/join", user="ada").status == 200
    time.advance(5)
    assert "People have joined the line" in refused(seen)
    picky = copy_event(api, time, waiting_room={"wave_size": 10, "wave_seconds": 5, "entry": "account"})
    assert "Only some people may join" in refused(picky)
    copy = copy_event(api, time)
    assert "The token cannot read the sale" in refused(copy, builders.token())
    assert "The token cannot read the sale" in refused("none")
    with settings.override(stage="prod"):
        assert "takes real payments" in refused(copy, builders.admin_token())


@pytest.mark.parametrize(("people", "bounds"), [(2001, StageOptions()), (1, StageOptions(rate=201)), (1, StageOptions(minutes=181))])
def test_a_rehearsal_is_bounded(people, bounds):
    with pytest.raises(RehearsalRefused, match="at most"):
        bounds.check(people)


def test_a_gateway_sends_requests_and_gives_up_without_a_reply():
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            text = msgspec.json.encode({"path": self.path, "sent": msgspec.json.decode(body), "token": self.headers["Authorization"]})
            self.send_response(429)
            for name, value in (("Content-Type", "application/json"), ("Retry-After", "7"), ("Content-Length", str(len(text)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    reply = Client(StageGateway(f"{url}/api/v1/")).post("/orders", json={"n": 1}, token="t")
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.json == {"path": "/api/v1/orders", "sent": {"n": 1}, "token": "Bearer t"}
    server.shutdown()
    server.server_close()
    thread.join()
    assert Client(StageGateway(url)).post("/orders").status == NO_REPLY
    assert refusal_name("reserve", Client(StageGateway(url)).post("/orders")) == "reserve: no reply"
    with pytest.raises(RehearsalRefused, match="address of an API"):
        StageGateway("dev.test")


def test_a_timeline_on_the_clock_of_the_machine_sends_at_its_rate():
    timeline, order = RealTimeline(clock.precise_now(), rate=100), []
    for number in range(5):
        timeline.submit(lambda number=number: number, lambda reply, seconds: order.append((reply, timeline.now, seconds)))
    timeline.run()
    assert sorted(reply for reply, _, _ in order) == [0, 1, 2, 3, 4]
    assert order[-1][1] - LEAD_SECONDS >= 0.04


def test_a_proof_of_work_is_solved():
    assert proof_of_work.leading_zero_bits("c1.9.1.x", solve("c1.9.1.x", 9)) >= 9


REPORT = Report(
    event_id="night",
    event_name="Night",
    people=40,
    seed=1,
    opens_at="2026-06-01T12:00:00Z",
    stage=URL,
    waits=[(place, place * 2.0) for place in range(1, 41)],
    moments=[Moment(0, 0, 0, 40), Moment(300, 60, 0, 0)],
    sold_out_after=250.0,
    orders=30,
    replies=Counter({"join 200": 40, "reserve 503": 1}),
    seconds={"join": [0.1] * 39 + [2.0]},
    refusals={"reserve: busy": Refusal(12.0, 3), "join: rate_limited <b>": Refusal(-30.0, 1)},
)
DROP = {
    "format": REPORT_FORMAT,
    "name": "Night",
    "entrants": {"drawn": 100, "late": 20},
    "waits": [{"place": 1, "seconds": [0, 0]}, {"place": 50, "seconds": [60, 65]}, {"place": 100, "seconds": None}],
    "late_waits": {"counted": 20, "p95_seconds": [400, 410]},
    "figures": {"requests": 9000, "errors": 2, "buckets": [{"requests": 1, "p50_ms": 20, "p95_ms": 90}, {"requests": 2, "p95_ms": 120}]},
    "tickets": [
        {"tier_id": "floor", "counted": {"sold": 58}, "sold_out_seconds": [200, 260]},
        {"tier_id": None, "counted": {"sold": 58}, "sold_out_seconds": [200, 260]},
    ],
}


@pytest.fixture
def drop(tmp_path):
    file = tmp_path / "report.json"
    file.write_bytes(msgspec.json.encode(DROP))
    return file


def shown_text(html):
    shown = Text()
    shown.feed(html)
    return shown.text


def test_the_page_of_a_stage_shows_refusals_and_times():
    shown = shown_text(page(REPORT))
    for part in (URL, "30 s before the opening", "join: rate_limited <b>", "Times until the reply", "p99", "2,000 ms"):
        assert part in shown
    assert "charged by AWS" not in shown
    assert summary(REPORT)["milliseconds"]["join"] == {"p50": 100, "p95": 100, "p99": 2000}


def test_the_drop_stands_beside_the_rehearsal(drop):
    rows = {label: (rehearsed, dropped) for label, rehearsed, dropped in comparison(REPORT, load_drop(drop))}
    assert rows["people in line"] == ("40", "120")
    assert rows["tickets sold"] == ("60", "58")
    assert rows["seconds until everything was sold"] == ("250", "200 to 260")
    assert rows["seconds until the turn of place 50 (50% of the line)"] == ("42", "60 to 65")
    assert rows["seconds until the turn of place 100 (100% of the line)"] == ("80", "not happened")
    assert rows["failed requests (5xx)"] == ("1", "2")
    assert rows["milliseconds until the reply, p95 (of the drop: in its slowest minutes)"] == ("100", "120")
    shown = shown_text(page(REPORT, load_drop(drop)))
    assert "The rehearsal and the drop" in shown


def test_a_saved_rehearsal_is_shown_with_the_drop(drop, tmp_path, capsys):
    saved, html = tmp_path / "saved.json", tmp_path / "night.html"
    rehearsal.save(REPORT, saved)
    assert rehearse.main(["night", "--saved", str(saved), "--drop", str(drop), "--page", str(html)]) == 0
    assert "The rehearsal and the drop" in html.read_text()
    assert "Night: go" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"{}", "is not the report of a drop"),
        (msgspec.json.encode(DROP | {"format": "fairgate drop report, 2"}), "has the format 'fairgate drop report, 2'"),
    ],
)
def test_a_file_that_is_no_report_is_refused(content, message, tmp_path, capsys):
    file = tmp_path / "report.json"
    if content is not None:
        file.write_bytes(content)
    assert rehearse.main(["night", "--drop", str(file)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["night", "--url", URL], "--url needs --token"),
        (["night", "--url", URL, "--token", "t", "--people", "2001"], "at most, not 2,001"),
        (["night", "--saved", "none.json"], "none.json cannot be read"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, capsys):
    assert rehearse.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_rehearsal_over_http_needs_a_stage_that_responds(capsys):
    assert rehearse.main(["night", "--url", "http://127.0.0.1:9/api/v1", "--token", "t"]) == 2
    printed = capsys.readouterr().err
    assert "Playing the sale with 200 people, until all have left or 30 minutes after the opening ..." in printed
    assert "does not respond like Fairgate" in printed
