"""Whether a service meets its latency target now, and the reason."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from autoscaler.core import slo
from autoscaler.core.figures import seconds, several
from autoscaler.core.policy import Policy
from autoscaler.core.slo import A_MESSAGE, expected_wait_s
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Fault, is_served


class SloStatus(StrEnum):
    """missed: messages wait, or were received, after longer than the latency target. at_risk: they will be. met:
    neither. unknown: it cannot be determined. none: no queue is followed, so there is no latency target.
    """

    MISSED = "missed"
    AT_RISK = "at_risk"
    UNKNOWN = "unknown"
    MET = "met"
    NONE = "none"


class Slo(NamedTuple):
    """The status, and a sentence with the reason."""

    status: SloStatus
    reason: str


SILENT = Slo(SloStatus.UNKNOWN, "its loop has not completed a poll for too long")
"""Of a service whose loop hangs: its newest tick is history."""


def slo_of(tick: Tick | None, faults: tuple[Fault, ...]) -> Slo:
    """Return the SLO status by the newest poll (None: there was none yet)."""
    if tick is None:
        return Slo(SloStatus.UNKNOWN, "it has not been polled yet")
    if not tick.policy.queues:
        return Slo(SloStatus.NONE, "it follows no queue, so there is no latency target")
    if late := _late(tick):
        return Slo(SloStatus.MISSED, late)
    if not is_served(tick, faults):
        return Slo(SloStatus.UNKNOWN, faults[0].reason)
    if risk := _risk(tick):
        return Slo(SloStatus.AT_RISK, risk)
    return Slo(SloStatus.MET, _fine(tick))


def oldest_waits_s(tick: Tick) -> dict[str, float]:
    """For how long the oldest message of each queue waits, in seconds; 0 where none does. By our own estimate; before
    there is one, by CloudWatch's, which is a minute late. A queue of which nothing is known is not there.
    """
    return {} if tick.observation is None else slo.oldest_waits_s(tick.observation)


def _late(tick: Tick) -> str | None:
    policy, seen = tick.policy, tick.observation
    for name, waited_s in oldest_waits_s(tick).items():
        if waited_s > policy.latency_of(name):
            target = seconds(policy.latency_of(name))
            return f"{name}: the oldest message is {waited_s:,.0f} s old (latency target {target})"
    known = None if seen is None else seen.knowledge
    if known is None or known.late < A_MESSAGE:
        return None
    return (
        f"about {known.late:,.0f} of {several(round(known.received), 'message')} received since the last poll were late"
    )


def _risk(tick: Tick) -> str | None:
    told = next((notice.reason for notice in tick.notices if notice.kind == "slo_at_risk"), None)
    if told is not None or tick.observation is None:
        return told
    wait_s = expected_wait_s(tick.observation)
    if wait_s is None or wait_s <= tick.policy.shortest_latency_s:
        return None
    return f"a message that arrives now will wait about {wait_s:,.0f} s (latency target {_target_s(tick.policy)})"


def _fine(tick: Tick) -> str:
    oldest_s = max(oldest_waits_s(tick).values(), default=None)
    if oldest_s is None:
        return f"no sign of a message that waits longer than the latency target of {_target_s(tick.policy)}"
    if oldest_s == 0:
        return f"no message is waiting (latency target {_target_s(tick.policy)})"
    return f"the oldest message is {oldest_s:,.0f} s old (latency target {_target_s(tick.policy)})"


def _target_s(policy: Policy) -> str:
    return seconds(policy.shortest_latency_s)
