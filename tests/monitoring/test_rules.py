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
from autoscaler.monitoring.files import as_yaml
from autoscaler.monitoring.rules import ALERTS, GROUPS, RECORDINGS, RUNBOOK
from autoscaler.telemetry.families import SERVICE_LABELS
from tests.monitoring.queries import NAMED, labels_in, metrics_in
from tests.monitoring.test_dashboards import SCRAPE_LABELS, served

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
"""Latency targets of the queues in the daemon's own Region, in seconds."""


def cases() -> list[tuple[str, bool]]:
    """Return the alert of each case, and whether it is expected to fire."""
    tested = yaml.safe_load(CASES.read_text())["tests"]
    return [
        (case["alertname"], bool(case["exp_alerts"])) for test in tested for case in test.get("alert_rule_test", ())
    ]


def test_every_name_in_a_rule_exists() -> None:
    names = served() | {recording.record: set(SERVICE_LABELS) for recording in RECORDINGS}
    for expr in [each.expr for each in (*RECORDINGS, *ALERTS)]:
        assert metrics_in(expr) <= names.keys(), expr
        assert labels_in(expr) <= SCRAPE_LABELS.union(*(names[name] for name in metrics_in(expr))), expr


def test_the_text_of_an_alert_uses_only_labels_of_its_series() -> None:
    names = served() | {recording.record: set(SERVICE_LABELS) for recording in RECORDINGS}
    for alert in ALERTS:
        known = SCRAPE_LABELS.union(*(names[name] for name in metrics_in(alert.expr)))
        assert set(NAMED.findall(alert.summary + alert.description)) <= known, alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_a_complete_entry_in_the_runbook(alert: Any) -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.+?)(?=\n## |\Z)", (ROOT / RUNBOOK).read_text(), re.MULTILINE | re.DOTALL))
    for word in ("**Meaning:**", "**Check**", "**Action:**"):
        assert word in sections[alert.name]
    [rule] = [rule for group in GROUPS["groups"] for rule in group["rules"] if rule.get("alert") == alert.name]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.name.lower()}"


def test_the_runbook_has_no_entry_without_an_alert_or_an_alarm() -> None:
    entries = re.findall(r"^## (.+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert entries == [*(alert.name for alert in ALERTS), "Oldest message"]


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert set(cases()) == {(alert.name, fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize(
    "value", [GROUPS, queue_alarm(), {"a": [1, [2], {"b": [], "c": {}}], "yes": "no", "x": "a: b"}]
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
