"""Each mutant before the tests of the core, in a process of its own that inherits all that can be inherited.

Most mistakes lie inside a function: there the tests are collected once, and each trial is a fork in which that
function's code is replaced. It costs what the tests cost until one fails, some hundredths of a second. The others, in
tables, constants and what is called while modules are imported, are tried in forks that import the core anew.
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
from tests.mutants.asking import OPTIONS, TESTS, Haste, objects
from tests.mutants.planting import CORE, ROOT, Mutant

CPU_LIMIT_S = 60
"""Of processor time, since a shared machine pauses at will. A trial that takes more has met a mutant that hangs: all
tests together take a tenth of that.
"""

PATIENCE_S = 600.0
"""Whatever hangs without computing is ended after so long."""

MEMORY_LIMIT_BYTES = 2 * 1024**3


class Outcome(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


Tell: TypeAlias = Callable[[Mutant, Outcome], None]


def judge(mutants: Sequence[Mutant], jobs: int, tell: Tell) -> bool:
    """Tells every mutant's outcome, as they come, `jobs` at a time. Not to be called where the core was imported.

    False: the tests fail without any mutant, so that every one would seem to be killed.
    """
    within = [mutant for mutant in mutants if placing.is_replaceable(mutant)]
    anew = [mutant for mutant in mutants if not placing.is_replaceable(mutant)]
    os.chdir(ROOT)
    if anew and not _passes(_judged_anew):
        return False
    _try_all(anew, jobs, _judged_anew, tell)
    court = _Court(within, jobs, tell)
    if within:
        pytest.main(OPTIONS, plugins=[Haste(), court])
    return court.is_fit


class _Court:
    """A pytest plugin: instead of running the collected tests once, it runs them for each mutant, in a fork."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, tell: Tell) -> None:
        self._mutants, self._jobs, self._tell = mutants, jobs, tell
        self.is_fit = not mutants

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        judged = partial(_judged_within, session)
        self.is_fit = not session.testsfailed and _passes(judged)
        if self.is_fit:
            _try_all(self._mutants, self._jobs, judged, self._tell)
        return True


def _judged_anew(mutant: Mutant) -> int:
    """In the child: the tests' exit code, with the mutant found in the place of its module."""
    placing.install(mutant)
    return pytest.main(OPTIONS, plugins=[Haste(mutant.module)])


def _judged_within(session: pytest.Session, mutant: Mutant) -> int:
    """In the child: 1 if a test fails, with the mutant's code in the place of its function's."""
    placing.replace(mutant)
    return int(objects(session, mutant))


def _passes(judged: Callable[[Mutant], int]) -> bool:
    """The core as it is passes the tests."""
    seen: list[Outcome] = []
    source = (CORE / "engine.py").read_text()
    unharmed = Mutant("engine", "decide", "", 0, "", "", within=True, source=source)
    _try_all([unharmed], 1, judged, lambda _, outcome: seen.append(outcome))
    return seen == [Outcome.SURVIVED]


def _try_all(mutants: Iterable[Mutant], jobs: int, judged: Callable[[Mutant], int], tell: Tell) -> None:
    waiting, running = iter(mutants), dict[int, tuple[Mutant, float]]()
    gc.freeze()
    try:
        while True:
            while len(running) < jobs and (mutant := next(waiting, None)) is not None:
                running[_forked(mutant, judged)] = mutant, time.monotonic() + PATIENCE_S
            if not running:
                return
            for child, (mutant, deadline) in list(running.items()):
                outcome = _outcome(child, deadline)
                if outcome is not None:
                    del running[child]
                    tell(mutant, outcome)
            time.sleep(0.002)
    finally:
        for child in running:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _outcome(child: int, deadline: float) -> Outcome | None:
    """None: the trial goes on. A child that was ended by a signal, or by lack of memory, was killed by its mutant."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        if time.monotonic() < deadline:
            return None
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Outcome.TIMED_OUT
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return Outcome.TIMED_OUT
    if code in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise RuntimeError(f"pytest ran no tests in {TESTS}: it ended with {code}")
    return Outcome.SURVIVED if code == pytest.ExitCode.OK else Outcome.KILLED


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
