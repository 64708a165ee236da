"""An encoded and decoded situation has the same decision; every invalid field is rejected with its path."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Regime, SlowStarts
from autoscaler.core.memory import Memory
from autoscaler.core.model import MetricReading, Missing, QueueReading, StopTimeout, Utilization, Verdict
from autoscaler.errors import ConfigError
from autoscaler.situation import decode, encode
from tests.core import calm
from tests.core.laws import World
from tests.core.strategies import worlds
from tests.core.sweep import Draw
from tests.core.test_latency import known

CONTRACT: dict[str, Any] = {
    "name": "orders",
    "policy": {"max_tasks": 20, "processing_time": "5s", "scale_in": {"cooldown": "30s"}},
    "current": 5,
    "running": 5,
    "pending": 0,
    "signals": {
        "queues": [
            {"name": "q", "visible": 90, "in_flight": 10, "delayed": 0, "oldest_age_s": 40, "groups_in_flight": 3},
        ],
        "cpu_percent": 71.5,
        "memory_percent": 40,
        "metrics": {"lag": 12.5, "depth": None},
    },
    "history": {
        "demands": [{"age_s": 60, "tasks": 9}],
        "changes": [{"age_s": 30, "tasks": 4}],
        "known_for_s": 900,
    },
    "deployment": {"in_progress": True, "age_s": 120},
    "protected": 0,
    "stop_timeout": {"seconds": 120, "container": "app"},
}


def decides_equally(world: World) -> bool:
    policy, memory, seen = world
    written = json.loads(json.dumps(encode(policy, seen, memory)))
    return decide(*decode(written)) == decide(policy, memory, seen)


@given(worlds())
def test_an_encoded_situation_has_the_same_decision(world: World) -> None:
    assert decides_equally(world)


def test_random_encoded_situations_have_the_same_decision() -> None:
    for seed in range(2_000):
        draw = Draw(seed)
        policy = draw.policy()
        assert decides_equally((policy, draw.memory(), draw.observation(policy))), seed


def test_the_example_of_the_contract_is_decoded() -> None:
    decision = decide(*decode(CONTRACT))
    assert decision.current == 5
    assert decision.demand == 20, "100 messages of 5 s; 20 s are left for the oldest, in which a task receives 5"


def without(path: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(CONTRACT))
    *way, last = path.split(".")
    part = changed
    for key in way:
        part = part[key]
    del part[last]
    return changed


def changed(path: str, value: object) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(CONTRACT))
    *way, last = path.split(".")
    part = whole
    for key in way:
        part = part[key]
    part[last] = value
    return whole


def test_missing_fields_have_the_defaults_of_the_contract() -> None:
    _, _, seen = decode(without("running"))
    assert seen.fleet.running == 5
    assert decode(without("pending"))[2].fleet.pending == 0
    assert decode(without("history"))[1] == Memory()
    assert decode(without("deployment"))[2].fleet.deployment is None
    assert seen.stop_timeout == StopTimeout(120.0, "app")
    assert decode(without("stop_timeout"))[2].stop_timeout is None
    assert decode(changed("stop_timeout", None))[2].stop_timeout is None
    assert decode(without("stop_timeout.container"))[2].stop_timeout == StopTimeout(120.0, "not named")
    assert decode(changed("signals.queues", [None]))[2].queues[0].backlog == Missing("it could not be read", "no_data")


@pytest.mark.parametrize("stop", [None, StopTimeout(2.0, "app"), StopTimeout(95.5, "app"), StopTimeout(120.0, "app")])
@pytest.mark.parametrize("spread", [0.0, 0.7, 4.0])
def test_an_encoded_situation_has_the_same_assumptions_about_workers(stop: StopTimeout | None, spread: float) -> None:
    """The learned time, its spread, the stopTimeout and an unset `workers` are recorded."""
    world = calm.seen(0, in_flight=3, knowledge=known(slow_s=40.0, spread=spread), stop_timeout=stop)
    assert decides_equally((calm.policy(), Memory(), world))
    assert decode(encode(calm.policy(), world, Memory()))[2].stop_timeout == stop


@pytest.mark.parametrize("regime", list(Regime))
@pytest.mark.parametrize("bottleneck", [None, 14.5])
@pytest.mark.parametrize("standing", [False, True])
def test_what_is_unusual_is_recorded(regime: Regime, bottleneck: float | None, standing: bool) -> None:
    holding_s = 90.0 if regime is Regime.BATCH else 0.0
    learned = replace(known(), regime=regime, bottleneck=bottleneck, holding_s=holding_s, standing=standing)
    if bottleneck is not None:
        learned = replace(learned, trial=25.0, test=20.0, groups=7.0, overtaken_s=45.0)
        learned = replace(learned, slow_starts=SlowStarts(0.3, 180.0))
    world = calm.seen(5, in_flight=3, knowledge=learned)
    record = json.loads(json.dumps(encode(calm.policy(), world, Memory())))
    assert decode(record)[2].knowledge == learned
    assert decides_equally((calm.policy(backlog_per_task=None), Memory(), world))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_slow_starts_are_a_part_of_all_starts(share: float) -> None:
    learned = replace(known(), slow_starts=SlowStarts(share, 180.0))
    record = json.loads(json.dumps(encode(calm.policy(), calm.seen(5, knowledge=learned), Memory())))
    with pytest.raises(ConfigError, match="share"):
        decode(record)


def test_slow_starts_change_the_decision_and_the_record_decides_the_same() -> None:
    """A replay has the same two kinds of starts as the daemon."""
    worlds = [
        calm.seen(400, knowledge=replace(known((10.0, 400.0)), slow_starts=slow))
        for slow in (None, SlowStarts(0.5, 180.0))
    ]
    policy = calm.policy(backlog_per_task=None)
    targets = [decide(policy, Memory(), world).demand or 0 for world in worlds]
    assert targets[0] < targets[1]
    assert all(decides_equally((policy, Memory(), world)) for world in worlds)


def test_an_unknown_regime_is_a_problem() -> None:
    record = json.loads(json.dumps(encode(calm.policy(), calm.seen(5, knowledge=known()), Memory())))
    record["knowledge"]["regime"] = "odd"
    with pytest.raises(ConfigError, match="regime: must be one of idle, saturated"):
        decode(record)


def test_the_reason_of_a_missing_reading_is_encoded() -> None:
    gone = Missing("the role may not read it", "denied")
    seen = replace(
        decode(CONTRACT)[2], queues=(QueueReading("q", gone), QueueReading("r", gone)), cpu=gone, memory=gone
    )
    seen = replace(seen, metrics=(MetricReading("lag", gone),))
    again = decode(json.loads(json.dumps(encode(decode(CONTRACT)[0], seen, Memory()))))[2]
    assert (again.queues, again.cpu, again.memory, again.metrics) == (seen.queues, gone, gone, seen.metrics)


@pytest.mark.parametrize(
    "queues",
    [
        [{"name": "q", "visible": 0}],
        [{"name": "q", "visible": 0, "in_flight": None}],
        [{"name": "misspelt", "visible": 0, "in_flight": 0}],
        [],
        [None],
    ],
)
def test_a_missing_or_misnamed_reading_is_not_zero(queues: list[object]) -> None:
    zeros = [{"age_s": age, "tasks": 0} for age in (90, 50, 10)]
    policy = {"max_tasks": 20, "queues": ["q"]}
    line = {"policy": policy, "current": 10, "signals": {"queues": queues}, "history": {"demands": zeros}}
    assert decide(*decode(line)).verdict is Verdict.HOLD


def test_a_partly_read_queue_still_requires_tasks() -> None:
    line = {"policy": {"max_tasks": 20}, "current": 1, "signals": {"queues": [{"name": "q", "visible": 50}]}}
    assert decide(*decode(line)).target == 10


def test_a_given_demand_replaces_the_signals() -> None:
    line = changed("demand", 3) | {"history": {}, "deployment": None, "signals": {}}
    assert decide(*decode(line)).target == 3


def test_a_recent_memory_without_changes_counts_starting_tasks_as_just_added() -> None:
    line = {"policy": {"max_tasks": 99}, "current": 8, "running": 5, "history": {"known_for_s": 10}, "demand": 8}
    assert [change.tasks for change in decode(line)[1].changes] == [3]
    assert decode(line | {"history": {"known_for_s": 10, "changes": []}})[1].changes == ()
    assert decode(line | {"history": {}})[1].changes == ()


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ([], "situation"),
        (5, "situation"),
        (without("current"), "current"),
        (changed("current", -1), "current"),
        (changed("current", 2.5), "current"),
        (changed("current", "5"), "current"),
        (changed("current", True), "current"),
        (changed("current", 2**31), "current"),
        (changed("running", 1e300), "running"),
        (changed("demand", -3), "demand"),
        (changed("name", 5), "name"),
        (changed("policy", []), "policy"),
        (changed("policy.max_tasks", "ten"), "max_tasks"),
        (changed("policy.max_taks", 3), "max_taks"),
        (changed("signals", "none"), "signals"),
        (changed("signals.cpu", 5), "signals.cpu"),
        (changed("signals.queues", {}), "signals.queues"),
        (changed("signals.queues", ["q"]), "signals.queues[0]"),
        (changed("signals.queues", [{"name": "q"}]), "signals.queues[0].visible"),
        (changed("signals.queues", [{"visible": "many"}]), "signals.queues[0].visible"),
        (changed("signals.queues", [{"visible": 1, "visibel": 1}]), "signals.queues[0].visibel"),
        (changed("history.demands", [{"age_s": -1, "tasks": 1}]), "history.demands[0].age_s"),
        (changed("history.demands", [{"age_s": 1}]), "history.demands[0].tasks"),
        (changed("history.known_for_s", float("nan")), "history.known_for_s"),
        (changed("deployment.in_progress", "yes"), "deployment.in_progress"),
        (changed("protected", 0.5), "protected"),
        (changed("signals.cpu_tasks", -0.5), "signals.cpu_tasks"),
        (changed("signals.memory_tasks", 2**31), "signals.memory_tasks"),
        (changed("signals.metrics", {"lag": {"value": 1, "tasks": float("nan")}}), "signals.metrics.lag.tasks"),
        (changed("surprise", 1), "surprise"),
        (changed("stop_timeout", 30), "stop_timeout"),
        (changed("stop_timeout", {}), "stop_timeout.seconds"),
        (changed("stop_timeout.seconds", -1), "stop_timeout.seconds"),
        (changed("stop_timeout.seconds", float("inf")), "stop_timeout.seconds"),
        (changed("stop_timeout.container", 7), "stop_timeout.container"),
        (changed("stop_timeout.minutes", 1), "stop_timeout.minutes"),
        (changed("signals.queues", [{"name": "q", "visible": 1}] * 2), "signals.queues"),
    ],
)
def test_an_error_names_the_path_of_the_field(line: object, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        decode(line)
    assert any(where in problem.where for problem in refused.value.problems), refused.value.problems


def test_all_errors_are_reported_at_once() -> None:
    line = changed("current", -1) | {"protected": "x", "policy": {"max_tasks": 0}}
    with pytest.raises(ConfigError) as refused:
        decode(line)
    assert len(refused.value.problems) >= 3


@pytest.mark.parametrize("count", [-5, 2.5, float("nan"), float("inf"), 2**60])
def test_an_impossible_count_is_a_missing_reading_and_never_scales_in(count: float) -> None:
    line = changed("signals.queues", [{"name": "q", "visible": count}]) | {"current": 20, "running": 20}
    decision = decide(*decode(line))
    assert decision.demand is None
    assert decision.verdict is Verdict.HOLD


@pytest.mark.parametrize("tasks", [0, 4, 4.8, 1 / 3, 2**31 - 1])
def test_the_tasks_of_a_datapoint_can_be_fractional(tasks: float) -> None:
    line = changed("policy", {"max_tasks": 20, "queues": ["q"], "cpu_target_percent": 60})
    line = line | {"signals": {**line["signals"], "metrics": {}, "cpu_tasks": tasks}}
    policy, memory, seen = decode(line)
    assert isinstance(seen.cpu, Utilization)
    assert seen.cpu.tasks == tasks
    assert decides_equally((policy, memory, seen))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CONTRACT, "x"]), inner, max_size=5),
    max_leaves=12,
)


@given(JSON, st.sampled_from([*CONTRACT, "demand"]))
def test_every_value_is_decoded_or_raises_a_config_error(value: object, key: str) -> None:
    with suppress(ConfigError):
        decide(*decode(changed(key, value)))
