"""Shrink a failing run to a short list of faults: delta debugging (Zeller and Hildebrandt, 2002) over its list.

Removing a fault changes nothing else of the run: load, settings and random numbers depend on the seed alone. A run is
deterministic, so each trial is one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.faults.campaign import checked
from tests.faults.drawing import DrawnRun
from tests.faults.plan import DrawnFault, text

MOST_TRIALS = 200


def shrunk(run: DrawnRun, guarantee: str, most_trials: int = MOST_TRIALS) -> DrawnRun:
    """Return the run with as few faults as the same guarantee needs to fail; each of them is needed. The times of the
    remaining faults are rounded to whole seconds where it still fails.
    """
    trials = 0

    def fails(faults: Sequence[DrawnFault]) -> bool:
        nonlocal trials
        trials += 1
        found = checked(run.with_faults(tuple(faults))).violations
        return any(violation.guarantee == guarantee for violation in found)

    faults = minimal(list(run.faults), lambda each: trials < most_trials and fails(each))
    for number, fault in enumerate(faults):
        rounded = replace(fault, at=float(round(fault.at)), lasts_s=float(round(fault.lasts_s)))
        simpler = [*faults[:number], rounded, *faults[number + 1 :]]
        if rounded != fault and trials < most_trials and fails(simpler):
            faults = simpler
    return run.with_faults(tuple(faults))


def minimal(faults: list[DrawnFault], fails: Callable[[Sequence[DrawnFault]], bool]) -> list[DrawnFault]:
    """Return a part of the list that still fails, from which no fault can be removed (ddmin)."""
    if not faults or fails([]):
        return []
    parts = 2
    while len(faults) >= 2:
        size = -(-len(faults) // parts)
        pieces = [faults[at : at + size] for at in range(0, len(faults), size)]
        rests = [[one for other in pieces if other is not piece for one in other] for piece in pieces]
        smaller = next((rest for rest in rests if fails(rest)), None)
        if smaller is not None:
            faults, parts = smaller, max(2, parts - 1)
        elif parts >= len(faults):
            break
        else:
            parts = min(len(faults), 2 * parts)
    return faults


def command(run: DrawnRun) -> str:
    """Return the command that repeats the run."""
    polls = round(run.length_s / 10)
    return (
        f"python -m tests.faults --seed {run.seed} --services {len(run.services)} --polls-each {polls} "
        f'--faults "{text(run.faults)}"'
    )
