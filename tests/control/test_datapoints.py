"""A late datapoint is used once, with the tasks of its time: the loop under a constant load, in virtual time.

The load keeps `load` tasks busy: a minute in which `n` tasks ran shows `100 * load / n` percent, at most 100. Law: with
a target of `t` percent the count becomes `ceil(100 * load / t)`, with one overshoot of at most a tenth on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.model import Deployment, Fleet, Measurement, Missing, Revision, Utilization
from autoscaler.core.policy import MetricPolicy, ScaleIn
from autoscaler.ports import CloudWatchMetric, LiveTasks, MetricRequest, QueueMinute, QueueRef, ServiceRef, Urgency
from autoscaler.sources.prometheus import PrometheusQuery
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually

NOTHING = Missing("no datapoint", "no_data")
LAG = CloudWatchMetric("App", "Lag")
AT_ONCE = ScaleIn(stabilization_s=0.0, small_step_stabilization_s=0.0, utilization_stabilization_s=0.0)
OTHERS: dict[str, Any] = {"queues": (), "backlog_per_task": None}


@dataclass
class Loaded(FakePorts):
    """CloudWatch publishes each minute `delay_s` after its end. Tasks run `start_s` after they are requested.

    `counts` False: CloudWatch has no `LiveTaskCount`, but `samples` samples of each task. None: it has neither.
    """

    load: float = 3.6
    delay_s: float = 60.0
    start_s: float = 30.0
    stop_s: float = 0.0
    counts: bool | None = True
    samples: int = 1
    age_s: float = 0.0
    query_lags_s: float = 0.0
    _ran: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ran = [(0.0, self.desired if self.running is None else self.running)]

    def runs(self, at: float) -> int:
        return next(tasks for since, tasks in reversed(self._ran) if since <= at)

    def change(self, tasks: int, at: float) -> None:
        """Set the number of running tasks from `at` on."""
        self._ran = [*(event for event in self._ran if event[0] < at), (at, tasks)]

    def set_desired(self, tasks: int, at: float) -> None:
        """Set the desired count at `at`."""
        self.desired = tasks
        self.change(tasks, at + (self.start_s if tasks > self.runs(at) else self.stop_s))

    def mean(self, end: float, of: Callable[[int], float] = float) -> float:
        """Return the mean over the minute that ended at `end`."""
        start = end - 60.0
        edges = [start, *(at for at, _ in self._ran if start < at < end), end]
        return sum(of(self.runs(at)) * (until - at) for at, until in pairwise(edges)) / 60.0

    def percent(self, end: float) -> float | None:
        tasks = self.mean(end)
        return 100.0 * self.mean(end, lambda running: min(self.load, running)) / tasks if tasks else None

    @property
    def newest(self) -> float:
        """The end of the newest published minute."""
        return floor((now() - self.delay_s) / 60.0) * 60.0

    async def cpu(self, service: ServiceRef) -> Utilization | Missing:
        percent = self.percent(self.newest)
        return NOTHING if percent is None else Utilization(percent, self.newest)

    memory = cpu

    async def measure(self, service: ServiceRef, request: MetricRequest, /) -> Measurement | Missing:
        if isinstance(request, PrometheusQuery):
            running = self.runs(now() - self.query_lags_s)
            return Measurement(100.0 * min(1.0, self.load / running), now())
        percent = self.percent(self.newest)
        return NOTHING if percent is None else Measurement(percent, self.newest)

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        return QueueMinute(self.newest, 10, 10, self.age_s)

    async def live_tasks(self, service: ServiceRef, at: float) -> LiveTasks | None:
        self.live_reads.append(now())
        near = [self.mean(end) for end in (at - 60, at, at + 60) if end <= self.newest]
        if self.counts is None:
            return None
        times = 1 if self.counts else self.samples
        return LiveTasks(times * min(near), times * max(near), sure=self.counts)

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        self.running = self.runs(now())
        rolling = None if self.deploying_since is None else Deployment(self.deploying_since)
        return Fleet(self.desired, self.running, max(0, self.desired - self.running), now(), rolling)

    async def scale_to(self, service: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        self.set_desired(tasks, now())
        self.writes.append((now(), tasks))
        return Revision()

    @property
    def series(self) -> list[int]:
        return [tasks for _, tasks in self.writes]


SIGNALS: dict[str, Callable[[float], dict[str, Any]]] = {
    "cpu": lambda aim: {**OTHERS, "cpu_target_percent": aim},
    "memory": lambda aim: {**OTHERS, "memory_target_percent": aim},
    "metric": lambda aim: {**OTHERS, "metrics": (MetricPolicy("lag", target_value=aim),), "sources": (("lag", LAG),)},
}


def watch(
    world: Loaded, seconds: float, restarts: tuple[float, ...] = (), first_s: float = 0.0, **changes: Any
) -> None:
    """Run the loop for `seconds`, from `first_s` on. Restart it at each of `restarts`, in seconds from `first_s`."""

    async def main() -> None:
        await asyncio.sleep(first_s)
        began = now()
        for end in (*restarts, seconds):
            stopping = asyncio.Event()
            task = asyncio.create_task(loop_over(world, **changes).run(stopping))
            await asyncio.sleep(began + end - now())
            stopping.set()
            await task

    run_virtually(main())


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("counts", [True, False, None])
@pytest.mark.parametrize("delay_s", [30.0, 60.0, 110.0, 180.0, 240.0])
def test_90_percent_on_4_tasks_with_a_target_of_60_percent_requires_6_tasks(
    signal: str, counts: bool | None, delay_s: float
) -> None:
    world = Loaded(desired=4, delay_s=delay_s, counts=counts)
    watch(world, 900.0, **SIGNALS[signal](60.0))
    assert world.series == [6]


def settles(series: list[int], initial: int, load: float) -> None:
    """Assert the law for a load in tasks at the target: `series` are the counts that were written."""
    required, most = max(1, ceil(round(load, 6))), max(1, ceil(round(1.1 * load, 6)))
    counts = [initial, *series]
    peak = counts.index(max(counts))
    assert counts[: peak + 1] == sorted(counts[: peak + 1]), (counts, required)
    assert counts[peak:] == sorted(counts[peak:], reverse=True), (counts, required)
    assert max(counts) <= max(initial, most), (counts, required)
    assert min(counts) >= min(initial, required), (counts, required)


@settings(max_examples=40)
@given(data=st.data())
def test_the_count_settles_at_the_required_tasks(data: st.DataObject) -> None:
    """For any initial count, start time and delay of CloudWatch. While all tasks are busy the load is not known, and
    the count grows by at most 1.1 / target in each step; after that it may stay one task above for longer.
    """
    draw = data.draw
    aim, initial = draw(st.sampled_from([30.0, 45.0, 60.0, 75.0, 90.0])), draw(st.integers(1, 40))
    load = draw(st.floats(0.2, 24.0))
    world = Loaded(
        desired=initial,
        load=load,
        delay_s=draw(st.floats(30.0, 200.0)),
        start_s=draw(st.floats(10.0, 120.0)),
        stop_s=draw(st.sampled_from([0.0, 5.0, 30.0, 90.0])),
        counts=draw(st.sampled_from([True, False, None])),
        samples=draw(st.sampled_from([1, 3])),
    )
    first_s, signal = draw(st.floats(0.0, 60.0)), draw(st.sampled_from(sorted(SIGNALS)))

    watch(world, 5400.0, first_s=first_s, **{"max_tasks": 200, **SIGNALS[signal](aim)})
    settles(world.series, initial, 100.0 * load / aim)
    required = max(1, ceil(round(100.0 * load / aim, 6)))
    if load < 0.97 * initial:
        assert world.desired == required
        assert len(world.series) <= 3, world.series
        assert all(at < 1000.0 + first_s + 3600.0 for at, _ in world.writes), "no change in the last half hour"
    else:
        assert required <= world.desired <= required + 1


@settings(max_examples=80)
@given(data=st.data())
def test_a_restart_does_not_use_a_datapoint_again(data: st.DataObject) -> None:
    """The daemon restarts up to eight times, also during its own changes, and reads task counts from CloudWatch."""
    draw = data.draw
    aim, initial = draw(st.sampled_from([30.0, 45.0, 60.0, 75.0])), draw(st.integers(1, 20))
    load = draw(st.floats(0.2, 12.0))
    world = Loaded(
        desired=initial,
        load=load,
        delay_s=draw(st.floats(30.0, 240.0)),
        start_s=draw(st.floats(20.0, 120.0)),
        counts=draw(st.booleans()),
    )
    times = sorted(draw(st.lists(st.floats(5.0, 900.0), min_size=1, max_size=8, unique=True)))
    signal = draw(st.sampled_from(sorted(SIGNALS)))
    watch(world, 1200.0, tuple(times), **{"max_tasks": 200, **SIGNALS[signal](aim)})
    settles(world.series, initial, 100.0 * load / aim)


@pytest.mark.parametrize(("counts", "samples"), [(None, 1), (False, 3)])
def test_without_task_counts_in_cloudwatch_a_datapoint_changes_the_count_once_per_start(
    counts: bool | None, samples: int
) -> None:
    """`samples` 3: a sample every 20 s, but the number of samples per task is unknown."""
    world = Loaded(desired=4, delay_s=180.0, counts=counts, samples=samples)
    watch(world, 150.0, (75.0,), max_tasks=200, **SIGNALS["cpu"](60.0))
    assert world.series == [6, 9]


def test_a_restart_during_a_scale_out_compares_the_datapoint_with_the_running_tasks() -> None:
    world = Loaded(desired=4, counts=None, start_s=100.0, delay_s=120.0)
    world.set_desired(6, 1000.0)
    watch(world, 600.0, (20.0, 40.0), first_s=1.0, **SIGNALS["cpu"](60.0))
    assert world.series == []


def test_each_step_waits_for_a_new_minute_while_all_tasks_are_busy() -> None:
    world = Loaded(desired=4, load=30.0, delay_s=90.0, start_s=40.0)
    watch(world, 3000.0, max_tasks=60, **SIGNALS["cpu"](60.0))
    assert world.series == [7, 13, 24, 44, 54, 50]
    waited_s = [later - earlier for (earlier, _), (later, _) in pairwise(world.writes)]
    assert all(wait_s >= world.start_s + 60.0 + world.delay_s for wait_s in waited_s), waited_s


@pytest.mark.parametrize("counts", [True, None])
def test_the_oldest_message_age_adds_tasks_once(counts: bool | None) -> None:
    world = Loaded(desired=4, waiting=1000, age_s=90.0, delay_s=120.0, counts=counts)
    watch(world, 230.0, (60.0,) if counts else (), max_tasks=100, backlog_per_task=1000.0)
    assert world.series == [6], "until the minute that ends at 1200 s, the first with six tasks, is published at 1320 s"


@pytest.mark.parametrize("lags_s", [0.0, 15.0, 40.0, 55.0])
def test_a_prometheus_sample_may_be_almost_a_minute_old(lags_s: float) -> None:
    world = Loaded(desired=4, query_lags_s=lags_s)
    query = PrometheusQuery("http://prometheus", "avg(busy)")
    watch(world, 600.0, **OTHERS, metrics=(MetricPolicy("busy", target_value=60.0),), sources=(("busy", query),))
    assert world.series == [6]
    assert world.live_reads == [], "CloudWatch has no datapoint of a minute that is not over"


def test_the_running_tasks_of_a_deployment_are_no_baseline() -> None:
    """Queue workers are busy whatever their number: a deployment's second set of tasks must not double the count."""
    world = Loaded(desired=4, running=8, load=8.0, delay_s=90.0, deploying_since=900.0)
    watch(world, 60.0, max_tasks=100, **SIGNALS["cpu"](100.0))
    assert world.series == []


@pytest.mark.parametrize("delay_s", [30.0, 110.0, 240.0])
def test_task_counts_are_read_from_cloudwatch_only_until_the_memory_has_them(delay_s: float) -> None:
    world = Loaded(desired=6, delay_s=delay_s)
    watch(world, 1800.0, **SIGNALS["cpu"](60.0))
    assert world.live_reads[0] == 1000.0
    assert world.live_reads[-1] <= 1000.0 + 60.0 + delay_s + 60.0, "the first whole minute, once it is published"


def test_task_counts_are_not_read_without_a_utilization_target() -> None:
    world = Loaded(desired=6)
    watch(world, 300.0, **OTHERS, formula="cpu_percent / 10")
    assert world.live_reads == []


@pytest.mark.parametrize("first_s", range(10, 20))
def test_a_change_that_a_poll_notices_after_its_minute_counts_in_that_minute(first_s: float) -> None:
    world = Loaded(desired=40, load=3.0, stop_s=1.0, counts=None)
    watch(world, 900.0, first_s=first_s, **SIGNALS["cpu"](60.0), scale_in=AT_ONCE)
    assert world.series == [5]


@pytest.mark.parametrize(("counts", "most"), [(True, 6), (None, 9)])
def test_a_memory_without_running_counts_acts_as_a_new_one(counts: bool | None, most: int) -> None:
    """As after a gap without readings: the running counts from before it are unknown."""
    world = Loaded(desired=4, delay_s=150.0, counts=counts)

    async def main() -> None:
        loop = loop_over(world, **SIGNALS["cpu"](60.0))
        for number in range(30):
            if number == 5:
                assert loop._memory is not None
                loop._memory = replace(loop._memory, running=(), since=now())
            await loop.poll()
            await asyncio.sleep(10)

    run_virtually(main())
    assert max(world.series) == most


def test_a_metric_without_tasks_requires_its_value_divided_by_its_target() -> None:
    world = Loaded(desired=0, counts=None, measured={"Lag": Measurement(180.0, 990.0)})
    world.measure = super(Loaded, world).measure  # type: ignore[method-assign]
    watch(world, 200.0, **SIGNALS["metric"](60.0))
    assert world.series == [3]


@pytest.mark.parametrize("stop_s", [0.0, 5.0, 25.0, 90.0])
@pytest.mark.parametrize("start_s", [0.0, 30.0])
@pytest.mark.parametrize(("initial", "load"), [(20, 1.2), (20, 6.6), (2, 1.8), (6, 5.4)])
def test_a_query_that_already_shows_fewer_tasks_is_not_compared_with_the_earlier_count(
    initial: int, load: float, start_s: float, stop_s: float
) -> None:
    """Prometheus shows the present tasks in the first poll that reads them: the count changes in one direction only."""
    query = {"metrics": (MetricPolicy("lag", target_value=60.0),), "sources": (("lag", PrometheusQuery("x", "lag")),)}
    world = Loaded(desired=initial, load=load, start_s=start_s, stop_s=stop_s)
    watch(world, 1800.0, **{**OTHERS, "max_tasks": 200, **query})
    required = ceil(round(load / 0.6, 6))
    assert world.series == [required]


@pytest.mark.parametrize("kind", ["cpu", "query"])
def test_a_queue_that_cannot_be_read_does_not_use_a_datapoint_at_each_poll(kind: str) -> None:
    """The gap of the queue never ends, but ECS is read at each poll: the running counts are known."""
    query = PrometheusQuery("http://prometheus", "avg(busy)")
    targets: dict[str, dict[str, Any]] = {
        "cpu": {"cpu_target_percent": 60.0},
        "query": {"metrics": (MetricPolicy("busy", target_value=60.0),), "sources": (("busy", query),)},
    }
    world = Loaded(desired=4, load=2.4, counts=None, delay_s=110.0, query_lags_s=55.0, start_s=10.0)
    world.queue_missing = Missing("denied", "denied")

    async def main() -> None:
        stopping = asyncio.Event()
        task = asyncio.create_task(loop_over(world, max_tasks=100, **targets[kind]).run(stopping))
        await asyncio.sleep(300)
        world.load = 3.6
        await asyncio.sleep(900)
        stopping.set()
        await task

    run_virtually(main())
    assert world.series == [7], "the load rises: a tenth more than the 6 tasks that the last minute requires"


@pytest.mark.parametrize(("gap_s", "known_since"), [(30.0, 1000.0), (40.0, 1050.0)])
def test_a_gap_in_the_readings_of_ecs_deletes_the_running_counts(gap_s: float, known_since: float) -> None:
    world = Loaded(desired=4, load=2.4)

    async def main() -> None:
        loop = loop_over(world, **SIGNALS["cpu"](60.0))
        for wait_s in (10.0, gap_s, 10.0, 0.0):
            await loop.poll()
            await asyncio.sleep(wait_s)
        assert loop._memory is not None
        assert [at for at, _ in loop._memory.running] == [known_since]

    run_virtually(main())
