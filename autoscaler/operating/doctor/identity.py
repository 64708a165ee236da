"""Whose credentials these are, and whether they may scale: asked of IAM, since ECS has no dry run.

`ecs:UpdateService` with the present count would be a write like any other, so it is not tried. IAM's simulation says
what the policies say; where it may not be asked, that is what is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.aws import apis
from autoscaler.aws.operator import Identities, Identity
from autoscaler.config import Service
from autoscaler.errors import AutoscalerError, Unavailable
from autoscaler.operating.arns import Home
from autoscaler.operating.doctor.findings import DAEMON, Finding, Level, bad, good, halves, note, unread
from autoscaler.operating.rights import Right, rights_of, writes
from autoscaler.ports import Place

RIGHTS = "rights"


@dataclass(slots=True)
class Standing:
    """Asks who we are and what we may. `role`: whose rights are looked at instead, all of them (None: our own, and of
    those only the one that no reading shows: to set a count).
    """

    identities: Identities
    place: Place
    role: str | None = None

    async def who(self) -> tuple[Identity | None, Finding]:
        """The identity, and what is said of it; None where it is not known.

        Without STS the daemon does well, as in a network without a way to it.
        """
        try:
            found = await self.identities.who(self.place)
        except Unavailable as fault:
            return None, Finding(Level.UNKNOWN, DAEMON, "credentials", *halves(fault))
        except AutoscalerError as fault:
            return None, unread(DAEMON, "credentials", fault)
        text = f"account {found.account}, as {found.arn}: what is read here is read with these rights"
        return found, good(DAEMON, "credentials", text)

    async def may(self, identity: Identity | None, service: Service) -> list[Finding]:
        """What IAM says of what the daemon does for the service."""
        key, principal = service.ref.key, self._principal(identity, service)
        if self.role is None and not writes(service):
            return [good(key, RIGHTS, "none to change anything is needed in shadow")]
        if identity is None or principal is None:
            return [_unknowable(key, "it is not known whose rights count: IAM simulates users and roles only")]
        rights = list(rights_of(service, Home(self.place.region, identity.account)))
        asked = rights if self.role else [right for right in rights if right.api is apis.UPDATE_SERVICE]
        try:
            denied = [right for right in asked if not await self._allowed(principal, right, service)]
        except Unavailable as fault:
            return [_unknowable(key, f"IAM did not answer ({fault})")]
        except AutoscalerError:
            return [_unknowable(key, f"IAM may not be asked what {principal} may")]
        return [_denied(key, principal, right) for right in denied] or [_allowed(key, principal, asked)]

    def _principal(self, identity: Identity | None, service: Service) -> str | None:
        """Whose rights count for the service: those of the role that it is scaled as, if it names one."""
        named = self.role if service.ref.role is None else service.ref.role.arn
        return named or (identity and identity.principal)

    async def _allowed(self, principal: str, right: Right, service: Service) -> bool:
        context = {} if right.cluster is None else {"ecs:cluster": right.cluster}
        place = Place(service.ref.region or self.place.region, service.ref.role)
        return await self.identities.may(principal, right.api, right.resource, context, place)


def _allowed(key: str, principal: str, rights: Sequence[Right]) -> Finding:
    names = ", ".join(dict.fromkeys(right.api.name for right in rights))
    return good(key, RIGHTS, f"IAM allows {principal} {names} (simulated, not tried)")


def _denied(key: str, principal: str, right: Right) -> Finding:
    return bad(
        key,
        RIGHTS,
        f"IAM denies {principal} {right.api.name} on {right.resource} (simulated)",
        "`autoscaler iam-policy` prints what the role needs",
        "denied",
    )


def _unknowable(key: str, why: str) -> Finding:
    return Finding(
        Level.UNKNOWN,
        key,
        RIGHTS,
        f"whether the count may be set cannot be known without setting one: ECS has no dry run, and {why}",
        "allow yourself iam:SimulatePrincipalPolicy on the role, or watch the log after mode=scale_out_only",
    )


def endpoints(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Endpoints that are not AWS's own: everything that is read may be somebody else's word."""
    for name in sorted(environ):
        if name.startswith("AWS_ENDPOINT_URL") and environ[name]:
            address = environ[name].rpartition("@")[2]
            yield note(DAEMON, "endpoint", f"{name} is set: {address}", f"unset {name} to ask AWS itself")
