"""Whether a service meets its latency target now, and the reason."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from autoscaler.core import slo
from autoscaler.core.figures import seconds, several
from autoscaler.core.policy import Policy
from autoscaler.core.slo import A_MESSAGE, expected_wait_s
from autoscaler.ports import Poll
from autoscaler.telemetry.account import PollFault, is_served


class SloStatus(StrEnum):
    """missed: a message has waited longer than the latency target. at_risk: a message is expected to. met: neither.
    unknown: it cannot be determined. none: the service has no queue, so it has no latency target.
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
"""The status of a service whose loop is stalled: its newest poll is out of date."""


def slo_of(poll: Poll | None, faults: tuple[PollFault, ...]) -> Slo:
    """Return the SLO status by the newest poll (None: there was none yet)."""
    if poll is None:
        return Slo(SloStatus.UNKNOWN, "it has not been polled yet")
    if not poll.policy.queues:
        return Slo(SloStatus.NONE, "it follows no queue, so there is no latency target")
    if late := _late(poll):
        return Slo(SloStatus.MISSED, late)
    if not is_served(poll, faults):
        return Slo(SloStatus.UNKNOWN, faults[0].reason)
    if risk := _risk(poll):
        return Slo(SloStatus.AT_RISK, risk)
    return Slo(SloStatus.MET, _met(poll))


def oldest_ages_s(poll: Poll) -> dict[str, float]:
    """Return the age of the oldest waiting message of each queue in seconds, 0 if no message waits. It is the estimate;
    before there is one, it is the value of CloudWatch, which is a minute late. A queue without data is omitted.
    """
    return {} if poll.observation is None else slo.oldest_ages_s(poll.observation)


def _late(poll: Poll) -> str | None:
    policy, seen = poll.policy, poll.observation
    for name, waited_s in oldest_ages_s(poll).items():
        if waited_s > policy.latency_of(name):
            target = seconds(policy.latency_of(name))
            return f"{name}: the oldest message is {waited_s:,.0f} s old (latency target {target})"
    known = None if seen is None else seen.knowledge
    if known is None or known.late < A_MESSAGE:
        return None
    return (
        f"about {known.late:,.0f} of {several(round(known.received), 'message')} received since the last poll were late"
    )


def _risk(poll: Poll) -> str | None:
    risk = next((notice.reason for notice in poll.notices if notice.kind == "slo_at_risk"), None)
    if risk is not None or poll.observation is None:
        return risk
    wait_s = expected_wait_s(poll.observation)
    if wait_s is None or wait_s <= poll.policy.shortest_latency_s:
        return None
    return f"a message that arrives now will wait about {wait_s:,.0f} s (latency target {_target_s(poll.policy)})"


def _met(poll: Poll) -> str:
    oldest_s = max(oldest_ages_s(poll).values(), default=None)
    if oldest_s is None:
        return f"no sign of a message that waits longer than the latency target of {_target_s(poll.policy)}"
    if oldest_s == 0:
        return f"no message is waiting (latency target {_target_s(poll.policy)})"
    return f"the oldest message is {oldest_s:,.0f} s old (latency target {_target_s(poll.policy)})"


def _target_s(policy: Policy) -> str:
    return seconds(policy.shortest_latency_s)
