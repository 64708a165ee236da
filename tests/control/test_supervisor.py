"""The crew, in virtual time: how loops come, change, go and end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from autoscaler.config import Chosen, Config, LogFormat, LogLevel, Service
from autoscaler.control.admission import Admission
from autoscaler.control.read_budget import ReadBudget
from autoscaler.control.supervisor import GRACE_S, MOST_GROUPS, SPREAD, Supervisor, grouped
from autoscaler.core.policy import Mode, QueuePolicy
from tests.control.fakes import World, now, ports_of, service
from tests.virtual import run_virtually


def settings(*services: Service, interval_s: float = 10.0, quiet_s: float = 0.0) -> Config:
    return Config(interval_s, "", 0, LogFormat.JSON, LogLevel.INFO, services, 50, 25, (), quiet_s)


def silence_s(service: Service, slowest_s: float) -> float:
    return slowest_s + len(service.queues)


@dataclass
class Listed:
    """What the board was told."""

    keys: list[str] = field(default_factory=list)
    chosen: list[tuple[Chosen, ...]] = field(default_factory=list)

    silence_s: dict[str, float] = field(default_factory=dict)

    def admit(self, service: Service, silent_after_s: float) -> None:
        self.silence_s[service.ref.key] = silent_after_s
        self.chosen.append(service.chosen)
        if service.ref.key not in self.keys:
            self.keys.append(service.ref.key)

    def forget(self, key: str) -> None:
        self.keys.remove(key)


@dataclass
class Stage:
    """A crew over one world per service. `scene` gives what the settings are, from which second on."""

    worlds: dict[str, World] = field(default_factory=dict)
    listed: Listed = field(default_factory=Listed)
    read_budget: ReadBudget = field(default_factory=lambda: ReadBudget(lambda: 5.0, 10))
    began: float = 0.0

    def play(self, scenes: Sequence[tuple[float, Config]], seconds: float) -> float:
        """How long the crew takes to end once stopping is set."""

        async def main() -> float:
            self.began = now()
            admission = Admission((), now, 50)
            supervisor = Supervisor(
                lambda one: ports_of(self.worlds[one.ref.key]),
                now,
                admission,
                self.read_budget,
                self.listed,
                silence_s=silence_s,
            )
            stopping = asyncio.Event()
            task = asyncio.create_task(supervisor.run(self._told(scenes), stopping))
            await asyncio.sleep(seconds)
            began = now()
            stopping.set()
            await task
            return now() - began

        return run_virtually(main())

    async def _told(self, scenes: Sequence[tuple[float, Config]]) -> AsyncIterator[Config]:
        for at, config in scenes:
            await asyncio.sleep(self.began + at - now())
            yield config
        await asyncio.sleep(1e9)


def stopped_after(world: World, seconds: float) -> float:
    stage = Stage({"orders": world, "other": World()})
    return stage.play([(0, settings(service("orders"), service("other")))], seconds)


def test_loops_that_wait_end_at_once() -> None:
    assert stopped_after(World(), 5) == 0


def test_a_tick_under_way_is_finished() -> None:
    world = World(slow_s=3.0)
    assert stopped_after(world, 1) == 2
    assert len(world.ticks) == 1


def test_a_tick_that_hangs_is_cut_after_the_grace() -> None:
    world = World(slow_s=3600.0)
    assert stopped_after(world, 1) == GRACE_S
    assert world.ticks == []


def test_a_bug_in_one_loop_ends_them_all_and_is_not_hidden() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        stopped_after(World(waiting=95, before_write=bug), 5)
    assert raised.group_contains(ZeroDivisionError)


def test_a_service_that_comes_is_looked_after_and_one_that_goes_is_left_as_it_is() -> None:
    stage = Stage({"orders": World(waiting=95), "other": World(waiting=95)})
    stage.play([(0, settings(service("orders"))), (50, settings(service("other")))], 99)
    orders, other = stage.worlds["orders"], stage.worlds["other"]
    assert orders.desired == other.desired == 10
    assert all(at < stage.began + 50 for at, _ in orders.writes)
    assert len(orders.ticks) == len(other.ticks) == 5
    assert stage.listed.keys == ["other"]


def test_other_settings_hold_from_the_next_look_on_and_what_is_remembered_stays() -> None:
    stage = Stage({"orders": World(waiting=400)})
    more = replace(service("orders").policy, max_tasks=30)
    stage.play([(0, settings(service("orders"))), (45, settings(replace(service("orders"), policy=more)))], 100)
    world = stage.worlds["orders"]
    assert [(at - stage.began, tasks) for at, tasks in world.writes] == [(0.0, 20), (50.0, 30)]
    assert world.ticks[-1].memory.since == world.ticks[0].memory.since


def test_settings_that_are_the_same_change_nothing() -> None:
    stage = Stage({"orders": World(), "other": World()})
    first = settings(service("orders"))
    stage.play([(0, first), (12, settings(service("orders"), service("other")))], 35)
    assert [tick.lag_s for tick in stage.worlds["orders"].ticks] == [0, 0, 0, 0]


def test_the_same_key_for_another_service_begins_anew_once_the_old_loop_has_ended() -> None:
    slow = World(slow_s=3.0, waiting=95)
    stage = Stage({"orders": slow})
    moved = service("orders")
    moved = replace(moved, ref=replace(moved.ref, cluster="elsewhere"))
    stage.play([(0, settings(service("orders"))), (1, settings(moved))], 20)
    assert [tick.service.cluster for tick in slow.ticks] == ["prod", "elsewhere", "elsewhere", "elsewhere"]
    since = slow.ticks[1].memory.since
    assert since is not None
    assert since >= stage.began + 3.0


def test_a_service_may_be_put_into_shadow_and_out_of_it_by_its_ports() -> None:
    seen = list[Mode]()
    shadow = replace(service("orders"), policy=replace(service("orders").policy, mode=Mode.SHADOW))

    async def main() -> None:
        world, stopping = World(), asyncio.Event()

        def ports_for(one: Service) -> Any:
            seen.append(one.policy.mode)
            return ports_of(world)

        supervisor = Supervisor(
            ports_for, now, Admission((), now), ReadBudget(lambda: 5.0, 10), Listed(), silence_s=silence_s
        )
        stage = Stage(began=now())
        told = stage._told([(0, settings(shadow)), (15, settings(service("orders")))])
        task = asyncio.create_task(supervisor.run(told, stopping))
        await asyncio.sleep(20)
        stopping.set()
        await task

    run_virtually(main())
    assert seen == [Mode.SHADOW, Mode.ACTIVE]


def test_who_comes_later_ticks_in_step_with_his_group() -> None:
    keys = [f"s{number}" for number in range(4)]
    stage = Stage({key: World() for key in keys})
    everybody = settings(*(service(key) for key in keys))
    stage.play([(0, settings(service("s0"))), (3, everybody)], 40)
    lasts = {key: stage.worlds[key].ticks[-1].observation for key in keys}
    firsts = sorted((seen.now - stage.began) % 10 for seen in lasts.values() if seen is not None)
    assert firsts == pytest.approx([group * 10 / MOST_GROUPS for group in sorted(SPREAD[:4])], abs=0.02)


def test_a_few_that_come_later_are_looked_at_at_once_and_then_in_step_with_their_groups() -> None:
    """The first round has no service, as where all are found by tag."""
    keys = [f"s{number}" for number in range(4)]
    stage = Stage({key: World() for key in keys})
    stage.play([(0, settings()), (3, settings(*(service(key) for key in keys)))], 40)
    ticks = [stage.worlds[key].ticks for key in keys]
    looks = [[tick.observation.now - stage.began for tick in each if tick.observation] for each in ticks]
    assert [first for first, *_ in looks] == pytest.approx([3.0] * 4, abs=0.02)
    steps = sorted(group * 10 / MOST_GROUPS for group in SPREAD[:4])
    assert sorted(second % 10 for _, second, *_ in looks) == pytest.approx(steps, abs=0.02)
    assert all(second - first <= 10 for first, second, *_ in looks)
    assert {tick.lag_s for each in ticks for tick in each} == {0.0}


def test_many_that_come_later_are_spread_over_the_interval() -> None:
    keys = [f"s{number:02}" for number in range(2 * MOST_GROUPS)]
    stage = Stage({key: World() for key in keys})
    stage.play([(0, settings()), (3, settings(*(service(key) for key in keys)))], 20)
    firsts = Counter(round(world.ticks[0].observation.now, 3) for world in stage.worlds.values())  # type: ignore[union-attr]
    assert set(firsts.values()) == {2}


def test_groups_are_alike_in_size_and_keep_clusters_together_however_they_come() -> None:
    """Ten clusters of fifty, found one after the other, and two that go."""
    sizes = Counter[int]()
    groups = dict[str, int]()
    for cluster in range(10):
        names = [f"{cluster}-{number}" for number in range(50)]
        found = grouped([placed(name, f"cluster {cluster}") for name in names], sizes)
        groups |= found
        sizes.update(found.values())
        assert max(sizes.values()) - min(sizes[group] for group in range(MOST_GROUPS)) <= 1 + 50 // 4
    assert max(sizes.values()) - min(sizes.values()) <= 3
    at_once = grouped([placed(f"{number}", f"cluster {number % 5}") for number in range(100)], {})
    for cluster in range(5):
        assert len({at_once[f"{number}"] for number in range(cluster, 100, 5)}) <= 5


def placed(key: str, cluster: str) -> Service:
    one = service(key)
    return replace(one, ref=replace(one.ref, cluster=cluster))


def test_other_settings_hold_within_an_interval_however_seldom_an_idle_service_is_looked_at() -> None:
    patient = (QueuePolicy("orders", 1800.0),)
    stage = Stage({"orders": World()})
    idle = settings(service("orders", queues=patient), quiet_s=300.0)
    busy = settings(service("orders", queues=patient, min_tasks=3), quiet_s=300.0)
    stage.play([(0, idle), (1234, busy)], 1300)
    [(at, tasks)] = stage.worlds["orders"].writes
    assert tasks == 3
    assert at - stage.began <= 1234 + 10
    assert (at - stage.began) % 10 == pytest.approx(0, abs=0.02)


def test_one_services_short_promise_hurries_nobody_else() -> None:
    stage = Stage({"orders": World(waiting=5), "fast": World(waiting=5)})
    fast = service("fast", queues=(QueuePolicy("fast", 6.0),))
    stage.play([(0, settings(service("orders"), fast))], 99)
    assert len(stage.worlds["orders"].ticks) == 10
    assert len(stage.worlds["fast"].ticks) == 50


def test_a_service_may_be_silent_for_as_long_as_its_own_looks_are_apart() -> None:
    stage = Stage({"orders": World(), "patient": World()})
    patient = service("patient", queues=(QueuePolicy("patient", 1800.0),))
    stage.play([(0, settings(service("orders"), patient, quiet_s=300.0))], 5)
    assert stage.listed.silence_s == {"orders": 30 + 1, "patient": 310 + 1}
    stage.play([(0, settings(service("orders"), interval_s=10)), (2, settings(service("orders"), interval_s=20))], 5)
    assert stage.listed.silence_s["orders"] == 60 + 1


def test_the_first_look_waits_for_nobody_though_the_clock_goes_on() -> None:
    """Reading the settings and taking on the first services takes a moment."""

    async def main() -> list[float]:
        began, world, stopping, moments = now(), World(), asyncio.Event(), iter(range(10_000))

        def clock() -> float:
            return now() + 0.001 * next(moments)

        supervisor = Supervisor(
            lambda _: ports_of(world),
            clock,
            Admission((), now),
            ReadBudget(lambda: 5.0, 10),
            Listed(),
            silence_s=silence_s,
        )
        stage = Stage(began=began)
        task = asyncio.create_task(
            supervisor.run(stage._told([(1, settings(service("orders"), service("other")))]), stopping)
        )
        await asyncio.sleep(8)
        stopping.set()
        await task
        return sorted(tick.observation.now - began - 1 for tick in world.ticks if tick.observation)

    assert run_virtually(main()) == pytest.approx([0.0, 5.0], abs=0.1)
