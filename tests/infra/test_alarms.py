"""The alarms, their pages and the dashboard."""

import json
import re

import pytest

import app
from chalicelib.foundation import log, settings
from infra.template import alarms, dashboard, functions
from infra.template.stages import ROOT, deployed_stages
from tests.infra.metric_math import evaluate, goes_off


def test_each_alarm_has_a_section_in_the_runbook():
    section = (ROOT / alarms.RUNBOOK).read_text().partition("\n## Alarms\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\S+)$", section, re.MULTILINE)) == {alarm.name for alarm in alarms.alarms("prod")}


@pytest.mark.parametrize("stage", deployed_stages())
def test_each_alarm_says_where_its_section_is_and_tells_somebody(stage):
    resources = alarms.resources(stage)
    made = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert len({alarm["AlarmName"] for alarm in made}) == len(made) == len(alarms.alarms(stage))
    for alarm in made:
        section = re.sub(r"-\d+$", "", alarm["AlarmName"].removeprefix(f"fairgate-{stage}-"))
        assert alarm["AlarmDescription"] == f"docs/runbook.md#{section}"
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]


def test_an_alarm_uses_exactly_the_metrics_that_it_names():
    for alarm in alarms.alarms("prod"):
        words = set(re.findall(r"\b[a-z]\w*", alarm.value))
        assert words == set(alarm.metrics), alarm.name


def test_the_steps_of_a_purchase_are_routes_of_the_api():
    for path in alarms.PURCHASE_STEPS:
        assert "POST" in app.app.routes[path]


def test_log_filters_count_exactly_the_figures_of_the_alarms():
    resources = alarms.resources("prod")
    counted = {
        (transformation["MetricNamespace"], transformation["MetricName"])
        for resource in resources.values()
        if resource["Type"] == "AWS::Logs::MetricFilter"
        for transformation in resource["Properties"]["MetricTransformations"]
    }
    asked = {
        (metric["Metric"]["Namespace"], metric["Metric"]["MetricName"])
        for alarm in alarms.alarms("prod")
        for metric in alarm.metrics.values()
        if metric["Metric"]["Namespace"].startswith(alarms.FROM_LOGS)
    }
    assert counted == asked


def test_the_functions_write_the_metrics_that_alarms_and_dashboard_ask_for(capsys):
    with settings.override(stage="dev"), log.scope("request"):
        for name in log.COUNTERS:
            log.count(name)
        for name, (_, labels) in log.GAUGES.items():
            log.gauge(name, 1, **dict.fromkeys(labels, "x"))
    written = set()
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]:
            values = frozenset((dimension, line[dimension]) for dimension in dimensions)
            written |= {(directive["Namespace"], metric["Name"], values) for metric in directive["Metrics"]}
    asked = {
        (
            metric["Namespace"],
            metric["MetricName"],
            frozenset((dimension["Name"], dimension["Value"]) for dimension in metric["Dimensions"]),
        )
        for alarm in alarms.alarms("dev")
        for metric in (metric["Metric"] for metric in alarm.metrics.values())
        if metric["Namespace"] == log.NAMESPACE
    }
    body = json.loads(dashboard.resources("dev")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    for widget in body["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if metric[0] == log.NAMESPACE:
                texts = [part for part in metric[2:] if isinstance(part, str)]
                asked.add((metric[0], metric[1], frozenset(zip(texts[::2], texts[1::2], strict=True))))
    assert asked
    assert asked <= written


def test_the_dashboard_shows_each_graph_in_a_place_of_its_own():
    (resource,) = dashboard.resources("prod").values()
    widgets = json.loads(resource["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    assert len({(widget["x"], widget["y"]) for widget in widgets}) == len(widgets) > 10


def test_the_dashboard_shows_what_the_alarms_are_about():
    body = dashboard.resources("prod")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown = {metric[1] for widget in json.loads(body)["widgets"] for metric in widget["properties"]["metrics"] if len(metric) > 1}
    asked = {metric["Metric"]["MetricName"] for alarm in alarms.alarms("prod") for metric in alarm.metrics.values()}
    # Each is a part of what is shown: all steps of purchases are requests, and a job that runs has an instance.
    assert asked - shown == {"purchase_steps", "Invocations"}


def test_the_dashboard_shows_the_usual_and_the_longest_times_of_requests():
    body = dashboard.resources("prod")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    [latency] = [widget["properties"] for widget in json.loads(body)["widgets"] if widget["properties"]["title"] == "Latency (ms)"]
    assert [metric[-1]["stat"] for metric in latency["metrics"]] == ["p50", "p95", "p99"]


def test_the_dashboard_shows_the_share_of_cache_hits_beside_its_goal():
    body = dashboard.resources("prod")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    [graph] = [widget["properties"] for widget in json.loads(body)["widgets"] if widget["properties"]["title"] == "Cache hits (%)"]
    [rate, *metrics] = graph["metrics"]
    assert {metric[-1]["id"]: metric[1] for metric in metrics} == {"hits": "cache_hit", "misses": "cache_miss"}
    assert evaluate(rate[0]["expression"], {"hits": 19, "misses": 1}) == 95
    assert graph["annotations"] == {"horizontal": [{"label": "goal", "value": 90}]}


def named(name):
    return [alarm for alarm in alarms.alarms("prod") if alarm.name == name]


@pytest.mark.parametrize("uses_ses", [False, True])
def test_no_alarm_asks_for_more_metrics_than_cloudwatch_takes(monkeypatch, uses_ses):
    monkeypatch.setattr(alarms.mails, "uses_ses", lambda stage: uses_ses)
    for stage in deployed_stages():
        assert max(len(alarm.metrics) for alarm in alarms.alarms(stage)) <= 10
        watched = {metric for alarm in alarms.alarms(stage) if alarm.name == "dead-letters" for metric in alarm.metrics}
        assert len(watched) == sum(functions.dead_letters_id(name) is not None for name in functions.functions_of(stage)) + uses_ses


@pytest.mark.parametrize("name", ["throttles", "function-errors", "dead-letters", "changes-late"])
def test_one_function_sets_off_an_alarm_without_figures_of_the_others(name):
    for alarm in named(name):
        assert not goes_off(alarm)
        for metric in alarm.metrics:
            assert goes_off(alarm, **{metric: 60_001}), metric
            assert not goes_off(alarm, **{metric: 0}), metric


@pytest.mark.parametrize(
    ("name", "measured", "is_alarmed"),
    [
        ("errors", {"requests": 100, "failed": 2}, True),
        ("errors", {"requests": 100, "failed": 1}, False),
        ("errors", {"requests": 100}, False),
        ("errors", {}, False),
        ("purchases-fail", {"steps": 100, "broken": 2}, True),
        ("purchases-fail", {"steps": 10, "broken": 5}, False),
        ("purchases-fail", {"steps": 100}, False),
        ("payments-declined", {"declined": 21}, True),
        ("payments-declined", {"declined": 10, "paid": 15}, True),
        ("payments-declined", {"declined": 5, "paid": 95}, False),
        ("payments-declined", {"paid": 1000}, False),
        ("payments-declined", {"declined": 10}, False),
        ("mails-unwanted", {"sent": 1000, "complained": 3}, True),
        ("mails-unwanted", {"sent": 1000, "bounced": 51}, True),
        ("mails-unwanted", {"sent": 1000, "bounced": 20, "complained": 1}, False),
        ("mails-unwanted", {"sent": 400, "complained": 400}, False),
        ("mails-unwanted", {"sent": 1000}, False),
        ("mails-unwanted", {}, False),
        ("cache-misses", {"hits": 8900, "misses": 1100}, True),
        ("cache-misses", {"hits": 9100, "misses": 900}, False),
        ("cache-misses", {"misses": 1001}, True),
        ("cache-misses", {"hits": 1, "misses": 900}, False),
        ("sweep-silent", {"runs": 5}, False),
        ("sweep-silent", {}, True),
        ("jobs-silent", {"runs_offer_tickets": 5, "runs_retry_webhooks": 5, "runs_send_messages": 5, "runs_update_passes": 5}, False),
        ("jobs-silent", {"runs_offer_tickets": 5, "runs_retry_webhooks": 5, "runs_update_passes": 5}, True),
        ("jobs-silent", {}, True),
    ],
)
def test_a_rate_sets_off_its_alarm_although_a_metric_is_missing(name, measured, is_alarmed):
    [alarm] = named(name)
    assert goes_off(alarm, **measured) == is_alarmed


@pytest.mark.parametrize(
    ("counts", "is_alarmed"),
    [
        ({"delivered": 1000}, False),
        ({"delivered": 981, "bounced": 19}, False),
        ({"delivered": 980, "bounced": 12, "rejected": 9}, True),
        ({"bounced": 201}, True),
        ({"delivered": 10, "bounced": 90}, False),  # too few to mean something
    ],
)
def test_a_day_of_mails_below_the_goal_is_an_alarm_unless_there_are_few(counts, is_alarmed):
    [alarm] = named("mails-undelivered")
    assert goes_off(alarm, **counts) == is_alarmed
    assert {metric["Period"] for metric in alarm.metrics.values()} == {86_400}
    [made] = [found["Properties"] for name, found in alarms.resources("prod").items() if name == "AlarmMailsUndelivered"]
    assert (made["ComparisonOperator"], made["Threshold"]) == ("LessThanThreshold", 98)


@pytest.mark.parametrize(("attempts", "is_alarmed"), [(100, False), (101, True)])
def test_somebody_who_guesses_passwords_sets_off_an_alarm(attempts, is_alarmed):
    [alarm] = named("logins-delayed")
    assert goes_off(alarm, delayed=attempts) == is_alarmed


def test_the_dashboard_draws_the_delivery_rate_by_days_and_its_goal():
    body = dashboard.resources("prod")["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    [widget, _] = [found["properties"] for found in json.loads(body)["widgets"] if "annotations" in found["properties"]]
    [shown], *hidden = widget["metrics"]
    assert evaluate(shown["expression"], {"delivered": 98, "bounced": 1, "rejected": 1}) == 98
    assert [(metric[1], metric[-1]) for metric in hidden] == [
        (f"mails_{end}", {"id": end, "visible": False}) for end in alarms.DELIVERY_ENDS
    ]
    assert (widget["period"], [line["value"] for line in widget["annotations"]["horizontal"]]) == (86_400, [98])


def test_the_jobs_that_may_not_be_silent_are_those_of_each_minute():
    rates = {source.name: source.schedule_expression.to_string() for source in app.app.event_sources if source.name in functions.SCHEDULED}
    assert {name for name, rate in rates.items() if rate == "rate(1 minute)"} == {"sweep", *alarms.EACH_MINUTE}
