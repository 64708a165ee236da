"""Run the tests of the core on each mutant, in a forked process.

Most mutants are inside a function. For these the tests are collected once, and each trial is a fork in which the code
of that function is replaced; it takes some hundredths of a second until a test fails. The others (tables, constants,
functions called at import) run in forks that import the core again.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import pytest

from tests.mutants import placing
from tests.mutants.asking import OPTIONS, TESTS, FastTests, is_detected
from tests.mutants.planting import CORE, ROOT, Mutant

CPU_LIMIT_S = 60
"""CPU time, because a shared machine can pause. A trial that takes more is a mutant that hangs: all tests together take
a tenth of it.
"""

TIMEOUT_S = 600.0
"""Seconds after which a trial that hangs without using CPU time is killed."""

MEMORY_LIMIT_BYTES = 2 * 1024**3


class MutantOutcome(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


ReportOutcome: TypeAlias = Callable[[Mutant, MutantOutcome], None]


def judge(mutants: Sequence[Mutant], jobs: int, report: ReportOutcome) -> bool:
    """Run all trials, `jobs` at a time, and report each outcome. Must be called before the core is imported.

    Returns False if the tests fail without any mutant, because then every mutant would seem to be killed.
    """
    within = [mutant for mutant in mutants if placing.is_replaceable(mutant)]
    reimported = [mutant for mutant in mutants if not placing.is_replaceable(mutant)]
    os.chdir(ROOT)
    if reimported and not _passes(_judged_reimported):
        return False
    _try_all(reimported, jobs, _judged_reimported, report)
    court = _Court(within, jobs, report)
    if within:
        pytest.main(OPTIONS, plugins=[FastTests(), court])
    return court.is_fit


class _Court:
    """A pytest plugin that runs the collected tests once for each mutant, in a fork."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, report: ReportOutcome) -> None:
        self._mutants, self._jobs, self._report = mutants, jobs, report
        self.is_fit = not mutants

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        judged = partial(_judged_within, session)
        self.is_fit = not session.testsfailed and _passes(judged)
        if self.is_fit:
            _try_all(self._mutants, self._jobs, judged, self._report)
        return True


def _judged_reimported(mutant: Mutant) -> int:
    """Return the tests' exit code with the mutant in the place of its module. Runs in the child."""
    placing.install(mutant)
    return pytest.main(OPTIONS, plugins=[FastTests(mutant.module)])


def _judged_within(session: pytest.Session, mutant: Mutant) -> int:
    """Return 1 if a test fails with the mutant's code in the place of its function's, else 0. Runs in the child."""
    placing.replace(mutant)
    return int(is_detected(session, mutant))


def _passes(judged: Callable[[Mutant], int]) -> bool:
    """Return whether the unmutated core passes the tests."""
    seen: list[MutantOutcome] = []
    source = (CORE / "engine.py").read_text()
    unmutated = Mutant("engine", "decide", "", 0, "", "", within=True, source=source)
    _try_all([unmutated], 1, judged, lambda _, outcome: seen.append(outcome))
    return seen == [MutantOutcome.SURVIVED]


def _try_all(mutants: Iterable[Mutant], jobs: int, judged: Callable[[Mutant], int], report: ReportOutcome) -> None:
    pending, running = iter(mutants), dict[int, tuple[Mutant, float]]()
    gc.freeze()
    try:
        while True:
            while len(running) < jobs and (mutant := next(pending, None)) is not None:
                running[_forked(mutant, judged)] = mutant, time.monotonic() + TIMEOUT_S
            if not running:
                return
            for child, (mutant, deadline) in list(running.items()):
                outcome = _outcome(child, deadline)
                if outcome is not None:
                    del running[child]
                    report(mutant, outcome)
            time.sleep(0.002)
    finally:
        for child in running:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _outcome(child: int, deadline: float) -> MutantOutcome | None:
    """Return the outcome of a trial; None while it runs. A signal or an exhausted memory counts as killed."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        if time.monotonic() < deadline:
            return None
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return MutantOutcome.TIMED_OUT
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return MutantOutcome.TIMED_OUT
    if code in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise RuntimeError(f"pytest ran no tests in {TESTS}: it ended with {code}")
    return MutantOutcome.SURVIVED if code == pytest.ExitCode.OK else MutantOutcome.KILLED


def _forked(mutant: Mutant, judged: Callable[[Mutant], int]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        code = int(judged(mutant))
    finally:
        os._exit(code)
