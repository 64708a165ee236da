"""Read and check the fields of a JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, TypeVar

from autoscaler.core.formula import LARGEST
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, SlowStarts, StartingTasks, TimedCount
from autoscaler.core.model import MOST_TASKS
from autoscaler.core.signals import MOST_MESSAGES
from autoscaler.errors import Problem

MOST_SECONDS = 1e9
"""About 30 years: the limit of an age in a list of pairs."""


class Fields:
    """A JSON object whose fields are read one by one. Each problem is recorded with its path, and reading continues."""

    def __init__(self, content: object, path: str = "", problems: list[Problem] | None = None) -> None:
        self.path = path
        self.problems: list[Problem] = [] if problems is None else problems
        self.read: set[str] = set()
        self.content: Mapping[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            self.note("", f"must be an object, not {_shown(content)}")

    def note(self, key: str, what: str) -> None:
        """Record a problem with the field. An empty key is the object itself."""
        where = ".".join(part for part in (self.path, key) if part) or "situation"
        self.problems.append(Problem(where, what))

    def _take(self, key: str) -> Any:
        self.read.add(key)
        return self.content.get(key)

    def part(self, key: str) -> Fields:
        content = self._take(key)
        return Fields({} if content is None else content, ".".join((*filter(None, (self.path,)), key)), self.problems)

    def parts(self, key: str, *, nullable: bool = False) -> Sequence[Fields | None]:
        content = self._take(key)
        if content is None:
            return []
        if not isinstance(content, list):
            self.note(key, f"must be a list, not {_shown(content)}")
            return []
        path = ".".join((*filter(None, (self.path,)), key))
        return [
            None if nullable and entry is None else Fields(entry, f"{path}[{index}]", self.problems)
            for index, entry in enumerate(content)
        ]

    def text(self, key: str, default: str) -> str:
        value = self._take(key)
        if value is None or (isinstance(value, str) and value):
            return value or default
        self.note(key, f"must be a non-empty string, not {_shown(value)}")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, possibly empty."""
        content = self._take(key)
        if content is None:
            return ()
        if isinstance(content, list) and all(isinstance(text, str) and text for text in content):
            return tuple(content)
        self.note(key, f"must be a list of non-empty strings, not {_shown(content)}")
        return ()

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            self.note(key, f"must be true or false, not {_shown(value)}")
        return value if isinstance(value, bool) else default

    def count(self, key: str, *, required: bool = False, negative: bool = False, most: int = MOST_TASKS) -> int | None:
        """Return a whole number from 0 (`negative`: from -`most`) to `most`, the limit of a task count by default."""
        value = self._take(key)
        if value is None:
            if required:
                self.note(key, "is required")
            return None
        least = -most if negative else 0
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and least <= value <= most and value == value // 1:
            return int(value)
        self.note(key, f"must be a whole number from {least} to {most}, not {_shown(value)}")
        return None

    def tasks(self, key: str) -> float | None:
        """Return an average task count, which may be fractional: from 0 to the maximum of ECS."""
        value = self.number(key)
        if value is None or 0 <= value <= MOST_TASKS:
            return int(value) if value is not None and value == value // 1 else value
        self.note(key, f"must be a number from 0 to {MOST_TASKS}, not {_shown(value)}")
        return None

    def number(self, key: str, *, required: bool = False) -> float | None:
        """Return any number, also NaN and infinity. A whole number that is too large for a float becomes infinity."""
        value = self._take(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _sign(value) * inf if abs(value) > LARGEST else value
        if value is not None:
            self.note(key, f"must be a number, not {_shown(value)}")
        elif required:
            self.note(key, "is required")
        return None

    def seconds(self, key: str) -> float | None:
        """Return an age in seconds: finite, at least 0."""
        value = self.number(key)
        if value is None or 0 <= value < inf:
            return value
        self.note(key, f"must be at least 0, not {_shown(value)}")
        return None

    def pairs(self, key: str, most: float) -> list[tuple[float, float]]:
        """Return a list of pairs: seconds, and a number from 0 to `most`."""
        content = self._take(key)
        if content is None:
            return []
        if isinstance(content, list) and all(map(partial(_is_pair, most=most), content)):
            return [(float(seconds), float(amount)) for seconds, amount in content]
        self.note(key, f"must be a list of [seconds, number], each at least 0, not {_shown(content)}")
        return []

    def close(self, known: frozenset[str] | set[str] = frozenset()) -> None:
        """Record a problem for each field that was not read: otherwise a mistyped field would be silently ignored."""
        for key in self.content.keys() - self.read - known:
            self.note(key, "unknown field")


def _is_pair(content: object, most: float) -> bool:
    if not isinstance(content, list) or len(content) != 2:
        return False
    numbers = all(isinstance(part, int | float) and not isinstance(part, bool) for part in content)
    return numbers and 0 <= content[0] <= MOST_SECONDS and 0 <= content[1] <= most


def _sign(value: float) -> int:
    return 1 if value > 0 else -1


def _shown(value: object) -> str:
    return repr(value)[:40]


# Read the estimates of a situation from JSON: the types of `core/knowledge.py`.

Pair = TypeVar("Pair", TimedCount, StartingTasks)


def knowledge(fields: Fields) -> Knowledge:
    """Return the estimates. Each problem is recorded in `fields`. Estimates are required, weights and ages are not."""
    known = Knowledge(
        processing_s=_estimate(fields, "processing_s"),
        slow_s=_seconds(fields, "slow_s"),
        spread=_seconds(fields, "spread"),
        concurrency=_estimate(fields, "concurrency", least=1.0),
        start_s=_estimate(fields, "start_s"),
        start_late_s=_seconds(fields, "start_late_s"),
        rate_per_s=_estimate(fields, "rate_per_s"),
        load=_seconds(fields, "load"),
        lasting_load=_seconds(fields, "lasting_load"),
        interval_s=_seconds(fields, "interval_s"),
        received=fields.seconds("received") or 0.0,
        late=fields.seconds("late") or 0.0,
        queues=tuple(_queue(entry) for entry in fields.parts("queues") if entry is not None),
        arriving=fields.flag("arriving", default=True),
        regime=_regime(fields),
        standing=fields.flag("standing", default=False),
        holding_s=fields.seconds("holding_s") or 0.0,
        bottleneck=fields.seconds("bottleneck"),
        trial=fields.seconds("trial"),
        test=fields.seconds("test"),
        groups=fields.seconds("groups"),
        overtaken_s=fields.seconds("overtaken_s") or 0.0,
        foreseen=fields.seconds("foreseen") or 0.0,
        starting=tuple(StartingTasks(seconds, int(tasks)) for seconds, tasks in fields.pairs("starting", MOST_TASKS)),
        slow_starts=_slow_starts(fields.part("slow_starts")),
    )
    fields.close()
    return known


def _slow_starts(part: Fields) -> SlowStarts | None:
    """Return the slow kind of starts (None: there is one kind). A share of 1 would leave no fast kind."""
    if not part.content:
        return None
    share, seconds = _seconds(part, "share"), _seconds(part, "seconds")
    if not 0 < share < 1:
        part.note("share", "must be above 0 and below 1")
        share = 0.5
    part.close()
    return SlowStarts(share, seconds)


def _regime(fields: Fields) -> Regime:
    name = fields.text("regime", Regime.IDLE)
    if name in set(Regime):
        return Regime(name)
    fields.note("regime", f"must be one of {', '.join(Regime)}, not {_shown(name)}")
    return Regime.IDLE


def _seconds(fields: Fields, key: str) -> float:
    """Return a required number: finite, at least 0."""
    fields.number(key, required=True)
    return fields.seconds(key) or 0.0


def _estimate(fields: Fields, key: str, least: float = 0.0) -> Estimate:
    part = fields.part(key)
    value, weight, age_s = _seconds(part, "value"), part.seconds("weight"), part.seconds("age_s")
    if value < least:
        part.note("value", f"must be at least {least:g}")
    part.close()
    return Estimate(max(value, least), inf if weight is None else weight, age_s)


def _queue(entry: Fields) -> QueueKnowledge:
    name = entry.text("name", "a queue")
    waiting = tuple(TimedCount(*pair) for pair in entry.pairs("waiting", MOST_MESSAGES))
    coming = tuple(TimedCount(*pair) for pair in entry.pairs("coming", MOST_MESSAGES))
    entry.close()
    return QueueKnowledge(name, waiting, coming)
