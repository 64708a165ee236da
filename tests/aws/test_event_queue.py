"""The queue of events: what is read of a message, and that no message can do harm."""

from __future__ import annotations

import json
from threading import Thread, current_thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.aws import event_queue
from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import RECEIVE_MESSAGE, Call
from autoscaler.aws.connection import Aws
from autoscaler.aws.event_queue import MOST_CHARACTERS, delivery_in, event_in
from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.delivered import EcsEvent, EventType
from autoscaler.diagnosis.events import is_problem
from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask, cause_of
from autoscaler.errors import Denied, Throttled, Unavailable, Unreadable
from autoscaler.ports import Delivery, QueueRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.ecs_events import (
    ACCOUNT,
    CLUSTER,
    REGION,
    SPENT_S,
    action,
    deployment,
    envelope,
    iso,
    message,
    stopped_task,
)
from tests.aws.spies import Spies

NOW = 1_790_000_000.0
URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/events"
EVENTS = QueueRef("events", url=URL)
CALL = Call(RECEIVE_MESSAGE, "queue events", REGION)


def read(event: dict[str, Any]) -> EcsEvent:
    return event_in(ResponsePart(CALL, event), NOW)


def test_a_stopped_task_is_evidence_as_the_ecs_api_describes_it() -> None:
    found = read(stopped_task(NOW - 10))
    assert (found.type, found.account, found.region) == (EventType.TASK, ACCOUNT, REGION)
    assert (found.cluster, found.service, found.version, found.is_urgent) == (CLUSTER, "web", 5, True)
    assert found.at == NOW - 10
    assert found.stopped == StoppedTask(
        NOW - 10,
        SPENT_S,
        30.0,
        "EssentialContainerExited",
        "Essential container in task exited",
        "web:7",
        (StoppedContainer("app", 1, ""),),
        "t1",
    )


def test_no_task_stopped_after_its_event() -> None:
    """A stop in the future would count as newer than every start that follows it. The event has whole seconds."""
    rounded = stopped_task(NOW, stoppedAt=iso(NOW + 0.9))["detail"]
    assert read(stopped_task(NOW) | {"detail": rounded}).stopped.at == NOW + 0.9  # type: ignore[union-attr]
    future = stopped_task(NOW, stoppedAt=iso(NOW + 1e8))["detail"]
    assert read(stopped_task(NOW) | {"detail": future}).stopped.at == NOW + 1.0  # type: ignore[union-attr]


def test_a_spot_interruption_is_known_before_the_task_ends() -> None:
    warning = stopped_task(NOW, stopCode="SpotInterruption", stoppedReason="Your Spot Task was interrupted.")
    warning["detail"] |= {"lastStatus": "RUNNING", "stoppedAt": None}
    found = read(warning)
    assert found.is_urgent
    assert found.stopped is not None
    assert cause_of(found.stopped).row.name == "spot_interruption"


def test_a_stop_by_a_scale_in_is_not_urgent() -> None:
    reason = "Scaling activity initiated by (deployment ecs-svc/1)"
    found = read(stopped_task(NOW, stopCode="ServiceSchedulerInitiated", stoppedReason=reason))
    assert found.stopped is not None
    assert not found.is_urgent


def test_a_task_that_starts_is_no_evidence() -> None:
    found = read(stopped_task(NOW, desiredStatus="RUNNING", lastStatus="PENDING"))
    assert (found.stopped, found.said, found.is_urgent) == (None, None, False)


def test_a_task_of_no_service_names_none() -> None:
    assert read(stopped_task(NOW, group="family:batch")).service == ""


@pytest.mark.parametrize(
    ("name", "reason", "row"),
    [
        ("SERVICE_TASK_PLACEMENT_FAILURE", "RESOURCE:FARGATE", "fargate_capacity"),
        ("SERVICE_TASK_PLACEMENT_FAILURE", "RESOURCE:MEMORY", "no_memory"),
        ("SERVICE_TASK_START_IMPAIRED", "", "start_backoff"),
        ("ECS_OPERATION_THROTTLED", "", "api_throttled"),
    ],
)
def test_a_service_action_that_reports_a_problem_reads_as_one(name: str, reason: str, row: str) -> None:
    found = read(action(NOW - 5, name, reason))
    assert (found.cluster, found.service, found.is_urgent) == (CLUSTER, "web", True)
    assert found.said is not None
    assert found.said.at == NOW - 5
    assert is_problem(found.said.text)
    assert classify(found.said.text).name == row


def test_a_steady_state_is_kept_and_wakes_nothing() -> None:
    found = read(action(NOW, "SERVICE_STEADY_STATE"))
    assert found.said is not None
    assert not is_problem(found.said.text)
    assert not found.is_urgent


def test_a_deployment_names_its_service_by_the_resource() -> None:
    found = read(deployment(NOW, "SERVICE_DEPLOYMENT_FAILED", "ECS deployment circuit breaker: tasks failed to start."))
    assert (found.type, found.cluster, found.service) == (EventType.DEPLOYMENT, CLUSTER, "web")
    assert found.said is not None
    assert "circuit breaker" in found.said.text


def test_the_short_arn_of_a_service_takes_the_cluster_of_the_detail() -> None:
    event = action(NOW, "SERVICE_STEADY_STATE")
    event["resources"] = [f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/web"]
    assert (read(event).cluster, read(event).service) == (CLUSTER, "web")


def test_a_detail_type_that_is_newer_than_the_daemon_is_no_error() -> None:
    assert read(envelope("ECS Daemon Change", NOW, {})).type is EventType.OTHER


def test_texts_are_cleaned() -> None:
    key = "AKIA" + "A" * 16
    reason = f"\x1b[31mred\r\nline {key} https://user:secret@host"
    text = read(action(NOW, "SERVICE_TASK_PLACEMENT_FAILURE", reason)).said
    assert text is not None
    assert key not in text.text
    assert "secret" not in text.text
    assert text.text.isprintable()


MALFORMED = [
    {"source": "aws.ecs", "detail-type": "ECS Task State Change"},
    stopped_task(NOW) | {"time": "2026-11-30"},
    stopped_task(NOW) | {"time": "2026-11-30T12:00:00"},
    stopped_task(NOW) | {"time": None},
    stopped_task(NOW + 3_600),
    stopped_task(NOW) | {"detail": []},
    stopped_task(NOW, taskArn=None),
    stopped_task(NOW, version="5"),  # type: ignore[arg-type]
    stopped_task(NOW, containers=[1]),
    stopped_task(NOW, stoppedAt="yesterday"),
    action(NOW, "SERVICE_STEADY_STATE") | {"resources": []},
    action(NOW, ""),
]


@pytest.mark.parametrize("event", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_event_of_ecs_is_counted_and_deleted(event: dict[str, Any]) -> None:
    found = received([message(event, "r1"), message(stopped_task(NOW), "r2")])
    assert (len(found.events), found.malformed, found.foreign, found.receipts) == (1, 1, 0, ("r1", "r2"))


FOREIGN: list[object] = [
    " ",
    "no JSON",
    "[]",
    "1" * 5_000,
    "[" * 100_000,
    '{"time": 1}',
    {"order": 17},
    stopped_task(NOW) | {"source": "aws.s3"},
    stopped_task(NOW) | {"source": "custom.app"},
    stopped_task(NOW) | {"source": ["aws.ecs"]},
    {"Type": "Notification", "Message": json.dumps(stopped_task(NOW))},
    json.dumps(stopped_task(NOW, stoppedReason="x" * MOST_CHARACTERS)),
]


@pytest.mark.parametrize("body", FOREIGN, ids=range(len(FOREIGN)))
def test_a_message_that_is_no_event_of_ecs_stays_in_the_queue(body: object) -> None:
    found = received([message(body, "r1"), message(stopped_task(NOW), "r2")])
    assert (len(found.events), found.malformed, found.foreign, found.receipts) == (1, 0, 1, ("r2",))


def received(messages: list[dict[str, Any]]) -> Delivery:
    return delivery_in(ResponsePart(CALL, {"Messages": messages}), NOW)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["id", "time", "detail-type", "source", "account", "region", "resources", "detail"]
DETAILS = [*stopped_task(NOW)["detail"], "eventName", "reason"]


EVENTS_OF_ECS = [stopped_task(NOW), action(NOW, "ECS_OPERATION_THROTTLED", "x"), deployment(NOW, "X", "y")]


@given(st.sampled_from(EVENTS_OF_ECS), st.data())
def test_any_changed_event_is_read_or_malformed(event: dict[str, Any], data: st.DataObject) -> None:
    outer = data.draw(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=2))
    inner = data.draw(st.dictionaries(st.sampled_from(DETAILS), json_values, max_size=3))
    changed = event | outer
    if isinstance(changed["detail"], dict):
        changed["detail"] = changed["detail"] | inner
    try:
        found = read(changed)
    except Unreadable:
        return
    assert found.at <= NOW + 300
    assert found.stopped is None or found.said is None
    assert all(len(text) <= 1_024 for text in (found.cluster, found.service, found.key))
    if found.said is not None:
        assert found.said.text.isprintable()
        assert len(found.said.text) < 3_500


@given(st.text(max_size=200))
def test_any_text_stays_in_the_queue(body: str) -> None:
    found = received([{"Body": body, "ReceiptHandle": "r"}])
    assert found == Delivery(foreign=1)


async def test_messages_are_received_by_long_polling_and_deleted_together(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    messages = [message(stopped_task(spies.wall_s), "r1"), message("no", "r2"), message(MALFORMED[0], "r3")]
    double.on("ReceiveMessage", ok({"Messages": messages}))
    double.on("DeleteMessageBatch", ok({"Successful": [{"Id": "0"}], "Failed": []}))
    port = aws.events(EVENTS)
    delivery = await port.receive()
    await port.delete(delivery)
    received, deleted = double.seen
    assert received.body == {"QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "VisibilityTimeout": 30}
    assert [each["ReceiptHandle"] for each in deleted.body["Entries"]] == ["r1", "r3"]
    assert len({each["Id"] for each in deleted.body["Entries"]}) == 2
    assert (len(delivery.events), delivery.malformed, delivery.foreign) == (1, 1, 1)


async def test_messages_are_read_in_a_thread(aws: Aws, double: AwsDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """To search ten large messages for credentials takes up to seconds, in which other services are polled."""
    threads = set[Thread]()

    def recorded(answer: ResponsePart, now: float) -> Delivery:
        threads.add(current_thread())
        return delivery_in(answer, now)

    monkeypatch.setattr(event_queue, "delivery_in", recorded)
    double.on("ReceiveMessage", ok({"Messages": [message(stopped_task(NOW), "r1")]}))
    await aws.events(EVENTS).receive()
    assert threads
    assert current_thread() not in threads


async def test_an_empty_queue_has_no_messages_and_nothing_is_deleted(aws: Aws, double: AwsDouble) -> None:
    double.on("ReceiveMessage", ok({}))
    port = aws.events(EVENTS)
    delivery = await port.receive()
    await port.delete(delivery)
    assert delivery == Delivery()
    assert [each.operation for each in double.seen] == ["ReceiveMessage"]


async def test_a_message_that_sqs_did_not_delete_is_an_error(aws: Aws, double: AwsDouble) -> None:
    double.on("DeleteMessageBatch", ok({"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "x"}]}))
    with pytest.raises(Unavailable, match="did not delete 1 of 2"):
        await aws.events(EVENTS).delete(Delivery(receipts=("r1", "r2")))


async def test_a_queue_by_name_is_found_once(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}))
    double.on("ReceiveMessage", ok({}))
    port = aws.events(QueueRef("events"))
    await port.receive()
    await port.receive()
    assert [each.operation for each in double.seen] == ["GetQueueUrl", "ReceiveMessage", "ReceiveMessage"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fault("AccessDenied", status=403), Denied),
        (fault("RequestThrottled"), Throttled),
        (fault("InternalError", status=500), Unavailable),
        (ok({"Messages": [{"Body": "x"}]}), Unreadable),
    ],
)
async def test_a_failed_receive_is_an_error_of_its_kind(
    aws: Aws, double: AwsDouble, reply: AwsReply, kind: type[Exception]
) -> None:
    double.on("ReceiveMessage", reply)
    with pytest.raises(kind):
        await aws.events(EVENTS).receive()
