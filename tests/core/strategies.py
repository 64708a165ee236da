"""Hypothesis strategies for worlds. Values lie on and next to every threshold, because most errors occur at an edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from autoscaler.core.contest import Contest, Drift, Move
from autoscaler.core.memory import AGREEMENT_S, NO_CONTEST, AcceptedChange, Demand, Memory, RunningCount
from autoscaler.core.model import (
    Backlog,
    Deployment,
    Fleet,
    Flow,
    Missing,
    Observation,
    QueueReading,
    StopTimeout,
    Unseen,
    Utilization,
)
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Mode,
    Pause,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
    SelectLimit,
    WorkerSafety,
)
from autoscaler.core.signals import BACKLOG_LIMIT_S, MINUTE_LIMIT_S, MOST_MESSAGES

NOW = 100_000.0
WINDOWS = [0.0, 15.0, 60.0, 300.0]
EDGES = sorted(
    {edge for window in [*WINDOWS, AGREEMENT_S, 30.0] for edge in (window - 1, window, window + 1) if edge >= 0}
)

ages = st.sampled_from(EDGES)
windows = st.sampled_from(WINDOWS)
counts = st.one_of(st.integers(0, 12), st.integers(0, 200))
messages = st.one_of(st.integers(0, 3), st.integers(0, 500), st.sampled_from([10**6, MOST_MESSAGES]))
missing = st.sampled_from([Missing("it was throttled", "throttled"), Missing("no datapoint", "no_data")])


limits = st.one_of(
    st.builds(
        lambda tasks, per_s: RateLimit(per_s, tasks=tasks), st.integers(0, 8), st.sampled_from([15.0, 60.0, 300.0])
    ),
    st.builds(lambda pc, per_s: RateLimit(per_s, percent=pc), st.sampled_from([1, 10, 50, 100, 900]), st.just(60.0)),
)
of_direction: dict[str, st.SearchStrategy[Any]] = {
    "cooldown_s": windows,
    "stabilization_s": windows,
    "limits": st.lists(limits, max_size=2).map(tuple),
    "select": st.sampled_from(SelectLimit),
}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low = draw(st.integers(0, 6))
    high = low + draw(st.integers(0 if low else 1, 30))
    names = [f"q{index}" for index in range(draw(st.integers(0, 3)))]
    queues = tuple(QueuePolicy(name, draw(st.sampled_from([1.0, 30.0, 60.0, 600.0]))) for name in names)
    return Policy(
        name="orders",
        min_tasks=low,
        max_tasks=high,
        queues=queues,
        acceptable_latency_s=draw(st.sampled_from([1.0, 60.0, 600.0])),
        processing_time_s=draw(st.sampled_from([None, 0.05, 1.0, 5.0, 3600.0])),
        task_concurrency=draw(st.sampled_from([1, 2, 10])),
        workers=draw(st.one_of(st.none(), st.sampled_from(WorkerSafety))),
        backlog_per_task=draw(st.sampled_from([None, 0.5, 5.0, 100.0])),
        cpu_target_percent=draw(st.sampled_from([None, 60.0])),
        memory_target_percent=draw(st.sampled_from([None, 80.0])),
        scale_out=draw(st.builds(Direction, **of_direction)),
        scale_in=draw(st.builds(ScaleIn, **of_direction)),
        tolerance=draw(st.sampled_from([0.0, 0.1, 0.5])),
        activation=Activation(draw(st.sampled_from([0, 1, 10])), draw(st.sampled_from([1, 2, 3]))),
        fallback=draw(fallbacks(low, high)),
        deployments=DeploymentHold(draw(st.booleans()), draw(st.sampled_from([60.0, 3600.0]))),
        busy_floor=draw(st.booleans()),
        mode=draw(st.sampled_from(Mode)),
        paused=draw(st.one_of(st.none(), st.sampled_from(Pause), st.integers(low, high))),
    )


@st.composite
def fallbacks(draw: st.DrawFn, low: int, high: int) -> Fallback:
    behavior = draw(st.sampled_from(FallbackBehavior))
    tasks = None if behavior is FallbackBehavior.HOLD else draw(st.integers(low, high))
    return Fallback(behavior, tasks, draw(st.integers(1, 3)))


backlogs = st.builds(
    Backlog,
    visible=messages,
    in_flight=messages,
    delayed=messages,
    at=st.sampled_from([NOW, NOW - BACKLOG_LIMIT_S, NOW - BACKLOG_LIMIT_S - 1]),
    oldest_age_s=st.one_of(st.none(), ages),
    groups_in_flight=st.one_of(st.none(), st.integers(0, 5)),
)
utilizations = st.builds(
    Utilization,
    percent=st.one_of(st.floats(0, 200), st.sampled_from([0.0, 60.0, 80.0, float("nan"), float("inf"), -1.0, 1e300])),
    at=st.sampled_from([NOW, NOW - MINUTE_LIMIT_S, NOW - MINUTE_LIMIT_S - 1]),
    tasks=st.one_of(st.none(), counts),
)


flows = st.builds(
    Flow,
    received=st.integers(0, 60),
    deleted=st.sampled_from([0, 0, 20, 21]),
    tasks=counts,
    at=ages.map(lambda age: NOW - age),
    waiting=st.sampled_from([0, 1, 50]),
)


unseen = st.builds(
    Unseen,
    messages=st.sampled_from([0, 1, 600]),
    deleted=st.sampled_from([0, 1, 60, 600, 10**6]),
    at=st.sampled_from([NOW, NOW - MINUTE_LIMIT_S, NOW - MINUTE_LIMIT_S - 1]),
    oldest_age_s=st.sampled_from([None, 0.0, 900.0]),
    compared=st.booleans(),
)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    desired = draw(counts)
    rolling = draw(st.one_of(st.none(), st.sampled_from([0.0, 59.0, 60.0, 3599.0, 3600.0])))
    return Fleet(
        desired=desired,
        running=draw(st.integers(0, desired + 3)),
        pending=draw(st.integers(0, 3)),
        at=NOW,
        deployment=None if rolling is None else Deployment(NOW - rolling),
        protected=draw(st.one_of(st.none(), st.integers(0, desired))),
    )


@st.composite
def observations(draw: st.DrawFn, policy: Policy) -> Observation:
    readings = [
        QueueReading(queue.name, draw(st.one_of(backlogs, missing)))
        for queue in policy.queues
        if draw(st.integers(0, 9))  # one queue in ten was not read
    ]
    return Observation(
        now=NOW,
        fleet=draw(fleets()),
        queues=tuple(readings),
        cpu=draw(st.one_of(st.none(), utilizations, missing)),
        memory=draw(st.one_of(st.none(), utilizations, missing)),
        given=draw(st.one_of(st.none(), st.none(), counts)),
        unseen=draw(st.one_of(st.none(), unseen)),
        unreceived=draw(st.sampled_from([(), (), tuple(queue.name for queue in policy.queues)])),
        stop_timeout=draw(st.sampled_from([None, StopTimeout(2.0, "app"), StopTimeout(7200.0, "app")])),
    )


@st.composite
def contests(draw: st.DrawFn) -> Contest:
    """Any changes by other writers, often just before or after a contest, and before or after the end of a pause."""
    edges = [0.0, 59.0, 60.0, 61.0, 119.0, 120.0, 600.0, 1199.0, 1200.0, 1260.0]
    at = st.sampled_from(edges).map(lambda age: NOW - age)
    drifts = sorted(draw(st.lists(st.builds(Drift, at, counts, st.booleans()), max_size=6)))
    last = draw(
        st.one_of(st.none(), st.builds(Move, at, st.sampled_from([-9, -1, 1, 9]), st.booleans(), st.booleans()))
    )
    pauses = draw(st.integers(0, 3)) if drifts else 0
    return Contest(tuple(drifts), last if drifts else None, pauses, draw(at) if pauses else 0.0)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    def events(tasks: st.SearchStrategy[int]) -> list[tuple[float, int]]:
        return sorted((NOW - age, count) for age, count in draw(st.lists(st.tuples(ages, tasks), max_size=6)))

    return Memory(
        since=draw(st.one_of(st.none(), ages.map(lambda age: NOW - age))),
        demands=tuple(Demand(*event) for event in events(st.one_of(st.just(0), counts))),
        changes=tuple(AcceptedChange(*event) for event in events(st.integers(-20, 20))),
        running=tuple(RunningCount(*event) for event in events(counts)),
        failures=draw(st.integers(0, 4)),
        flows=tuple(draw(st.lists(flows, max_size=6))),
        starting=draw(st.one_of(st.none(), st.builds(RunningCount, ages.map(lambda age: NOW - age), counts))),
        idle_since=draw(st.one_of(st.none(), ages.map(lambda age: NOW - age))),
        waking=draw(st.integers(0, 3)),
        lapsed=draw(st.booleans()),
        unread_at=draw(st.one_of(st.none(), ages.map(lambda age: NOW - age))),
        expected=draw(st.one_of(st.none(), st.none(), counts)),
        contest=draw(st.one_of(st.just(NO_CONTEST), contests())),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Policy, Memory, Observation]:
    """Any input that `decide` accepts."""
    policy = draw(policies())
    return policy, draw(memories()), draw(observations(policy))


def with_more(seen: Observation, extra: int) -> Observation:
    """Return the observation with `extra` more visible messages in every queue that was read."""
    return replace(
        seen,
        queues=tuple(
            reading
            if isinstance(reading.backlog, Missing)
            else reading._replace(
                backlog=replace(reading.backlog, visible=min(reading.backlog.visible + extra, MOST_MESSAGES))
            )
            for reading in seen.queues
        ),
        given=None if seen.given is None else seen.given + extra,
    )
