"""Authentication: tokens are bound to one algorithm, secret, stage and time; the demo header never makes an admin."""

import base64

import jwt
import msgspec
import pytest

from chalicelib.edge import auth
from chalicelib.foundation import settings
from tests import builders
from tests.conftest import JWT_SECRET, START


def _claims(**changes):
    claims = {"iss": "fairgate-test", "aud": "fairgate-api", "sub": "ada", "roles": ["admin", "user"], "iat": START, "exp": START + 900}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def _signed(secret: str = JWT_SECRET, algorithm: str = "HS256", key_id="default", **changes) -> str:
    return jwt.encode(_claims(**changes), secret, algorithm=algorithm, headers={"kid": key_id})


def _token(**changes) -> str:
    return _signed(**changes)


def _unsigned(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "default"}, _claims()]
    return ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts) + "."


def test_a_token_identifies_the_user_and_the_roles(edge, time):
    assert edge.get("/me", token=builders.token("ada", "staff")).json == {"id": "ada", "roles": ["staff", "user"]}
    assert edge.get("/admins", token=builders.admin_token()).status == 200
    assert edge.get("/admins", token=_token()).status == 200


def test_the_log_says_who_was_refused_and_by_which_route(edge, time, caplog):
    edge.get("/admins", token=builders.token("ada"))
    edge.get("/admins")
    edge.get("/me", token=_token(exp=START))
    refusals = [record for record in caplog.records if record.message == "request.refused"]
    assert [(record.error, record.route, record.user_id) for record in refusals] == [
        ("forbidden", "GET /admins", "ada"),
        ("unauthenticated", "GET /admins", None),
        ("unauthenticated", "GET /me", None),
    ]
    edge.get("/fails/refused")  # no question of access
    assert len([record for record in caplog.records if record.message == "request.refused"]) == 3


FORGED = {
    "alg none": lambda: _unsigned("none"),
    "alg None": lambda: _unsigned("None"),
    "no signature": lambda: _unsigned("HS256"),
    "other algorithm": lambda: _signed(JWT_SECRET + "x" * 32, "HS512"),
    "same secret, other algorithm": lambda: _signed(algorithm="HS384"),
    "other secret": lambda: _signed("another-secret-that-has-enough-characters"),
    "unknown key": lambda: _signed(key_id="k9"),
    "no key": lambda: jwt.encode(_claims(), JWT_SECRET, algorithm="HS256"),
    "other audience": lambda: _token(aud="fairgate-mails"),
    "no audience": lambda: _token(aud=None),
    "other stage": lambda: _token(iss="fairgate-prod"),
    "no issuer": lambda: _token(iss=None),
    "no subject": lambda: _token(sub=None),
    "no end": lambda: _token(exp=None),
    "end is text": lambda: _token(exp=str(START + 900)),
    "expired": lambda: _token(exp=START),
    "cut": lambda: _token()[:-3],
    "payload changed": lambda: _token().replace(".", ".e", 1),
    "not a token": lambda: "x",
}


MALFORMED = {
    "subject is empty": {"sub": ""},
    "subject is no user id": {"sub": "a b"},
    "subject is too long": {"sub": "a" * 65},
    "subject is a number": {"sub": 7},
    "roles are null": {"roles": [None]},
    "roles are text": {"roles": "admin"},
    "roles are a number": {"roles": 5},
    "roles are lists": {"roles": [["admin"]]},
    "roles are many": {"roles": ["user"] * 17},
    "events are text": {"events": "summer"},
    "events are a number": {"events": 5},
    "events are numbers": {"events": [5]},
    "events are lists": {"events": [["summer"]]},
    "events are an object": {"events": {"summer": True}},
    "event is empty": {"events": [""]},
    "event is no id": {"events": ["a/b"]},
    "event is too long": {"events": ["a" * 101]},
    "events are many": {"events": [f"event-{number}" for number in range(101)]},
    "end is a fraction": {"exp": START + 900.5},
    "audiences are others": {"aud": ["others"]},
}


@pytest.mark.parametrize("claims", MALFORMED.values(), ids=MALFORMED)
def test_a_token_with_malformed_claims_is_a_401(edge, time, claims):
    for path in ("/me", "/admins"):
        reply = edge.get(path, token=_token(**claims))
        assert (reply.status, reply.json["error"]) == (401, "unauthenticated")


def test_a_token_that_cannot_be_decoded_is_a_401(edge, time):
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    for token in (f"{deep}.e30.x", "\ud800.e30.x", "\xff.\xff.\xff", "..", "." * 5000, "bnVsbA.bnVsbA.bnVsbA"):
        reply = edge.get("/me", token=token)
        assert (reply.status, reply.json["error"]) == (401, "unauthenticated")


def test_missing_or_unknown_claims_are_accepted(edge, time):
    assert edge.get("/me", token=_token(roles=None)).json == {"id": "ada", "roles": []}
    assert edge.get("/me", token=_token(events={}, scope="tickets", roles=["usher"])).json == {"id": "ada", "roles": ["usher"]}


def test_no_token_is_issued_that_would_be_refused(time):
    for events in ({"a/b": "staff"}, {"a": "guard"}, {f"event-{number}": "staff" for number in range(101)}):
        with pytest.raises(ValueError, match="events"):
            auth.issue_token("door", {"staff"}, events=events)
    with pytest.raises(ValueError, match="user id"):
        auth.issue_token("a b", {"user"})


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_forged_or_expired_token_is_a_401(edge, time, forgery):
    for path in ("/me", "/admins"):
        reply = edge.get(path, token=FORGED[forgery]())
        assert (reply.status, reply.json["error"]) == (401, "unauthenticated")


def test_a_token_expires_by_the_clock(edge, time):
    token = _token(exp=START + 900)
    time.set(START + 899)
    assert edge.get("/me", token=token).status == 200
    time.set(START + 900)
    assert edge.get("/me", token=token).status == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token"])
def test_an_authorization_header_without_a_bearer_token_is_a_401(edge, header):
    assert edge.get("/me", headers={"Authorization": header}, user="ada").status == 401


def test_the_demo_header_identifies_a_user_and_never_gives_another_role(edge):
    assert edge.get("/me", user="ada").json == {"id": "ada", "roles": ["user"]}
    for name in ("admin", "root", "demo-admin"):
        assert edge.get("/admins", user=name).status == 403
    assert edge.get("/admins", user="ada", headers={"X-Roles": "admin", "X-User-Roles": "admin"}).status == 403


@pytest.mark.parametrize("name", [" ", "a b", "-a", "x" * 65, "ü", "a/b", "a#b"])
def test_an_invalid_user_id_in_the_demo_header_is_a_400(edge, name):
    reply = edge.get("/me", user=name)
    assert (reply.status, reply.json["error"]) == (400, "user_required")


def test_an_anonymous_request_gets_401_everywhere_and_hears_how_to_sign_in(edge):
    for path in ("/me", "/admins"):
        demo = edge.get(path)
        assert (demo.status, demo.json["error"]) == (401, "unauthenticated")
        assert "X-User-Id" in demo.json["message"]
        with settings.override(identity="jwt"):
            deployed = edge.get(path, headers={"X-User-Id": "ada"})
        assert (deployed.status, deployed.json["error"]) == (401, "unauthenticated")
        assert "X-User-Id" not in deployed.json["message"]


def test_the_demo_header_is_ignored_without_demo_identity(edge):
    with settings.override(identity="jwt"):
        assert edge.get("/me", user="ada").status == 401
        assert edge.get("/me", user="eve", token=builders.token("ada")).json["id"] == "ada"


def test_a_token_takes_precedence_over_the_demo_header(edge, time):
    assert edge.get("/me", user="eve", token=_token()).json["id"] == "ada"


def test_a_role_requires_a_token_that_has_it(edge):
    assert edge.get("/admins").status == 401
    assert edge.get("/admins", token=builders.token("ada", "promoter")).status == 403


def test_keys_rotate_by_their_id(edge, time):
    old, new = "k1:the-first-key-of-these-tests-is-long", "k2:the-second-key-of-these-tests-is-long"
    with settings.override(jwt_keys=old):
        before = builders.token("ada")
    with settings.override(jwt_keys=f"{new},{old}"):
        after = builders.token("ada")
        assert jwt.get_unverified_header(after)["kid"] == "k2"
        assert [edge.get("/me", token=token).status for token in (before, after)] == [200, 200]
    with settings.override(jwt_keys=new):
        assert [edge.get("/me", token=token).status for token in (before, after)] == [401, 200]


def test_a_key_is_used_for_its_own_id_only(edge, time):
    first, second = "the-first-key-of-these-tests-is-long", "the-second-key-of-these-tests-is-long"
    with settings.override(jwt_keys=f"k1:{first},k2:{second}"):
        assert edge.get("/me", token=_signed(second, key_id="k2")).status == 200
        assert edge.get("/me", token=_signed(second, key_id="k1")).status == 401
        assert edge.get("/me", token=_signed()).status == 401  # not signed with a key of the list
