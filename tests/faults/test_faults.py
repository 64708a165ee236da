"""The simulation under faults: it is repeatable, finds no violation, and shrinks those that are planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.adapters import AdapterLink
from tests.faults.campaign import checked
from tests.faults.catching import dense
from tests.faults.drawing import drawn
from tests.faults.guarantees import GUARANTEES, KNOWN, known
from tests.faults.plan import KINDS, parsed, text
from tests.faults.planted import BUGS, planted
from tests.faults.running import played
from tests.faults.shrinking import command, minimal, shrunk

ROOT = Path(__file__).parents[2]
DIGEST = (
    "from tests.faults.running import played; from tests.faults.catching import dense; print(played(dense(1)).digest)"
)

REGRESSIONS = [
    (124, "", "L9", "tasks that started as a CloudWatch minute began stopped the scale-out for 15 minutes"),
    (1, "60:poison:s0:700:0 100:burst:s0:0:300 500:burst:s0:0:300", "S16", "no_progress lapsed for a poll each minute"),
    (
        5077,
        "33:expired:*:112:0 235:minutes_unavailable:q7b:169:0",
        "S15",
        "a queue's minute cancelled what another queue's minute showed",
    ),
    (
        20263,
        "764:write_unknown:s5:82:0 802:idle:s5:60:0",
        "S11",
        "the fleet cap counted tasks whose removal had no answer as removed and as present",
    ),
    (5, "636:crash:*:6:0", "S11", "after a restart, the fleet cap did not count what was removed before it"),
]
"""Seeds and faults that found a bug of the product, with the guarantee."""


@pytest.mark.parametrize("seed", range(6))
def test_a_run_keeps_every_guarantee(seed: int) -> None:
    run = drawn(seed)
    new = [str(violation) for violation in checked(run).violations if known(violation, run) is None]
    assert not new, f"{new}\n{command(run)}"


@pytest.mark.parametrize(("seed", "faults", "guarantee", "found"), REGRESSIONS)
def test_a_failure_that_was_found_stays_fixed(seed: int, faults: str, guarantee: str, found: str) -> None:
    outcome = checked(drawn(seed).with_faults(parsed(faults)))
    assert guarantee not in {violation.guarantee for violation in outcome.violations}, found


def test_two_runs_of_a_seed_are_the_same_bit_for_bit() -> None:
    first, second = played(dense(1)), played(dense(1))
    assert (first.digest, first.polls) == (second.digest, second.polls)
    assert played(dense(2)).digest != first.digest


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_run_is_the_same_in_another_process(hash_seed: str) -> None:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    other = subprocess.run(
        [sys.executable, "-c", DIGEST], env=environ, capture_output=True, text=True, check=True, timeout=120
    )
    assert other.stdout.strip() == played(dense(1)).digest


def test_a_run_without_faults_makes_every_poll() -> None:
    run = drawn(0, services=3, polls=40, faults=0)
    assert played(run).polls >= 3 * 39


def test_the_real_adapters_keep_every_guarantee_and_are_repeatable() -> None:
    run = drawn(4, services=4, polls=40, faults=12)
    first, second = played(run, AdapterLink()), played(run, AdapterLink())
    assert [str(each) for each in first.violations if known(each, run) is None] == []
    assert first.digest == second.digest
    assert first.polls > 100


def test_the_faults_of_a_run_are_text_that_can_be_read() -> None:
    faults = dense(3).faults
    assert parsed(text(faults)) == faults
    with pytest.raises(ValueError, match="AT:KIND:SUBJECT:LASTS:NUMBER"):
        parsed("10:earthquake:*:1:0")


def test_every_kind_of_fault_is_drawn() -> None:
    found = {fault.kind for seed in range(120) for fault in dense(seed).faults}
    assert found == set(KINDS)


def test_a_failing_list_is_reduced_to_what_is_needed() -> None:
    faults = list(dense(5).faults)
    needed = {faults[3], faults[11]}
    assert set(minimal(faults, lambda each: needed <= set(each))) == needed
    assert minimal(faults, lambda each: True) == []


def test_a_failing_run_is_shrunk_and_fails_again() -> None:
    bug = next(bug for bug in BUGS if bug.name == "the pause tag is ignored")
    run = drawn(0, services=2, polls=60, faults=0).with_faults(
        parsed("50:tag:s0:200:0 60:tag:s1:200:0 70:burst:s0:0:300 80:burst:s1:0:300 100:clock:*:30:60 150:hangup:*:0:0")
    )
    with planted(bug):
        small = shrunk(run, "S9")
        assert any(violation.guarantee == "S9" for violation in checked(small).violations)
    assert 1 <= len(small.faults) <= 2
    assert not checked(small).violations, "without the bug, the same faults do no harm"


def test_every_guarantee_of_a_known_failure_or_a_bug_has_a_formula() -> None:
    names = {one.name for one in GUARANTEES}
    assert len(names) == len(GUARANTEES)
    assert {name for failure in KNOWN for name in failure.guarantees} <= names
    assert {name for bug in BUGS for name in bug.caught} <= names
    assert {failure.kind for failure in KNOWN} <= KINDS.keys()
