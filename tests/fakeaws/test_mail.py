"""The queue of events over the real protocol: listener, adapter and SDK against a queue that fails in each way."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import ServiceConfig
from autoscaler.control.events import LONGEST_BACKOFF_S, EventListener
from autoscaler.core.policy import Policy
from autoscaler.diagnosis.delivered import DeliveredEvidence, EventOutcome, EventType
from autoscaler.ports import QueueRef, ServiceRef
from tests.aws.ecs_events import CLUSTER, action, stopped_task
from tests.aws.spies import Spies, connected
from tests.fakeaws import FakeAws
from tests.fakeaws.faults import FakeFault, refused, sent, with_fields, without
from tests.fakeaws.replies import Manner
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.world.queues import FakeMail

WEB = ServiceRef("web", CLUSTER, "web")
IDENTITY = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/{CLUSTER}/web 2026-01-01"
HIDDEN_S = 30.0


@dataclass
class Listened:
    """A listener over the fake AWS, and what it reported."""

    aws: FakeAws
    spies: Spies
    counted: Counter[EventOutcome] = field(default_factory=Counter)
    problems: list[str | None] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    listener: EventListener | None = None

    def event(self, type_: EventType, outcome: EventOutcome, count: int = 1) -> None:
        self.counted[outcome] += count

    def event_queue(self, problem: str | None) -> None:
        self.problems.append(problem)

    async def receive(self) -> float:
        assert self.listener is not None
        return await self.listener.receive(self.woken.append)

    @property
    def evidence(self) -> DeliveredEvidence:
        assert self.listener is not None
        return self.listener.evidence(WEB, IDENTITY, 0.0)

    @property
    def mail(self) -> FakeMail:
        return self.aws.world().queues["events"].mail

    def put(self, *events: object) -> None:
        self.mail.send(*(event if isinstance(event, str) else json.dumps(event) for event in events))

    def stopped(self, task: str, version: int = 5) -> dict[str, Any]:
        return stopped_task(self.aws.clock.now() - 10, task=task, version=version) | {"account": ACCOUNT}


@asynccontextmanager
async def listening(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listened]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    aws.world().put_queue("events")
    spies, queue = Spies(wall_s=aws.clock.now()), QueueRef("events")
    async with connected(spies, 2.0) as ports:
        found = Listened(aws, spies)
        found.listener = EventListener(
            queue,
            ports.events(queue),
            found,
            home="eu-west-1",
            clock=lambda: spies.now_s,
            wall=lambda: spies.wall_s,
            draw=lambda: 1.0,
        )
        found.listener.follow([ServiceConfig(WEB, (QueueRef("orders"),), Policy("web", 0, 9))])
        yield found


async def test_events_are_received_used_and_deleted(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(aws, monkeypatch) as found:
        failure = action(aws.clock.now(), "SERVICE_TASK_PLACEMENT_FAILURE", "RESOURCE:FARGATE")
        found.put(*(found.stopped(f"t{number}") for number in range(14)), failure | {"account": ACCOUNT}, "order 17")
        await found.receive()
        await found.receive()
        assert list(found.mail.bodies.values()) == ["order 17"]
        assert found.counted == {EventOutcome.USED: 15, EventOutcome.FOREIGN: 1}
        assert (len(found.evidence.stopped), len(found.evidence.said)) == (14, 1)
        assert not aws.record.complaints


FAULTS: dict[str, FakeFault] = {
    "denied": refused("AccessDenied", status=403),
    "throttled": refused("RequestThrottled"),
    "over the limit": refused("OverLimit", status=403),
    "internal error": refused("InternalError", status=500),
    "unavailable": refused("ServiceUnavailable", status=503),
    "queue deleted": refused("QueueDoesNotExist"),
    "KMS": refused("KmsAccessDenied"),
    "reset": sent(Manner.RESET),
    "cut": sent(Manner.CUT),
}
DONE = {("DeleteMessageBatch", "reset"), ("DeleteMessageBatch", "cut")}
"""The messages are deleted; only the answer is lost."""

CALLS = ["ReceiveMessage", "DeleteMessageBatch", "GetQueueUrl"]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("call", CALLS)
async def test_a_fault_of_any_call_is_backed_off_and_loses_nothing(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, call: str, name: str
) -> None:
    async with listening(aws, monkeypatch) as found:
        found.put(found.stopped("t1"))
        aws.faults.script(call, FAULTS[name])
        pauses = []
        for _ in range(12):
            pauses.append(await found.receive())
            aws.clock.pass_s(HIDDEN_S)
        if (call, name) in DONE:
            assert (pauses[0], found.mail.bodies) == (2.0, {})
        else:
            assert pauses == sorted(pauses)
            assert pauses[-1] == LONGEST_BACKOFF_S
            assert found.problems[-1] is not None
            assert len(found.mail.bodies) == 1
        aws.faults.heal()
        await found.receive()
        assert found.mail.bodies == {}
        assert found.problems[-1] is None
        assert len(found.evidence.stopped) == 1
        assert found.woken == ["web"], "however often it was received"
        assert found.counted[EventOutcome.USED] == 1


@pytest.mark.parametrize(
    "fault", [without("Messages"), with_fields(Messages=[]), with_fields(Messages=None)], ids=["none", "empty", "null"]
)
async def test_an_answer_without_messages_is_an_empty_queue(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, fault: FakeFault
) -> None:
    async with listening(aws, monkeypatch) as found:
        aws.faults.script("ReceiveMessage", fault)
        await found.receive()
        assert found.problems == [None]


@pytest.mark.parametrize("value", [1, "x", {"Body": "x"}, [1], [{"Body": "{}"}]], ids=str)
async def test_an_answer_of_another_form_is_a_problem_and_not_a_crash(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    async with listening(aws, monkeypatch) as found:
        aws.faults.script("ReceiveMessage", with_fields(Messages=value))
        await found.receive()
        await found.receive()
        assert found.problems[-1] is not None


async def test_an_expired_receipt_is_an_error_and_the_message_comes_again(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(aws, monkeypatch) as found:
        found.put(found.stopped("t1"))
        failed = [{"Id": "0", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}]
        aws.faults.script("DeleteMessageBatch", with_fields(Successful=[], Failed=failed), times=1)
        assert await found.receive() == 2.0
        assert (len(found.evidence.stopped), found.problems) == (1, [])


@given(st.lists(st.sampled_from("abcd"), max_size=6), st.randoms(use_true_random=False))
def test_a_message_is_hidden_after_its_receive_and_gone_after_its_deletion(
    bodies: list[str], chance: random.Random
) -> None:
    mail, now, left = FakeMail(), 0.0, Counter(bodies)
    mail.send(*bodies)
    for _ in range(8):
        received = mail.received(now, 3, HIDDEN_S)
        assert mail.received(now, 10, 0.0) == [] or len(received) == 3
        for _, receipt, body in received:
            if chance.random() < 0.5 and mail.deleted(receipt):
                left[body] -= 1
                assert not mail.deleted(receipt)
        now += HIDDEN_S
    assert Counter(mail.bodies.values()) == +left
