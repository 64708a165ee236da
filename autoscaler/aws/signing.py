"""Requests to SQS are signed by the SDK's own signer, without what it does for requests that are not ours."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from botocore.auth import SigV4Auth
from botocore.credentials import ReadOnlyCredentials

SERVICE = "sqs"

KEPT = 1024
"""How many derived keys are kept, one a secret, day and Region. Deriving one takes as long as all the rest."""


def signed(headers: Mapping[str, str], url: str, body: bytes, keys: ReadOnlyCredentials, region: str) -> dict[str, str]:
    """The headers of a POST, with date, token and signature added: all of them are signed. `Host` is among them."""
    request: Any = _Request(url, body, dict(headers))
    _Signer(keys, region).add_auth(request)
    told: dict[str, str] = request.headers
    return told


@dataclass(slots=True)
class _Request:
    """As much of a request as the SDK's signer looks at."""

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    params: None = None
    context: dict[str, object] = field(default_factory=dict)


class _Folded(dict[str, str]):
    """Headers by their small names, each there once."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


class _Signer(SigV4Auth):
    def __init__(self, keys: ReadOnlyCredentials, region: str) -> None:
        super().__init__(keys, SERVICE, region)
        self._secret, self._region = keys.secret_key, region

    def headers_to_sign(self, request: Any) -> Any:
        return _Folded((name.lower(), value) for name, value in request.headers.items())

    def signature(self, string_to_sign: str, request: Any) -> str:
        key = _signing_key(self._secret, request.context["timestamp"][:8], self._region)
        return hmac.new(key, string_to_sign.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=KEPT)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
