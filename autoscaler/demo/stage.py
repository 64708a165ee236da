"""Create the resources of a demo, run it, and clean up. No process is left at the end, also after an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from random import Random
from time import monotonic

import aiohttp

from autoscaler.demo import settings
from autoscaler.demo.cast import Cast, DemoFailed, Ending
from autoscaler.demo.children import DemoDaemon, aws_environment, daemon, free_port, region
from autoscaler.demo.fleet import START_UP_S, DemoFleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import DemoLoad
from autoscaler.demo.minutes import MinutePublisher
from autoscaler.demo.play import DRAIN_WITHIN_S, Play
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.screen import Screen
from autoscaler.demo.summary import Summary
from autoscaler.demo.workers import CONCURRENCY, DemoQueue, DemoWorker

READY_WITHIN_S = 30.0
VISIBILITY_TIMEOUT_S = 60


async def create_resources(client: RegionClient) -> DemoQueue:
    """Create the queue, the cluster, the task definition and the service, without tasks."""
    attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT_S)}
    made = await client.call("sqs", "CreateQueue", QueueName=settings.QUEUE, Attributes=attributes)
    await client.call("ecs", "CreateCluster", clusterName=settings.CLUSTER)
    container = {"name": settings.SERVICE, "image": settings.SERVICE, "memory": 512, "essential": True}
    await client.call(
        "ecs",
        "RegisterTaskDefinition",
        family=settings.SERVICE,
        containerDefinitions=[container],
    )
    await client.call(
        *("ecs", "CreateService"),
        cluster=settings.CLUSTER,
        serviceName=settings.SERVICE,
        taskDefinition=settings.SERVICE,
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
        daemon_settings = settings.settings_of(load, port)
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
    cast.add(MinutePublisher(client, play.ledger, fleet, settings.CLUSTER, settings.SERVICE, settings.QUEUE).publish)
    await until_ready(play.daemon, client.session, play.ending)
    play.starts = monotonic()
    cast.add(partial(play.send, queue))
    cast.add(play.watch)
