"""The credentials of roles, by AssumeRole: asked for when they are first needed, and again in good time.

Law: what goes wrong with a role is told to those who act as it, each by name, and disturbs nobody else. Who waits for
it waits for one call of bounded time; then the error stands for `AGAIN_S`, for everybody who acts as that role.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from botocore.credentials import ReadOnlyCredentials

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import ASSUME_ROLE
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.names import short_name
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, ClockSkewed, Unavailable
from autoscaler.ports import Place, Role

SESSION = "ecs-queue-autoscaler"
"""Our name in the other account's CloudTrail."""

LASTS_S = 3600
"""A role that is itself assumed, as a task role is, gets no more than an hour."""

RENEW_RATIO = 0.25
"""With so much of their time left, 15 minutes of an hour, they are asked for anew. If that fails, they are tried for
again, and used for as long as they hold.
"""

LEAST_S = 30.0
"""What must be left of them for a call to arrive."""

AGAIN_S = 5.0
"""An error stands for so long: STS is asked once for all who act as the role, not by each at every tick."""

DOUBTED_S = 300.0
"""Credentials that AWS denies are asked for anew, unless they are younger: it may be the role that lacks a right."""

JUST_EXPIRED = Unavailable("its credentials have just expired; it is tried again at the next tick")


@dataclass(frozen=True, slots=True)
class Held:
    """A role's credentials. `since` and `until`: from when to when they hold, in wall seconds."""

    keys: ReadOnlyCredentials = field(repr=False)
    since: float
    until: float

    def holds(self, wall_s: float) -> bool:
        return self.until - wall_s >= LEAST_S

    def is_due(self, wall_s: float) -> bool:
        return self.until - wall_s < RENEW_RATIO * (self.until - self.since)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there were none, and until when nobody asks again."""

    fault: AutoscalerError
    until: Instant


class Roles:
    """`ask` is the wire's, for calls with the daemon's own credentials; `region` its own Region, as in `Wire`."""

    def __init__(self, ask: Callable[..., Awaitable[Answer]], region: Callable[[], str], clocks: Clocks) -> None:
        self._ask = ask
        self._region = region
        self._clocks = clocks
        self._held: dict[Role, Held] = {}
        self._failed: dict[Role, Failed] = {}
        self._turns: defaultdict[Role, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keys(self, role: Role, subject: str, region: str) -> ReadOnlyCredentials:
        """The role's credentials, valid now. Raises `AutoscalerError`, which names the subject, the role, the remedy.

        STS is asked in the daemon's own Region, to which its network leads; in `region` where it has none.
        """
        turn = self._turns[role]
        if not (self._is_fresh(role) or (self._holds(role) and turn.locked())):
            async with turn:
                if not (self._is_fresh(role) or self._rests(role)):
                    await self._renew(role, region)
        if self._holds(role):
            return self._held[role].keys
        failed = self._failed.get(role)
        fault = JUST_EXPIRED if failed is None else failed.fault
        raise type(fault)(f"{subject} cannot act as {role.arn}: {fault}")

    def doubt(self, role: Role) -> None:
        """AWS denied a call that was made with the role's credentials: it may have been made anew meanwhile."""
        held = self._held.get(role)
        if held is not None and self._clocks.wall() - held.since >= DOUBTED_S:
            del self._held[role]

    def _holds(self, role: Role) -> bool:
        held = self._held.get(role)
        return held is not None and held.holds(self._clocks.wall())

    def _is_fresh(self, role: Role) -> bool:
        return self._holds(role) and not self._held[role].is_due(self._clocks.wall())

    def _rests(self, role: Role) -> bool:
        """There was an error just now: nobody asks again."""
        failed = self._failed.get(role)
        return failed is not None and self._clocks.now() < failed.until

    async def _renew(self, role: Role, region: str) -> None:
        """Afterwards the role has new credentials, or an error that says why not."""
        try:
            self._held[role] = await self._assume(role, region)
            self._failed.pop(role, None)
        except AutoscalerError as fault:
            self._failed[role] = Failed(fault, self._clocks.now() + AGAIN_S)

    async def _assume(self, role: Role, region: str) -> Held:
        told = {} if role.external_id is None else {"ExternalId": role.external_id}
        since = self._clocks.wall()
        answer = await self._ask(
            ASSUME_ROLE,
            f"the role {short_name(role.arn)}",
            Place(self._home(region)),
            RoleArn=role.arn,
            RoleSessionName=SESSION,
            DurationSeconds=LASTS_S,
            **told,
        )
        held = held_in(answer.part("Credentials"), since)
        if not held.holds(self._clocks.wall()):
            raise ClockSkewed(
                f"{answer.call.where}: STS gave credentials that expire at once; check this machine's clock"
            )
        return held

    def _home(self, region: str) -> str:
        try:
            return self._region()
        except AutoscalerError:
            return region


def held_in(credentials: Answer, since: float) -> Held:
    """What STS gave. Raises `Unreadable` where something of it is missing."""
    words = (credentials.word(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    return Held(ReadOnlyCredentials(*words), since, credentials.moment("Expiration"))
