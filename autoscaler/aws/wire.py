"""How anything is asked of AWS: admitted by the pacer, bounded in time, counted, and its errors put in our words.

One session; one long-lived client per throttle category and Region, so that what slows one does not slow another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError

from autoscaler import __version__
from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import Api, Call
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import clean, fault_of_answer, fault_of_failure
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, Refused, Throttled, Unavailable
from autoscaler.ports import Calls, Category, Pacer, Urgency

CONNECT_S = 3.0
"""For the TCP and TLS handshakes; a reachable AWS needs a tenth of it."""

CONNECTIONS = 50
"""Per client. At 20 ms a call that is 2,500 calls a second: more than AWS would answer."""

CREDENTIALS_AGAIN_S = 5.0
"""Where none were found they are not looked for again so soon: that search may take seconds for each caller."""

UNPARSABLE = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the SDK's parser lets out when an answer is not of the documented shape. Our parameters are checked before."""


class Wire:
    """All that is asked of AWS goes through `ask`. Clients are closed with `stack`."""

    def __init__(
        self, stack: AsyncExitStack, pacer: Pacer, calls: Calls, clocks: Clocks, call_timeout_s: float
    ) -> None:
        # AWS_REGION is what ECS sets in a container and every other SDK reads; this one knows AWS_DEFAULT_REGION only.
        self._session = AioSession(
            session_vars={"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
        )
        self._stack = stack
        self._pacer = pacer
        self._calls = calls
        self._clocks = clocks
        self._call_timeout_s = call_timeout_s
        self._config = _config(call_timeout_s)
        self._clients: dict[tuple[Category, str], AioBaseClient] = {}
        self._opening = asyncio.Lock()
        self._credentials_after: Instant = float("-inf")
        self._region: str | None = None

    def region(self) -> str:
        """The daemon's own Region. Raises `Refused`, which says what to set, where nothing names one."""
        if self._region is None:
            self._region = self._find_region()
        return self._region

    async def ask(
        self,
        api: Api,
        subject: str,
        region: str | None,
        urgency: Urgency = Urgency.ROUTINE,
        more: int = 0,
        /,
        **parameters: object,
    ) -> Answer:
        """AWS's answer, which is not an error. Raises `AutoscalerError`; `Throttled` also before anything was sent."""
        call = Call(api, subject, region or self.region())
        self._calls.waited(await self._pacer.turn(api.category, call.region, subject, urgency, more))
        outcome = Unavailable.kind  # also where the caller gives up: it is not known what became of the call
        try:
            answer = await self._send(call, parameters)
            outcome = "ok"
        except AutoscalerError as fault:
            outcome = fault.kind
            raise
        finally:
            self._calls.made(api.name, api.category, outcome)
        return answer

    async def _send(self, call: Call, parameters: dict[str, object]) -> Answer:
        # The SDK's errors are not chained to ours: their texts may hold headers, and somebody may log the chain.
        try:
            async with asyncio.timeout(self._call_timeout_s):
                client = await self._client(call)
                body = await getattr(client, call.api.method)(**parameters)
        except TimeoutError:
            raise self._late(call) from None
        except ClientError as error:
            raise self._heard(fault_of_answer(error, call), call) from None
        except ParamValidationError:
            raise  # our bug: it ends the process
        except (BotoCoreError, *UNPARSABLE) as error:
            raise fault_of_failure(error, call) from None
        self._pacer.succeeded(call.api.category, call.region)
        return Answer(call, body)

    def _heard(self, fault: AutoscalerError, call: Call) -> AutoscalerError:
        """Tell the pacer what an error says of its category: a refusal, too, is an answer in good time."""
        if isinstance(fault, Throttled):
            self._pacer.throttled(call.api.category, call.region)
        elif not isinstance(fault, Unavailable):
            self._pacer.succeeded(call.api.category, call.region)
        return fault

    def _late(self, call: Call) -> Unavailable:
        opened = (call.api.category, call.region) in self._clients
        what = "had no answer" if opened else "could not be sent: no credentials or no endpoint were found"
        return Unavailable(
            f"{clean(call.where)}: {call.api.name} {what} within {self._call_timeout_s:g} s;"
            " check the network, the proxy and AWS_ENDPOINT_URL; it is tried again at the next tick"
        )

    async def _client(self, call: Call) -> AioBaseClient:
        key = (call.api.category, call.region)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(call)
        return self._clients[key]

    async def _open(self, call: Call) -> AioBaseClient:
        await self._require_credentials()
        try:
            opening = self._session.create_client(call.api.sdk_service, region_name=call.region, config=self._config)
            client: AioBaseClient = await self._stack.enter_async_context(opening)
        except ValueError as error:
            raise Refused(f"{clean(call.where)}: {clean(str(error))}; check the Region and AWS_ENDPOINT_URL") from None
        return client

    async def _require_credentials(self) -> None:
        # A client made without credentials would stay without: it must not be made before there are some.
        if self._clocks.now() < self._credentials_after:
            raise NoCredentialsError
        if await self._session.get_credentials() is None:
            self._credentials_after = self._clocks.now() + CREDENTIALS_AGAIN_S
            raise NoCredentialsError

    def _find_region(self) -> str:
        try:
            found = self._session.get_config_variable("region")
        except BotoCoreError as error:
            raise Refused(f"{clean(str(error))}; check AWS_PROFILE and the file that AWS_CONFIG_FILE names") from None
        if not found:
            raise Refused("no AWS Region is known; set AWS_REGION, for example AWS_REGION=eu-west-1")
        return str(found)


@asynccontextmanager
async def within(limit_s: float, subject: str, what: str) -> AsyncIterator[None]:
    """A bound on several calls together. Raises `Unavailable` where they take longer."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise Unavailable(f"{subject}: {what} took longer than {limit_s:g} s; it is tried again") from None


def _config(call_timeout_s: float) -> AioConfig:
    return AioConfig(
        connect_timeout=min(CONNECT_S, call_timeout_s),
        read_timeout=call_timeout_s,
        max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=f"ecs-queue-autoscaler/{__version__}",
        warm_up_loader_caches=True,  # reads the SDK's service descriptions in a thread: files block the loop
    )
