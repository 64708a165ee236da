"""Rules and alarms: all names exist, and each alert has a runbook entry, a case that fires and one that does not.
`make test-real` runs the cases with promtool.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.config import load
from autoscaler.monitoring import files
from autoscaler.monitoring.alarms import Stack, alarms, queue_alarm, threshold_s
from autoscaler.monitoring.conditions import CONDITIONS, RECORDINGS, SLOW_CONDITIONS, Recording
from autoscaler.monitoring.files import as_yaml
from autoscaler.monitoring.rules import ALERTS, RUNBOOK, groups
from autoscaler.telemetry.families import SERVICE_LABELS
from tests.monitoring.causes import STAGES
from tests.monitoring.queries import labels_in, metrics_in
from tests.monitoring.test_dashboards import SCRAPE_LABELS, served

ROOT = Path(__file__).parents[2]
RUNBOOK_TEXT = (ROOT / RUNBOOK).read_text()

ALERT_LABELS = {"alertname", "alertstate", "severity"}
"""The labels of Prometheus' own series of alerts."""

CASE_FILES = [Path(__file__).parent / name for name in ("rules_test.yml", "slow_rules_test.yml")]

SETTINGS = {
    "AUTOSCALER_DEFAULTS__CLUSTER": "prod",
    "AUTOSCALER_DEFAULTS__MAX_TASKS": "9",
    "AUTOSCALER_SERVICES__A__SERVICE": "a",
    "AUTOSCALER_SERVICES__A__QUEUES": "orders,refunds=5m",
    "AUTOSCALER_SERVICES__A__ACCEPTABLE_LATENCY": "60s",
    "AUTOSCALER_SERVICES__B__SERVICE": "b",
    "AUTOSCALER_SERVICES__B__QUEUES": "paid,pa-id.fifo",
    "AUTOSCALER_SERVICES__B__ACCEPTABLE_LATENCY": "30s",
    "AUTOSCALER_SERVICES__C__SERVICE": "c",
    "AUTOSCALER_SERVICES__C__REGION": "us-east-1",
    "AUTOSCALER_SERVICES__C__QUEUES": "shipped",
    "AUTOSCALER_SERVICES__D__SERVICE": "d",
    "AUTOSCALER_SERVICES__D__QUEUES": "arn:aws:sqs:eu-central-1:123456789012:ours",
}


LATENCIES_S = {"orders": 60, "refunds": 300, "paid": 30, "pa-id.fifo": 30}
"""Latency targets of the queues in the daemon's own Region, in seconds."""


def cases() -> list[tuple[str, bool]]:
    """Return the alert of each case, and whether it is expected to fire."""
    tested = [test for path in CASE_FILES for test in yaml.safe_load(path.read_text())["tests"]]
    return [
        (case["alertname"], bool(case["exp_alerts"])) for test in tested for case in test.get("alert_rule_test", ())
    ]


URL = "https://docs.example.com/autoscaler/runbook.html"

RECORDED: tuple[Recording, ...] = (*RECORDINGS, *CONDITIONS, *SLOW_CONDITIONS)

EXPRESSIONS = [*(each.expr for each in RECORDED), *(alert.expr for alert in ALERTS)]

RULES = [rule for group in groups(URL)["groups"] for rule in group["rules"]]


def labels_of_series() -> dict[str, set[str]]:
    """Return the labels of all series, served and recorded."""
    levels = {
        "ecs_service": set(SERVICE_LABELS),
        "region": {"account", "region"},
        "category": {"category"},
        "job": set[str](),
    }
    return served() | {each.record: levels[each.record.partition(":")[0]] for each in RECORDED}


def test_every_name_in_a_rule_exists() -> None:
    names = labels_of_series()
    for expr in EXPRESSIONS:
        assert metrics_in(expr) <= names.keys(), expr
        known = SCRAPE_LABELS.union(ALERT_LABELS, *(names[name] for name in metrics_in(expr)))
        assert labels_in(expr) <= known, expr


def test_every_recorded_condition_is_used() -> None:
    used = set().union(*map(metrics_in, EXPRESSIONS))
    assert {each.record for each in (*CONDITIONS, *SLOW_CONDITIONS)} <= used


def test_the_text_of_an_alert_uses_only_labels_of_its_series() -> None:
    names = labels_of_series()
    for alert in ALERTS:
        known = SCRAPE_LABELS.union(*(names[name] for name in metrics_in(alert.expr)))
        assert set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description)) <= known, alert.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_sum_keeps_services_and_regions_apart_and_joins_the_addresses_of_a_daemon(rule: dict[str, Any]) -> None:
    groupings = {tuple(labels.split(", ")) for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])}
    service = ("job", *SERVICE_LABELS)
    assert groupings <= {service, ("job", "account", "region"), ("job", "category"), ("job",), ("",)}
    assert "without" not in rule["expr"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_no_alert_keeps_a_state_that_a_restart_of_prometheus_loses(rule: dict[str, Any]) -> None:
    if "for" in rule:  # they have no value before the first scrape after a start
        assert (rule["alert"], rule["for"]) in {("AutoscalerDaemonGone", "2m"), ("AutoscalerDaemonAbsent", "2m")}


@pytest.mark.parametrize("name", dict.fromkeys(alert.name for alert in ALERTS))
def test_every_alert_has_a_complete_entry_in_the_runbook(name: str) -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.+?)(?=\n## |\Z)", RUNBOOK_TEXT, re.MULTILINE | re.DOTALL))
    for word in ("**Meaning:**", "**Check**", "**Action:**"):
        assert word in sections[name]


def test_every_link_to_the_runbook_is_absolute_and_leads_to_a_section() -> None:
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", RUNBOOK_TEXT, re.MULTILINE)}
    links = re.findall(r"https?://[^\s\"']+", " ".join(files(load(SETTINGS), URL).values()))
    runbook = [link.rstrip(".") for link in links if link.startswith(URL)]
    assert {link.partition("#")[2] for link in runbook} == {"", "oldest-message"} | {
        alert.name.lower() for alert in ALERTS
    }
    assert {link.partition("#")[2] for link in runbook} - {""} <= anchors
    assert [rule["annotations"]["runbook_url"] for rule in RULES if "alert" in rule]


def test_without_an_address_of_the_runbook_no_link_is_written() -> None:
    written = " ".join(files(None).values())
    assert "runbook_url" not in written
    assert "docs/runbook.md, section AutoscalerSloMissed" in written


def test_the_runbook_has_no_entry_without_an_alert_or_an_alarm() -> None:
    entries = re.findall(r"^## (.+)$", RUNBOOK_TEXT, re.MULTILINE)
    assert sorted(entries) == sorted({alert.name for alert in ALERTS} | {"Oldest message"})


def test_every_alert_has_a_case_that_fires() -> None:
    fired = {name for name, fires in cases() if fires} | {stage.fired.alert for stage in STAGES}
    assert fired == {alert.name for alert in ALERTS}


@pytest.mark.parametrize(
    "value", [groups(), queue_alarm(), {"a": [1, [2], {"b": [], "c": {}}], "yes": "no", "x": "a: b"}]
)
def test_written_yaml_is_parsed_back_unchanged(value: dict[str, Any]) -> None:
    assert yaml.safe_load(as_yaml(value)) == value


@pytest.mark.parametrize("name", ["rules.yml", "queue-alarm.yaml"])
def test_texts_of_several_lines_are_literal_blocks_and_no_text_is_folded(name: str) -> None:
    written = files(None)[name]
    texts = [text for text in texts_of(yaml.safe_load(written)) if "\n" in text]
    assert len(texts) == written.count(" |-\n")
    assert all(line.strip() in written for text in texts for line in text.splitlines())
    assert not re.search(r"[&*]id\d", written)


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in texts_of(item)]


@pytest.mark.parametrize(
    "text", ["y", "no", "On", "~", "1e3", "0o7", "0x1F", "1_0", "12:30", "2026-01-01", ".5", "=", ""]
)
def test_a_text_that_some_version_of_yaml_reads_as_another_type_is_quoted(text: str) -> None:
    assert re.fullmatch(r"name: (\"|').*(\"|')\n", as_yaml({"name": text}))
    assert yaml.safe_load(as_yaml({text: text})) == {text: text}


def test_there_is_one_alarm_for_each_queue_in_its_own_account_and_region() -> None:
    written = alarms(load(SETTINGS))
    queues = {
        stack: {
            alarm["Properties"]["Dimensions"][0]["Value"]: alarm["Properties"]["Threshold"]
            for alarm in template["Resources"].values()
        }
        for stack, template in written.items()
    }
    own = {name: threshold_s(latency_s) for name, latency_s in LATENCIES_S.items()}
    others = {"ours": threshold_s(60)}
    assert queues == {
        Stack(): own,
        Stack(region="us-east-1"): {"shipped": threshold_s(60)},
        Stack("123456789012", "eu-central-1"): others,
    }
    assert set(files(load(SETTINGS))) > {
        "queue-alarms.yaml",
        "queue-alarms-us-east-1.yaml",
        "queue-alarms-123456789012-eu-central-1.yaml",
    }


@pytest.mark.parametrize(("queues", "sizes"), [(500, [500]), (501, [500, 1]), (1_001, [500, 500, 1])])
def test_no_template_has_more_resources_than_cloudformation_accepts(queues: int, sizes: list[int]) -> None:
    names = [f"q{number}" for number in range(queues)]
    config = load(SETTINGS | {"AUTOSCALER_SERVICES__C__QUEUES": ",".join(names)})
    templates = {
        stack.part: template["Resources"] for stack, template in alarms(config).items() if stack.region == "us-east-1"
    }
    assert [len(templates[part]) for part in range(1, len(templates) + 1)] == sizes
    queues_with_alarm = [
        alarm["Properties"]["Dimensions"][0]["Value"] for part in templates.values() for alarm in part.values()
    ]
    assert queues_with_alarm == names
    written = {name for name in files(config) if "us-east-1" in name}
    assert written == {f"queue-alarms-us-east-1{part}.yaml" for part in ("", "-2", "-3")[: len(sizes)]}


@pytest.mark.parametrize("template", [queue_alarm(), alarms(load(SETTINGS))[Stack()]], ids=["one", "several"])
def test_the_alarms_are_a_valid_cloudformation_template(template: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "alarms.yaml"
    path.write_text(as_yaml(template))
    command: list[str | Path] = [Path(sys.executable).parent / "cfn-lint", "--regions", "eu-west-1", "--", path]
    linted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_an_alarm_requires_neither_the_daemon_nor_prometheus() -> None:
    [alarm] = queue_alarm()["Resources"].values()
    assert (alarm["Type"], alarm["Properties"]["Namespace"]) == ("AWS::CloudWatch::Alarm", "AWS/SQS")
    assert alarm["Properties"]["TreatMissingData"] == "notBreaching"  # CloudWatch has no data for an inactive queue
