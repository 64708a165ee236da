"""The tests that run on a mutant: those that can fail, the fastest first, with fewer examples than at a commit."""

from __future__ import annotations

import warnings
from itertools import pairwise

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.mutants.planting import Mutant

TESTS = "tests/core"

EXAMPLES = 20
SWEPT_DECISIONS = 4_000
"""Examples per Hypothesis test, and decisions in the sweep: a fifth of a commit's, without shrinking, because only the
failure matters."""

_PROFILE, _PHASES = "mutants", (Phase.explicit, Phase.generate)

_FORMULA_MODULES = {"formula"}
_FORMULA_TESTS = {"test_formula", "test_reading"}
_RELATED_TESTS = {*_FORMULA_TESTS, "test_votes", "test_loads"}
"""The modules of formulas; the tests of these modules only; and all tests of these modules."""

_SLOWEST = "test_machine"
"""Stateful tests of whole service histories: the slowest, so the last."""

_SWEEP = "test_no_law_is_violated_over_many_random_worlds"

_PYTEST_ASYNCIO_FIXTURES = {"event_loop_policy"}
"""The fixtures that pytest-asyncio adds to all tests."""

_LAWS = f"{TESTS}/test_latency_targets.py::test_law["
"""Deselected: the sweep checks the same laws on more worlds in less time."""

_WITHOUT = [f"-pno:{name}" for name in ("cacheprovider", "xdist", "pytest_cov")]
OPTIONS = [
    *("-qq", "--no-header", "--no-summary", "--exitfirst", "--assert=plain", "--capture=no"),
    *_WITHOUT,
    f"--deselect={_LAWS}",
    TESTS,
]


class FastTests:
    """A pytest plugin: runs example tests before laws, laws with fewer examples than at a commit, and only tests that
    can detect a mistake in the module (None: all tests).
    """

    def __init__(self, module: str | None = None) -> None:
        self._module = module

    def pytest_collection(self) -> None:
        settings.register_profile(_PROFILE, settings.get_profile("commit"), max_examples=EXAMPLES, phases=_PHASES)
        settings.load_profile(_PROFILE)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if _can_detect(item, self._module)), key=_slowness)
        for item in items:
            machine = getattr(item, "cls", None)
            if machine is not None and hasattr(machine, "settings"):
                machine.settings = settings(machine.settings, max_examples=EXAMPLES, phases=_PHASES)
            elif _is_sweep(item):
                item.obj = _short_sweep  # type: ignore[attr-defined]


def is_detected(session: pytest.Session, mutant: Mutant) -> bool:
    """Return whether a collected test fails."""
    warnings.simplefilter("error")
    items = [item for item in session.items if _can_detect(item, mutant.module)]
    return any(_fails(item, following) for item, following in pairwise([*items, None]))


def _fails(item: pytest.Item | None, following: pytest.Item | None) -> bool:
    """Return whether the test fails. A test without fixtures is called directly, which takes 1/20 of pytest's time."""
    assert isinstance(item, pytest.Function)
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if item.cls is not None or not given.keys() >= set(item.fixturenames) - _PYTEST_ASYNCIO_FIXTURES:
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
    try:
        item.obj(**given)
    except BaseException:  # noqa: BLE001  # without the mutant, the test raises nothing
        return True
    return False


def _can_detect(item: pytest.Item, module: str | None) -> bool:
    if module is None:
        return True
    return item.path.stem in _RELATED_TESTS if module in _FORMULA_MODULES else item.path.stem not in _FORMULA_TESTS


def _slowness(item: pytest.Item) -> int:
    """Return the order: 0 example tests, 1 laws in the sweep, 2 laws with Hypothesis, 3 whole service histories."""
    if item.path.stem == _SLOWEST:
        return 3
    if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
        return 2
    return int(_is_sweep(item))


def _is_sweep(item: pytest.Item) -> bool:
    return item.name == _SWEEP


def _short_sweep() -> None:
    from tests.core.sweep import sweep

    sweep(seed=1, decisions=SWEPT_DECISIONS)
