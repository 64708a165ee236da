"""The client for the task scale-in protection endpoint of the ECS agent: one request, confirmed or refused with a
reason.

The agent responds with one of `protection`, `failure` (also at status 200) and `error`. Any other response counts as a
refusal. Source: Amazon ECS developer guide, "Task scale-in protection endpoint".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATH = "/task-protection/v1/state"

TIMEOUT_S = 6.0
"""The agent waits 4 s for ECS and then reports the timeout itself; its error is more precise than a client timeout."""

MOST_BYTES = 65_536

PASSING = {"ThrottlingException", "RequestCanceled", "RequestError", "RequestTimeout", "ServerException", "UNREACHABLE"}

REMEDIES = {
    "AccessDeniedException": "give the task role ecs:UpdateTaskProtection and ecs:GetTaskProtection",
    "DEPLOYMENT_BLOCKED": "the service has more protected tasks than its desired count: one of them must end first",
    "TASK_NOT_VALID": "only tasks that belong to a service, and are not being stopped, can be protected",
    "ThrottlingException": "the account shares 80 calls a second: raise linger_s if this lasts",
    "UNREACHABLE": "needs Fargate platform 1.4.0 or ECS agent 1.65.0 and later",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why ECS did not apply the requested protection. `passing`: a second attempt is useful; the change may have been
    made.
    """

    code: str
    detail: str = ""
    passing: bool = False

    @property
    def blocked(self) -> bool:
        """The service must have fewer tasks than are protected: a task must end, and it may be this one."""
        return self.code == "DEPLOYMENT_BLOCKED"

    def __str__(self) -> str:
        text = f"{self.code} ({self.detail[:200]})" if self.detail else self.code
        return f"{text}; {REMEDIES[self.code]}" if self.code in REMEDIES else text


class Agent:
    """Connects directly to the agent: a proxy from the environment would not reach its link-local address."""

    def __init__(self, uri: str, timeout_s: float = TIMEOUT_S) -> None:
        """`uri` is the value of ECS_AGENT_URI, which ECS sets. Raises ValueError if it is not an http address."""
        address = urlsplit(uri)
        if address.scheme != "http" or not address.hostname:
            raise ValueError(f"ECS_AGENT_URI is {uri!r}: ECS sets it to an address like http://169.254.170.2/api/...")
        self._host, self._port = address.hostname, address.port or 80
        self._path = address.path.rstrip("/") + PATH
        self._timeout_s = timeout_s

    def put(self, protect: bool, expires_in_minutes: int) -> Refusal | None:
        """Set the protection. None: ECS has confirmed it."""
        request: dict[str, object] = {"ProtectionEnabled": protect}
        if protect:
            request["ExpiresInMinutes"] = expires_in_minutes
        try:
            status, body = self._exchange(json.dumps(request))
        except (OSError, HTTPException) as error:
            return Refusal("UNREACHABLE", f"{type(error).__name__}: {error}", passing=True)
        return _refusal_in(status, body, protect)

    def _exchange(self, body: str) -> tuple[int, bytes]:
        connection = HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("PUT", self._path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES)
        finally:
            connection.close()


def _refusal_in(status: int, body: bytes, protect: bool) -> Refusal | None:
    match status, _parsed(body):
        case 200, {"protection": {"ProtectionEnabled": bool(enabled)}} if enabled is protect:
            return None
        case _, {"failure": {"Reason": str(code), **more}}:
            return Refusal(code, str(more.get("Detail") or ""), code in PASSING)
        case _, {"error": {"Code": str(code), **more}}:
            return Refusal(code, str(more.get("Message") or ""), code in PASSING or status >= 500)
        case _:
            return Refusal("UNINTELLIGIBLE", f"HTTP {status}, {body[:80]!r}", passing=True)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
