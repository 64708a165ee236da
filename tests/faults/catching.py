"""Find the first run that catches each planted bug, and record it in `caught.toml`, from which a test repeats it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tests.faults.campaign import checked
from tests.faults.crashes import crashed_everywhere
from tests.faults.drawing import DrawnRun, drawn
from tests.faults.guarantees import known
from tests.faults.plan import KINDS, DrawnFault, FaultScope, parsed
from tests.faults.planted import BUGS, PlantedBug, planted

CAUGHT = Path(__file__).parent / "caught.toml"
DENSE = 20
"""Faults of a run of the search: more than in the campaign, to find each bug sooner."""


class Catch(NamedTuple):
    """The seed of the dense run that caught a bug, the guarantee, and the service-polls from seed 0 until then."""

    bug: str
    seed: int
    guarantee: str
    polls: int
    text: str


def dense(seed: int) -> DrawnRun:
    return drawn(seed, faults=DENSE)


def run_of(bug: PlantedBug, seed: int) -> DrawnRun:
    """Return the run of a seed in the search for this bug."""
    if not bug.faults:
        return dense(seed)
    run = drawn(seed, faults=0)
    found: list[DrawnFault] = []
    for spec in run.services:
        for fault in parsed(bug.faults.replace("{s}", spec.key)):
            reads_queue = KINDS[fault.kind].scope is FaultScope.QUEUE and fault.subject == spec.key
            found += [replace(fault, subject=name) for name in (spec.queues if reads_queue else (fault.subject,))]
    return run.with_faults(tuple(sorted(set(found))))


def searched(bug: PlantedBug, most_seeds: int, first_seed: int = 0) -> Catch | None:
    """Return the first catch of the bug (None: no run of `most_seeds` caught it)."""
    polls = 0
    if bug.crashes:
        return _searched_with_crashes(bug, most_seeds)
    with planted(bug):
        for seed in range(first_seed, first_seed + most_seeds):
            run = run_of(bug, seed)
            outcome = checked(run)
            new = [violation for violation in outcome.violations if known(violation, run) is None]
            for violation in new:
                if violation.guarantee not in bug.caught:
                    continue
                return Catch(bug.name, seed, violation.guarantee, polls + violation.poll, violation.text)
            polls += outcome.polls
    return None


def _searched_with_crashes(bug: PlantedBug, most_seeds: int) -> Catch | None:
    polls = 0
    with planted(bug):
        for seed in range(most_seeds):
            outcome = crashed_everywhere(seed)
            polls += outcome.polls
            for violation in outcome.violations:
                if violation.guarantee in bug.caught:
                    return Catch(bug.name, seed, violation.guarantee, polls, violation.text)
    return None


def recorded() -> dict[str, Catch]:
    """Return the recorded catches by the name of the bug."""
    if not CAUGHT.exists():
        return {}
    rows = tomllib.loads(CAUGHT.read_text())["caught"]
    return {row["bug"]: Catch(**row) for row in rows}


def record(catches: list[Catch]) -> None:
    """Write the catches, in the order of the bugs."""
    order = {bug.name: number for number, bug in enumerate(BUGS)}
    rows = sorted(catches, key=lambda catch: order.get(catch.bug, len(order)))
    text = "# Written by `python -m tests.faults --catch`: the first run that catches each planted bug.\n"
    for catch in rows:
        fields = (f"{name} = {_toml(value)}" for name, value in catch._asdict().items())
        text += "\n[[caught]]\n" + "\n".join(fields) + "\n"
    CAUGHT.write_text(text)


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', "'") + '"'
