"""The web ACL of a stage: a limit on the requests of each address to the API.

The ACL protects API Gateway instead of CloudFront, whose ACLs exist only in us-east-1. For requests with CloudFront's key, the ACL counts
the viewer's address that CloudFront passes on; for other requests, the caller's address.
"""

from chalicelib.edge.routes import KEY_HEADER, VIEWER_HEADER
from infra.template.cdn import API_STAGE, edge_key
from infra.template.stages import Template, stack_settings


def resources(stage: str) -> Template:
    """Return the web ACL; nothing if the stage has no limit."""
    limit = stack_settings(stage).requests_per_address
    if limit is None:
        return {}
    from_cdn = {
        "ByteMatchStatement": {
            "FieldToMatch": {"SingleHeader": {"Name": KEY_HEADER.lower()}},
            "PositionalConstraint": "EXACTLY",
            "SearchString": edge_key(stage),
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
        }
    }
    passed_on = {"AggregateKeyType": "FORWARDED_IP", "ForwardedIPConfig": {"HeaderName": VIEWER_HEADER, "FallbackBehavior": "MATCH"}}
    rules = [
        _rule(0, "Viewers", {**passed_on, "Limit": limit, "ScopeDownStatement": from_cdn}),
        _rule(1, "Callers", {"AggregateKeyType": "IP", "Limit": limit, "ScopeDownStatement": {"NotStatement": {"Statement": from_cdn}}}),
    ]
    return {
        "WebACL": {
            "Type": "AWS::WAFv2::WebACL",
            "Properties": {
                "Name": f"fairgate-{stage}",
                "Scope": "REGIONAL",
                "DefaultAction": {"Allow": {}},
                "Rules": rules,
                "VisibilityConfig": _visibility("WebACL"),
            },
        },
        "WebACLAssociation": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "DependsOn": f"RestAPI{API_STAGE}Stage",
            "Properties": {
                "ResourceArn": {
                    "Fn::Sub": f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/restapis/${{RestAPI}}/stages/{API_STAGE}"
                },
                "WebACLArn": {"Fn::GetAtt": ["WebACL", "Arn"]},
            },
        },
    }


def _rule(priority: int, name: str, statement: Template) -> Template:
    return {
        "Name": name,
        "Priority": priority,
        "Statement": {"RateBasedStatement": statement},
        "Action": {"Block": {}},
        "VisibilityConfig": _visibility(name),
    }


def _visibility(name: str) -> Template:
    return {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": False, "MetricName": name}
