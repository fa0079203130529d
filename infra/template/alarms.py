"""The alarms of a stage. docs/runbook.md has a section for each alarm: its meaning, where to look, and what to do."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from chalicelib.foundation import log
from infra.template import mails
from infra.template.functions import FUNCTIONS, alarm_id, consumers_of, dead_letters_id, functions_of, logs_id
from infra.template.stages import Template, addon_names, stack_settings

RUNBOOK = "docs/runbook.md"
MINUTE, MINUTES, HOUR, DAY = 60, 300, 3600, 86_400

Metric = Template

# The API's paths for reserving, opening a checkout, paying, and buying in one call.
PURCHASE_STEPS = ("/v1/events/{event_id}/reservations", "/v1/checkout/sessions", "/v1/checkout/confirm", "/v1/orders")
FROM_LOGS = "FairgateLogs"
# The goal in percent: the share of delivered emails among the emails whose outcome SES has reported. A metric without events has no values.
DELIVERY_GOAL, DELIVERY_ENDS = 98, ("delivered", "bounced", "rejected")
EACH_MINUTE = ("offer_tickets", "retry_webhooks", "send_messages", "update_passes")
# CloudWatch's limit.
METRICS_OF_AN_ALARM = 10


class Alarm(Struct, frozen=True):
    """`value` is a formula of `metrics`, by their ids; the alarm goes off if the value exceeds `threshold` in `times` periods.

    `silence` is the meaning of missing data. A formula of several metrics replaces missing values with zero; otherwise the formula would
    have no value while one metric has none. `part` numbers alarms on the same subject; from the second alarm on, the number ends the name.
    """

    name: str
    value: str
    metrics: dict[str, Metric]
    threshold: float
    times: int = 1
    out_of: int | None = None
    below: bool = False
    silence: str = "notBreaching"
    part: int = 1

    @property
    def unique_name(self) -> str:
        return self.name if self.part == 1 else f"{self.name}-{self.part}"


def _filled(name: str) -> str:
    return f"FILL({name}, 0)"


def _sum(names: Iterable[str]) -> str:
    return " + ".join(map(_filled, names))


# The goal in percent: the share of buyers' reads that an instance answers from its memory.
HIT_GOAL, HITS_AND_MISSES = 90, {"hits": "cache_hit", "misses": "cache_miss"}
HIT_RATE = f"100 * {_filled('hits')} / ({_sum(HITS_AND_MISSES)})"
DELIVERY_RATE = f"100 * {_filled('delivered')} / ({_sum(DELIVERY_ENDS)})"


def alarms(stage: str) -> list[Alarm]:
    """Return all alarms of a stage."""
    wanted, ages, runs = addon_names(stage), _ages_of_changes(stage), _runs(stage)
    payments = _sum(("declined", "paid"))
    return [
        Alarm("errors", f"100 * {_filled('failed')} / requests", _requests(stage, MINUTES), 1),
        Alarm("slow", "p95", {"p95": _api(stage, "Latency", "p95", MINUTES)}, 500, times=3),
        # At this rate, five days use up the errors that 99.9 % availability allows in 30 days.
        Alarm("availability", f"100 * {_filled('failed')} / requests", _requests(stage, HOUR), 0.6, times=3, out_of=6),
        Alarm(
            "purchases-fail",
            f"IF(steps > 20, 100 * {_filled('broken')} / steps, 0)",
            {
                "broken": _own(stage, "purchase_steps_failed", MINUTES, FROM_LOGS),
                "steps": _own(stage, "purchase_steps", MINUTES, FROM_LOGS),
            },
            1,
        ),
        Alarm(
            "payments-declined",
            f"IF({payments} > 20, 100 * {_filled('declined')} / ({payments}), 0)",
            {"declined": _own(stage, "payments_failed", MINUTES), "paid": _own(stage, "orders_paid", MINUTES)},
            30,
        ),
        Alarm("mails-fail", "failed", {"failed": _own(stage, "mails_failed", MINUTES)}, 2, times=2),
        Alarm("mails-withheld", "withheld", {"withheld": _own(stage, "mails_withheld", MINUTES)}, 0),
        *(
            [Alarm("mails-late", "oldest", {"oldest": _own(stage, "mail_oldest_seconds", MINUTES)}, 900, times=3)]
            if "messages" in wanted
            else []
        ),
        *(
            [Alarm("mails-given-up", "given_up", {"given_up": _own(stage, "notifications_given_up", MINUTES)}, 0)]
            if "messages" in wanted
            else []
        ),
        # SES pauses senders with 10 % bounces or 0.5 % complaints. Below this number of emails, one complaint would set off the alarm.
        Alarm(
            "mails-unwanted",
            f"IF(sent > 400, 100 * ({_filled('bounced')} + 20 * {_filled('complained')}) / sent, 0)",
            {name: _own(stage, f"mails_{name}", HOUR) for name in ("sent", "bounced", "complained")},
            5,
        ),
        # Below this number of emails, three invented addresses would set off the alarm.
        Alarm(
            "mails-undelivered",
            f"IF({_sum(DELIVERY_ENDS)} > 200, {DELIVERY_RATE}, 100)",
            {end: _own(stage, f"mails_{end}", DAY) for end in DELIVERY_ENDS},
            DELIVERY_GOAL,
            below=True,
        ),
        Alarm("refunds-fail", "failed", {"failed": _own(stage, "refunds_failed", MINUTES)}, 0),
        Alarm("findings", "found", {"found": _own(stage, "reconciliation_findings", MINUTES)}, 0),
        Alarm("access-refused", "refused", {"refused": _own(stage, "access_refused", MINUTES, FROM_LOGS)}, 0),
        Alarm("settings-wrong", "wrong", {"wrong": _own(stage, "settings_wrong", MINUTES, FROM_LOGS)}, 0),
        Alarm("catalog-stale", "stale", {"stale": _own(stage, "cache_stale", MINUTES)}, 0, times=2),
        # With few requests, nearly every one reaches an instance that has not loaded anything yet.
        Alarm(
            "cache-misses",
            f"IF({_sum(HITS_AND_MISSES)} > 1000, {HIT_RATE}, 100)",
            {id: _own(stage, name, MINUTES) for id, name in HITS_AND_MISSES.items()},
            HIT_GOAL,
            times=3,
            below=True,
        ),
        Alarm("bootstrap-failed", "abandoned", {"abandoned": _own(stage, "publications_abandoned", MINUTES)}, 0),
        # An attempt follows every four seconds while a draw waits for its round; a mirror that fails alone does not set off the alarm.
        Alarm("draw-late", "failed", {"failed": _own(stage, "beacon_failures", MINUTES)}, 10),
        Alarm("low-stock", "low", {"low": _own(stage, "low_stocks", MINUTES)}, 0),
        Alarm("logins-delayed", "delayed", {"delayed": _own(stage, "logins_delayed", MINUTES)}, 100),
        Alarm("store-unavailable", "refused", {"refused": _own(stage, "store_unavailable", MINUTES)}, 10),
        *_alarms_on_sums("throttles", _throttles(stage), times=2),
        *_alarms_on_sums("function-errors", _function_errors(stage), times=2),
        *_alarms_on_sums("dead-letters", _dead_letters(stage)),
        *(
            [Alarm("orders-not-indexed", "orders", {"orders": _own(stage, "orders_not_indexed", MINUTES)}, 0)]
            if "reports" in wanted
            else []
        ),
        Alarm("changes-late", f"MAX([{', '.join(map(_filled, ages))}])", ages, 60_000, times=3),
        *(
            [Alarm("webhooks-dead", "dead", {"dead": _own(stage, "outgoing_webhooks_dead", MINUTES)}, 50)]
            if "outgoing_webhooks" in wanted
            else []
        ),
        *(
            [Alarm("webhooks-late", "oldest", {"oldest": _own(stage, "outgoing_webhooks_oldest_seconds", MINUTES)}, 600, times=3)]
            if "outgoing_webhooks" in wanted
            else []
        ),
        Alarm("sweep-silent", _filled("runs"), {"runs": _own(stage, "sweep_runs", MINUTES)}, 1, below=True, silence="breaching"),
        # A function that is not called has no metrics, so the product is zero if any function is silent.
        *([Alarm("jobs-silent", " * ".join(map(_filled, runs)), runs, 1, below=True, silence="breaching")] if runs else []),
        Alarm("sweep-behind", "behind", {"behind": _own(stage, "sweeps_unfinished", MINUTES)}, 0, times=2),
    ]


def resources(stage: str) -> Template:
    """Return the alarms, their topic, and the metrics that log filters count for them."""
    topic: Template = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"fairgate-{stage}-alarms"}}
    if email := stack_settings(stage).alarm_email:
        topic["Properties"]["Subscription"] = [{"Protocol": "email", "Endpoint": email}]
    return {
        "Alarms": topic,
        **{alarm_id(alarm.unique_name): _resource(stage, alarm) for alarm in alarms(stage)},
        **_metric_filters(stage),
    }


def _alarms_on_sums(name: str, metrics: dict[str, Metric], *, times: int = 1) -> list[Alarm]:
    """Return as few alarms as possible that go off if any metric exceeds zero. The metrics are spread evenly over the alarms."""
    parts = -(-len(metrics) // METRICS_OF_AN_ALARM)
    names = list(metrics)
    shares = [names[part::parts] for part in range(parts)]
    return [
        Alarm(name, _sum(share), {metric: metrics[metric] for metric in share}, 0, times=times, part=part)
        for part, share in enumerate(shares, start=1)
    ]


def _resource(stage: str, alarm: Alarm) -> Template:
    (period,) = {metric["Period"] for metric in alarm.metrics.values()}
    queries: list[Template] = [
        {"Id": name, "MetricStat": {"Metric": metric["Metric"], "Period": period, "Stat": metric["Stat"]}, "ReturnData": False}
        for name, metric in alarm.metrics.items()
    ]
    queries.append({"Id": "value", "Expression": alarm.value, "Label": alarm.name, "ReturnData": True})
    topics = [{"Ref": "Alarms"}]
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": f"fairgate-{stage}-{alarm.unique_name}",
            "AlarmDescription": f"{RUNBOOK}#{alarm.name}",
            "Metrics": queries,
            "ComparisonOperator": "LessThanThreshold" if alarm.below else "GreaterThanThreshold",
            "Threshold": alarm.threshold,
            "EvaluationPeriods": alarm.out_of or alarm.times,
            "DatapointsToAlarm": alarm.times,
            "TreatMissingData": alarm.silence,
            "AlarmActions": topics,
            "OKActions": topics,
        },
    }


def _metric(namespace: str, name: str, stat: str, period: int, **dimensions: Any) -> Metric:
    named = [{"Name": dimension, "Value": value} for dimension, value in dimensions.items()]
    return {"Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": named}, "Stat": stat, "Period": period}


def _own(stage: str, name: str, period: int, namespace: str = log.NAMESPACE) -> Metric:
    """Return one of Fairgate's own metrics. Metrics in the functions' log lines have dimensions; metrics of log filters have none."""
    if namespace == log.NAMESPACE:
        if name not in log.COUNTERS and name not in log.GAUGES:
            raise KeyError(name)
        return _metric(namespace, name, "Sum" if name in log.COUNTERS else "Maximum", period, service=log.SERVICE, stage=stage)
    return _metric(f"{namespace}/{stage}", name, "Sum", period)


def _api(stage: str, name: str, stat: str, period: int) -> Metric:
    return _metric("AWS/ApiGateway", name, stat, period, ApiName=f"fairgate-{stage}", Stage="api")


def _requests(stage: str, period: int) -> dict[str, Metric]:
    return {"failed": _api(stage, "5XXError", "Sum", period), "requests": _api(stage, "Count", "Sum", period)}


def _lambda(name: str, function: str, stat: str = "Sum") -> Metric:
    return _metric("AWS/Lambda", name, stat, MINUTES, FunctionName={"Ref": FUNCTIONS[function]})


def _runs(stage: str) -> dict[str, Metric]:
    """Return the runs of the jobs that run every minute, except the sweep, which counts its own runs."""
    return {f"runs_{name}": _lambda("Invocations", name) for name in EACH_MINUTE if name in functions_of(stage)}


def _throttles(stage: str) -> dict[str, Metric]:
    return {f"throttles_{name}": _lambda("Throttles", name) for name in functions_of(stage)}


def _ages_of_changes(stage: str) -> dict[str, Metric]:
    return {f"age_{name}": _lambda("IteratorAge", name, "Maximum") for name in consumers_of(stage)}


def _function_errors(stage: str) -> dict[str, Metric]:
    """Return the errors of functions that run in the background; errors of the other functions count as errors of the API."""
    return {f"errors_{name}": _lambda("Errors", name) for name in functions_of(stage) if dead_letters_id(name) is not None}


def _dead_letters(stage: str) -> dict[str, Metric]:
    queues = {name: dead_letters_id(name) for name in functions_of(stage)}
    if mails.uses_ses(stage):
        queues["mail_reports"] = mails.DEAD_LETTERS
    return {
        f"letters_{name}": _metric(
            "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", MINUTES, QueueName={"Fn::GetAtt": [queue, "QueueName"]}
        )
        for name, queue in queues.items()
        if queue is not None
    }


def _metric_filters(stage: str) -> Template:
    """Return filters for metrics that only logs have: replies to purchase steps, including API Gateway's own, and errors of functions."""
    steps = " || ".join(f'($.resource = "{path}")' for path in PURCHASE_STEPS)
    filters: Template = {
        "PurchaseSteps": _metric_filter(stage, "AccessLogs", "purchase_steps", f'{{ ($.method = "POST") && ({steps}) }}'),
        "PurchaseStepsFailed": _metric_filter(
            stage, "AccessLogs", "purchase_steps_failed", f'{{ ($.method = "POST") && ($.status = "5*") && ({steps}) }}'
        ),
    }
    for name, logical_id in functions_of(stage).items():
        filters[f"{logical_id}Refused"] = _metric_filter(stage, logs_id(name), "access_refused", '"AccessDeniedException"')
        filters[f"{logical_id}SettingsWrong"] = _metric_filter(stage, logs_id(name), "settings_wrong", '{ $.message = "settings.wrong" }')
    return filters


def _metric_filter(stage: str, logs: str, name: str, pattern: str) -> Template:
    transformation = {"MetricName": name, "MetricNamespace": f"{FROM_LOGS}/{stage}", "MetricValue": "1", "DefaultValue": 0}
    return {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {"LogGroupName": {"Ref": logs}, "FilterPattern": pattern, "MetricTransformations": [transformation]},
    }
