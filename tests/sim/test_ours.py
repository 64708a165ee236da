"""The product in the simulated world: its own loop and memory, with ports that read the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autoscaler.control.cadence import STEPS
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Missing, Verdict
from autoscaler.core.policy import WorkerSafety
from autoscaler.errors import ConfigError, Throttled, Unavailable
from autoscaler.ports import Poll
from autoscaler.sim import ours as ours_module
from autoscaler.sim.chance import StartUp
from autoscaler.sim.model import (
    Datapoint,
    Fault,
    Meter,
    PlannedRollout,
    QueueCounts,
    Restart,
    SimulationOutcome,
    SqsOutage,
    Surface,
    Tasks,
    Throttling,
    Victims,
    Workload,
    WorldSettings,
)
from autoscaler.sim.ours import Ours, SimulatedSettings
from autoscaler.sim.play import play
from autoscaler.sim.scenarios import SCENARIOS
from tests.sim.world.made import poisson, workload

HOUR_S = 3600.0
BUSY = poisson(1, 1.0, HOUR_S)
"""Work for five tasks on average. The service times vary, so the count changes often, out and in."""


def played(
    load: Workload = BUSY, *faults: Fault, seed: int = 1, world: dict[str, Any] | None = None, **settings: Any
) -> Any:
    """Return the outcome of the product with a latency target of 60 s."""
    scaler = Ours(SimulatedSettings(60.0, **settings).policy())
    return play(load, WorldSettings(faults=faults, **(world or {})), seed, scaler)


def workload_that_ends() -> Workload:
    """Return the same load for 25 minutes, then one message at the end of the hour."""
    busy = poisson(1, 1.0, 1500.0)
    return replace(
        busy,
        arrivals_s=np.append(busy.arrivals_s, HOUR_S),
        service_s=np.append(busy.service_s, 5.0),
        length_s=HOUR_S + 1,
        counts=np.append(busy.counts, np.zeros(36)),
    )


def swinging() -> Workload:
    """Return the same load for an hour, with a fourth of its messages in every second ten minutes."""
    kept = (BUSY.arrivals_s // 600 % 2 == 0) | (np.arange(len(BUSY.arrivals_s)) % 4 == 0)
    return replace(BUSY, arrivals_s=BUSY.arrivals_s[kept], service_s=BUSY.service_s[kept])


def changes(outcome: SimulationOutcome, since: float = 0.0, until: float = np.inf) -> list[tuple[float, int]]:
    """Return the instants and amounts of the changes of the desired count in [since, until)."""
    return [(at, n - m) for (_, m), (at, n) in pairwise(outcome.desired) if since <= at < until]


def scale_ins(outcome: SimulationOutcome, since: float, until: float) -> list[float]:
    return [at for at, change in changes(outcome, since, until) if change < 0]


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[Poll]:
    """The record of every poll of the daemon's loop."""
    made: list[Poll] = []
    original = ServiceLoop.poll

    async def recorded(loop: ServiceLoop) -> Poll:
        made.append(await original(loop))
        return made[-1]

    monkeypatch.setattr(ServiceLoop, "poll", recorded)
    return made


class ScriptedSurface:
    """A `Surface` with results set by the test: a value is returned, an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self.now = 1000.0
        self.answers = {
            "counts": QueueCounts(0, 0),
            "tasks": Tasks(2, 2, 0),
            "protected": 0,
            "minutes": (),
            "scale_to": None,
        }
        self.answers |= answers
        self.calls: list[tuple[Any, ...]] = []
        self.sentences: list[str] = []

    def _answer(self, name: str, *arguments: Any) -> Any:
        self.calls.append((name, *arguments))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def counts(self) -> QueueCounts:
        answer: QueueCounts = self._answer("counts")
        return answer

    def tasks(self) -> Tasks:
        answer: Tasks = self._answer("tasks")
        return answer

    def protected(self) -> int:
        answer: int = self._answer("protected")
        return answer

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        answer: Sequence[Datapoint] = self._answer("minutes", meter, most)
        return answer

    def scale_to(self, tasks: int) -> None:
        self._answer("scale_to", tasks)

    def log(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_every_change_of_the_desired_count_is_a_decision_of_the_daemons_loop(polls: list[Poll]) -> None:
    outcome = played(swinging())
    assert outcome.ended_s / 10 < len(polls) < outcome.ended_s / 5
    assert len(polls) == outcome.polls
    accepted = [
        (poll.observation.now, poll.decision.target)
        for poll in polls
        if poll.outcome == "accepted" and poll.observation is not None and poll.decision is not None
    ]
    assert [(at, count) for at, count in outcome.desired if at > 0] == accepted
    assert len(accepted) > 8


@pytest.mark.parametrize(("latency_s", "interval_s"), [(300, 10), (60, 10), (30, 10), (29, 29 / 3), (3, 1)])
def test_the_longest_interval_is_ten_seconds_and_at_most_a_third_of_the_latency(
    latency_s: int, interval_s: Any
) -> None:
    assert Ours(SimulatedSettings(latency_s).policy()).interval_s == pytest.approx(interval_s / STEPS)
    assert Ours(SimulatedSettings(latency_s).policy(), 10.0).interval_s == pytest.approx(interval_s)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("least", "most"), [(0, 3), (2, 6), (4, 4)])
def test_a_count_outside_the_bounds_is_never_written(seed: Any, least: int, most: int) -> None:
    written: list[int] = []

    class WatchedOurs(Ours):
        def poll(self, world: Surface) -> None:
            original = world.scale_to

            def scale_to(tasks: int) -> None:
                written.append(tasks)
                original(tasks)

            world.scale_to = scale_to  # type: ignore[method-assign]
            super().poll(world)
            world.scale_to = original  # type: ignore[method-assign]

    faults = (SqsOutage(300, 600), Throttling(900, 1200), PlannedRollout(1500), Restart(1800))
    load = poisson(seed, 1.0, HOUR_S)
    play(load, WorldSettings(faults=faults), seed, WatchedOurs(SimulatedSettings(60.0, least, most).policy()))
    assert written
    assert all(least <= count <= most for count in written), written


def test_ours_never_scales_in_while_the_queue_cannot_be_read() -> None:
    load = workload_that_ends()
    assert scale_ins(played(load), 600, 1800)
    unreadable = played(load, SqsOutage(600, 1800))
    assert not scale_ins(unreadable, 600, 1800)
    assert scale_ins(unreadable, 1800, HOUR_S)


def test_nothing_changes_while_ecs_throttles_and_scaling_continues_afterwards(polls: list[Poll]) -> None:
    assert changes(played(swinging()), 600, 1800)
    polls.clear()
    outcome = played(workload_that_ends(), Throttling(600, 1800))
    assert not changes(outcome, 600, 1800)
    assert {poll.outcome for poll in polls} >= {"throttled", "accepted"}
    assert scale_ins(outcome, 1800, HOUR_S), "the load ends during the throttling"
    assert not np.isnan(outcome.received_s).any()


def test_ours_does_not_scale_in_during_a_deployment() -> None:
    """The load ends when the deployment begins. New tasks take five minutes to start; only then do old tasks stop."""
    load = poisson(2, 1.0, 1500.0)
    idle_after = Workload("ends", load.arrivals_s, load.service_s, HOUR_S, 60.0, load.counts, load.history)
    slow = {"start_up": StartUp(300.0, 300.0, 300.0)}
    assert scale_ins(played(idle_after, world=slow), 1510, 1790)
    rolling = played(idle_after, PlannedRollout(1500), world=slow)
    assert not scale_ins(rolling, 1510, 1790)
    assert scale_ins(rolling, 1800, HOUR_S)


def test_a_restart_begins_with_a_new_memory(polls: list[Poll]) -> None:
    played(BUSY, Restart(1000))
    assert sorted({poll.memory.since or 0.0 for poll in polls}) == [0.0, 1000.0]


def test_ours_does_not_scale_in_during_the_warm_up_after_a_restart() -> None:
    """Each restart comes just before a scale-in of the run without restarts."""
    due = scale_ins(played(swinging()), 600, 3000)[:6]
    assert due
    for at in due:
        assert not scale_ins(played(swinging(), Restart(at - 5)), at - 5, at + 55), at


def test_a_restart_does_not_affect_the_run_before_it() -> None:
    before = [change for change in played().desired if change[0] < 1000]
    assert [change for change in played(BUSY, Restart(1000)).desired if change[0] < 1000] == before


def test_equal_seeds_have_equal_outcomes_to_the_bit() -> None:
    one, same, other = played(seed=3), played(seed=3), played(seed=4)
    assert one.received_s.tobytes() == same.received_s.tobytes()
    for name in ("lives", "desired", "running", "reasons", "ended_s", "lost_work_s", "redelivered"):
        assert getattr(one, name) == getattr(same, name), name
    assert other.lives != one.lives


def test_every_change_and_nothing_else_has_a_sentence_in_the_report() -> None:
    outcome = played()
    counts = list(pairwise(outcome.desired))
    assert [reason.at for reason in outcome.reasons] == [at for _, (at, _) in counts]
    for reason, ((_, before), (_, after)) in zip(outcome.reasons, counts, strict=True):
        assert reason.sentence.startswith(f"simulated: {before} -> {after} task")


@pytest.mark.parametrize("error", [Unavailable("SQS timed out"), Throttled("Rate exceeded")])
def test_a_failed_read_is_missing_with_its_error(polls: list[Poll], error: Any) -> None:
    Ours(SimulatedSettings(60.0).policy()).poll(ScriptedSurface(counts=error))
    observation, decision = polls[0].observation, polls[0].decision
    assert observation is not None
    assert decision is not None
    [reading] = observation.queues
    assert reading.backlog == Missing(str(error), error.kind)
    assert decision.verdict is Verdict.HOLD


def test_there_is_no_decision_if_the_service_cannot_be_read(polls: list[Poll]) -> None:
    Ours(SimulatedSettings(60.0).policy()).poll(ScriptedSurface(tasks=Throttled("Rate exceeded")))
    assert (polls[0].outcome, polls[0].failure, polls[0].decision) == ("throttled", "Rate exceeded", None)


def test_unreadable_task_protection_prevents_scaling_in(polls: list[Poll]) -> None:
    surface = ScriptedSurface(tasks=Tasks(9, 9, 0), protected=Throttled("Rate exceeded"))
    scaler = Ours(SimulatedSettings(60.0, fields={"workers": "self_protecting"}).policy())
    for number in range(60):
        surface.answers["counts"] = QueueCounts(0, int(number == 0))  # one message is in flight at the first poll
        scaler.poll(surface)
        surface.now += 10
    assert ("protected",) in surface.calls
    assert not [call for call in surface.calls if call[0] == "scale_to"]


def test_a_failed_write_is_repeated_at_the_next_poll(polls: list[Poll]) -> None:
    surface = ScriptedSurface(counts=QueueCounts(400, 0), scale_to=Throttled("Rate exceeded"))
    scaler = Ours(SimulatedSettings(60.0).policy())
    scaler.poll(surface)
    surface.answers["scale_to"], surface.now = None, surface.now + 10
    scaler.poll(surface)
    assert [poll.outcome for poll in polls] == ["throttled", "accepted"]
    assert len(surface.sentences) == 2


def test_a_minute_of_cloudwatch_is_read_once() -> None:
    surface = ScriptedSurface(minutes=(Datapoint(960.0, 7.0),))
    scaler = Ours(SimulatedSettings(60.0).policy())
    for _ in range(6):
        scaler.poll(surface)
        surface.now += 10
    meters = [call[1] for call in surface.calls if call[0] == "minutes" and call[2] == 1]
    assert meters.count(Meter.DELETED) == meters.count(Meter.OLDEST_AGE_S) == 1


def test_a_port_that_waits_raises_a_runtime_error() -> None:
    class AwaitForever:
        def __await__(self) -> Generator[Any, None, None]:
            yield

    async def port() -> None:
        await AwaitForever()

    with pytest.raises(RuntimeError, match="waited"):
        ours_module._run_at_once(port())


def test_the_policy_has_the_operators_settings() -> None:
    policy = SimulatedSettings(90.0, 2, 30, 4, {"workers": "self_protecting", "scale_in": {"cooldown": "7m"}}).policy()
    assert (policy.min_tasks, policy.max_tasks, policy.shortest_latency_s) == (2, 30, 90.0)
    assert (policy.task_concurrency, policy.workers) == (4, WorkerSafety.SELF_PROTECTING)
    assert policy.scale_in.cooldown_s == 420.0
    assert SimulatedSettings(90.0, 2, 30, fields={"max_tasks": "8"}).policy().max_tasks == 8


@pytest.mark.parametrize("latency_s", [1.0, 1234567.0, 1 / 0.3, 31_536_000.0])
def test_the_policy_has_the_exact_latency(latency_s: Any) -> None:
    assert SimulatedSettings(latency_s).policy().shortest_latency_s == latency_s


def problems(make: Callable[[], Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        make()
    return [str(problem) for problem in raised.value.problems]


def test_every_invalid_setting_is_reported_with_its_field() -> None:
    reported = problems(SimulatedSettings(60.0, fields={"tolerance": "lots", "scale_in": {"cooldown": "soon"}}).policy)
    assert sorted(one.partition(":")[0] for one in reported) == ["scale_in.cooldown", "tolerance"]


@pytest.mark.parametrize("field", sorted(ours_module.UNSUPPORTED_FIELDS))
def test_a_field_that_the_simulator_does_not_support_is_refused(field: Any) -> None:
    assert problems(SimulatedSettings(60.0, fields={field: "x"}).policy) == [f"{field}: {ours_module.UNSUPPORTED}"]


def test_a_simulation_without_a_mode_is_active() -> None:
    assert SimulatedSettings(60.0).policy().mode == "active"


def test_shadow_mode_is_refused_in_a_simulation() -> None:
    assert "shadow" in problems(SimulatedSettings(60.0, fields={"mode": "shadow"}).policy)[0]
    SimulatedSettings(60.0, fields={"mode": "scale_out_only"}).policy()


def test_a_policy_with_the_task_concurrency_of_its_workers_uses_fewer_tasks() -> None:
    """A task processes ten messages at once. The policy gets the concurrency, as its peers do."""
    load, world = poisson(1, 4.0, HOUR_S), {"task_concurrency": 10}
    informed, uninformed = played(load, world=world, task_concurrency=10), played(load, world=world)
    billed = [sum(life.stopped_s - life.launched_s for life in each.lives) for each in (informed, uninformed)]
    assert billed[0] < 0.9 * billed[1]


def test_no_work_is_lost_if_busy_tasks_protect_themselves() -> None:
    outcome = played(world={"victims": Victims.IDLE}, fields={"workers": "self_protecting"})
    assert scale_ins(outcome, 0, HOUR_S)
    assert outcome.lost_work_s == 0.0


def test_a_queue_without_messages_scales_to_zero() -> None:
    assert played(workload([], 1.0, 1800.0)).desired[-1][1] == 0


def test_received_sums_messages_and_empty_receives_of_the_running_tasks_per_period() -> None:
    """Two periods of two minutes: one task receives 5 + 7 messages, then two tasks receive none."""
    counted = {Meter.RECEIVED: (5.0, 7.0, 0.0, 0.0), Meter.RUNNING: (1.0, 1.0, 2.0, 2.0)}

    class Counting(ScriptedSurface):
        def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
            return [Datapoint((at + 1) * 60.0, value) for at, value in enumerate(counted.get(meter, ()))][-most:]

    world = ours_module._World()
    world.surface = Counting()
    begin = ours_module.WALL_S
    received = asyncio.run(world.received(ours_module.QUEUE, ((begin, begin + 240.0, 120),)))
    assert received == ((begin, 120, 18.0), (begin + 120, 120, 12.0))


def test_a_refused_scale_out_is_a_notice_with_the_reason() -> None:
    """ECS refuses every call while the load rises. Without a forecast no task is added, and the reason is reported."""
    scenario = SCENARIOS["throttling"]
    experiment = scenario.experiment(60.0)
    workload = experiment.drawn(0)
    [fault] = experiment.world.faults
    assert isinstance(fault, Throttling)
    scaler = Ours(replace(SimulatedSettings(60.0).policy(), look_ahead=False))
    play(workload, experiment.world, 0, scaler)
    periods = scaler.risks.until(workload.length_s)
    here = [each for each in periods if fault.start_s <= each.start_s <= fault.end_s]
    assert any("throttled" in each.reason and "requested" in each.reason for each in here)
