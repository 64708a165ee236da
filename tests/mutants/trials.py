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
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TypeAlias

import pytest

from tests.mutants import placing
from tests.mutants.asking import OPTIONS, TESTS, FastTests, is_detected
from tests.mutants.planting import ROOT, Mutant

TIMEOUT_S = 600.0
"""Seconds after which a trial that hangs without using CPU time is killed. `asking` limits the CPU time of a test."""

MEMORY_LIMIT_BYTES = 2 * 1024**3


class MutantOutcome(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


Tests: TypeAlias = Sequence[tuple[str, float]]
"""Tests by their pytest ids, each with its usual CPU time in seconds, in the order in which they run."""

ReportOutcome: TypeAlias = Callable[[Mutant, MutantOutcome, str], None]
"""Called with each outcome, and the test that killed the mutant (empty: none, or before any test ran)."""

_Judge: TypeAlias = Callable[[Mutant, Tests, Callable[[str], None]], bool]
"""Returns whether a test detects the mutant. Runs in the child, and calls its last argument before each test."""


def judge(mutants: Sequence[Mutant], jobs: int, tests_for: Callable[[Mutant], Tests], report: ReportOutcome) -> None:
    """Run all trials, `jobs` at a time, and report each outcome."""
    within = [mutant for mutant in mutants if placing.is_replaceable(mutant)]
    reimported = [mutant for mutant in mutants if not placing.is_replaceable(mutant)]
    os.chdir(ROOT)
    if within:
        pytest.main(OPTIONS, plugins=[FastTests(), _Court(within, jobs, tests_for, report)])
    _try_all(reimported, jobs, tests_for, _judge_reimported, report)


@dataclass
class _Court:
    """A pytest plugin that runs the collected tests once for each mutant, in a fork."""

    mutants: Sequence[Mutant]
    jobs: int
    tests_for: Callable[[Mutant], Tests]
    report: ReportOutcome

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        _try_all(self.mutants, self.jobs, self.tests_for, partial(_judge_within, items), self.report)
        return True


@dataclass
class _Session:
    """A pytest plugin that runs the collected tests on a mutant that was imported with them."""

    tests: Tests
    running: Callable[[str], None]
    is_detected: bool = True
    """True unless the tests were collected and passed: a mutant with which they cannot be imported is killed."""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            self.is_detected = is_detected({item.nodeid: item for item in session.items}, self.tests, self.running)
        return True


def _judge_reimported(mutant: Mutant, tests: Tests, running: Callable[[str], None]) -> bool:
    """The file of the first test runs alone first: to import all of them takes seconds."""
    _forget()
    placing.install(mutant)
    options = [option for option in OPTIONS if option != TESTS]
    first = tests[0][0].partition("::")[0] if tests else ""
    for is_first in (True, False):
        chosen = [pair for pair in tests if (pair[0].partition("::")[0] == first) == is_first]
        files = sorted({test.partition("::")[0] for test, _ in chosen})
        session = _Session(chosen, running)
        if files:
            pytest.main([*options, *files], plugins=[FastTests(), session])
            if session.is_detected:
                return True
    return False


def _forget() -> None:
    """Forget the modules of the product and its tests, so that they are imported again: `tests` imports much of the
    core. The modules of this package stay.
    """
    for name in list(sys.modules):
        if name.partition(".")[0] in {"autoscaler", "tests"} and not name.startswith("tests.mutants"):
            del sys.modules[name]


def _judge_within(
    items: Mapping[str, pytest.Item], mutant: Mutant, tests: Tests, running: Callable[[str], None]
) -> bool:
    placing.replace(mutant)
    return is_detected(items, tests, running)


def _try_all(
    mutants: Iterable[Mutant],
    jobs: int,
    tests_for: Callable[[Mutant], Tests],
    judged: _Judge,
    report: ReportOutcome,
) -> None:
    pending, running = iter(mutants), list[_Trial]()
    gc.freeze()
    try:
        while True:
            while len(running) < jobs and (mutant := next(pending, None)) is not None:
                running.append(_Trial(mutant, tests_for(mutant), judged))
            if not running:
                return
            for trial in list(running):
                outcome = trial.outcome()
                if outcome is not None:
                    running.remove(trial)
                    last = trial.last_test()
                    report(trial.mutant, outcome, "" if outcome is MutantOutcome.SURVIVED else last)
            time.sleep(0.002)
    finally:
        for trial in running:
            with suppress(ProcessLookupError):
                os.kill(trial.child, signal.SIGKILL)


@dataclass
class _Trial:
    """A child process that runs tests on a mutant. It writes the number of each test to a pipe before it runs it."""

    mutant: Mutant
    tests: Tests
    judged: _Judge
    child: int = field(init=False)

    def __post_init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._deadline = time.monotonic() + TIMEOUT_S
        self._read, write = os.pipe()
        self.child = os.fork()
        if not self.child:
            self._run(write)
        os.close(write)

    def outcome(self) -> MutantOutcome | None:
        """Return the outcome; None while it runs. A signal or an exhausted memory counts as killed."""
        ended, status = os.waitpid(self.child, os.WNOHANG)
        if not ended:
            if time.monotonic() < self._deadline:
                return None
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            return MutantOutcome.TIMED_OUT
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGPROF:
            return MutantOutcome.TIMED_OUT
        return MutantOutcome.KILLED if code else MutantOutcome.SURVIVED

    def last_test(self) -> str:
        """Return the last test that ran; empty if none ran."""
        with os.fdopen(self._read, "rb") as pipe:
            numbers = pipe.read()
        return self.tests[int.from_bytes(numbers[-4:], "little")][0] if numbers else ""

    def _run(self, write: int) -> None:
        code = 1
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
            numbers = {test: number.to_bytes(4, "little") for number, (test, _) in enumerate(self.tests)}

            def running(test: str) -> None:
                os.write(write, numbers[test])

            code = int(self.judged(self.mutant, self.tests, running))
        finally:
            os._exit(code)
