"""A crash at every await: no early scale-in, no lost cooldown."""

from __future__ import annotations

import pytest

from tests.faults.crashes import crashed_everywhere
from tests.faults.planted import BUGS, planted


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_at_every_await_keeps_every_guarantee(seed: int) -> None:
    outcome = crashed_everywhere(seed)
    assert outcome.awaits > 500
    assert [str(violation) for violation in outcome.violations] == []


def test_crashes_that_leave_the_same_have_the_same_continuation() -> None:
    merged, each = crashed_everywhere(3, polls=10), crashed_everywhere(3, polls=10, merges=False)
    found: dict[object, set[str]] = {}
    for (key, pending), digest in each.digests:
        found.setdefault((key[:3], pending), set()).add(digest)
    assert found == {key: {digest} for key, digest in merged.digests}
    assert each.successors > 5 * merged.successors


@pytest.mark.parametrize("name", ["no warm-up", "tasks that start at a restart are no recent change"])
def test_a_bug_of_the_restart_is_caught(name: str) -> None:
    bug = next(bug for bug in BUGS if bug.name == name)
    with planted(bug):
        found = {each.guarantee for seed in range(8) for each in crashed_everywhere(seed).violations}
    assert "S5" in found
