"""The checks of AWS: each reads once through the daemon's ports, and changes nothing."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from autoscaler.aws.connection import Aws
from autoscaler.aws.names import short_name
from autoscaler.config import Config, ServiceConfig
from autoscaler.config.discovering import DISCOVERY_TAG
from autoscaler.config.loading import LoadedSettings
from autoscaler.control.definitions import PriceWatch, reads_definitions
from autoscaler.control.discovery import TaggedServices
from autoscaler.control.readers import TagPause, read_tag
from autoscaler.core.deploying import many_deployments, rebalancing_risk, revision_words
from autoscaler.core.figures import protecting, several
from autoscaler.core.model import Fleet, Missing, Revisions, StopTimeout
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.start_phases import start_times, with_started
from autoscaler.core.workers import (
    REMEDY,
    STOP_TIMEOUT_S,
    long_work,
    needs_stop_timeout,
    short_stop,
    stop_words,
)
from autoscaler.diagnosis import UNKNOWN, classify
from autoscaler.errors import AutoscalerError, Denied, Problem, Unavailable
from autoscaler.findings import DAEMON, Finding, bad, good, note, split, text_and_remedy, unread
from autoscaler.ports import Place, QueueRef, StartReport
from autoscaler.pricing import HOURS_PER_MONTH, NoPrice, dollars
from autoscaler.telemetry.starts import starts_of

NO_DATA = "no_data"

STARTS = "start-up time"
"""The check of where the start-up time of tasks goes."""

MINUTE_S, DAY_S = 60, 86_400

EVENT_QUEUE = "event queue"

MOST_WAITING = 1_000
"""Waiting events with a running daemon, at most: ten seconds of its rate."""

RECEIVES_DAYS = 14
"""The number of past days in which receives from a queue count."""


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of the cluster and of the service itself. Each signal source has its own checks (`sources/`)."""

    aws: Aws

    async def discovered(
        self, config: Config, settings: LoadedSettings, limit_s: float
    ) -> tuple[tuple[ServiceConfig, ...], list[Finding]]:
        """Return the services that the daemon would discover by tag, and the findings: a count per cluster, and every
        problem of a tag.
        """
        found, end = _Discovered(), asyncio.get_running_loop().time() + limit_s
        for cluster in config.discovery.clusters:
            try:
                async with asyncio.timeout_at(end):
                    found.tags_of[cluster] = await self.aws.directory.tags(cluster, config.discovery.place)
            except AutoscalerError as fault:
                found.findings.append(unread(DAEMON, f"cluster {cluster}", fault))
            except TimeoutError:
                text = f"its services were not read within {limit_s:g} s"
                found.findings.append(bad(DAEMON, f"cluster {cluster}", text, "increase --timeout", Unavailable.kind))
        services = TaggedServices(found, found)
        readable = replace(config.discovery, clusters=tuple(found.tags_of))
        await services.discover(replace(config, discovery=readable), settings)
        return services.added_to(config.services, settings.home), found.findings

    async def event_queue(self, queue: QueueRef) -> list[Finding]:
        """Check that the queue of events exists, and that the daemon deletes its messages. Nothing is received: that
        would hide the messages from the daemon.
        """
        found = await self.aws.queues.backlog(queue)
        if isinstance(found, Missing):
            return [unread(DAEMON, EVENT_QUEUE, found, needed=found.kind != Denied.kind)]
        text = f"{queue.name}: {several(found.visible, 'event')} waiting"
        if found.visible > MOST_WAITING:
            remedy = "check the metric autoscaler_event_queue_up, and that a daemon with this setting runs"
            return [note(DAEMON, EVENT_QUEUE, f"{text}, more than a running daemon leaves", remedy)]
        return [good(DAEMON, EVENT_QUEUE, text)]

    async def service(self, service: ServiceConfig) -> list[Finding]:
        """Check that the service exists and can be scaled, and report what prevents scaling now."""
        fleet, key = await self.aws.fleets.read(service.ref), service.ref.key
        if isinstance(fleet, Missing):
            return [unread(key, "service", fleet)]
        counts = f"{fleet.desired:,} desired, {fleet.running:,} running, {fleet.pending:,} pending"
        hindrances = _hindrances(service, fleet, time.time())
        cost = await self._cost(service, fleet)
        stops, definition = await self._stops(service, fleet), await self._definition(service, fleet)
        return [good(key, "service", counts), *hindrances, *stops, *definition, cost]

    async def _definition(self, service: ServiceConfig, fleet: Fleet) -> list[Finding]:
        """Report the task definition, its size if that is known, and whether its family has a newer ACTIVE revision."""
        key, definitions = service.ref.key, fleet.task_definitions
        if not definitions or not reads_definitions(service.policy, service.task_price):
            return []
        newest = await self.aws.fleets.newest_revision(service.ref, definitions[0])
        if isinstance(newest, Missing):
            text, remedy = text_and_remedy(newest)
            return [note(key, "task definition", f"{text}: the newest revision of its family is unknown", remedy)]
        size = await self.aws.fleets.task_size(service.ref, definitions[0])
        revisions = Revisions(short_name(definitions[0]), newest)
        text = revision_words(revisions) + ("" if isinstance(size, Missing) else f" ({size.text}, {size.platform})")
        if not revisions.behind:
            return [good(key, "task definition", text)]
        remedy = "deploy the newest revision if the service should run it"
        return [note(key, "task definition", text, remedy)]

    async def _cost(self, service: ServiceConfig, fleet: Fleet) -> Finding:
        """Report the price of a task, and what the present tasks cost in a month. Without a price it is a note."""
        watch = PriceWatch(service.ref)
        definitions, key = fleet.task_definitions, service.ref.key
        if service.task_price is None and definitions:
            watch.know(await self.aws.fleets.task_size(service.ref, definitions[0]))
        price = watch.of(service.task_price, fleet) or NoPrice("ECS returned no task definition")
        if isinstance(price, NoPrice):
            return note(key, "cost", f"no cost in dollars: {price.reason.replace('; ', ', ')}", price.remedy)
        month = dollars(fleet.running * price.dollars_per_hour * HOURS_PER_MONTH)
        return good(key, "cost", f"{price.text}: {several(fleet.running, 'task')} cost {month} a month")

    async def _stops(self, service: ServiceConfig, fleet: Fleet) -> list[Finding]:
        """Report the assumption about workers if `workers` is not set, whether draining workers have enough time, and
        whether the stopTimeout can be read.
        """
        key, policy = service.ref.key, service.policy
        if not needs_stop_timeout(policy):
            return []
        read = [await self.aws.fleets.stop_timeout(service.ref, arn) for arn in fleet.task_definitions]
        stops = [one for one in read if isinstance(one, StopTimeout)]
        stop = min(stops, key=lambda one: one.seconds, default=None)
        found = [_unread_stop(key, gap, policy) for gap in read if isinstance(gap, Missing)][:1]
        work = long_work(policy, None, stop)
        if work is not None:
            found.append(note(key, "workers", work.notice.removesuffix(f". {REMEDY}"), REMEDY))
        elif (short := short_stop(policy, None, stop)) is not None:
            found.append(bad(key, "stopTimeout", short.cause, short.remedy))
        elif stop is not None and policy.workers is None:
            text = f"`workers` is not set: draining is assumed while messages take no longer than {stop_words(stop)}"
            found.append(good(key, "workers", text))
        return found

    async def starts(self, service: ServiceConfig, known: Mapping[str, Any] | None) -> list[Finding]:
        """Report where the start-up time of the tasks goes. `known`: what the daemon has read (None: nothing); else ECS
        is read, as far as it permits it.
        """
        starts = known
        if not known or not known["revisions"]:
            answer = await self.aws.starts.started(service.ref, frozenset())
            if isinstance(answer, Missing):
                text, remedy = text_and_remedy(answer)
                return [note(service.ref.key, STARTS, f"not known: {text}", remedy)]
            revisions = reversed(with_started((), answer.tasks))
            starts = starts_of(StartReport(tuple(map(start_times, revisions)), dropped=answer.dropped))
        newest = starts["revisions"][:1] if starts else []
        return [_starts(service, each) for each in newest] or [good(service.ref.key, STARTS, "not known: no task runs")]

    async def conflicting_scalers(self, service: ServiceConfig) -> list[Finding]:
        """Check whether Application Auto Scaling may change the same count."""
        found, key = await self.aws.fleets.conflicting_scalers(service.ref), service.ref.key
        if isinstance(found, Missing):
            first, without, loss = found.reason.partition("; without it ")
            missed = unread(key, "conflicting scalers", Missing(first, found.kind), needed=False)
            return [replace(missed, text=f"{missed.text}{without}{loss}")]
        if not found:
            return [good(key, "conflicting scalers", "Application Auto Scaling does not change this service")]
        level = note if service.policy.mode is Mode.SHADOW else bad
        remedy = "deregister the scalable target, or keep mode=shadow: with two writers, the last write applies"
        return [level(key, "conflicting scalers", each, remedy) for each in found]

    async def protection(self, service: ServiceConfig) -> list[Finding]:
        """Check that the task protection can be read."""
        found, key = await self.aws.fleets.protected(service.ref), service.ref.key
        if isinstance(found, Missing):
            return [unread(key, "task protection", found)]
        return [good(key, "task protection", f"{protecting(found)} now")]


@dataclass(slots=True)
class _Discovered:
    """The `Directory` and the reporter of one discovery round over tags that were read before."""

    tags_of: dict[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002
        return self.tags_of[cluster]

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        tags, what = self.tags_of[cluster], f"cluster {cluster}"
        asking = sum(DISCOVERY_TAG in each for each in tags.values())
        text = f"{asking} of {several(len(tags), 'service')} have the tag {DISCOVERY_TAG}"
        usable = "" if services == asking else f"; {services} can be scaled by tags"
        self.findings.append(good(DAEMON, what, f"{text}{usable}"))
        self.findings += (bad(DAEMON, what, *split(str(problem), "correct the tag")) for problem in problems)

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None: ...


def _starts(service: ServiceConfig, times: Mapping[str, Any]) -> Finding:
    """Return a note if a start takes more than half of the latency target and it is known what makes it shorter."""
    text = f"{times['text']} ({several(times['whole']['starts'], 'start')} of {times['revision']})"
    late_s = times["whole"]["median_s"] if times["kinds"] is None else times["kinds"]["slow_s"]
    if times["remedy"] is None or late_s <= service.policy.shortest_latency_s / 2:
        return good(service.ref.key, STARTS, text)
    return note(service.ref.key, STARTS, text, times["remedy"])


def _unread_stop(key: str, gap: Missing, policy: Policy) -> Finding:
    text, remedy = text_and_remedy(gap)
    if policy.workers is not None:
        return note(key, "stopTimeout", f"{text}: it is not compared with the processing time", remedy)
    return note(
        key,
        "stopTimeout",
        f"{text}: {STOP_TIMEOUT_S:g} s is assumed",
        f"{remedy}, or set workers, so that stopTimeout is not read",
    )


def _hindrances(service: ServiceConfig, fleet: Fleet, wall: float) -> Iterator[Finding]:
    key, ref, policy = service.ref.key, service.ref, service.policy
    if not policy.min_tasks <= fleet.desired <= policy.max_tasks:
        yield note(
            key,
            "bounds",
            f"{fleet.desired:,} desired, outside min_tasks {policy.min_tasks:,} and max_tasks {policy.max_tasks:,}",
            "no action if this is intended: the daemon raises a lower count at once, and scales in a higher one later",
        )
    if fleet.trouble is not None:
        row = classify(fleet.trouble.reason)
        known = f"{row.remedy}. " if row is not UNKNOWN else ""
        remedy = f"{known}`autoscaler diagnose {key}` shows the tasks that stopped"
        yield bad(key, "task starts", f"ECS reports: {fleet.trouble.reason.rstrip('. ')}", remedy)
    if (many := many_deployments(fleet)) is not None:
        yield note(key, "deployments", many.cause, many.remedy)
    if (risk := rebalancing_risk(policy, fleet, ref.cluster, ref.service, ref.region)) is not None:
        yield note(key, "zone rebalancing", risk.cause, risk.remedy)
    if fleet.deployment is not None and policy.deployments.hold_scale_in:
        yield note(key, "deployment", "a deployment is in progress: no scale-in until it ends", "no action needed")
    if fleet.pause_tag is not None:
        yield _pause(key, fleet.pause_tag, wall)
    elif policy.paused is not None:
        yield note(key, "pause", f"the setting `paused` is {policy.paused}", "remove the setting to resume scaling")


def _pause(key: str, tag: str, wall: float) -> Finding:
    remedy = f"`autoscaler resume {key}` removes the tag"
    match read_tag(tag):
        case Missing(reason=reason):
            return bad(key, "pause", f"everything is paused: {reason}", remedy)
        case TagPause(until=until) if until <= wall:
            return note(key, "pause", f"the tag autoscaler:paused is {tag!r}: this pause has ended", remedy)
        case TagPause(until=until):
            end = "" if math.isfinite(until) else ", without an end"
            return note(key, "pause", f"the tag autoscaler:paused is {tag!r}{end}", remedy)
