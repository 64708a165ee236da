"""How the tests run on a mutant: directly where possible, and with fewer examples than at a commit."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterable, Mapping

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

TESTS = "tests/core"

EXAMPLES, FEWER = 20, 5
SWEPT_DECISIONS = 4_000
"""Examples per Hypothesis test, and decisions in the sweep: a fifth of a commit's, and at least 20 examples. Nothing is
shrunk, because only the failure matters. The examples are derived from the test's source, so every run draws the same.
"""

TIMES_LONGER, MORE_S = 20.0, 1.0
"""A test that takes this many times its CPU time without a mutant, and these seconds, hangs."""

_PROFILE, _PHASES = "mutants", (Phase.explicit, Phase.generate)

_SETTINGS = "_hypothesis_internal_use_settings"
"""The attribute of a test with the settings of its decorator `settings`."""

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
    """A pytest plugin: runs laws with fewer examples than at a commit."""

    def pytest_collection(self) -> None:
        settings.register_profile(_PROFILE, settings.get_profile("commit"), max_examples=EXAMPLES, phases=_PHASES)
        settings.load_profile(_PROFILE)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for law in {getattr(item, "function", None) for item in items}:
            if hasattr(law, _SETTINGS):
                setattr(law, _SETTINGS, _fewer(getattr(law, _SETTINGS)))
        for item in items:
            machine = getattr(item, "cls", None)
            if machine is not None and hasattr(machine, "settings"):
                machine.settings = _fewer(machine.settings)
            elif item.name == _SWEEP:
                item.obj = _short_sweep  # type: ignore[attr-defined]


def _fewer(given: settings) -> settings:
    examples = min(given.max_examples, max(EXAMPLES, given.max_examples // FEWER))
    return settings(given, max_examples=examples, phases=_PHASES)


def is_detected(
    items: Mapping[str, pytest.Item], tests: Iterable[tuple[str, float]], running: Callable[[str], None]
) -> bool:
    """Run the tests, each with its usual CPU time in seconds, until one fails; return whether one does. `running` is
    called with the name of each test before it runs. A test that hangs ends the process with `SIGPROF`.
    """
    warnings.simplefilter("error")
    for test, seconds in tests:
        running(test)
        signal.setitimer(signal.ITIMER_PROF, TIMES_LONGER * seconds + MORE_S)
        if fails(items[test]):
            return True
    signal.setitimer(signal.ITIMER_PROF, 0)
    return False


def fails(item: pytest.Item) -> bool:
    """Return whether the test fails. A test without fixtures is called directly, which takes 1/20 of pytest's time."""
    assert isinstance(item, pytest.Function)
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if item.cls is not None or not given.keys() >= set(item.fixturenames) - _PYTEST_ASYNCIO_FIXTURES:
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    try:
        item.obj(**given)
    except BaseException:  # noqa: BLE001  # without the mutant, the test raises nothing
        return True
    return False


def _short_sweep() -> None:
    from tests.core.sweep import sweep

    sweep(seed=1, decisions=SWEPT_DECISIONS)
