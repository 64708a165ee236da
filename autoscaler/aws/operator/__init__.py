"""AWS calls that only commands make and the daemon never makes: caller identity, permission checks, the pause tag, the
stopped tasks of a service, and the survey of a whole cluster.

They are separate from the daemon's AWS layer, so that its role needs no such permission: the daemon never imports this
package.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from autoscaler.aws.caller import Caller
from autoscaler.aws.clients import Clocks
from autoscaler.aws.evidence import EVIDENCE_CALLS, EvidenceReader
from autoscaler.aws.operator.identity import GET_CALLER_IDENTITY, SIMULATE_PRINCIPAL_POLICY, Identities, Identity
from autoscaler.aws.operator.survey import Survey
from autoscaler.aws.operator.tags import TAG_RESOURCE, UNTAG_RESOURCE, PauseTags, ServiceTag
from autoscaler.aws.stopped_tasks import TaskReader
from autoscaler.ports import Calls, Place, RateLimiter

__all__ = [
    "OPERATOR_CALLS",
    "Identities",
    "Identity",
    "Operator",
    "PauseTags",
    "ServiceTag",
    "Survey",
    "TaskReader",
    "connect_operator",
]

OPERATOR_CALLS = (
    GET_CALLER_IDENTITY,
    SIMULATE_PRINCIPAL_POLICY,
    TAG_RESOURCE,
    UNTAG_RESOURCE,
    *EVIDENCE_CALLS,
)
"""The calls that only commands make. Two of them change something: the tag that pauses a service."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's ports. `region()` is the Region for places that name none, as for the daemon. `survey` reads a
    cluster in a place.
    """

    identities: Identities
    tags: PauseTags
    tasks: TaskReader
    evidence: EvidenceReader
    region: Callable[[], str]
    survey: Callable[[Place], Survey]


@asynccontextmanager
async def connect_operator(
    limiter: RateLimiter,
    calls: Calls,
    clock: Callable[[], float],
    wall: Callable[[], float],
    call_timeout_s: float = 5.0,
) -> AsyncIterator[Operator]:
    """Yield the ports, which work until the block ends. Times as for `aws.connect`."""
    async with AsyncExitStack() as stack:
        caller = Caller(stack, limiter, calls, Clocks(clock, wall), call_timeout_s, fast_sqs=False, once=True)
        yield Operator(
            Identities(caller),
            PauseTags(caller),
            TaskReader(caller),
            EvidenceReader(caller),
            caller.region,
            lambda place: Survey(caller, place),
        )
