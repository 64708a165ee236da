"""Who asks CloudWatch when: all that is wanted of a place, a Region as one role, in one question
a minute, for everybody who asks.

The first who asks for a metric has it asked for at once, together with all who ask within `GATHER_S`. From then on it
is asked for with the others of its place, once a minute, for as long as somebody wants it. An answer stands until the
place's next question. An error stands for nobody but those who waited for it, and spoils nobody else's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from autoscaler.aws.batches import batches
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.in_flight import GATHER_S, InFlight
from autoscaler.aws.minutes import MOST_METRICS, PERIOD_S, Minutes, complete_minutes
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NoCredentials, Throttled, Unavailable
from autoscaler.ports import CloudWatchMetric, Place

WANTED_S = 300.0
"""What nobody asked for during so many seconds is not asked for any more: its service is gone."""

NOBODYS_OWN = (Throttled, Unavailable, Denied, NoCredentials, ClockSkewed)
"""What a question meets whatever it asks for. Any other error may be one metric's: the rest is asked for without it."""


class _Wanted(NamedTuple):
    """Who asked for a metric last, under what name, and when."""

    subject: str
    key: str
    at: Instant


Faults: TypeAlias = dict[CloudWatchMetric, AutoscalerError]


@dataclass(slots=True)
class _Page:
    """One place. `asking`: the question that is under way for a metric; `gathering`: the one that others may join."""

    place: Place
    due: Instant = float("-inf")
    wanted: dict[CloudWatchMetric, _Wanted] = field(default_factory=dict)
    found: dict[CloudWatchMetric, Minutes] = field(default_factory=dict)
    asking: dict[CloudWatchMetric, asyncio.Task[Faults]] = field(default_factory=dict)
    gathering: asyncio.Task[Faults] | None = None


class MinuteBook:
    """What CloudWatch has of the last minutes, by metric. To be closed: questions may be under way."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._pages: dict[Place, _Page] = {}
        self._under_way = InFlight[Faults]()

    async def minutes(self, subject: str, place: Place, metrics: Mapping[str, CloudWatchMetric]) -> dict[str, Minutes]:
        """The complete minutes of each metric, by its key. Raises `AutoscalerError` where any could not be read."""
        place = place._replace(region=place.region or self._caller.region())
        page = self._pages.setdefault(place, _Page(place))
        now = self._clocks.now()
        page.wanted |= {metric: _Wanted(subject, key, now) for key, metric in metrics.items()}
        if now >= page.due or not set(metrics.values()) <= page.found.keys():
            faults = await self._asked(page, metrics.values())
            for metric in metrics.values():
                if metric in faults:
                    raise faults[metric]
        if any(metric not in page.found for metric in metrics.values()):
            raise Unavailable(f"{subject} in {place.region}: CloudWatch did not answer in time; it is tried again")
        return {key: page.found[metric] for key, metric in metrics.items()}

    async def close(self) -> None:
        """No question is under way any more."""
        await self._under_way.close()

    async def _asked(self, page: _Page, metrics: Iterable[CloudWatchMetric]) -> Faults:
        """Who gives up waiting does not end a question that others wait for."""
        questions = {page.asking.get(metric) or self._joined(page) for metric in metrics}
        faults: Faults = {}
        for question in questions:
            faults |= await asyncio.shield(question)
        return faults

    def _joined(self, page: _Page) -> asyncio.Task[Faults]:
        if page.gathering is None:
            page.gathering = self._under_way.begin(self._gather(page))
        return page.gathering

    async def _gather(self, page: _Page) -> Faults:
        await asyncio.sleep(GATHER_S)
        metrics = self._due(page)
        if page.gathering is not None:
            page.asking |= dict.fromkeys(metrics, page.gathering)
        page.gathering = None
        try:
            answers = [self._ask(page, part) for part in batches(metrics, MOST_METRICS)]
            return {metric: fault for faults in await asyncio.gather(*answers) for metric, fault in faults.items()}
        finally:
            own = asyncio.current_task()
            for metric in metrics:
                if page.asking.get(metric) is own:
                    del page.asking[metric]

    def _due(self, page: _Page) -> list[CloudWatchMetric]:
        """All that is still wanted, once a minute; in between what is new. The minute counts from when it was due, not
        from when it was asked: else ticks that jitter make 70 s of 60.
        """
        now = self._clocks.now()
        if now < page.due:
            return [metric for metric in page.wanted if metric not in page.found and metric not in page.asking]
        page.due = (page.due if now - page.due < PERIOD_S else now) + PERIOD_S
        page.wanted = {metric: wanted for metric, wanted in page.wanted.items() if now - wanted.at <= WANTED_S}
        page.found = {metric: minutes for metric, minutes in page.found.items() if metric in page.wanted}
        return list(page.wanted)

    async def _ask(self, page: _Page, metrics: Sequence[CloudWatchMetric]) -> Faults:
        """The answers are in the page; what could not be read is not, and is returned."""
        metrics = [metric for metric in metrics if metric in page.wanted]
        if not metrics:
            return {}
        named = dict(zip(_names(page.wanted[metric].key for metric in metrics), metrics, strict=True))
        subjects = {name: page.wanted[metric].subject for name, metric in named.items()}
        try:
            answers = await complete_minutes(self._caller, self._clocks, subjects, page.place, named)
        except NOBODYS_OWN as fault:
            return self._failed(page, metrics, fault)
        except AutoscalerError as fault:
            if len(metrics) == 1:
                return self._failed(page, metrics, fault)
            half = len(metrics) // 2
            return await self._ask(page, metrics[:half]) | await self._ask(page, metrics[half:])
        faults: Faults = {}
        for name, answer in answers.items():
            if isinstance(answer, AutoscalerError):
                faults |= self._failed(page, [named[name]], answer)
            else:
                page.found[named[name]] = answer
        return faults

    def _failed(self, page: _Page, metrics: Sequence[CloudWatchMetric], fault: AutoscalerError) -> Faults:
        for metric in metrics:
            page.found.pop(metric, None)
        return dict.fromkeys(metrics, fault)


def _names(keys: Iterable[str]) -> Iterator[str]:
    """Each key, numbered where it was there before: Ids of one question differ."""
    seen: dict[str, int] = {}
    for key in keys:
        before = seen[key] = seen.get(key, -1) + 1
        yield f"{key}_{before}" if before else key
