"""The data of a service's page: estimates with their sources, what ECS reports, and the share in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.estimate.starting import ASSUMED_S, Starting, measured_start_s
from autoscaler.core.knowledge import Estimate, Knowledge
from autoscaler.core.model import Fleet, Missing, Trouble
from autoscaler.ports import Poll
from autoscaler.telemetry.page.detail import now
from tests.telemetry.polls import JournalDesk, decided, policy_of, scaling_out, seen

A_SECOND = Estimate(1.0, 1.0, 1.0)


def known(**of: Any) -> Knowledge:
    return Knowledge(**{
        "processing_s": A_SECOND, "slow_s": 1.0, "spread": 1.0, "concurrency": A_SECOND, "start_s": A_SECOND,
        "start_late_s": 60.0, "rate_per_s": A_SECOND, "load": 1.0, "lasting_load": 1.0, "interval_s": 10.0, **of,
    })  # fmt: skip


def started(*took_s: float) -> Estimate:
    """Return the estimate after starts of one task each, which all took this long."""
    starting, at = Starting(Fleet(0, 0, 0, 0.0), 0.0), 0.0
    for running, seconds in enumerate(took_s):
        for now_s, counts in ((at, (0, 0)), (at, (1, 0)), (at + seconds, (1, 0)), (at + seconds, (1, 1))):
            starting.see(Fleet(running + counts[0], running + counts[1], 0, now_s), now_s)
        at += 1000.0
    return starting.estimate(at)


def estimates(policy: Any = None, **of: Any) -> dict[str, dict[str, Any]]:
    poll = decided(seen(), policy=policy)
    assert poll.observation is not None
    learned = replace(poll.observation, knowledge=known(**of))
    return {one["name"]: one for one in shown(replace(poll, observation=learned))}


def shown(poll: Poll, field: str = "estimates") -> Any:
    desk = JournalDesk()
    desk.record(poll)
    (status,) = desk.store.statuses()
    return now(status)[field]


@pytest.mark.parametrize("took_s", [(5.0,), (5.0, 5.0, 5.0), (4.0, 6.0, 5.0) * 7, (120.0, 80.0)])
def test_the_measured_start_up_time_is_the_mean_of_the_starts_without_the_assumed_one(
    took_s: tuple[float, ...],
) -> None:
    estimate = started(*took_s)
    assert measured_start_s(known(start_s=estimate)) == pytest.approx(sum(took_s) / len(took_s))
    assert estimate.value != pytest.approx(sum(took_s) / len(took_s))


def test_a_start_up_time_that_was_never_seen_is_assumed_and_says_so() -> None:
    assert measured_start_s(known(start_s=started())) is None
    start = estimates(start_s=started())["start-up time of a task"]
    assert (start["value"], start["source"], start["note"]) == (ASSUMED_S, "assumed, as for most ECS tasks", None)


def test_three_starts_of_five_seconds_are_not_shown_as_33_seconds() -> None:
    start = estimates(start_s=started(5.0, 5.0, 5.0))["start-up time of a task"]
    assert (start["value"], start["source"]) == (5.0, None)
    note = "Start-up time: 3 starts took 5.0 s on average; decisions still use 33 s, because 50 s were assumed"
    assert start["note"] == note
    assert estimates(start_s=started(50.0))["start-up time of a task"]["note"] is None


@pytest.mark.parametrize(("setting", "source"), [(2.0, "the setting processing_time"), (None, "assumed")])
def test_an_estimate_without_an_observation_has_its_source(setting: float | None, source: str) -> None:
    policy = policy_of(processing_time_s=setting)
    assert estimates(policy, processing_s=Estimate(2.0))["processing time of a message"]["source"] == source
    assert estimates(policy)["processing time of a message"]["source"] is None


def test_what_ecs_reports_is_shown_while_tasks_are_missing() -> None:
    poll = scaling_out()
    assert poll.observation is not None
    fleet = replace(poll.observation.fleet, desired=9, running=2, trouble=Trouble("unable to pull secrets", 940.0))
    failing = replace(poll, observation=replace(poll.observation, fleet=fleet))
    assert shown(failing, "trouble") == {"text": "unable to pull secrets", "age_s": 60, "missing": 7}
    up = replace(poll, observation=replace(poll.observation, fleet=replace(fleet, running=9)))
    assert shown(up, "trouble") is None
    assert shown(poll, "trouble") is None


def test_a_risk_that_was_computed_with_an_assumed_start_up_time_says_so() -> None:
    poll = decided(seen())
    assert poll.observation is not None
    for start_s, expected in (
        (started(5.0), "1 start took 5.0 s"),
        (started(), "50 s are assumed"),
        (started(50.0), None),
    ):
        learned = replace(poll, observation=replace(poll.observation, knowledge=known(start_s=start_s)))
        assert shown(learned, "assumption") is None, "no risk"
        risky = replace(learned, notices=(Missing("the target cannot be met", "slo_at_risk"),))
        note = shown(risky, "assumption")
        assert note is None if expected is None else expected in note
