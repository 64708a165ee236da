"""The three protocols: AWS JSON, Smithy RPC v2 with CBOR, and the query protocol with XML."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.fakeaws import cbor
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal, FakeReply

NUMBERS = {"DurationSeconds"}
"""Numeric parameters of the query protocol, in which every value is text."""


class Dialect(Protocol):
    """A protocol. `decode` raises `ValueError` if the request is not valid in this protocol."""

    def decode(self, raw: bytes) -> dict[str, Any]: ...
    def encode(self, operation: str, answer: dict[str, Any]) -> FakeReply: ...
    def refuse(self, refusal: FakeRefusal) -> FakeReply: ...


class Json:
    """AWS JSON; `version` is 1.0 or 1.1."""

    def __init__(self, version: str) -> None:
        self._headers = {"Content-Type": f"application/x-amz-json-{version}"}

    def decode(self, raw: bytes) -> dict[str, Any]:
        return _structure(json.loads(raw or b"{}"))

    def encode(self, operation: str, answer: dict[str, Any]) -> FakeReply:
        return FakeReply(json.dumps(answer, separators=(",", ":")).encode(), 200, self._headers)

    def refuse(self, refusal: FakeRefusal) -> FakeReply:
        body = json.dumps({"__type": f"com.amazonaws#{refusal.code}", "message": refusal.message})
        return FakeReply(body.encode(), refusal.status, self._headers | _query_error(refusal))


class Cbor:
    """Smithy RPC v2 with CBOR."""

    HEADERS: ClassVar = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}

    def decode(self, raw: bytes) -> dict[str, Any]:
        try:
            return _structure(cbor.loads(raw or b"\xa0"))
        except IndexError:
            raise ValueError("the CBOR of the request is truncated") from None

    def encode(self, operation: str, answer: dict[str, Any]) -> FakeReply:
        return FakeReply(cbor.dumps(answer), 200, self.HEADERS)

    def refuse(self, refusal: FakeRefusal) -> FakeReply:
        body = cbor.dumps({"__type": f"com.amazonaws#{refusal.code}", "message": refusal.message})
        return FakeReply(body, refusal.status, self.HEADERS | _query_error(refusal))


class QueryProtocol:
    """The query protocol: forms in, XML out. Supports flat requests, and answers of structures and plain values."""

    HEADERS: ClassVar = {"Content-Type": "text/xml"}

    def decode(self, raw: bytes) -> dict[str, Any]:
        form = dict(parse_qsl(raw.decode(), strict_parsing=True))
        flat = {name: value for name, value in form.items() if name not in {"Action", "Version"}}
        return flat | {name: int(flat[name]) for name in NUMBERS & flat.keys()}

    def encode(self, operation: str, answer: dict[str, Any]) -> FakeReply:
        metadata = {"ResponseMetadata": {"RequestId": "double"}}
        return FakeReply(_xml(f"{operation}Response", {f"{operation}Result": answer} | metadata), 200, self.HEADERS)

    def refuse(self, refusal: FakeRefusal) -> FakeReply:
        error = {"Type": "Sender", "Code": refusal.query or refusal.code, "Message": refusal.message}
        return FakeReply(_xml("ErrorResponse", {"Error": error, "RequestId": "double"}), refusal.status, self.HEADERS)


def _structure(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(  # noqa: TRY004 - the value is input, not a caller's argument
            f"a request must be a structure, not a {type(found).__name__}"
        )
    return found


def _query_error(refusal: FakeRefusal) -> dict[str, str]:
    return {"x-amzn-query-error": f"{refusal.query};Sender"} if refusal.query else {}


def _xml(name: str, value: Any) -> bytes:
    return f"<{name}>{_element(value)}</{name}>".encode()


def _element(value: Any) -> str:
    match value:
        case dict():
            return "".join(f"<{name}>{_element(each)}</{name}>" for name, each in value.items())
        case Stamp():
            return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return escape(str(value))
