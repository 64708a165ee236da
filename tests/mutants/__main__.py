"""`python -m tests.mutants`, or `make mutants`: test all mutants, write `docs/mutants.md`, exit 1 on findings."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Sequence
from random import Random

from tests.mutants import report
from tests.mutants.planting import Mutant, modules, mutants_of
from tests.mutants.trials import MutantOutcome, judge


def main(arguments: Sequence[str]) -> int:
    """Return 0 if enough mutants were killed and each survivor has a reason, else 1; 2 if the tests fail unmutated.

    A run over a part prints its findings and does not write the report.
    """
    options = _options(arguments)
    known, excluded = report.reasons(), report.exclusions()
    mutants = [mutant for module in options.only or modules() for mutant in mutants_of(module, excluded.keys())]
    if options.seed_sample is not None:
        mutants = Random(1).sample(mutants, min(options.seed_sample, len(mutants)))
    results = _results_of(mutants, options.jobs)
    if results is None:
        sys.stderr.write("the tests of the core fail without any mutant; fix them first\n")
        return 2
    found = report.findings(results, known)
    if not options.only and options.seed_sample is None:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        report.PAGE.write_text(report.page(results, known, excluded, today))
        sys.stderr.writelines(f"{line}\n" for line in report.stale(results, known))
    sys.stdout.writelines(f"{line}\n" for line in found)
    alive = len(report.survivors(results))
    sys.stdout.write(f"{len(results):,} mutants, {report.killed_ratio(results):.1%} killed, {alive} survived\n")
    return 1 if found else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="MODULE", action="append", choices=modules(), help="such as rules/pace")
    parser.add_argument("--jobs", type=int, default=2, help="number of parallel trials [default: 2]")
    parser.add_argument("--seed-sample", metavar="N", type=int, help="test N random mutants, the same at every run")
    return parser.parse_args(arguments)


def _results_of(mutants: Sequence[Mutant], jobs: int) -> list[report.Result] | None:
    """Test the mutants, and print survivors and progress on standard error. None: the tests fail unmutated."""
    began, results = time.monotonic(), list[report.Result]()

    def add(mutant: Mutant, outcome: MutantOutcome) -> None:
        results.append((mutant, outcome))
        if outcome is MutantOutcome.SURVIVED:
            sys.stderr.write(f"\r{report.describe(mutant)}\n")
        left_s = (time.monotonic() - began) / len(results) * (len(mutants) - len(results))
        alive = len(report.survivors(results))
        sys.stderr.write(f"\r{len(results):,} of {len(mutants):,} mutants, {alive} live; {left_s:,.0f} s left   ")

    is_fit = judge(mutants, jobs, add)
    sys.stderr.write(f"\n{time.monotonic() - began:,.0f} s\n")
    return results if is_fit else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
