"""AWS's JSON protocol, spoken to the demo's own Region and to nothing else.

An SDK would look into the environment and the home directory for profiles, endpoints and proxies: then a slip
could touch a real account. This client knows one loopback address and no credentials.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

REGION: Final = "us-east-1"
TARGETS: Final = {
    "sqs": "AmazonSQS",
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "monitoring": "GraniteServiceVersion20100801",
}
"""The `X-Amz-Target` prefix by the name that requests are signed for."""

CALL_LIMIT_S: Final = 15.0
ATTEMPTS: Final = 3


class RegionFailed(Exception):
    """The embedded Region did not answer, or refused a call."""


@dataclass(frozen=True, slots=True)
class RegionClient:
    """The way to the Region at `endpoint`, over one pool of connections."""

    endpoint: str
    session: aiohttp.ClientSession

    async def call(self, service: str, action: str, /, **parameters: Any) -> dict[str, Any]:
        """The answer to one API call, tried up to three times. Raises `RegionFailed`."""
        headers = {
            "X-Amz-Target": f"{TARGETS[service]}.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=demo/20000101/{REGION}/{service}/aws4_request, "
            "SignedHeaders=host, Signature=none",
        }
        return await self._post("/", json.dumps(parameters), headers)

    async def report(self, running: int, pending: int) -> dict[str, int]:
        """The Region knows the fleet's counts; what it desires, and how often that changed, comes back."""
        return await self._post("/fleet", json.dumps({"running": running, "pending": pending}), {})

    async def _post(self, path: str, body: str, headers: dict[str, str]) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(CALL_LIMIT_S):
                    return await self._once(path, body, headers)
            except (TimeoutError, aiohttp.ClientError) as error:
                failure = error
                await asyncio.sleep(0.1 * attempt)
        raise RegionFailed(f"the embedded Region at {self.endpoint} does not answer: {failure!r}")

    async def _once(self, path: str, body: str, headers: dict[str, str]) -> dict[str, Any]:
        async with self.session.post(self.endpoint + path, data=body, headers=headers) as response:
            text = await response.text()
            if response.status != 200:
                raise RegionFailed(f"the embedded Region answered {response.status}: {text[:300]}")
            answer: dict[str, Any] = json.loads(text) if text else {}
            return answer
