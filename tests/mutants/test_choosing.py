"""Which tests run on a mutant, in which order, and what a later run has still to test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import journal
from tests.mutants.choosing import MutantTests, lines_of
from tests.mutants.imports import imported_files, imported_modules
from tests.mutants.journal import OutcomeJournal
from tests.mutants.planting import CORE, ROOT, Mutant, mutants_of
from tests.mutants.tracing import Trace, digests_of_tests
from tests.mutants.trials import MutantOutcome, _Trial

TESTS = "tests/core"
RULES, FORMULA, LATENCY = (f"{TESTS}/test_{name}.py" for name in ("rules", "formula", "latency"))


def traces() -> dict[str, Trace]:
    def trace(file: str, seconds: float, *lines: int) -> Trace:
        return Trace(file, seconds, {"engine": frozenset(lines)})

    return {
        f"{RULES}::slow": trace(RULES, 2.0, 3, 4),
        f"{RULES}::fast": trace(RULES, 0.1, 3),
        f"{RULES}::other": trace(RULES, 0.1, 9),
        f"{FORMULA}::one": Trace(FORMULA, 0.5, {"formula": frozenset({3})}),
        f"{LATENCY}::one": trace(LATENCY, 0.5, 3),
    }


def planted(lines: tuple[int, int], function: str = "decide") -> Mutant:
    return Mutant("engine", function, "constant", lines[0], "x = 1", "x = 2", within=True, source="", lines=lines)


def chosen(
    choice: MutantTests, mutant: Mutant, files: tuple[str, ...] = (RULES, FORMULA, LATENCY), first: str = ""
) -> list[str]:
    return [test.rpartition("/test_")[2] for test, _ in choice.tests_for(mutant, files, first)]


def test_only_tests_that_execute_the_statement_run_the_fastest_first() -> None:
    choice = MutantTests(traces())
    assert chosen(choice, planted((3, 3))) == ["rules.py::fast", "latency.py::one", "rules.py::slow"]
    assert chosen(choice, planted((4, 8))) == ["rules.py::slow"]
    assert chosen(choice, planted((5, 8))) == []
    assert chosen(choice, planted((3, 3)), (LATENCY,)) == ["latency.py::one"]


def test_tests_that_killed_before_run_first() -> None:
    choice = MutantTests(traces())
    first = f"{RULES}::slow"
    assert chosen(choice, planted((3, 3)), first=first)[0] == "rules.py::slow"
    choice.learn(planted((3, 3)), f"{LATENCY}::one")
    assert chosen(choice, planted((3, 3)))[0] == "latency.py::one", "in the same function"
    assert chosen(choice, planted((3, 3), "other"))[0] == "rules.py::fast", "one kill in the module is no reason"


def test_a_constant_is_detected_by_tests_that_execute_a_statement_with_it() -> None:
    [one, *_] = [mutant for mutant in mutants_of("latency") if mutant.function == "EASE_RATIO"]
    lines = lines_of(one)["latency"]
    used = [
        number for number, line in enumerate((CORE / "latency.py").read_text().splitlines(), 1) if "EASE_RATIO" in line
    ]
    assert set(used) <= lines
    assert all(not numbers for module, numbers in lines_of(one).items() if module != "latency")


def test_a_mutant_that_is_executed_at_import_is_detected_by_tests_that_import_its_module() -> None:
    [one, *_] = [mutant for mutant in mutants_of("formula") if mutant.function == "FUNCTIONS"]
    assert f"{FORMULA}::one" in dict(MutantTests(traces()).tests_for(one, [FORMULA], None))
    assert "formula" in imported_modules(FORMULA)
    assert "forecast/models" not in imported_modules(FORMULA)
    assert ROOT / f"{TESTS}/calm.py" in imported_files(RULES)


def test_each_test_file_has_a_digest_of_all_that_it_imports() -> None:
    digests = digests_of_tests()
    assert RULES in digests
    assert len(set(digests.values())) == len(digests)
    assert f"{TESTS}/calm.py" not in digests


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal, "CACHE", tmp_path)
    monkeypatch.setattr(journal, "_JOURNAL", tmp_path / "journal.jsonl")
    return tmp_path / "journal.jsonl"


def with_digests(monkeypatch: pytest.MonkeyPatch, **digests: str) -> OutcomeJournal:
    monkeypatch.setattr(journal, "digests_of_tests", lambda: {f"{name}.py": digest for name, digest in digests.items()})
    return OutcomeJournal()


def test_an_outcome_is_remembered_while_its_tests_are_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, alive = planted((3, 3)), _other()
    first = with_digests(monkeypatch, a="1", b="1")
    assert (first.entry(killed), sorted(first.missing(None))) == (None, ["a.py", "b.py"])
    first.add(killed, "killed", "a.py::test")
    first.add(alive, "survived", "")
    same = with_digests(monkeypatch, a="1", b="1")
    for mutant in (killed, alive):
        assert same.entry(mutant) is not None
        assert same.missing(same.entry(mutant)) == []
    changed = with_digests(monkeypatch, a="1", b="2", c="1")
    assert changed.missing(changed.entry(killed)) == [], "the test that killed it is the same"
    assert sorted(changed.missing(changed.entry(alive))) == ["b.py", "c.py"], "only what has changed"
    other = with_digests(monkeypatch, a="2", b="1")
    assert other.entry(killed) is None
    assert other.killer(killed) == "a.py::test", "it runs first"


def _other() -> Mutant:
    return Mutant("engine", "decide", "constant", 4, "y = 1", "y = 2", within=True, source="y = 2", lines=(4, 4))


def test_a_line_that_was_not_written_completely_is_skipped(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_digests(monkeypatch, a="1").add(_other(), "survived", "")
    cache.write_text(cache.read_text() + '\n{"id": "5", "ke')
    entry = with_digests(monkeypatch, a="1").entry(_other())
    assert entry is not None
    assert entry.outcome == "survived"
    assert json.loads(cache.read_text().splitlines()[1])["digests"] == {"a.py": "1"}


def test_a_mutant_of_a_module_that_is_imported_already_is_imported_again() -> None:
    code = """
import sys, tests
from tests.mutants.planting import mutants_of
from tests.mutants.trials import _judge_reimported
assert "autoscaler.core.knowledge" in sys.modules
[mutant, *_] = [each for each in mutants_of("knowledge") if each.after == "weight: float = 1.0"]
test = "tests/core/test_knowledge.py::test_what_is_not_given_is_unknown_or_none"
found = _judge_reimported(mutant, [(test, 0.1)], print)
sys.exit(0 if found else 3)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_trial_ends_with_the_test_that_killed_or_a_time_out() -> None:
    def run(judged: Any) -> tuple[MutantOutcome, str]:
        trial, outcome = _Trial(_other(), [("a", 0.1), ("b", 0.1)], judged), None
        while outcome is None:
            outcome = trial.outcome()
        return outcome, trial.last_test()

    def detects(_: object, tests: list[tuple[str, float]], running: Callable[[str], None]) -> bool:
        running("a")
        running("b")
        return True

    def fails(*_: object) -> bool:
        raise RuntimeError

    def hangs(_: object, tests: object, running: Callable[[str], None]) -> bool:
        import signal

        running("a")
        signal.setitimer(signal.ITIMER_PROF, 0.01)
        while True:
            pass

    assert run(detects) == (MutantOutcome.KILLED, "b")
    assert run(lambda *_: False) == (MutantOutcome.SURVIVED, "")
    assert run(fails) == (MutantOutcome.KILLED, "")
    assert run(hangs) == (MutantOutcome.TIMED_OUT, "a")
