"""Runs all checks in parallel, a few at a time, within a time limit. An unfinished check is a finding."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from autoscaler.aws.operator import Identity, connect_operator
from autoscaler.config import Config
from autoscaler.config.addresses import unknown_region
from autoscaler.config.loading import LoadedSettings, config_of
from autoscaler.config.locating import located
from autoscaler.connections import Connections, connected
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, Unavailable
from autoscaler.findings import DAEMON, Finding, Level, bad, good, note, unread
from autoscaler.inspection.asking import ServiceList, fetch_services
from autoscaler.operating.doctor.checks import EVENT_QUEUE, STARTS, Checks
from autoscaler.operating.doctor.plan import RIGHTS, IdentityChecks, endpoints, planned
from autoscaler.operating.iam import reads_protection
from autoscaler.operating.status import CALL_TIMEOUT_S, Uncounted
from autoscaler.ports import Place, Poll
from autoscaler.sources import SOURCES
from autoscaler.sources.source import ProbeAccess

AGAIN = "fix this first, then run `autoscaler doctor` again"

AT_ONCE = 8
"""Checks that run in parallel: they share the account's rates with a running daemon."""

WHY_SKIPPED = {
    NoCredentials.kind: "there are no valid credentials",
    Denied.kind: "AWS does not accept the credentials",
}

Progress = Callable[[int, int], None]
"""Called with the number of finished checks and of all checks."""


class Check(NamedTuple):
    """One check: its subject, its name, and its function."""

    subject: str
    what: str
    run: Callable[[], Awaitable[list[Finding]]]


def examine(
    settings: LoadedSettings, url: str, limit_s: float, progress: Progress, role: str | None = None
) -> tuple[Finding, ...]:
    """Return all findings, within about `limit_s`: those of the daemon first, then service by service.

    `url`: the API of a daemon, which has the learned start-up times. `role`: the role whose permissions are simulated
    (None: that of these credentials).
    """
    found = asyncio.run(_examined(settings, url, limit_s, progress, role))
    return tuple(_located(one, settings) for one in found)


def _located(one: Finding, settings: LoadedSettings) -> Finding:
    key = None if one.subject == DAEMON else one.subject
    return replace(one, text=located(one.text, settings, key), remedy=located(one.remedy, settings, key))


async def _examined(
    settings: LoadedSettings, url: str, limit_s: float, progress: Progress, role: str | None
) -> tuple[Finding, ...]:
    config, known = config_of(settings), await _known(url)
    clock = asyncio.get_running_loop().time
    ends_at = clock() + limit_s
    limiter, calls = TokenBucketLimiter(clock, random.random, config.rate_share_percent / 100), Uncounted()
    async with (
        connected(limiter, calls, clock, CALL_TIMEOUT_S, once=True) as connections,
        connect_operator(limiter, calls, clock, time.time, CALL_TIMEOUT_S) as operator,
    ):
        region, where = _region(config, connections.aws.region)
        permissions = IdentityChecks(operator.identities, Place(region), role)
        identity, credentials = await permissions.who()
        skipped = [] if credentials.kind is None else [_skipped(credentials.kind)]
        if where.kind is not None and credentials.text == where.text:  # the same fault is not reported twice
            credentials, skipped = _without_region(), []
        checks, found = list[Check](), list[Finding]()
        if where.level is not Level.FINDING and not credentials.kind:
            by_tag, found = await Checks(connections.aws).discovered(config, settings, limit_s / 2)
            config = replace(config, services=(*config.services, *by_tag))
            checks = list(_checks(config, connections, permissions, identity, known))
        found += await _run(checks, limit_s, ends_at - clock(), progress)
    own = [
        where,
        *endpoints(os.environ, config),
        credentials,
        *skipped,
    ]
    return _ordered(config, [*own, *planned(config, _starts_s(known)), *found])


class _NoJournal:
    """A `Journal` for checks, which do not poll."""

    def record(self, poll: Poll) -> None: ...


def _region(config: Config, named: Callable[[], str]) -> tuple[str | None, Finding]:
    """Return a Region for the identity check, and the finding about the default Region."""
    regions = [service.ref.region for service in config.services]
    try:
        home, text = named(), f"{named()}, used for services without a `region` setting"
        unknown = unknown_region(home)
        if unknown is not None:
            return home, note(DAEMON, "region", text, unknown)
        return home, good(DAEMON, "region", text)
    except AutoscalerError as fault:
        if regions and all(regions):
            return regions[0], good(
                DAEMON, "region", "there is no default Region, and every service has a `region` setting"
            )
        return None, unread(DAEMON, "region", fault)


async def _known(url: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the daemon at `url` knows of its services, by key; empty without an answer."""
    answer = await fetch_services(url)
    return {str(service["key"]): service for service in answer.services} if isinstance(answer, ServiceList) else {}


def _starts_s(known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, float]:
    """Return the learned start-up times, by key."""
    learned = {key: service.get("start_up_s") for key, service in known.items()}
    return {key: seconds for key, seconds in learned.items() if isinstance(seconds, int | float)}


def _checks(
    config: Config,
    connections: Connections,
    permissions: IdentityChecks,
    identity: Identity | None,
    known: Mapping[str, Mapping[str, Any]],
) -> Iterator[Check]:
    checks = Checks(connections.aws)
    access = ProbeAccess(connections.ports(_NoJournal()), permissions.place.region, identity and identity.account)
    if config.event_queue is not None:
        yield Check(DAEMON, EVENT_QUEUE, partial(checks.event_queue, config.event_queue))
        if permissions.role is not None:
            yield Check(DAEMON, RIGHTS, partial(permissions.may_receive, identity, config))
    for service in config.services:
        key = service.ref.key
        yield Check(key, "service", partial(checks.service, service))
        yield Check(key, RIGHTS, partial(permissions.may, identity, service))
        yield Check(key, "conflicting scalers", partial(checks.conflicting_scalers, service))
        yield Check(key, STARTS, partial(checks.starts, service, known.get(key, {}).get("starts")))
        if reads_protection(service):
            yield Check(key, "task protection", partial(checks.protection, service))
        for source in SOURCES:
            yield from (Check(key, what, run) for what, run in source.probes(service, access))


async def _run(checks: Sequence[Check], limit_s: float, left_s: float, progress: Progress) -> list[Finding]:
    """Run the checks and return their findings. An unfinished check is also a finding. `left_s`: the rest of the limit
    for all checks.
    """
    slots, found = asyncio.Semaphore(AT_ONCE), dict[int, list[Finding]]()

    async def run(number: int, check: Check) -> None:
        async with slots:
            found[number] = await check.run()
        progress(len(found), len(checks))

    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, left_s)), asyncio.TaskGroup() as group:
            for number, check in enumerate(checks):
                group.create_task(run(number, check))
    return [one for number, check in enumerate(checks) for one in found.get(number) or [_timed_out(check, limit_s)]]


def _skipped(kind: str) -> Finding:
    """Return the finding that the other AWS checks were skipped, because the credentials check failed."""
    why = WHY_SKIPPED.get(kind, "the check of the credentials failed")
    text = f"skipped the remaining AWS checks: {why}"
    return Finding(Level.UNKNOWN, DAEMON, "services", text, AGAIN)


def _without_region() -> Finding:
    return Finding(
        Level.UNKNOWN, DAEMON, "credentials", "AWS was not checked, because the check `region` failed", AGAIN
    )


def _timed_out(check: Check, limit_s: float) -> Finding:
    text = f"not checked within {limit_s:g} s"
    return bad(check.subject, check.what, text, "increase --timeout", Unavailable.kind)


def _ordered(config: Config, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Sort the findings: the daemon first, then service by service, each in the order of the checks."""
    subjects = [DAEMON, *(service.ref.key for service in config.services)]
    return tuple(one for subject in subjects for one in findings if one.subject == subject)
