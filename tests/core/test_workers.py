"""The worker kind that applies: the `workers` setting, or unsafe if messages are known to outlast stopTimeout."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Estimate, Knowledge, p95_ratio
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Missing, Observation, QueueReading, Rule, StopTimeout, Verdict
from autoscaler.core.policy import WorkerSafety
from autoscaler.core.rule_input import RuleInput
from autoscaler.core.workers import REMEDY, kind_of, long_work, shown
from tests.core.calm import NOW, policy, rules, seen
from tests.core.laws import World
from tests.core.strategies import worlds
from tests.core.test_latency import known

APP = StopTimeout(30.0, "app")


def learned(mean_s: float, *, spread: float = 0.0, weight: float = 100.0, long_s: float | None = None) -> Knowledge:
    """Return estimates with a mean of `mean_s` in the last minutes and a long mean of `long_s`; None: the same."""
    return replace(
        known(slow_s=mean_s, spread=spread), processing_s=Estimate(mean_s if long_s is None else long_s, weight, 5.0)
    )


def kind(
    knowledge: Knowledge | None = None,
    stop: StopTimeout | None = None,
    workers: WorkerSafety | None = None,
    **more: object,
) -> WorkerSafety:
    configured = policy(workers=workers, **more)
    return kind_of(configured, long_work(configured, knowledge, stop))


@pytest.mark.parametrize(("spread", "ratio"), [(0.0, 1.0), (0.25, 1.945), (1.0, 2.781), (4.0, 3.605), (1e9, 1.0)])
def test_the_ratio_of_p95_to_mean_of_lognormal_times(spread: float, ratio: float) -> None:
    assert p95_ratio(spread) == pytest.approx(ratio, abs=0.001)


@given(st.floats(0.0, 1e300))
def test_the_p95_is_never_below_the_mean_whatever_the_spread(spread: float) -> None:
    assert 1.0 <= p95_ratio(spread) < 3.9


@pytest.mark.parametrize("stop", [None, APP, StopTimeout(2.0, "app"), StopTimeout(120.0, "app")])
@pytest.mark.parametrize("source", ["learned", "configured"])
def test_unsafe_is_assumed_above_stop_timeout_and_not_at_it(stop: StopTimeout | None, source: str) -> None:
    limit_s = 30.0 if stop is None else stop.seconds

    def of(takes_s: float) -> WorkerSafety:
        if source == "learned":
            return kind(learned(takes_s), stop)
        return kind(None, stop, processing_time_s=takes_s)

    assert of(nextafter(limit_s, 0.0)) is WorkerSafety.DRAINING
    assert of(limit_s) is WorkerSafety.DRAINING
    assert of(nextafter(limit_s, inf)) is WorkerSafety.UNSAFE


@pytest.mark.parametrize("workers", WorkerSafety)
@pytest.mark.parametrize("takes_s", [0.1, 3600.0])
def test_the_workers_setting_overrides_every_estimate(workers: WorkerSafety, takes_s: float) -> None:
    assert kind(learned(takes_s), APP, workers, processing_time_s=takes_s) is workers
    assert long_work(policy(workers=workers), learned(takes_s), APP) is None


def test_a_learned_time_counts_with_its_p95_and_a_configured_one_unchanged() -> None:
    assert kind(learned(10.7, spread=1.0), APP) is WorkerSafety.DRAINING, "10.7 s x 2.78 is 29.8 s"
    assert kind(learned(10.9, spread=1.0), APP) is WorkerSafety.UNSAFE, "10.9 s x 2.78 is 30.3 s"
    assert kind(None, APP, processing_time_s=10.9) is WorkerSafety.DRAINING


@pytest.mark.parametrize(("weight", "counts"), [(0.0, False), (9.99, False), (10.0, True), (1000.0, True)])
def test_a_time_counts_as_learned_from_a_weight_of_10(weight: float, counts: bool) -> None:
    """With a lower weight, a configured time counts. An assumed time never makes workers unsafe."""
    assert kind(learned(95.0, weight=weight), APP) is (WorkerSafety.UNSAFE if counts else WorkerSafety.DRAINING)
    assert kind(learned(5.0, weight=weight), APP, processing_time_s=95.0) is (
        WorkerSafety.DRAINING if counts else WorkerSafety.UNSAFE
    )


def test_a_fixed_configured_time_does_not_count_as_learned() -> None:
    """With `learn = false` the estimate is the configured time with an infinite weight and the assumed spread."""
    fixed = learned(20.0, spread=1.0, weight=inf)
    assert kind(fixed, APP, processing_time_s=20.0, learn=False) is WorkerSafety.DRAINING


def test_unsafe_begins_with_slower_messages_and_ends_only_when_the_long_mean_has_fallen() -> None:
    assert kind(learned(40.0, long_s=10.0), APP) is WorkerSafety.UNSAFE
    assert kind(learned(40.0, long_s=40.0), APP) is WorkerSafety.UNSAFE
    assert kind(learned(29.0, long_s=29.0), APP) is WorkerSafety.DRAINING


def test_no_scale_in_while_messages_in_flight_can_outlast_stop_timeout() -> None:
    world = seen(0, in_flight=3, knowledge=learned(95.0), stop_timeout=APP)
    assert decide(policy(), Memory(), world).target == 10
    assert decide(policy(workers=WorkerSafety.DRAINING), Memory(), world).target == 3
    assert decide(policy(), Memory(), replace(world, stop_timeout=StopTimeout(95.0, "app"))).target == 3
    assert decide(policy(), Memory(), seen(5, knowledge=learned(95.0), stop_timeout=APP)).target < 10, (
        "no message is in flight"
    )
    assert decide(policy(), Memory(), seen(900, in_flight=3, knowledge=learned(95.0))).verdict is Verdict.SCALE_OUT


def test_the_reason_names_the_times_the_container_and_the_fix() -> None:
    world = seen(0, in_flight=3, knowledge=learned(94.96), stop_timeout=APP)
    [step] = [one for one in decide(policy(), Memory(), world).steps if one.rule is Rule.BUSY]
    assert step.reason == (
        "workers is not set and messages take up to 95 s (p95), longer than the stopTimeout of 30 s of container app: "
        f"treated as unsafe; 3 messages are in flight. {REMEDY}"
    )
    assumed = replace(world, stop_timeout=None)
    [step] = [one for one in decide(policy(), Memory(), assumed).steps if one.rule is Rule.BUSY]
    assert "30 s (assumed; grant ecs:DescribeTaskDefinition to read it)" in step.reason
    configured = seen(0, in_flight=1)
    [step] = [
        one for one in decide(policy(processing_time_s=45.0), Memory(), configured).steps if one.rule is Rule.BUSY
    ]
    assert "take up to 45 s (processing_time)" in step.reason
    assert "1 message is in flight" in step.reason
    unsafe = decide(policy(workers=WorkerSafety.UNSAFE), Memory(), world).steps[-1].reason
    assert unsafe == "3 messages are in flight, and stopped workers lose them", "configured by the operator"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(30.0, "30 s"), (30.0001, "30.1 s"), (1234.0, "1,234 s"), (1e300, "1,000,000,000 s"), (inf, "1,000,000,000 s")],
)
def test_a_time_above_the_limit_is_never_shown_equal_to_it(seconds: float, words: str) -> None:
    assert shown(seconds) == words


def test_one_assumption_gives_one_notice_even_if_estimates_change() -> None:
    notices = [long_work(policy(), learned(takes_s), APP) for takes_s in (95.0, 96.5, 400.0)]
    assert len({work.notice for work in notices if work is not None}) == 1
    assert all(work is not None and REMEDY in work.notice for work in notices)


def test_a_pause_at_a_count_keeps_all_tasks_if_a_queue_is_unread_and_messages_can_take_long() -> None:
    unread = seen(0, queues=(QueueReading("q", Missing("no")),), knowledge=learned(95.0), stop_timeout=APP)
    assert decide(policy(paused=2), Memory(), unread).target == 10
    assert decide(policy(paused=2, workers=WorkerSafety.DRAINING), Memory(), unread).target == 2
    assert decide(policy(paused=2), Memory(), replace(unread, knowledge=learned(5.0))).target == 2


@given(worlds(), st.sampled_from([5.0, 3600.0]))
def test_the_assumption_only_holds_a_scale_in_and_causes_no_other_change(world: World, takes_s: float) -> None:
    """An estimate that varies around stopTimeout is harmless: it never starts a task, and it holds at most the present
    count. Without a scale-in, the assumption changes nothing.
    """
    original, memory, observation = world
    unset, observation = (
        replace(original, processing_time_s=takes_s, workers=None),
        replace(observation, stop_timeout=APP),
    )
    assumed, draining = (
        decide(each, memory, observation) for each in (unset, replace(unset, workers=WorkerSafety.DRAINING))
    )
    if draining.verdict is Verdict.SCALE_IN:
        assert draining.target <= assumed.target <= assumed.current
    else:
        assert assumed.target == draining.target
    inputs = RuleInput.of(unset, memory, observation)
    assert inputs.workers is (WorkerSafety.UNSAFE if takes_s > 30.0 else WorkerSafety.DRAINING)
    if inputs.workers is WorkerSafety.UNSAFE and inputs.signals.work.in_flight:
        assert assumed.verdict is not Verdict.SCALE_IN


def test_both_worker_kinds_permit_the_present_count() -> None:
    for takes_s in (5.0, 95.0):
        world = seen(50, desired=5, in_flight=5, knowledge=learned(takes_s), stop_timeout=APP)
        assert Rule.BUSY not in rules(decide(policy(), Memory(), world)), "5 tasks stay"


def test_an_observation_without_estimates_assumes_draining() -> None:
    world = Observation(NOW, seen(0).fleet, (QueueReading("q", Backlog(0, 0, 0, NOW)),))
    assert RuleInput.of(policy(), Memory(), world).workers is WorkerSafety.DRAINING
