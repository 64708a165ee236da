"""The figures of a demo, for a table and for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil

from autoscaler.core.figures import are, several
from autoscaler.demo.fixed import least_tasks
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import Arrival


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
