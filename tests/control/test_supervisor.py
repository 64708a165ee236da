"""The supervisor in virtual time: how loops are added, updated, removed and stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from autoscaler.config import Chosen, Config, LogFormat, LogLevel, ServiceConfig
from autoscaler.control.admission import Admission
from autoscaler.control.supervisor import GRACE_S, MOST_GROUPS, SPREAD, ReadBudget, Supervisor, grouped
from autoscaler.core.policy import Mode, QueuePolicy
from tests.control.fakes import FakePorts, now, ports_of, service
from tests.virtual import run_virtually


def settings(*services: ServiceConfig, interval_s: float = 10.0, quiet_s: float = 0.0) -> Config:
    return Config(interval_s, "", 0, LogFormat.JSON, LogLevel.INFO, services, 50, 25, (), quiet_s)


def silence_s(service: ServiceConfig, slowest_s: float) -> float:
    return slowest_s + len(service.queues)


@dataclass
class RecordedServices:
    """A `Listing` that records its calls."""

    keys: list[str] = field(default_factory=list)
    chosen: list[tuple[Chosen, ...]] = field(default_factory=list)

    silence_s: dict[str, float] = field(default_factory=dict)

    def admit(self, service: ServiceConfig, silent_after_s: float) -> None:
        self.silence_s[service.ref.key] = silent_after_s
        self.chosen.append(service.chosen)
        if service.ref.key not in self.keys:
            self.keys.append(service.ref.key)

    def forget(self, key: str) -> None:
        self.keys.remove(key)


@dataclass
class SupervisorStage:
    """A supervisor with one fake per service. A scene is a second and the settings in force from then on."""

    worlds: dict[str, FakePorts] = field(default_factory=dict)
    listed: RecordedServices = field(default_factory=RecordedServices)
    read_budget: ReadBudget = field(default_factory=lambda: ReadBudget(lambda: 5.0, 10))
    began: float = 0.0

    def play(self, scenes: Sequence[tuple[float, Config]], seconds: float) -> float:
        """Return the seconds that the supervisor takes to end after `stopping` is set."""

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
            task = asyncio.create_task(supervisor.run(self._configs(scenes), stopping))
            await asyncio.sleep(seconds)
            began = now()
            stopping.set()
            await task
            return now() - began

        return run_virtually(main())

    async def _configs(self, scenes: Sequence[tuple[float, Config]]) -> AsyncIterator[Config]:
        for at, config in scenes:
            await asyncio.sleep(self.began + at - now())
            yield config
        await asyncio.sleep(1e9)


def stopped_after(world: FakePorts, seconds: float) -> float:
    stage = SupervisorStage({"orders": world, "other": FakePorts()})
    return stage.play([(0, settings(service("orders"), service("other")))], seconds)


def test_a_waiting_loop_ends_at_once() -> None:
    assert stopped_after(FakePorts(), 5) == 0


def test_a_poll_in_progress_is_finished() -> None:
    world = FakePorts(slow_s=3.0)
    assert stopped_after(world, 1) == 2
    assert len(world.polls) == 1


def test_a_poll_that_hangs_is_cancelled_after_the_grace_time() -> None:
    world = FakePorts(slow_s=3600.0)
    assert stopped_after(world, 1) == GRACE_S
    assert world.polls == []


def test_a_bug_in_one_loop_ends_all_loops_and_is_raised() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        stopped_after(FakePorts(waiting=95, before_write=bug), 5)
    assert raised.group_contains(ZeroDivisionError)


def test_an_added_service_is_scaled_and_a_removed_service_keeps_its_count() -> None:
    stage = SupervisorStage({"orders": FakePorts(waiting=95), "other": FakePorts(waiting=95)})
    stage.play([(0, settings(service("orders"))), (50, settings(service("other")))], 99)
    orders, other = stage.worlds["orders"], stage.worlds["other"]
    assert orders.desired == other.desired == 10
    assert all(at < stage.began + 50 for at, _ in orders.writes)
    assert len(orders.polls) == len(other.polls) == 5
    assert stage.listed.keys == ["other"]


def test_new_settings_apply_from_the_next_poll_and_the_memory_stays() -> None:
    stage = SupervisorStage({"orders": FakePorts(waiting=400)})
    more = replace(service("orders").policy, max_tasks=30)
    stage.play([(0, settings(service("orders"))), (45, settings(replace(service("orders"), policy=more)))], 100)
    world = stage.worlds["orders"]
    assert [(at - stage.began, tasks) for at, tasks in world.writes] == [(0.0, 20), (50.0, 30)]
    assert world.polls[-1].memory.since == world.polls[0].memory.since


def test_unchanged_settings_change_nothing() -> None:
    stage = SupervisorStage({"orders": FakePorts(), "other": FakePorts()})
    first = settings(service("orders"))
    stage.play([(0, first), (12, settings(service("orders"), service("other")))], 35)
    assert [poll.lag_s for poll in stage.worlds["orders"].polls] == [0, 0, 0, 0]


def test_a_key_of_another_service_starts_a_new_loop_after_the_old_loop_has_ended() -> None:
    slow = FakePorts(slow_s=3.0, waiting=95)
    stage = SupervisorStage({"orders": slow})
    moved = service("orders")
    moved = replace(moved, ref=replace(moved.ref, cluster="elsewhere"))
    stage.play([(0, settings(service("orders"))), (1, settings(moved))], 20)
    assert [poll.service.cluster for poll in slow.polls] == ["prod", "elsewhere", "elsewhere", "elsewhere"]
    since = slow.polls[1].memory.since
    assert since is not None
    assert since >= stage.began + 3.0


def test_a_new_mode_replaces_the_ports_of_a_service() -> None:
    seen = list[Mode]()
    shadow = replace(service("orders"), policy=replace(service("orders").policy, mode=Mode.SHADOW))

    async def main() -> None:
        world, stopping = FakePorts(), asyncio.Event()

        def ports_for(one: ServiceConfig) -> Any:
            seen.append(one.policy.mode)
            return ports_of(world)

        supervisor = Supervisor(
            ports_for, now, Admission((), now), ReadBudget(lambda: 5.0, 10), RecordedServices(), silence_s=silence_s
        )
        stage = SupervisorStage(began=now())
        configs = stage._configs([(0, settings(shadow)), (15, settings(service("orders")))])
        task = asyncio.create_task(supervisor.run(configs, stopping))
        await asyncio.sleep(20)
        stopping.set()
        await task

    run_virtually(main())
    assert seen == [Mode.SHADOW, Mode.ACTIVE]


def test_a_service_that_is_added_later_is_polled_in_step_with_its_group() -> None:
    keys = [f"s{number}" for number in range(4)]
    stage = SupervisorStage({key: FakePorts() for key in keys})
    all_services = settings(*(service(key) for key in keys))
    stage.play([(0, settings(service("s0"))), (3, all_services)], 40)
    last_seen = {key: stage.worlds[key].polls[-1].observation for key in keys}
    offsets = sorted((seen.now - stage.began) % 10 for seen in last_seen.values() if seen is not None)
    assert offsets == pytest.approx([group * 10 / MOST_GROUPS for group in sorted(SPREAD[:4])], abs=0.02)


def test_a_few_services_that_are_added_later_are_polled_at_once_and_then_in_step_with_their_groups() -> None:
    """The first settings have no service, as when all services are discovered by tag."""
    keys = [f"s{number}" for number in range(4)]
    stage = SupervisorStage({key: FakePorts() for key in keys})
    stage.play([(0, settings()), (3, settings(*(service(key) for key in keys)))], 40)
    polls = [stage.worlds[key].polls for key in keys]
    times = [[poll.observation.now - stage.began for poll in each if poll.observation] for each in polls]
    assert [first for first, *_ in times] == pytest.approx([3.0] * 4, abs=0.02)
    steps = sorted(group * 10 / MOST_GROUPS for group in SPREAD[:4])
    assert sorted(second % 10 for _, second, *_ in times) == pytest.approx(steps, abs=0.02)
    assert all(second - first <= 10 for first, second, *_ in times)
    assert {poll.lag_s for each in polls for poll in each} == {0.0}


def test_many_services_that_are_added_later_are_spread_over_the_interval() -> None:
    keys = [f"s{number:02}" for number in range(2 * MOST_GROUPS)]
    stage = SupervisorStage({key: FakePorts() for key in keys})
    stage.play([(0, settings()), (3, settings(*(service(key) for key in keys)))], 20)
    firsts = Counter(round(world.polls[0].observation.now, 3) for world in stage.worlds.values())  # type: ignore[union-attr]
    assert set(firsts.values()) == {2}


def test_groups_have_similar_sizes_and_keep_clusters_together() -> None:
    """Ten clusters of 50 services, added one after the other; then 100 services of five clusters, added at once."""
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


def placed(key: str, cluster: str) -> ServiceConfig:
    one = service(key)
    return replace(one, ref=replace(one.ref, cluster=cluster))


def test_new_settings_apply_within_one_interval_to_an_idle_service_too() -> None:
    relaxed = (QueuePolicy("orders", 1800.0),)
    stage = SupervisorStage({"orders": FakePorts()})
    idle = settings(service("orders", queues=relaxed), quiet_s=300.0)
    busy = settings(service("orders", queues=relaxed, min_tasks=3), quiet_s=300.0)
    stage.play([(0, idle), (1234, busy)], 1300)
    [(at, tasks)] = stage.worlds["orders"].writes
    assert tasks == 3
    assert at - stage.began <= 1234 + 10
    assert (at - stage.began) % 10 == pytest.approx(0, abs=0.02)


def test_a_short_latency_target_changes_no_other_services_interval() -> None:
    stage = SupervisorStage({"orders": FakePorts(waiting=5), "fast": FakePorts(waiting=5)})
    fast = service("fast", queues=(QueuePolicy("fast", 6.0),))
    stage.play([(0, settings(service("orders"), fast))], 99)
    assert len(stage.worlds["orders"].polls) == 10
    assert len(stage.worlds["fast"].polls) == 50


def test_without_a_configured_interval_each_service_has_its_own() -> None:
    keys = "orders", "relaxed"
    stage = SupervisorStage({key: FakePorts(waiting=400, in_flight=40, desired=40) for key in keys})
    own: dict[str, Any] = {"backlog_per_task": None, "max_tasks": 500}
    relaxed = service("relaxed", queues=(QueuePolicy("relaxed", 300.0),), **own)
    stage.play([(0, replace(settings(service("orders", **own), relaxed), interval_is_derived=True))], 99)
    assert len(stage.worlds["orders"].polls) == 20
    assert len(stage.worlds["relaxed"].polls) == 10


def test_a_service_counts_as_hung_after_its_own_longest_time_between_polls() -> None:
    stage = SupervisorStage({"orders": FakePorts(), "relaxed": FakePorts()})
    relaxed = service("relaxed", queues=(QueuePolicy("relaxed", 1800.0),))
    stage.play([(0, settings(service("orders"), relaxed, quiet_s=300.0))], 5)
    assert stage.listed.silence_s == {"orders": 30 + 1, "relaxed": 310 + 1}
    stage.play([(0, settings(service("orders"), interval_s=10)), (2, settings(service("orders"), interval_s=20))], 5)
    assert stage.listed.silence_s["orders"] == 60 + 1


def test_the_time_to_read_settings_does_not_delay_the_first_poll() -> None:
    """Reading the settings and adding the first services takes time."""

    async def main() -> list[float]:
        began, world, stopping, moments = now(), FakePorts(), asyncio.Event(), iter(range(10_000))

        def clock() -> float:
            return now() + 0.001 * next(moments)

        supervisor = Supervisor(
            lambda _: ports_of(world),
            clock,
            Admission((), now),
            ReadBudget(lambda: 5.0, 10),
            RecordedServices(),
            silence_s=silence_s,
        )
        stage = SupervisorStage(began=began)
        task = asyncio.create_task(
            supervisor.run(stage._configs([(1, settings(service("orders"), service("other")))]), stopping)
        )
        await asyncio.sleep(8)
        stopping.set()
        await task
        return sorted(poll.observation.now - began - 1 for poll in world.polls if poll.observation)

    assert run_virtually(main()) == pytest.approx([0.0, 5.0], abs=0.1)
