"""Tests of the mutation tester: its mutants, its exclusions, and the findings of a run."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys

import pytest

from tests.mutants import asking
from tests.mutants.placing import CALLED_AT_IMPORT, Planted, _function, is_replaceable
from tests.mutants.planting import CORE, ROOT, Mutant, modules, mutants_of, planted
from tests.mutants.report import Reasons, exclusions, findings, killed_ratio, page, reasons, stale
from tests.mutants.trials import MutantOutcome


def lines(source: str) -> dict[str, set[str]]:
    """Return the changed lines by operator."""
    found: dict[str, set[str]] = {}
    for mutant in planted("engine", source):
        found.setdefault(mutant.operator, set()).add(mutant.after)
    return found


@pytest.mark.parametrize(
    ("line", "operator", "becomes"),
    [
        ("x = a < b", "comparison", {"x = a <= b", "x = a >= b"}),
        ("x = a is not b", "comparison", {"x = a is b"}),
        ("x = a in (b, c)", "element", {"x = a in (b,)", "x = a in (c,)"}),
        ("x = (a) + (b)", "arithmetic", {"x = (a) - (b)"}),
        ("x += a", "arithmetic", {"x -= a"}),
        ("x = -(-a // b)", "arithmetic", {"x = (-a // b)", "x = -((a) // b)", "x = -(-a * b)"}),
        ("x = a and b", "connective", {"x = a or b", "x = True and b", "x = a and True"}),
        ("x = a or 0", "connective", {"x = a and 0", "x = False or 0"}),
        ("x = not a", "connective", {"x = (a)"}),
        ("x = max(a, b)", "extreme", {"x = min(a, b)"}),
        ("x = max(a, *b)", "contender", {"x = (a)", "x = max(*b)"}),
        ("x = 7", "constant", {"x = 8", "x = (6)"}),
        ("x = True", "constant", {"x = False"}),
        ("x = 1e300", "constant", {"x = 2e+300", "x = 5e+299"}),
        ("x = a if b else c", "condition", {"x = a if True else c", "x = a if False else c"}),
        ("x = [a for a in b if c]", "condition", {"x = [a for a in b if True]"}),
        ("x = {a, b}", "element", {"x = {a}", "x = {b}"}),
        ("x = {**a, b: c}", "element", {"x = {**a}", "x = {b: c}"}),
        ("a(b)", "step", {"pass"}),
        ("raise a", "step", {"pass"}),
    ],
)
def test_each_operator_makes_its_mutants(line: str, operator: str, becomes: set[str]) -> None:
    assert lines(f"def f():\n    {line}\n")[operator] == becomes


def test_a_returned_number_is_changed_by_one() -> None:
    assert lines("def f() -> int:\n    return a\n") == {"answer": {"return (a) + 1", "return (a) - 1"}}
    assert lines("def f() -> str:\n    return a\n") == {}


@pytest.mark.parametrize(
    "source",
    [
        '"""Words 1 < 2."""\n',
        "x = f'{a + 1} of {max(a, b)}'\n",
        "sentence = lambda: f'{a + 1}' if b else 'at least 2'\n",
        "X: TypeAlias = Callable[[A, B], C]\n",
        "def f(x: Literal[1] = None) -> Literal[2]: ...\n",
        "@cache(maxsize=1024)\ndef f(): ...\n",
        "__all__ = ['a', 'b']\n",
    ],
)
def test_sentences_types_and_decorators_are_not_mutated(source: str) -> None:
    assert lines(source) == {}


def test_equal_mutants_are_one() -> None:
    afters = [mutant.after for mutant in planted("engine", "x = max(a, a)\n")]
    assert sorted(afters) == ["x = (a)", "x = min(a, a)"]


def test_only_excluded_names_are_not_mutated() -> None:
    source = "def f():\n    return 1\ndef g():\n    return 2\n"
    assert {mutant.function for mutant in planted("engine", source, {("engine", "f"), ("model", "g")})} == {"g"}


def test_a_mutant_of_several_lines_with_non_ascii_text_is_described_on_one_line() -> None:
    found = [(m.line, m.before, m.after) for m in planted("engine", "é = 'é', max(\n    ä,\n    b,\n)\n")]
    assert (1, "é = 'é', max( ä, b, )", "é = 'é', (ä)") in found
    assert (1, "é = 'é', max(", "é = 'é', min(") in found


@pytest.mark.parametrize("module", ["engine", "rules/pace", "rules/__init__"])
def test_every_mutant_of_the_core_is_a_different_valid_program(module: str) -> None:
    mutants = mutants_of(module)
    programs = {ast.dump(ast.parse(mutant.source)) for mutant in mutants}
    assert len(programs) >= 0.95 * len(mutants) > 10
    assert all(mutant.before != mutant.after for mutant in mutants)


def test_a_mutant_has_the_lines_of_its_statement() -> None:
    source = """def f(a, b):
    if (
        a
        and b > 1
    ):
        return max(
            a,
            b,
        )
    for c in a: b += 1
    with a(2):
        pass
"""
    lines = {(mutant.lines, mutant.before) for mutant in planted("engine", source)}
    assert {((2, 5), "and b > 1"), ((6, 9), "return max("), ((11, 11), "with a(2):")} <= lines
    assert ((10, 10), "for c in a: b += 1") in lines


def mutant(after: str, module: str = "engine") -> Mutant:
    return Mutant(module, "decide", "constant", 3, "x = 1", after, within=True, source="x = 2\n")


def test_a_planted_module_replaces_its_file_and_no_other() -> None:
    spec = Planted(mutant("x = 2", "rules/pace")).find_spec("autoscaler.core.rules.pace", None)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.x == 2
    assert Planted(mutant("x = 2", "rules/pace")).find_spec("autoscaler.core.pace", None) is None
    package = Planted(mutant("x = 2", "rules/__init__")).find_spec("autoscaler.core.rules", None)
    assert package is not None
    assert package.submodule_search_locations


def test_every_function_with_mutants_is_found_in_its_module() -> None:
    for name in modules():
        for planted_one in {
            (m.imported, m.function): m for m in mutants_of(name) if m.within and is_replaceable(m)
        }.values():
            function, _ = _function(importlib.import_module(planted_one.imported), planted_one.function)
            assert function.__module__ == planted_one.imported


def test_a_constant_is_replaced_where_it_was_imported_and_where_it_is_used_in_another_constant() -> None:
    code = """
import sys
from tests.mutants.placing import _replace_constants
import autoscaler.core.latency as latency, autoscaler.core.signals as signals
from autoscaler.core import demand
source = open(signals.__file__).read().replace("MOST_MEASURED = 1e300", "MOST_MEASURED = 7.0")
_replace_constants(signals, compile(source, signals.__file__, "exec", dont_inherit=True))
assert signals.MOST_MEASURED == demand.MOST_MEASURED == 7.0
assert signals.MOST_PERCENT == 1e6
source = open(latency.__file__).read().replace("EASE_RATIO = 0.5", "EASE_RATIO = 0.25")
_replace_constants(latency, compile(source, latency.__file__, "exec", dont_inherit=True))
assert latency.EASE_RATIO == 0.25
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_constant_that_a_test_or_a_class_uses_is_not_replaced_in_place() -> None:
    by_name = {mutant.function: mutant for name in ("latency", "memory", "signals") for mutant in mutants_of(name)}
    assert is_replaceable(by_name["EASE_RATIO"])
    assert not is_replaceable(by_name["AGREEMENT_S"])
    timers = [mutant for mutant in mutants_of("forecast/models") if mutant.function == "TIMERS"]
    assert not any(map(is_replaceable, timers)), "a function that is called at import uses them"
    assert not is_replaceable(by_name["MOST_MESSAGES"])


CALLS = """
import pytest, sys
called = set()
def note(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(sys.argv[1]) and "<" not in frame.f_code.co_name:
        called.add((frame.f_code.co_filename[len(sys.argv[1]) + 1:-3], frame.f_code.co_qualname))
sys.setprofile(note)
pytest.main(["-qqq", "--collect-only", "-pno:cacheprovider", "-pno:xdist", "tests/core"])
sys.setprofile(None)
print("", *sorted(f"{module} {name}" for module, name in called), sep=chr(10) + "called ")
"""


def test_the_functions_called_at_import_are_listed() -> None:
    """Mutants of other functions in this list would be applied too late and would seem to survive."""
    command = [sys.executable, "-c", CALLS, str(CORE)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    called = {tuple(line.split()[1:]) for line in said.splitlines() if line.startswith("called ")}
    named = {one[0] for one in called | CALLED_AT_IMPORT}
    functions = {(m.module, m.function) for name in modules() if name in named for m in mutants_of(name) if m.within}
    assert called & functions == CALLED_AT_IMPORT & functions


def test_a_run_passes_with_enough_killed_and_a_reason_for_each_survivor() -> None:
    alive, killed = mutant("x = 0"), [mutant(f"x = {n}") for n in range(2, 11)]
    accepted = Reasons({alive.key: "accepted"})
    results = [*((dead, MutantOutcome.KILLED) for dead in killed), (alive, MutantOutcome.SURVIVED)]
    assert killed_ratio(results) == 0.9
    assert findings(results, accepted) == []
    assert findings(results, Reasons()) == ["no reason: engine.py:3 in decide\n  - x = 1\n  + x = 0"]
    other = [(mutant(f"x = {n}", "memory"), MutantOutcome.KILLED) for n in range(2, 50)]
    few = [*results[:3], results[-1], *other]
    assert findings(few, accepted) == ["engine.py: 75.0% killed; required: 90%"], "in each module"
    hung = [(killed[0], MutantOutcome.TIMED_OUT), *results[1:]]
    assert killed_ratio(hung) == 0.9, "a timeout counts as killed"
    assert stale(
        results, Reasons({killed[0].key: "accepted", alive.key: "accepted"}, {("engine", "LIMIT"): "tuned"})
    ) == [
        "no such survivor: engine.py, decide: x = 2",
        "no such survivor: engine.py, LIMIT",
    ]


def test_the_page_counts_mutants_and_shows_each_survivor_with_its_reason() -> None:
    alive = mutant("x = 0")
    results = [(mutant("x = 2"), MutantOutcome.KILLED), (alive, MutantOutcome.SURVIVED)]
    text = page(results, Reasons({alive.key: "accepted"}), {}, "2026-01-01")
    assert "2026-01-01: 2 mutants, 50.0% killed." in text
    assert "| `engine.py` | 2 | 1 | 0 | 1 | 50% |" in text
    assert "without a reason" not in text
    assert "`engine.py`, `decide`: accepted.\n\n```diff\n- x = 1\n+ x = 0\n```" in text


def test_survivors_of_one_line_are_listed_together_and_those_without_a_reason_apart() -> None:
    alive = [mutant(f"x = {number}") for number in range(3)]
    known = Reasons({alive[0].key: "accepted", alive[1].key: "accepted"})
    text = page([(each, MutantOutcome.SURVIVED) for each in alive], known, {}, "2026-01-01")
    assert "0.0% killed.\n1 of the 3 survivors have no reason yet." in text
    assert "`decide`: accepted.\n\n```diff\n- x = 1\n+ x = 0\n+ x = 1\n```" in text
    assert "## Survivors without a reason\n\n`engine.py`, `decide`\n\n```diff\n- x = 1\n+ x = 2\n```" in text


def test_mutants_that_were_not_run_are_counted_apart() -> None:
    text = page([(mutant("x = 2"), MutantOutcome.KILLED)], Reasons(), {}, "2026-01-01", [mutant("x = 0")])
    assert "1 mutants, 100.0% killed.\n1 further mutants were not run" in text
    assert "| module | mutants | killed | timed out | survived | not run | |" in text
    assert "| `engine.py` | 2 | 1 | 0 | 0 | 1 | 100% |" in text


def test_the_value_of_a_constant_has_one_reason_for_all_its_mutants() -> None:
    known = Reasons({}, {("latency", "CATCH_UP_S"): "tuned"})
    both = [mutant for mutant in mutants_of("latency") if mutant.before.startswith("CATCH_UP_RATIO, CATCH_UP_S =")]
    assert both
    assert {known.of(each) for each in both} == {"tuned"}
    assert known.of(mutants_of("latency")[0]) is None


def test_the_tests_that_a_run_names_exist() -> None:
    path, _, law = asking._LAWS.removesuffix("[").partition("::")
    assert f"def {law}(" in (ROOT / path).read_text()
    assert any(f"def {asking._SWEEP}(" in path.read_text() for path in (ROOT / asking.TESTS).glob("test_*.py"))


def test_every_reason_and_exclusion_is_a_sentence_without_a_full_stop() -> None:
    every = [*reasons().by_key.values(), *reasons().by_constant.values(), *exclusions().values()]
    assert all(reason.strip() and not reason.endswith(".") for reason in every)
