"""What each test of the core does without any mutant: its CPU time, and the lines of the core that it executes.

A mutant can only make a test fail that executes the mutated statement. So a trial runs these tests only, the fastest
first, and stops a test that takes many times its own time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import coverage
import hypothesis
import pytest

from tests.mutants import placing
from tests.mutants.asking import OPTIONS, FastTests, fails
from tests.mutants.imports import imported_files
from tests.mutants.planting import CORE, ROOT

CACHE = ROOT / ".cache" / "mutants"
_STORED = CACHE / "traces.json"


class Trace(NamedTuple):
    """The test's file, its CPU time in seconds, and its executed lines by module of the core, such as `rules/pace`."""

    file: str
    seconds: float
    lines: Mapping[str, frozenset[int]]


def traces(jobs: int) -> dict[str, Trace] | None:
    """Return the trace of each test by its pytest id; None if a test fails. Must be called before the core is imported.

    Traces are stored, and recorded again when the core, the test's file or what all tests use has changed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    stored = json.loads(_STORED.read_text()) if _STORED.is_file() else {}
    current = {path: digest for path, digest in digests_of_tests().items() if path in stored}
    known = {path: entry for path, entry in stored.items() if current.get(path) == entry["digest"]}
    missing = sorted(digests_of_tests().keys() - known.keys())
    if missing:
        sys.stderr.write(f"recording which lines the tests of {len(missing)} files execute ...\n")
        recorded = _recorded(missing, jobs)
        if recorded is None:
            return None
        known |= {path: {"digest": digests_of_tests()[path], "tests": tests} for path, tests in recorded.items()}
        _STORED.write_text(json.dumps(known))
    return {
        test: Trace(path, seconds, {module: frozenset(numbers) for module, numbers in lines.items()})
        for path, entry in known.items()
        for test, (seconds, lines) in entry["tests"].items()
    }


@cache
def digests_of_tests() -> dict[str, str]:
    """Return a digest of each test file, with all that its outcome depends on: the files that it imports, the way tests
    are run, Python and Hypothesis.
    """
    ways = [*map(Path(__file__).with_name, ("asking.py", "placing.py")), ROOT / "tests" / "conftest.py"]
    tests = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / placing.TESTS).rglob("test_*.py"))]
    return {test: _digest({*ways, *imported_files(test)}) for test in tests}


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{sys.version} {hypothesis.__version__}".encode())
    for path in sorted(paths):
        digest.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


_Recorded = dict[str, dict[str, tuple[float, dict[str, list[int]]]]]


def _recorded(files: Sequence[str], jobs: int) -> _Recorded | None:
    """Run the tests of the files in `jobs` processes, each a share of them. None if a test fails."""
    children = {}
    for share in range(jobs):
        sys.stdout.flush()
        sys.stderr.flush()
        path = CACHE / f"share-{os.getpid()}-{share}.json"
        child = os.fork()
        if not child:
            code = 1
            try:
                recorder = _TraceRecorder(files, share, jobs)
                code = pytest.main(OPTIONS, plugins=[FastTests(), recorder])
                path.write_text(json.dumps(recorder.found))
            finally:
                os._exit(code)
        children[child] = path
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    shares = [json.loads(path.read_text()) for path in children.values() if path.is_file()]
    for path in children.values():
        path.unlink(missing_ok=True)
    if any(codes):
        return None
    merged: _Recorded = {path: {} for path in files}
    for found in shares:
        for path, tests in found.items():
            merged[path] |= tests
    return merged


class _TraceRecorder:
    """A pytest plugin that runs each test of its share twice: to measure its time, and to trace its lines."""

    def __init__(self, files: Sequence[str], share: int, shares: int) -> None:
        self._files, self._share, self._shares = set(files), share, shares
        self.found: _Recorded = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        own = [item for item in session.items if item.nodeid.partition("::")[0] in self._files]
        tracer = coverage.Coverage(data_file=None, config_file=False, include=[f"{CORE}/*"], messages=False)
        tracer.set_option("run:disable_warnings", ["no-data-collected"])
        for item in own[self._share :: self._shares]:
            placing.clear_caches()
            before = time.process_time()
            failed = fails(item)
            seconds = time.process_time() - before
            placing.clear_caches()
            tracer.erase()
            tracer.start()
            failed = fails(item) or failed
            tracer.stop()
            if failed:
                sys.stderr.write(f"fails without any mutant: {item.nodeid}\n")
                session.testsfailed += 1
                continue
            data = tracer.get_data()
            lines = {_module(path): data.lines(path) or [] for path in data.measured_files()}
            self.found.setdefault(item.nodeid.partition("::")[0], {})[item.nodeid] = (seconds, lines)
        return True


def _module(path: str) -> str:
    return Path(path).relative_to(CORE).with_suffix("").as_posix()
