"""The notes of a service: every estimate, assumption and gap that its figures depend on."""

from __future__ import annotations

from collections.abc import Iterator

from autoscaler.assess.reading import ReadService
from autoscaler.assess.recorded import DAY_S, HOUR_S, LIVE, Basis, ProcessingTime, ServicePast
from autoscaler.assess.replayed import MOST_MESSAGES, ReplayResult
from autoscaler.core.figures import number, seconds, several
from autoscaler.pricing import NoPrice

SURE_GAP_RATIO = 0.05
"""A larger share of the time without a datapoint of the tasks is reported."""


def notes(
    service: ReadService, estimate: ProcessingTime | None, replayed: ReplayResult | None, most_tasks: int
) -> Iterator[str]:
    """Yield what a reader must know: the queue, the estimate, the simulated days, and every gap. `most_tasks`: the
    maximum number of tasks in the simulation.
    """
    chosen, past = service.chosen, service.recorded
    if chosen.queues:
        others = f"; it also names {', '.join(chosen.others)}" if chosen.others else ""
        check = f": check it, or pass --queue {service.found.name}=NAME" if chosen.is_guess else ""
        yield f"queue {chosen.name}: {chosen.why}{others}{check}"
    else:
        yield f"no queue found in its tags and environment: pass --queue {service.found.name}=NAME if it has one"
    if service.found.is_daemon:
        yield "scheduling strategy DAEMON: its number of tasks cannot be changed"
    if estimate is not None:
        yield _estimated(estimate)
    elif chosen.queues and past is not None and past.messages:
        yield "processing time unknown: no message was deleted while a task ran, so it was not simulated"
    elif chosen.queues and past is not None:
        yield "no message was sent in this time, so it was not simulated"
    if replayed is not None and past is not None:
        yield _simulated(replayed, past, most_tasks)
    if past is not None and past.length_s < DAY_S:
        yield f"its past has only {several(past.length_s / HOUR_S, 'hour')}"
    if past is not None and past.tasks.metric != LIVE:
        yield f"tasks counted by {past.tasks.metric}, because LiveTaskCount has no datapoint"
    if past is not None and past.tasks.gap_ratio > SURE_GAP_RATIO:
        yield f"{past.tasks.gap_ratio:.0%} of the time has no datapoint of its tasks, and counts as no task"
    yield f"no dollars: {service.price.text}" if isinstance(service.price, NoPrice) else service.price.text
    yield from service.gaps


def _estimated(estimate: ProcessingTime) -> str:
    spread = "" if estimate.low_s == estimate.high_s else f" ({number(estimate.low_s)} to {seconds(estimate.high_s)})"
    match estimate.basis:
        case Basis.BUSY:
            return f"a task needs {seconds(estimate.seconds)} per message{spread}: measured while its tasks were busy"
        case Basis.IN_FLIGHT:
            return (
                f"a task needs about {seconds(estimate.seconds)} per message{spread}: the time that workers hold a "
                "message, because no backlog shows what busy tasks do"
            )
        case _:
            return (
                f"a task needs at most {seconds(estimate.seconds)} per message{spread}: its tasks were rarely all "
                "busy, so its cost with this autoscaler is an upper bound"
            )


def _simulated(replayed: ReplayResult, past: ServicePast, most_tasks: int) -> str:
    count, whole = len(replayed.days), max(1, int(past.length_s // DAY_S))
    what = f"{several(count, 'day')} of {whole} simulated, with at most {most_tasks:,} tasks"
    thinned = f", 1 of {replayed.thinned} messages (over {MOST_MESSAGES:,.0f} a day)" if replayed.thinned > 1 else ""
    return (
        f"{what}{thinned}: {percent(replayed.late_fraction)} of the messages late, p95 of the wait "
        f"{seconds(replayed.wait_p95_s)}; start-up time 45 s (p95 80 s) assumed"
    )


def percent(ratio: float | None) -> str:
    """Format a share: `0 %`, `3.1 %`, `<0.1 %`; `-` if it is unknown."""
    if ratio is None:
        return "-"
    if ratio == 0:
        return "0 %"
    return f"{100 * ratio:.1f} %" if ratio >= 0.0005 else "<0.1 %"
