"""`python -m tests.mutants`, or `make mutants`: all mutants, a report in `docs/mutants.md`, and exit 1 on findings."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Sequence
from random import Random

from tests.mutants import report
from tests.mutants.planting import Mutant, modules, mutants_of
from tests.mutants.trials import Outcome, judge


def main(arguments: Sequence[str]) -> int:
    """0: enough were killed, and each survivor has its reason. 1: not so. 2: the tests fail without any mutant.

    A run over a part says what it found, and leaves the report as it is.
    """
    asked = _options(arguments)
    known, excluded = report.reasons(), report.exclusions()
    mutants = [mutant for module in asked.only or modules() for mutant in mutants_of(module, excluded.keys())]
    if asked.seed_sample is not None:
        mutants = Random(1).sample(mutants, min(asked.seed_sample, len(mutants)))
    results = _followed(mutants, asked.jobs)
    if results is None:
        sys.stderr.write("the tests of the core fail without any mutant: mend that first\n")
        return 2
    found = report.findings(results, known)
    if not asked.only and asked.seed_sample is None:
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
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--seed-sample", metavar="N", type=int, help="N of them, the same at every run")
    return parser.parse_args(arguments)


def _followed(mutants: Sequence[Mutant], jobs: int) -> list[report.Result] | None:
    """The results, with survivors, progress and time left on standard error. None: nothing could be judged."""
    began, results = time.monotonic(), list[report.Result]()

    def tell(mutant: Mutant, outcome: Outcome) -> None:
        results.append((mutant, outcome))
        if outcome is Outcome.SURVIVED:
            sys.stderr.write(f"\r{report.told(mutant)}\n")
        left_s = (time.monotonic() - began) / len(results) * (len(mutants) - len(results))
        alive = len(report.survivors(results))
        sys.stderr.write(f"\r{len(results):,} of {len(mutants):,} mutants, {alive} live; {left_s:,.0f} s left   ")

    fit = judge(mutants, jobs, tell)
    sys.stderr.write(f"\n{time.monotonic() - began:,.0f} s\n")
    return results if fit else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
