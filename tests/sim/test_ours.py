"""The product in the simulated world: its own loop and memory, behind ports that only ask the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Missing, Verdict
from autoscaler.core.policy import Workers
from autoscaler.errors import ConfigError, Throttled, Unavailable
from autoscaler.ports import Tick
from autoscaler.sim import ours as ours_module
from autoscaler.sim.chance import StartUp
from autoscaler.sim.model import (
    Blindness,
    Counts,
    Datapoint,
    Fault,
    Meter,
    Outcome,
    Restart,
    Rollout,
    Surface,
    Tasks,
    Throttling,
    Victims,
    Workload,
    WorldSettings,
)
from autoscaler.sim.ours import Ours, Wishes
from autoscaler.sim.play import play
from tests.sim.world.made import poisson, workload

HOUR_S = 3600.0
BUSY = poisson(1, 1.0, HOUR_S)
"""Five tasks' work on average, with service times that vary: the count goes up and down all the time."""


def played(
    load: Workload = BUSY, *faults: Fault, seed: int = 1, world: dict[str, Any] | None = None, **wishes: Any
) -> Any:
    """What becomes of it, the promise being 60 s."""
    scaler = Ours(Wishes(60.0, **wishes).policy())
    return play(load, WorldSettings(faults=faults, **(world or {})), seed, scaler)


def workload_that_ends() -> Workload:
    """The same, for 25 minutes; then one message, an hour after the begin."""
    busy = poisson(1, 1.0, 1500.0)
    return replace(
        busy,
        arrivals_s=np.append(busy.arrivals_s, HOUR_S),
        service_s=np.append(busy.service_s, 5.0),
        length_s=HOUR_S + 1,
        counts=np.append(busy.counts, np.zeros(36)),
    )


def changes(outcome: Outcome, since: float = 0.0, until: float = np.inf) -> list[tuple[float, int]]:
    """When the desired count changed, and by how much, in [since, until)."""
    return [(at, n - m) for (_, m), (at, n) in pairwise(outcome.desired) if since <= at < until]


def falls(outcome: Outcome, since: float, until: float) -> list[float]:
    return [at for at, change in changes(outcome, since, until) if change < 0]


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[Tick]:
    """Every tick that the production loop makes."""
    made: list[Tick] = []
    original = ServiceLoop.tick

    async def kept(loop: ServiceLoop) -> Tick:
        made.append(await original(loop))
        return made[-1]

    monkeypatch.setattr(ServiceLoop, "tick", kept)
    return made


class Scene:
    """A `Surface` of what a test says: a value is answered, an error is raised."""

    def __init__(self, **told: Any) -> None:
        self.now = 1000.0
        self.told = {"counts": Counts(0, 0), "tasks": Tasks(2, 2, 0), "protected": 0, "minutes": (), "scale_to": None}
        self.told |= told
        self.asked: list[tuple[Any, ...]] = []
        self.sentences: list[str] = []

    def _answer(self, name: str, *arguments: Any) -> Any:
        self.asked.append((name, *arguments))
        answer = self.told[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def counts(self) -> Counts:
        answer: Counts = self._answer("counts")
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

    def tell(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_whatever_is_written_was_decided_by_the_daemons_own_loop(ticks: list[Tick]) -> None:
    outcome = played()
    assert len(ticks) == pytest.approx(outcome.ended_s / 10, abs=2)
    accepted = [
        (tick.observation.now, tick.decision.target)
        for tick in ticks
        if tick.outcome == "accepted" and tick.observation is not None and tick.decision is not None
    ]
    assert [(at, count) for at, count in outcome.desired if at > 0] == accepted
    assert len(accepted) > 8


@pytest.mark.parametrize(("latency_s", "interval_s"), [(300, 10), (60, 10), (30, 10), (29, 29 / 3), (3, 1)])
def test_it_looks_every_ten_seconds_and_three_times_within_the_latency(latency_s: int, interval_s: Any) -> None:
    assert Ours(Wishes(latency_s).policy()).interval_s == pytest.approx(interval_s)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("least", "most"), [(0, 3), (2, 6), (4, 4)])
def test_no_count_outside_the_bounds_is_ever_written(seed: Any, least: int, most: int) -> None:
    written: list[int] = []

    class Watched(Ours):
        def tick(self, world: Surface) -> None:
            keep = world.scale_to

            def scale_to(tasks: int) -> None:
                written.append(tasks)
                keep(tasks)

            world.scale_to = scale_to  # type: ignore[method-assign]
            super().tick(world)
            world.scale_to = keep  # type: ignore[method-assign]

    faults = (Blindness(300, 600), Throttling(900, 1200), Rollout(1500), Restart(1800))
    load = poisson(seed, 1.0, HOUR_S)
    play(load, WorldSettings(faults=faults), seed, Watched(Wishes(60.0, least, most).policy()))
    assert written
    assert all(least <= count <= most for count in written), written


def test_it_never_scales_in_while_the_queue_cannot_be_read() -> None:
    load = workload_that_ends()
    assert falls(played(load), 600, 1800)
    blind = played(load, Blindness(600, 1800))
    assert not falls(blind, 600, 1800)
    assert falls(blind, 1800, HOUR_S)


def test_while_ecs_throttles_nothing_changes_and_afterwards_it_goes_on(ticks: list[Tick]) -> None:
    assert changes(played(), 600, 1800)
    ticks.clear()
    outcome = played(workload_that_ends(), Throttling(600, 1800))
    assert not changes(outcome, 600, 1800)
    assert {tick.outcome for tick in ticks} >= {"throttled", "accepted"}
    assert falls(outcome, 1800, HOUR_S), "the load ended meanwhile"
    assert not np.isnan(outcome.received_s).any()


def test_it_does_not_scale_in_during_a_deployment() -> None:
    """The load ends as the deployment begins, which takes twice five minutes: new tasks first, then the old go."""
    load = poisson(2, 1.0, 1500.0)
    idle_after = Workload("ends", load.arrivals_s, load.service_s, HOUR_S, 60.0, load.counts, load.history)
    slow = {"start_up": StartUp(300.0, 300.0, 300.0)}
    assert falls(played(idle_after, world=slow), 1510, 1790)
    rolling = played(idle_after, Rollout(1500), world=slow)
    assert not falls(rolling, 1510, 1790)
    assert falls(rolling, 1800, HOUR_S)


def test_a_restart_begins_another_memory(ticks: list[Tick]) -> None:
    played(BUSY, Restart(1000))
    assert sorted({tick.memory.since or 0.0 for tick in ticks}) == [0.0, 1000.0]


def test_after_a_restart_it_does_not_scale_in_before_it_has_watched_for_a_window() -> None:
    """Where it would have scaled in just then, had it not been started anew."""
    due = falls(played(), 600, 3000)[:6]
    assert due
    for at in due:
        assert not falls(played(BUSY, Restart(at - 5)), at - 5, at + 55), at


def test_a_restart_changes_nothing_of_what_was_before() -> None:
    before = [change for change in played().desired if change[0] < 1000]
    assert [change for change in played(BUSY, Restart(1000)).desired if change[0] < 1000] == before


def test_equal_seeds_have_equal_outcomes_bit_for_bit() -> None:
    one, same, other = played(seed=3), played(seed=3), played(seed=4)
    assert one.received_s.tobytes() == same.received_s.tobytes()
    for name in ("lives", "desired", "running", "told", "ended_s", "lost_work_s", "redelivered"):
        assert getattr(one, name) == getattr(same, name), name
    assert other.lives != one.lives


def test_every_change_has_its_sentence_in_the_report_and_nothing_else_has() -> None:
    outcome = played()
    counts = list(pairwise(outcome.desired))
    assert [told.at for told in outcome.told] == [at for _, (at, _) in counts]
    for told, ((_, before), (_, after)) in zip(outcome.told, counts, strict=True):
        assert told.sentence.startswith(f"simulated: {before} -> {after} task")


@pytest.mark.parametrize("error", [Unavailable("SQS does not answer"), Throttled("slower, please")])
def test_a_read_that_fails_is_missing_with_its_reason(ticks: list[Tick], error: Any) -> None:
    Ours(Wishes(60.0).policy()).tick(Scene(counts=error))
    observation, decision = ticks[0].observation, ticks[0].decision
    assert observation is not None
    assert decision is not None
    [reading] = observation.queues
    assert reading.backlog == Missing(str(error), error.kind)
    assert decision.verdict is Verdict.HOLD


def test_a_fleet_that_cannot_be_read_is_not_decided_on(ticks: list[Tick]) -> None:
    Ours(Wishes(60.0).policy()).tick(Scene(tasks=Throttled("slower, please")))
    assert (ticks[0].outcome, ticks[0].failure, ticks[0].decision) == ("throttled", "slower, please", None)


def test_protection_that_cannot_be_read_forbids_scaling_in(ticks: list[Tick]) -> None:
    scene = Scene(tasks=Tasks(9, 9, 0), protected=Throttled("slower, please"))
    scaler = Ours(Wishes(60.0, fields={"workers": "self_protecting"}).policy())
    for poll in range(60):
        scene.told["counts"] = Counts(0, int(poll == 0))  # a receive is seen once
        scaler.tick(scene)
        scene.now += 10
    assert ("protected",) in scene.asked
    assert not [asked for asked in scene.asked if asked[0] == "scale_to"]


def test_a_write_that_fails_is_tried_again_at_the_next_tick(ticks: list[Tick]) -> None:
    scene = Scene(counts=Counts(400, 0), scale_to=Throttled("slower, please"))
    scaler = Ours(Wishes(60.0).policy())
    scaler.tick(scene)
    scene.told["scale_to"], scene.now = None, scene.now + 10
    scaler.tick(scene)
    assert [tick.outcome for tick in ticks] == ["throttled", "accepted"]
    assert len(scene.sentences) == 2


def test_a_minute_of_cloudwatch_is_looked_up_once() -> None:
    scene = Scene(minutes=(Datapoint(960.0, 7.0),))
    scaler = Ours(Wishes(60.0).policy())
    for _ in range(6):
        scaler.tick(scene)
        scene.now += 10
    asked = [asked[1] for asked in scene.asked if asked[0] == "minutes"]
    assert asked.count(Meter.DELETED) == asked.count(Meter.OLDEST_AGE_S) == 1


def test_a_port_that_would_wait_is_our_bug_and_not_passed_over() -> None:
    class Waiting:
        def __await__(self) -> Generator[Any, None, None]:
            yield

    async def port() -> None:
        await Waiting()

    with pytest.raises(RuntimeError, match="waited"):
        ours_module._answered(port())


def test_the_operators_fields_make_the_policy() -> None:
    policy = Wishes(90.0, 2, 30, 4, {"workers": "self_protecting", "scale_in": {"cooldown": "7m"}}).policy()
    assert (policy.min_tasks, policy.max_tasks, policy.shortest_latency_s) == (2, 30, 90.0)
    assert (policy.task_concurrency, policy.workers) == (4, Workers.SELF_PROTECTING)
    assert policy.scale_in.cooldown_s == 420.0
    assert Wishes(90.0, 2, 30, fields={"max_tasks": "8"}).policy().max_tasks == 8


@pytest.mark.parametrize("latency_s", [1.0, 1234567.0, 1 / 0.3, 31_536_000.0])
def test_the_latency_reaches_the_policy_to_the_last_bit(latency_s: Any) -> None:
    assert Wishes(latency_s).policy().shortest_latency_s == latency_s


def problems(make: Callable[[], Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        make()
    return [str(problem) for problem in raised.value.problems]


def test_every_mistake_of_the_operator_is_told_with_its_field() -> None:
    told = problems(Wishes(60.0, fields={"tolerance": "lots", "scale_in": {"cooldown": "soon"}}).policy)
    assert sorted(one.partition(":")[0] for one in told) == ["scale_in.cooldown", "tolerance"]


@pytest.mark.parametrize("field", sorted(ours_module.NOT_HERE))
def test_a_field_that_the_simulated_world_has_nothing_for_is_refused(field: Any) -> None:
    assert problems(Wishes(60.0, fields={field: "x"}).policy) == [f"{field}: {ours_module.STRANGE}"]


def test_a_simulation_is_active_where_no_mode_is_said() -> None:
    assert Wishes(60.0).policy().mode == "active"


def test_a_simulation_in_shadow_is_refused() -> None:
    assert "shadow" in problems(Wishes(60.0, fields={"mode": "shadow"}).policy)[0]
    Wishes(60.0, fields={"mode": "scale_out_only"}).policy()


def test_workers_that_work_on_many_at_once_are_no_reason_for_more_tasks() -> None:
    """Ten at once: a tenth of the tasks does, and it is told so as its peers are."""
    load, world = poisson(1, 4.0, HOUR_S), {"task_concurrency": 10}
    told, untold = played(load, world=world, task_concurrency=10), played(load, world=world)
    billed = [sum(life.stopped_s - life.launched_s for life in each.lives) for each in (told, untold)]
    assert billed[0] < 0.9 * billed[1]


def test_busy_tasks_that_protect_themselves_lose_no_work() -> None:
    outcome = played(world={"victims": Victims.IDLE}, fields={"workers": "self_protecting"})
    assert falls(outcome, 0, HOUR_S)
    assert outcome.lost_work_s == 0.0


def test_a_queue_without_messages_is_brought_to_none() -> None:
    assert played(workload([], 1.0, 1800.0)).desired[-1][1] == 0


def test_polls_are_what_was_received_and_the_empty_receives_of_the_running_tasks_by_period() -> None:
    """Two periods of two minutes: 5 + 7 messages by one task, then none by two tasks."""
    counted = {Meter.RECEIVED: (5.0, 7.0, 0.0, 0.0), Meter.RUNNING: (1.0, 1.0, 2.0, 2.0)}

    class Counting(Scene):
        def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
            return [Datapoint((at + 1) * 60.0, value) for at, value in enumerate(counted.get(meter, ()))][-most:]

    world = ours_module._World()
    world.surface = Counting()
    begin = ours_module.WALL_S
    received = asyncio.run(world.received(ours_module.QUEUE, ((begin, begin + 240.0, 120),)))
    assert received == ((begin, 120, 18.0), (begin + 120, 120, 12.0))
