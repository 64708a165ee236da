"""Runs the loops of all services in one TaskGroup, and adds, updates and removes them with the settings.

A bug in one loop ends them all. Loops poll in groups that are spread evenly over the interval: a wake-up costs as much
as a call, and services of a cluster in the same group share a call. A removed service keeps its count. Its poll in
progress ends before another loop starts, so two loops never write to one service.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from autoscaler.config import Config, ServiceConfig
from autoscaler.control.admission import Admission
from autoscaler.control.cadence import READINGS, Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Instant
from autoscaler.ports import Ports, ServiceRef

GRACE_S = 4.0
"""Seconds for a poll to finish after a stop request; then it is cancelled. With the time to close connections, the
total is under 5 s.
"""

MOST_GROUPS = 16
"""The calls of a thousand services used 14 % of a core without groups, and 6 % in 16 groups."""


SPREAD = tuple(sorted(range(MOST_GROUPS), key=lambda group: f"{group:04b}"[::-1]))
"""The order in which groups are filled, so that a few groups are spread over the interval: 0, 8, 4, 12, ..."""


class Listing(Protocol):
    """The list of services that operators see."""

    def admit(self, service: ServiceConfig, silent_after_s: float) -> None:
        """Add the service, or update its settings. Without a poll for `silent_after_s` seconds it counts as hung."""

    def forget(self, key: str) -> None:
        """Remove the service."""


@dataclass(slots=True)
class _Member:
    """One service and its loop. `reads`: its queues that are counted in the read budget."""

    service: ServiceConfig
    group: int
    reads: int
    pace: tuple[float, bool, float]
    loop: ServiceLoop
    task: asyncio.Task[None]
    stopping: asyncio.Event


class Supervisor:
    """Runs and updates the loops of all services. `ports_of` returns the ports of a service; in shadow they write
    nothing. `silence_s` returns the seconds without a poll after which a service counts as hung, from its longest time
    between two polls.
    """

    def __init__(
        self,
        ports_of: Callable[[ServiceConfig], Ports],
        clock: Callable[[], Instant],
        admission: Admission,
        read_budget: ReadBudget,
        listing: Listing,
        *,
        silence_s: Callable[[ServiceConfig, float], float],
    ) -> None:
        self._ports_of = ports_of
        self._clock = clock
        self._admission = admission
        self._read_budget = read_budget
        self._listing = listing
        self._silence_s = silence_s
        self._began = clock()
        self._is_first_round = True
        self._members: dict[str, _Member] = {}

    async def run(self, settings: AsyncIterator[Config], stopping: asyncio.Event) -> None:
        """Run the loops of the newest settings until `stopping` is set. Then each loop finishes its poll, or is
        cancelled after `GRACE_S`.

        Raises an ExceptionGroup if a loop or the settings raised: that is a bug, and must end the process.
        """
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(group, settings))
            await stopping.wait()
            following.cancel()
            await asyncio.wait([following])
            await _stop(self._members.values())

    def wake(self, key: str) -> None:
        """Poll the service sooner, because of an event. An unknown key is ignored: the service was just removed."""
        member = self._members.get(key)
        if member is not None:
            member.loop.wake()

    async def _follow(self, group: asyncio.TaskGroup, settings: AsyncIterator[Config]) -> None:
        async for config in settings:
            if self._is_first_round:
                self._began = self._clock()
            await self._assign(group, config)
            self._is_first_round = False

    async def _assign(self, group: asyncio.TaskGroup, config: Config) -> None:
        configured = {service.ref.key: service for service in config.services}
        staying = {
            key
            for key, member in self._members.items()
            if key in configured and configured[key].ref == member.service.ref
        }
        await self._remove([key for key in self._members if key not in staying])
        sizes = Counter(member.group for member in self._members.values())
        groups = grouped([service for key, service in configured.items() if key not in staying], sizes)
        are_few = len(groups) <= max(MOST_GROUPS, len(configured) // MOST_GROUPS)
        for key, service in configured.items():
            member = self._members.get(key)
            if member is None:
                self._add(group, service, groups[key], config, at_once=are_few and not self._is_first_round)
            else:
                self._update(member, service, config)

    async def _remove(self, keys: list[str]) -> None:
        leaving = [self._members[key] for key in keys]
        await _stop(leaving)
        for key, member in zip(keys, leaving, strict=True):
            del self._members[key]
            self._admission.leave(key)
            self._read_budget.leave(member.service.ref, member.group, member.reads)
            self._listing.forget(key)

    def _add(
        self, group: asyncio.TaskGroup, service: ServiceConfig, number: int, config: Config, *, at_once: bool
    ) -> None:
        reads = len(service.queues)
        self._read_budget.join(service.ref, number, reads)
        self._admission.join(service.ref.key)
        self._list(service, config)
        rhythm = self._rhythm(service, config, self._offset_s(number, interval_of(service, config), at_once=at_once))
        loop = ServiceLoop(service, self._ports_of(service), rhythm, self._admission)
        stopping = asyncio.Event()
        task = group.create_task(loop.run(stopping))
        self._members[service.ref.key] = _Member(service, number, reads, _pace(config), loop, task, stopping)

    def _update(self, member: _Member, service: ServiceConfig, config: Config) -> None:
        pace = _pace(config)
        if (service, service.chosen, pace) != (member.service, member.service.chosen, member.pace):
            self._list(service, config)
        if (service, pace) != (member.service, member.pace):
            member.loop.adopt(service, self._ports_of(service), self._rhythm(service, config))
        member.service, member.pace = service, pace

    def _list(self, service: ServiceConfig, config: Config) -> None:
        interval_s, most_s = interval_of(service, config), service.policy.shortest_latency_s / READINGS
        slowest_s = max(3 * interval_s, interval_s + min(config.quiet_interval_s, most_s))
        self._listing.admit(service, self._silence_s(service, slowest_s))

    def _offset_s(self, group: int, interval_s: float, *, at_once: bool) -> float:
        """Return the seconds until the first poll, in step with the polls of the group. `at_once` (only with few new
        services): the first poll is immediate, the next ones are in step. In the first round the offset counts from the
        start of the daemon, because adding ten thousand services takes a second.
        """
        wait_s = self._began + group * interval_s / MOST_GROUPS - self._clock()
        if self._is_first_round:
            return max(0.0, wait_s)
        return -(-wait_s % interval_s) if at_once else wait_s % interval_s

    def _rhythm(self, service: ServiceConfig, config: Config, offset_s: float = 0.0) -> Rhythm:
        budget, ref = self._read_budget, service.ref
        return Rhythm(
            interval_of(service, config),
            offset_s,
            config.quiet_interval_s,
            partial(budget.every_s, ref),
            derived=config.interval_is_derived,
            least_s=partial(budget.least_s, ref),
        )


def _pace(config: Config) -> tuple[float, bool, float]:
    return config.interval_s, config.interval_is_derived, config.quiet_interval_s


def interval_of(service: ServiceConfig, config: Config) -> float:
    """Return the service's longest poll interval while messages are expected: at most a third of its own shortest
    latency. Other services keep theirs.
    """
    return min(config.interval_s, service.policy.shortest_latency_s / READINGS)


def grouped(newcomers: Iterable[ServiceConfig], sizes: Mapping[int, int]) -> dict[str, int]:
    """Return the group of each new service, by its key. `sizes`: the present number of services per group. Services of
    a cluster stay together as far as the groups stay equal in size.
    """
    filled, sorted_newcomers = Counter(sizes), sorted(newcomers, key=lambda service: _sort_key(service.ref))
    share = -(-(filled.total() + len(sorted_newcomers)) // MOST_GROUPS)
    found, group = dict[str, int](), min(SPREAD, key=lambda each: filled[each])
    for service in sorted_newcomers:
        if filled[group] >= share:
            group = min(SPREAD, key=lambda each: filled[each])
        found[service.ref.key] = group
        filled[group] += 1
    return found


def _sort_key(service: ServiceRef) -> tuple[str, str, str]:
    return service.region or "", service.role.arn if service.role else "", service.cluster


async def _stop(members: Iterable[_Member]) -> None:
    """Stop the loops. Each finishes its poll, or is cancelled after `GRACE_S`."""
    tasks = []
    for member in members:
        member.stopping.set()
        tasks.append(member.task)
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=GRACE_S)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)


# The interval at which each service is read from ECS, so that the reads of all services fit the daemon's share of the
# rate.
#
# Ten services of a cluster that are polled together are one call. At 5 calls a second, 400 services of one cluster are
# read every 10 s, and ten thousand every 250 s. Services that are changing are read at each poll in any case.

USED_RATIO = 0.8
"""The used share of the rate. The rest is for services that are changing, and for reads before a write."""

POLLS_PER_S = 200.0
"""Polls of all services a second up to which derived intervals are shorter than the longest one. A poll takes about 0.6
ms of CPU, so this is an eighth of a core: 1,000 services are polled every 5 s, and 2,000 every 10 s.
"""

PollGroup: TypeAlias = Hashable
"""Services of one cluster that are polled together, or the services of one account and Region."""


class ReadBudget:
    """Computes the read interval. `rate` returns the permitted calls per second, and `queue_rate` those to SQS.
    `per_call` is the number of services of one call.
    """

    def __init__(
        self, rate: Callable[[], float], per_call: int, queue_rate: Callable[[], float] = lambda: float("inf")
    ) -> None:
        self._rate = rate
        self._queue_rate = queue_rate
        self._per_call = per_call
        self._groups: dict[PollGroup, Counter[PollGroup]] = {}
        self._calls: Counter[PollGroup] = Counter()
        self._reads: Counter[PollGroup] = Counter()
        self._services = 0

    def join(self, service: ServiceRef, group: int, queues: int = 1) -> None:
        self._count(service, group, 1)
        self._reads[_rate_scope(service)] += queues

    def leave(self, service: ServiceRef, group: int, queues: int = 1) -> None:
        self._count(service, group, -1)
        self._reads[_rate_scope(service)] -= queues

    def least_s(self, service: ServiceRef) -> float:
        """Return the shortest interval at which all services can be polled: the same for each service of an account and
        Region, so that none takes the calls of another.
        """
        reads_s = self._reads[_rate_scope(service)] / (self._queue_rate() * USED_RATIO)
        return max(reads_s, self._services / POLLS_PER_S)

    def every_s(self, service: ServiceRef) -> float:
        """Return the seconds that one read of all services of the same account and Region takes."""
        return self._calls[_rate_scope(service)] / (self._rate() * USED_RATIO)

    def _count(self, service: ServiceRef, group: int, change: int) -> None:
        scope, key = _rate_scope(service), (service.cluster, group)
        members = self._groups.setdefault(scope, Counter())
        before = -(-members[key] // self._per_call)
        members[key] += change
        self._calls[scope] += -(-members[key] // self._per_call) - before
        self._services += change


def _rate_scope(service: ServiceRef) -> PollGroup:
    """Return the account and Region: their services share a rate."""
    return service.region, service.role and service.role.account
