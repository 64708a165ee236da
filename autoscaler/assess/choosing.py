"""Which queue a service seems to use: given by the user, named by its tags, or named in its environment.

The environment is evidence, not proof: a worker may also name queues that it only sends to. So names of dead-letter
queues are left out, names of outputs come last, and what was left out is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from autoscaler.config.addresses import queue
from autoscaler.config.discovering import DISCOVERY_TAG
from autoscaler.ports import QueueRef

_DEAD = re.compile(r"(?:^|[^a-z])(?:dlq|dead[-_]?letters?)(?:[^a-z]|$)", re.IGNORECASE | re.ASCII)
_OUTPUT = re.compile(
    r"(?:^|[-_.])(?:out|output|outbound|result|results|reply|replies|response|responses|dest|destination|target|next"
    r"|publish|notify|notification|notifications|failed|failures|errors?)(?:[-_.]|$)",
    re.IGNORECASE | re.ASCII,
)
_QUEUE_VARIABLE = re.compile(r"queue|sqs", re.IGNORECASE | re.ASCII)
_OTHER_VARIABLE = re.compile(
    r"(?:prefix|suffix|region|size|timeout|count|type|enabled|batch|interval|host|endpoint|prefetch|concurrency"
    r"|connection|driver|backend|workers?)$",
    re.IGNORECASE | re.ASCII,
)
_NOT_A_NAME = re.compile(r"(?:true|false|yes|no|on|off|none|null|sqs|default|\d+)$", re.IGNORECASE | re.ASCII)


class QueueEvidence(NamedTuple):
    """A queue that a service names, and where: `variable ORDERS_QUEUE_URL`. `rank`: lower is stronger evidence."""

    queue: QueueRef
    where: str
    rank: int


class ChosenQueues(NamedTuple):
    """The queues that are assumed for a service, why, and the other queues that it names. Empty: none was found.
    `is_guess`: a variable names the queue, so the service may only send to it.
    """

    queues: tuple[QueueRef, ...] = ()
    why: str = ""
    others: tuple[str, ...] = ()
    is_guess: bool = False

    @property
    def name(self) -> str:
        return ", ".join(one.name for one in self.queues)


def choose(
    given: tuple[QueueRef, ...], tags: Mapping[str, str], environment: Iterable[tuple[str, str]]
) -> ChosenQueues:
    """Return the queues of a service: `given`, else those of its tag, else the strongest one of its environment."""
    if given:
        return ChosenQueues(_once(given), "given with --queue")
    tagged = tuple(filter(None, map(_queue, tags.get(DISCOVERY_TAG, "").split())))
    if tagged:
        return ChosenQueues(_once(tagged), f"the tag {DISCOVERY_TAG}")
    found = sorted(_in(environment), key=lambda each: each.rank)  # stable: of equal ones, the first
    if not found:
        return ChosenQueues()
    best = found[0]
    names = dict.fromkeys(each.queue.name for each in found if each.queue.name != best.queue.name)
    return ChosenQueues((best.queue,), f"the {best.where} of its task definition", tuple(names), is_guess=True)


def _once(queues: Iterable[QueueRef]) -> tuple[QueueRef, ...]:
    """Return the first queue of each name: the metrics of CloudWatch have only the name, and are added."""
    found: dict[str, QueueRef] = {}
    for one in queues:
        found.setdefault(one.name, one)
    return tuple(found.values())


def _in(environment: Iterable[tuple[str, str]]) -> Iterator[QueueEvidence]:
    for name, value in environment:
        text = value.strip()
        addressed = text.startswith("arn:") or "://" in text
        found = _queue(text) if addressed or _may_name_a_queue(name, text) else None
        if found is None or _DEAD.search(name) or _DEAD.search(found.name):
            continue
        if addressed and found.region is None and not _QUEUE_VARIABLE.search(name):
            continue  # a URL of something else
        is_output = bool(_OUTPUT.search(name) or _OUTPUT.search(found.name))
        yield QueueEvidence(found, f"variable {name}", 2 * is_output + (not addressed))


def _may_name_a_queue(variable: str, text: str) -> bool:
    """Whether a plain text can be the name of a queue: the variable says `queue`, and is not a property of one."""
    return (
        bool(_QUEUE_VARIABLE.search(variable)) and not _OTHER_VARIABLE.search(variable) and not _NOT_A_NAME.match(text)
    )


def _queue(text: str) -> QueueRef | None:
    try:
        found = queue(text)
    except ValueError:
        return None
    return found if not text.startswith("arn:") or ":sqs:" in text else None
