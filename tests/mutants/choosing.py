"""Which tests run on a mutant, and in which order: only those that can detect it, the likeliest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from tests.mutants.imports import imported_modules
from tests.mutants.placing import constants_at, is_replaceable, lines_with
from tests.mutants.planting import Mutant
from tests.mutants.tracing import Trace

SAME_FUNCTION = 10
"""A test that killed a mutant of the same function counts as this many kills in the same module."""


class MutantTests:
    """Chooses the tests of each mutant, and learns which tests kill most."""

    def __init__(self, traces: Mapping[str, Trace]) -> None:
        self._traces = traces
        self._by_module, self._by_function = Counter[tuple[str, str]](), Counter[tuple[str, str, str]]()
        self._importing = {file: imported_modules(file) for file in {trace.file for trace in traces.values()}}

    def learn(self, mutant: Mutant, killer: str) -> None:
        self._by_module[mutant.module, killer] += 1
        self._by_function[mutant.module, mutant.function, killer] += 1

    def tests_for(self, mutant: Mutant, files: Iterable[str], first: str | None) -> list[tuple[str, float]]:
        """Return the tests of `files` that can detect the mutant, each with its usual CPU time in seconds.

        A mutant inside a function: the tests that execute its statement. A constant that only functions use: the tests
        that execute a statement with it. Any other is executed at import: the tests whose file imports its module,
        directly or through other modules. `first`: a test that killed the mutant before.
        """
        among = set(files)
        chosen = [
            (test, trace.seconds)
            for test, trace in self._traces.items()
            if trace.file in among and self._can_detect(trace, mutant)
        ]
        return sorted(chosen, key=lambda pair: (pair[0] != first, self._cost_s(mutant, *pair)))

    def _can_detect(self, trace: Trace, mutant: Mutant) -> bool:
        if not is_replaceable(mutant):
            return mutant.module in self._importing[trace.file]
        return any(
            not trace.lines.get(module, frozenset()).isdisjoint(lines) for module, lines in lines_of(mutant).items()
        )

    def _cost_s(self, mutant: Mutant, test: str, seconds: float) -> float:
        """Return the time of the test per mutant that it killed."""
        kills = self._by_module[mutant.module, test]
        kills += SAME_FUNCTION * self._by_function[mutant.module, mutant.function, test]
        return (seconds + 0.001) / (1 + kills)


def lines_of(mutant: Mutant) -> Mapping[str, AbstractSet[int]]:
    """Return the lines that execute the mutant, by module: those of its statement, or of the uses of its constant."""
    if mutant.within:
        first, last = mutant.lines
        return {mutant.module: set(range(first, last + 1))}
    found: dict[str, set[int]] = {}
    for name in constants_at(mutant):
        for module, lines in lines_with(name, mutant.module).items():
            found.setdefault(module, set()).update(lines)
    return found
