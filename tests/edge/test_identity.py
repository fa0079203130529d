"""Who is calling: tokens are pinned to one algorithm, secret, stage and time; the demo header never makes an admin."""

import base64

import jwt
import msgspec
import pytest

from chalicelib import settings
from tests import builders
from tests.conftest import JWT_SECRET, START


def _claims(**changed):
    claims = {"iss": "fairgate-test", "sub": "ada", "roles": ["admin", "user"], "iat": START, "exp": START + 900}
    return {name: value for name, value in {**claims, **changed}.items() if value is not None}


def _encoded(**changed) -> str:
    return jwt.encode(_claims(**changed), JWT_SECRET, algorithm="HS256")


def _unsigned(algorithm: str) -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, _claims()]
    return ".".join(base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts) + "."


def test_a_token_names_user_and_roles(edge, time):
    assert edge.get("/me", token=builders.token("ada", "staff")).json == {"id": "ada", "roles": ["staff", "user"]}
    assert edge.get("/admins", token=builders.admin_token()).status == 200
    assert edge.get("/admins", token=_encoded()).status == 200


FORGED = {
    "alg none": lambda: _unsigned("none"),
    "alg None": lambda: _unsigned("None"),
    "no signature": lambda: _unsigned("HS256"),
    "other algorithm": lambda: jwt.encode(_claims(), JWT_SECRET + "x" * 32, algorithm="HS512"),
    "same secret, other algorithm": lambda: jwt.encode(_claims(), JWT_SECRET, algorithm="HS384"),
    "other secret": lambda: jwt.encode(_claims(), "another-secret-that-has-enough-characters", algorithm="HS256"),
    "other stage": lambda: _encoded(iss="fairgate-prod"),
    "no issuer": lambda: _encoded(iss=None),
    "no subject": lambda: _encoded(sub=None),
    "no end": lambda: _encoded(exp=None),
    "end is text": lambda: _encoded(exp=str(START + 900)),
    "expired": lambda: _encoded(exp=START),
    "cut": lambda: _encoded()[:-3],
    "payload changed": lambda: _encoded().replace(".", ".e", 1),
    "not a token": lambda: "x",
}


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_forged_and_stale_tokens_are_a_401(edge, time, forgery):
    for path in ("/me", "/admins"):
        reply = edge.get(path, token=FORGED[forgery]())
        assert (reply.status, reply.json["error"]) == (401, "unauthenticated")


def test_a_token_ends_by_the_injected_clock(edge, time):
    token = _encoded(exp=START + 900)
    time.set(START + 899)
    assert edge.get("/me", token=token).status == 200
    time.set(START + 900)
    assert edge.get("/me", token=token).status == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token"])
def test_a_header_that_is_no_bearer_token_is_a_401(edge, header):
    assert edge.get("/me", headers={"Authorization": header}, user="ada").status == 401


def test_the_demo_header_names_a_user_and_never_gives_a_role(edge):
    assert edge.get("/me", user="ada").json == {"id": "ada", "roles": ["user"]}
    for name in ("admin", "root", "demo-admin"):
        assert edge.get("/admins", user=name).status == 403
    assert edge.get("/admins", user="ada", headers={"X-Roles": "admin", "X-User-Roles": "admin"}).status == 403


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "x" * 65, "ü", "a/b", "a#b"])
def test_a_user_that_cannot_be_one_is_a_400(edge, name):
    reply = edge.get("/me", user=name)
    assert (reply.status, reply.json["error"]) == (400, "user_required")


def test_nobody_is_a_400_in_the_demo_stage_and_a_401_elsewhere(edge):
    assert edge.get("/me").status == 400
    with settings.override(identity="jwt"):
        assert edge.get("/me").status == 401


def test_the_demo_header_is_ignored_where_identity_is_by_token(edge):
    with settings.override(identity="jwt"):
        assert edge.get("/me", user="ada").status == 401
        assert edge.get("/me", user="eve", token=builders.token("ada")).json["id"] == "ada"


def test_a_token_goes_before_the_demo_header(edge, time):
    assert edge.get("/me", user="eve", token=_encoded()).json["id"] == "ada"


def test_a_role_needs_somebody(edge):
    assert edge.get("/admins").status == 401
    assert edge.get("/admins", token=builders.token("ada", "promoter")).status == 403
