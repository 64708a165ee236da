"""What a diagnosis means for scale-out: whether more tasks would start, and what ends the failure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from autoscaler.core.figures import shortened
from autoscaler.core.model import Instant, StartFailure, StartHold
from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.concluding import Diagnosis, TaskFinding
from autoscaler.diagnosis.events import newest_problem
from autoscaler.diagnosis.groups import RECENT_S, StopGroup, meaning_of
from autoscaler.diagnosis.reports import NotSeen, ServiceEvent, ServiceReport
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass

SOON_S = 60.0
"""A task that ends by itself within this time of its start did no useful work: more tasks would do the same."""

STAYS_RATIO, SHORTEST_STAY_S, LONGEST_STAY_S = 3.0, 30.0, 600.0
"""A task stays up if it runs for three times as long as those that failed, within these limits."""

MOST_FINDINGS, MOST_STOPS, MOST_TEXT = 3, 5, 1_000
"""The findings and groups of stopped tasks that a summary has, and the characters of a text."""


class StartTrouble(NamedTuple):
    """`stays_s`: the seconds for which a further task must run until the failure is over. 0: the failed tasks never
    ran, so that any task that runs ends it.
    """

    failure: StartFailure
    stays_s: float


class DiagnosisSummary(NamedTuple):
    """A diagnosis for display, of limited size. `at`: seconds since the epoch. `stops`: the groups of stopped tasks, a
    line each.
    """

    at: float
    paragraph: str
    findings: tuple[TaskFinding, ...]
    stops: tuple[str, ...]
    not_seen: tuple[NotSeen, ...]


def summary_of(diagnosis: Diagnosis) -> DiagnosisSummary:
    """Return what the daemon keeps of a diagnosis: at most a few kilobytes. The command `diagnose` shows all of it."""
    stops = tuple(shortened(f"{one.share} {one.how}: {one.what}", MOST_TEXT) for one in diagnosis.groups[:MOST_STOPS])
    findings = tuple(one._replace(text=shortened(one.text, MOST_TEXT)) for one in diagnosis.findings[:MOST_FINDINGS])
    paragraph = shortened(diagnosis.paragraph, 2 * MOST_TEXT)
    return DiagnosisSummary(diagnosis.at, paragraph, findings, stops, diagnosis.not_seen[:MOST_STOPS])


def trouble_of(
    diagnosis: Diagnosis, since: float, instant: Callable[[float], Instant], staying: int
) -> StartTrouble | None:
    """Return why tasks do not start or stay up at present (None: nothing says so).

    `since`: seconds since the epoch; earlier stops and events are over, because a task has stayed up since.
    `instant` converts seconds since the epoch. `staying`: the tasks that have run for at least `SOON_S`.

    Stops of an earlier deployment, and of another task definition than the one that new tasks get, are over, too.
    """
    state, primary = diagnosis.state, diagnosis.primary
    if primary is not None:
        since = max(since, primary.at)
    groups = [one for one in diagnosis.groups if _is_present(one, state, since, diagnosis.at)]
    found = [
        *(_of_group(one, state, instant, staying) for one in groups),
        *_of_events(state, since, diagnosis.at, instant, staying),
    ]
    if not found:
        return None
    main = found[0]
    lasting = next((one for one in found if one.failure.hold is StartHold.UNTIL_CHANGED), None)
    if lasting is None or main.failure.hold is StartHold.UNTIL_CHANGED:
        return main
    if main.stays_s > STAYS_RATIO * SOON_S:
        return lasting  # the tasks of the main cause did useful work: they are not why others do not start
    kept = main.failure._replace(hold=StartHold.UNTIL_CHANGED, remedy=lasting.failure.remedy)
    return StartTrouble(kept, max(main.stays_s, lasting.stays_s))


def _is_present(group: StopGroup, state: ServiceReport | None, since: float, now: float) -> bool:
    newest = group.tasks[0].at
    other = state is not None and state.definition and group.definitions and state.definition not in group.definitions
    return not group.is_expected and newest > since and now - newest < RECENT_S and not other


def _of_group(
    group: StopGroup, state: ServiceReport | None, instant: Callable[[float], Instant], staying: int
) -> StartTrouble:
    row, ran_s = group.cause.row, group.ran_s
    hold = _hold_of(row.kind)
    if row.kind is FailureClass.APPLICATION and _ends_all(group, state, staying):
        hold = StartHold.UNTIL_CHANGED
    elif row.kind is FailureClass.FIX and ran_s is not None and ran_s > SOON_S:
        hold = StartHold.NOTHING  # it did work before: its settings let tasks start, such as a full disk after hours
    stays_s = 0.0 if ran_s is None else min(LONGEST_STAY_S, max(SHORTEST_STAY_S, STAYS_RATIO * ran_s))
    reason = shortened(f"{group.share} {group.how}: {group.what}", MOST_TEXT)
    return StartTrouble(_failure(row, reason, instant(group.tasks[0].at), hold), stays_s)


def _ends_all(group: StopGroup, state: ServiceReport | None, staying: int) -> bool:
    """Whether the program ends by itself, soon after its start, in most tasks of the service. A single message that
    ends one of many workers is not that. The running tasks of one moment prove nothing: they may end, too.
    """
    soon = group.ran_s is None or group.ran_s <= SOON_S
    mostly = 2 * len(group.tasks) > group.of
    return soon and mostly and state is not None and 2 * staying < state.desired


def _of_events(
    state: ServiceReport | None, since: float, now: float, instant: Callable[[float], Instant], staying: int
) -> Iterator[StartTrouble]:
    event = None if state is None else newest_problem(state.events, now)
    if event is not None and event.at > since and not _is_outlived(event, state, now, staying):
        row = classify(event.text)
        reason = shortened(f"ECS reports: {meaning_of(row, event.text)}", MOST_TEXT)
        # While ECS waits between its attempts, tasks that reach RUNNING are the first sign that it goes on.
        yield StartTrouble(_failure(row, reason, instant(event.at), _hold_of(row.kind)), SHORTEST_STAY_S)


STAYING_RATIO = 0.9
"""The share of the desired tasks with which an event of some time ago is over."""


def _is_outlived(event: ServiceEvent, state: ServiceReport | None, now: float, staying: int) -> bool:
    """Whether nearly all tasks stay up, some time after the event. ECS reports a steady state only if all of them do:
    of many tasks, one is often being replaced.
    """
    is_old = now - event.at >= RECENT_S
    return is_old and state is not None and state.desired > 0 and staying >= STAYING_RATIO * state.desired


_WHILE_MISSING = frozenset({FailureClass.WAIT, FailureClass.CAPACITY, FailureClass.QUOTA})
"""Classes of what ends by itself: more tasks would wait for the same room, quota or attempt."""


def _hold_of(kind: FailureClass) -> StartHold:
    if kind is FailureClass.FIX:
        return StartHold.UNTIL_CHANGED
    return StartHold.WHILE_MISSING if kind in _WHILE_MISSING else StartHold.NOTHING


def _failure(row: Failure, reason: str, at: Instant, hold: StartHold) -> StartFailure:
    remedy = row.remedy or "read the reason, and run autoscaler diagnose"
    return StartFailure(row.kind, "unknown" if row is UNKNOWN else row.name, reason, remedy, at, hold)
