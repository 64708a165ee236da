"""The record of the calls. It stores every UpdateService call, and bounded counts of the other calls."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fakeaws.ordering import AnswerIntervals

SECONDS_STORED = 4 * 3600
MOST_UPDATES = 1_000_000
MOST_COMPLAINTS = 1000


class RecordedCall(NamedTuple):
    """One call. `outcome` is `ok`, or the code of AWS's refusal."""

    at: float
    operation: str
    account: str
    region: str
    subject: str
    outcome: str


class Update(NamedTuple):
    """One UpdateService call, whatever its outcome."""

    at: float
    account: str
    region: str
    cluster: str
    service: str
    desired: Any
    outcome: str


@dataclass
class Record:
    """`calls` stores the last `keep` calls in full; 0 in benchmarks."""

    keep: int = 100_000
    calls: deque[RecordedCall] = field(init=False)
    updates: deque[Update] = field(default_factory=lambda: deque(maxlen=MOST_UPDATES))
    complaints: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_COMPLAINTS))
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: AnswerIntervals = field(default_factory=AnswerIntervals)
    _seconds: dict[int, Counter[str]] = field(default_factory=dict)
    _refused: dict[int, Counter[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls = deque(maxlen=self.keep)

    def add(self, call: RecordedCall, subjects: Sequence[str]) -> None:
        """Record a call about these subjects."""
        if self.keep:
            self.calls.append(call)
        self.outcomes[call.operation, call.outcome] += 1
        _count(self._seconds, call)
        if call.outcome != "ok":
            _count(self._refused, call)
            return
        for subject in subjects:
            self.answers.answered(call.operation, subject, call.at)

    def add_update(self, call: RecordedCall, body: dict[str, Any]) -> None:
        cluster, service = str(body.get("cluster")), str(body.get("service"))
        self.updates.append(
            Update(call.at, call.account, call.region, cluster, service, body.get("desiredCount"), call.outcome)
        )

    def complain(self, text: str) -> None:
        """Record that a request does not match AWS's own model."""
        self.complaints.append(text)

    def called(self, operation: str) -> list[RecordedCall]:
        """Return the calls of that operation among those stored in full."""
        return [call for call in self.calls if call.operation == operation]

    def count(self, operation: str) -> int:
        """Return the number of calls of that operation, whatever their outcome."""
        return sum(count for (name, _), count in self.outcomes.items() if name == operation)

    def per_second(self, operation: str) -> dict[int, int]:
        """Calls in each second, by the second since the epoch, of the last `SECONDS_STORED` seconds with any call."""
        return {second: counts[operation] for second, counts in self._seconds.items() if counts[operation]}

    def seconds(self, since: float = 0.0, refused: bool = False) -> dict[int, dict[str, int]]:
        """Calls by operation in each second from `since` on: all, or only the refused ones."""
        counted = self._refused if refused else self._seconds
        return {second: dict(counts) for second, counts in counted.items() if second >= int(since)}

    def forget(self) -> None:
        """Clear the record."""
        for stored in (self.calls, self.updates, self.complaints, self.outcomes):
            stored.clear()
        for counted in (self._seconds, self._refused, self.answers):
            counted.clear()


def _count(seconds: dict[int, Counter[str]], call: RecordedCall) -> None:
    second = int(call.at)
    if second not in seconds:
        seconds[second] = Counter()
        while len(seconds) > SECONDS_STORED:
            del seconds[next(iter(seconds))]
    seconds[second][call.operation] += 1
