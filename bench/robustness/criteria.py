"""The criteria of robustness, computed from the results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.sim.experiment import OURS
from autoscaler.sim.scenarios import SCENARIOS
from autoscaler.sim.tuning import MET_FRACTION, NEAR_FRACTION
from bench.robustness.making import RobustnessCell

POLL_S = 10.0

MOST_LATE = 0.005
MOST_EARLY_LATE = 0.01
MOST_BATCH_LATE = {300.0: 0.2, 900.0: 0.0}
MOST_COST_RATIO = 1.5
MOST_BOTTLENECK_RATIO = 2


class RobustnessCase(NamedTuple):
    """This autoscaler and the peers in one scenario with one latency target."""

    ours: RobustnessCell
    peers: tuple[RobustnessCell, ...]

    @property
    def name(self) -> str:
        return f"{self.ours.scenario} at {self.ours.latency_s:g} s"


class Criterion(NamedTuple):
    """`failure(case)`: why the case does not meet the criterion; None: it does. `applies(case)`: whether it counts."""

    text: str
    applies: Callable[[RobustnessCase], bool]
    failure: Callable[[RobustnessCase], str | None]


class Judged(NamedTuple):
    """A criterion with the number of cases that it applies to, and the failures."""

    text: str
    cases: int
    failures: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Return met or not met; without any case it is unknown."""
        return "no case" if not self.cases else "not met" if self.failures else "met"


def cases(cells: Sequence[RobustnessCell]) -> list[RobustnessCase]:
    """Return the cases in the order of the cells. Cells without a result of this autoscaler are omitted."""
    groups: dict[tuple[str, float], list[RobustnessCell]] = {}
    for cell in cells:
        groups.setdefault((cell.scenario, cell.latency_s), []).append(cell)
    return [
        RobustnessCase(ours, tuple(cell for cell in group if cell.policy != OURS))
        for group in groups.values()
        for ours in group
        if ours.policy == OURS
    ]


def judged(cells: Sequence[RobustnessCell]) -> list[Judged]:
    """Return the criteria with their results."""
    every = cases(cells)
    found = []
    for criterion in CRITERIA:
        mine = [case for case in every if criterion.applies(case)]
        failures = [f"{case.name} ({why})" for case in mine if (why := criterion.failure(case)) is not None]
        found.append(Judged(criterion.text, len(mine), tuple(failures)))
    return found


def start_up_fits(scenario: str, latency_s: float) -> bool:
    """Return whether a poll and the median start-up, of the slower kind if there are two, fit into the latency."""
    start_up = SCENARIOS[scenario].world.start_up
    slowest = max(start_up.median_s, start_up.other.median_s if start_up.other is not None else 0.0)
    return POLL_S + slowest <= latency_s


def percent(share: float) -> str:
    """Format a share with two decimals."""
    return "0 %" if share == 0 else f"{100 * share:.2f} %" if share >= 5e-5 else "< 0.01 %"


def _fits(case: RobustnessCase) -> bool:
    return bool(case.peers) and start_up_fits(case.ours.scenario, case.ours.latency_s)


def _too_late(case: RobustnessCase) -> str | None:
    best = min(peer.late for peer in case.peers)
    if case.ours.late <= max(MOST_LATE, 2 * best):
        return None
    return f"{percent(case.ours.late)} late, best peer {percent(best)}"


def _batch(case: RobustnessCase) -> str | None:
    return f"{percent(case.ours.late)} late" if case.ours.late > MOST_BATCH_LATE[case.ours.latency_s] else None


def _early(case: RobustnessCase) -> str | None:
    return f"{percent(case.ours.late)} late" if case.ours.late > MOST_EARLY_LATE else None


def _too_expensive(case: RobustnessCase) -> str | None:
    no_later = [peer for peer in case.peers if peer.late <= case.ours.late + NEAR_FRACTION]
    cheapest = min(no_later, key=lambda peer: peer.cost_per_work, default=None)
    if cheapest is None or case.ours.cost_per_work <= MOST_COST_RATIO * cheapest.cost_per_work:
        return None
    return f"{case.ours.cost_per_work:.2f}, {cheapest.policy} {cheapest.cost_per_work:.2f}"


def _groundless(case: RobustnessCase) -> str | None:
    return several(case.ours.groundless, "time") if case.ours.groundless else None


def _chase(case: RobustnessCase) -> str | None:
    limit = SCENARIOS[case.ours.scenario].limit or 0
    tasks = case.ours.limited_peak
    return f"{tasks:,} tasks, limit {limit}" if tasks > MOST_BOTTLENECK_RATIO * limit else None


def _silent(case: RobustnessCase) -> str | None:
    return None if case.ours.noticed else f"{percent(case.ours.late)} late"


CRITERIA = (
    Criterion(
        "Where a start-up fits into the latency: late at most the larger of 0.5 % and twice the best peer's",
        _fits,
        _too_late,
    ),
    Criterion(
        "Long batch: at most 20 % of the batch late at 300 s, and none at 900 s",
        lambda case: case.ours.scenario == "long-batch" and case.ours.latency_s in MOST_BATCH_LATE,
        _batch,
    ),
    Criterion(
        "Deletion on receipt: at most 1 % late after ten minutes",
        lambda case: case.ours.scenario == "delete-on-receipt",
        _early,
    ),
    Criterion(
        "Cost at most 1.5 times that of the cheapest peer that is no later (by 0.05 percentage points)",
        lambda case: bool(case.peers),
        _too_expensive,
    ),
    Criterion(
        "No scale-out while no message is visible and none arrived in the last minute", lambda _: True, _groundless
    ),
    Criterion(
        "From ten minutes after the onset of a bottleneck: at most twice the tasks that it supports",
        lambda case: SCENARIOS[case.ours.scenario].limit is not None,
        _chase,
    ),
    Criterion("A notice wherever more than 0.5 % are late", lambda case: case.ours.late > MET_FRACTION, _silent),
)
