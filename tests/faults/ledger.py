"""What passed between the daemon and AWS about one service: answers, requests, and the truth at their times.

The auditor (`auditor.py`) reads nothing else: neither the daemon's memory nor its log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from autoscaler.core.model import Fleet
from autoscaler.ports import QueueMinute
from tests.fakeaws.world.queues import FakeCounts
from tests.faults.drawing import ServiceSpec

RACE_S = 18.0
"""The oldest reading on which a request is based when it arrives: 5 s, a wait of 10 s for a rate-limit token, and a
call of 3 s. What another writer did since then cannot be known.
"""

SETTLED_S = 40.0
"""Seconds from a written settings file to its last effect: two checks of the file, a poll interval, a slow poll, and a
wait for a token.
"""

MOST = 600
NEVER = float("-inf")


class QueueAnswer(NamedTuple):
    """Counts of a queue that were requested at `asked` and answered at `at` (None: an error, or no answer)."""

    asked: float
    at: float
    counts: FakeCounts | None


class FleetAnswer(NamedTuple):
    asked: float
    at: float
    fleet: Fleet | None


def _answers() -> deque[QueueAnswer]:
    return deque(maxlen=MOST)


@dataclass(slots=True)
class ServiceLedger:
    """One service. `words`: what its operator wrote in the settings, with the times, oldest first; None: removed.

    `desired`: the true desired counts with their times. `identity`: as ECS last showed it. `since`: answers before it
    are not about the present service and daemon. `switched_off`: another writer set 0 although the minimum is above 0,
    and this daemon saw it. `open_since`: when a request that is in progress was sent. `doubtful`: a request whose
    effect is unknown to the daemon was sent since the last answer of ECS. `asked_at`: when the last request was sent,
    for `asked_tasks`; `raised_at`, `lowered_at`: when the last one of this daemon took effect. `starting_until`: no
    scale-out before it, because tasks were starting when this daemon first read the service. `hidden`: the last
    change was by another writer or an earlier daemon, and no answer of ECS has shown it, so that this daemon cannot
    know it. `visible`: the desired counts as far as the daemon can know them.
    """

    spec: ServiceSpec
    words: list[tuple[float, ServiceSpec]]
    desired: list[tuple[float, int]]
    queues: dict[str, deque[QueueAnswer]]
    minutes: dict[str, deque[QueueMinute]]
    fleets: deque[FleetAnswer] = field(default_factory=lambda: deque(maxlen=MOST))
    protected: tuple[float, int | None] | None = None
    identity: str | None = None
    since: float = 0.0
    switched_off: bool = False
    open_since: float | None = None
    doubtful: bool = False
    last_pause: str | None = None
    asked_at: float = NEVER
    asked_tasks: int = 0
    raised_at: float = NEVER
    lowered_at: float = NEVER
    starting_until: float = NEVER
    hidden: bool = False
    visible: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, spec: ServiceSpec, began: float) -> ServiceLedger:
        queues = {name: _answers() for name in spec.queues}
        minutes = {name: deque[QueueMinute](maxlen=10) for name in spec.queues}
        desired = [(began - 3600.0, spec.desired)]
        return cls(spec, [(began, spec)], desired, queues, minutes, since=began, visible=desired[:])

    def restart(self, now: float) -> None:
        """Forget all answers: a new daemon did not get them."""
        for answers in self.queues.values():
            answers.clear()
        for minutes in self.minutes.values():
            minutes.clear()
        self.fleets.clear()
        self.protected, self.identity, self.open_since, self.last_pause = None, None, None, None
        self.since, self.switched_off, self.doubtful, self.hidden = now, False, False, True
        self.asked_at = self.raised_at = self.lowered_at = self.starting_until = NEVER

    def lowest(self, now: float) -> int:
        """Return the lowest true desired count of the last `RACE_S`; of a hidden change also that which ECS shows."""
        return min(self._lately(now))

    def highest(self, now: float) -> int:
        return max(self._lately(now))

    def _lately(self, now: float) -> Iterator[int]:
        if self.hidden and self.shown_desired is not None:
            yield self.shown_desired
        for at, tasks in reversed(self.desired):
            yield tasks
            if at <= now - RACE_S:
                return

    def most_at(self, then: float) -> int:
        """Return the larger of the true count at that time and the one that the daemon can know."""
        return max(_at(self.desired, then), _at(self.visible, then))

    def specs(self, now: float) -> list[ServiceSpec]:
        """Return the settings that can be in force: those written in the last `SETTLED_S`, and those before them."""
        found = []
        for at, spec in reversed(self.words):
            found.append(spec)
            if at <= now - SETTLED_S:
                break
        return found

    @property
    def fleet(self) -> FleetAnswer | None:
        """The newest answer of ECS with counts."""
        return next((answer for answer in reversed(self.fleets) if answer.fleet is not None), None)

    @property
    def paused(self) -> str:
        """What the tag in the newest answer of ECS pauses; a text that cannot be read keeps the last valid pause, and
        pauses everything without one.
        """
        word = (self.tag or "").split(" ")[0]
        if self.tag is None or is_pause(word):
            return word
        return (self.last_pause or "all").split(" ")[0]

    @property
    def shown_desired(self) -> int | None:
        """The desired count in the newest answer of ECS."""
        answer = self.fleet
        return None if answer is None or answer.fleet is None else answer.fleet.desired

    @property
    def tag(self) -> str | None:
        answer = self.fleet
        return None if answer is None or answer.fleet is None else answer.fleet.pause_tag

    def observed_since(self, now: float, longest_gap_s: float) -> float:
        """Return since when ECS and every queue were read without a gap of more than `longest_gap_s` until `now`.

        A queue that was first read within that time after ECS counts from the first answer of ECS.
        """
        fleets = [answer.at for answer in self.fleets if answer.fleet is not None and answer.at >= self.since]
        queues = [
            [one.at for one in each if one.counts is not None and one.at >= self.since] for each in self.queues.values()
        ]
        return max(
            _run_start(times, now, longest_gap_s)
            for times in (fleets, *(sorted([*fleets[:1], *each]) for each in queues))
        )

    def zero_run_s(self, name: str) -> tuple[float, int]:
        """Return the seconds and the number of the newest answers of a queue that all showed zero."""
        newest, oldest, number = None, None, 0
        for answer in reversed(self.queues[name]):
            if answer.counts is None or any(answer.counts):
                break
            newest = answer.at if newest is None else newest
            oldest, number = answer.asked, number + 1
        return (0.0, 0) if newest is None or oldest is None else (newest - oldest, number)

    def shown(self, name: str, after: float, until: float) -> int:
        """Return the sum of the messages that SQS showed in that time."""
        return sum(sum(one.counts[:2]) for one in self.queues[name] if one.counts and after < one.at <= until)


def _at(steps: list[tuple[float, int]], then: float) -> int:
    return next((tasks for at, tasks in reversed(steps) if at <= then), steps[0][1])


def is_pause(word: str) -> bool:
    """Whether the first word of a tag can be read."""
    return word in {"all", "in", "out"} or word.isdigit()


def _run_start(times: list[float], now: float, longest_gap_s: float) -> float:
    if not times or now - times[-1] > longest_gap_s:
        return now
    start = times[-1]
    for earlier, later in _backwards(times):
        if later - earlier > longest_gap_s:
            break
        start = earlier
    return start


def _backwards(times: list[float]) -> Iterable[tuple[float, float]]:
    return ((earlier, later) for later, earlier in pairwise(reversed(times)))
