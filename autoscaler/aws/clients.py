"""The SDK's clients: long-lived, one per throttle category and Region, so that what slows one does not slow another.

They are the same for every account: whose credentials sign is said with each call. So a further role costs 3 kB; with
clients of its own it would be 1.6 MB. They share their certificate authorities: a further Region costs 1.5 MB, not 6.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypeAlias

from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials, get_credentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError

from autoscaler import __version__
from autoscaler.aws.apis import Call
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean
from autoscaler.core.model import Instant
from autoscaler.errors import NoCredentials, Refused
from autoscaler.ports import Category

CONNECT_S = 3.0
"""For the TCP and TLS handshakes; a reachable AWS needs a tenth of it."""

CONNECTIONS = 50
"""Per client. At 20 ms a call that is 2,500 calls a second: more than AWS would answer. So many calls are let in at a
time, in order: a pool lets newcomers overtake who waits for a connection, and of 64 that ask again and again, 14 waited
until all others had done.
"""

CREDENTIALS_AGAIN_S = 5.0
"""Where none were found they are not looked for again so soon: that search may take seconds for each caller."""

Key: TypeAlias = tuple[Category, str]

_signing: ContextVar[ReadOnlyCredentials] = ContextVar("signing")


class Clients:
    """Opened when they are first needed, closed with `stack`. As many as categories times Regions, and no more."""

    def __init__(self, stack: AsyncExitStack, clocks: Clocks, call_timeout_s: float) -> None:
        # AWS_REGION is what ECS sets in a container and every other SDK reads; this one knows AWS_DEFAULT_REGION only.
        self._session = AioSession(
            session_vars={"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
        )
        self._session.set_config_variable("sts_regional_endpoints", "regional")
        self._session.register_component("credential_provider", _GivenKeys())
        self._stack = stack
        self._clocks = clocks
        self._config = _config(call_timeout_s)
        self._clients: dict[Key, AioBaseClient] = {}
        self._turns: defaultdict[Key, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS))
        self._opening = asyncio.Lock()
        self._own: AioCredentials | None = None
        self._own_after: Instant = float("-inf")
        self._region: str | None = None

    def region(self) -> str:
        """The daemon's own Region. Raises `Refused`, which says what to set, where nothing names one;
        `NoCredentials` where the profile that may name it cannot be read.
        """
        if self._region is None:
            self._region = self._find_region()
        return self._region

    async def own_keys(self) -> ReadOnlyCredentials:
        """The daemon's own credentials, found as every AWS tool finds them, and valid now.

        Raises what the SDK raises: `BotoCoreError`, `ClientError` of STS or SSO, `OSError` of a file or a process.
        """
        if self._own is None:
            async with self._opening:
                self._own = self._own or await self._find_own()
        keys: ReadOnlyCredentials = await self._own.get_frozen_credentials()
        return keys

    def opened(self, call: Call) -> bool:
        return _key(call) in self._clients

    def turn(self, call: Call) -> asyncio.Semaphore:
        """To be held while the call is made: who comes first has a connection first."""
        return self._turns[_key(call)]

    async def of(self, call: Call) -> AioBaseClient:
        """The client for that call, to be used within `signed_with`. Raises `BotoCoreError` and `Refused`."""
        key = _key(call)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(call)
        return self._clients[key]

    def has_own_authorities(self) -> bool:
        """Certificates are held against a bundle of the operator's own, not against the well-known authorities."""
        return bool(self._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE"))

    async def _open(self, call: Call) -> AioBaseClient:
        try:
            opening = self._session.create_client(call.api.sdk_service, region_name=call.region, config=self._config)
            client: AioBaseClient = await self._stack.enter_async_context(opening)
        except ValueError as error:
            raise Refused(f"{clean(call.where)}: {clean(str(error))}; check the Region and AWS_ENDPOINT_URL") from None
        return client

    async def _find_own(self) -> AioCredentials:
        if self._clocks.now() < self._own_after:
            raise NoCredentialsError
        found: AioCredentials | None = await get_credentials(self._session)
        if found is None:
            self._own_after = self._clocks.now() + CREDENTIALS_AGAIN_S
            raise NoCredentialsError
        return found

    def _find_region(self) -> str:
        try:
            found = self._session.get_config_variable("region")
        except BotoCoreError as error:
            # the profile is where the credentials are, too: one kind of error whichever is looked for first
            remedy = "check AWS_PROFILE and the file that AWS_CONFIG_FILE names"
            raise NoCredentials(f"{clean(str(error))}; {remedy}") from None
        if not found:
            raise Refused("no AWS Region is known; set AWS_REGION, for example AWS_REGION=eu-west-1")
        return str(found)


def _key(call: Call) -> Key:
    return call.api.category, call.region


@contextmanager
def signed_with(keys: ReadOnlyCredentials) -> Iterator[None]:
    """What this task asks of a client is signed with these credentials. Outside of it nothing can be signed."""
    token = _signing.set(keys)
    try:
        yield
    finally:
        _signing.reset(token)


class _GivenKeys(AioCredentials):
    """What the SDK takes for its credentials, and for where it finds them: those of the call that is under way."""

    def __init__(self) -> None:
        super().__init__("given with each call", "given with each call")

    async def load_credentials(self) -> AioCredentials:
        return self

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:  # type: ignore[override] # as in every asynchronous one
        return _signing.get()


class _Connections(AIOHTTPSession):
    """The SDK's connections, with certificate authorities that were read once for all clients: each time takes 0.7 MB
    and ten milliseconds. Should the SDK come to build them elsewhere, each client again has its own.
    """

    _verify: Any
    _cert_file: Any
    _trusted: ClassVar[dict[object, ssl.SSLContext]] = {}

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[ssl.SSLContext, ssl.SSLContext | None]:
        build: Any = super()._build_ssl_contexts  # type: ignore[misc] # its stubs have only what is public
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
        warm_up_loader_caches=True,  # reads the SDK's service descriptions in a thread: files block the loop
    )
