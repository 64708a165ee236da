"""Sign requests to SQS with the SDK's signer, without its work for other kinds of requests."""

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

MOST_KEYS = 1024
"""Maximum number of cached signing keys, one per secret, day and Region. Deriving a key takes as long as the rest of
the signature.
"""


def signed(headers: Mapping[str, str], url: str, body: bytes, keys: ReadOnlyCredentials, region: str) -> dict[str, str]:
    """The headers of a POST with date, token and signature added. All given headers are signed, `Host` included."""
    request: Any = _Request(url, body, dict(headers))
    _Signer(keys, region).add_auth(request)
    signed_headers: dict[str, str] = request.headers
    return signed_headers


@dataclass(slots=True)
class _Request:
    """The attributes of a request that the SDK's signer reads."""

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    params: None = None
    context: dict[str, object] = field(default_factory=dict)


class _Folded(dict[str, str]):
    """Headers by their lower-case names, each once."""

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


@lru_cache(maxsize=MOST_KEYS)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, SERVICE, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
