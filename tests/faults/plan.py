"""The faults of a run: what can go wrong, as values that can be drawn, listed, removed one by one, and written as text.

A fault is `AT:KIND:SUBJECT:LASTS:NUMBER`: seconds after the start, its kind, a queue, a service or `*`, for how many
seconds it lasts, and a number whose meaning is in `KINDS`. A run has no other faults than those of its list, so a
failing run is shrunk by removing faults from the list (`shrinking.py`), and a list is a regression test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FaultScope(StrEnum):
    """What a fault affects: the readings of a queue or service, writes to a service, the service itself in ECS, or the
    whole daemon.
    """

    QUEUE = "queue"
    MINUTES = "minutes"
    FLEET = "fleet"
    WRITE = "write"
    WORLD = "world"
    SETTINGS = "settings"
    DAEMON = "daemon"


class FaultKind(NamedTuple):
    """`lasts`: the shortest and the longest duration in seconds that is drawn. `numbers`: the same for the number.
    `weight`: how often it is drawn.
    """

    scope: FaultScope
    meaning: str
    lasts: tuple[float, float] = (0.0, 0.0)
    numbers: tuple[float, float] = (0.0, 0.0)
    weight: int = 2


GAP = (5.0, 120.0)

KINDS: dict[str, FaultKind] = {
    "queue_throttled": FaultKind(FaultScope.QUEUE, "SQS throttles the reads of the queue", GAP),
    "queue_unavailable": FaultKind(FaultScope.QUEUE, "SQS answers with a server error", GAP),
    "queue_denied": FaultKind(FaultScope.QUEUE, "SQS denies the read", GAP),
    "queue_garbled": FaultKind(FaultScope.QUEUE, "the answer cannot be parsed", GAP),
    "queue_partial": FaultKind(FaultScope.QUEUE, "one of the three counts is absent", GAP),
    "queue_slow": FaultKind(FaultScope.QUEUE, "answers take NUMBER seconds", GAP, (0.5, 2.9)),
    "queue_hang": FaultKind(FaultScope.QUEUE, "no answer", GAP),
    "queue_stale": FaultKind(FaultScope.QUEUE, "the counts are those of NUMBER seconds ago", GAP, (5.0, 55.0)),
    "queue_reordered": FaultKind(
        FaultScope.QUEUE, "each second answer has the counts of NUMBER seconds ago", GAP, (5.0, 55.0)
    ),
    "queue_zero": FaultKind(FaultScope.QUEUE, "SQS shows an empty queue", (5.0, 50.0), weight=4),
    "queue_contradicts": FaultKind(
        FaultScope.QUEUE, "SQS shows an empty queue for minutes, and CloudWatch is right", (90.0, 400.0), weight=3
    ),
    "queue_huge": FaultKind(FaultScope.QUEUE, "the counts are about 10 to the power of NUMBER", GAP, (4.0, 18.0)),
    "minutes_unavailable": FaultKind(FaultScope.MINUTES, "CloudWatch answers with a server error", (30.0, 300.0)),
    "minutes_absent": FaultKind(FaultScope.MINUTES, "CloudWatch has no datapoint", (60.0, 300.0)),
    "minutes_late": FaultKind(FaultScope.MINUTES, "datapoints are NUMBER minutes late", (60.0, 300.0), (1.0, 4.0)),
    "fleet_throttled": FaultKind(FaultScope.FLEET, "ECS throttles the reads of the service", GAP),
    "fleet_unavailable": FaultKind(FaultScope.FLEET, "ECS answers with a server error", GAP),
    "fleet_denied": FaultKind(FaultScope.FLEET, "ECS denies the read", GAP),
    "fleet_slow": FaultKind(FaultScope.FLEET, "answers take NUMBER seconds", GAP, (0.5, 2.9)),
    "fleet_hang": FaultKind(FaultScope.FLEET, "no answer", GAP),
    "fleet_settling": FaultKind(
        FaultScope.FLEET, "ECS shows the state of NUMBER seconds ago, as just after a write", GAP, (0.5, 4.5)
    ),
    "fleet_stale": FaultKind(
        FaultScope.FLEET,
        "ECS shows the state of NUMBER seconds ago",
        (60.0, 200.0),
        (60.0, 180.0),
        1,
    ),
    "protection_unread": FaultKind(FaultScope.FLEET, "task protection cannot be read", GAP),
    "write_lost": FaultKind(FaultScope.WRITE, "UpdateService does not arrive, and there is no answer", GAP),
    "write_unknown": FaultKind(FaultScope.WRITE, "UpdateService takes effect, and the answer is lost", GAP, weight=4),
    "write_late": FaultKind(
        FaultScope.WRITE, "UpdateService takes effect NUMBER seconds later, without an answer", GAP, (0.5, 4.0)
    ),
    "write_throttled": FaultKind(FaultScope.WRITE, "ECS throttles UpdateService", GAP),
    "write_refused": FaultKind(FaultScope.WRITE, "ECS rejects UpdateService", GAP),
    "writer": FaultKind(FaultScope.WORLD, "another writer sets the desired count to NUMBER", numbers=(0.0, 30.0)),
    "deployment": FaultKind(FaultScope.WORLD, "a deployment", (60.0, 400.0), weight=3),
    "endless": FaultKind(FaultScope.WORLD, "a deployment that never ends", (5000.0, 5000.0), weight=1),
    "no_capacity": FaultKind(FaultScope.WORLD, "tasks do not start", (60.0, 400.0)),
    "replaced": FaultKind(
        FaultScope.WORLD, "the service is deleted, and created again with NUMBER tasks", (5.0, 60.0), (0.0, 20.0)
    ),
    "idle": FaultKind(FaultScope.WORLD, "no messages arrive, and the queues are purged", (60.0, 400.0), weight=3),
    "burst": FaultKind(FaultScope.WORLD, "NUMBER messages arrive at once", numbers=(20.0, 400.0)),
    "poison": FaultKind(FaultScope.WORLD, "messages are received and never deleted", (60.0, 500.0)),
    "protected": FaultKind(FaultScope.WORLD, "NUMBER tasks are protected from scale-in", (60.0, 400.0), (1.0, 10.0)),
    "tag": FaultKind(FaultScope.WORLD, "the pause tag has the value number NUMBER of TAGS", (20.0, 300.0), (0.0, 7.99)),
    "adversary": FaultKind(
        FaultScope.WORLD, "someone writes the hostile tags number NUMBER of HOSTILE", (60.0, 400.0), (0.0, 7.99)
    ),
    "maximum": FaultKind(FaultScope.SETTINGS, "the operator sets max_tasks to NUMBER", numbers=(1.0, 40.0), weight=3),
    "minimum": FaultKind(FaultScope.SETTINGS, "the operator sets min_tasks to NUMBER", numbers=(0.0, 6.0)),
    "shadowed": FaultKind(FaultScope.SETTINGS, "the operator sets the mode to shadow", (30.0, 200.0)),
    "wrong": FaultKind(FaultScope.SETTINGS, "the service has a wrong setting in the file", (10.0, 200.0)),
    "cut": FaultKind(
        FaultScope.SETTINGS, "the file ends after NUMBER of its bytes", (3.0, 60.0), (0.02, 0.999), weight=3
    ),
    "omitted": FaultKind(
        FaultScope.SETTINGS,
        "the line of mode is missing, or those of min_tasks and workers if NUMBER is at least 0.5",
        (20.0, 200.0),
        (0.0, 1.0),
    ),
    "hangup": FaultKind(FaultScope.DAEMON, "SIGHUP"),
    "crash": FaultKind(FaultScope.DAEMON, "the process is killed, and started again", (1.0, 20.0), weight=4),
    "freeze": FaultKind(FaultScope.DAEMON, "the process is suspended", (5.0, 400.0), weight=3),
    "clock": FaultKind(FaultScope.DAEMON, "the wall clock is NUMBER seconds wrong", GAP, (-7200.0, 7200.0)),
    "throttling": FaultKind(FaultScope.DAEMON, "AWS throttles every call", (5.0, 180.0)),
    "expired": FaultKind(FaultScope.DAEMON, "AWS denies every call: the credentials have expired", (5.0, 120.0)),
    "outage": FaultKind(FaultScope.DAEMON, "no call is answered", (5.0, 200.0)),
    "blackout": FaultKind(FaultScope.DAEMON, "every queue shows zero at once", (30.0, 50.0)),
    "all_idle": FaultKind(FaultScope.DAEMON, "every queue is empty at once", (120.0, 400.0)),
}  # fmt: skip
"""The kinds of faults."""

TAGS = ("all", "in", "out", "0", "3", "50", "in until 2027-01-15T08:30Z", "sideways")
"""Values of the tag `autoscaler:paused`."""

HOSTILE: tuple[dict[str, str], ...] = (
    {"autoscaler:max_tasks": "1000000"},
    {"autoscaler:min_tasks": "90", "autoscaler:max_tasks": "99"},
    {"autoscaler:mode": "active"},
    {"autoscaler:queues": "https://sqs.eu-west-1.amazonaws.com/999999999999/other"},
    {"autoscaler:role_arn": "arn:aws:iam::999999999999:role/other"},
    {"autoscaler:cluster": "other", "autoscaler:service": "victim"},
    {"autoscaler:scale_in.stabilization": "0s", "autoscaler:busy_floor": "false"},
    {"autoscaler:profile": "none", "autoscaler:max_tasks": "nan"},
)
"""Tags that someone with the permission to tag writes."""

EVERY = "*"


@dataclass(frozen=True, slots=True, order=True)
class DrawnFault:
    """One fault. `at`: seconds after the start of the run."""

    at: float
    kind: str
    subject: str = EVERY
    lasts_s: float = 0.0
    number: float = 0.0

    @property
    def end(self) -> float:
        return self.at + self.lasts_s

    def __str__(self) -> str:
        return f"{self.at:g}:{self.kind}:{self.subject}:{self.lasts_s:g}:{self.number:g}"


def parsed(text: str) -> tuple[DrawnFault, ...]:
    """Return the faults of a text that separates them by spaces. Raises `ValueError` for any other text."""
    return tuple(_parsed(word) for word in text.split())


def _parsed(word: str) -> DrawnFault:
    parts = word.split(":")
    if len(parts) != 5 or parts[1] not in KINDS:
        raise ValueError(f"{word!r} is not AT:KIND:SUBJECT:LASTS:NUMBER with a kind of {', '.join(sorted(KINDS))}")
    return DrawnFault(float(parts[0]), parts[1], parts[2], float(parts[3]), float(parts[4]))


def text(faults: Iterable[DrawnFault]) -> str:
    return " ".join(map(str, faults))


class ActiveFaults:
    """The faults in force by subject and time. `began`: the loop's time at the start of the run."""

    def __init__(self, faults: Sequence[DrawnFault], began: float) -> None:
        self._by_subject: dict[str, list[tuple[float, float, DrawnFault]]] = {}
        for fault in faults:
            span = (began + fault.at, began + fault.end, fault)
            self._by_subject.setdefault(fault.subject, []).append(span)
        self._every = self._by_subject.get(EVERY, [])

    def of(self, subject: str, now: float) -> list[DrawnFault]:
        """Return the faults of the subject, and those of every subject, that are in force."""
        own = self._by_subject.get(subject)
        found = [fault for start, end, fault in self._every if start <= now < end]
        if own is not None:
            found += [fault for start, end, fault in own if start <= now < end]
        return found
