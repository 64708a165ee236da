"""The loops of all services, in one TaskGroup: they come, change and go as the settings do. A bug in one ends them all.

Loops tick in groups that are spread evenly over the interval: a wake-up costs as much as a call, and those of a
cluster share one. A service that is given up is left as it is, after its tick under way; only then does another loop
begin, so that no two ever write to one service.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from autoscaler.config import Config, Service
from autoscaler.control.admission import Admission
from autoscaler.control.cadence import READINGS
from autoscaler.control.loop import Ports, Rhythm, ServiceLoop
from autoscaler.control.read_budget import ReadBudget
from autoscaler.core.model import Instant
from autoscaler.ports import ServiceRef

GRACE_S = 4.0
"""How long a tick may take to finish once stopping was asked for; then it is cut. Together with closing, under 5 s."""

MOST_GROUPS = 16
"""A thousand services spread singly took 14 % of a core in bare calls, in 16 groups 6 %."""


SPREAD = tuple(sorted(range(MOST_GROUPS), key=lambda group: f"{group:04b}"[::-1]))
"""The order in which groups are begun, so that few are spread over the interval: 0, 8, 4, 12, ..."""


class Listing(Protocol):
    """Where people see which services there are."""

    def admit(self, service: Service, silent_after_s: float) -> None:
        """The service is looked after from now on, or with other settings. One that is silent for longer is hung."""

    def forget(self, key: str) -> None:
        """It is not any more."""


@dataclass(slots=True)
class _Member:
    """One service, and its loop while that runs."""

    service: Service
    group: int
    pace: tuple[float, float]
    loop: ServiceLoop
    task: asyncio.Task[None]
    stopping: asyncio.Event


class Supervisor:
    """`ports_of` gives a service its ports: in shadow they write nothing. `silence_s` says how long a service that is
    looked at so often, in seconds, may be silent before something is wrong with its loop.
    """

    def __init__(
        self,
        ports_of: Callable[[Service], Ports],
        clock: Callable[[], Instant],
        admission: Admission,
        read_budget: ReadBudget,
        listing: Listing,
        *,
        silence_s: Callable[[Service, float], float],
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
        """Every service of the newest settings is looked after, until `stopping` is set and each loop has finished its
        tick, or was cut after `GRACE_S`.

        Raises an ExceptionGroup if a loop or the settings raised: that is a bug of ours, and the process should end of
        it.
        """
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow(group, settings))
            await stopping.wait()
            following.cancel()
            await asyncio.wait([following])
            await _ended(self._members.values())

    async def _follow(self, group: asyncio.TaskGroup, settings: AsyncIterator[Config]) -> None:
        async for config in settings:
            if self._is_first_round:
                self._began = self._clock()
            await self._assign(group, config)
            self._is_first_round = False

    async def _assign(self, group: asyncio.TaskGroup, config: Config) -> None:
        wanted = {service.ref.key: service for service in config.services}
        stays = {
            key for key, member in self._members.items() if key in wanted and wanted[key].ref == member.service.ref
        }
        await self._give_up([key for key in self._members if key not in stays])
        sizes = Counter(member.group for member in self._members.values())
        groups = grouped([service for key, service in wanted.items() if key not in stays], sizes)
        are_few = len(groups) <= max(MOST_GROUPS, len(wanted) // MOST_GROUPS)
        for key, service in wanted.items():
            member = self._members.get(key)
            if member is None:
                self._take_on(group, service, groups[key], config, at_once=are_few and not self._is_first_round)
            else:
                self._tell(member, service, config)

    async def _give_up(self, keys: list[str]) -> None:
        leaving = [self._members[key] for key in keys]
        await _ended(leaving)
        for key, member in zip(keys, leaving, strict=True):
            del self._members[key]
            self._admission.leave(key)
            self._read_budget.leave(member.service.ref, member.group)
            self._listing.forget(key)

    def _take_on(
        self, group: asyncio.TaskGroup, service: Service, number: int, config: Config, *, at_once: bool
    ) -> None:
        self._read_budget.join(service.ref, number)
        self._admission.join(service.ref.key)
        self._list(service, config)
        rhythm = self._rhythm(service, config, self._offset_s(number, interval_of(service, config), at_once=at_once))
        loop = ServiceLoop(service, self._ports_of(service), rhythm, self._admission)
        stopping = asyncio.Event()
        task = group.create_task(loop.run(stopping))
        pace = config.interval_s, config.quiet_interval_s
        self._members[service.ref.key] = _Member(service, number, pace, loop, task, stopping)

    def _tell(self, member: _Member, service: Service, config: Config) -> None:
        pace = config.interval_s, config.quiet_interval_s
        if (service, service.chosen, pace) != (member.service, member.service.chosen, member.pace):
            self._list(service, config)
        if (service, pace) != (member.service, member.pace):
            member.loop.adopt(service, self._ports_of(service), self._rhythm(service, config))
        member.service, member.pace = service, pace

    def _list(self, service: Service, config: Config) -> None:
        interval_s, bearable_s = interval_of(service, config), service.policy.shortest_latency_s / READINGS
        slowest_s = max(3 * interval_s, interval_s + min(config.quiet_interval_s, bearable_s))
        self._listing.admit(service, self._silence_s(service, slowest_s))

    def _offset_s(self, group: int, interval_s: float, *, at_once: bool) -> float:
        """The looks are in step with the others of the group, whenever they began. Of a few newcomers the first one
        comes `at_once`, beside that. In the first round nobody waits for another, although to take on ten thousand
        takes a second.
        """
        wait_s = self._began + group * interval_s / MOST_GROUPS - self._clock()
        if self._is_first_round:
            return max(0.0, wait_s)
        return -(-wait_s % interval_s) if at_once else wait_s % interval_s

    def _rhythm(self, service: Service, config: Config, offset_s: float = 0.0) -> Rhythm:
        every_s = partial(self._read_budget.every_s, service.ref)
        return Rhythm(interval_of(service, config), offset_s, config.quiet_interval_s, every_s)


def interval_of(service: Service, config: Config) -> float:
    """At least three looks in the service's own shortest latency: what its tags say hurries nobody else."""
    return min(config.interval_s, service.policy.shortest_latency_s / READINGS)


def grouped(newcomers: Iterable[Service], sizes: Mapping[int, int]) -> dict[str, int]:
    """Each newcomer's group, by his key. `sizes`: how many are in each group already. Those of a cluster stay together
    as far as all groups can be alike in size.
    """
    filled, together = Counter(sizes), sorted(newcomers, key=lambda service: _together(service.ref))
    share = -(-(filled.total() + len(together)) // MOST_GROUPS)
    found, group = dict[str, int](), min(SPREAD, key=lambda each: filled[each])
    for service in together:
        if filled[group] >= share:
            group = min(SPREAD, key=lambda each: filled[each])
        found[service.ref.key] = group
        filled[group] += 1
    return found


def _together(service: ServiceRef) -> tuple[str, str, str]:
    return service.region or "", service.role.arn if service.role else "", service.cluster


async def _ended(members: Iterable[_Member]) -> None:
    """Each has finished its tick, or was cut after `GRACE_S`."""
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
