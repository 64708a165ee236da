"""A crash at every await of a run: nothing but the Region and the settings file outlives the daemon.

A daemon can be killed at each await, which is the end of a turn of the event loop. Its successor starts at the next of
a fixed series of times, one each poll interval. So two crashes between which nothing was sent and nothing changed in
ECS, with the same start of the successor, have the same continuation: it is run once. (`test_crashes.py` runs all of
them for some seeds, and compares.) A request that is in progress when the daemon is killed takes effect a second later,
or never: both are run.
"""

from __future__ import annotations

import asyncio
import pickle
import tempfile
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.faults.auditor import Violation
from tests.faults.drawing import INTERVAL_S, DrawnRun, drawn
from tests.faults.running import Leftover, RunOutcome, Simulation
from tests.faults.timeloop import TimeLoop

POLLS = 50
WINDOW_S = 60.0
"""The longest scale-in window of the services: a successor must not scale in before it has observed for this time."""

AFTER_S = 100.0
"""Seconds for which each successor runs: the window and four polls."""

START_S = 3.0
LANDS_S = 1.0


@dataclass(slots=True)
class CrashPoint:
    """What a crash leaves, as bytes: a copy. `at`: when the daemon is killed. `pending`: a request that is in progress
    (None: none).
    """

    at: float
    left: bytes
    pending: tuple[str, int] | None


@dataclass(slots=True)
class CrashOutcome:
    """`awaits`: the awaits of the run, each a crash. `successors`: the different continuations that were run."""

    seed: int
    polls: int = 0
    awaits: int = 0
    successors: int = 0
    violations: list[Violation] = field(default_factory=list)
    digests: list[tuple[tuple[Any, Any], str]] = field(default_factory=list)

    def add(self, outcome: RunOutcome) -> None:
        self.polls += outcome.polls
        self.violations += outcome.violations


def crash_run(seed: int, polls: int = POLLS) -> DrawnRun:
    """Return a run of one active service with a restless load and no fault."""
    rng = Random(f"crash {seed}")
    run = drawn(seed, services=1, polls=polls, faults=0)
    busiest = rng.choice((1.0, 2.0, 5.0, 10.0))
    [spec] = run.services
    per_s = busiest / spec.processing_s / len(spec.queues)
    phases = tuple(
        (60.0 * minute, per_s * rng.choice((0.0, 0.0, 0.4, 1.0, 2.0, 4.0))) for minute in range(polls // 6 + 1)
    )
    spec = replace(
        spec,
        mode="active",
        phases=phases,
        tagged=False,
        min_tasks=min(spec.min_tasks, 1),
        stabilization_s=min(spec.stabilization_s, WINDOW_S),
        small_step_s=WINDOW_S,
        out_cooldown_s=rng.choice((0.0, 30.0, 60.0)),
        fallback=None,
    )
    return replace(run, services=(spec,), discovers=False, quiet_interval_s=INTERVAL_S)


def crashed_everywhere(seed: int, polls: int = POLLS, *, merges: bool = True) -> CrashOutcome:
    """Crash at every await of the run of a seed. `merges` False: run also the continuations that must be the same."""
    run, outcome = crash_run(seed, polls), CrashOutcome(seed)
    points: dict[Hashable, CrashPoint] = {}
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        with asyncio.Runner(loop_factory=TimeLoop) as runner:
            outcome.add(runner.run(_base(run, folder, points, outcome, merges=merges)))
        for key, point in points.items():
            for pending in (None,) if point.pending is None else (None, point.pending):
                after = _continued(run, folder, point, pending)
                outcome.successors += 1
                outcome.add(after)
                outcome.digests.append(((key, pending), after.digest))
    return outcome


async def _base(
    run: DrawnRun, folder: str, points: dict[Hashable, CrashPoint], outcome: CrashOutcome, *, merges: bool
) -> RunOutcome:
    """Play the run, and note what a crash would leave after each turn."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TimeLoop)
    sim = Simulation(run, loop, folder, quiet=True)

    def note(turn: int) -> None:
        outcome.awaits += 1
        ledger = sim.auditor.ledgers[run.services[0].key]
        pending = (run.services[0].key, ledger.asked_tasks) if _is_in_progress(sim) else None
        key: Hashable = (ledger.asked_at, sim.region.version, _next_start(loop.time()))
        key = key if merges else (*key, turn)  # type: ignore[misc]
        if key not in points:
            desired = {name: list(each.desired) for name, each in sim.auditor.ledgers.items()}
            points[key] = CrashPoint(loop.time(), pickle.dumps(Leftover(sim.began, sim.region, desired)), pending)

    loop.watch_turns(note)
    try:
        return await sim.resume(run.length_s)
    finally:
        loop.watch_turns(None)


def _is_in_progress(sim: Simulation) -> bool:
    """Whether a request was sent and has not taken effect."""
    [ledger] = sim.auditor.ledgers.values()
    return ledger.open_since is not None and ledger.desired[-1][0] < ledger.asked_at


def _next_start(at: float) -> float:
    return (at // INTERVAL_S + 1) * INTERVAL_S + START_S


def _continued(run: DrawnRun, folder: str, point: CrashPoint, pending: tuple[str, int] | None) -> RunOutcome:
    """Start a successor after the crash, and return what it did."""
    left: Leftover = pickle.loads(point.left)
    if pending is not None:
        key, tasks = pending
        left.region.scale(key, tasks, point.at + LANDS_S)
        left.desired[key].append((point.at + LANDS_S, tasks))
    with asyncio.Runner(loop_factory=lambda: TimeLoop(_next_start(point.at))) as runner:
        return runner.run(_successor(run, folder, left))


async def _successor(run: DrawnRun, folder: str, left: Leftover) -> RunOutcome:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TimeLoop)
    return await Simulation(run, loop, folder, left=left, quiet=True).resume(AFTER_S)
