"""The account and Region that a request is signed for, and the roles that can be assumed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fakeaws.replies import FakeRefusal

ACCOUNT = "111111111111"
"""The account of every key that is not from an assumed role."""

MOST_SESSIONS = 10_000


class Signer(NamedTuple):
    account: str
    region: str
    service: str


@dataclass
class FakeRoles:
    """`external_ids`: the external ID that a role requires. `denied`: roles that cannot be assumed. All others can."""

    external_ids: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    assumed: list[str] = field(default_factory=list)
    _sessions: dict[str, float] = field(default_factory=dict)
    _known: dict[str, tuple[str, Signer]] = field(default_factory=dict)

    def assume(self, arn: str, external_id: str | None, until: float) -> str:
        """Return a key that is valid until then and contains the role's account. Raises `PermissionError`."""
        found = _ROLE.fullmatch(arn)
        if not found or arn in self.denied or self.external_ids.get(arn, external_id) != external_id:
            raise PermissionError(f"not authorized to perform: sts:AssumeRole on resource: {arn}")
        self.assumed = [*self.assumed, arn][-MOST_SESSIONS:]
        key = f"ASIA{found[1]}{len(self._sessions) % 10_000:04d}"
        self._sessions[key] = until
        return key

    def signer(self, headers: Mapping[str, str], now: float) -> Signer:
        """Return the signer of a request. Raises `FakeRefusal` if it has no signature or an expired key."""
        signed = headers.get("Authorization", "").partition(", ")[0]
        if signed not in self._known:
            self._learn(signed)
        key, signer = self._known[signed]
        if key.startswith("ASIA") and self._sessions.get(key, now + 1) <= now:
            raise FakeRefusal("ExpiredTokenException", "The security token included in the request is expired")
        return signer

    def _learn(self, signed: str) -> None:
        found = _SCOPE.fullmatch(signed)
        if not found:
            raise FakeRefusal("MissingAuthenticationToken", "The request carries no signature", 403)
        key, region, service = found.groups()
        own = _ASSUMED.fullmatch(key)
        if len(self._known) > MOST_SESSIONS:
            self._known.clear()
        self._known[signed] = key, Signer(own[1] if own else ACCOUNT, region, service)


_ROLE = re.compile(r"arn:aws[\w-]*:iam::([0-9]{12}):role/.+")
_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request")
_ASSUMED = re.compile(r"ASIA([0-9]{12})[0-9]{4}")
