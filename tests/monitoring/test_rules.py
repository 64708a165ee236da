"""Rules and alarms: names that exist, a runbook for each alert, and a case in which it fires and one in which it does
not. That they do is for Prometheus' own tool to say: `make test-real`.
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
from autoscaler.monitoring.rules import ALERTS, GROUPS, RECORDINGS, RUNBOOK
from autoscaler.monitoring.yaml import as_yaml
from tests.monitoring.queries import NAMED, labels_in, metrics_in
from tests.monitoring.test_dashboards import OF_THE_SCRAPE, served

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "rules_test.yml"

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
"""Of the queues in the daemon's own Region."""


def cases() -> list[tuple[str, bool]]:
    """Alert by alert, whether it is expected to fire."""
    tested = yaml.safe_load(CASES.read_text())["tests"]
    return [
        (case["alertname"], bool(case["exp_alerts"])) for test in tested for case in test.get("alert_rule_test", ())
    ]


def test_every_name_in_a_rule_exists() -> None:
    names = served() | {recording.record: {"ecs_cluster", "ecs_service"} for recording in RECORDINGS}
    for expr in [each.expr for each in (*RECORDINGS, *ALERTS)]:
        assert metrics_in(expr) <= names.keys(), expr
        assert labels_in(expr) <= OF_THE_SCRAPE.union(*(names[name] for name in metrics_in(expr))), expr


def test_an_alert_speaks_of_labels_that_its_series_have() -> None:
    names = served() | {recording.record: {"ecs_cluster", "ecs_service"} for recording in RECORDINGS}
    for alert in ALERTS:
        known = OF_THE_SCRAPE.union(*(names[name] for name in metrics_in(alert.expr)))
        assert set(NAMED.findall(alert.summary + alert.description)) <= known, alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_an_entry_in_the_runbook_with_what_to_do(alert: Any) -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.+?)(?=\n## |\Z)", (ROOT / RUNBOOK).read_text(), re.MULTILINE | re.DOTALL))
    for word in ("**It means**", "**Look at**", "**Do**"):
        assert word in sections[alert.name]
    [rule] = [rule for group in GROUPS["groups"] for rule in group["rules"] if rule.get("alert") == alert.name]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.name.lower()}"


def test_the_runbook_has_nothing_that_nobody_is_told_of() -> None:
    entries = re.findall(r"^## (.+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert entries == [*(alert.name for alert in ALERTS), "Oldest message"]


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert set(cases()) == {(alert.name, fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize(
    "value", [GROUPS, queue_alarm(), {"a": [1, [2], {"b": [], "c": {}}], "yes": "no", "x": "a: b"}]
)
def test_what_is_written_is_what_is_read(value: dict[str, Any]) -> None:
    assert yaml.safe_load(as_yaml(value)) == value


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
def test_no_template_has_more_resources_than_cloudformation_takes(queues: int, sizes: list[int]) -> None:
    names = [f"q{number}" for number in range(queues)]
    config = load(SETTINGS | {"AUTOSCALER_SERVICES__C__QUEUES": ",".join(names)})
    there = {stack.part: found["Resources"] for stack, found in alarms(config).items() if stack.region == "us-east-1"}
    assert [len(there[part]) for part in range(1, len(there) + 1)] == sizes
    watched = [alarm["Properties"]["Dimensions"][0]["Value"] for part in there.values() for alarm in part.values()]
    assert watched == names
    written = {name for name in files(config) if "us-east-1" in name}
    assert written == {f"queue-alarms-us-east-1{part}.yaml" for part in ("", "-2", "-3")[: len(sizes)]}


@pytest.mark.parametrize("template", [queue_alarm(), alarms(load(SETTINGS))[Stack()]], ids=["one", "several"])
def test_the_alarms_are_a_template_that_cloudformation_takes(template: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "alarms.yaml"
    path.write_text(as_yaml(template))
    command: list[str | Path] = [Path(sys.executable).parent / "cfn-lint", "--regions", "eu-west-1", "--", path]
    linted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_an_alarm_needs_neither_the_daemon_nor_prometheus() -> None:
    [alarm] = queue_alarm()["Resources"].values()
    assert (alarm["Type"], alarm["Properties"]["Namespace"]) == ("AWS::CloudWatch::Alarm", "AWS/SQS")
    assert alarm["Properties"]["TreatMissingData"] == "notBreaching"  # CloudWatch says nothing of a queue that sleeps
