"""Many runs in several processes, until enough polls were made; the sum of what they found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace

from tests.faults.auditor import Violation
from tests.faults.drawing import DrawnRun, drawn
from tests.faults.guarantees import KNOWN, known
from tests.faults.recovery import SPARE_RATIO, SPARE_TASKS
from tests.faults.running import RunOutcome, played


@dataclass(slots=True)
class CampaignResult:
    """`failures`: the violations that are not known, with their seeds. `known`: the number of others, by reason."""

    polls: int = 0
    runs: int = 0
    faults: int = 0
    first_seed: int = 0
    failures: list[tuple[int, Violation]] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=lambda: {failure.why: 0 for failure in KNOWN})

    def add(self, outcome: RunOutcome) -> None:
        self.polls += outcome.polls
        self.runs += 1
        self.faults += len(outcome.run.faults)
        for violation in outcome.violations:
            failure = known(violation, outcome.run)
            if failure is None:
                self.failures.append((outcome.run.seed, violation))
            else:
                self.known[failure.why] += 1


OTHER_END = {"maximum", "minimum", "adversary", "endless"}
"""Faults after which the end is not that of a run without faults: other bounds, a deployment that holds the count."""


def checked(run: DrawnRun) -> RunOutcome:
    """Return the outcome of the run; a count that is suspiciously high at its end is compared with the run without
    faults (L4).
    """
    outcome = played(run)
    edited = {fault.subject for fault in run.faults if fault.kind in OTHER_END}
    suspects = [key for key in outcome.suspects if key not in edited] if run.faults else []
    if not suspects:
        return outcome
    without = played(run.with_faults(()))
    found = list(outcome.violations)
    for key in suspects:
        most = SPARE_RATIO * without.desired[key] + SPARE_TASKS
        if outcome.desired[key] > most:
            text = f"{outcome.desired[key]} tasks at the end, and {without.desired[key]} without faults"
            found.append(Violation("L4", run.length_s, key, text, outcome.polls))
    return replace(outcome, violations=tuple(found), polls=outcome.polls + without.polls)


def run_of_seed(seed: int) -> RunOutcome:
    return checked(drawn(seed))


def campaign(polls: int, first_seed: int, processes: int) -> CampaignResult:
    """Run seed after seed until `polls` service-polls were made. The result does not depend on the number of processes,
    except for a few more runs at the end.
    """
    result = CampaignResult(first_seed=first_seed)
    if processes == 1:
        for outcome in _alone(first_seed):
            result.add(outcome)
            if result.polls >= polls:
                return result
    with ProcessPoolExecutor(processes) as pool:
        seed, running = first_seed, set[Future[RunOutcome]]()
        while result.polls < polls or running:
            while result.polls < polls and len(running) < 2 * processes:
                running.add(pool.submit(run_of_seed, seed))
                seed += 1
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result.add(future.result())
    return result


def _alone(seed: int) -> Iterator[RunOutcome]:
    while True:
        yield run_of_seed(seed)
        seed += 1
