"""The CDN: what is cached, which address the API gets, and the pages as the local run serves them."""

import json
import re
from fnmatch import fnmatchcase

import pytest

import app
from chalicelib.edge import error_replies
from chalicelib.foundation import settings
from infra.local import pages
from infra.local.gateway import GatewayResponse
from infra.template import cdn, stages, web_acl
from infra.template.stages import addon_names, deployed_stages
from tests.javascript import run_module

CONFIG = {stage: cdn.resources(stage, app.app.routes)["Shop"]["Properties"]["DistributionConfig"] for stage in deployed_stages()}


def run_function(code, events):
    script = f"""
        import {{ createInterface }} from "node:readline";
        {code}
        for await (const line of createInterface({{ input: process.stdin }})) console.log(JSON.stringify(handler(JSON.parse(line))));
    """
    return run_module(script, events)


@pytest.mark.parametrize("code", [cdn.page_function({}), cdn.viewer_function()])
def test_a_function_is_no_longer_than_cloudfront_takes(code):
    assert len(code.encode()) <= 10_240


def test_the_api_gets_the_viewers_address_whatever_the_viewer_says():
    event = {"viewer": {"ip": "2001:db8::7"}, "request": {"headers": {"x-viewer-address": {"value": "192.0.2.1"}, "host": {"value": "h"}}}}
    (request,) = run_function(cdn.viewer_function(), [event])
    assert request["headers"] == {"x-viewer-address": {"value": "2001:db8::7"}, "host": {"value": "h"}}


@pytest.mark.parametrize("stage", deployed_stages())
def test_every_request_that_reaches_the_api_has_the_viewers_address(stage):
    """The web ACL does not count a request with the key but without the address, so that one viewer could make any number of them."""
    resources = cdn.resources(stage, app.app.routes)
    passes_all = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # AWS's AllViewerExceptHostHeader
    for behaviour in CONFIG[stage]["CacheBehaviors"]:
        if behaviour["TargetOriginId"] not in ("api", "pages"):
            continue
        policy = behaviour["OriginRequestPolicyId"]
        if policy != passes_all:
            config = resources[policy["Ref"]]["Properties"]["OriginRequestPolicyConfig"]
            assert config["HeadersConfig"] == {"HeaderBehavior": "whitelist", "Headers": ["X-Viewer-Address"]}
        (association,) = behaviour["FunctionAssociations"]
        code = resources[association["FunctionARN"]["Fn::GetAtt"][0]]["Properties"]["FunctionCode"]
        request = {"uri": "/events/fest", "headers": {"x-viewer-address": {"value": "192.0.2.1"}}, "querystring": {}}
        (sent,) = run_function(code, [{"viewer": {"ip": "2001:db8::7"}, "request": request}])
        assert sent["headers"]["x-viewer-address"] == {"value": "2001:db8::7"}


@pytest.mark.parametrize("stage", deployed_stages())
def test_every_request_is_by_https_and_those_of_the_api_have_the_key(stage):
    behaviours = [CONFIG[stage]["DefaultCacheBehavior"], *CONFIG[stage]["CacheBehaviors"]]
    assert {behaviour["ViewerProtocolPolicy"] for behaviour in behaviours} <= {"https-only", "redirect-to-https"}
    of_bucket = [behaviour for behaviour in CONFIG[stage]["CacheBehaviors"] if behaviour["TargetOriginId"] == "images"]
    assert [behaviour["PathPattern"] for behaviour in of_bucket] == (["/media/*"] if "images" in addon_names(stage) else [])
    of_pages, of_api = CONFIG[stage]["CacheBehaviors"][len(of_bucket) :][:5], CONFIG[stage]["CacheBehaviors"][len(of_bucket) :][5:]
    assert [behaviour["TargetOriginId"] for behaviour in of_pages] == ["web", "web", "web", "pages", "pages"]
    for behaviour in of_api:
        (association,) = behaviour["FunctionAssociations"]
        assert (behaviour["TargetOriginId"], association["FunctionARN"]["Fn::GetAtt"][0]) == ("api", "PassViewerOn")
    origins = {origin["Id"]: origin for origin in CONFIG[stage]["Origins"]}
    assert origins["api"]["OriginCustomHeaders"] == [
        {"HeaderName": "X-Edge-Key", "HeaderValue": f"{{{{resolve:secretsmanager:fairgate/{stage}:SecretString:edge_key}}}}"}
    ]
    assert origins["words"]["OriginCustomHeaders"] == origins["api"]["OriginCustomHeaders"]
    for origin in (origins["words"], origins["api"]):
        encryption = origin["CustomOriginConfig"]
        assert (encryption["OriginProtocolPolicy"], encryption["OriginSSLProtocols"]) == ("https-only", ["TLSv1.2"])
    assert len(behaviours) <= 25  # as many as a distribution may have


@pytest.mark.parametrize("stage", deployed_stages())
def test_only_parameters_that_change_a_public_document_are_in_the_key_of_the_cache(stage):
    """Otherwise `/events?x=1`, `/events?x=2` and so on would all reach the API, which ignores unknown parameters of public documents."""
    resources = cdn.resources(stage, app.app.routes)
    policies = {
        "PublicDocuments": ["cursor", "event_id", "language", "limit", "page", "status"],
        "SearchedDocument": ["category", "city", "cursor", "from", "language", "limit", "q", "status", "to"],
    }
    for policy, names in policies.items():
        key = resources[policy]["Properties"]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
        assert key["QueryStringsConfig"] == {"QueryStringBehavior": "whitelist", "QueryStrings": names}
        assert len(names) <= 10  # as many as a cache policy may name
    behaviours = resources["Shop"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
    searched = [each["PathPattern"] for each in behaviours if each["CachePolicyId"] == {"Ref": "SearchedDocument"}]
    assert searched == ["/api/v1/events"]


def test_public_documents_are_cached_and_nothing_else_is():
    patterns = cdn.cached_paths(app.app.routes)
    cached = set()
    for path in app.app.routes:
        address = f"/api{re.sub('{[^}]*}', 'x', path)}"
        if next(is_cached for pattern, is_cached in patterns if fnmatchcase(address, pattern)):
            cached.add(path)
    assert cached == {
        "/v1/.well-known/jwks.json",
        "/v1/events/{event_id}/access-codes",
        "/v1/openapi.json",
        "/v1/events",
        "/v1/events/{event_id}",
        "/v1/events/{event_id}/tickets/packages",
        "/v1/events/{event_id}/tiers",
        "/v1/events/{event_id}/availability",
        "/v1/events/{event_id}/ballot",
        "/v1/events/{event_id}/seller",
        "/v1/events/{event_id}/stock-ledger",
        "/v1/events/{event_id}/waiting-room/entries",
        "/v1/events/{event_id}/waiting-room/entries/{digest}",
        "/v1/events/{event_id}/waiting-room/state",
        "/v1/push-key",
        "/v1/tiers/{tier_id}",
        "/v1/tiers/{tier_id}/availability",
        "/v1/tickets/types",
    }


@pytest.mark.parametrize("stage", deployed_stages())
def test_nobody_gets_the_error_of_somebody_else(stage):
    """CloudFront keeps these errors for ten seconds by default, and ignores `no-store` for those from 500 on, also where it caches nothing.

    One buyer's 503 from `/v1/orders` would otherwise be the reply to all buyers near the same edge location.
    """
    by_status = {each["ErrorCode"]: each for each in CONFIG[stage]["CustomErrorResponses"]}
    assert by_status == {status: {"ErrorCode": status, "ErrorCachingMinTTL": 0} for status in (404, 414, 500, 501, 502, 503, 504)}


def test_pages_have_the_headers_of_the_local_run(tmp_path):
    (tmp_path / "index.html").write_text("the page")
    sent = pages.page_response(tmp_path, "GET", "/").headers
    policy = cdn.resources("prod", app.app.routes)["PageHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert policy["ContentSecurityPolicy"]["ContentSecurityPolicy"] == sent["Content-Security-Policy"]
    assert policy["ReferrerPolicy"]["ReferrerPolicy"] == sent["Referrer-Policy"]
    assert policy["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert "ContentTypeOptions" in policy


@pytest.mark.parametrize("stage", deployed_stages())
def test_pictures_and_replies_of_the_api_run_nothing_unless_the_api_has_a_policy_of_its_own(stage):
    served = {
        each["TargetOriginId"] for each in CONFIG[stage]["CacheBehaviors"] if each["ResponseHeadersPolicyId"] == {"Ref": "ApiHeaders"}
    }
    assert served == ({"api", "images"} if "images" in addon_names(stage) else {"api"})
    config = cdn.resources(stage, app.app.routes)["ApiHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    policy = config["SecurityHeadersConfig"]["ContentSecurityPolicy"]
    assert policy == {"ContentSecurityPolicy": error_replies.CONTENT_POLICY, "Override": False}


def words_reply(status):
    return pages.words_response(GatewayResponse(status, {"Content-Type": "text/html; charset=utf-8"}, b"the page"))


@pytest.mark.parametrize("stage", deployed_stages())
def test_pages_come_from_the_bucket_while_the_api_fails(stage):
    (group,) = CONFIG[stage]["OriginGroups"]["Items"]
    origins = {origin["Id"]: origin for origin in CONFIG[stage]["Origins"]}
    first, second = (member["OriginId"] for member in group["Members"]["Items"])
    path = "/api" + next(path for path in app.app.routes if path.endswith("/index.html"))
    assert (origins[first]["OriginPath"] + "/index.html", second) == (path, "web")
    failing = {status for status in range(200, 600) if words_reply(status) is None}
    assert set(group["FailoverCriteria"]["StatusCodes"]["Items"]) == failing == {400, 403, 429, 500, 502, 503, 504}


def test_the_copies_of_a_page_depend_only_on_its_path_and_language():
    resources = cdn.resources("prod", app.app.routes)
    parameters = resources["Words"]["Properties"]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    behaviours = [each for each in CONFIG["prod"]["CacheBehaviors"] if each["TargetOriginId"] == "pages"]
    assert {str(each["CachePolicyId"]) for each in behaviours} == {str({"Ref": "Words"})}
    assert {str(each["OriginRequestPolicyId"]) for each in behaviours} == {str({"Ref": "WordsViewer"})}
    passed_on = resources["WordsViewer"]["Properties"]["OriginRequestPolicyConfig"]
    assert (passed_on["CookiesConfig"]["CookieBehavior"], passed_on["QueryStringsConfig"]["QueryStringBehavior"]) == ("none", "none")
    assert passed_on["HeadersConfig"]["Headers"] == ["X-Viewer-Address"]  # of which the API's page says nothing
    assert parameters["QueryStringsConfig"]["QueryStrings"] == ["path", "language"]
    assert (parameters["CookiesConfig"]["CookieBehavior"], parameters["HeadersConfig"]["HeaderBehavior"]) == ("none", "none")


def test_browsers_keep_no_page_whatever_the_cdn_keeps():
    config = cdn.resources("prod", app.app.routes)["WordsHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    sent = words_reply(200).headers
    assert config["CustomHeadersConfig"]["Items"] == [{"Header": "Cache-Control", "Value": sent["Cache-Control"], "Override": True}]
    assert config["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"] == sent["Content-Security-Policy"]


WORDS_PAGES = ["/", "/events/fest", "/events/fest/", "/events/"]


@pytest.mark.parametrize(
    "path", [*WORDS_PAGES, "/events", "/tickets", "/events/fest/line", "/events/fest/checkout", "/manage", "/api/v1/events"]
)
def test_the_same_pages_come_with_words_as_in_the_local_run(path):
    behaviour = next(
        (each for each in CONFIG["prod"]["CacheBehaviors"] if fnmatchcase(path, each["PathPattern"])), {"TargetOriginId": "web"}
    )
    assert (behaviour["TargetOriginId"] == "pages") == (pages.words_target("GET", path, []) is not None) == (path in WORDS_PAGES)


PAGES = [
    "/",
    "/tickets",
    "/events/fest",
    "/events/fest/line",
    "/events/fest/checkout",
    "/events/fest/checkout/",
    "/events/fest/card",
    "/manage/events/fest/orders",
]


@pytest.mark.parametrize(
    ("key", "stripe"), [("pk_live_x", ["/events/fest/checkout", "/events/fest/checkout/", "/events/fest/card"]), ("", [])]
)
def test_only_the_pages_that_take_cards_may_load_what_stripe_sends(tmp_path, monkeypatch, key, stripe):
    """By the policy of each address, the same as in the local run."""
    config = stages._config()
    config["stages"]["prod"]["environment_variables"]["FAIRGATE_STRIPE_PUBLISHABLE_KEY"] = key
    monkeypatch.setattr(stages, "_config", lambda: json.loads(json.dumps(config)))
    resources = cdn.resources("prod", app.app.routes)
    distribution = resources["Shop"]["Properties"]["DistributionConfig"]

    def policy(path):
        behaviours = [each for each in distribution["CacheBehaviors"] if fnmatchcase(path, each["PathPattern"])]
        found = [*behaviours, distribution["DefaultCacheBehavior"]][0]
        headers = resources[found["ResponseHeadersPolicyId"]["Ref"]]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
        return headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]

    for entry in ("index", "manage"):
        (tmp_path / f"{entry}.html").write_text("the page")
    with settings.override(stripe_publishable_key=key):
        assert {path: policy(path) for path in PAGES} == {
            path: pages.page_response(tmp_path, "GET", path).headers["Content-Security-Policy"] for path in PAGES
        }
    assert [path for path in PAGES if "stripe.com" in policy(path)] == stripe


def test_a_domain_of_ones_own_has_its_certificate(monkeypatch):
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/c1"
    blocks = stages._stacks()
    blocks["prod"] |= {"domain": "tickets.example.com", "certificate_arn": arn}
    monkeypatch.setattr(stages, "_stacks", lambda: blocks)
    distribution = cdn.resources("prod", app.app.routes)["Shop"]["Properties"]["DistributionConfig"]
    assert (distribution["Aliases"], distribution["ViewerCertificate"]["AcmCertificateArn"]) == (["tickets.example.com"], arn)
    assert distribution["ViewerCertificate"]["MinimumProtocolVersion"].startswith("TLSv1.2_")
    assert cdn.outputs("prod")["ShopURL"] == {"Value": "https://tickets.example.com"}


def test_a_stage_with_a_limit_for_addresses_has_a_web_acl():
    assert web_acl.resources("dev") == {}
    viewers, callers = web_acl.resources("prod")["WebACL"]["Properties"]["Rules"]
    assert viewers["Statement"]["RateBasedStatement"]["ForwardedIPConfig"]["HeaderName"] == "X-Viewer-Address"
    assert callers["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    by_key = viewers["Statement"]["RateBasedStatement"]["ScopeDownStatement"]
    assert callers["Statement"]["RateBasedStatement"]["ScopeDownStatement"] == {"NotStatement": {"Statement": by_key}}
