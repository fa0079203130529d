"""CloudFront in front of the pages (a bucket that only CloudFront can read) and the API, at one address and with HTTPS only.

CloudFront caches public documents for as long as the API says, mostly a second, and passes everything else through. The start page and the
pages of events come from the API too, and from the bucket while the API fails.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.edge.error_replies import CONTENT_POLICY, HSTS_SECONDS
from chalicelib.edge.languages import LANGUAGES
from chalicelib.edge.operation import Operation
from chalicelib.edge.routes import KEY_HEADER, VIEWER_HEADER
from chalicelib.foundation.settings import Settings, read
from infra.local.pages import FAILOVER_STATUSES, PAGE_POLICY, REVALIDATE, payment_policy
from infra.template import images
from infra.template.stages import ROOT, Template, addon_names, function_settings, stack_settings

API_STAGE = "api"
# The only pages that load a payment provider's script, for shops that take cards on their own page; infra/local/pages.py has the same rule.
# The last `*` is for a slash. A pattern of its own would be one of the 25 that a distribution may have.
_PAYMENT_PAGES = ("/events/*/checkout*", "/events/*/card*")
# The pages that arrive with their first words, after the pages below an event, which do not.
_BELOW_EVENTS, _WORDS_PAGES = "/events/*/?*", ("/", "/events/*")
# The document with so many parameters that it needs a cache policy of its own.
_SEARCHED = "/v1/events"
# How long CloudFront waits for the API before it gets a page from the bucket.
_CONNECT_SECONDS, _READ_SECONDS = 2, 5
# The errors that CloudFront keeps for ten seconds by default: those of API Gateway, which have no `Cache-Control`, and those from 500 on
# even if the API says `no-store`. Where nothing is cached, the key is only the path, so everybody would get the error of one caller.
_KEPT_ERRORS = (404, 414, 500, 501, 502, 503, 504)
# The ids of AWS's managed policies, which are the same in all accounts.
_CACHE_FILES = "658327ea-f89d-4fab-a63d-7e88639e58f6"  # CachingOptimized
_CACHE_NOTHING = "4135ea2d-6df8-44a3-9df3-4b5a084be39e"  # CachingDisabled
_PASS_ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"  # AllViewerExceptHostHeader

# Replaces a header of this name that the viewer sent.
_PASS_VIEWER_ON = """
function handler(event) {
  event.request.headers["%s"] = { value: event.viewer.ip };
  return event.request;
}
"""


def resources(stage: str, routes: dict[str, Any]) -> Template:
    """Return CloudFront's resources; `routes` are the app's: path -> method -> route."""
    return {
        "WebBucket": _BUCKET,
        "WebBucketPolicy": _BUCKET_POLICY,
        "WebAccess": _origin_access(stage),
        "ShowPage": _function(f"fairgate-{stage}-show-page", page_function(stack_settings(stage).promoter_domains)),
        "PassViewerOn": _function(f"fairgate-{stage}-pass-viewer-on", viewer_function()),
        "PageHeaders": _headers_policy(f"fairgate-{stage}-pages", {"ContentSecurityPolicy": PAGE_POLICY}),
        "WordsHeaders": _headers_policy(f"fairgate-{stage}-words", {"ContentSecurityPolicy": PAGE_POLICY}, {"Cache-Control": REVALIDATE}),
        "PaymentHeaders": _headers_policy(f"fairgate-{stage}-payment", {"ContentSecurityPolicy": payment_policy(_settings(stage))}),
        "ApiHeaders": _headers_policy(f"fairgate-{stage}-api", {"ContentSecurityPolicy": CONTENT_POLICY}, overrides=False),
        "PublicDocuments": _documents_policy(f"fairgate-{stage}-public-documents", known_parameters(routes.keys() - {_SEARCHED}, routes)),
        "SearchedDocument": _documents_policy(f"fairgate-{stage}-searched-document", known_parameters({_SEARCHED}, routes)),
        "Words": _cache_policy(
            f"fairgate-{stage}-words",
            {"QueryStringBehavior": "whitelist", "QueryStrings": ["path", "language"]},
            {"HeaderBehavior": "none"},
            brotli=True,
        ),
        "WordsViewer": _viewer_policy(f"fairgate-{stage}-words-viewer"),
        "Shop": {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": _distribution(stage, routes)}},
    }


def outputs(stage: str) -> Template:
    """Return the outputs that a deployment reads."""
    domain = stack_settings(stage).domain
    return {
        "ShopURL": {"Value": f"https://{domain}" if domain else {"Fn::Sub": "https://${Shop.DomainName}"}},
        "ShopDomain": {"Value": {"Fn::GetAtt": ["Shop", "DomainName"]}},
        "DistributionId": {"Value": {"Ref": "Shop"}},
        "WebBucketName": {"Value": {"Ref": "WebBucket"}},
    }


def page_function(promoter_domains: Mapping[str, str]) -> str:
    """Return the JavaScript that maps a page's address to a file, or to the page of the API with its first words."""
    source = (ROOT / "infra" / "cdn" / "viewer-request.js").read_text()
    source = source.replace('const LANGUAGES = ["en"];', f"const LANGUAGES = {json.dumps(LANGUAGES)};")
    return source.replace("const PROMOTERS = {};", f"const PROMOTERS = {json.dumps(dict(promoter_domains))};")


def viewer_function() -> str:
    """Return the JavaScript that passes the viewer's IP address to the API."""
    return _PASS_VIEWER_ON % VIEWER_HEADER.lower()


def cached_paths(routes: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return patterns of the API's paths in order of precedence, and whether CloudFront caches them.

    A `*` also matches further path segments, so an uncached pattern for the paths below a cached document comes before it. If all routes
    below a document are documents too, one pattern matches them all, because a distribution may have only 25.
    """
    documents = {
        path for path, methods in routes.items() if "GET" in methods and _is_public_document(methods["GET"].view_function.operation)
    }
    below = {path: {other for other in routes if other.startswith(f"{path}/")} for path in documents}
    joined = {path for path, others in below.items() if others and others <= documents}
    patterns: list[tuple[str, bool]] = []
    for path in sorted(documents.difference(*(below[path] for path in joined)), key=lambda path: (-path.count("/"), path)):
        parts = ["*" if part.startswith("{") else part for part in path.split("/")]
        pattern = f"/{API_STAGE}{'/'.join(parts)}"
        if path in joined:
            pattern += "*"
        elif parts[-1] == "*":
            patterns.append((f"{pattern}/*", False))
        patterns.append((pattern, True))
    return [*patterns, (f"/{API_STAGE}/*", False)]


def known_parameters(paths: Iterable[str], routes: dict[str, Any]) -> list[str]:
    """Return the query parameters of the public documents at these paths. Others change no document, so CloudFront's keys lack them.

    A cache policy may name ten.
    """
    operations = [routes[path]["GET"].view_function.operation for path in paths if "GET" in routes[path]]
    return sorted(
        {
            name
            for operation in operations
            if operation.query is not None and _is_public_document(operation)
            for name in operation.query.__struct_encode_fields__
        }
    )


def _settings(stage: str) -> Settings:
    return read(function_settings(stage)["Environment"]["Variables"])


def _is_public_document(operation: Operation) -> bool:
    return operation.access == "public" and "CacheableReply" in str(operation.handler.__annotations__["return"])


def _distribution(stage: str, routes: dict[str, Any]) -> Template:
    settings, has_images = stack_settings(stage), "images" in addon_names(stage)
    certificate: Template = {"CloudFrontDefaultCertificate": True}
    if settings.domains:
        certificate = {
            "AcmCertificateArn": settings.certificate_arn,
            "SslSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        }
    return {
        "Enabled": True,
        "Comment": f"Fairgate, stage {stage}",
        "HttpVersion": "http2and3",
        "IPV6Enabled": True,
        "PriceClass": settings.price_class,
        "Aliases": settings.domains,
        "ViewerCertificate": certificate,
        "Origins": [_web_origin(), _api_origin(stage), _words_origin(stage), *([images.origin()] if has_images else [])],
        "OriginGroups": {"Quantity": 1, "Items": [_WORDS_OR_NOT]},
        "CustomErrorResponses": [{"ErrorCode": status, "ErrorCachingMinTTL": 0} for status in _KEPT_ERRORS],
        "DefaultCacheBehavior": _behaviour("web", _CACHE_FILES, "PageHeaders", "ShowPage"),
        "CacheBehaviors": [
            *([_IMAGES] if has_images else []),
            *({"PathPattern": pattern, **_behaviour("web", _CACHE_FILES, "PaymentHeaders", "ShowPage")} for pattern in _PAYMENT_PAGES),
            {"PathPattern": _BELOW_EVENTS, **_behaviour("web", _CACHE_FILES, "PageHeaders", "ShowPage")},
            *(
                {
                    "PathPattern": pattern,
                    "OriginRequestPolicyId": {"Ref": "WordsViewer"},
                    **_behaviour("pages", {"Ref": "Words"}, "WordsHeaders", "ShowPage"),
                }
                for pattern in _WORDS_PAGES
            ),
            *(
                {
                    "PathPattern": pattern,
                    "AllowedMethods": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"],
                    "OriginRequestPolicyId": _PASS_ALL_BUT_HOST,
                    **_behaviour("api", _document_caching(pattern) if cached else _CACHE_NOTHING, "ApiHeaders", "PassViewerOn"),
                }
                for pattern, cached in cached_paths(routes)
            ),
        ],
    }


_IMAGES: Template = {
    "PathPattern": "/media/*",
    "TargetOriginId": "images",
    "ViewerProtocolPolicy": "https-only",
    "Compress": False,  # images are compressed already
    "CachePolicyId": _CACHE_FILES,
    "ResponseHeadersPolicyId": {"Ref": "ApiHeaders"},
}


def _web_origin() -> Template:
    return {
        "Id": "web",
        "DomainName": {"Fn::GetAtt": ["WebBucket", "RegionalDomainName"]},
        "S3OriginConfig": {"OriginAccessIdentity": ""},
        "OriginAccessControlId": {"Ref": "WebAccess"},
    }


def _api_origin(stage: str) -> Template:
    """Return the reference to the key `edge_key` in the stage's secret."""
    return {
        "Id": "api",
        "DomainName": {"Fn::Sub": "${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
        "CustomOriginConfig": {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]},
        "OriginCustomHeaders": [{"HeaderName": KEY_HEADER, "HeaderValue": edge_key(stage)}],
    }


def _words_origin(stage: str) -> Template:
    """Return the API as the origin of pages: CloudFront requests `/index.html` of it, as of the bucket."""
    limits = {"ConnectionAttempts": 1, "ConnectionTimeout": _CONNECT_SECONDS}
    origin = _api_origin(stage) | limits | {"Id": "words", "OriginPath": f"/{API_STAGE}/v1/pages"}
    return origin | {"CustomOriginConfig": origin["CustomOriginConfig"] | {"OriginReadTimeout": _READ_SECONDS}}


_WORDS_OR_NOT: Template = {
    "Id": "pages",
    "FailoverCriteria": {"StatusCodes": {"Quantity": len(FAILOVER_STATUSES), "Items": list(FAILOVER_STATUSES)}},
    "Members": {"Quantity": 2, "Items": [{"OriginId": "words"}, {"OriginId": "web"}]},
}


def edge_key(stage: str) -> str:
    """Return a reference that CloudFormation resolves."""
    return f"{{{{resolve:secretsmanager:fairgate/{stage}:SecretString:edge_key}}}}"


def _behaviour(origin: str, cache_policy: str | Template, headers: str, function: str) -> Template:
    return {
        "TargetOriginId": origin,
        "ViewerProtocolPolicy": "redirect-to-https" if origin in ("web", "pages") else "https-only",
        "Compress": True,
        "CachePolicyId": cache_policy,
        "ResponseHeadersPolicyId": {"Ref": headers},
        "FunctionAssociations": [{"EventType": "viewer-request", "FunctionARN": {"Fn::GetAtt": [function, "FunctionARN"]}}],
    }


def _document_caching(pattern: str) -> Template:
    return {"Ref": "SearchedDocument" if pattern == f"/{API_STAGE}{_SEARCHED}" else "PublicDocuments"}


def _documents_policy(name: str, parameters: list[str]) -> Template:
    queries = {"QueryStringBehavior": "whitelist", "QueryStrings": parameters}
    return _cache_policy(name, queries, {"HeaderBehavior": "whitelist", "Headers": ["Origin"]}, brotli=False)


def _cache_policy(name: str, queries: Template, headers: Template, *, brotli: bool) -> Template:
    """Return a policy by which CloudFront caches replies only as long as the API allows, separately for these parameters and headers."""
    key = {
        "QueryStringsConfig": queries,
        "HeadersConfig": headers,
        "CookiesConfig": {"CookieBehavior": "none"},
        "EnableAcceptEncodingGzip": True,
        "EnableAcceptEncodingBrotli": brotli,
    }
    config = {
        "Name": name,
        "MinTTL": 0,
        "DefaultTTL": 0,
        "MaxTTL": 300,
        "ParametersInCacheKeyAndForwardedToOrigin": key,
    }
    return {"Type": "AWS::CloudFront::CachePolicy", "Properties": {"CachePolicyConfig": config}}


def _viewer_policy(name: str) -> Template:
    """Return a policy by which CloudFront sends the origin the viewer's address, and nothing else that the viewer sent."""
    config = {
        "Name": name,
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": [VIEWER_HEADER]},
        "CookiesConfig": {"CookieBehavior": "none"},
    }
    return {"Type": "AWS::CloudFront::OriginRequestPolicy", "Properties": {"OriginRequestPolicyConfig": config}}


def _function(name: str, code: str) -> Template:
    return {
        "Type": "AWS::CloudFront::Function",
        "Properties": {
            "Name": name,
            "AutoPublish": True,
            "FunctionCode": code,
            "FunctionConfig": {"Comment": name, "Runtime": "cloudfront-js-2.0"},
        },
    }


def _headers_policy(name: str, more: dict[str, str], custom: dict[str, str] | None = None, *, overrides: bool = True) -> Template:
    """Return a policy for the headers of replies. With `overrides`, the headers in `more` replace those that the origin sends."""
    security: Template = {
        "StrictTransportSecurity": {"AccessControlMaxAgeSec": HSTS_SECONDS, "IncludeSubdomains": False, "Override": True},
        "ContentTypeOptions": {"Override": True},
        "ReferrerPolicy": {"ReferrerPolicy": "same-origin", "Override": True},
        **{header: {header: value, "Override": overrides} for header, value in more.items()},
    }
    config: Template = {"Name": name, "SecurityHeadersConfig": security}
    if custom:
        items = [{"Header": header, "Value": value, "Override": True} for header, value in custom.items()]
        config["CustomHeadersConfig"] = {"Items": items}
    return {"Type": "AWS::CloudFront::ResponseHeadersPolicy", "Properties": {"ResponseHeadersPolicyConfig": config}}


def _origin_access(stage: str) -> Template:
    config = {
        "Name": f"fairgate-{stage}-web",
        "OriginAccessControlOriginType": "s3",
        "SigningBehavior": "always",
        "SigningProtocol": "sigv4",
    }
    return {"Type": "AWS::CloudFront::OriginAccessControl", "Properties": {"OriginAccessControlConfig": config}}


_BUCKET: Template = {
    "Type": "AWS::S3::Bucket",
    "DeletionPolicy": "Retain",
    "UpdateReplacePolicy": "Retain",
    "Properties": {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    },
}
_FROM_THE_SHOP = {
    "StringEquals": {"AWS:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Shop}"}}
}
_BUCKET_POLICY: Template = {
    "Type": "AWS::S3::BucketPolicy",
    "Properties": {
        "Bucket": {"Ref": "WebBucket"},
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "ReadFiles",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudfront.amazonaws.com"},
                    "Action": "s3:GetObject",
                    "Resource": {"Fn::Sub": "${WebBucket.Arn}/*"},
                    "Condition": _FROM_THE_SHOP,
                },
                {
                    # Without this permission, a missing file would be forbidden (403) instead of not found (404).
                    "Sid": "KnowWhatIsMissing",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudfront.amazonaws.com"},
                    "Action": "s3:ListBucket",
                    "Resource": {"Fn::GetAtt": ["WebBucket", "Arn"]},
                    "Condition": _FROM_THE_SHOP,
                },
                {
                    "Sid": "EncryptedConnectionsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [{"Fn::GetAtt": ["WebBucket", "Arn"]}, {"Fn::Sub": "${WebBucket.Arn}/*"}],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    },
}
