"""The dashboard of a stage, in the order in which an operator reads it during a drop."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from chalicelib.foundation import log
from chalicelib.foundation.settings import ExternalProviderName
from infra.template.alarms import DAY, DELIVERY_ENDS, DELIVERY_GOAL, DELIVERY_RATE, FROM_LOGS, HIT_GOAL, HIT_RATE, HITS_AND_MISSES, MINUTE
from infra.template.functions import FUNCTIONS, consumers_of, dead_letters_id, functions_of
from infra.template.stages import Template, addon_names

WIDTH, HEIGHT = 8, 6
COLUMNS = 24 // WIDTH
_WEBHOOKS = ("outgoing_webhooks_delivered", "outgoing_webhooks_failed", "outgoing_webhooks_dead")


def resources(stage: str) -> Template:
    """Return the dashboard. CloudFormation replaces `${...}` in its body."""
    widgets = [_widget(number, title, stat, metrics) for number, (title, stat, metrics) in enumerate(_graphs(stage))]
    for title, expression, names, goal, period in (
        ("Mails delivered, by day (%)", DELIVERY_RATE, {end: f"mails_{end}" for end in DELIVERY_ENDS}, DELIVERY_GOAL, DAY),
        ("Cache hits (%)", HIT_RATE, HITS_AND_MISSES, HIT_GOAL, MINUTE),
    ):
        widgets.append(_rate(len(widgets), stage, title, expression, names, goal, period))
    return {
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": f"fairgate-{stage}", "DashboardBody": {"Fn::Sub": json.dumps({"widgets": widgets})}},
        }
    }


def _graphs(stage: str) -> list[tuple[str, str, list[list[Any]]]]:
    """Return the title, statistic and metrics of each graph. A metric has the dashboard's format: namespace, name, dimensions."""
    api, wanted = ["ApiName", f"fairgate-{stage}", "Stage", "api"], addon_names(stage)
    ages = {"messages": "mail_oldest_seconds", "outgoing_webhooks": "outgoing_webhooks_oldest_seconds"}
    unsent = [gauge for addon, gauge in ages.items() if addon in wanted]

    def own(*names: str) -> list[list[str]]:
        for name in names:
            if name not in log.COUNTERS and name not in log.GAUGES:
                raise KeyError(name)
        return [[log.NAMESPACE, name, "service", log.SERVICE, "stage", stage] for name in names]

    def each_function(name: str) -> list[list[str]]:
        return [["AWS/Lambda", name, "FunctionName", f"${{{logical_id}}}"] for logical_id in functions_of(stage).values()]

    consumers = [f"${{{FUNCTIONS[name]}}}" for name in consumers_of(stage)]
    queues = [queue for queue in map(dead_letters_id, functions_of(stage)) if queue is not None]
    dead_letters = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"${{{queue}.QueueName}}"] for queue in queues]
    return [
        ("Requests", "Sum", [["AWS/ApiGateway", name, *api] for name in ("Count", "4XXError", "5XXError")]),
        ("Latency (ms)", "p95", [["AWS/ApiGateway", "Latency", *api, {"stat": stat}] for stat in ("p50", "p95", "p99")]),
        ("Instances", "Maximum", each_function("ConcurrentExecutions")),
        ("Waiting room", "Maximum", own("queue_length", "active_passes", "admitted")),
        ("Joins and draws", "Sum", own("waiting_room_joins", "beacon_failures")),
        ("Reservations", "Sum", own("reservations_created", "reservations_refused", "oversell_attempts", "holds_expired")),
        ("Purchases", "Sum", own("orders_paid", "payments_failed", "tickets_issued", "late_payments")),
        ("Refused", "Sum", own("rate_limited", "store_unavailable", "logins_delayed", "webhooks_refused")),
        (
            "Problems found in logs",
            "Sum",
            [[f"{FROM_LOGS}/{stage}", name] for name in ("purchase_steps_failed", "access_refused", "settings_wrong")],
        ),
        ("Caches", "Sum", own("cache_hit", "cache_miss", "cache_stale")),
        (
            "Payment providers",
            "Sum",
            own(
                *(f"{name}_calls" for name in get_args(ExternalProviderName)),
                *("webhooks", "refunds", "refunds_failed", "reconciliation_findings"),
            ),
        ),
        ("Sweep", "Sum", own("sweep_runs", "sweeps_unfinished", "holds_left_to_recovery")),
        ("Open cases and holds", "Maximum", own("money_matters", "active_holds")),
        ("Catalog", "Maximum", own("catalog_version", "publications_abandoned", "low_stocks")),
        (
            "Mails",
            "Sum",
            own(
                "mails_sent",
                "mails_delivered",
                "mails_bounced",
                "mails_rejected",
                "mails_complained",
                "mails_failed",
                "mails_withheld",
                "notifications_given_up",
            ),
        ),
        *([("Waitlist", "Sum", own("waitlist_joins", "waitlist_offers"))] if "waitlist" in wanted else []),
        *([("Promoter webhooks", "Sum", own(*_WEBHOOKS))] if "outgoing_webhooks" in wanted else []),
        *([("Age of the oldest unsent message (s)", "Maximum", own(*unsent))] if unsent else []),
        (
            "Age of unprocessed changes (ms)",
            "Maximum",
            [["AWS/Lambda", "IteratorAge", "FunctionName", ref] for ref in consumers],
        ),
        ("Dead letters", "Maximum", dead_letters),
        *([("Orders not indexed", "Sum", own("orders_not_indexed"))] if "reports" in wanted else []),
        ("Throttles and errors", "Sum", [*each_function("Throttles"), *each_function("Errors")]),
    ]


def _rate(number: int, stage: str, title: str, expression: str, names: Mapping[str, str], goal: float, period: int) -> Template:
    """Return the graph of a share in percent, with its goal. `names` are the metrics of the expression by their ids."""
    hidden = [[log.NAMESPACE, name, "service", log.SERVICE, "stage", stage, {"id": id, "visible": False}] for id, name in names.items()]
    widget = _widget(number, title, "Sum", [[{"expression": expression, "id": "rate", "label": title}], *hidden], period)
    line = {"label": "goal", "value": goal}
    widget["properties"] |= {"annotations": {"horizontal": [line]}, "yAxis": {"left": {"max": 100}}}
    return widget


def _widget(number: int, title: str, stat: str, metrics: Sequence[Sequence[Any]], period: int = MINUTE) -> Template:
    return {
        "type": "metric",
        "x": number % COLUMNS * WIDTH,
        "y": number // COLUMNS * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {"title": title, "stat": stat, "period": period, "region": "${AWS::Region}", "metrics": metrics},
    }
