"""The world of a story: stores the readings of its rows and makes observations of them.

Columns: `desired`; `running` (a number, or `all`: as many as desired; a story starts with `all`); `pending`;
`protected`; of the first queue `visible`, `in_flight`, `delayed`, `oldest` (seconds, `-` none) and `groups`, of another
queue `name.visible` and so on; `cpu` and `memory` (percent, of this poll or `90@1:00`); `received` and `deleted`, the
counts of the minute that ends at this poll, valid for this poll only. A value stays until the next row that sets it.

The events are in `WORDS`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from autoscaler.config import policy_of
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Flow,
    Missing,
    Observation,
    QueueReading,
    Rule,
    Trouble,
    Unseen,
    Utilization,
)
from autoscaler.core.policy import Pause, Policy
from tests.golden.story import Story, StoryError, StoryRow, seconds

FLEET = ("desired", "running", "pending", "protected")
QUEUE = ("visible", "in_flight", "delayed", "oldest", "groups")
METERS = ("cpu", "memory")
MINUTE = ("received", "deleted")
THROTTLED = Missing("it was throttled", "throttled")


@dataclass
class StoryWorld:
    """The current state of one service. `desired` is ECS's count, including our accepted writes."""

    story: Story
    desired: int = 0
    protected: int | None = None
    restarted: bool = False
    refuses: bool = False
    loses_answer: bool = False
    limits: list[tuple[Rule, int]] = field(default_factory=list)
    _readings: dict[str, str] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)
    _rolling: Deployment | None = None
    _trouble: Trouble | None = None
    _fields: Mapping[str, Any] = field(default_factory=dict)
    _paused: Pause | int | None = None
    _bounds: tuple[int, int, str | None] | None = None
    _backlogs: list[tuple[float, int]] = field(default_factory=list)
    _unseen: Unseen | None = None
    _unreceived: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._fields = self.story.policy
        self._queues = [queue.name for queue in self.policy().queues]
        known = {*FLEET, *METERS, *MINUTE, *(f"{queue}.{column}" for queue in self._queues for column in QUEUE)}
        for column in self.story.columns:
            if self._key(column) not in known:
                raise StoryError(f"{self.story.name}: unknown column {column}")
        if not self.story.rows[0].cells.get("desired", "").isdecimal():
            raise StoryError(f"{self.story.name}: the first row must have a desired count")

    def _key(self, column: str) -> str:
        """Return the column's key: the first queue's columns have no prefix in the header."""
        return f"{self._queues[0]}.{column}" if column in QUEUE and self._queues else column

    def policy(self) -> Policy:
        """Return the current policy, with reloads, the pause of the tag and the bounds of a schedule."""
        policy = policy_of(self.story.name, self._fields)
        if self._bounds is not None:
            low, high, schedule = self._bounds
            policy = replace(policy, min_tasks=low, max_tasks=high, schedule=schedule)
        return policy if self._paused is None else replace(policy, paused=self._paused)

    def see(self, row: StoryRow | None, now: float) -> None:
        """Apply a row at `now` (None: no change). Restarts, failed writes and minutes are valid for one poll only."""
        self.restarted = self.refuses = self.loses_answer = False
        self.limits = []
        for column in MINUTE:
            self._readings.pop(column, None)
        if row is None:
            return
        self._readings |= {self._key(column): self._of_now(column, cell, now) for column, cell in row.cells.items()}
        self.desired = int(row.cells.get("desired", self.desired))
        self.protected = self._count("protected")
        for words in row.happened:
            self._happen(words, now)

    @staticmethod
    def _of_now(column: str, cell: str, now: float) -> str:
        return f"{cell}@{now / 60:.0f}:{now % 60:02.0f}" if column in METERS and "@" not in cell else cell

    def _happen(self, words: str, now: float) -> None:
        for pattern, happen in WORDS.items():
            match = re.fullmatch(pattern, words)
            if match:
                happen(self, now, *match.groups())
                return
        raise StoryError(f"{self.story.name}: unknown event {words!r}")

    def _count(self, key: str) -> int | None:
        """Return a reading as a number; None: it was not set, or it is `-`."""
        cell = self._readings.get(key, "-")
        return None if cell == "-" else int(cell)

    def observed(self, now: float, memory: Memory) -> Observation:
        """Return the observation at `now`, without protection, which is read only before a scale-in."""
        running = self.desired if self._readings.get("running", "all") == "all" else int(self._readings["running"])
        pending = self._count("pending")
        queues = tuple(QueueReading(queue, self._backlog(queue, now)) for queue in self._queues)
        self._backlogs.append((now, _visible(queues)))
        return Observation(
            now=now,
            fleet=Fleet(
                desired=self.desired,
                running=running,
                pending=max(0, self.desired - running) if pending is None else pending,
                at=now,
                deployment=self._rolling,
                trouble=self._trouble,
            ),
            queues=queues,
            cpu=self._utilization("cpu", memory),
            memory=self._utilization("memory", memory),
            flow=self._flow(now, memory),
            unseen=None if self._unseen is None else self._unseen._replace(at=now - 60),
            unreceived=self._unreceived,
        )

    def _backlog(self, queue: str, now: float) -> Backlog | Missing:
        if queue in self._missing:
            return THROTTLED
        visible, in_flight, delayed, oldest, groups = (self._count(f"{queue}.{column}") for column in QUEUE)
        return Backlog(visible or 0, in_flight or 0, delayed or 0, now, oldest, groups)

    def _utilization(self, meter: str, memory: Memory) -> Utilization | Missing | None:
        """Return the datapoint, with the tasks that ran at its time."""
        if meter in self._missing:
            return THROTTLED
        percent, _, at = self._readings.get(meter, "").partition("@")
        return Utilization(float(percent), seconds(at), memory.running_at(seconds(at))) if percent else None

    def _flow(self, now: float, memory: Memory) -> Flow | None:
        """Return the minute that ends now, with the tasks at its start and its smallest backlog."""
        received, deleted = self._count("received"), self._count("deleted")
        tasks = memory.running_at(now - 60)
        if received is None or deleted is None or tasks is None:
            return None
        return Flow(received, deleted, tasks, now, min(count for at, count in self._backlogs if now - 60 < at))

    def _reload(self, _: float, setting: str) -> None:
        self._fields = _merged(self._fields, tomllib.loads(setting))

    def _pause(self, _: float, words: str) -> None:
        self._paused = int(words) if words.isdecimal() else Pause(words)

    def _bound(self, _: float, low: str, high: str, schedule: str | None) -> None:
        self._bounds = int(low), int(high), schedule


def _visible(queues: tuple[QueueReading, ...]) -> int:
    """Return the visible messages of all queues; 0 if a reading is missing."""
    known = [backlog.visible for _, backlog in queues if isinstance(backlog, Backlog)]
    return sum(known) if len(known) == len(queues) else 0


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    nested = {key: _merged(old[key], new[key]) for key in old.keys() & new.keys() if isinstance(new[key], dict)}
    return {**old, **new, **nested}


def _sets(name: str, value: object) -> Callable[..., None]:
    return lambda world, _: setattr(world, name, value)


WORDS: Mapping[str, Callable[..., None]] = {
    r"restart": _sets("restarted", True),
    r"refused": _sets("refuses", True),
    r"answer lost": _sets("loses_answer", True),
    r"drift to (\d+)": lambda world, _, count: setattr(world, "desired", int(count)),
    r"missing (\S+)": lambda world, _, name: world._missing.add(name),
    r"found (\S+)": lambda world, _, name: world._missing.remove(name),
    r"CloudWatch counts (\d+) messages": lambda world, now, count: setattr(
        world, "_unseen", Unseen(int(count), int(count), now)
    ),
    r"CloudWatch agrees": _sets("_unseen", None),
    r"no receives from (\S+)": lambda world, _, queue: setattr(world, "_unreceived", (queue,)),
    r"a receive": _sets("_unreceived", ()),
    r"deployment begins": lambda world, now: setattr(world, "_rolling", Deployment(now)),
    r"deployment ends": _sets("_rolling", None),
    r"trouble: (.+)": lambda world, now, reason: setattr(world, "_trouble", Trouble(reason, now)),
    r"reload (.+)": StoryWorld._reload,
    r"pause (all|in|out|\d+)": StoryWorld._pause,
    r"release": _sets("_paused", None),
    r"bounds (\d+) to (\d+)(?: by (\S+))?": StoryWorld._bound,
    r"held at (\d+) by (fleet_cap|shared_cap|conflicting_scaler|unconfirmed)": lambda world, _, count, rule: (
        world.limits.append((Rule(rule), int(count)))
    ),
}
"""The events of a row. `missing q` lasts until `found q`, `pause` until `release`, `CloudWatch counts` (messages that
SQS does not show) until `CloudWatch agrees`, and `no receives` until `a receive`. `answer lost`: ECS accepts the write,
but its answer is lost. `bounds` are the bounds of a schedule. `held at` is the result of admission across services
(`engine.limit_decision`).
"""
