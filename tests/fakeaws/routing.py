"""Find the operation and the protocol of a request by its path, headers or form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from tests.fakeaws.protocol import Cbor, Dialect, Json, QueryProtocol

CBOR, QUERY = Cbor(), QueryProtocol()

TARGETS: Mapping[str, tuple[str, Dialect]] = {
    "AmazonSQS": ("sqs", Json("1.0")),
    "AmazonEC2ContainerServiceV20141113": ("ecs", Json("1.1")),
    "GraniteServiceVersion20100801": ("cloudwatch", Json("1.0")),
    "AnyScaleFrontendService": ("application-autoscaling", Json("1.1")),
}
"""By the prefix of `X-Amz-Target`, which is also the service name in a Smithy RPC path."""

SCOPES = {"cloudwatch": "monitoring"}
"""The service name in a signature, if it differs from the SDK's name."""


class Addressed(NamedTuple):
    service: str
    operation: str
    dialect: Dialect


def addressed(headers: Mapping[str, str], path: str, raw: bytes) -> Addressed:
    """Return the service and operation of a request. Raises `LookupError` if they are unknown."""
    if target := headers.get("X-Amz-Target"):
        prefix, _, operation = target.partition(".")
        service, dialect = TARGETS[prefix]
        return Addressed(service, operation, dialect)
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        _, _, prefix, _, operation = path.split("/") if path.count("/") == 4 else ("",) * 5
        return Addressed(TARGETS[prefix][0], operation, CBOR)
    return Addressed("sts", dict(parse_qsl(raw.decode("ascii", "replace")))["Action"], QUERY)
