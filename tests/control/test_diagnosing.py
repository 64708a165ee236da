"""The daemon's own diagnosis: on a sign only, in the background, with growing pauses, and over when a task stays up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from autoscaler.control.background import Background
from autoscaler.control.diagnosing import FIRST_S, MOST_S, UNCONFIRMED_S, DiagnosisWatch, StartSigns
from autoscaler.core.model import ActiveDeployment, Deployment, Fleet, Revision, StartHold, Trouble, ZoneRebalancing
from autoscaler.diagnosis.concluding import STUCK_S, Diagnosis, concluded
from autoscaler.diagnosis.delivered import DeliveredEvidence
from autoscaler.diagnosis.reports import Rollout, ServiceEvent, ServiceReport, StoppedTasks
from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask
from autoscaler.errors import AutoscalerError, Denied, Throttled
from autoscaler.ports import Ports, ServiceRef
from tests.control.fakes import NOON, FakePorts, now, ports_of
from tests.virtual import run_virtually

PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
BEGAN = 1000.0


def fleet(desired: int = 4, running: int = 4, pending: int = 0, failed: int = 0, deployed: float = 1.0) -> Fleet:
    return Fleet(
        desired,
        running,
        pending,
        0.0,
        identity="a",
        revision=Revision(deployed),
        deployments=(ActiveDeployment("PRIMARY", "COMPLETED", failed=failed),),
    )


def test_a_sign_is_a_new_event_a_failed_task_or_a_task_that_is_gone() -> None:
    signs = StartSigns()
    assert not signs.see(fleet(), 0.0)
    assert not signs.see(fleet(), 10.0)
    assert signs.see(fleet(failed=1), 20.0)
    assert not signs.see(fleet(failed=1), 30.0)
    assert signs.see(fleet(failed=2), 40.0)
    assert not signs.see(fleet(failed=0), 50.0), "ECS begins to count again"
    assert signs.see(fleet(running=3), 60.0), "a task is gone"
    assert not signs.see(fleet(running=3, pending=1), 70.0)
    assert not signs.see(fleet(desired=2, running=2), 80.0), "a scale-in stops tasks"
    troubled = replace(fleet(2, 2), trouble=Trouble("was unable to place a task", 85.0))
    assert signs.see(troubled, 90.0)
    assert not signs.see(replace(troubled, trouble=Trouble("was unable to place a task", 85.2)), 100.0)
    assert signs.see(replace(troubled, trouble=Trouble("was unable to place a task", 105.0)), 110.0)


@pytest.mark.parametrize(
    "replacing", [{"deployment": Deployment(0.0)}, {"rebalancing": ZoneRebalancing(is_enabled=True, moved_at=5.0)}]
)
def test_tasks_that_ecs_replaces_are_no_sign(replacing: dict[str, object]) -> None:
    signs = StartSigns()
    signs.see(fleet(), 0.0)
    assert not signs.see(replace(fleet(running=3), **replacing), 10.0)  # type: ignore[arg-type]


def test_a_deployment_that_takes_too_long_or_fails_is_a_sign_once() -> None:
    signs = StartSigns()
    slow = replace(fleet(), deployment=Deployment(5.0))
    assert not signs.see(slow, STUCK_S)
    assert signs.see(slow, STUCK_S + 5.0)
    assert not signs.see(slow, STUCK_S + 15.0)
    failed = replace(fleet(), deployments=(ActiveDeployment("PRIMARY", "FAILED"),))
    assert signs.see(failed, STUCK_S + 20.0)
    assert not signs.see(failed, STUCK_S + 30.0)


@dataclass
class Examinations:
    """A `DiagnosisPort`. `reason`: of the stop of a task (None: no task stopped). `ran_s`: how long it ran."""

    reason: str | None = None
    ran_s: float | None = None
    denied: bool = False
    takes_s: float = 0.1
    at: list[float] = field(default_factory=list)
    delivered: tuple[StoppedTask, ...] = ()

    async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
        self.at.append(now() - BEGAN)
        self.delivered = delivered.stopped
        await asyncio.sleep(self.takes_s)
        wall = NOON + now()
        primary = Rollout("PRIMARY", "COMPLETED", "", "web:8", NOON - 7200.0, 4, 0, 0)
        state = ServiceReport("ACTIVE", 4, 0, 4, "web:8", (), (primary,))
        if self.denied:
            return concluded(Denied("no"), StoppedTasks((), Denied("no")), (), wall)
        if self.reason is None:
            return concluded(state, StoppedTasks(), (), wall)
        ended = StoppedContainer("app", None if self.ran_s is None else 1, "")
        stop = StoppedTask(wall - 1.0, self.ran_s, 12.0, "", self.reason, "web:8", (ended,))
        return concluded(state, StoppedTasks((stop,)), (), wall)


@dataclass
class PlayedWatch:
    """A watch and what it sees at each poll, every 10 s."""

    examined: Examinations
    watch: DiagnosisWatch = field(default_factory=lambda: DiagnosisWatch(ServiceRef("a", "c", "s")))
    ports: Ports | None = None

    async def polls(self, seen: Fleet, many: int = 1, *, unstarted: bool = False) -> None:
        assert self.ports is not None
        for _ in range(many):
            await self.watch.check(seen, self.ports, unstarted=unstarted)
            await asyncio.sleep(10.0)

    @property
    def hold(self) -> StartHold | None:
        return None if self.watch.failure is None else self.watch.failure.hold


def playing(examined: Examinations, script: object) -> None:
    async def run() -> None:
        async with Background() as background:
            play = PlayedWatch(examined)
            play.ports = replace(ports_of(FakePorts()), diagnoses=examined, background=background)
            await script(play)  # type: ignore[operator]

    run_virtually(run())


def test_without_a_sign_nothing_is_read() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(), 500)
        assert play.examined.at == []

    playing(Examinations(PULL), script)


def test_a_failure_is_known_at_the_poll_after_the_sign_and_read_again_with_growing_pauses() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4))
        await play.polls(fleet(running=0, pending=4, failed=1))
        assert (play.hold, play.examined.at) == (StartHold.UNTIL_CHANGED, [10.0])
        await play.polls(fleet(running=0, pending=4, failed=2), 720)
        pauses = [later - sooner for sooner, later in pairwise(play.examined.at)]
        assert pauses[0] == pytest.approx(FIRST_S, abs=10.1)
        assert all(later >= sooner for sooner, later in pairwise(pauses))
        assert pauses[-1] == pytest.approx(MOST_S, abs=10.1)
        assert len(pauses) < 20, "two hours"

    playing(Examinations(PULL), script)


@pytest.mark.parametrize(
    "changed",
    [
        fleet(running=0, pending=4, failed=1, deployed=2.0),
        replace(fleet(running=0, pending=4, failed=1), identity="b"),
        replace(fleet(running=0, pending=4, failed=1), task_definitions=("web:9",)),
    ],
)
def test_a_change_of_the_service_ends_the_failure_at_once_and_the_next_sign_is_read_at_once(changed: Fleet) -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 300)
        assert play.hold is StartHold.UNTIL_CHANGED
        play.examined.reason = None
        await play.polls(changed)
        assert (play.watch.failure, play.watch.summary) == (None, None)
        reads = len(play.examined.at)
        await play.polls(replace(changed, deployments=(ActiveDeployment("PRIMARY", failed=5),)))
        assert len(play.examined.at) == reads + 1

    playing(Examinations(PULL), script)


def test_what_was_read_before_a_change_is_not_used_after_it() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1))
        await play.polls(fleet(running=0, pending=4, failed=1, deployed=2.0), 2)
        assert play.watch.failure is None

    playing(Examinations(PULL, takes_s=15.0), script)


def test_a_task_that_could_not_start_ends_the_failure_with_the_first_that_runs() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=2, pending=2, failed=1), 2)
        await play.polls(fleet(running=2, pending=2, failed=2), 5)
        assert play.hold is StartHold.UNTIL_CHANGED
        await play.polls(fleet(running=3, pending=1, failed=2))
        assert (play.watch.failure, play.watch.summary) == (None, None)

    playing(Examinations(PULL), script)


def test_a_task_that_ends_soon_must_stay_up_to_end_the_failure() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 2)
        for failed in range(2, 20):  # it runs for a poll, and ends
            await play.polls(fleet(running=1, pending=3, failed=failed), 2)
            await play.polls(fleet(running=0, pending=4, failed=failed + 1))
            assert play.hold is StartHold.UNTIL_CHANGED
        await play.polls(fleet(running=1, pending=3, failed=20), 3)
        assert play.hold is StartHold.UNTIL_CHANGED
        play.examined.reason = None
        await play.polls(fleet(running=1, pending=3, failed=20), 2)
        assert play.watch.failure is None

    playing(Examinations("Essential container in task exited", 4.0), script)


def test_stops_from_before_a_task_stayed_up_are_over() -> None:
    """ECS lists them for an hour."""

    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 2)
        await play.polls(fleet(running=1, pending=3, failed=1), 2)
        assert play.watch.failure is None
        assert not play.watch._is_requested
        play.examined.reason = PULL
        await play.polls(fleet(running=1, pending=3, failed=2), 7)
        assert play.hold is StartHold.UNTIL_CHANGED, "a newer one is not"

    playing(Examinations(PULL), script)


def test_a_sign_without_a_result_is_examined_a_few_times_more() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=3), 1)
        await play.polls(fleet(running=2), 200)
        assert 3 <= len(play.examined.at) <= 5
        assert play.watch.failure is None

    playing(Examinations(None), script)


def test_a_denied_diagnosis_holds_nothing_and_is_repeated_seldom() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 720)
        assert play.watch.failure is None
        assert len(play.examined.at) < 20

    playing(Examinations(PULL, denied=True), script)


def test_tasks_that_do_not_start_within_the_limit_are_examined() -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4), 5)
        assert play.examined.at == []
        await play.polls(fleet(running=0, pending=4), unstarted=True)
        assert len(play.examined.at) == 1

    playing(Examinations(PULL), script)


def test_no_poll_waits_for_a_diagnosis() -> None:
    async def script(play: PlayedWatch) -> None:
        began = now()
        await play.polls(fleet(running=0, pending=4, failed=1), 3)
        assert now() - began == pytest.approx(30.0)
        assert len(play.examined.at) == 1, "one at a time"

    playing(Examinations(PULL, takes_s=1000.0), script)


@dataclass
class Deliveries:
    """A `DeliveredPort`."""

    stopped: tuple[StoppedTask, ...] = ()

    def evidence(self, service: ServiceRef, identity: str | None, since: float) -> DeliveredEvidence:
        return DeliveredEvidence(tuple(one for one in self.stopped if one.at >= since))


def delivered(code: str, reason: str) -> StoppedTask:
    return StoppedTask(NOON + now(), None, 12.0, code, reason, "web:8", ())


def test_a_delivered_stop_is_examined_at_once_and_an_expected_one_is_not() -> None:
    async def script(play: PlayedWatch) -> None:
        assert play.ports is not None
        port = Deliveries()
        play.ports = replace(play.ports, delivered=port)
        await play.polls(fleet(), 2)
        port.stopped = (delivered("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment a)"),)
        await play.polls(fleet(), 2)
        assert play.examined.at == []
        port.stopped = (delivered("TaskFailedToStart", PULL), *port.stopped)
        await play.polls(fleet(running=3, pending=1), 2)
        assert (play.hold, play.examined.at) == (StartHold.UNTIL_CHANGED, [40.0])
        assert play.examined.delivered == port.stopped

    playing(Examinations(PULL), script)


def test_events_alone_are_enough_without_the_right_to_read_tasks() -> None:
    event = ServiceEvent(NOON, "is unable to consistently start tasks successfully.")
    state = ServiceReport("ACTIVE", 4, 0, 4, "web:8", (event,))

    class EventsOnly(Examinations):
        async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
            return concluded(state, StoppedTasks((), Denied("no")), (), NOON + 10.0)

    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 2)
        assert play.hold is StartHold.UNTIL_CHANGED

    playing(EventsOnly(), script)


def test_tasks_that_end_in_turn_never_end_the_failure_although_some_run_at_any_time() -> None:
    """Four tasks that each run for 10 s: nearly always one of them runs."""

    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4), 2, unstarted=True)
        for turn in range(360):
            running = 0 if turn % 8 == 0 else 1
            await play.polls(fleet(running=running, pending=4 - running))
            assert play.hold is StartHold.UNTIL_CHANGED, turn
        assert len(play.examined.at) < 60, "an hour"

    playing(Examinations("Essential container in task exited", 10.0), script)


def test_a_clock_behind_that_of_ecs_does_not_begin_the_failure_again() -> None:
    async def script(play: PlayedWatch) -> None:
        assert play.ports is not None
        wall = play.ports.wall
        play.ports = replace(play.ports, wall=lambda: wall() - 300.0)
        stopped = NOON + now() + 5.0

        class Once(Examinations):
            async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
                self.at.append(now() - BEGAN)
                primary = Rollout("PRIMARY", "COMPLETED", "", "web:8", NOON - 7200.0, 4, 0, 0)
                state = ServiceReport("ACTIVE", 4, 0, 4, "web:8", (), (primary,))
                stop = StoppedTask(stopped, None, 12.0, "", PULL, "web:8", ())
                return concluded(state, StoppedTasks((stop,)), (), NOON + now())

        once = Once()
        play.ports = replace(play.ports, diagnoses=once)
        await play.polls(fleet(running=0, pending=4, failed=1), 3)
        holds = [play.hold]
        await play.polls(fleet(running=1, pending=3, failed=1))
        holds.append(play.hold)
        await play.polls(fleet(running=1, pending=3, failed=1), 10, unstarted=True)
        holds.append(play.hold)
        assert len(once.at) > 1
        assert holds == [StartHold.UNTIL_CHANGED, None, None]

    playing(Examinations(PULL), script)


@dataclass
class Faulty(Examinations):
    """After the first reading, the stopped tasks cannot be read; with `blank`, neither can the service."""

    fault: AutoscalerError = field(default_factory=lambda: Throttled("slow down"))
    blank: bool = False

    async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
        full = await super().diagnose(service, delivered)
        if len(self.at) == 1:
            return full
        read = self.fault if self.blank or full.state is None else full.state
        return concluded(read, StoppedTasks((), self.fault), (), full.at)


@pytest.mark.parametrize("blank", [False, True])
def test_a_reading_that_was_throttled_does_not_end_a_failure_but_many_do(*, blank: bool) -> None:
    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 100)
        assert len(play.examined.at) >= 4
        assert play.hold is StartHold.UNTIL_CHANGED
        await play.polls(fleet(running=0, pending=4, failed=1), int((UNCONFIRMED_S + MOST_S) / 10) - 98)
        assert play.watch.failure is None

    playing(Faulty(PULL, blank=blank), script)


def test_two_causes_that_take_turns_are_read_with_growing_pauses() -> None:
    class Turns(Examinations):
        async def diagnose(self, service: ServiceRef, delivered: DeliveredEvidence) -> Diagnosis:
            self.reason = PULL if len(self.at) % 2 else "TaskFailedToStart: EMPTY CAPACITY PROVIDER"
            return await super().diagnose(service, delivered)

    async def script(play: PlayedWatch) -> None:
        await play.polls(fleet(running=0, pending=4, failed=1), 720)
        assert len(play.examined.at) < 25, "two hours"

    playing(Turns(), script)


def test_an_event_at_every_poll_without_a_result_is_not_read_at_every_poll() -> None:
    async def script(play: PlayedWatch) -> None:
        for _ in range(360):
            said = Trouble("was unable to place a task", now())
            await play.polls(replace(fleet(running=3, pending=1), trouble=said))
        pauses = [later - sooner for sooner, later in pairwise(play.examined.at)]
        assert min(pauses[4:]) >= FIRST_S

    playing(Examinations(PULL, denied=True), script)


def test_after_signs_without_a_result_a_later_one_is_examined_again_soon() -> None:
    async def script(play: PlayedWatch) -> None:
        for _ in range(200):  # Spot interruptions
            await play.polls(fleet(running=4))
            await play.polls(fleet(running=3))
        await play.polls(fleet(), int(3 * MOST_S / 10))
        reads = len(play.examined.at)
        await play.polls(fleet(running=3))
        assert len(play.examined.at) == reads + 1, "ECS does not list the stop yet"
        play.examined.reason = PULL
        await play.polls(fleet(running=3), 5)
        assert play.hold is StartHold.UNTIL_CHANGED

    playing(Examinations(None), script)
