"""SQS in memory and virtual time: visibility timeouts, a new receipt handle per receive, and errors for old ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from tests.worker.times import VirtualTime

TIMEOUT_S = 20.0
"""Real seconds after which a test that waits fails."""


class SqsRefused(Exception):
    """Like ClientError of botocore: `response` has the error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": f"AWS.SimpleQueueService.{code}", "Message": code}}


@dataclass
class Stored:
    body: str
    visible_at: float = 0.0
    handle: str = ""
    receives: int = 0


@dataclass
class SqsDouble:
    """Each of `faults[action]` is raised once. `changes`: the body and the new visibility timeout of each change.
    `when_empty` is called after a receive without messages, `before_receive` before each receive.
    """

    time: VirtualTime
    journal: list[str]
    stored: list[Stored] = field(default_factory=list)
    faults: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))
    changes: list[tuple[str, int]] = field(default_factory=list)
    receives: list[dict[str, Any]] = field(default_factory=list)
    when_empty: Callable[[], None] = lambda: None
    before_receive: Callable[[], None] = lambda: None
    changed: Condition = field(default_factory=Condition)

    def send(self, *bodies: str) -> None:
        self.stored += [Stored(body) for body in bodies]

    def receive_message(self, **parameters: Any) -> dict[str, Any]:
        self.before_receive()
        self.receives.append(parameters)
        self.journal.append("receive")
        self._raise_fault("receive")
        with self.changed:
            visible = [message for message in self.stored if message.visible_at <= self.time.now()]
            found = visible[: parameters["MaxNumberOfMessages"]]
            answer = [self._received(message, parameters["VisibilityTimeout"]) for message in found]
        if not found:
            self.time.advance(parameters["WaitTimeSeconds"])
            self.when_empty()
        return {"Messages": answer} if answer else {}

    def delete_message(self, **parameters: Any) -> None:
        with self.changed:
            self.journal.append("delete")
            self.changed.notify_all()
            self._raise_fault("delete")
            self.stored.remove(self._by_handle(parameters["ReceiptHandle"]))

    def change_message_visibility(self, **parameters: Any) -> None:
        hidden_s = parameters["VisibilityTimeout"]
        with self.changed:
            self.journal.append(f"hide {hidden_s}")
            self.changed.notify_all()
            self._raise_fault("change")
            message = self._by_handle(parameters["ReceiptHandle"])
            if message.visible_at <= self.time.now():
                raise SqsRefused("MessageNotInflight")
            message.visible_at = self.time.now() + hidden_s
            self.changes.append((message.body, hidden_s))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a visibility change or a delete makes the condition true."""
        with self.changed:
            assert self.changed.wait_for(condition, TIMEOUT_S), self.journal

    def bodies(self) -> list[str]:
        return [message.body for message in self.stored]

    def _received(self, message: Stored, visibility_s: int) -> dict[str, Any]:
        message.receives += 1
        message.visible_at = self.time.now() + visibility_s
        message.handle = f"{message.body}#{message.receives}"
        count = {"ApproximateReceiveCount": str(message.receives)}
        return {"MessageId": message.body, "Body": message.body, "ReceiptHandle": message.handle, "Attributes": count}

    def _by_handle(self, handle: str) -> Stored:
        for message in self.stored:
            if message.handle == handle:
                return message
        raise SqsRefused("ReceiptHandleIsInvalid")

    def _raise_fault(self, action: str) -> None:
        if self.faults[action]:
            raise self.faults[action].pop(0)
