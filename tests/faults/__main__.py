"""Simulate the whole daemon under faults: `python -m tests.faults` (`make simulate-faults`).

Without `--seed` it makes the runs of a commit: a crash at every await, runs with drawn faults until enough
service-polls were made at the ports, and a smaller share through the real adapters. It ends with exit code 1 if a
guarantee failed, and prints each failing seed with a shrunk list of faults and the command that repeats it. With
`--seed` it repeats one run.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import repeat

from tests.faults import catching
from tests.faults.adapters import AdapterLink, adapter_outcome
from tests.faults.auditor import Violation
from tests.faults.campaign import CampaignResult, campaign, checked
from tests.faults.crashes import CrashOutcome, crashed_everywhere
from tests.faults.drawing import DrawnRun, drawn
from tests.faults.figures import Figures, write_figures
from tests.faults.guarantees import known
from tests.faults.plan import parsed
from tests.faults.planted import BUGS
from tests.faults.running import played
from tests.faults.shrinking import command, shrunk

MOST_SHRUNK = 5
"""Failing seeds that are shrunk; the others are only listed."""


def main() -> int:
    """Run what the arguments say; return the exit code."""
    given = _arguments()
    if given.catch:
        return _catch(given.processes, given.most_seeds)
    if given.seed is not None:
        return _one(given)
    if given.crash_seed is not None:
        return _report_crashes([crashed_everywhere(given.crash_seed)])
    return _all(given)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--polls", type=int, default=200_000, help="service-polls at the ports, crashes included")
    parser.add_argument("--adapters", type=int, default=5_000, help="service-polls through the real adapters")
    parser.add_argument("--crashes", type=int, default=200, help="seeds with a crash at every await")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument("--crash-seed", type=int, help="crash at every await of this seed only")
    parser.add_argument("--faults", help="the faults instead of the drawn ones, separated by spaces")
    parser.add_argument("--services", type=int, default=8)
    parser.add_argument("--polls-each", type=int, default=130)
    parser.add_argument("--dense", action="store_true", help="draw the faults of the search for planted bugs")
    parser.add_argument("--through-adapters", action="store_true", help="run the seed through the real adapters")
    parser.add_argument("--shrink", action="store_true", help="shrink the faults of the seed")
    parser.add_argument("--catch", action="store_true", help="search the runs that catch the planted bugs")
    parser.add_argument("--most-seeds", type=int, default=60)
    parser.add_argument("--record", action="store_true", help="write the figures for docs/guarantees.md")
    return parser.parse_args()


def _one(given: argparse.Namespace) -> int:
    run = drawn(given.seed, given.services, given.polls_each, catching.DENSE if given.dense else None)
    if given.faults is not None:
        run = run.with_faults(parsed(given.faults))
    outcome = played(run, AdapterLink()) if given.through_adapters else checked(run)
    _say(f"{outcome.polls} service-polls, {len(run.faults)} faults, digest {outcome.digest}")
    new = [violation for violation in outcome.violations if known(violation, run) is None]
    for violation in outcome.violations:
        _say(f"{'' if violation in new else 'known: '}{violation}")
    if new and given.shrink:
        _shrink(run, new[0])
    return 1 if new else 0


def _all(given: argparse.Namespace) -> int:
    began = time.monotonic()
    crashes = _crashes(given)
    polls = sum(each.polls for each in crashes)
    result = campaign(max(0, given.polls - polls), given.first_seed, given.processes)
    wired = _adapters(given)
    took_s = time.monotonic() - began
    figures = Figures(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        first_seed=given.first_seed,
        seeds=result.runs,
        polls=polls + result.polls,
        faults=result.faults,
        crash_seeds=len(crashes),
        crash_awaits=sum(each.awaits for each in crashes),
        crash_polls=polls,
        adapter_seeds=wired.runs,
        adapter_polls=wired.polls,
        seconds=round(took_s),
        failures=len(result.failures) + len(wired.failures) + sum(len(each.violations) for each in crashes),
        known=sum(result.known.values()) + sum(wired.known.values()),
    )
    _say(figures.sentence())
    if given.record:
        write_figures(figures)
    return max(_report_crashes(crashes), _report(result, adapters=False), _report(wired, adapters=True))


def _crashes(given: argparse.Namespace) -> list[CrashOutcome]:
    seeds = range(given.first_seed, given.first_seed + given.crashes)
    with ProcessPoolExecutor(given.processes) as pool:
        return list(pool.map(crashed_everywhere, seeds, chunksize=5))


def _adapters(given: argparse.Namespace) -> CampaignResult:
    """Run seeds through the real adapters until enough polls were made."""
    result, seed = CampaignResult(first_seed=given.first_seed), given.first_seed
    with ProcessPoolExecutor(given.processes) as pool:
        while result.polls < given.adapters:
            seeds = range(seed, seed + given.processes)
            for outcome in pool.map(adapter_outcome, seeds):
                result.add(outcome)
            seed += given.processes
    return result


def _report_crashes(crashes: list[CrashOutcome]) -> int:
    failed = [each for each in crashes if each.violations]
    for each in failed:
        _say(f"FAILED after a crash: {each.violations[0]}\n  python -m tests.faults --crash-seed {each.seed}")
    return 1 if failed else 0


def _report(result: CampaignResult, *, adapters: bool) -> int:
    """Print each failing seed once per guarantee."""
    seen: dict[tuple[int, str], Violation] = {}
    for seed, violation in result.failures:
        seen.setdefault((seed, violation.guarantee), violation)
    for number, ((seed, _), violation) in enumerate(seen.items()):
        _say(f"FAILED with seed {seed}{' (adapters)' if adapters else ''}: {violation}")
        if adapters:
            _say(f"  python -m tests.faults --through-adapters --polls-each 60 --seed {seed}")
        elif number < MOST_SHRUNK:
            _shrink(drawn(seed), violation)
    return 1 if seen else 0


def _shrink(run: DrawnRun, violation: Violation) -> None:
    small = shrunk(run, violation.guarantee)
    _say(f"  {len(run.faults)} faults shrunk to {len(small.faults)}:\n  {command(small)}")


def _catch(processes: int, most_seeds: int) -> int:
    with ProcessPoolExecutor(processes) as pool:
        catches = list(pool.map(catching.searched, BUGS, repeat(most_seeds)))
    catching.record([catch for catch in catches if catch is not None])
    missed = [bug.name for bug, catch in zip(BUGS, catches, strict=True) if catch is None]
    _say(f"{len(BUGS) - len(missed)} of {len(BUGS)} planted bugs caught")
    for name in missed:
        _say(f"not caught: {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
