"""The staged causes, the alert that fires for each, and the restarts in the middle of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.monitoring.stages import BEGIN, NEVER, Changes, DaemonRestart, Fired, StagedCause

UNREADABLE: dict[str, float | None] = {"autoscaler_service_up": 0, "autoscaler_signal_usable": 0}
RISK: dict[str, float | None] = {"autoscaler_slo_at_risk": 1}
LATE: dict[str, float | None] = {"autoscaler_late_messages_total": 50}
"""Half of the messages are late."""

EFFECTS = RISK | LATE

NO_POLL: dict[str, float | None] = {
    "autoscaler_last_tick_timestamp_seconds": 60.0 * BEGIN,
    "autoscaler_messages_total": 0,
    "autoscaler_decisions_total": 0,
}
IN_NO_PROGRESS: dict[str, float | None] = {
    "autoscaler_decisions_total hold no_progress": 6,
    "autoscaler_decisions_total hold none": 0,
}
THROTTLES = "autoscaler_aws_throttles_total ecs_service_read"

IRELAND, VIRGINIA = "eu-west-1", "us-east-1"
FLEET = (*((IRELAND, f"service-{number}") for number in range(7)), (VIRGINIA, "one"), (VIRGINIA, "two"))


def since(**begins: Mapping[str, float | None]) -> Changes:
    """Return changes that begin at the minute in their name: `m2={...}`."""
    parts = sorted((int(name[1:]), changes) for name, changes in begins.items())
    return lambda minute: {key: value for begin, part in parts if minute >= begin for key, value in part.items()}


def tasks(**counts: float) -> dict[str, float | None]:
    return {f"autoscaler_tasks {kind}": count for kind, count in counts.items()}


def crash_loop(minute: int) -> Mapping[str, float | None]:
    return tasks(demand=30, desired=30, running=(3, 4, 3, 3, 4, 3, 4, 4)[minute % 8]) | (LATE if minute >= 2 else {})


def starts_again_and_again(minute: int) -> Mapping[str, float | None]:
    return tasks(demand=9, desired=9, running=5 if minute % 6 < 4 else 9) | EFFECTS


FULL = tasks(demand=60, desired=40, running=40) | RISK

OF_ONE_SERVICE = (
    StagedCause("max_tasks is too low", since(m0=FULL, m2=LATE), Fired("AutoscalerAtMax", "critical", 7, 27)),
    StagedCause("max_tasks is too low, nothing is late", since(m0=FULL), Fired("AutoscalerAtMax", "warning", 10, 27)),
    StagedCause(
        "no task starts",
        since(m0=tasks(demand=60, desired=40) | RISK, m2=LATE),
        Fired("AutoscalerStalledStart", "critical", 10, 34),
    ),
    StagedCause(
        "capacity for 9 of 40 tasks",
        since(m0=tasks(demand=60, desired=40) | RISK, m1=tasks(running=7), m2=tasks(running=9) | LATE),
        Fired("AutoscalerStalledStart", "critical", 12, 34),
    ),
    StagedCause("tasks crash", crash_loop, Fired("AutoscalerStalledStart", "critical", 10, 34)),
    StagedCause(
        "workers complete nothing",
        since(m0=RISK, m2={"autoscaler_late_messages_total": 100}, m5=IN_NO_PROGRESS),
        Fired("AutoscalerNoProgress", "critical", 17, 43),
    ),
    StagedCause(
        "shadow, and no other scaler",
        since(m1=EFFECTS, m2={"autoscaler_shadow_misses_latency": 1}),
        Fired("AutoscalerShadowMissesLatency", "critical", 6, 29),
    ),
    StagedCause(
        "shadow, and no other scaler, few messages",
        since(m2={"autoscaler_shadow_misses_latency": 1}),
        Fired("AutoscalerShadowMissesLatency", "warning", 12, 29),
    ),
    StagedCause(
        "processing takes longer",
        since(m2={"autoscaler_late_messages_total": 20}),
        Fired("AutoscalerSloMissed", "critical", 13, 47),
    ),
    StagedCause(
        "paused while messages arrive",
        since(m0={"autoscaler_paused": 1} | RISK, m2=LATE),
        Fired("AutoscalerSloMissed", "critical", 12, 48),
    ),
    StagedCause("a start takes too long", since(m0=RISK), Fired("AutoscalerSloAtRisk", "warning", 10, 37)),
    StagedCause(
        "a deleted queue", since(m0=UNREADABLE, m2=EFFECTS), Fired("AutoscalerMissingSignal", "critical", 5, 29)
    ),
    StagedCause(
        "a scale-out that is denied",
        since(m0={"autoscaler_service_up": 0}, m2=EFFECTS),
        Fired("AutoscalerMissingSignal", "critical", 5, 29),
    ),
    StagedCause(
        "two writers",
        since(m0={"autoscaler_drifts_total": 2}, m2={"autoscaler_contested": 1} | EFFECTS),
        Fired("AutoscalerContested", "critical", 2, 44),
    ),
    StagedCause(
        "a pipeline sets the count",
        lambda minute: {"autoscaler_drifts_total": float(minute in {0, 6, 12, 18, 24})},
        Fired("AutoscalerDrift", "warning", 17, 41),
    ),
    StagedCause(
        "tasks start, one per minute",
        lambda minute: tasks(demand=80, desired=60, running=5 + minute, max=60) | EFFECTS,
        Fired("AutoscalerSloMissed", "critical", 20, 48),
    ),
    StagedCause(
        "tasks start again and again", starts_again_and_again, Fired("AutoscalerSloMissed", "critical", 10, 48)
    ),
    StagedCause(
        "protected tasks keep old deployments",
        since(m0={"autoscaler_unfinished_deployments": 3}, m2={"autoscaler_unfinished_deployments": 4}),
        Fired("AutoscalerManyDeployments", "warning", 12, 34),
    ),
    StagedCause("throttled", since(), Fired("AutoscalerThrottled", "warning", 11, 42), own=since(m0={THROTTLES: 3})),
)

OF_MANY_SERVICES = (
    StagedCause(
        "outage of a Region",
        since(m0=UNREADABLE, m2=EFFECTS),
        Fired("AutoscalerOutage", "critical", 5, 29),
        FLEET,
        among=lambda region, _: region == IRELAND,
    ),
    StagedCause(
        "no credentials", since(m0=UNREADABLE, m2=EFFECTS), Fired("AutoscalerOutage", "critical", 5, 29), FLEET
    ),
    StagedCause(
        "no permission for three of seven services",
        since(m0=UNREADABLE, m2=EFFECTS),
        Fired("AutoscalerSeveralUnreadable", "critical", 5, 29),
        FLEET,
        among=lambda _, service: service in {"service-0", "service-1", "service-2"},
    ),
    StagedCause(
        "throttled until nothing can be read",
        since(m1=UNREADABLE),
        Fired("AutoscalerOutage", "critical", 6, 29),
        FLEET,
        own=since(m0={THROTTLES: 30}),
    ),
    StagedCause("the daemon hangs", since(m0=NO_POLL), Fired("AutoscalerDaemonStale", "critical", 6, 29), FLEET),
)

STAGES = (*OF_ONE_SERVICE, *OF_MANY_SERVICES)

MOVED = DaemonRestart(BEGIN + 3, lasting=2, moved=True)
RESTARTS = (
    NEVER,
    MOVED,
    DaemonRestart(BEGIN + 18),
    DaemonRestart(BEGIN + 11, new=False),
)
"""No restart; in the middle of a window (another address); while the alert fires (the same); and a failed scrape."""

LATER = DaemonRestart(BEGIN + 9, lasting=2, moved=True)
"""After the daemon has seen that nothing is completed. A restart before that makes it see the cause later."""

MOVES = {
    ("workers complete nothing", RESTARTS[2]): (17, 36),
    ("processing takes longer", MOVED): (16, 47),
    ("a pipeline sets the count", RESTARTS[2]): (17, 35),
    ("a pipeline sets the count", RESTARTS[3]): (17, 40),
}
"""First and last minutes that differ: the counts of the minutes without a scrape are lost."""


def _with(stage: StagedCause, restart: DaemonRestart) -> tuple[StagedCause, DaemonRestart]:
    first, last = MOVES.get((stage.name, restart), (stage.fired.first, stage.fired.last))
    return replace(stage, fired=stage.fired._replace(first=first, last=last)), restart


STAGED: Sequence[tuple[StagedCause, DaemonRestart]] = (
    *(
        _with(stage, LATER if restart == MOVED and stage.name == "workers complete nothing" else restart)
        for stage in OF_ONE_SERVICE
        for restart in RESTARTS
    ),
    *((stage, restart) for stage in OF_MANY_SERVICES[:-1] for restart in (NEVER, MOVED)),
    (OF_MANY_SERVICES[-1], NEVER),
)
"""All cases. A restart ends a hang of the daemon."""
