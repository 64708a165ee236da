"""Builds the scene, lets the play run on it, and clears up: however it ends, no process is left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from random import Random
from time import monotonic

import aiohttp

from autoscaler.demo import settings
from autoscaler.demo.cast import Cast, DemoFailed, Ending
from autoscaler.demo.children import Daemon, aws_environment, daemon, free_port, region
from autoscaler.demo.fleet import START_UP_S, Fleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import Load
from autoscaler.demo.minutes import Minutes
from autoscaler.demo.play import DRAIN_WITHIN_S, Play
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.screen import Screen
from autoscaler.demo.summary import Summary
from autoscaler.demo.workers import CONCURRENCY, Queue, Worker

READY_WITHIN_S = 30.0
VISIBILITY_TIMEOUT_S = 60


async def furnish(client: RegionClient) -> Queue:
    """The queue, the cluster, the task definition and the service exist, and nothing runs."""
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
    return Queue(client, made["QueueUrl"])


async def until_ready(child: Daemon, session: aiohttp.ClientSession, ending: Ending) -> None:
    """The daemon says that it serves its service, or the play is over. Raises `DemoFailed` after too long."""
    body = "no answer"
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not ending.over.is_set():
                ready, body = await _ask_ready(child, session)
                if ready:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        tail = "\n  ".join(child.tail)
        raise DemoFailed(f"the daemon is not ready: {child.url}/readyz says {body}\n  {tail}") from None


async def _ask_ready(child: Daemon, session: aiohttp.ClientSession) -> tuple[bool, str]:
    try:
        async with session.get(f"{child.url}/readyz") as response:
            return response.status == 200, (await response.text())[:1000]
    except aiohttp.ClientError as error:
        return False, str(error)


def opening(load: Load, child: Daemon, told: dict[str, str]) -> list[str]:
    """What people should know before it begins."""
    shown = [f"{name}={value}" for name, value in told.items() if not name.startswith("AUTOSCALER_HTTP")]
    return [
        "An embedded AWS Region (moto, on loopback) with one queue and one ECS service, and the real daemon beside it.",
        f"Load: {'; '.join(load.notes)}; over {load.duration_s:g} s, then back to zero within {DRAIN_WITHIN_S:g} s.",
        f"A task takes {START_UP_S[0]:g} to {START_UP_S[1]:g} s to start, works on {CONCURRENCY} messages at once, "
        f"{load.mean_work_s:.2f} s each on average, and drains when it goes.",
        "The daemon's settings, with windows shortened so that there is something to see:",
        *(f"  {setting}" for setting in shown),
        f"Page: {child.url}/   Metrics: {child.url}/metrics",
    ]


async def perform(load: Load, seed: int, command: Sequence[str], screen: Screen) -> Summary:
    """The whole demo. Raises `RegionFailed` or `DemoFailed`; however it ends, no process is left."""
    connector = aiohttp.TCPConnector(limit=0)
    async with region() as endpoint, aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        client = RegionClient(endpoint, session)
        queue = await furnish(client)
        port = free_port()
        told = settings.settings_of(load, port)
        async with daemon(aws_environment(endpoint) | told, port, command) as child:
            for line in opening(load, child, told):
                screen.say(line)
            return await _play(load, seed, queue, child, screen)


async def _play(load: Load, seed: int, queue: Queue, child: Daemon, screen: Screen) -> Summary:
    ending = Ending()
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        cast = Cast(group, ending)
        random = Random(seed)  # noqa: S311  # who starts when and who goes, no secret
        fleet = Fleet(queue.client, lambda: Worker(queue, ledger), cast.add, random)
        play = Play(load, ledger, fleet, child, ending, screen)
        cast.add(play.mind_daemon)
        cast.add(partial(_begin, play, queue, cast))
        await ending.over.wait()
        summary = play.summary()
        cast.dismiss()
    if ending.failure is not None:
        raise DemoFailed(ending.failure)
    return summary


async def _begin(play: Play, queue: Queue, cast: Cast) -> None:
    """Everybody starts once the daemon is ready; that is when the load's time begins."""
    client, fleet = queue.client, play.fleet
    cast.add(fleet.follow)
    cast.add(Minutes(client, play.ledger, fleet, settings.CLUSTER, settings.SERVICE, settings.QUEUE).publish)
    await until_ready(play.daemon, client.session, play.ending)
    play.starts = monotonic()
    cast.add(partial(play.send, queue))
    cast.add(play.watch)
