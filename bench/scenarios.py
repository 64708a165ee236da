"""Measurements of a daemon with many services: each is a coroutine that returns figures."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import aiohttp

from autoscaler.aws.names import queue_metrics
from autoscaler.control.rate_limiter import SHARE
from autoscaler.demo.region_client import REGION
from autoscaler.ports import Category
from bench.fleet import DAEMON_CORE, TwoProcesses, control, double, stage
from tests.fakeaws.poisons import POISONS

INTERVAL_S = 15.0
RELAXED = {"acceptable_latency": "5m", "queue_minutes": False}
"""CloudWatch minutes cost money: for ten thousand queues they are 60,000 metrics per minute."""

LAG, POLLS = "autoscaler_tick_lag_seconds", "autoscaler_tick_seconds_count"
COUNTS, DESCRIBED = "GetQueueAttributes", "DescribeServices"
BUDGETS = {
    Category.QUEUE_READ: (COUNTS,),
    Category.SERVICE_READ: (DESCRIBED,),
    Category.TASK_READ: ("ListTasks", "DescribeTasks"),
}


Control: TypeAlias = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
"""Sends a control command to the test double."""


class FleetSize(NamedTuple):
    """One size. `poll_ms`: the daemon's CPU per poll of a service, all other work included. `lag_s`: p99 of the lag.
    `most_of_budget`: maximum over categories and time spans of calls / budget; 1 is the full budget.
    """

    services: int
    ready_s: float
    core: float
    poll_ms: float
    resident_mb: float
    lag_s: float
    most_of_budget: float


async def fleet(services: int, warm_s: float, for_s: float, quiet_s: float = INTERVAL_S) -> FleetSize:
    """Measure services with empty queues, polled at each interval or as rarely as `quiet_s` permits."""
    began = asyncio.get_running_loop().time()
    async with _staged(services, quiet_s) as on:
        ready_s = asyncio.get_running_loop().time() - began
        await asyncio.sleep(warm_s)
        before, (start, end) = await on.metrics(), await on.between(for_s)
        after, record = await on.metrics(), await on.control("record")
    polls = after[POLLS] - before[POLLS]
    cpu_s = end.cpu_s - start.cpu_s
    lag_s = percentile(after, before, LAG, 0.99)
    core = cpu_s / (end.at - start.at)
    return FleetSize(services, ready_s, core, 1000 * cpu_s / polls, end.resident_mb, lag_s, _most_of_budget(record))


def _staged(services: int, quiet_s: float = INTERVAL_S, interval_s: float = INTERVAL_S, **defaults: object) -> Any:
    settings = {"AUTOSCALER_INTERVAL": f"{interval_s:g}s", "AUTOSCALER_QUIET_INTERVAL": f"{quiet_s:g}s"}
    return stage(services, settings, RELAXED | defaults)


def percentile(after: Mapping[str, float], before: Mapping[str, float], name: str, share: float) -> float:
    """Return a percentile of a histogram's growth, interpolated within the bucket."""
    prefix = f'{name}_bucket{{le="'
    bounds = {key.removeprefix(prefix).rstrip('"}'): value for key, value in after.items() if key.startswith(prefix)}
    grown = {float(bound): value - before.get(f'{prefix}{bound}"}}', 0.0) for bound, value in bounds.items()}
    rows = sorted(grown.items())
    threshold, low, below = share * rows[-1][1], 0.0, 0.0
    for bound, count in rows:
        if count >= threshold:
            return low if bound == float("inf") else low + (bound - low) * (threshold - below) / max(1.0, count - below)
        low, below = bound, count
    return low


def _most_of_budget(record: Mapping[str, Any]) -> float:
    """Return the maximum of calls / budget over all time spans. The budget includes one more second per span."""
    most = 0.0
    for category, operations in BUDGETS.items():
        rate, burst = SHARE * category.rate, SHARE * category.burst
        seconds = record["per_second"].items()
        made = {int(second): sum(counts.get(one, 0) for one in operations) for second, counts in seconds}
        sums, total = [(min(made) - 1, 0)], 0
        for second in sorted(made):
            total += made[second]
            sums.append((second, total))
        for index, (since, before) in enumerate(sums):
            for until, now in sums[index + 1 :]:
                most = max(most, (now - before) / (burst + rate * (until - since + 1)))
    return most


class Compared(NamedTuple):
    """The daemon's CPU per poll, all other work included, and that of the same calls with only aiobotocore, in
    milliseconds. The other figures are the daemon's calls a second; `measured_per_s`: calls to CloudWatch, each with
    `metrics` metrics on average.
    """

    poll_ms: float
    bare_ms: float
    polls_per_s: float
    metrics: int
    described_per_s: float
    measured_per_s: float
    written_per_s: float


MESSAGE_S, STARTING_TASKS = 5.0, 3
"""Seconds that a task of the busy fleet works on a message, and its tasks at the start."""

CHANGED_EVERY_S, CHANGED_SHARE = 5.0, 0.005
"""The load of this share of the busy queues changes at once: with a thousand, of one a second, as often as the daemon's
share of the rate permits a write.
"""


async def compared(services: int, warm_s: float, for_s: float, *, busy: bool) -> Compared:
    """Measure services with empty queues, or with arrivals and working tasks. CloudWatch's minutes are read, and what
    is learned from them is included. Then the same calls are made without the daemon.
    """
    arguments = ("--desired", str(STARTING_TASKS if busy else 1))
    settings = {"AUTOSCALER_INTERVAL": f"{INTERVAL_S:g}s", "AUTOSCALER_QUIET_INTERVAL": f"{INTERVAL_S:g}s"}
    defaults = {"acceptable_latency": "5m", "min_tasks": 1, "workers": "draining"}
    async with stage(services, settings, defaults, arguments) as on:
        if busy:
            await employ(on.control, services)
        async with changing(on.control, services if busy else 0):
            await asyncio.sleep(warm_s)
            measured = await _minutes_read(on.control)
            before, (start, end), after = await on.metrics(), await on.between(for_s), await on.metrics()
            measured = await _minutes_read(on.control) - measured
    made = {name: _calls_between(before, after, name) / (end.at - start.at) for name in CALLS}
    polls, calls = after[POLLS] - before[POLLS], made["cloudwatch:GetMetricData"] * (end.at - start.at)
    metrics = round(METRICS_PER_QUEUE * measured / calls) if calls else 0
    bare_ms = await _bare(services, for_s, arguments, [metrics, *made.values()], busy=busy)
    poll_ms = 1000 * (end.cpu_s - start.cpu_s) / polls
    return Compared(poll_ms, bare_ms, polls / (end.at - start.at), metrics, *made.values())


METRICS_PER_QUEUE = len(queue_metrics("queue"))


async def _minutes_read(control: Control) -> int:
    """Return how often CloudWatch answered for a queue."""
    answers = (await control("answers", operation="GetMetricData"))["answers"]
    return sum(count for count, _ in answers.values())


CALLS = ("ecs:DescribeServices", "cloudwatch:GetMetricData", "ecs:UpdateService")


def _calls_between(before: Mapping[str, float], after: Mapping[str, float], api: str) -> float:
    prefix = f'autoscaler_aws_requests_total{{api="{api}"'
    return sum(value - before.get(name, 0.0) for name, value in after.items() if name.startswith(prefix))


def _load(number: int, at: float = 0.0) -> float:
    """Return the arrivals a second: work for 1 to 6 tasks, another load at another time."""
    return (1.0 + (number * 7919 + int(at) * 104729) % 100 / 20) / MESSAGE_S


async def employ(control: Control, services: int) -> None:
    """Give each queue arrivals, and each service workers that process them."""
    for number in range(services):
        name = f"{number:05d}"
        await control("queue", names=[f"queue-{name}"], arriving_per_s=_load(number), region=REGION)
        await control(
            "join", queue=f"queue-{name}", cluster="bench", service=f"service-{name}", per_task_per_s=1 / MESSAGE_S,
            region=REGION,
        )  # fmt: skip


@asynccontextmanager
async def changing(control: Control, services: int) -> AsyncIterator[None]:
    """Change the load of some queues again and again."""

    async def change() -> None:
        at, share = 0, max(1, int(services * CHANGED_SHARE))
        while True:
            await asyncio.sleep(CHANGED_EVERY_S)
            for number in range(at, at + share):
                name = f"queue-{number % services:05d}"
                await control("queue", names=[name], arriving_per_s=_load(number, at), region=REGION)
            at += share

    task = asyncio.create_task(change()) if services else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def _bare(services: int, for_s: float, arguments: Sequence[str], rates: Sequence[float], *, busy: bool) -> float:
    """Return the CPU of the calls alone, per read of a queue, in milliseconds. Same fleet, same core. `rates`: the
    metrics of a call to CloudWatch, and the calls a second.
    """
    core = sorted(os.sched_getaffinity(0))[DAEMON_CORE]
    async with double(services, arguments) as url, aiohttp.ClientSession() as http:
        if busy:
            await employ(partial(control, http, url), services)
            await asyncio.sleep(BARE_WARM_S)
        command = [sys.executable, "-m", "bench.bare", str(services), str(INTERVAL_S), str(for_s), *map(str, rates)]
        keys = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "b", "AWS_SECRET_ACCESS_KEY": "b"}
        env = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")} | keys
        run = await asyncio.to_thread(
            subprocess.run, ["taskset", "-c", str(core), *command], env=env, capture_output=True, text=True, check=True
        )
    return float(run.stdout)


BARE_WARM_S = 120.0
"""Seconds after which CloudWatch has minutes of the busy fleet."""


class Burst(NamedTuple):
    """Seconds from a burst to the write, for one service at a time and for all at once."""

    one_median_s: float
    one_p99_s: float
    all_first_s: float
    all_last_s: float
    least_s: float
    order: float


async def bursts(services: int = 500, times: int = 100) -> Burst:
    """Put three hundred messages on one queue, many times, then 50 to 5,000 on every other queue at once. `order`: rank
    correlation of the number of messages with an early write.
    """
    interval_s = 10.0
    async with _staged(services, interval_s, interval_s, acceptable_latency="60s", min_tasks=1, max_tasks=5000) as on:
        await asyncio.sleep(90)
        waits = [await _one_burst(on, number, interval_s) for number in range(times)]
        needs = {number: 50 + 10 * ((number * 7919) % 496) for number in range(times, services)}
        at = 0.0
        for number, messages in needs.items():
            at = (await on.control("queue", names=[f"queue-{number:05d}"], visible=messages, region=REGION))["at"]
        await asyncio.sleep(len(needs) / 5 + 60)
        first = _firsts((await on.control("record", since=at - 5))["updates"], at - 5)
    written = {number: first[f"service-{number:05d}"] - at for number in needs if f"service-{number:05d}" in first}
    if len(written) < len(needs):
        raise RuntimeError(f"{len(needs) - len(written)} services were not scaled")
    order = -_correlation([needs[number] for number in written], list(written.values()))
    last_s, least_s = max(written.values()), (len(needs) - 50) / 5
    return Burst(
        statistics.median(waits), sorted(waits)[int(0.99 * len(waits))], min(written.values()), last_s, least_s, order
    )


async def _one_burst(on: TwoProcesses, number: int, interval_s: float) -> float:
    """Return the seconds from one burst to its write. The next burst follows its detection."""
    at = (await on.control("queue", names=[f"queue-{number:05d}"], visible=300, region=REGION))["at"]
    for _ in range(100):
        await asyncio.sleep(interval_s / 40)
        first = _firsts((await on.control("record", since=at))["updates"], at)
        if f"service-{number:05d}" in first:
            answer: float = first[f"service-{number:05d}"] - at
            return answer
    raise RuntimeError(f"service {number} was not scaled")


def _firsts(updates: list[list[Any]], since: float) -> dict[str, float]:
    first = dict[str, float]()
    for at, _, _, _, service, _, outcome in updates:
        if at >= since and outcome == "ok":
            first.setdefault(service, at)
    return first


def _correlation(one: list[float], other: list[float]) -> float:
    return statistics.correlation(_ranks(one), _ranks(other))


def _ranks(values: list[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    for rank, index in enumerate(order):
        ranks[index] = float(rank)
    return ranks


class ThrottledRun(NamedTuple):
    """Results with a quota of a tenth of the required calls. `bound_s`: twice the number of services / rate. `made`:
    calls made / calls accepted. `back_s`: seconds from the end of the throttling until 95 % of the required calls are
    answered.
    """

    jain: float
    longest_s: float
    bound_s: float
    made: float
    back_s: float


async def throttled(services: int = 500, for_s: float = 600.0) -> ThrottledRun:
    """Measure while AWS accepts only a tenth of the required reads of queues."""
    needed = services / 5.0
    rate = needed / 10
    async with _staged(services, 5.0, 5.0) as on:
        await asyncio.sleep(60)
        await on.control("rates", limits={"queue_read": (rate, rate)})
        await asyncio.sleep(60)
        await on.control("record", forget=True)
        await asyncio.sleep(for_s)
        record, answers = await on.control("record"), (await on.control("answers", operation=COUNTS))["answers"]
        await on.control("rates", limits={"queue_read": (4000.0, 4000.0)})
        back_s = await _until_back(on, needed)
    got = [answers.get(f"queue-{number:05d}", (0, for_s))[0] for number in range(services)]
    longest_s = max(answers.get(f"queue-{number:05d}", (0, for_s))[1] for number in range(services))
    made_calls = sum(counts.get(COUNTS, 0) for counts in record["per_second"].values())
    accepted = sum(got)
    jain = accepted**2 / (services * sum(each * each for each in got)) if accepted else 0.0
    return ThrottledRun(jain, longest_s, 2 * services / rate, made_calls / max(1, accepted), back_s)


async def _until_back(on: TwoProcesses, needed: float) -> float:
    ended = (await on.control("rates"))["at"]
    for _ in range(60):
        await asyncio.sleep(5)
        found = await on.control("record", since=ended)
        for seconds in range(10, 300):
            window = [int(ended) + seconds - back for back in range(5)]
            answered = sum(found["per_second"].get(str(each), {}).get(COUNTS, 0) for each in window)
            if answered >= 0.95 * 5 * needed:
                return float(seconds)
    return float("inf")


class FailingStarts(NamedTuple):
    """`clean_s`, `failing_s`: p99 of the lag of all polls, without and with failing starts. `known`: the failing
    services whose cause is known at the end. `task_calls`: calls that read tasks.
    """

    clean_s: float
    failing_s: float
    known: float
    task_calls: int
    most_of_budget: float


FAILING = "CannotPullContainerError: failed to resolve ref docker.io/shop/worker:8: not found"


async def failing_starts(services: int = 1000, failing: int = 100, for_s: float = 300.0) -> FailingStarts:
    """Let the new tasks of some services fail, all from the same moment on."""
    async with _staged(services, queue_minutes=True) as on:
        await asyncio.sleep(120)
        clean_s = await _lag(on, 60)
        await on.control("record", forget=True)
        names = [f"service-{number:05d}" for number in range(0, services, services // failing)]
        await on.control("fail", cluster="bench", names=names, reason=FAILING, region=REGION)
        queues = [name.replace("service", "queue") for name in names]
        await on.control("queue", names=queues, visible=100_000, region=REGION)
        failing_s = await _lag(on, for_s)
        after, record = await on.metrics(), await on.control("record")
    known = sum(value for name, value in after.items() if name.startswith("autoscaler_start_failure{"))
    calls = sum(counts.get(one, 0) for counts in record["per_second"].values() for one in BUDGETS[Category.TASK_READ])
    return FailingStarts(clean_s, failing_s, known, calls, _most_of_budget(record))


class Poisoned(NamedTuple):
    """The p99 of the lag of all polls in seconds, without a fault and with the worst fault."""

    poisons: int
    clean_s: float
    worst_s: float
    worst: str


async def poisoned(services: int = 100, each_s: float = 12.0) -> Poisoned:
    """Apply one fault after the other to one service. The lag includes the few polls of that service."""
    async with _staged(services, 1.0, 1.0, queue_minutes=True, acceptable_latency="5m", cpu_target_percent=90) as on:
        await asyncio.sleep(60)
        clean_s = max([await _lag(on, each_s) for _ in range(3)])
        lags = dict[str, float]()
        for number, name in enumerate(POISONS):
            poisoned_service = f"service-{number % services:05d}", f"queue-{number % services:05d}"
            await on.control("poison", name=name, service=poisoned_service[0], queue=poisoned_service[1])
            lags[name] = await _lag(on, each_s)
            await on.control("heal")
            await asyncio.sleep(2)
    worst = max(lags, key=lags.__getitem__)
    return Poisoned(len(lags), clean_s, lags[worst], worst)


async def _lag(on: TwoProcesses, seconds: float) -> float:
    before = await on.metrics()
    await asyncio.sleep(seconds)
    return percentile(await on.metrics(), before, LAG, 0.99)
