"""What was asked: an observer that sees only the wire. It remembers every change, and of the rest bounded counts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakeaws.turns import Turns

SECONDS_KEPT = 4 * 3600
MOST_UPDATES = 1_000_000
MOST_COMPLAINTS = 1000


class Seen(NamedTuple):
    """One call. `outcome` is `ok`, or the code of AWS's refusal."""

    at: float
    operation: str
    account: str
    region: str
    subject: str
    outcome: str


class Update(NamedTuple):
    """One UpdateService, whatever became of it."""

    at: float
    account: str
    region: str
    cluster: str
    service: str
    desired: Any
    outcome: str


@dataclass
class Record:
    """`calls` keeps the last `keep` calls in full; none in a bench."""

    keep: int = 100_000
    calls: deque[Seen] = field(init=False)
    updates: deque[Update] = field(default_factory=lambda: deque(maxlen=MOST_UPDATES))
    complaints: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_COMPLAINTS))
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    turns: Turns = field(default_factory=Turns)
    _seconds: dict[int, Counter[str]] = field(default_factory=dict)
    _refused: dict[int, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls = deque(maxlen=self.keep)

    def saw(self, call: Seen, subjects: Sequence[str]) -> None:
        """A call about these."""
        if self.keep:
            self.calls.append(call)
        self.outcomes[call.operation, call.outcome] += 1
        _count(self._seconds, call)
        if call.outcome != "ok":
            _count(self._refused, call)
            return
        for subject in subjects:
            self.turns.answered(call.operation, subject, call.at)

    def saw_update(self, call: Seen, asked: dict[str, Any]) -> None:
        cluster, service = str(asked.get("cluster")), str(asked.get("service"))
        self.updates.append(
            Update(call.at, call.account, call.region, cluster, service, asked.get("desiredCount"), call.outcome)
        )

    def complain(self, text: str) -> None:
        """A request was not as AWS's own model has it."""
        self.complaints.append(text)

    def asked(self, operation: str) -> list[Seen]:
        """The calls of that operation among those kept in full."""
        return [call for call in self.calls if call.operation == operation]

    def count(self, operation: str) -> int:
        """How often it was called, whatever became of it."""
        return sum(count for (called, _), count in self.outcomes.items() if called == operation)

    def per_second(self, operation: str) -> dict[int, int]:
        """Calls in each second, by the second since the epoch; those of the last `SECONDS_KEPT` that had any call."""
        return {second: counts[operation] for second, counts in self._seconds.items() if counts[operation]}

    def seconds(self, since: float = 0.0, refused: bool = False) -> dict[int, dict[str, int]]:
        """Calls by operation in each second from then on: all, or those that were refused."""
        counted = self._refused if refused else self._seconds
        return {second: dict(counts) for second, counts in counted.items() if second >= int(since)}

    def forget(self) -> None:
        """Nothing was asked so far."""
        for kept in (self.calls, self.updates, self.complaints, self.outcomes):
            kept.clear()
        for counted in (self._seconds, self._refused, self.turns):
            counted.clear()


def _count(seconds: dict[int, Counter[str]], call: Seen) -> None:
    second = int(call.at)
    if second not in seconds:
        seconds[second] = Counter()
        while len(seconds) > SECONDS_KEPT:
            del seconds[next(iter(seconds))]
    seconds[second][call.operation] += 1
