"""Every second planted bug is caught by its recorded run, which keeps the guarantees without the bug.

CI has ten minutes; `python -m tests.faults --catch` runs all bugs. That each can be planted is tested for all.
"""

from __future__ import annotations

import pytest

from tests.faults.auditor import Violation
from tests.faults.campaign import checked
from tests.faults.catching import recorded, run_of
from tests.faults.crashes import crashed_everywhere
from tests.faults.drawing import DrawnRun
from tests.faults.guarantees import known
from tests.faults.page import page
from tests.faults.planted import BUGS, PlantedBug, planted
from tests.faults.test_faults import ROOT

CAUGHT = recorded()
REPEATED = BUGS[::2]


def new_violations(run: DrawnRun) -> list[Violation]:
    return [each for each in checked(run).violations if known(each, run) is None]


@pytest.mark.parametrize("bug", REPEATED, ids=lambda bug: bug.name)
def test_the_bug_is_caught(bug: PlantedBug) -> None:
    catch = CAUGHT[bug.name]
    run = run_of(bug, catch.seed)
    with planted(bug):
        found = crashed_everywhere(catch.seed).violations if bug.crashes else new_violations(run)
    assert catch.guarantee in {violation.guarantee for violation in found}


WITHOUT = sorted({(catch.seed, bug.faults) for bug in REPEATED if not bug.crashes for catch in [CAUGHT[bug.name]]})


@pytest.mark.parametrize(("seed", "faults"), WITHOUT)
def test_the_run_is_good_without_a_bug(seed: int, faults: str) -> None:
    run = run_of(BUGS[0]._replace(faults=faults), seed)
    assert [str(each) for each in new_violations(run)] == []


def test_at_least_25_bugs_are_planted_and_each_changes_a_line() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25
    assert CAUGHT.keys() == {bug.name for bug in BUGS}
    for bug in BUGS:
        assert CAUGHT[bug.name].guarantee in bug.caught
        with planted(bug):
            pass


def test_the_page_is_generated() -> None:
    shown = (ROOT / "docs" / "guarantees.md").read_text()
    assert shown == page(), "run: python -m tests.faults.page > docs/guarantees.md"
