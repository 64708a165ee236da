"""The checks of AWS: each reads once through the daemon's ports, and changes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from autoscaler.aws import Aws
from autoscaler.aws.sqs import region_in
from autoscaler.config import ServiceConfig
from autoscaler.config.discovering import DISCOVERY_TAG
from autoscaler.control.observing import required_meters
from autoscaler.control.readers import TagPause, read_tag
from autoscaler.core.figures import are, number, protecting, several
from autoscaler.core.model import Fleet, Missing, StopTimeout
from autoscaler.core.policy import Mode
from autoscaler.core.workers import REMEDY, STOP_TIMEOUT_S, long_work, stop_words
from autoscaler.errors import AutoscalerError, NotFound
from autoscaler.operating.doctor.findings import DAEMON, Finding, Level, bad, good, note, text_and_remedy, unread
from autoscaler.ports import CloudWatchMetric, Gauges, MetricSource, Place, QueueRef

NO_DATA = "no_data"

MINUTE_S, DAY_S = 60, 86_400

RECEIVES_DAYS = 14
"""The number of past days in which receives from a queue count."""


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks and their ports. `region`: the default Region (None: not known). `account`: the account of the
    credentials (None: not known).
    """

    aws: Aws
    gauges: Gauges
    region: str | None
    account: str | None = None

    async def cluster(self, cluster: str, place: Place) -> list[Finding]:
        """Count the services of the cluster that are enabled by tag."""
        try:
            tags = await self.aws.directory.tags(cluster, place)
        except AutoscalerError as fault:
            return [unread(DAEMON, f"cluster {cluster}", fault)]
        asking = sum(DISCOVERY_TAG in each for each in tags.values())
        text = f"{asking} of {several(len(tags), 'service')} have the tag {DISCOVERY_TAG}"
        return [good(DAEMON, f"cluster {cluster}", text)]

    async def service(self, service: ServiceConfig) -> list[Finding]:
        """Check that the service exists and can be scaled, and report what prevents scaling now."""
        fleet, key = await self.aws.fleets.read(service.ref), service.ref.key
        if isinstance(fleet, Missing):
            return [unread(key, "service", fleet)]
        counts = f"{fleet.desired:,} desired, {fleet.running:,} running, {fleet.pending:,} pending"
        hindrances = _hindrances(service, fleet, time.time())
        return [good(key, "service", counts), *hindrances, *await self._stops(service, fleet)]

    async def _stops(self, service: ServiceConfig, fleet: Fleet) -> list[Finding]:
        """Report the assumption about workers if `workers` is not set, and whether the stopTimeout can be read."""
        key, policy = service.ref.key, service.policy
        if policy.workers is not None:
            return []
        read = [await self.aws.fleets.stop_timeout(service.ref, arn) for arn in fleet.task_definitions]
        stops = [one for one in read if isinstance(one, StopTimeout)]
        stop = min(stops, key=lambda one: one.seconds, default=None)
        found = [_unread_stop(key, gap) for gap in read if isinstance(gap, Missing)][:1]
        work = long_work(policy, None, stop)
        if work is not None:
            found.append(note(key, "workers", work.notice.removesuffix(f". {REMEDY}"), REMEDY))
        elif stop is not None:
            text = f"`workers` is not set: draining is assumed while messages take no longer than {stop_words(stop)}"
            found.append(good(key, "workers", text))
        return found

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

    async def queue(self, service: ServiceConfig, queue: QueueRef) -> list[Finding]:
        """Check that the queue exists, and report its Region."""
        found, key, what = await self.aws.queues.backlog(queue), service.ref.key, f"queue {queue.name}"
        if isinstance(found, Missing):
            return [unread(key, what, found)]
        place = _place(queue)
        counts = f"{found.visible:,} visible, {found.in_flight:,} in flight, {found.delayed:,} delayed{place}"
        return [good(key, what, counts), *self._elsewhere(service, queue)]

    def _elsewhere(self, service: ServiceConfig, queue: QueueRef) -> Iterator[Finding]:
        """Report a queue in another Region than the service, if the service's settings name no Region."""
        here = service.ref.region or self.region
        if queue.region and here and queue.region != here:
            yield note(
                service.ref.key,
                f"queue {queue.name}",
                f"the queue is in {queue.region}, the service in {here}",
                "no action if this is intended. Otherwise correct one of the two Regions",
            )

    async def polled(self, service: ServiceConfig, queue: QueueRef) -> list[Finding]:
        """Check that a consumer receives from the queue while tasks of the service run: it may be the wrong queue."""
        key, what = service.ref.key, f"receives from queue {queue.name}"
        fleet = await self.aws.fleets.read(service.ref)
        if isinstance(fleet, Missing):
            return [_unchecked(key, what, fleet)]
        if fleet.running == 0:
            return [good(key, what, "no task is running, so no receives are expected")]
        backlog = await self.aws.queues.backlog(queue)
        if isinstance(backlog, Missing):
            return [_unchecked(key, what, backlog)]
        if backlog.in_flight:
            return [good(key, what, f"{_many(backlog.in_flight, 'message')} in flight now")]
        return [await self._received(key, what, queue, fleet.running)]

    async def _received(self, key: str, what: str, queue: QueueRef, running: int) -> Finding:
        """Check whether CloudWatch has counted a receive, including empty ones."""
        end = time.time() // MINUTE_S * MINUTE_S
        try:
            periods = await self.aws.history.received(queue, [(end - RECEIVES_DAYS * DAY_S, end, DAY_S)])
        except NotFound:
            periods = ()
        except AutoscalerError as fault:
            return _unchecked(key, what, fault)
        receives = sum(total for *_, total in periods)
        if receives > 0:
            return good(key, what, f"{receives:,.0f} in the last {RECEIVES_DAYS} days, including empty ones")
        return self._unpolled(key, what, queue, running)

    def _unpolled(self, key: str, what: str, queue: QueueRef, running: int) -> Finding:
        """Report a queue without receives. The metrics of a queue are only in its own account."""
        account = self.account if queue.role is None else queue.role.account
        owner = queue.account or account
        region = queue.region or (None if queue.url is None else region_in(queue.url)) or self.region or "no Region"
        where = f"queue {queue.name} in {region}, account {owner or 'unknown'}"
        if queue.account is not None and queue.account != account:
            text = f"{where}: its CloudWatch metrics are in that account, and account {account or 'unknown'} was read"
            return _unchecked(key, what, Missing(f"{text}; check NumberOfEmptyReceives of the queue in its account"))
        return bad(
            key,
            what,
            f"{_many(running, 'task')} running, but nothing receives from {where}: no message is in flight, and "
            f"CloudWatch shows neither NumberOfMessagesReceived nor NumberOfEmptyReceives above 0 in the last "
            f"{RECEIVES_DAYS} days",
            "check the Region (another Region may have a queue of this name) and the spelling, or configure the "
            "queue's ARN. Check that the workers poll this queue. If the first tasks started less than 15 minutes ago, "
            "run `autoscaler doctor` again later",
        )

    async def minute(self, service: ServiceConfig, queue: QueueRef) -> list[Finding]:
        """Check that CloudWatch has the queue's minutes: learning uses them."""
        found, key, what = (
            await self.aws.meters.minute(queue),
            service.ref.key,
            f"CloudWatch metrics of queue {queue.name}",
        )
        if not isinstance(found, Missing):
            return [good(key, what, "CloudWatch has the metrics of the last minute")]
        if found.kind == NO_DATA:
            return [note(key, what, *text_and_remedy(found))]
        return [unread(key, what, found, needed=False)]

    async def meters(self, service: ServiceConfig) -> list[Finding]:
        """Check that CPU and memory can be read, if a target or formula uses them."""
        required, key = required_meters(service.policy), service.ref.key
        reads = {"cpu_percent": self.aws.meters.cpu, "memory_percent": self.aws.meters.memory}
        found = {name: await read(service.ref) for name, read in reads.items() if name in required}
        return [
            _metered(key, name, got, "" if isinstance(got, Missing) else f"{number(got.percent)} %")
            for name, got in found.items()
        ]

    async def metric(self, service: ServiceConfig, name: str, source: MetricSource) -> list[Finding]:
        """Check that a configured metric can be read."""
        if isinstance(source, CloudWatchMetric):
            found = await self.aws.meters.measure(service.ref, source)
        else:
            found = await self.gauges.measure(source)
        value = "" if isinstance(found, Missing) else f"{number(found.value)}"
        return [_metered(service.ref.key, f"metric {name}", found, value)]


def _unchecked(key: str, what: str, gap: Missing | AutoscalerError) -> Finding:
    text, remedy = text_and_remedy(gap)
    return Finding(Level.UNKNOWN, key, what, f"could not be checked: {text}", remedy)


def _unread_stop(key: str, gap: Missing) -> Finding:
    text, remedy = text_and_remedy(gap)
    return note(
        key,
        "stopTimeout",
        f"{text}: {STOP_TIMEOUT_S:g} s is assumed",
        f"{remedy}, or set workers, so that stopTimeout is not read",
    )


def _many(count: int, noun: str) -> str:
    return are(count, noun)


def _metered(key: str, what: str, found: object, value: str) -> Finding:
    if not isinstance(found, Missing):
        return good(key, what, value)
    return note(key, what, *text_and_remedy(found)) if found.kind == NO_DATA else unread(key, what, found)


def _hindrances(service: ServiceConfig, fleet: Fleet, wall: float) -> Iterator[Finding]:
    key, policy = service.ref.key, service.policy
    if not policy.min_tasks <= fleet.desired <= policy.max_tasks:
        yield note(
            key,
            "bounds",
            f"{fleet.desired:,} desired, outside min_tasks {policy.min_tasks:,} and max_tasks {policy.max_tasks:,}",
            "no action if this is intended: the daemon raises a lower count at once, and scales in a higher one later",
        )
    if fleet.trouble is not None:
        yield bad(
            key,
            "task starts",
            f"ECS reports: {fleet.trouble.reason}",
            "check the events of the ECS service: capacity, quotas, image, placement",
        )
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


def _place(queue: QueueRef) -> str:
    """Return the queue's Region from its ARN or URL, as text."""
    named = None if queue.url is None else region_in(queue.url)
    by = " by its URL" if named else ""
    return f"; in {queue.region or named}{by}" if queue.region or named else ""
