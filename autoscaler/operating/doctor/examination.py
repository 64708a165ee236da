"""All looks side by side: few at once, all within a time, and whatever was not reached is told as such."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from autoscaler.aws import connect
from autoscaler.aws.operator import Identity, connect_operator
from autoscaler.config import Config
from autoscaler.control.observing import wanted_meters
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, Unavailable
from autoscaler.inspection.asking import Listed, ask_all
from autoscaler.operating.calling import CALL_TIMEOUT_S, Uncounted
from autoscaler.operating.doctor.findings import DAEMON, Finding, Level, bad, good, unread
from autoscaler.operating.doctor.identity import RIGHTS, Standing, endpoints
from autoscaler.operating.doctor.looks import Looks
from autoscaler.operating.doctor.plan import planned
from autoscaler.operating.rights import reads_protection
from autoscaler.ports import Place
from autoscaler.prometheus import connect_prometheus

AT_ONCE = 8
"""Looks side by side: they share the account's rates with the daemon that may be running."""

WHY_SKIPPED = {
    NoCredentials.kind: "there are no valid credentials",
    Denied.kind: "AWS does not accept the credentials",
}

Progress = Callable[[int, int], None]
"""Is told how many looks of how many are done."""


class Look(NamedTuple):
    """One look: of what, and how."""

    subject: str
    what: str
    take: Callable[[], Awaitable[list[Finding]]]


def examine(config: Config, url: str, limit_s: float, told: Progress, role: str | None = None) -> tuple[Finding, ...]:
    """Everything that is found within about `limit_s`: the daemon's own first, then service by service.

    `url`: where a daemon may tell how long tasks take to start. `role`: whose right to scale is looked at (None: that
    of these credentials).
    """
    return asyncio.run(_examined(config, url, limit_s, told, role))


async def _examined(config: Config, url: str, limit_s: float, told: Progress, role: str | None) -> tuple[Finding, ...]:
    starts_s = await _starts_s(url)
    clock = asyncio.get_running_loop().time
    limiter, nobody = TokenBucketLimiter(clock, random.random, config.rate_share_percent / 100), Uncounted()
    async with (
        connect(limiter, nobody, clock, time.time, CALL_TIMEOUT_S, once=True) as aws,
        connect_operator(limiter, nobody, clock, time.time, CALL_TIMEOUT_S) as operator,
        connect_prometheus(clock, time.time, CALL_TIMEOUT_S) as gauges,
    ):
        region, where = _region(config, aws.region)
        standing = Standing(operator.identities, Place(region), role)
        identity, credentials = await standing.who()
        looks = (
            []
            if credentials.kind
            else list(_looks(config, Looks(aws, gauges, region, identity and identity.account), standing, identity))
        )
        found = await _taken(looks, limit_s, told)
    own = [
        where,
        *endpoints(os.environ),
        credentials,
        *([] if credentials.kind is None else [_skipped(credentials.kind)]),
    ]
    return _ordered(config, [*own, *planned(config, starts_s), *found])


def _region(config: Config, named: Callable[[], str]) -> tuple[str | None, Finding]:
    """A Region to ask who we are in, and what is said of the daemon's own."""
    regions = [service.ref.region for service in config.services]
    try:
        return named(), good(DAEMON, "region", f"{named()}, for all that names none")
    except AutoscalerError as fault:
        if regions and all(regions):
            return regions[0], good(DAEMON, "region", "none of the daemon's own; every service names one")
        return None, unread(DAEMON, "region", fault)


async def _starts_s(url: str) -> Mapping[str, float]:
    """How long tasks take to start, as a daemon that answers there has learned it."""
    heard = await ask_all(url)
    if not isinstance(heard, Listed):
        return {}
    learned = {str(service["key"]): service.get("start_up_s") for service in heard.services}
    return {key: seconds for key, seconds in learned.items() if isinstance(seconds, int | float)}


def _looks(config: Config, looks: Looks, standing: Standing, identity: Identity | None) -> Iterator[Look]:
    for cluster in config.discovery.clusters:
        yield Look(DAEMON, f"cluster {cluster}", partial(looks.cluster, cluster, config.discovery.place))
    for service in config.services:
        key = service.ref.key
        yield Look(key, "service", partial(looks.service, service))
        yield Look(key, RIGHTS, partial(standing.may, identity, service))
        yield Look(key, "conflicting scalers", partial(looks.conflicting_scalers, service))
        if reads_protection(service):
            yield Look(key, "protection", partial(looks.protection, service))
        for queue in service.queues:
            yield Look(key, f"queue {queue.name}", partial(looks.queue, service, queue))
            yield Look(key, f"receives from {queue.name}", partial(looks.polled, service, queue))
            if service.queue_minutes:
                yield Look(key, f"minutes of {queue.name}", partial(looks.minute, service, queue))
        if wanted_meters(service.policy):
            yield Look(key, "cpu and memory", partial(looks.meters, service))
        for name, source in service.metrics:
            yield Look(key, f"metric {name}", partial(looks.metric, service, name, source))


async def _taken(looks: Sequence[Look], limit_s: float, told: Progress) -> list[Finding]:
    """What all the looks found; one that was not done within the limit is a finding of its own."""
    turns, found = asyncio.Semaphore(AT_ONCE), dict[int, list[Finding]]()

    async def take(number: int, look: Look) -> None:
        async with turns:
            found[number] = await look.take()
        told(len(found), len(looks))

    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for number, look in enumerate(looks):
                group.create_task(take(number, look))
    return [one for number, look in enumerate(looks) for one in found.get(number) or [_late(look, limit_s)]]


def _skipped(kind: str) -> Finding:
    """That nothing else was asked of AWS, since it could not be found out whose credentials these are."""
    why = WHY_SKIPPED.get(kind, "the check of the credentials failed")
    text = f"skipped the remaining AWS checks: {why}"
    return Finding(Level.UNKNOWN, DAEMON, "services", text, "fix this first, then run `autoscaler doctor` again")


def _late(look: Look, limit_s: float) -> Finding:
    text = f"was not looked at within {limit_s:g} s"
    return bad(look.subject, look.what, text, "give it more time with --timeout", Unavailable.kind)


def _ordered(config: Config, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The daemon's own first, then service by service; in each as they were found."""
    subjects = [DAEMON, *(service.ref.key for service in config.services)]
    return tuple(one for subject in subjects for one in findings if one.subject == subject)
