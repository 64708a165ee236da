"""Checks the identity of the credentials, and by IAM's policy simulator whether they may scale: ECS has no dry run.

`ecs:UpdateService` with the present count would be a write, so it is not called. The simulator evaluates the policies.
If it is not permitted, the result is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.aws import apis
from autoscaler.aws.operator import Identities, Identity
from autoscaler.config import ServiceConfig
from autoscaler.errors import AutoscalerError, Unavailable
from autoscaler.operating.arns import Home
from autoscaler.operating.doctor.findings import DAEMON, Finding, Level, bad, good, note, text_and_remedy, unread
from autoscaler.operating.rights import Right, rights_of, writes
from autoscaler.ports import Place

RIGHTS = "permissions"


@dataclass(slots=True)
class IdentityChecks:
    """Checks the identity and the permissions. `role`: check all permissions of this role instead. None: check the
    present credentials, and only for the permission to set a count, which a read cannot show.
    """

    identities: Identities
    place: Place
    role: str | None = None

    async def who(self) -> tuple[Identity | None, Finding]:
        """Return the identity (None: not known) and the finding about it.

        The daemon works without STS, for example in a network without a route to it.
        """
        try:
            found = await self.identities.who(self.place)
        except Unavailable as fault:
            return None, Finding(Level.UNKNOWN, DAEMON, "credentials", *text_and_remedy(fault))
        except AutoscalerError as fault:
            return None, unread(DAEMON, "credentials", fault)
        text = f"account {found.account}, {found.arn}: this command uses these credentials"
        return found, good(DAEMON, "credentials", text)

    async def may(self, identity: Identity | None, service: ServiceConfig) -> list[Finding]:
        """Simulate the permissions that the daemon needs for the service."""
        key, principal = service.ref.key, self._principal(identity, service)
        if self.role is None and not writes(service):
            return [good(key, RIGHTS, "a service in shadow needs no write permission")]
        if identity is None or principal is None:
            return [_unknowable(key, "the role is not known: IAM simulates only users and roles")]
        rights = list(rights_of(service, Home(self.place.region, identity.account)))
        asked = rights if self.role else [right for right in rights if right.api is apis.UPDATE_SERVICE]
        try:
            denied = [right for right in asked if not await self._allowed(principal, right, service)]
        except Unavailable as fault:
            return [_unknowable(key, f"IAM did not answer ({fault})")]
        except AutoscalerError:
            return [_unknowable(key, f"IAM did not permit the simulation for {principal}")]
        return [_denied(key, principal, right) for right in denied] or [_allowed(key, principal, asked)]

    def _principal(self, identity: Identity | None, service: ServiceConfig) -> str | None:
        """Return the principal that scales the service: its role, else `role`, else that of the credentials."""
        named = self.role if service.ref.role is None else service.ref.role.arn
        return named or (identity and identity.principal)

    async def _allowed(self, principal: str, right: Right, service: ServiceConfig) -> bool:
        context = {} if right.cluster is None else {"ecs:cluster": right.cluster}
        place = Place(service.ref.region or self.place.region, service.ref.role)
        return await self.identities.may(principal, right.api, right.resource, context, place)


def _allowed(key: str, principal: str, rights: Sequence[Right]) -> Finding:
    names = ", ".join(dict.fromkeys(right.api.name for right in rights))
    return good(key, RIGHTS, f"IAM allows {names} for {principal} (simulated; the calls were not made)")


def _denied(key: str, principal: str, right: Right) -> Finding:
    return bad(
        key,
        RIGHTS,
        f"IAM denies {right.api.name} on {right.resource} for {principal} (simulated)",
        "`autoscaler iam-policy` prints the permissions that the role needs",
        "denied",
    )


def _unknowable(key: str, why: str) -> Finding:
    return Finding(
        Level.UNKNOWN,
        key,
        RIGHTS,
        f"the permission for ecs:UpdateService was not checked: ECS has no dry run, and {why}",
        "allow your credentials iam:SimulatePrincipalPolicy on the role, or check the log after mode=scale_out_only",
    )


def endpoints(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a note for each custom endpoint: the readings may not be from AWS."""
    for name in sorted(environ):
        if name.startswith("AWS_ENDPOINT_URL") and environ[name]:
            address = environ[name].rpartition("@")[2]
            yield note(DAEMON, "endpoint", f"{name} is set: {address}", f"unset {name} to use the AWS endpoint")
