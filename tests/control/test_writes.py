"""A write that AWS rejects permanently is sent again less and less often, and at once after a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.writes import (
    DOUBT_S,
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    MOST_SEEN,
    MOST_TARGETS,
    STALE_S,
    Belief,
    RejectedWrites,
)
from autoscaler.core.model import Fleet, Missing, Revision
from autoscaler.errors import (
    AutoscalerError,
    ClockSkewed,
    Denied,
    NoCredentials,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
)
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import FakePorts, now, ports_of, service
from tests.virtual import run_virtually

PERMANENT = (Denied, NotFound, Refused)
TEMPORARY = (Throttled, Unavailable, NoCredentials, ClockSkewed, Unreadable)
HOUR_S = 3_600.0


class Rejecting(FakePorts):
    """Ports that record the time and the count of every attempt."""

    def __init__(self, error: AutoscalerError | None) -> None:
        super().__init__(waiting=95, write_error=error)
        self.attempts: list[tuple[float, int]] = []
        self.identity, self.renewed = "a", 0

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        fleet = await super().read(service, urgency)
        return fleet if isinstance(fleet, Missing) else replace(fleet, identity=self.identity)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        self.attempts.append((now() - 1_000.0, tasks))
        return await super().scale_to(service, tasks, urgency, more)


def run(
    world: Rejecting, lasts_s: float, at_s: float = 0.0, change: Callable[[ServiceLoop], None] | None = None
) -> None:
    async def main() -> None:
        ports = replace(ports_of(world), renewals=lambda: world.renewed)
        loop, stopping = ServiceLoop(service(max_tasks=50), ports, Rhythm(10.0)), asyncio.Event()
        task = asyncio.create_task(loop.run(stopping))
        if change is not None:
            await asyncio.sleep(at_s)
            change(loop)
        await asyncio.sleep(lasts_s - at_s)
        stopping.set()
        await task

    run_virtually(main())


@pytest.mark.parametrize("error", PERMANENT)
def test_a_permanent_rejection_backs_off_to_a_bound_and_stays_visible(error: type[AutoscalerError]) -> None:
    world = Rejecting(error("AWS said no"))
    run(world, HOUR_S)
    times = [at for at, _ in world.attempts]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[:6] == [20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert set(gaps[4:]) == {LONGEST_RETRY_S}
    for poll in world.polls:
        assert poll.outcome == error.kind, "each poll shows that the write failed"
        assert "AWS said no" in (poll.failure or "")
        assert [notice for notice in poll.notices if notice.kind == "slo_at_risk"]


@pytest.mark.parametrize("error", TEMPORARY)
def test_a_temporary_error_is_tried_again_at_every_poll(error: type[AutoscalerError]) -> None:
    world = Rejecting(error("later"))
    run(world, 295.0)
    assert len(world.attempts) == len(world.polls) == 30


CHANGES: dict[str, Callable[[Rejecting, ServiceLoop], None]] = {
    "a deployment": lambda world, _: setattr(world, "deploying_since", 1_500.0),
    "a task definition": lambda world, _: setattr(world, "definitions", ("web:2",)),
    "a new service": lambda world, _: setattr(world, "identity", "b"),
    "credentials or SIGHUP": lambda world, _: setattr(world, "renewed", 1),
    "a pause tag": lambda world, _: setattr(world, "pause_tag", "in"),
    "settings": lambda world, loop: loop.adopt(service(max_tasks=40), ports_of(world), Rhythm(10.0)),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("error", PERMANENT)
def test_a_change_of_a_possible_cause_ends_the_backoff(error: type[AutoscalerError], change: str) -> None:
    world = Rejecting(error("no"))
    run(world, 1_550.0, 1_500.0, lambda loop: CHANGES[change](world, loop))
    times = [at for at, _ in world.attempts]
    assert [at for at in times if 1_500.0 <= at <= 1_510.0], times
    assert [at for at in times if 1_520.0 <= at <= 1_540.0], "the backoff is short again"


def test_a_service_that_can_be_scaled_again_is_scaled_within_the_bound() -> None:
    world = Rejecting(Denied("no"))
    run(world, HOUR_S, 1_800.0, lambda _: setattr(world, "write_error", None))
    assert world.desired == 10
    [(accepted_at, _)] = world.writes
    assert accepted_at - 1_000.0 <= 1_800.0 + LONGEST_RETRY_S


class Ahead(Rejecting):
    """AWS's clock is ahead: the start of the deployment is in the future, and is read as the time of each reading."""

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        self.deploying_since = now()
        return await super().read(service, urgency)


def test_a_deployment_that_began_in_the_future_of_our_clock_does_not_end_the_backoff() -> None:
    world = Ahead(Denied("no"))
    run(world, 295.0)
    assert [at for at, _ in world.attempts] == [0.0, 20.0, 60.0, 140.0]


def attempts_with_a_new_target_at_each_poll(error: AutoscalerError) -> list[float]:
    clock = [0.0]
    rejected = RejectedWrites(lambda: clock[0])
    sent = []
    for step in range(360):
        clock[0] = 10.0 * step
        if rejected.blocking(10 + step, "causes") is None:
            sent.append(clock[0])
            rejected.rejected(error, 10 + step, "causes")
    return sent


def test_a_different_count_does_not_reset_the_backoff_of_a_missing_permission() -> None:
    assert attempts_with_a_new_target_at_each_poll(Denied("no"))[:5] == [0.0, 20.0, 60.0, 140.0, 300.0]


@pytest.mark.parametrize("error", [Refused("no"), NotFound("no")])
def test_a_different_count_is_tried_once_and_only_a_few_are(error: AutoscalerError) -> None:
    sent = attempts_with_a_new_target_at_each_poll(error)
    assert sent[:MOST_TARGETS] == [10.0 * step for step in range(MOST_TARGETS)]
    assert len(sent) <= MOST_TARGETS + HOUR_S / LONGEST_RETRY_S + 3


def test_an_accepted_write_forgets_the_rejections() -> None:
    rejected = RejectedWrites(lambda: 0.0)
    assert rejected.blocking(5, "x") is None
    assert "rejected 1 time; sent again after 20 s" in rejected.rejected(Refused("no"), 5, "x").text
    assert rejected.blocking(5, "x") is not None
    rejected.accepted()
    assert rejected.blocking(5, "x") is None
    assert FIRST_RETRY_S == 20.0


class Answers:
    """The belief of one service at chosen times, and whether each count can be an earlier one of the autoscaler."""

    def __init__(self) -> None:
        self.now = 0.0
        self.belief = Belief(ServiceRef("orders", "prod", "orders"), lambda: self.now)

    def own(self, at: float, desired: int, event: float | None, identity: str = "a") -> bool:
        self.now = at
        fleet = Fleet(desired, desired, 0, at, identity=identity, revision=Revision(event=event))
        assert self.belief.checked(fleet) is fleet
        return self.belief.is_own

    def write(self, at: float, target: int, revision: Revision = Revision()) -> None:  # noqa: B008 - it is immutable
        self.now = at
        self.belief.sent(target)
        self.belief.wrote(target, revision)

    def read(self, at: float, desired: int, revision: Revision) -> Fleet | Missing:
        self.now = at
        return self.belief.checked(Fleet(desired, desired, 0, at, identity="a", revision=revision))


def test_an_answer_that_is_not_newer_has_an_own_count_for_three_minutes_and_a_newer_one_has_not() -> None:
    answers = Answers()
    answers.own(0.0, 8, 1.0)
    answers.write(10.0, 18)
    assert answers.own(20.0, 8, 1.0)
    assert answers.own(199.9, 8, 1.0)
    assert not answers.own(200.0, 8, 1.0), "half-open: after DOUBT_S it counts"
    assert answers.own(205.0, 8, 1.0), "it is the known count now"
    assert not answers.own(210.0, 8, 2.0), "newer than the write"
    answers.write(220.0, 18)
    assert answers.own(230.0, 8, 2.0), "a newer answer has begun the three minutes again"


def test_a_count_that_was_sent_is_an_own_count_for_three_minutes() -> None:
    answers = Answers()
    answers.own(0.0, 8, 1.0)
    answers.write(10.0, 10)
    answers.write(20.0, 12)
    assert answers.own(30.0, 10, 3.0)
    assert answers.own(189.9, 10, 4.0)
    assert not answers.own(190.0, 10, 5.0)


def test_without_times_a_count_that_was_not_sent_is_of_another_writer_at_once() -> None:
    answers = Answers()
    answers.own(0.0, 8, None)
    answers.write(10.0, 18)
    assert not answers.own(20.0, 8, None)


def test_a_new_service_of_the_same_name_has_no_own_counts() -> None:
    answers = Answers()
    answers.own(0.0, 8, 1.0)
    answers.write(10.0, 18)
    assert not answers.own(20.0, 18, 1.0, identity="b")


def test_the_stored_counts_are_bounded() -> None:
    answers = Answers()
    for count in range(1_000):
        answers.own(float(count), count, float(count))
        answers.write(float(count), count + 5_000)
    assert len(answers.belief._seen) == MOST_SEEN
    assert len(answers.belief._sent) <= DOUBT_S


BEFORE, AFTER = Revision(1.0, 100.0, 90.0), Revision(1.0, 200.0, 90.0)
"""How new an answer is before and after a write of a count, if ECS updates the deployment."""


def test_an_answer_that_is_older_than_the_response_to_the_last_write_is_stale() -> None:
    answers = Answers()
    answers.read(0.0, 8, BEFORE)
    answers.write(10.0, 18, AFTER)
    stale = answers.read(100.0, 8, BEFORE)
    assert isinstance(stale, Missing)
    assert stale.kind == "stale"
    fresh = answers.read(110.0, 18, AFTER)
    assert isinstance(fresh, Fleet)
    assert isinstance(answers.read(120.0, 8, BEFORE), Missing)


def test_the_stale_answers_end_after_a_while_so_that_a_single_wrong_time_stops_no_service() -> None:
    answers = Answers()
    answers.read(0.0, 8, BEFORE)
    answers.write(10.0, 18, Revision(1.0, 1e12, 90.0))
    assert isinstance(answers.read(20.0, 8, BEFORE), Missing)
    assert isinstance(answers.read(20.0 + STALE_S - 1, 8, BEFORE), Missing)
    assert isinstance(answers.read(20.0 + STALE_S, 8, BEFORE), Fleet)
    assert isinstance(answers.read(30.0 + STALE_S, 8, BEFORE), Fleet), "and not only for one poll"


def test_an_answer_with_the_written_count_is_used_whatever_its_time() -> None:
    answers = Answers()
    answers.read(0.0, 8, BEFORE)
    answers.write(10.0, 18, AFTER)
    assert isinstance(answers.read(20.0, 18, BEFORE), Fleet), "ECS gave only the response a new time"


@pytest.mark.parametrize("revision", [BEFORE, Revision()], ids=["not updated", "no times"])
def test_a_response_that_is_not_newer_proves_nothing_and_a_different_count_is_in_doubt(revision: Revision) -> None:
    answers = Answers()
    answers.read(0.0, 8, BEFORE)
    answers.write(10.0, 18, revision)
    assert isinstance(answers.read(100.0, 8, BEFORE), Fleet)
    assert answers.belief.possible == (18,)
    answers.read(100.0 + DOUBT_S, 8, BEFORE)
    assert not answers.belief.possible


def test_a_count_of_another_writer_after_the_last_write_is_known_at_once() -> None:
    answers = Answers()
    answers.read(0.0, 8, BEFORE)
    answers.write(10.0, 18, AFTER)
    assert isinstance(answers.read(20.0, 5, AFTER._replace(updated=201.0)), Fleet)
    assert not answers.belief.possible
    assert not answers.belief.is_own


class LateShown(Rejecting):
    """ECS shows the state of two minutes ago. `updates`: it updates the deployment when the count changes."""

    def __init__(self, *, updates: bool) -> None:
        super().__init__(None)
        self.desired, self.waiting, self.updates = 8, 300, updates
        self.steps = [(0.0, 8)]

    def _at(self, then: float) -> tuple[int, Revision]:
        at, tasks = next((step for step in reversed(self.steps) if step[0] <= then), self.steps[0])
        return tasks, Revision(1.0, at if self.updates else 1.0, None)

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        desired, revision = self._at(now() - 120.0)
        return Fleet(desired, desired, 0, now(), identity="a", revision=revision)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        await super().scale_to(service, tasks, urgency, more)
        self.steps.append((now(), tasks))
        return self._at(now())[1]


def test_a_write_is_not_repeated_from_a_count_of_before_it() -> None:
    world = LateShown(updates=True)
    run(world, 600.0)
    counts = [tasks for _, tasks in world.attempts]
    assert counts == sorted(counts), counts
    polls = [poll.outcome for poll in world.polls]
    assert "stale" in polls
    assert polls.count("stale") <= 13, "not for longer than the two minutes"
