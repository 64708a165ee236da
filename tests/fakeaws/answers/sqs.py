"""SQS: a queue's URL and its counts. Every value is text."""

from __future__ import annotations

from typing import Any

from tests.fakeaws.asks import Ask, Operation, short
from tests.fakeaws.replies import FakeRefusal
from tests.fakeaws.world.queues import FakeQueue

COUNTS = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}


def queue_url(ask: Ask) -> dict[str, Any]:
    owner = ask.body.get("QueueOwnerAWSAccountId") or ask.world.account
    return {"QueueUrl": _queue(ask, owner, ask.body["QueueName"]).url}


def attributes(ask: Ask) -> dict[str, Any]:
    """Return only the requested counts: without names none, with `All` each one."""
    _, owner, name = ask.body["QueueUrl"].rsplit("/", 2)
    queue = _queue(ask, owner, name)
    counts = queue.counts(ask.now)
    names = ask.body.get("AttributeNames") or []
    found = {name: str(getattr(counts, field)) for name, field in COUNTS.items() if name in names or "All" in names}
    return {"Attributes": found} if found else {}


def _queue(ask: Ask, owner: str, name: str) -> FakeQueue:
    world = ask.world if owner == ask.world.account else ask.other(owner)
    if name in world.queues:
        return world.queues[name]
    raise FakeRefusal(
        "QueueDoesNotExist", "The specified queue does not exist.", query="AWS.SimpleQueueService.NonExistentQueue"
    )


OPERATIONS = [
    Operation("sqs", "GetQueueUrl", "queue_read", "RequestThrottled", queue_url, lambda ask: [ask.body["QueueName"]]),
    Operation(
        "sqs",
        "GetQueueAttributes",
        "queue_read",
        "RequestThrottled",
        attributes,
        lambda ask: [short(ask.body["QueueUrl"])],
    ),
]
