"""The SQS queue to which an EventBridge rule sends the events of ECS: received, read strictly, and deleted.

A principal that may send to the queue decides what is in a message, so nothing in it is trusted: sizes are bounded,
and texts are cleaned as those of ECS. Only events of ECS are deleted, also those that cannot be read. Any other message
stays, because the setting may name the wrong queue, and its messages are the work of another program.

Messages are read in a thread, so that none delays a poll: to search ten large ones for credentials can take seconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DELETE_MESSAGE, RECEIVE_MESSAGE
from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import clean
from autoscaler.aws.names import queue_subject, short_name
from autoscaler.aws.sqs import SqsQueues, endpoint_of
from autoscaler.aws.stopped_tasks import MOST_NAME, MOST_REASON, stopped_in
from autoscaler.diagnosis.delivered import QUIET_ACTIONS, EcsEvent, EventType, sentence_of
from autoscaler.diagnosis.reports import ServiceEvent
from autoscaler.diagnosis.stops import cause_of
from autoscaler.errors import Unavailable, Unreadable
from autoscaler.ports import Delivery, QueueRef, Urgency

MOST_MESSAGES = 10
"""The most messages of one ReceiveMessage, and of one DeleteMessageBatch."""

HIDDEN_S = 30
"""Seconds until a message that was received and not deleted is received again."""

MOST_CHARACTERS = 64 * 1024
"""Of a message that is read. A task with ten containers takes 20 KB."""

MOST_CONTAINERS = 10
"""Of a task definition in ECS."""

AHEAD_S = 300.0
"""Seconds by which an event may be ahead of the daemon's clock. Evidence from the future would never end."""

WHOLE_S = 1.0
"""EventBridge gives the time of an event in whole seconds. What the event describes is not later than that."""

ECS = "aws.ecs"
"""The source of all events of ECS. EventBridge reserves sources that begin with `aws.` for AWS."""

TYPES = {
    "ECS Task State Change": EventType.TASK,
    "ECS Service Action": EventType.SERVICE,
    "ECS Deployment State Change": EventType.DEPLOYMENT,
}
"""The detail types that are used."""

SERVICE_GROUP = "service:"
"""The start of the `group` of a task that a service started; the service's name follows."""


class SqsEvents:
    """The `EventPort` over SQS."""

    def __init__(self, caller: Caller, clocks: Clocks, queues: SqsQueues, queue: QueueRef) -> None:
        self._caller = caller
        self._clocks = clocks
        self._queues = queues
        self._queue = queue

    async def receive(self) -> Delivery:
        answer = await self._caller.ask(
            RECEIVE_MESSAGE,
            queue_subject(self._queue),
            endpoint_of(self._queue),
            Urgency.BACKGROUND,
            QueueUrl=await self._queues.url(self._queue),
            MaxNumberOfMessages=MOST_MESSAGES,
            WaitTimeSeconds=int(RECEIVE_MESSAGE.waits_s),
            VisibilityTimeout=HIDDEN_S,
        )
        if not answer.has("Messages"):
            return Delivery()
        return await asyncio.to_thread(delivery_in, answer, self._clocks.wall())

    async def delete(self, delivery: Delivery) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": each} for number, each in enumerate(delivery.receipts)]
        if not entries:  # SQS rejects an empty list
            return
        answer = await self._caller.ask(
            DELETE_MESSAGE,
            queue_subject(self._queue),
            endpoint_of(self._queue),
            Urgency.BACKGROUND,
            QueueUrl=await self._queues.url(self._queue),
            Entries=entries,
        )
        left = len(answer.parts_if_any("Failed"))
        if left:
            raise Unavailable(f"{queue_subject(self._queue)}: SQS did not delete {left} of {len(entries)} messages")


def delivery_in(answer: ResponsePart, now: float) -> Delivery:
    """Return the messages of an answer of ReceiveMessage. `now`: seconds since the epoch. Raises `Unreadable` if a
    message has no receipt handle.
    """
    events, receipts, malformed, foreign = list[EcsEvent](), list[str](), 0, 0
    for message in answer.parts_if_any("Messages")[:MOST_MESSAGES]:
        content, receipt = _content(message), message.word("ReceiptHandle")
        if content is None or content.get("source") != ECS:
            foreign += 1
            continue
        receipts.append(receipt)
        try:
            events.append(event_in(ResponsePart(message.call, content), now))
        except Unreadable:
            malformed += 1
    return Delivery(tuple(events), malformed, foreign, tuple(receipts))


def _content(message: ResponsePart) -> dict[str, object] | None:
    """Return the JSON object in the body of a message (None: there is none)."""
    body = message.body.get("Body")
    try:
        content = json.loads(body) if isinstance(body, str) and len(body) <= MOST_CHARACTERS else None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def event_in(envelope: ResponsePart, now: float) -> EcsEvent:
    """Return the event. `now`: seconds since the epoch. Raises `Unreadable`."""
    event = ResponsePart(envelope.call, _with_moments(envelope.body))
    at = event.moment("time")
    if at > now + AHEAD_S:
        raise event.unreadable("time", "a time that is not in the future", "a later one")
    type_ = TYPES.get(event.word("detail-type"), EventType.OTHER)
    found = EcsEvent(type_, at, _name(event, "account"), _name(event, "region"), "", "", _name(event, "id"))
    if type_ is EventType.OTHER:
        return found
    detail = event.part("detail")
    return READERS[type_](found, event, ResponsePart(event.call, _with_moments(detail.body)))


def _task(found: EcsEvent, _: ResponsePart, task: ResponsePart) -> EcsEvent:
    """A task. It is evidence once ECS stops it: on Fargate Spot that is two minutes before it ends."""
    group = _optional(task, "group")
    service = group.removeprefix(SERVICE_GROUP) if group.startswith(SERVICE_GROUP) else ""
    found = found._replace(
        cluster=short_name(_name(task, "clusterArn")),
        service=service[:MOST_NAME],
        key=task.word("taskArn")[:_MOST_ARN],
        version=task.count("version") if task.has("version") else 0,
    )
    if "STOPPED" not in {_optional(task, "desiredStatus"), _optional(task, "lastStatus")}:
        return found
    containers = list(task.values("containers")[:MOST_CONTAINERS]) if task.has("containers") else []
    stopped = stopped_in(ResponsePart(task.call, {**task.body, "containers": containers}))
    if stopped is not None:
        stopped = stopped._replace(at=min(stopped.at, found.at + WHOLE_S))
    is_urgent = stopped is not None and cause_of(stopped).row.name != "scaling"
    return found._replace(stopped=stopped, is_urgent=is_urgent)


def _service(found: EcsEvent, event: ResponsePart, detail: ResponsePart) -> EcsEvent:
    """A service action, or a change of a deployment: the ARN of the service is the resource of the event."""
    arns = [arn for arn in event.words("resources") if ":service/" in arn]
    if not arns:
        raise event.unreadable("resources", "the ARN of a service", None)
    *cluster, service = arns[0][:_MOST_ARN].partition(":service/")[2].split("/")
    named = cluster[-1] if cluster else short_name(_optional(detail, "clusterArn"))[:MOST_NAME]
    name, reason = _name(detail, "eventName"), clean(_optional(detail, "reason"), MOST_REASON)
    at = detail.moment("createdAt") if detail.has("createdAt") else found.at
    said = ServiceEvent(min(at, found.at), sentence_of(service, clean(name), reason))
    return found._replace(cluster=named, service=service, said=said, is_urgent=name not in QUIET_ACTIONS)


READERS: dict[EventType, Callable[[EcsEvent, ResponsePart, ResponsePart], EcsEvent]] = {
    EventType.TASK: _task,
    EventType.SERVICE: _service,
    EventType.DEPLOYMENT: _service,
}
_MOST_ARN = 1_024


def _name(part: ResponsePart, name: str) -> str:
    return part.word(name)[:_MOST_ARN]


def _optional(part: ResponsePart, name: str) -> str:
    """Return the text (empty: it is absent, null or empty). Raises `Unreadable` if it is no text."""
    return part.word(name) if part.body.get(name) else ""


def _with_moments(content: Mapping[str, object]) -> dict[str, object]:
    """Return the structure with its ISO times as the SDK would return them. Other texts stay as they are."""
    return {name: _moment(value) if name.endswith(_TIME_NAMES) else value for name, value in content.items()}


_TIME_NAMES = ("At", "time")


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if found.tzinfo is None else found
