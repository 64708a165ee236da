"""The figures of a demo, for a table and for JSON."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from heapq import heapify, heapreplace
from math import ceil

from autoscaler.core.figures import are, several
from autoscaler.demo.load import Arrival

# The exact history of every message, the source of the summary.
#
# Instants are seconds of the machine's monotonic clock.


@dataclass
class Ledger:
    """`sent`, `received` (first time) and `deleted` by message number. Numbers count from 0 in the order of sending."""

    sent: list[float] = field(default_factory=list)
    received: dict[int, float] = field(default_factory=dict)
    worked_s: dict[int, float] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    receives: int = 0
    _oldest: int = 0

    def note_sent(self, at: Iterable[float]) -> None:
        self.sent.extend(at)

    def note_received(self, number: int, at: float) -> None:
        """Record a receive. A later receive of the same message counts as a duplicate and does not change its wait."""
        self.receives += 1
        self.received.setdefault(number, at)

    def note_worked(self, number: int, seconds: float) -> None:
        self.worked_s.setdefault(number, seconds)

    def note_deleted(self, numbers: Iterable[int]) -> None:
        self.deleted.update(numbers)

    @property
    def processed(self) -> int:
        return len(self.deleted)

    @property
    def lost(self) -> int:
        return len(self.sent) - len(self.deleted)

    @property
    def duplicates(self) -> int:
        return self.receives - len(self.received)

    @property
    def waiting(self) -> int:
        """Messages that were sent and not received."""
        return len(self.sent) - len(self.received)

    @property
    def in_flight(self) -> int:
        """Messages that were received and not deleted."""
        return len(self.received) - len(self.deleted)

    def oldest_message_age_s(self, now: float) -> float:
        """Return the age of the oldest waiting message in seconds, or 0 if no message waits."""
        while self._oldest in self.received:
            self._oldest += 1
        return now - self.sent[self._oldest] if self._oldest < len(self.sent) else 0.0

    def waits_s(self) -> list[float]:
        """Return the time from send to first receive, in seconds, of every received message."""
        return [at - self.sent[number] for number, at in self.received.items()]


# Find the smallest fixed fleet that is sufficient for the same messages: N tasks, first come, first served.
#
# More tasks never make a message wait longer, so the smallest N can be found by bisection.


def waits_s(arrivals: Sequence[Arrival], slots: int) -> list[float]:
    """Return the wait of each message, in seconds, with this number of slots. Arrivals are ordered by time."""
    free_at_s = [0.0] * min(slots, len(arrivals))
    heapify(free_at_s)
    waits = []
    for at_s, work_s in arrivals:
        starts_s = max(at_s, free_at_s[0])
        heapreplace(free_at_s, starts_s + work_s)
        waits.append(starts_s - at_s)
    return waits


def least_tasks(arrivals: Sequence[Arrival], concurrency: int, latency_s: float) -> int:
    """Return the fewest tasks of `concurrency` slots with which no message waits longer than `latency_s`."""
    if not arrivals:
        return 0
    most = -(-len(arrivals) // concurrency)

    def sufficient(tasks: int) -> bool:
        return max(waits_s(arrivals, tasks * concurrency)) <= latency_s

    return 1 + bisect_left(range(1, most), True, key=sufficient)


@dataclass(frozen=True, slots=True)
class Summary:
    """Waits are from send to first receive, in seconds. `task_seconds` count from launch, start-up included, to stop.

    The fixed fleet is the smallest one that meets the acceptable latency for every message; it runs from the start of
    the load until the end of the run. `saved_ratio`: share of its task-seconds that was saved (None: the fixed fleet
    has no task). `problems`: why the demo failed; empty if it succeeded.
    """

    sent: int
    processed: int
    lost: int
    duplicates: int
    late: int
    wait_p50_s: float
    wait_p95_s: float
    wait_max_s: float
    acceptable_latency_s: float
    task_seconds: float
    peak_tasks: int
    scale_outs: int
    scale_ins: int
    fixed_fleet_tasks: int
    fixed_fleet_task_seconds: float
    saved_ratio: float | None
    elapsed_s: float
    thinned_by: int
    work_divided_by: float
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class FleetTotals:
    """Totals of the fleet; see `Summary`. `left`: tasks that are desired or alive at the end."""

    task_seconds: float
    peak_tasks: int
    scale_outs: int
    scale_ins: int
    left: int


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; 0 if there are no values."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


def observed_arrivals(ledger: Ledger) -> list[Arrival]:
    """Return the messages with their actual send and processing times, relative to the first send."""
    first = ledger.sent[0] if ledger.sent else 0.0
    return [Arrival(at - first, ledger.worked_s.get(number, 0.0)) for number, at in enumerate(ledger.sent)]


def summarize(
    ledger: Ledger,
    fleets: FleetTotals,
    *,
    acceptable_latency_s: float,
    task_concurrency: int,
    elapsed_s: float,
    thinned_by: int = 1,
    work_divided_by: float = 1.0,
) -> Summary:
    """Return the summary. `elapsed_s`: from the start of the load to the end of the run."""
    waits = ledger.waits_s()
    fixed = least_tasks(observed_arrivals(ledger), task_concurrency, acceptable_latency_s)
    fixed_s = fixed * elapsed_s
    return Summary(
        sent=len(ledger.sent),
        processed=ledger.processed,
        lost=ledger.lost,
        duplicates=ledger.duplicates,
        late=sum(wait > acceptable_latency_s for wait in waits) + ledger.waiting,
        wait_p50_s=percentile(waits, 0.5),
        wait_p95_s=percentile(waits, 0.95),
        wait_max_s=max(waits, default=0.0),
        acceptable_latency_s=acceptable_latency_s,
        task_seconds=fleets.task_seconds,
        peak_tasks=fleets.peak_tasks,
        scale_outs=fleets.scale_outs,
        scale_ins=fleets.scale_ins,
        fixed_fleet_tasks=fixed,
        fixed_fleet_task_seconds=fixed_s,
        saved_ratio=1 - fleets.task_seconds / fixed_s if fixed_s else None,
        elapsed_s=elapsed_s,
        thinned_by=thinned_by,
        work_divided_by=work_divided_by,
        problems=tuple(_problems(ledger, fleets)),
    )


def _problems(ledger: Ledger, fleets: FleetTotals) -> Iterator[str]:
    if ledger.lost:
        yield f"not processed before the time limit: {ledger.lost:,} of {several(len(ledger.sent), 'message')}"
    if fleets.left:
        yield f"not scaled in to zero: {are(fleets.left, 'task')} still desired or running"
