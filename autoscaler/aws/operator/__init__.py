"""What people ask of AWS through our commands and the daemon never does: who am I, may I, and the pause tag.

Apart from the daemon's floor, so that its role needs none of these rights: nothing of the daemon imports this room.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.operator.identity import Identities, Identity
from autoscaler.aws.operator.tags import PauseTags, Tagged
from autoscaler.ports import Calls, RateLimiter

__all__ = ["Identities", "Identity", "Operator", "PauseTags", "Tagged", "connect_operator"]


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's two ways to AWS. `region()` is the Region of all that names none, as for the daemon."""

    identities: Identities
    tags: PauseTags
    region: Callable[[], str]


@asynccontextmanager
async def connect_operator(
    limiter: RateLimiter,
    calls: Calls,
    clock: Callable[[], float],
    wall: Callable[[], float],
    call_timeout_s: float = 5.0,
) -> AsyncIterator[Operator]:
    """They work until the block ends; nothing is opened before it is used. Times as for `aws.connect`."""
    async with AsyncExitStack() as stack:
        caller = Caller(stack, limiter, calls, Clocks(clock, wall), call_timeout_s, lean=False, once=True)
        yield Operator(Identities(caller), PauseTags(caller), caller.region)
