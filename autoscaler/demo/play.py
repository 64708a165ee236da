"""One run of the demo: its parts, its progress, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from time import monotonic
from typing import Any, TypeAlias

import aiohttp

from autoscaler.demo.children import DemoDaemon, aws_environment, daemon, free_port, region
from autoscaler.demo.fleet import CONCURRENCY, START_UP_S, DemoFleet, DemoQueue, DemoWorker, send
from autoscaler.demo.load import DemoLoad
from autoscaler.demo.minutes import MinutePublisher
from autoscaler.demo.region_client import RegionClient, RegionFailed
from autoscaler.demo.screen import WIDTH, DemoState, Screen
from autoscaler.demo.summary import FleetTotals, Ledger, Summary, summarize

# Settings of the daemon in the demo: one service, with windows that are short enough to watch.

CLUSTER = "demo"
SERVICE = "worker"
QUEUE = "jobs"
MAX_TASKS = 25
ACCEPTABLE_LATENCY_S = 15.0
OVERHEAD_S = 0.25
"""Time for which a message occupies a slot in addition to its processing: until the next receive and its deletion."""


def settings_of(load: DemoLoad, port: int) -> dict[str, str]:
    """Return the daemon's environment. `processing_time` is the real one of this load."""
    return {
        "AUTOSCALER_CLUSTER": CLUSTER,
        "AUTOSCALER_SERVICE": SERVICE,
        "AUTOSCALER_QUEUES": QUEUE,
        "AUTOSCALER_MIN_TASKS": "0",
        "AUTOSCALER_MAX_TASKS": str(MAX_TASKS),
        "AUTOSCALER_MODE": "active",
        "AUTOSCALER_ACCEPTABLE_LATENCY": f"{ACCEPTABLE_LATENCY_S:g}s",
        "AUTOSCALER_PROCESSING_TIME": f"{load.mean_work_s + OVERHEAD_S:.1f}s",
        "AUTOSCALER_TASK_CONCURRENCY": str(CONCURRENCY),
        "AUTOSCALER_INTERVAL": "1s",
        "AUTOSCALER_SCALE_IN__STABILIZATION": "6s",
        "AUTOSCALER_HTTP_HOST": "127.0.0.1",
        "AUTOSCALER_HTTP_PORT": str(port),
        "AUTOSCALER_LOG_FORMAT": "json",
    }


# Concurrent asyncio tasks of a demo. An expected failure of one task ends the demo.

Job: TypeAlias = Callable[[], Awaitable[None]]


class DemoFailed(Exception):
    """The demo cannot continue: the daemon or the Region has ended."""


@dataclass
class Ending:
    """Whether the demo is over, and its failure. Only the first call counts."""

    failure: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def finish(self) -> None:
        self.over.set()

    def fail(self, reason: str) -> None:
        if not self.over.is_set():
            self.failure = reason
            self.over.set()


@dataclass
class Cast:
    """Concurrent tasks. An expected failure of a task ends the demo; any other error is a bug and is raised."""

    group: asyncio.TaskGroup
    ending: Ending
    members: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, job: Job) -> None:
        member = self.group.create_task(self._guard(job))
        self.members.add(member)
        member.add_done_callback(self.members.discard)

    async def _guard(self, job: Job) -> None:
        try:
            await job()
        except (RegionFailed, DemoFailed) as failed:
            self.ending.fail(str(failed))
        except ExceptionGroup as group:
            failures, bugs = group.split((RegionFailed, DemoFailed))
            if failures is None or bugs is not None:
                raise
            self.ending.fail("; ".join(sorted({str(failure) for failure in _leaves(failures)})))

    def cancel_all(self) -> None:
        for member in self.members:
            member.cancel()


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    nested = [_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions]
    return [leaf for leaves in nested for leaf in leaves]


# Create the resources of a demo, run it, and clean up. No process is left at the end, also after an error.

READY_WITHIN_S = 30.0
VISIBILITY_TIMEOUT_S = 60


async def create_resources(client: RegionClient) -> DemoQueue:
    """Create the queue, the cluster, the task definition and the service, without tasks."""
    attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT_S)}
    made = await client.call("sqs", "CreateQueue", QueueName=QUEUE, Attributes=attributes)
    await client.call("ecs", "CreateCluster", clusterName=CLUSTER)
    container = {"name": SERVICE, "image": SERVICE, "memory": 512, "essential": True}
    await client.call(
        "ecs",
        "RegisterTaskDefinition",
        family=SERVICE,
        containerDefinitions=[container],
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
    )
    await client.call(
        *("ecs", "CreateService"),
        cluster=CLUSTER,
        serviceName=SERVICE,
        taskDefinition=SERVICE,
        desiredCount=0,
        launchType="FARGATE",
    )
    return DemoQueue(client, made["QueueUrl"])


async def until_ready(child: DemoDaemon, session: aiohttp.ClientSession, ending: Ending) -> None:
    """Wait until the daemon is ready or the demo is over. Raise `DemoFailed` after `READY_WITHIN_S`."""
    body = "no answer"
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not ending.over.is_set():
                ready, body = await _read_readiness(child, session)
                if ready:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        tail = "\n  ".join(child.tail)
        raise DemoFailed(
            f"the daemon is not ready after {READY_WITHIN_S:g} s: {child.url}/readyz returned {body}\n  {tail}"
        ) from None


async def _read_readiness(child: DemoDaemon, session: aiohttp.ClientSession) -> tuple[bool, str]:
    try:
        async with session.get(f"{child.url}/readyz") as response:
            return response.status == 200, (await response.text())[:1000]
    except aiohttp.ClientError as error:
        return False, str(error)


def opening(load: DemoLoad, child: DemoDaemon, daemon_settings: dict[str, str]) -> list[str]:
    """Return the lines that are printed before the start."""
    lines = [f"{name}={value}" for name, value in daemon_settings.items() if not name.startswith("AUTOSCALER_HTTP")]
    return [
        "An embedded AWS Region (moto, on loopback): one queue and one ECS service. The daemon is the real one.",
        f"Load: {'; '.join(load.notes)}; over {load.duration_s:g} s, then zero tasks within {DRAIN_WITHIN_S:g} s.",
        f"A task takes {START_UP_S[0]:g} to {START_UP_S[1]:g} s to start, processes {CONCURRENCY} messages at once, "
        f"{load.mean_work_s:.2f} s each on average, and drains before it stops.",
        "The daemon's settings (windows are shortened for the demo):",
        *(f"  {setting}" for setting in lines),
        f"Page: {child.url}/   Metrics: {child.url}/metrics",
    ]


async def perform(load: DemoLoad, seed: int, command: Sequence[str], screen: Screen) -> Summary:
    """Run the whole demo. Raise `RegionFailed` or `DemoFailed`. No process is left at the end."""
    connector = aiohttp.TCPConnector(limit=0)
    async with region() as endpoint, aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        client = RegionClient(endpoint, session)
        queue = await create_resources(client)
        port = free_port()
        daemon_settings = settings_of(load, port)
        async with daemon(aws_environment(endpoint) | daemon_settings, port, command) as child:
            for line in opening(load, child, daemon_settings):
                screen.say(line)
            return await _play(load, seed, queue, child, screen)


async def _play(load: DemoLoad, seed: int, queue: DemoQueue, child: DemoDaemon, screen: Screen) -> Summary:
    ending = Ending()
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        cast = Cast(group, ending)
        random = Random(seed)  # noqa: S311  # start-up times and task selection, no secret
        fleet = DemoFleet(queue.client, lambda: DemoWorker(queue, ledger), cast.add, random)
        play = Play(load, ledger, fleet, child, ending, screen)
        cast.add(play.watch_daemon)
        cast.add(partial(_begin, play, queue, cast))
        await ending.over.wait()
        summary = play.summary()
        cast.cancel_all()
    if ending.failure is not None:
        raise DemoFailed(ending.failure)
    return summary


async def _begin(play: Play, queue: DemoQueue, cast: Cast) -> None:
    """Start the load and the display when the daemon is ready; the time of the load begins then."""
    client, fleet = queue.client, play.fleet
    cast.add(fleet.follow)
    cast.add(MinutePublisher(client, play.ledger, fleet, CLUSTER, SERVICE, QUEUE).publish)
    await until_ready(play.daemon, client.session, play.ending)
    play.starts = monotonic()
    cast.add(partial(play.send, queue))
    cast.add(play.watch)


DRAIN_WITHIN_S = 168.0
"""Time limit from the end of the load until zero tasks: the latency of a message, the minute for which arrivals are
stored, a quiet minute, and a drain.
"""

FRAME_S = 0.5


@dataclass
class Play:
    """One run of the demo."""

    load: DemoLoad
    ledger: Ledger
    fleet: DemoFleet
    daemon: DemoDaemon
    ending: Ending
    screen: Screen
    starts: float = field(default_factory=monotonic)
    sending: bool = True
    backlogs: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.starts

    @property
    def left_s(self) -> float:
        return max(0.0, self.load.duration_s + DRAIN_WITHIN_S - self.elapsed_s)

    async def send(self, queue: DemoQueue) -> None:
        await send(self.load, queue, self.ledger)
        self.sending = False

    async def watch(self) -> None:
        """Show the state until all messages are processed and no task is left, or the time is over."""
        while not self._done() and self.left_s > 0:
            self._plot()
            self.screen.show(self._state())
            await asyncio.sleep(FRAME_S)
        self.ending.finish()

    def _plot(self) -> None:
        """Add a point per share of the longest possible run, so that the whole run fits on the screen."""
        point = int(WIDTH * self.elapsed_s / (self.elapsed_s + self.left_s))
        for points, now in ((self.backlogs, self.ledger.waiting), (self.tasks, self.fleet.running)):
            points.extend([now] * (point + 1 - len(points)))
            points[-1] = max(points[-1], now)

    def _done(self) -> bool:
        return not self.sending and self.ledger.lost == 0 and self.fleet.at_rest

    async def watch_daemon(self) -> None:
        """Raise `DemoFailed` when the daemon ends, which it must not do."""
        code = await self.daemon.listen()
        raise DemoFailed(daemon_ended(self.daemon, code))

    def _state(self) -> DemoState:
        now = monotonic()
        return DemoState(
            elapsed_s=self.elapsed_s,
            duration_s=self.load.duration_s,
            left_s=self.left_s,
            waiting=self.ledger.waiting,
            in_flight=self.ledger.in_flight,
            processed=self.ledger.processed,
            oldest_message_age_s=self.ledger.oldest_message_age_s(now),
            acceptable_latency_s=ACCEPTABLE_LATENCY_S,
            desired=self.fleet.desired,
            running=self.fleet.running,
            starting=self.fleet.starting,
            draining=self.fleet.draining,
            sentence=self.daemon.sentence,
            decided_ago_s=now - self.daemon.decided,
            backlogs=tuple(self.backlogs),
            tasks=tuple(self.tasks),
        )

    def summary(self) -> Summary:
        fleet = self.fleet
        left = max(fleet.desired, len(fleet.tasks))
        return summarize(
            self.ledger,
            FleetTotals(fleet.task_seconds, fleet.peak, fleet.scale_outs, fleet.scale_ins, left),
            acceptable_latency_s=ACCEPTABLE_LATENCY_S,
            task_concurrency=CONCURRENCY,
            elapsed_s=self.elapsed_s,
            thinned_by=self.load.thinned_by,
            work_divided_by=self.load.work_divided_by,
        )


def daemon_ended(child: DemoDaemon, code: int) -> str:
    tail = "\n  ".join(child.tail) or "(nothing)"
    return f"the daemon ended unexpectedly with exit code {code}. Its last log lines:\n  {tail}"
