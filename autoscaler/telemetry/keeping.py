"""Whether a service keeps its promise at this moment, as far as can be told, and from what."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from autoscaler.core import promise
from autoscaler.core.figures import seconds, several
from autoscaler.core.policy import Policy
from autoscaler.core.promise import A_MESSAGE, expected_wait_s
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Fault, is_served


class Keeping(StrEnum):
    """late: messages wait, or were received, after longer than they may. at_risk: they will be. kept: neither.
    unknown: it cannot be told. none: no queue is followed, so nothing is promised.
    """

    LATE = "late"
    AT_RISK = "at_risk"
    UNKNOWN = "unknown"
    KEPT = "kept"
    NONE = "none"


class Kept(NamedTuple):
    """The answer, and a sentence that says from what."""

    keeping: Keeping
    because: str


SILENT = Kept(Keeping.UNKNOWN, "its loop has not recorded a tick for too long")
"""Of a service whose loop hangs: its newest tick is history."""


def kept(tick: Tick | None, faults: tuple[Fault, ...]) -> Kept:
    """Whether the promise is kept, by the newest tick (None: there was none yet)."""
    if tick is None:
        return Kept(Keeping.UNKNOWN, "it has not been looked at yet")
    if not tick.policy.queues:
        return Kept(Keeping.NONE, "it follows no queue, so no wait is promised")
    if late := _late(tick):
        return Kept(Keeping.LATE, late)
    if not is_served(tick, faults):
        return Kept(Keeping.UNKNOWN, faults[0].because)
    if risk := _risk(tick):
        return Kept(Keeping.AT_RISK, risk)
    return Kept(Keeping.KEPT, _fine(tick))


def oldest_waits_s(tick: Tick) -> dict[str, float]:
    """For how long the oldest message of each queue waits, in seconds; 0 where none does. By our own estimate; before
    there is one, by CloudWatch's, which is a minute late. A queue of which nothing is known is not there.
    """
    return {} if tick.observation is None else promise.oldest_waits_s(tick.observation)


def _late(tick: Tick) -> str | None:
    policy, seen = tick.policy, tick.observation
    for name, waited_s in oldest_waits_s(tick).items():
        if waited_s > policy.latency_of(name):
            may = seconds(policy.latency_of(name))
            return f"{name}: the oldest message has waited {waited_s:,.0f} s; it may wait {may}"
    known = None if seen is None else seen.knowledge
    if known is None or known.late < A_MESSAGE:
        return None
    return (
        f"about {known.late:,.0f} of {several(round(known.received), 'message')} received since the last look were late"
    )


def _risk(tick: Tick) -> str | None:
    told = next((notice.because for notice in tick.notices if notice.kind == "promise"), None)
    if told is not None or tick.observation is None:
        return told
    wait_s = expected_wait_s(tick.observation)
    if wait_s is None or wait_s <= tick.policy.shortest_latency_s:
        return None
    return f"a message that comes now will probably wait {wait_s:,.0f} s; it may wait {_may_s(tick.policy)}"


def _fine(tick: Tick) -> str:
    oldest_s = max(oldest_waits_s(tick).values(), default=None)
    if oldest_s is None:
        return f"nothing says that a message waits longer than {_may_s(tick.policy)}"
    if oldest_s == 0:
        return f"no message waits; one may wait {_may_s(tick.policy)}"
    return f"the oldest message has waited {oldest_s:,.0f} s; it may wait {_may_s(tick.policy)}"


def _may_s(policy: Policy) -> str:
    return seconds(policy.shortest_latency_s)
