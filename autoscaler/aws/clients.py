"""The SDK's clients: long-lived, one per throttle category and Region, so that one slow category does not delay
another.

All accounts share them: each call passes its credentials. A further role therefore costs 3 kB instead of 1.6 MB. The
clients share their certificate authorities: a further Region costs 1.5 MB instead of 6 MB.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeAlias

from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from autoscaler import __version__
from autoscaler.aws.calls import CALLS, Call
from autoscaler.aws.faults import clean, where_of
from autoscaler.config.addresses import endpoint_to_call
from autoscaler.config.quoting import WrongValue
from autoscaler.core.model import Instant
from autoscaler.errors import NoCredentials, Refused
from autoscaler.ports import Category

CONNECT_S = 3.0
"""For the TCP and TLS handshakes; a reachable AWS endpoint needs a tenth of it."""

CONNECTIONS = 50
"""Per client. At 20 ms a call this allows 2,500 calls a second, more than AWS answers. A semaphore admits this number
of calls in order. Without it the connection pool is unfair: of 64 callers that repeated their calls, 14 waited until
all others had finished.
"""

LONGEST_WAIT_S = {
    category: max((api.waits_s for api in CALLS if api.category is category), default=0.0) for category in Category
}
"""Seconds for which AWS may hold back an answer of this category."""

Key: TypeAlias = tuple[Category, str, str | None]

_signing: ContextVar[ReadOnlyCredentials] = ContextVar("signing")


class Clients:
    """Clients are opened when they are first needed and closed with `stack`. There is at most one for each category,
    Region and endpoint that the URL of a queue names.
    """

    def __init__(self, stack: AsyncExitStack, clocks: Clocks, call_timeout_s: float) -> None:
        self._session = new_session()
        self._session.register_component("credential_provider", _CallCredentials())
        self._stack = stack
        self._clocks = clocks
        self._call_timeout_s = call_timeout_s
        self._clients: dict[Key, AioBaseClient] = {}
        self._endpoints: dict[Key, str | None] = {}
        self._slots: defaultdict[Key, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS))
        self._opening = asyncio.Lock()
        self._region: str | None = None

    def region(self) -> str:
        """The daemon's own Region. Raises `Refused` with the remedy if none is configured, and `NoCredentials` if the
        profile that may name it cannot be read.
        """
        if self._region is None:
            self._region = self._find_region()
        return self._region

    async def directed(self, call: Call) -> Call:
        """Return the call to the endpoint that the queue's URL names, or to the one that is configured for the SDK.

        Raises `BotoCoreError`, and `Refused` if the named server must not be called.
        """
        if call.endpoint is None:
            return call
        key = _key(call)
        if key not in self._endpoints:
            usual = await self.of(call._replace(endpoint=None))
            try:
                self._endpoints[key] = endpoint_to_call(call.endpoint, usual.meta.endpoint_url, call.region)
            except WrongValue as error:
                raise Refused(f"{where_of(call)}: {error}") from None
        return call._replace(endpoint=self._endpoints[key])

    def opened(self, call: Call) -> bool:
        return _key(call) in self._clients

    def slot(self, call: Call) -> asyncio.Semaphore:
        """A semaphore that the caller holds during the call: connections are assigned in order."""
        return self._slots[_key(call)]

    async def of(self, call: Call) -> AioBaseClient:
        """The client for the endpoint of the call, for use within `signed_with`. Raises `BotoCoreError`, `Refused`."""
        key = _key(call)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(call)
        return self._clients[key]

    def has_own_authorities(self) -> bool:
        """Whether certificates are verified with a bundle that the operator configured, and not with the well-known
        authorities.
        """
        return bool(self._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE"))

    async def _open(self, call: Call) -> AioBaseClient:
        config = _config(self._call_timeout_s + LONGEST_WAIT_S[call.api.category])
        try:
            opening = self._session.create_client(
                call.api.sdk_service, region_name=call.region, endpoint_url=call.endpoint, config=config
            )
            client: AioBaseClient = await self._stack.enter_async_context(opening)
        except ValueError as error:
            raise Refused(f"{where_of(call)}: {clean(str(error))}; check the Region and AWS_ENDPOINT_URL") from None
        return client

    def _find_region(self) -> str:
        try:
            found = self._session.get_config_variable("region")
        except BotoCoreError as error:
            # the profile also contains the credentials: the same kind of error for both
            remedy = "check AWS_PROFILE and the file that AWS_CONFIG_FILE names"
            raise NoCredentials(f"{clean(str(error))}; {remedy}") from None
        if not found:
            raise Refused("no AWS Region is configured; set AWS_REGION, for example AWS_REGION=eu-west-1")
        return str(found)


def new_session() -> AioSession:
    """Return a session of the SDK. It finds the Region and the credentials as every AWS tool does."""
    # ECS sets AWS_REGION in a container, and every other SDK reads it; this one reads AWS_DEFAULT_REGION only.
    session = AioSession(session_vars={"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)})
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session


def _key(call: Call) -> Key:
    return call.api.category, call.region, call.endpoint


@contextmanager
def signed_with(keys: ReadOnlyCredentials) -> Iterator[None]:
    """Sign the calls of this asyncio task with these credentials. Outside of the block nothing can be signed."""
    token = _signing.set(keys)
    try:
        yield
    finally:
        _signing.reset(token)


class _CallCredentials(AioCredentials):
    """The SDK's credentials and credential provider: they return the credentials of the call in progress."""

    def __init__(self) -> None:
        super().__init__("given with each call", "given with each call")

    async def load_credentials(self) -> AioCredentials:
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override] # as in every asynchronous one
        return _signing.get()


class _Connections(AIOHTTPSession):
    """The SDK's connections, with certificate authorities that are read once for all clients: each read takes 0.7 MB
    and 10 ms. If a later SDK builds them elsewhere, each client has its own again.
    """

    _verify: Any
    _cert_file: Any
    _trusted: ClassVar[dict[object, ssl.SSLContext]] = {}

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[ssl.SSLContext, ssl.SSLContext | None]:
        build: Any = super()._build_ssl_contexts  # type: ignore[misc] # its stubs contain only public names
        if proxy_url is not None or self._cert_file is not None:
            trusted, by_proxy = build(proxy_url)
            return trusted, by_proxy
        if self._verify not in self._trusted:
            self._trusted[self._verify], _ = build(None)
        return self._trusted[self._verify], None


def _config(call_timeout_s: float) -> AioConfig:
    return AioConfig(
        connect_timeout=min(CONNECT_S, call_timeout_s),
        read_timeout=call_timeout_s,
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=f"ecs-queue-autoscaler/{__version__}",
        http_session_cls=_Connections,
        warm_up_loader_caches=True,  # reads the SDK's service descriptions in a thread: file access blocks the loop
    )


# Convert AWS's wall-clock timestamps to the monotonic clock of this process.

STEP_S = 1.0
"""If the clocks drift by more than this, the offset is measured again. Otherwise the same minute would be a different
instant, by microseconds, at each reading.
"""


class Clocks:
    """The two clocks. `now` is the clock of every `Instant`; `wall` returns seconds since the epoch."""

    def __init__(self, now: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self.now = now
        self.wall = wall
        self._offset_s = float("-inf")

    def instant(self, wall_s: float) -> Instant:
        """Return the instant of a wall-clock time. It is never in the future, even if the clocks differ."""
        now = self.now()
        offset_s = self.wall() - now
        if not abs(offset_s - self._offset_s) < STEP_S:
            self._offset_s = offset_s
        return min(now, wall_s - self._offset_s)
