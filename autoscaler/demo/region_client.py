"""A client for the AWS JSON protocol that connects only to the embedded Region.

An SDK reads profiles, endpoints and proxies from the environment and the home directory, so a mistake could call a real
account. This client has one loopback address and no credentials.
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
    """Client of the Region at `endpoint`, with one connection pool."""

    endpoint: str
    session: aiohttp.ClientSession

    async def call(self, service: str, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one API call, with up to three attempts. Raise `RegionFailed`."""
        headers = {
            "X-Amz-Target": f"{TARGETS[service]}.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=demo/20000101/{REGION}/{service}/aws4_request, "
            "SignedHeaders=host, Signature=none",
        }
        return await self._post("/", json.dumps(parameters), headers)

    async def report(self, running: int, pending: int) -> dict[str, int]:
        """Report the counts of the fleet. Return the desired count and the number of its changes."""
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
