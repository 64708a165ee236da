"""The rules of EventBridge send what the daemon uses, and the queue admits nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import RECEIVE_MESSAGE, Call
from autoscaler.aws.event_queue import event_in
from autoscaler.diagnosis.delivered import KEPT_S
from tests.aws.ecs_events import CLUSTER, action, deployment, stopped_task
from tests.deploy.stack import EVENTS, deployed

NOW = 1_790_000_000.0
RULES = ("StoppedTasks", "ServiceActions")

SENT = [
    stopped_task(NOW),
    stopped_task(NOW, lastStatus="RUNNING", stopCode="SpotInterruption"),
    action(NOW, "SERVICE_TASK_PLACEMENT_FAILURE", "RESOURCE:FARGATE"),
    action(NOW, "SERVICE_REBALANCING_STARTED"),
    deployment(NOW, "SERVICE_DEPLOYMENT_FAILED"),
]
NOT_SENT = [
    stopped_task(NOW, desiredStatus="RUNNING"),
    stopped_task(NOW, group="family:batch"),
    stopped_task(NOW) | {"source": "aws.batch"},
    stopped_task(NOW) | {"detail-type": "ECS Container Instance State Change"},
    action(NOW, "SERVICE_STEADY_STATE") | {"resources": []},
]
WITH_CLUSTER = pytest.mark.parametrize("cluster", ["", CLUSTER])


def sending(event: Any, cluster: str) -> list[str]:
    """Return the rules that send the event."""
    found = deployed({"Cluster": cluster}, EVENTS)
    patterns = {name: json.dumps(found[name]["EventPattern"]) for name in RULES}
    return [name for name, pattern in patterns.items() if EventPattern.load(pattern).matches_event(event)]


@WITH_CLUSTER
@pytest.mark.parametrize("event", SENT, ids=range(len(SENT)))
def test_one_rule_sends_each_event_and_the_daemon_reads_it(event: dict[str, Any], cluster: str) -> None:
    event = event | {"account": "123456789012"}
    assert len(sending(event, cluster)) == 1
    read = event_in(ResponsePart(Call(RECEIVE_MESSAGE, "queue events", "eu-west-1"), event), NOW)
    assert read.stopped is not None or read.said is not None


@WITH_CLUSTER
@pytest.mark.parametrize("event", NOT_SENT, ids=range(len(NOT_SENT)))
def test_no_other_event_is_sent(event: dict[str, Any], cluster: str) -> None:
    assert sending(event, cluster) == []


@pytest.mark.parametrize("event", [SENT[0], SENT[2], SENT[4]], ids=range(3))
def test_events_of_another_cluster_are_not_sent(event: dict[str, Any]) -> None:
    assert sending(event, "pro") == sending(event, f"{CLUSTER}-2") == []


def test_only_the_two_rules_of_this_account_may_send() -> None:
    found = deployed({}, EVENTS)
    [statement] = found["EventQueuePolicy"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == [f"<{name}.Arn>" for name in RULES]
    assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def test_the_queue_is_encrypted_and_keeps_events_as_long_as_the_daemon_uses_them() -> None:
    queue = deployed({}, EVENTS)["EventQueue"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == KEPT_S
    assert "FifoQueue" not in queue
