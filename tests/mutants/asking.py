"""The tests that a mutant meets: those that may object, the quickest first, each asked for less than at a commit."""

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
"""Of each hypothesis, and of the sweep: a fifth of a commit's, and nothing is shrunk. That it falls is all we ask."""

_HASTE, _PHASES = "mutants", (Phase.explicit, Phase.generate)

_LANGUAGE = {"formula", "terms"}
_APART = {"test_formula", "test_reading"}
_OF_THE_LANGUAGE = {*_APART, "test_votes", "test_loads"}
"""The modules of formulas; what asks of nothing else; and all that asks of them."""

_LIVES = "test_machine"
"""Services that live through everything that may happen to them: the slowest, and so the last."""

_OF_EVERY_TEST = {"event_loop_policy"}
"""The fixtures that pytest-asyncio gives to all tests."""

_SWEPT = f"{TESTS}/test_promises.py::test_law["
"""Left out: the sweep holds the same laws against more worlds in less time."""

_WITHOUT = [f"-pno:{name}" for name in ("cacheprovider", "xdist", "pytest_cov")]
OPTIONS = [
    *("-qq", "--no-header", "--no-summary", "--exitfirst", "--assert=plain", "--capture=no"),
    *_WITHOUT,
    f"--deselect={_SWEPT}",
    TESTS,
]


class Haste:
    """A pytest plugin: examples are asked before laws, laws ask less than they do of a commit, and what cannot object
    to a mistake in the module is not asked (None: all is).
    """

    def __init__(self, module: str | None = None) -> None:
        self._module = module

    def pytest_collection(self) -> None:
        settings.register_profile(_HASTE, settings.get_profile("commit"), max_examples=EXAMPLES, phases=_PHASES)
        settings.load_profile(_HASTE)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if _may_object(item, self._module)), key=_slowness)
        for item in items:
            machine = getattr(item, "cls", None)
            if machine is not None and hasattr(machine, "settings"):
                machine.settings = settings(machine.settings, max_examples=EXAMPLES, phases=_PHASES)
            elif _is_sweep(item):
                item.obj = _swept_a_little  # type: ignore[attr-defined]


def objects(session: pytest.Session, mutant: Mutant) -> bool:
    """Some collected test fails."""
    warnings.simplefilter("error")
    items = [item for item in session.items if _may_object(item, mutant.module)]
    return any(_fails(item, following) for item, following in pairwise([*items, None]))


def _fails(item: pytest.Item | None, following: pytest.Item | None) -> bool:
    """A test that needs no fixtures is called by itself, which takes a twentieth of pytest's protocol."""
    assert isinstance(item, pytest.Function)
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if item.cls is not None or not given.keys() >= set(item.fixturenames) - _OF_EVERY_TEST:
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
    try:
        item.obj(**given)
    except BaseException:  # noqa: BLE001  # whatever it is: without the mutant it would not be
        return True
    return False


def _may_object(item: pytest.Item, module: str | None) -> bool:
    if module is None:
        return True
    return item.path.stem in _OF_THE_LANGUAGE if module in _LANGUAGE else item.path.stem not in _APART


def _slowness(item: pytest.Item) -> int:
    """An example: 0. A law that is swept over drawn worlds: 1. One that hypothesis draws worlds for: 2, or lives: 3."""
    if item.path.stem == _LIVES:
        return 3
    if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
        return 2
    return int(_is_sweep(item))


def _is_sweep(item: pytest.Item) -> bool:
    return "drawn_worlds" in item.name


def _swept_a_little() -> None:
    from tests.core.sweep import sweep

    sweep(seed=1, decisions=SWEPT_DECISIONS)
