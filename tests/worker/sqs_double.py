"""SQS in memory, in virtual time: visibility, a new receipt handle at each receive, and what it says to old ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from tests.worker.times import VirtualTime

PATIENCE_S = 20.0
"""Real seconds after which a test that waits for something has failed."""


class Refused(Exception):
    """As botocore's ClientError: the code is in `response`."""

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
    """`faults[action]` are raised once each. `changes`: every visibility that was set, by body. `when_empty` is called
    after a receive that found nothing, `before_receive` before each.
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

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.before_receive()
        self.receives.append(asked)
        self.journal.append("receive")
        self._fail("receive")
        with self.changed:
            found = [one for one in self.stored if one.visible_at <= self.time.now()][: asked["MaxNumberOfMessages"]]
            answer = [self._handed_out(one, asked["VisibilityTimeout"]) for one in found]
        if not found:
            self.time.advance(asked["WaitTimeSeconds"])
            self.when_empty()
        return {"Messages": answer} if answer else {}

    def delete_message(self, **asked: Any) -> None:
        with self.changed:
            self.journal.append("delete")
            self.changed.notify_all()
            self._fail("delete")
            self.stored.remove(self._by(asked["ReceiptHandle"]))

    def change_message_visibility(self, **asked: Any) -> None:
        hidden_s = asked["VisibilityTimeout"]
        with self.changed:
            self.journal.append(f"hide {hidden_s}")
            self.changed.notify_all()
            self._fail("change")
            one = self._by(asked["ReceiptHandle"])
            if one.visible_at <= self.time.now():
                raise Refused("MessageNotInflight")
            one.visible_at = self.time.now() + hidden_s
            self.changes.append((one.body, hidden_s))

    def until(self, condition: Callable[[], bool]) -> None:
        """A change of visibility or a delete has made the condition true."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), self.journal

    def bodies(self) -> list[str]:
        return [one.body for one in self.stored]

    def _handed_out(self, one: Stored, visibility_s: int) -> dict[str, Any]:
        one.receives += 1
        one.visible_at = self.time.now() + visibility_s
        one.handle = f"{one.body}#{one.receives}"
        count = {"ApproximateReceiveCount": str(one.receives)}
        return {"MessageId": one.body, "Body": one.body, "ReceiptHandle": one.handle, "Attributes": count}

    def _by(self, handle: str) -> Stored:
        for one in self.stored:
            if one.handle == handle:
                return one
        raise Refused("ReceiptHandleIsInvalid")

    def _fail(self, action: str) -> None:
        if self.faults[action]:
            raise self.faults[action].pop(0)
