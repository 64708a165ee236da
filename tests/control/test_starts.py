"""The start-up times of a service in the loop: optional, in the background, bounded, and each start once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from autoscaler.control.background import Background
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.starts import DENIED_S, EVERY_S, FIRST_SPREAD_S, FUTURE_S, SETTLE_S, SPREAD_RATIO, StartWatch
from autoscaler.core.engine import decide
from autoscaler.core.estimate.starting import ASSUMED_LEAD_S
from autoscaler.core.knowledge import SlowStarts
from autoscaler.core.model import Fleet, Missing
from autoscaler.core.start_phases import MOST_REVISIONS, MOST_TASKS, StartedTask, task_number
from autoscaler.ports import Ports, ServiceRef, StartReading, StartReport
from autoscaler.situation import decode, encode
from tests.control.fakes import NOON, FakePorts, now, ports_of, service
from tests.virtual import run_virtually

FIRST_S = SETTLE_S + FIRST_SPREAD_S
BEGAN = 1000.0
"""The first instant of the virtual clock."""

LONGEST_S = EVERY_S * (1 + SPREAD_RATIO)


@dataclass
class FakeStarts:
    """A `StartPort`. `tasks`: those that run. `answer`: returned instead, if it is set."""

    tasks: list[StartedTask] = field(default_factory=list)
    answer: Missing | StartReading | None = None
    names: int = 0
    reads: list[float] = field(default_factory=list)
    known: list[AbstractSet[int]] = field(default_factory=list)

    async def started(self, service: ServiceRef, known: AbstractSet[int]) -> StartReading | Missing:
        self.reads.append(now() - BEGAN)
        self.known.append(known)
        if self.answer is not None:
            return self.answer
        new = tuple(task for task in self.tasks if task.task not in known)
        return StartReading(new, frozenset(task.task for task in self.tasks))

    def start(self, many: int, at: float, takes_s: float = 48.0, revision: str = "orders:7") -> None:
        """Let tasks run from `at` on, in seconds of the loop's clock."""
        began, number, self.names = NOON + at - takes_s, self.names, self.names + many
        self.tasks += [
            StartedTask(
                task_number(f"t{number + each}"),
                revision,
                began,
                began + takes_s,
                began + takes_s * 9 / 48,
                began + takes_s * 40 / 48,
            )
            for each in range(many)
        ]


def play(
    world: FakePorts,
    tasks: FakeStarts | None,
    seconds: float,
    script: Mapping[float, Callable[[], object]] | None = None,
    **changes: object,
) -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        async with Background() as background:
            ports = replace(ports_of(world), starts=tasks, background=background)
            loop = ServiceLoop(service(**changes), ports, Rhythm(10.0))  # type: ignore[arg-type]
            running = asyncio.create_task(loop.run(stopping))
            for at, action in sorted((script or {}).items()):
                await asyncio.sleep(BEGAN + at - now())
                action()
            await asyncio.sleep(BEGAN + seconds - now())
            stopping.set()
            await running

    run_virtually(main())


def report(world: FakePorts) -> StartReport:
    found = world.polls[-1].starts
    assert found is not None
    return found


def grown(world: FakePorts, tasks: FakeStarts, to: int, takes_s: float = 48.0, revision: str = "orders:7") -> None:
    tasks.start(to - world.desired, now(), takes_s, revision)
    world.desired = to


def test_the_tasks_found_at_the_start_are_read_once_and_shown() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts()
    tasks.start(3, -5000.0)
    play(world, tasks, 3600.0)
    assert len(tasks.reads) == 1
    assert tasks.reads[0] <= FIRST_S + 10.0
    (times,) = report(world).times
    assert times.sentence == "median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most"
    known = world.polls[-1].observation
    assert known is not None
    assert known.knowledge is not None
    assert known.knowledge.start_s.weight == 3


def test_a_service_without_tasks_is_not_read() -> None:
    world, tasks = FakePorts(desired=0), FakeStarts()
    play(world, tasks, 3600.0)
    assert tasks.reads == []
    assert world.polls[-1].starts is None


def test_tasks_are_read_again_only_after_others_have_started() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts()
    tasks.start(3, -5000.0)
    script = {1000.0: lambda: grown(world, tasks, 5, 20.0), 2000.0: lambda: setattr(world, "desired", 1)}
    play(world, tasks, 3600.0, script, min_tasks=1)
    assert len(tasks.reads) == 2
    assert SETTLE_S <= tasks.reads[1] - 1000.0 <= SETTLE_S + 20.0
    assert tasks.known[1] == {task_number(f"t{each}") for each in range(3)}
    assert report(world).times[0].whole.tasks == 5


def test_while_tasks_start_all_the_time_a_service_is_read_every_few_minutes() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts()
    script = {10.0 * step: lambda: grown(world, tasks, world.desired + 1) for step in range(1, 1000)}
    play(world, tasks, 10_000.0, script, max_tasks=2000, min_tasks=1)
    assert 10_000.0 / LONGEST_S - 3 <= len(tasks.reads) <= 10_000.0 / EVERY_S + 1
    assert all(later - earlier >= EVERY_S for earlier, later in pairwise(tasks.reads))
    assert report(world).times[0].whole.tasks == MOST_TASKS


def test_a_denied_read_is_repeated_once_an_hour_and_is_no_fault_and_no_notice() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts(answer=Missing("ecs:DescribeTasks was denied", "denied"))
    play(world, tasks, 3 * DENIED_S)
    assert 2 <= len(tasks.reads) <= 3
    assert not any(poll.notices or poll.failure for poll in world.polls)
    assert report(world) == StartReport((), Missing("ecs:DescribeTasks was denied", "denied"))


def test_a_failed_read_is_repeated_at_growing_intervals() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts(answer=Missing("throttled", "throttled"))
    play(world, tasks, 40_000.0)
    waits = [later - earlier for earlier, later in pairwise(tasks.reads)]
    assert waits[0] >= 60.0
    assert all(later >= 1.9 * earlier for earlier, later in pairwise(waits[:6]))
    assert len(tasks.reads) <= 7 + 40_000.0 / 3600.0


def test_after_a_failure_the_tasks_are_read() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts(answer=Missing("throttled", "throttled"))
    tasks.start(3, -5000.0)
    play(world, tasks, 2000.0, {600.0: lambda: setattr(tasks, "answer", None)})
    assert report(world).gap is None
    assert report(world).times[0].whole.tasks == 3


def test_without_the_port_nothing_is_read_and_decisions_are_the_same() -> None:
    def moving(world: FakePorts) -> dict[float, Callable[[], object]]:
        return {300.0: lambda: setattr(world, "waiting", 90), 900.0: lambda: setattr(world, "waiting", 0)}

    with_denial, without = FakePorts(desired=3), FakePorts(desired=3)
    play(with_denial, FakeStarts(answer=Missing("denied", "denied")), 1800.0, moving(with_denial))
    play(without, None, 1800.0, moving(without))
    assert with_denial.writes == without.writes
    assert [poll.decision for poll in with_denial.polls] == [poll.decision for poll in without.polls]


def test_no_poll_waits_for_the_read() -> None:
    class Hanging(FakeStarts):
        async def started(self, service: ServiceRef, known: AbstractSet[int]) -> StartReading | Missing:
            await super().started(service, known)
            await asyncio.sleep(5000.0)
            return Missing("slow", "unavailable")

    world, tasks = FakePorts(desired=3), Hanging()
    play(world, tasks, 1000.0)
    assert len(tasks.reads) == 1, "and no second read begins meanwhile"
    assert max(poll.took_s for poll in world.polls) == 0.0


def test_each_revision_has_its_own_times_the_newest_first() -> None:
    world, tasks = FakePorts(desired=3), FakeStarts()
    tasks.start(3, -5000.0)
    play(world, tasks, 3000.0, {1000.0: lambda: grown(world, tasks, 6, 100.0, "orders:8")})
    assert [(each.revision, each.whole.median_s) for each in report(world).times] == [
        ("orders:8", 100.0),
        ("orders:7", 48.0),
    ]


def test_an_estimate_that_begins_again_gets_the_known_starts() -> None:
    """New settings for the processing time begin new estimates; a service that was created again begins without."""

    async def main() -> None:
        world, tasks = FakePorts(desired=3), FakeStarts()
        tasks.start(3, -5000.0)
        ports = replace(ports_of(world), starts=tasks)
        loop = ServiceLoop(service(), ports, Rhythm(10.0))
        assert weight_of(await loop.poll()) == 3
        loop.adopt(service(processing_time_s=2.0), ports, Rhythm(10.0))
        loop._apply_next()
        assert weight_of(await loop.poll()) == 3
        loop._reset()
        tasks.tasks.clear()
        assert weight_of(await loop.poll()) == 0

    def weight_of(poll: Any) -> float:
        return float(poll.observation.knowledge.start_s.weight)

    run_virtually(main())


@pytest.mark.parametrize("many", [1, 1000])
def test_services_that_start_together_are_not_read_together(many: int) -> None:
    """With 1,000 services the calls stay within the background's part of ECS's rate: here 2 a read, at 5 a second."""
    reads: list[float] = []

    async def main() -> None:
        tasks = FakeStarts()
        tasks.start(3, -5000.0)
        watches = [StartWatch(ServiceRef(f"service-{each}", "prod", f"s{each}")) for each in range(many)]
        async with Background() as background:
            ports = replace(ports_of(FakePorts()), starts=tasks, background=background)
            for running in range(1, 61):  # ten minutes, with starts at every poll
                await asyncio.gather(*(watch.check(Fleet(running, running, 0, now()), ports) for watch in watches))
                await asyncio.sleep(10.0)
        reads.extend(tasks.reads)

    run_virtually(main())
    assert len(reads) <= many * (1 + 600.0 / EVERY_S)
    by_minute = [sum(60.0 * minute <= at < 60.0 * minute + 60.0 for at in reads) for minute in range(10)]
    assert max(by_minute) <= max(1, 0.5 * many)


def test_the_port_is_read_at_once_without_a_background() -> None:
    async def main() -> StartReport | None:
        world, tasks = FakePorts(desired=3), FakeStarts()
        tasks.start(3, -5000.0)
        poll = await ServiceLoop(service(), replace(ports_of(world), starts=tasks), Rhythm(10.0)).poll()
        return poll.starts

    async def report_of() -> None:
        found = await main()
        assert found is not None
        assert found.times[0].whole.tasks == 3

    run_virtually(report_of())


def test_a_task_that_leaves_the_list_and_returns_counts_once() -> None:
    """A long list is read in parts, and its order is not documented."""

    async def main() -> None:
        tasks, watch = FakeStarts(), StartWatch(ServiceRef("orders", "prod", "orders"))
        ports: Ports = replace(ports_of(FakePorts()), starts=tasks)
        tasks.start(2, 0.0)
        all_tasks = list(tasks.tasks)
        learned = 0
        for running, part in ((2, all_tasks), (3, all_tasks[:1]), (4, all_tasks), (5, all_tasks)):
            tasks.tasks = part
            await asyncio.sleep(1000.0)
            await watch.check(Fleet(running, running, 0, now()), ports)
            learned += len(watch.take())
        assert len(tasks.reads) == 4
        assert learned == 2

    run_virtually(main())


def test_a_task_whose_times_cannot_be_used_is_read_and_counted_once() -> None:
    async def main() -> None:
        bad, watch = task_number("bad"), StartWatch(ServiceRef("orders", "prod", "orders"))
        tasks = FakeStarts(answer=StartReading((), frozenset((bad,)), 1, frozenset((bad,))))
        ports: Ports = replace(ports_of(FakePorts()), starts=tasks)
        await watch.check(Fleet(1, 1, 0, now()), ports)
        await asyncio.sleep(1000.0)
        tasks.answer = None
        await watch.check(Fleet(2, 2, 0, now()), ports)
        assert tasks.known == [frozenset(), frozenset((bad,))]
        assert watch.dropped == 1

    run_virtually(main())


def test_starts_in_the_future_are_dropped_and_counted_and_no_later_one_is_lost() -> None:
    async def main() -> None:
        tasks, watch = FakeStarts(), StartWatch(ServiceRef("orders", "prod", "orders"), dropped=5)
        ports: Ports = replace(ports_of(FakePorts()), starts=tasks)
        tasks.start(1, now() + FUTURE_S + 1.0)
        tasks.start(1, now() + FUTURE_S - 1.0)
        await watch.check(Fleet(2, 2, 0, now()), ports)
        assert len(watch.take()) == 1
        assert watch.report is not None
        assert watch.report.dropped == watch.dropped == 6
        await asyncio.sleep(1000.0)
        tasks.start(1, now() - 1.0)
        await watch.check(Fleet(3, 3, 0, now()), ports)
        assert len(watch.take()) == 1
        assert watch.dropped == 6

    run_virtually(main())


def test_the_memory_of_a_service_is_bounded() -> None:
    """Three revisions with all the tasks that are stored, and 500 running tasks: below half of a service's 24 KiB."""

    async def main() -> int:
        tasks, watch = FakeStarts(), StartWatch(ServiceRef("orders", "prod", "orders"))
        ports: Ports = replace(ports_of(FakePorts()), starts=tasks)
        for step in range(10):
            await asyncio.sleep(1000.0)
            tasks.start(100, now() - 1.0, revision=f"orders:{step}")
            tasks.tasks = tasks.tasks[-500:]
            await watch.check(Fleet(step + 1, step + 1, 0, now()), ports)
            watch.take()
        assert len(watch._starts) == MOST_REVISIONS
        assert len(watch._seen) == 500
        return sum(sys.getsizeof(each) for each in (watch._seen, *(known.packed for known in watch._starts)))

    sizes: list[int] = []

    async def measured() -> None:
        sizes.append(await main())

    run_virtually(measured())
    assert sizes[0] < 12 * 1024


def test_times_of_day_become_times_of_the_clock() -> None:
    async def main() -> None:
        tasks, watch = FakeStarts(), StartWatch(ServiceRef("orders", "prod", "orders"))
        await asyncio.sleep(200.0)
        tasks.start(1, BEGAN + 150.0)
        await watch.check(Fleet(1, 1, 0, now()), replace(ports_of(FakePorts()), starts=tasks))
        ((took_s, at),) = watch.take()
        assert took_s == pytest.approx(48.0)
        assert at == pytest.approx(BEGAN + 150.0)

    run_virtually(main())


def test_two_kinds_of_starts_reach_the_decision_and_its_record() -> None:
    """Half of the tasks started in 8 s and half in 90 s. Each decision follows from its record alone, so a replay gives
    the same.
    """
    world, tasks = FakePorts(desired=40), FakeStarts()
    tasks.start(20, -5000.0, 8.0)
    tasks.start(20, -4000.0, 90.0)
    play(world, tasks, 1200.0, {600.0: lambda: setattr(world, "waiting", 500)}, max_tasks=200)
    known = [poll.observation.knowledge for poll in world.polls if poll.observation and poll.observation.knowledge]
    assert SlowStarts(0.5, 90.0 + ASSUMED_LEAD_S) in [each.slow_starts for each in known]
    assert known[-1].start_s.value < 20.0
    for poll in world.polls:
        assert poll.observation is not None
        assert poll.decision is not None
        record = json.loads(json.dumps(encode(poll.policy, poll.observation, poll.memory)))
        assert decide(*decode(record)) == poll.decision
