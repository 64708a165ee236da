"""Requests to the double without a socket: what the wire would bring, and what comes back."""

from __future__ import annotations

import json
from typing import Any

from tests.fakeaws import REGION, FakeAws
from tests.fakeaws.replies import Reply
from tests.fakeaws.wire import SCOPES, TARGETS

PREFIXES = {service: prefix for prefix, (service, _) in TARGETS.items()}


def ask(
    aws: FakeAws, service: str, operation: str, /, *, key: str = "testing", region: str = REGION, **body: object
) -> Reply:
    """The reply to a request in AWS JSON, signed with that key."""
    scope = f"{key}/20270115/{region}/{SCOPES.get(service, service)}/aws4_request"
    headers = {
        "X-Amz-Target": f"{PREFIXES[service]}.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    return aws.answer(headers, "/", json.dumps(body).encode())


def told(reply: Reply) -> dict[str, Any]:
    """What a good reply says."""
    assert reply.status == 200, reply.body[:200]
    found: dict[str, Any] = json.loads(reply.body)
    return found


def code(reply: Reply) -> str:
    """What AWS calls its refusal."""
    assert reply.status >= 400
    return str(json.loads(reply.body)["__type"]).rpartition("#")[2]
