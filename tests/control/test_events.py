"""The listener: what it deletes, when it wakes a service, and that a fault of the queue stays a fault of the queue."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import ServiceConfig
from autoscaler.control.events import (
    EMPTY_PAUSE_S,
    LONGEST_BACKOFF_S,
    PAUSE_S,
    RECENT_S,
    SHARED_PAUSE_S,
    EventListener,
)
from autoscaler.core.policy import Policy
from autoscaler.diagnosis.delivered import KEPT_S, DeliveredEvidence, EcsEvent, EventOutcome, EventType
from autoscaler.diagnosis.reports import ServiceEvent
from autoscaler.errors import AutoscalerError, Denied, NotFound, Throttled, Unavailable
from autoscaler.ports import Delivery, QueueRef, Role, ServiceRef

NOW = 1_790_000_000.0
QUEUE = QueueRef("events")
HERE, THERE = "111111111111", "222222222222"
IDENTITY = f"arn:aws:ecs:eu-west-1:{HERE}:service/prod/web 2026-01-01"
WEB = ServiceRef("web", "prod", "web")


def config(ref: ServiceRef = WEB, queue: str = "orders") -> ServiceConfig:
    return ServiceConfig(ref, (QueueRef(queue),), Policy(ref.key, 0, 9))


def said(number: int = 1, at: float = NOW, **changed: object) -> EcsEvent:
    event = ServiceEvent(at, f"event {number}")
    found = EcsEvent(
        EventType.SERVICE, at, HERE, "eu-west-1", "prod", "web", f"id-{number}", said=event, is_urgent=True
    )
    return found._replace(**changed)  # type: ignore[arg-type]


def delivery(*events: EcsEvent, malformed: int = 0, foreign: int = 0) -> Delivery:
    return Delivery(events, malformed, foreign, tuple(f"r{number}" for number in range(len(events) + malformed)))


@dataclass
class Spy:
    """The queue, the reporter and the clock. `answers`: what the receives return, in order; then nothing."""

    answers: list[Delivery | AutoscalerError] = field(default_factory=list)
    delete_fails: bool = False
    takes_s: float = 0.0
    receives: int = 0
    deleted: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    counted: Counter[tuple[EventType, EventOutcome]] = field(default_factory=Counter)
    problems: list[str | None] = field(default_factory=list)
    now: float = 0.0
    wall: float = NOW

    async def receive(self) -> Delivery:
        self.receives += 1
        self.now += self.takes_s
        answer = self.answers.pop(0) if self.answers else Delivery()
        if isinstance(answer, AutoscalerError):
            raise answer
        return answer

    async def delete(self, found: Delivery) -> None:
        if self.delete_fails:
            raise Unavailable("no answer")
        self.deleted += found.receipts

    def event(self, type_: EventType, outcome: EventOutcome, count: int = 1) -> None:
        self.counted[type_, outcome] += count

    def event_queue(self, problem: str | None) -> None:
        self.problems.append(problem)

    @property
    def outcomes(self) -> dict[EventOutcome, int]:
        found = Counter[EventOutcome]()
        for (_, outcome), count in self.counted.items():
            found[outcome] += count
        return dict(found)


def listening(spy: Spy, services: Sequence[ServiceConfig] | None = (config(),), draw: float = 1.0) -> EventListener:
    listener = EventListener(
        QUEUE, spy, spy, home="eu-west-1", clock=lambda: spy.now, wall=lambda: spy.wall, draw=lambda: draw
    )
    if services is not None:
        listener.follow(services)
    return listener


def received(listener: EventListener, spy: Spy, times: int = 1) -> list[float]:
    async def repeated() -> list[float]:
        return [await listener.receive(spy.woken.append) for _ in range(times)]

    return asyncio.run(repeated())


def test_an_event_is_evidence_is_deleted_and_wakes_its_service() -> None:
    spy = Spy([delivery(said())])
    listener = listening(spy)
    assert received(listener, spy) == [PAUSE_S]
    assert listener.evidence(WEB, IDENTITY, 0.0) == DeliveredEvidence(said=(ServiceEvent(NOW, "event 1"),))
    assert (spy.deleted, spy.woken, spy.outcomes) == (["r0"], ["web"], {EventOutcome.USED: 1})
    assert spy.problems == [None]


@pytest.mark.parametrize(
    "event",
    [
        said(is_urgent=False),
        said(at=NOW - RECENT_S),
        said(service="other"),
        said(cluster="test"),
        said(region="us-east-1"),
        said(type=EventType.OTHER),
        said(said=None),
    ],
)
def test_nothing_else_wakes_a_service(event: EcsEvent) -> None:
    spy = Spy([delivery(event)])
    received(listening(spy), spy)
    assert (spy.woken, spy.deleted) == ([], ["r0"])


def test_a_duplicate_does_not_wake_again() -> None:
    spy = Spy([delivery(said(), said()), delivery(said())])
    received(listening(spy), spy, 2)
    assert (spy.woken, spy.outcomes) == (["web"], {EventOutcome.USED: 1, EventOutcome.DUPLICATE: 2})
    assert len(spy.deleted) == 3


def test_events_of_unknown_services_are_deleted_and_counted() -> None:
    spy = Spy([delivery(said(service="other"), said(service=""), malformed=2)])
    listener = listening(spy)
    received(listener, spy)
    assert spy.outcomes == {EventOutcome.UNKNOWN_SERVICE: 2, EventOutcome.MALFORMED: 2}
    assert len(spy.deleted) == 4
    assert listener.evidence(replace(WEB, service="other"), IDENTITY, 0.0) == DeliveredEvidence()


def test_evidence_is_of_one_account_and_region() -> None:
    role = Role(f"arn:aws:iam::{THERE}:role/x")
    other = ServiceRef("other", "prod", "web", role=role)
    spy = Spy([delivery(said(1), said(2, account=THERE), said(3, region="us-east-1"))])
    listener = listening(spy, [config(), config(other, "other")])
    received(listener, spy)
    assert spy.woken == ["web", "other"]
    assert [event.text for event in listener.evidence(WEB, IDENTITY, 0.0).said] == ["event 1"]
    assert [event.text for event in listener.evidence(other, None, 0.0).said] == ["event 2"]


def test_without_the_account_nothing_is_returned() -> None:
    spy = Spy([delivery(said())])
    listener = listening(spy)
    received(listener, spy)
    assert listener.evidence(WEB, None, 0.0) == listener.evidence(WEB, "None 2026", 0.0) == DeliveredEvidence()


def test_an_event_of_another_account_with_the_same_names_is_not_evidence() -> None:
    spy = Spy([delivery(said(account=THERE))])
    listener = listening(spy)
    received(listener, spy)
    assert listener.evidence(WEB, IDENTITY, 0.0) == DeliveredEvidence()


def test_evidence_is_returned_for_a_day_and_not_from_before_since() -> None:
    spy = Spy([delivery(said(1, NOW), said(2, NOW - 60))])
    listener = listening(spy)
    received(listener, spy)
    assert len(listener.evidence(WEB, IDENTITY, NOW - 60).said) == 2
    assert len(listener.evidence(WEB, IDENTITY, NOW - 59).said) == 1
    spy.wall = NOW + KEPT_S
    assert len(listener.evidence(WEB, IDENTITY, 0.0).said) == 1
    spy.wall += 1
    assert listener.evidence(WEB, IDENTITY, 0.0) == DeliveredEvidence()


def test_nothing_is_received_before_the_services_are_known() -> None:
    spy = Spy([delivery(said())])
    listener = listening(spy, None)
    received(listener, spy)
    assert spy.receives == 0
    listener.follow([config()])
    received(listener, spy)
    assert spy.woken == ["web"]


def test_the_work_queue_of_a_service_is_never_received_from() -> None:
    spy = Spy([delivery(said())])
    listener = listening(spy, [config(queue="events")])
    assert received(listener, spy) == [SHARED_PAUSE_S]
    assert spy.receives == 0
    assert "also a queue of the service web" in str(spy.problems[-1])
    listener.follow([config()])
    received(listener, spy)
    assert (spy.receives, spy.problems[-1]) == (1, None)


def test_foreign_messages_stay_and_slow_the_listener_down() -> None:
    spy = Spy([delivery(foreign=10)] * 20)
    pauses = received(listening(spy), spy, 20)
    assert spy.deleted == []
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert "They stay in the queue" in str(spy.problems[0])


def test_foreign_messages_among_events_do_not_slow_it_down() -> None:
    spy = Spy([delivery(said(), foreign=9)])
    assert received(listening(spy), spy) == [PAUSE_S]
    assert spy.problems == [None]


@pytest.mark.parametrize("fault", [Denied("x"), NotFound("x"), Throttled("x"), Unavailable("x"), AutoscalerError("x")])
def test_a_queue_that_fails_is_backed_off_and_reported_until_it_works(fault: AutoscalerError) -> None:
    spy = Spy([fault] * 30)
    listener = listening(spy)
    pauses = received(listener, spy, 30)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2.0, LONGEST_BACKOFF_S)
    assert set(spy.problems) == {"x"}
    received(listener, spy)
    assert spy.problems[-1] is None
    spy.answers = [fault]
    assert received(listener, spy) == [2.0]


def test_a_single_failure_that_is_not_permanent_is_not_reported() -> None:
    spy = Spy([Unavailable("x"), delivery(said())])
    received(listening(spy), spy, 2)
    assert spy.problems == [None]


@given(st.floats(0, 1), st.integers(1, 60))
def test_the_jitter_keeps_at_least_half_of_the_backoff(draw: float, failures: int) -> None:
    spy = Spy([Unavailable("x")] * failures)
    pause_s = received(listening(spy, draw=draw), spy, failures)[-1]
    longest_s = min(LONGEST_BACKOFF_S, 2.0**failures)
    assert longest_s / 2 <= pause_s <= longest_s


def test_messages_that_cannot_be_deleted_are_used_once_and_backed_off() -> None:
    spy = Spy([delivery(said())] * 20, delete_fails=True)
    listener = listening(spy)
    pauses = received(listener, spy, 20)
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert spy.woken == ["web"]
    assert len(listener.evidence(WEB, IDENTITY, 0.0).said) == 1


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.0, EMPTY_PAUSE_S), (0.5, EMPTY_PAUSE_S - 0.5), (20.0, PAUSE_S)])
def test_an_empty_queue_that_does_not_wait_is_not_read_in_a_tight_loop(takes_s: float, pause_s: float) -> None:
    spy = Spy(takes_s=takes_s)
    assert received(listening(spy), spy) == [pause_s]


@given(st.lists(st.integers(0, 8), max_size=30), st.randoms(use_true_random=False))
def test_the_order_and_the_number_of_deliveries_do_not_matter(numbers: list[int], chance: random.Random) -> None:
    again = numbers + [number for number in numbers if chance.random() < 0.5]
    chance.shuffle(again)
    found = []
    for each in (sorted(set(numbers)), again):
        spy = Spy([delivery(*(said(number, NOW - number) for number in each))])
        listener = listening(spy)
        received(listener, spy)
        assert spy.outcomes.get(EventOutcome.USED, 0) == len(set(numbers))
        found.append(listener.evidence(WEB, IDENTITY, 0.0))
    assert found[0] == found[1]


async def test_the_task_receives_until_it_is_cancelled() -> None:
    spy, woken = Spy([delivery(said())]), asyncio.Event()
    listener = listening(spy)
    task = asyncio.create_task(listener.run(lambda _: woken.set()))
    async with asyncio.timeout(30):
        await woken.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
