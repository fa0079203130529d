"""A waiting room in front of another shop: the passes, their one use, and the examples that check them at the shop."""

import asyncio
import hmac
import json
import re
import runpy
import shutil
import subprocess
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from string import Template

import jwt
import pytest

from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.infra.conftest import find_port
from tests.javascript import run_module
from tests.repository import ROOT
from tests.waiting_room.sale import SECONDS_TO_OPENING, get_status, join, join_many, users_by_position

EXAMPLES = ROOT / "docs" / "examples" / "waiting-room"
SHOP = "https://tickets.example"
LINE = "https://shop.example/events/x/line"


def create_room(api, time, algorithm="EdDSA", **fields):
    """A waiting room without tiers that opens in ten minutes and admits 3 people every 30 seconds for a minute. Returns the event's id."""
    room = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60, "grace_seconds": 0}
    room |= {"shop_url": f"{SHOP}/harbor/?lang=en", "pass_algorithm": algorithm} | fields
    opens = builders.clock.iso(time.now + SECONDS_TO_OPENING)
    event_id = builders.create_event(api, "Harbor", on_sale_at=opens, status="draft", waiting_room=room)
    get_verifier(api, event_id)  # the gate is set up before the publication
    published = api.post(f"/events/{event_id}/publish", token=builders.admin_token())
    assert published.status == 200, published.json
    return event_id


def get_pass(api, event_id, user, token):
    return api.post(f"/events/{event_id}/waiting-room/pass", json={"token": token}, user=user)


def forged(text):
    """The pass with another signature."""
    signed, _, signature = text.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def relabelled(text, algorithm):
    """The pass as anybody can make it: its header names another algorithm, so that a gate which believes it needs no key of ours."""
    header, payload, _ = text.split(".")
    named = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) | {"alg": algorithm}
    signed = f"{_base64(json.dumps(named).encode())}.{payload}"
    return f"{signed}.{'' if algorithm == 'none' else _base64(hmac.digest(b'', signed.encode(), 'sha256'))}"


def _base64(raw):
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def get_verifier(api, event_id):
    reply = api.get(f"/admin/events/{event_id}/waiting-room/verifier", token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


@pytest.fixture
def admitted(api, time):
    """Return a function that lets a user into a new room; (event id, pass)."""

    def admit(algorithm, **fields):
        event_id = create_room(api, time, algorithm, **fields)
        token = join(api, event_id, "u0")
        time.advance(SECONDS_TO_OPENING)
        return event_id, get_pass(api, event_id, "u0", token).json["shop_pass"]

    return admit


def test_at_their_turn_buyers_get_a_pass_that_the_shop_can_check(api, time):
    event_id = create_room(api, time)
    tokens = join_many(api, event_id, 5)
    early = get_pass(api, event_id, "u0", tokens["u0"])
    assert (early.status, early.json["error"]) == (403, "not_admitted")
    time.advance(SECONDS_TO_OPENING)
    first, *_, last = users_by_position(api, event_id, tokens)
    reply = get_pass(api, event_id, first, tokens[first])
    assert reply.status == 200
    assert reply.json["url"] == f"{SHOP}/harbor/?lang=en&fairgate_pass={reply.json['shop_pass']}"
    keys, settings = api.get("/.well-known/jwks.json").json, get_verifier(api, event_id)
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(reply.json["shop_pass"])["kid"]]
    claims = jwt.decode(
        reply.json["shop_pass"],
        key,
        [settings["algorithm"]],
        {"verify_exp": False, "verify_iat": False},
        issuer=settings["issuer"],
        audience=settings["audience"],
    )
    assert claims["event"] == event_id
    assert claims["exp"] == time.now + 60
    assert first not in json.dumps(claims)
    refused = get_pass(api, event_id, last, tokens[last])
    assert (refused.status, refused.json["error"]) == (403, "not_admitted")
    stolen = get_pass(api, event_id, last, tokens[first])
    assert (stolen.status, stolen.json["error"]) == (403, "token_of_another_user")
    invariants.check(time.now)


def test_a_pass_keeps_its_id_and_ends_with_the_turn(api, time):
    event_id = create_room(api, time)
    token = join(api, event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    passes = [get_pass(api, event_id, "u0", token).json["shop_pass"]]
    time.advance(59)
    passes.append(get_pass(api, event_id, "u0", token).json["shop_pass"])
    first, second = (jwt.decode(text, options={"verify_signature": False}) for text in passes)
    assert (first["jti"], first["exp"]) == (second["jti"], second["exp"])
    time.advance(1)
    ended = get_pass(api, event_id, "u0", token)
    assert (ended.status, ended.json["error"]) == (403, "pass_expired")


def test_a_paused_room_gives_no_passes(api, time):
    event_id = create_room(api, time)
    token = join(api, event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    assert get_pass(api, event_id, "u0", token).status == 200
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    refused = get_pass(api, event_id, "u0", token)
    assert (refused.status, refused.json["error"]) == (403, "event_paused")
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    assert get_pass(api, event_id, "u0", token).status == 200


def test_a_cancelled_event_gives_no_passes(api, time):
    event_id = create_room(api, time)
    token = join(api, event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    assert get_pass(api, event_id, "u0", token).status == 200
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    refused = get_pass(api, event_id, "u0", token)
    assert (refused.status, refused.json["error"], refused.json["event_status"]) == (409, "event_not_on_sale", "cancelled")


def test_a_pass_is_used_in_one_session(api, time, admitted):
    for algorithm in ("EdDSA", "HS256"):
        event_id, text = admitted(algorithm)

        def use(session, shop_pass=text, event_id=event_id):
            return api.post(f"/events/{event_id}/waiting-room/pass-uses", json={"shop_pass": shop_pass, "session": session})

        assert [use(session).json["is_first"] for session in ("a", "a", "b", "a")] == [True, True, False, True]
        head, payload, signature = text.split(".")
        for wrong in (f"{head}.{payload}x.{signature}", f"{head}.{payload}", f"{head}.{payload}.", "", "é", forged(text)):
            assert use("a", wrong).status in (400, 403), wrong
        time.advance(60)
        refused = use("a")
        assert (refused.status, refused.json["error"]) == (403, "shop_pass_refused")


def test_a_pass_is_for_one_event_and_the_present_shop(api, time, admitted):
    event_id, text = admitted("HS256")
    other_id, _ = admitted("HS256")
    use = {"shop_pass": text, "session": "a"}
    assert api.post(f"/events/{other_id}/waiting-room/pass-uses", json=use).status == 403
    room = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60, "grace_seconds": 0, "pass_algorithm": "HS256"}
    moved = room | {"shop_url": "https://elsewhere.example/"}
    secret = get_verifier(api, event_id)["secret"]
    assert api.patch(f"/events/{event_id}", json={"waiting_room": moved}, token=builders.admin_token()).status == 200
    assert api.post(f"/events/{event_id}/waiting-room/pass-uses", json=use).status == 403
    assert get_verifier(api, event_id)["secret"] not in (secret, get_verifier(api, other_id)["secret"])


@pytest.mark.parametrize("victim", ["HS256", "EdDSA"])
def test_a_shop_with_a_secret_uses_up_no_passes_of_other_events(api, time, admitted, victim):
    own_id, own = admitted("HS256", pass_seconds=3600)
    event_id, text = admitted(victim)
    claims = {event: jwt.decode(pass_, options={"verify_signature": False}) for event, pass_ in ((own_id, own), (event_id, text))}
    made = jwt.encode(claims[own_id] | {"jti": claims[event_id]["jti"]}, get_verifier(api, own_id)["secret"], "HS256")

    def use(event, shop_pass, session):
        return api.post(f"/events/{event}/waiting-room/pass-uses", json={"shop_pass": shop_pass, "session": session})

    assert use(own_id, made, "attacker").status == 200
    assert use(event_id, text, "buyer").json == {"is_first": True}


def test_a_pass_that_a_shop_made_is_not_kept_for_ever(api, time, admitted):
    event_id, text = admitted("HS256")
    claims, secret = jwt.decode(text, options={"verify_signature": False}), get_verifier(api, event_id)["secret"]
    for exp in (time.now + 10**9, 10**18):
        made = jwt.encode(claims | {"exp": exp, "jti": f"{exp}"}, secret, "HS256")
        used = api.post(f"/events/{event_id}/waiting-room/pass-uses", json={"shop_pass": made, "session": "a"})
        assert used.json == {"is_first": True}
    kept = [row for row in WaitingRoomRow.scan() if row.id.startswith("pass#")]
    assert len(kept) == 2
    assert max(row.ttl for row in kept) <= time.now + 3 * 86_400


def test_without_another_shop_there_are_no_passes(api, time, sale):
    event_id, _ = sale
    token = join(api, event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    assert get_pass(api, event_id, "u0", token).json["error"] == "no_other_shop"
    assert api.get(f"/events/{event_id}").json["shop_url"] is None
    refused = api.get(f"/admin/events/{event_id}/waiting-room/verifier", token=builders.admin_token())
    assert (refused.status, refused.json["error"]) == (404, "no_other_shop")


@pytest.mark.parametrize(
    "url",
    [
        "http://tickets.example",
        "https://",
        "https://user@tickets.example",
        "https://a.example/#top",
        "javascript:alert(1)",
        "https://a.example/ b",
    ],
)
def test_a_wrong_address_is_refused(api, time, url):
    opens = builders.clock.iso(time.now + SECONDS_TO_OPENING)
    body = {"name": "X", "on_sale_at": opens, "waiting_room": {"shop_url": url}}
    refused = api.post("/admin/events", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, "$.waiting_room.shop_url")


def test_waves_do_not_follow_the_stock_of_another_shop(api, time):
    event_id = create_room(api, time, follow_stock=True)
    tokens = join_many(api, event_id, 2)
    time.advance(SECONDS_TO_OPENING)
    assert all(get_status(api, event_id, token)["can_enter"] for token in tokens.values())


# The examples. Each is asked by a browser that arrives with a pass, follows the redirect with its cookie, and comes back later.


class Browser:
    """Sends requests to a gate: `ask(path, query, cookie, address)` returns the location and the cookie, or None if the shop answers."""

    def __init__(self, ask):
        self._ask = ask
        self.cookie = ""

    def get(self, path, query="", address="192.0.2.1"):
        found = self._ask(path, query, self.cookie, address)
        if found is not None and found[1]:
            self.cookie = found[1].split(";")[0]
        return found and found[0]


def check_gate(ask, text, wait, *, has_memory=True):
    """A gate in front of /harbor/ lets in whoever has the pass, once, until it expires. Its clock may be behind ours."""
    wait(-2)
    visitor, stranger, thief = Browser(ask), Browser(ask), Browser(ask)
    assert stranger.get("/harbor/tickets") == LINE
    for wrong in (forged(text), relabelled(text, "none"), relabelled(text, "HS256")):
        assert stranger.get("/harbor/", f"lang=en&fairgate_pass={wrong}") == LINE
    assert stranger.get("/static/logo.png") is None
    if has_memory:
        stranger.cookie = f"fairgate_pass={text}"  # set by hand
        assert stranger.get("/harbor/") == LINE
        stranger.cookie = ""
    assert visitor.get("/harbor/", f"lang=en&fairgate_pass={text}") == "/harbor/?lang=en"
    assert visitor.get("/harbor/", "lang=en") is None
    assert visitor.get("/harbor/cart", "item=1") is None
    assert visitor.get("/harbor/", f"lang=en&fairgate_pass={text}") == "/harbor/?lang=en"  # the first answer was lost
    if has_memory:
        assert thief.get("/harbor/", f"fairgate_pass={text}", "192.0.2.2") == LINE
        thief.cookie = f"fairgate_pass={text}.{'0' * 64}"
        assert thief.get("/harbor/") == LINE
    wait(62)
    assert visitor.get("/harbor/cart") == LINE


def gate_settings(api, event_id):
    found = get_verifier(api, event_id)
    return {name: found[name] for name in ("issuer", "audience", "event")} | {"line": LINE, "path": "/harbor/"}


@pytest.fixture
def create_python_gate(api, time, monkeypatch):
    """Return a function that creates the gate of Python for an event."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(time.now, tz or UTC)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Clock)

    def create(event_id, application=None, server="wsgi"):
        example = runpy.run_path(str(EXAMPLES / f"waiting_room_pass_{server}.py"))
        gate = example["Gate"](application, "https://shop.example/api/v1", **gate_settings(api, event_id))
        monkeypatch.setattr(gate.keys, "fetch_data", lambda: api.get("/.well-known/jwks.json").json)
        return gate

    return create


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_the_gate_of_python(time, admitted, create_python_gate, server):
    event_id, text = admitted("EdDSA")

    def ask_wsgi(path, query, cookie, address):
        answers = []
        environ = {"PATH_INFO": path, "QUERY_STRING": query, "HTTP_COOKIE": cookie, "REMOTE_ADDR": address}
        body = gate(environ, lambda status, headers: answers.append((status, dict(headers))))
        if list(body) == [b"shop"]:
            return None
        [(status, headers)] = answers
        assert status.startswith("302")
        return headers["location"], headers.get("set-cookie")

    async def asgi_shop(scope, receive, send):
        await send("shop")

    def ask_asgi(path, query, cookie, address):
        sent = []

        async def send(message):
            sent.append(message)

        headers = [(b"cookie", cookie.encode())] if cookie else []
        scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": headers, "client": (address, 1)}
        asyncio.run(gate(scope, None, send))
        if sent == ["shop"]:
            return None
        assert sent[0]["status"] == 302
        found = dict(sent[0]["headers"])
        return found[b"location"].decode(), found.get(b"set-cookie", b"").decode()

    ask, shop = {"wsgi": (ask_wsgi, lambda environ, start: [b"shop"]), "asgi": (ask_asgi, asgi_shop)}[server]
    gate = create_python_gate(event_id, shop, server)
    check_gate(ask, text, time.advance)


@pytest.mark.parametrize("other", ['g_state={"i_l":0}', "a@b=1", "a=1,2 3", "x_fairgate_pass=1"])
def test_the_gate_of_python_finds_the_pass_among_cookies_of_any_form(admitted, create_python_gate, other):
    event_id, text = admitted("EdDSA")
    gate = create_python_gate(event_id)
    own = f"fairgate_pass={text}.session"
    for cookies in (f"{other}; {own}", f"{own}; {other}", f"{other};{own}"):
        assert gate.answer("/harbor/cart", "", cookies, "192.0.2.1") is None, cookies
    assert gate.answer("/harbor/cart", "", other, "192.0.2.1") == [("location", LINE)]


def test_the_gate_of_python_needs_the_keys_once(time, admitted, create_python_gate, monkeypatch):
    event_id, text = admitted("EdDSA", pass_seconds=9000)
    gate = create_python_gate(event_id)
    entered = dict(gate.answer("/harbor", f"fairgate_pass={text}", "", "192.0.2.1"))
    assert entered["location"] == "/harbor"

    def fail():
        raise jwt.PyJWKClientConnectionError("away")

    monkeypatch.setattr(gate.keys, "fetch_data", fail)
    assert gate.answer("/harbor/cart", "", entered["set-cookie"], "192.0.2.9") is None


def test_the_gate_of_python_forgets_keys_that_the_shop_has_replaced(admitted, create_python_gate):
    event_id, text = admitted("EdDSA", pass_seconds=9000)
    gate = create_python_gate(event_id)
    gate.known = {"leaked": "a key"}
    assert gate.answer("/harbor", f"fairgate_pass={text}", "", "192.0.2.1")[0] == ("location", "/harbor")
    assert "leaked" not in gate.known


def test_nobody_in_the_shop_waits_while_made_up_passes_make_the_gate_of_python_look_for_keys(admitted, create_python_gate, monkeypatch):
    event_id, text = admitted("EdDSA", pass_seconds=9000)
    seen, is_over = [], threading.Event()

    async def application(scope, receive, send):
        seen.append("shop")

    gate = create_python_gate(event_id, application, "asgi")
    entered = dict(gate.answer("/harbor", f"fairgate_pass={text}", "", "192.0.2.1"))
    made_up = [jwt.encode({"exp": 1}, "x" * 32, headers={"kid": f"made-up-{number}"}) for number in range(50)]

    def fetch():
        seen.append(f"the visitor was in the shop: {is_over.wait(60)}")
        raise jwt.PyJWKClientConnectionError("away")

    monkeypatch.setattr(gate.keys, "fetch_data", fetch)
    monkeypatch.setattr(gate, "next_at", 0.0)  # as after a while

    async def send(message):
        assert message.get("status") in (302, None)

    async def visit():
        def ask(token, session="session"):
            headers = [(b"cookie", f"fairgate_pass={token}.{session}".encode())]
            return gate({"type": "http", "path": "/harbor/", "headers": headers}, None, send)

        async def be_served():
            await ask(text, re.search(r"[.](\w+);", entered["set-cookie"])[1])
            is_over.set()

        await asyncio.gather(*map(ask, made_up), be_served())  # the strangers begin first

    asyncio.run(visit())
    assert seen == ["shop", "the visitor was in the shop: True"]


def test_the_gate_of_python_reads_cookies_in_several_headers(admitted, create_python_gate):
    event_id, text = admitted("EdDSA")
    reached = []

    async def application(scope, receive, send):
        reached.append(scope["path"])

    async def send(message):
        reached.append(message["type"])

    headers = [(b"cookie", f"fairgate_pass={text}.session".encode()), (b"cookie", b"theme=dark")]  # as HTTP/2 sends them
    scope = {"type": "http", "path": "/harbor/cart", "query_string": b"", "headers": headers, "client": ("192.0.2.1", 1)}
    asyncio.run(create_python_gate(event_id, application, "asgi")(scope, None, send))
    assert reached == ["/harbor/cart"]


@pytest.mark.parametrize("has_pass", [False, True])
def test_the_gate_of_python_lets_no_websocket_without_a_pass_through(admitted, create_python_gate, has_pass):
    event_id, text = admitted("EdDSA")
    reached = []

    async def application(scope, receive, send):
        reached.append(scope["type"])

    async def send(message):
        reached.append(message)

    gate = create_python_gate(event_id, application, "asgi")
    headers = [(b"cookie", f"fairgate_pass={text}.session".encode())] if has_pass else []
    for scope in ({"type": "websocket", "path": "/harbor/live", "headers": headers}, {"type": "lifespan"}):
        asyncio.run(gate(scope, None, send))
    assert reached == ["websocket" if has_pass else {"type": "websocket.close"}, "lifespan"]


def test_the_gate_of_python_writes_paths_so_that_they_fit_into_a_header(admitted, create_python_gate):
    event_id, text = admitted("EdDSA")
    gate = create_python_gate(event_id)
    answers = []
    environ = {"PATH_INFO": "/harbor/año\r\nX: 1".encode().decode("latin-1"), "QUERY_STRING": f"fairgate_pass={text}"}
    gate(environ, lambda _, headers: answers.append(dict(headers)))
    assert answers[0]["location"] == "/harbor/a%C3%B1o%0D%0AX%3A%201"


NODE = """
import { createInterface } from "node:readline";
import { gate } from "$EXAMPLES/waiting-room-pass.mjs";
let answer;
for await (const line of createInterface({ input: process.stdin })) {
  const { settings, keys, now, path, query, cookie, address } = JSON.parse(line);
  globalThis.fetch = async () => ({ ok: keys !== null, json: async () => keys ?? JSON.parse("away") });
  Date.now = () => now * 1000;
  const use = settings.memory === "away" ? { use: async () => { throw new Error("away"); } } : {};
  answer ??= gate({ api: "https://shop.example/api/v1", ...settings, ...use });
  let found = null;
  const response = { writeHead: (_, headers) => ((found = [headers.location, headers["set-cookie"] ?? null]), { end() {} }) };
  const headers = { cookie, "user-agent": "x" };
  const request = { url: query ? `${path}?${query}` : path, headers, socket: { remoteAddress: address } };
  await answer(request, response, (error) => error && (found = ["error", null]));
  console.log(JSON.stringify(found));
}
"""

# nginx and CloudFront run a file whose settings are constants.
SETTINGS = """
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
for await (const line of createInterface({ input: process.stdin })) {
  const { settings, secret, now, path, query, cookie } = JSON.parse(line);
  Date.now = () => now * 1000;
  let source = readFileSync(new URL("$EXAMPLES/$FILE"), "utf8");
  for (const [name, value] of Object.entries({ ...settings, secret })) {
    const constant = `const ${name.toUpperCase()} =`;
    source = source.replace(new RegExp(`${constant} .*;`), () => `${constant} ${JSON.stringify(value)};`);
  }
  const load = (end) => import("data:text/javascript," + encodeURIComponent(source + end));
"""

NGINX = """
  const { default: gate } = await load("");
  const field = (text, separator) => text.split(separator).find((part) => part.startsWith("fairgate_pass="))?.slice(14);
  const values = { arg_fairgate_pass: field(query, "&"), cookie_fairgate_pass: field(cookie, "; ") };
  const r = { variables: { uri: path, args: query, ...values } };
  const location = gate.location(r);
  if (!location && !gate.passId(r)) throw new Error("the shop does not learn the id of the pass");
  console.log(JSON.stringify(location ? [location, gate.cookie(r) || null] : null));
}
"""

CLOUDFRONT = """
  const { handler } = await load("export { handler };");
  const querystring = Object.fromEntries([...new URLSearchParams(query)].map(([name, value]) => [name, { value }]));
  const cookies = cookie ? { fairgate_pass: { value: cookie.slice(14) } } : {};
  const found = handler({ request: { uri: path, querystring, cookies, headers: {} } });
  const set = found.cookies?.fairgate_pass;
  if (!found.statusCode && !found.headers["x-waiting-room-pass"].value) throw new Error("the shop does not learn the id of the pass");
  const location = found.statusCode ? found.headers.location.value : null;
  console.log(JSON.stringify(location && [location, set ? `fairgate_pass=${set.value}; ${set.attributes}` : null]));
}
"""

SCRIPTS = {
    "node": NODE,
    "nginx": (SETTINGS + NGINX).replace("$FILE", "waiting-room-pass-nginx.js"),
    "cloudfront": (SETTINGS + CLOUDFRONT).replace("$FILE", "waiting-room-pass-cloudfront.js"),
}


@pytest.mark.parametrize(("server", "algorithm"), [("node", "EdDSA"), ("nginx", "HS256"), ("cloudfront", "HS256")])
def test_the_gates_of_javascript(api, time, admitted, server, algorithm):
    event_id, text = admitted(algorithm)
    common = {
        "settings": gate_settings(api, event_id),
        "secret": get_verifier(api, event_id)["secret"],
        "keys": api.get("/.well-known/jwks.json").json,
    }
    cases = []

    def record(answers):
        """Return a gate that keeps the requests, and takes its answers from the list."""

        def ask(path, query, cookie, address):
            if server != "node" and not path.startswith("/harbor/"):
                return None  # the server's configuration decides which paths have the gate
            cases.append(common | {"now": time.now, "path": path, "query": query, "cookie": cookie, "address": address})
            return answers.pop(0)

        return ask

    # A process of Node takes all requests at once, so the cookies of the answers are known before it is started.
    path = "/harbor" if server == "node" else "/harbor/"
    session = f".{sha256(b'192.0.2.1 x').hexdigest()}" if server == "node" else ""
    entered = ["/harbor/?lang=en", f"fairgate_pass={text}{session}; Path={path}; HttpOnly; Secure; SameSite=Lax"]
    expected = [*[[LINE, None]] * 4, *([None, [LINE, None]] if server == "node" else []), entered, None, None, entered]
    expected += [*([[LINE, None]] * 2 if server == "node" else []), [LINE, None]]
    check_gate(record(list(expected)), text, time.advance, has_memory=server == "node")
    assert run_module(SCRIPTS[server].replace("$EXAMPLES", EXAMPLES.as_uri()), cases) == expected


NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
NGINX_CONF = """
load_module $MODULE;
pid nginx.pid; error_log error.log; master_process off;
events {}
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  js_path "$FOLDER";
  $HTTP
  server { listen 127.0.0.1:$PORT; location / { proxy_pass $SHOP; } $LOCATION }
}
"""


@pytest.mark.slow
@pytest.mark.skipif(not (NGINX_MODULE.exists() and shutil.which("nginx")), reason="needs nginx with njs: apt install libnginx-mod-http-js")
def test_the_gate_of_nginx_in_nginx(api, time, admitted, tmp_path):
    """With the lines at the top of the file. The gate reads the time of the test from a file."""
    event_id, text = admitted("HS256")
    passes = []

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self):
            passes.append(self.headers["X-Waiting-Room-Pass"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    source = (EXAMPLES / "waiting-room-pass-nginx.js").read_text()
    lines = "\n".join(re.findall(r"^ \* (.*?)(?: \*/)?$", source, re.MULTILINE))
    http, location = lines[: lines.index("location /harbor/")], lines[lines.index("location /harbor/") :]
    for name, value in (gate_settings(api, event_id) | {"secret": get_verifier(api, event_id)["secret"]}).items():
        source = re.sub(f"const {name.upper()} = .*;", f"const {name.upper()} = {json.dumps(value)};", source)
    source = f'import fs from "fs";\n{source}'.replace("Date.now()", f'Number(fs.readFileSync("{tmp_path}/now")) * 1000')
    (tmp_path / "waiting-room-pass-nginx.js").write_text(source)
    with HTTPServer(("127.0.0.1", 0), Shop) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        address, port = f"http://127.0.0.1:{shop.server_port}", find_port()
        values = {"MODULE": NGINX_MODULE, "FOLDER": tmp_path, "PORT": port, "HTTP": http, "SHOP": address}
        values["LOCATION"] = location.replace("http://127.0.0.1:8080", address)
        (tmp_path / "nginx.conf").write_text(Template(NGINX_CONF).safe_substitute(values))
        nginx = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]

        def ask(path, query, cookie, address):
            (tmp_path / "now").write_text(str(time.now))
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", f"{path}?{query}", headers={"Cookie": cookie})
            reply = connection.getresponse()
            connection.close()
            assert reply.status in (200, 302), (tmp_path / "error.log").read_text()
            return None if reply.status == 200 else (reply.headers["Location"], reply.headers["Set-Cookie"])

        subprocess.run(nginx, check=True, timeout=60)  # returns when it listens
        try:
            assert ask("/harbor/", f"FAIRGATE_PASS={text}", "", "")[0] == "/harbor/"  # nginx ignores the case of a parameter's name
            assert ask("//harbor/", "", "", "")[0] == ask("/%68arbor/x", "", "", "")[0] == ask("/x/../harbor/", "", "", "")[0] == LINE
            check_gate(ask, text, time.advance, has_memory=False)
        finally:
            subprocess.run([*nginx, "-s", "stop"], check=True, timeout=60)
            shop.shutdown()
    pass_id = jwt.decode(text, options={"verify_signature": False})["jti"]
    assert passes == [None, pass_id, pass_id]


@pytest.fixture
def ask_node(api, time):
    """Return a function that sends requests to one gate of Node, each with other values; the answers."""

    def ask(event_id, *requests, **settings):
        common = {"settings": gate_settings(api, event_id) | settings, "keys": api.get("/.well-known/jwks.json").json, "now": time.now}
        common |= {"path": "/harbor/", "query": "", "cookie": "", "address": "192.0.2.1"}
        return run_module(NODE.replace("$EXAMPLES", EXAMPLES.as_uri()), [common | request for request in requests])

    return ask


def test_no_spelling_of_a_path_leads_around_the_gate_of_node(admitted, ask_node):
    event_id, _ = admitted("EdDSA")
    gated = ["/harbor", "/HARBOR/cart", "/%68arbor/cart", "//harbor/cart", "/\\harbor/cart", "/x/../harbor/", "http://shop/Harbor/"]
    open_paths = ["/", "//", "/harbors", "/static/100%.png", "*"]
    answers = ask_node(event_id, *({"path": path} for path in gated + open_paths))
    assert answers == [[LINE, None]] * len(gated) + [None] * len(open_paths)


def test_the_gate_of_node_hands_failures_to_the_server(admitted, ask_node):
    event_id, text = admitted("EdDSA")
    answers = ask_node(event_id, {"query": f"fairgate_pass={text}"}, {"path": "http://[/harbor/"}, memory="away")
    assert answers == [["error", None], ["error", None]]  # Express 4 would end the process with a promise that is rejected
    assert ask_node(event_id, {"query": f"fairgate_pass={text}%0D%0A"}) == [[LINE, None]]


def test_the_gate_of_node_keeps_its_keys_while_they_cannot_be_read(time, admitted, ask_node):
    event_id, text = admitted("EdDSA", pass_seconds=9000)
    inside = {"cookie": f"fairgate_pass={text}.session"}
    later = time.now + 3700
    early = {"keys": None} | inside
    answers = ask_node(event_id, early, {"now": time.now + 6} | inside, {"now": later, "keys": None} | inside, {"now": later} | inside)
    assert answers == [[LINE, None], None, None, None]


def test_no_gate_has_more_than_sixty_lines():
    gates = [path.read_text().splitlines() for path in EXAMPLES.iterdir() if path.is_file()]
    assert len(gates) == 5
    assert max(map(len, gates)) <= 60


def test_the_gates_for_python_check_passes_in_the_same_way():
    """Each is whole by itself, so a mistake must be mended in both."""
    wsgi, asgi = ((EXAMPLES / f"waiting_room_pass_{server}.py").read_text() for server in ("wsgi", "asgi"))
    [in_wsgi, in_asgi] = (text[text.index("class Gate") : text.index("__call__")].removesuffix("async def ") for text in (wsgi, asgi))
    assert in_wsgi.removesuffix("def ") == in_asgi
