"""Requests to the fake AWS without a socket."""

from __future__ import annotations

import json
from typing import Any

from tests.fakeaws import REGION, FakeAws
from tests.fakeaws.replies import FakeReply
from tests.fakeaws.routing import SCOPES, TARGETS

PREFIXES = {service: prefix for prefix, (service, _) in TARGETS.items()}


def ask(
    aws: FakeAws, service: str, operation: str, /, *, key: str = "testing", region: str = REGION, **body: object
) -> FakeReply:
    """Return the reply to a request in AWS JSON, signed with that key."""
    scope = f"{key}/20270115/{region}/{SCOPES.get(service, service)}/aws4_request"
    headers = {
        "X-Amz-Target": f"{PREFIXES[service]}.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    return aws.answer(headers, "/", json.dumps(body).encode())


def decoded(reply: FakeReply) -> dict[str, Any]:
    """Return the body of a successful reply."""
    assert reply.status == 200, reply.body[:200]
    found: dict[str, Any] = json.loads(reply.body)
    return found


def code(reply: FakeReply) -> str:
    """Return the error code of a refusal."""
    assert reply.status >= 400
    return str(json.loads(reply.body)["__type"]).rpartition("#")[2]
