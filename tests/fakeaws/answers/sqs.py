"""SQS: a queue's URL and its counts, as text, and the messages of a queue of events."""

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
    queue = _named(ask)
    counts = queue.counts(ask.now)
    names = ask.body.get("AttributeNames") or []
    found = {name: str(getattr(counts, field)) for name, field in COUNTS.items() if name in names or "All" in names}
    return {"Attributes": found} if found else {}


def receive(ask: Ask) -> dict[str, Any]:
    """Return the messages that are not hidden. Unlike SQS, an empty queue is answered at once."""
    found = _named(ask).mail.received(ask.now, ask.body.get("MaxNumberOfMessages", 1), ask.body["VisibilityTimeout"])
    messages = [{"MessageId": one, "ReceiptHandle": receipt, "Body": body} for one, receipt, body in found]
    return {"Messages": messages} if messages else {}


def delete(ask: Ask) -> dict[str, Any]:
    """Delete the messages whose receipt handle is that of their last receive."""
    mail, answer = _named(ask).mail, dict[str, list[dict[str, Any]]](Successful=[], Failed=[])
    for entry in ask.body["Entries"]:
        if mail.deleted(entry["ReceiptHandle"]):
            answer["Successful"].append({"Id": entry["Id"]})
        else:
            failure = {"Id": entry["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
            answer["Failed"].append(failure)
    return answer


def _named(ask: Ask) -> FakeQueue:
    _, owner, name = ask.body["QueueUrl"].rsplit("/", 2)
    return _queue(ask, owner, name)


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
    *(
        Operation("sqs", name, "queue_receive", "RequestThrottled", do, lambda ask: [short(ask.body["QueueUrl"])])
        for name, do in (("ReceiveMessage", receive), ("DeleteMessageBatch", delete))
    ),
]
