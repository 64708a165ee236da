"""Which operation a request is for, and in which protocol: told by its path, its headers or its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from tests.fakeaws.protocol import Cbor, Dialect, Json, Query

CBOR, QUERY = Cbor(), Query()

TARGETS: Mapping[str, tuple[str, Dialect]] = {
    "AmazonSQS": ("sqs", Json("1.0")),
    "AmazonEC2ContainerServiceV20141113": ("ecs", Json("1.1")),
    "GraniteServiceVersion20100801": ("cloudwatch", Json("1.0")),
    "AnyScaleFrontendService": ("application-autoscaling", Json("1.1")),
}
"""What `X-Amz-Target` begins with, and a path of Smithy RPC names."""

SCOPES = {"cloudwatch": "monitoring"}
"""What a signature calls a service, where that is not the SDK's name of it."""


class Addressed(NamedTuple):
    service: str
    operation: str
    dialect: Dialect


def addressed(headers: Mapping[str, str], path: str, raw: bytes) -> Addressed:
    """Whom a request is for. Raises `LookupError` where the double cannot tell."""
    if target := headers.get("X-Amz-Target"):
        prefix, _, operation = target.partition(".")
        service, dialect = TARGETS[prefix]
        return Addressed(service, operation, dialect)
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        _, _, prefix, _, operation = path.split("/") if path.count("/") == 4 else ("",) * 5
        return Addressed(TARGETS[prefix][0], operation, CBOR)
    return Addressed("sts", dict(parse_qsl(raw.decode("ascii", "replace")))["Action"], QUERY)
