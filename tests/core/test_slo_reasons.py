"""Why a latency target is at risk although the required tasks run, and the ages and waits that are reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.advice import BEFORE_OTHERS, REMEDIES, Advice, first_cause, split
from autoscaler.core.estimate.starting import ASSUMED_S, LATE_RATIO, PRIOR_WEIGHT
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, TimedCount
from autoscaler.core.model import Backlog, DecisionStep, Fleet, Missing, Observation, QueueReading, Rule, Trouble
from autoscaler.core.slo import OBSTACLES, at_risk, expected_wait_s, oldest_ages_s
from tests.core.calm import NOW
from tests.core.test_latency import known, policy
from tests.core.test_slo import decided, seen


def text_of(advice: Advice | None) -> str | None:
    return None if advice is None else advice.text


def risk(
    knowledge: Knowledge, *, tasks: int = 5, latency_s: float = 60.0, current: int | None = None, waiting: int = 0
) -> str | None:
    """Return the reason for a service whose required tasks run."""
    observation = seen(knowledge, waiting, tasks)
    configured = policy(latency_s)
    _, decision = decided(configured, observation)
    enough = replace(decision, target=1000, current=tasks if current is None else current)
    return text_of(at_risk(configured, observation, enough))


@pytest.mark.parametrize(("running", "is_cause"), [(4, True), (8, True), (9, False), (10, False)])
def test_tasks_that_do_not_start_come_before_a_low_maximum_also_after_a_restart(running: int, is_cause: bool) -> None:
    """The event is older than the first reading, so the rule `stalled_start` does not apply. One of ten tasks that does
    not run can be one that is being replaced.
    """
    fleet = Fleet(10, running, 0, NOW, trouble=Trouble("was unable to place a task.", NOW - 600))
    configured = replace(policy(60.0), max_tasks=10)
    observation = replace(seen(known((90.0, 400.0)), 400, 10), fleet=fleet)
    _, decision = decided(configured, observation)
    advice = at_risk(configured, observation, decision)
    assert advice is not None
    if is_cause:
        assert advice.cause == f"{10 - running} tasks are not running: was unable to place a task."
        assert advice.remedy == REMEDIES[Rule.STALLED_START]
    else:
        assert advice.cause.startswith("max_tasks is 10")


# Messages that have waited for longer.


@pytest.mark.parametrize(
    ("waiting", "late"),
    [
        (((61.0, 3.0),), "3 messages of q"),
        (((60.0, 3.0),), None),
        (((60.1, 0.4),), None),
        (((60.1, 0.5),), "1 message of q"),
        (((60.1, 0.3), (70.0, 0.3)), "1 message of q"),
        (((5.0, 50.0), (70.0, 2.5)), "3 messages of q"),
    ],
)
def test_messages_that_waited_for_longer_than_the_target_are_reported(
    waiting: tuple[tuple[float, float], ...], late: str | None
) -> None:
    reason = risk(known(*waiting))
    if late is None:
        assert reason is None
    else:
        cause = "the load or the processing time rose faster than tasks start"
        assert reason == f"{cause}: {late} waited longer than the latency target; raise min_tasks if this is frequent"


def test_the_second_of_two_queues_is_reported_if_the_first_is_in_time() -> None:
    both = replace(
        known(), queues=(QueueKnowledge("fast", (TimedCount(5.0, 9.0),)), QueueKnowledge("q", (TimedCount(90.0, 2.0),)))
    )
    assert "tasks start: 2 messages of q waited" in (risk(both) or "")


def test_what_is_known_about_the_cause_is_reported() -> None:
    late = known((90.0, 2.0))
    waited = "2 messages of q waited longer than the latency target"
    more = "more tasks complete no more messages"
    for known_cause, cause, remedy in (
        ({"bottleneck": 13.2, "regime": Regime.BATCH}, f"above 14 tasks, {more}", "check what the workers wait for"),
        ({"bottleneck": 0.5}, f"above 1 task, {more}", "check what the workers wait for"),
        ({"groups": 3.0}, "messages wait for earlier messages of their group", "use more message groups"),
        (
            {"overtaken_s": 30.0},
            "messages wait for earlier messages of their group, while others are received",
            "use more message groups",
        ),
        ({"trial": 4.5}, "it is not known whether more tasks help, so 5 tasks are tried first", ""),
        (
            {"regime": Regime.BATCH},
            "messages take much longer than before",
            "set processing_time if such batches are usual",
        ),
    ):
        assert risk(replace(late, **known_cause)) == Advice(f"{cause}: {waited}", remedy).text


def test_a_cause_without_a_remedy_is_a_text_of_its_own() -> None:
    assert risk(replace(known((90.0, 2.0)), trial=5.0)) == (
        "it is not known whether more tasks help, so 5 tasks are tried first: 2 messages of q waited longer than the "
        "latency target"
    )


@pytest.mark.parametrize("advice", [Advice("no task starts"), Advice("no task starts", "check the image; start it")])
def test_the_text_of_an_advice_has_its_cause_and_its_remedy(advice: Advice) -> None:
    assert split(advice.text) == advice


# Starts that take longer than the target.


def starting(start_s: float, *, weight: float = 5.0, arriving: bool = True) -> Knowledge:
    return replace(known(), start_s=Estimate(start_s, weight), arriving=arriving)


@pytest.mark.parametrize(("start_s", "is_at_risk"), [(64.0, False), (65.0, False), (65.1, True), (300.0, True)])
def test_a_rise_of_the_load_is_late_if_a_poll_and_a_start_take_a_quarter_longer_than_the_target(
    start_s: float, is_at_risk: bool
) -> None:
    """A poll of 10 s and a start of 65 s are 1.25 times 60 s, which the headroom covers."""
    reason = risk(starting(start_s))
    assert (reason is not None) is is_at_risk
    if reason is not None:  # five starts and five assumed ones of 50 s
        measured_s = 2 * start_s - 50
        assert reason == (
            "the latency target of 60 s cannot be met when the load rises: a poll and a start take "
            f"{measured_s + 10:.0f} s; raise min_tasks, or set acceptable_latency to at least {measured_s + 10:.0f} s"
        )


@pytest.mark.parametrize(("starts", "took_s", "is_at_risk"), [(4, 5.0, False), (1, 120.0, False), (5, 120.0, True)])
def test_a_rise_is_late_only_if_the_starts_that_were_seen_and_the_estimate_show_it(
    starts: int, took_s: float, is_at_risk: bool
) -> None:
    """With a target of 15 s, four starts of 5 s are in time, although the estimate is 30 s; a single start of 120 s is
    an exception with a target of 60 s.
    """
    blended_s = (starts * took_s + PRIOR_WEIGHT * ASSUMED_S) / (starts + PRIOR_WEIGHT)
    reason = risk(starting(blended_s, weight=float(starts)), latency_s=15.0 if took_s < 15.0 else 60.0)
    assert (reason is not None) is is_at_risk
    assert reason is None or f"a poll and a start take {took_s + 10:.0f} s" in reason


def test_from_zero_the_starts_that_were_seen_decide_and_an_assumed_time_is_marked() -> None:
    """Four starts of 5 s: the estimate of the 90th percentile is 44 s, because 75 s were assumed."""
    assumed = risk(replace(known(), start_late_s=75.0), current=0)
    assert assumed is not None
    assert "a poll and a start take up to 85 s (assumed); set min_tasks to 1" in assumed
    late_s = (4 * 5.0 + PRIOR_WEIGHT * ASSUMED_S * LATE_RATIO) / (4 + PRIOR_WEIGHT)
    seen_starts = replace(known(), start_s=Estimate(30.0, 4.0), start_late_s=late_s)
    assert risk(seen_starts, current=0, latency_s=16.0) is None
    short = risk(seen_starts, current=0, latency_s=14.0)
    assert short is not None
    assert "take up to 15 s; set min_tasks to 1, or acceptable_latency to at least 15 s" in short


def test_a_slow_start_is_no_risk_if_it_is_assumed_or_nothing_arrives_or_no_task_runs() -> None:
    assert risk(starting(300.0, weight=0.0)) is None
    assert risk(starting(300.0, arriving=False)) is None
    assert "from 0 tasks" in (risk(starting(300.0), current=0) or "")
    assert risk(starting(300.0), current=0, latency_s=85.0) is None, "a late start of 75 s is covered"


# Required tasks that cannot run.


def limited(required: int, target: int, rule: Rule | None, *, max_tasks: int = 100) -> str | None:
    configured = policy(max_tasks=max_tasks)
    _, decision = decided(configured, seen(known((50.0, 600.0)), 600, 5))
    [vote, *_] = decision.votes
    other = vote._replace(signal="cpu", load=99.0)
    steps = () if rule is None else (DecisionStep(rule, required, target, "the rule's reason"),)
    changed = replace(decision, votes=(other, vote._replace(load=float(required))), target=target, steps=steps)
    return text_of(at_risk(configured, seen(known((50.0, 600.0)), 600, 5), changed))


def test_a_rule_that_limits_the_tasks_is_an_obstacle_and_max_tasks_is_one_only_if_it_is_reached() -> None:
    assert limited(9, 9, Rule.RATE_LIMIT) is None
    needs = "the latency target of 60 s requires 9 tasks"
    for rule in (Rule.LAUNCH_RATE, Rule.RATE_LIMIT, Rule.COOLDOWN, Rule.SHARED_CAP):
        limit = Advice(f"{OBSTACLES[rule]}: {needs}, and only 8 can run", REMEDIES[rule])
        assert limited(9, 8, rule) == limit.text
        assert limited(9, 8, rule, max_tasks=9) == limit.text
    assert limited(9, 8, None) is None
    assert limited(9, 8, Rule.STABILIZATION) is None
    highest = f"max_tasks is 8, and {needs}; raise max_tasks or acceptable_latency"
    assert limited(9, 8, None, max_tasks=8) == highest
    assert limited(9, 8, Rule.RATE_LIMIT, max_tasks=8) == highest


@pytest.mark.parametrize("rule", sorted(set(BEFORE_OTHERS) - {Rule.SWITCHED_OFF}))
def test_what_more_tasks_would_not_remove_comes_first(rule: Rule) -> None:
    """Also at the maximum: to raise it would start no task."""
    words = Advice("the rule's reason", REMEDIES[rule]).text
    assert limited(9, 8, rule) == words
    assert limited(9, 8, rule, max_tasks=8) == words


@pytest.mark.parametrize(("paused_at", "is_cause"), [(6, True), (7, False), (8, False)])
def test_a_rule_that_raised_or_kept_the_count_is_not_why_it_is_too_low(paused_at: int, *, is_cause: bool) -> None:
    """9 tasks are required. The rate limit permits 7, and then the pause sets the count."""
    _, decision = decided(policy(), seen(known((50.0, 600.0)), 600, 5))
    steps = (
        DecisionStep(Rule.RATE_LIMIT, 9, 7, "the limit's reason"),
        DecisionStep(Rule.PAUSE, 7, paused_at, f"paused at {paused_at}"),
    )
    cause = first_cause(replace(decision, steps=steps, target=paused_at))
    assert cause == (Advice("paused at 6", REMEDIES[Rule.PAUSE]) if is_cause else None)


def test_a_processing_time_that_was_learned_once_is_no_guess() -> None:
    learned = replace(known((50.0, 600.0)), processing_s=Estimate(5.0, 0.5))
    observation = seen(learned, 600, 5)
    _, decision = decided(policy(), observation)
    advice = at_risk(policy(max_tasks=5), observation, replace(decision, target=5))
    assert advice is not None
    assert advice.remedy == "raise max_tasks or acceptable_latency"


def test_a_number_that_follows_from_a_guess_is_not_stated() -> None:
    guessed = replace(known((50.0, 600.0)), processing_s=Estimate(5.0))
    observation = seen(guessed, 600, 5)
    _, decision = decided(policy(), observation)
    at_most = replace(decision, target=5)
    assert at_risk(policy(max_tasks=5), observation, at_most) == (
        "max_tasks is 5, and the latency target of 60 s requires more tasks, if a message takes 5 s (assumed)",
        "set processing_time, or wait until it is learned",
    )
    configured = at_risk(policy(max_tasks=5, processing_time_s=5.0), observation, at_most)
    assert configured is not None
    assert "raise max_tasks" in configured.remedy


STUCK = Trouble("no capacity", NOW)


@pytest.mark.parametrize(
    ("running", "trouble", "words"),
    [(4, STUCK, "1 task is not running: no capacity"), (5, STUCK, "rose faster"), (4, None, "rose faster")],
)
def test_late_messages_of_tasks_that_do_not_start_are_attributed_to_that(
    running: int, trouble: Trouble | None, words: str
) -> None:
    observation = seen(known((90.0, 2.0)), 2, 5)
    stuck = replace(observation, fleet=replace(observation.fleet, running=running, trouble=trouble))
    _, decision = decided(policy(), stuck)
    assert words in (text_of(at_risk(policy(), stuck, replace(decision, target=1000, current=5))) or "")


@pytest.mark.parametrize("target", [0, 8, 9, 12])
def test_a_service_that_was_set_to_0_by_hand_is_at_risk_whatever_is_required(target: int) -> None:
    """And the count that is required is no help: another writer sets it to 0 again."""
    assert limited(9, target, Rule.SWITCHED_OFF, max_tasks=8) == (
        "the service was set to 0 by hand, and 600 messages wait; raise its desired count, or pause it until it is "
        "needed"
    )


def test_without_a_required_count_nothing_is_reported() -> None:
    observation = seen(known((90.0, 2.0)), 2, 5)
    _, decision = decided(policy(), observation)
    assert at_risk(policy(), observation, replace(decision, votes=())) is None


# Ages and waits.


def test_the_oldest_age_is_that_of_at_least_half_a_message() -> None:
    both = replace(
        known(),
        queues=(
            QueueKnowledge("q", (TimedCount(5.0, 3.0), TimedCount(50.0, 0.5), TimedCount(90.0, 0.49))),
            QueueKnowledge("unread", (TimedCount(5.0, 3.0),)),
            QueueKnowledge("empty", ()),
        ),
    )
    readings = (
        QueueReading("q", Backlog(3, 0, 0, NOW)),
        QueueReading("unread", Missing("throttled", "throttled")),
        QueueReading("empty", Backlog(0, 0, 0, NOW)),
    )
    observation = Observation(NOW, Fleet(5, 5, 0, NOW), readings, knowledge=both)
    assert oldest_ages_s(observation) == {"q": 50.0, "empty": 0.0}


def test_without_estimates_the_oldest_age_is_that_of_cloudwatch() -> None:
    readings = (
        QueueReading("q", Backlog(3, 0, 0, NOW, oldest_age_s=70.0)),
        QueueReading("empty", Backlog(0, 0, 0, NOW, oldest_age_s=70.0)),
        QueueReading("unknown", Backlog(3, 0, 0, NOW)),
        QueueReading("unread", Missing("throttled", "throttled")),
    )
    assert oldest_ages_s(Observation(NOW, Fleet(5, 5, 0, NOW), readings)) == {"q": 70.0, "empty": 0.0}


@pytest.mark.parametrize(("running", "desired", "wait_s"), [(5, 5, 300.0), (5, 2, 750.0), (2, 5, 750.0), (0, 5, None)])
def test_the_expected_wait_counts_the_tasks_that_run_and_stay(running: int, desired: int, wait_s: float | None) -> None:
    """300 messages of 5 s, with one slot a task."""
    knowledge = known((50.0, 100.0), (60.0, 200.0))
    observation = replace(seen(knowledge, 300, 5), fleet=Fleet(desired, running, 0, NOW))
    assert expected_wait_s(observation) == wait_s
