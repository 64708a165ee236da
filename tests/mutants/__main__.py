"""Test all mutants, write `docs/mutants.md`, and exit 1 on findings. With modules: test only these, and write nothing.

An interrupted run goes on where it ended. Only what has changed since the last run is tested.
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from random import Random

from tests.mutants import report
from tests.mutants.choosing import MutantTests
from tests.mutants.journal import OutcomeJournal
from tests.mutants.planting import ROOT, Mutant, modules, mutants_of
from tests.mutants.tracing import Trace, traces
from tests.mutants.trials import MutantOutcome, Tests, judge


def main(arguments: Sequence[str]) -> int:
    """Return 0 if enough mutants of each module were killed and each survivor has a reason, else 1; 2 if the tests fail
    unmutated, or the run was interrupted.
    """
    options = _options(arguments)
    known, excluded = report.reasons(), report.exclusions()
    mutants = [mutant for module in _modules(options.modules) for mutant in mutants_of(module, excluded.keys())]
    if options.seed_sample is not None:
        mutants = Random(1).sample(mutants, min(options.seed_sample, len(mutants)))
    if options.report:
        results, left = _stored(mutants, OutcomeJournal())
        report.PAGE.write_text(report.page(results, known, excluded, f"{_today()}, from stored outcomes", left))
        return 0
    tests = traces(options.jobs)
    if tests is None:
        sys.stderr.write("the tests of the core fail without any mutant; fix them first\n")
        return 2
    results = _results_of(mutants, options.jobs, tests)
    if len(results) < len(mutants):  # pytest handles Ctrl-C
        sys.stderr.write(f"interrupted after {len(results):,} of {len(mutants):,} mutants; the next run goes on\n")
        return 2
    found = report.findings(results, known)
    if not options.modules and options.seed_sample is None:
        report.PAGE.write_text(report.page(results, known, excluded, _today()))
        sys.stderr.writelines(f"{line}\n" for line in report.stale(results, known))
    sys.stdout.writelines(f"{line}\n" for line in [*found, *report.module_table(results)])
    return 1 if found else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "modules", metavar="MODULE", nargs="*", help="such as latency, rules/pace, rules [default: all]"
    )
    parser.add_argument("--jobs", type=int, default=2, help="number of parallel trials [default: 2]")
    parser.add_argument("--seed-sample", metavar="N", type=int, help="test N random mutants, the same at every run")
    parser.add_argument("--report", action="store_true", help="write the page from the outcomes so far; test nothing")
    options = parser.parse_args(arguments)
    for name in options.modules:
        if not _modules([name]):
            parser.error(f"no module {name!r}; the modules are: {', '.join(modules())}")
    return options


def _modules(names: Sequence[str]) -> list[str]:
    """Return the modules with these names, and those in folders with these names; without names all."""
    return [name for name in modules() if not names or name in names or name.split("/")[0] in names]


def _today() -> str:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{today}, commit {commit.stdout.strip()}" if commit.returncode == 0 else today


def _stored(mutants: Sequence[Mutant], journal: OutcomeJournal) -> tuple[list[report.Result], list[Mutant]]:
    """Return the last outcomes, and the mutants without one. Tests may have been added since."""
    entries = [(mutant, journal.last(mutant)) for mutant in mutants]
    results = [(mutant, MutantOutcome(entry.outcome)) for mutant, entry in entries if entry is not None]
    return results, [mutant for mutant, entry in entries if entry is None]


def _results_of(mutants: Sequence[Mutant], jobs: int, tests: Mapping[str, Trace]) -> list[report.Result]:
    """Test the mutants, and print survivors and progress on standard error."""
    began, results = time.monotonic(), list[report.Result]()
    journal, choice = OutcomeJournal(), MutantTests(tests)
    left = list[Mutant]()
    for mutant in mutants:
        entry = journal.entry(mutant)
        if journal.missing(entry):
            left.append(mutant)
        elif entry is not None:
            results.append((mutant, MutantOutcome(entry.outcome)))
        if entry is not None and entry.killer:
            choice.learn(mutant, entry.killer)
    tested_before = len(results)
    Random(1).shuffle(left)  # the results so far are a sample of all, and the time that is left is realistic

    def tests_for(mutant: Mutant) -> Tests:
        return choice.tests_for(mutant, journal.missing(journal.entry(mutant)), journal.killer(mutant))

    def add(mutant: Mutant, outcome: MutantOutcome, killer: str) -> None:
        results.append((mutant, outcome))
        journal.add(mutant, outcome, killer)
        if killer:
            choice.learn(mutant, killer)
        if outcome is MutantOutcome.SURVIVED:
            sys.stderr.write(f"\r{report.describe(mutant)}\n")
        each_s = (time.monotonic() - began) / (len(results) - tested_before)
        alive, left_s = len(report.survivors(results)), each_s * (len(mutants) - len(results))
        sys.stderr.write(f"\r{len(results):,} of {len(mutants):,} mutants, {alive} live; {left_s:,.0f} s left   ")

    judge(left, jobs, tests_for, add)
    sys.stderr.write(f"\n{time.monotonic() - began:,.0f} s\n")
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
