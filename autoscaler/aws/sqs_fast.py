"""A faster implementation of the most frequent call: GetQueueAttributes, signed by the SDK's signer and sent with
aiohttp.

A service that is polled every ten seconds makes it 8,640 times a day per queue, ten times as often as all other calls
together. Endpoint, credentials, user agent and protocol are those of the SDK's client. If a setting is configured that
only the SDK supports, such as a proxy or custom certificate authorities, the SDK makes the call.

Invariant: both implementations return the same response, or the same error. One attempt, no redirect, at most
`MOST_BYTES` of `calls.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.client import AioBaseClient
from botocore import exceptions as sdk
from botocore.auth import SigV4Auth
from botocore.credentials import ReadOnlyCredentials
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from yarl import URL

from autoscaler.aws.calls import GET_QUEUE_ATTRIBUTES, Call
from autoscaler.aws.clients import CONNECT_S, CONNECTIONS, Clients
from autoscaler.aws.sdk_http import bounded_body, refuse_redirect

KEEPALIVE_S = 12.0
"""As the SDK's own connections: a little more than the default poll interval."""


class FastSqs:
    """The faster implementation, in every Region whose client supports it. Its connections are closed with `stack`."""

    def __init__(self, stack: AsyncExitStack, clients: Clients) -> None:
        self._stack = stack
        self._clients = clients
        self._opening = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None
        self._routes: dict[tuple[str, str | None], Route | None] = {}

    async def route(self, call: Call) -> Route | None:
        """The route for this call; None: the SDK must make it. Raises as `Clients.of`."""
        if call.api is not GET_QUEUE_ATTRIBUTES:
            return None
        to = call.region, call.endpoint
        if to not in self._routes:
            client = await self._clients.of(call)
            plain = is_plain(client) and not self._clients.has_own_authorities()
            with _as_sdk_errors(client.meta.endpoint_url):
                self._routes[to] = Route(await self._session(), client) if plain else None
        return self._routes[to]

    async def _session(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._http is None:
                self._http = await self._stack.enter_async_context(await _session())
        return self._http


class Route:
    """A connection to one Region's SQS."""

    def __init__(self, http: aiohttp.ClientSession, client: AioBaseClient) -> None:
        metadata: Any = client.meta.service_model.metadata
        config: Any = client.meta.config
        self._http = http
        self._url = URL(client.meta.endpoint_url).with_path("/")
        self._region = client.meta.region_name
        self._signed = {
            "Host": self._url.host_port_subcomponent or "",
            "X-Amz-Target": f"{metadata['targetPrefix']}.GetQueueAttributes",
            "Content-Type": f"application/x-amz-json-{metadata['jsonVersion']}",
        }
        self._unsigned = {"User-Agent": config.user_agent, "Accept-Encoding": "identity"}

    async def ask(self, call: Call, keys: ReadOnlyCredentials, parameters: Mapping[str, object]) -> dict[str, object]:
        """Return AWS's response. Raises the SDK's errors, also if the response is too long.

        Only the connect has a time limit here; the caller limits the whole call.
        """
        body = json.dumps(parameters).encode()
        headers = signed(self._signed, str(self._url), body, keys, self._region) | self._unsigned
        with _as_sdk_errors(str(self._url)):
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                refuse_redirect(str(self._url), response.status, response.headers.get("location"))
                received = await bounded_body(response, call.api.most_bytes)
        if response.status >= 300:
            raise _refusal(response, received)
        match json.loads(received):
            case dict(answer):
                return answer
        raise ValueError("the response is not a JSON object")


def is_plain(client: AioBaseClient) -> bool:
    """Whether no setting needs the SDK, and the client's protocol is the one that is implemented here."""
    config: Any = client.meta.config
    url = urlsplit(client.meta.endpoint_url)
    proxied = config.proxies or get_environ_proxies(client.meta.endpoint_url).get(url.scheme)
    odd_address = url.path.strip("/") or url.query or url.username
    usual = config.signature_version == "v4" and client.meta.service_model.metadata.get("protocol") == "json"
    return usual and not (proxied or config.client_cert or odd_address)


async def _session() -> aiohttp.ClientSession:
    # the authorities are read in a thread: it takes ten milliseconds, and file access blocks the loop
    trust = await asyncio.to_thread(ssl.create_default_context, cafile=get_cert_path(True))
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS, ssl=trust, keepalive_timeout=KEEPALIVE_S)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


def _refusal(response: aiohttp.ClientResponse, received: bytes) -> sdk.ClientError:
    """The error as the SDK parses it: from the body, otherwise from the older protocol's header, otherwise from the
    status.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    parser: Any = create_parser("json")
    parsed = parser.parse({"status_code": response.status, "headers": headers, "body": received}, None)
    return sdk.ClientError(parsed, "GetQueueAttributes")


@contextmanager
def _as_sdk_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise sdk.ConnectionClosedError(endpoint_url=url, error=error) from None
    except aiohttp.ClientSSLError as error:
        raise sdk.SSLError(endpoint_url=url, error=error) from None
    except aiohttp.ServerTimeoutError as error:
        raise sdk.ConnectTimeoutError(endpoint_url=url, error=error) from None
    except (aiohttp.ClientError, OSError) as error:
        raise sdk.EndpointConnectionError(endpoint_url=url, error=error) from None


# Sign requests to SQS with the SDK's signer, without its work for other kinds of requests.

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
