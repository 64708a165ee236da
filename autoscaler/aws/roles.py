"""The credentials of roles, by AssumeRole: requested when they are first needed, and renewed before they expire.

Invariant: an error of a role is reported by name to each service that uses the role, and affects no other service. A
caller waits for one call of bounded time; the error is then cached for `RETRY_S`, for all users of that role.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from botocore.credentials import ReadOnlyCredentials

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import ASSUME_ROLE
from autoscaler.aws.clients import Clocks
from autoscaler.aws.names import short_name
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, ClockSkewed, Unavailable
from autoscaler.ports import Place, Role

SESSION = "ecs-queue-autoscaler"
"""The session name in the other account's CloudTrail."""

LASTS_S = 3600
"""A role that is itself assumed, such as a task role, can assume another role for at most an hour."""

RENEW_RATIO = 0.25
"""Credentials are renewed when this share of their lifetime is left: 15 minutes of an hour. After a failure the renewal
is retried, and the old ones are used while they are valid.
"""

LEAST_S = 30.0
"""The shortest remaining lifetime with which a call is sent."""

RETRY_S = 5.0
"""Seconds for which an error is cached: STS is called once for all users of the role, not at every poll of each."""

DENIED_RENEWAL_S = 300.0
"""Credentials that AWS denies are renewed if they are older than this. For newer ones, a permission may be missing."""

REREAD_S = 60.0
"""Seconds between two renewals after AWS has rejected the credentials of a role."""

JUST_EXPIRED = Unavailable("its credentials have just expired; it is tried again at the next poll")


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """A role's credentials. `since` and `until`: their validity, in wall-clock seconds."""

    keys: ReadOnlyCredentials = field(repr=False)
    since: float
    until: float

    def is_valid(self, wall_s: float) -> bool:
        return self.until - wall_s >= LEAST_S

    def is_due(self, wall_s: float) -> bool:
        return self.until - wall_s < RENEW_RATIO * (self.until - self.since)


@dataclass(frozen=True, slots=True)
class FailedAssume:
    """The newest error, and until when STS is not called again."""

    fault: AutoscalerError
    until: Instant


class Roles:
    """The credentials of all roles. `ask` makes calls with the daemon's own credentials; `region` returns its own
    Region. Both are from `Caller`.
    """

    def __init__(self, ask: Callable[..., Awaitable[ResponsePart]], region: Callable[[], str], clocks: Clocks) -> None:
        self._ask = ask
        self._region = region
        self._clocks = clocks
        self._held: dict[Role, RoleCredentials] = {}
        self._failed: dict[Role, FailedAssume] = {}
        self._doubted: set[Role] = set()
        self._generations: Counter[Role] = Counter()
        self._reread_after: defaultdict[Role, Instant] = defaultdict(lambda: float("-inf"))
        self._locks: defaultdict[Role, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keys(self, role: Role, subject: str, region: str) -> ReadOnlyCredentials:
        """The role's credentials, valid now. Raises `AutoscalerError` with the subject, the role and the remedy.

        STS is called in the daemon's own Region, which its network can reach; if it has none, in `region`.
        """
        lock = self._locks[role]
        if not (self._is_fresh(role) or (self._has_valid(role) and lock.locked())):
            async with lock:
                if not (self._is_fresh(role) or self._failed_recently(role)):
                    await self._renew(role, region)
        if self._has_valid(role):
            return self._held[role].keys
        failed = self._failed.get(role)
        fault = JUST_EXPIRED if failed is None else failed.fault
        raise type(fault)(f"{subject} cannot act as {role.arn}: {fault}")

    def doubt(self, role: Role) -> None:
        """Renew credentials after AWS denied a call: the role may have been created again. The old ones are used if
        that fails.
        """
        held = self._held.get(role)
        if held is not None and self._clocks.wall() - held.since >= DENIED_RENEWAL_S:
            self._doubted.add(role)

    def ask(self) -> None:
        """Renew all credentials before they are used again, as after SIGHUP."""
        self._doubted.update(self._held)
        self._failed.clear()

    def generation(self, role: Role) -> int:
        """How many credentials of the role there have been."""
        return self._generations[role]

    async def replaced(self, role: Role, region: str, generation: int) -> bool:
        """Return whether the credentials of that generation, which AWS rejected, were replaced. STS is called for that
        at most once in `REREAD_S` seconds for each role.
        """
        async with self._locks[role]:
            if self._generations[role] == generation and self._clocks.now() >= self._reread_after[role]:
                self._reread_after[role] = self._clocks.now() + REREAD_S
                await self._renew(role, region)
            return self._generations[role] != generation

    def _has_valid(self, role: Role) -> bool:
        held = self._held.get(role)
        return held is not None and held.is_valid(self._clocks.wall())

    def _is_fresh(self, role: Role) -> bool:
        if role in self._doubted:
            return False
        return self._has_valid(role) and not self._held[role].is_due(self._clocks.wall())

    def _failed_recently(self, role: Role) -> bool:
        """Whether there was an error recently, so that STS is not called."""
        failed = self._failed.get(role)
        return failed is not None and self._clocks.now() < failed.until

    async def _renew(self, role: Role, region: str) -> None:
        """Store new credentials of the role, or the error."""
        try:
            self._held[role] = await self._assume(role, region)
            self._generations[role] += 1
            self._doubted.discard(role)
            self._failed.pop(role, None)
        except AutoscalerError as fault:
            self._failed[role] = FailedAssume(fault, self._clocks.now() + RETRY_S)

    async def _assume(self, role: Role, region: str) -> RoleCredentials:
        external_id = {} if role.external_id is None else {"ExternalId": role.external_id}
        since = self._clocks.wall()
        answer = await self._ask(
            ASSUME_ROLE,
            f"the role {short_name(role.arn)}",
            Place(self._home(region)),
            RoleArn=role.arn,
            RoleSessionName=SESSION,
            DurationSeconds=LASTS_S,
            **external_id,
        )
        held = credentials_in(answer.part("Credentials"), since)
        if not held.is_valid(self._clocks.wall()):
            raise ClockSkewed(
                f"{answer.call.where}: STS returned credentials that expire at once; check this machine's clock"
            )
        return held

    def _home(self, region: str) -> str:
        try:
            return self._region()
        except AutoscalerError:
            return region


def credentials_in(credentials: ResponsePart, since: float) -> RoleCredentials:
    """Parse the STS response. Raises `Unreadable` if a field is missing."""
    words = (credentials.word(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    return RoleCredentials(ReadOnlyCredentials(*words), since, credentials.moment("Expiration"))
