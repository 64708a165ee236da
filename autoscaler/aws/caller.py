"""Make AWS calls: rate-limited, bounded in time, counted, and with the SDK's errors translated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import Api, Call
from autoscaler.aws.clients import Clients, Clocks, new_session, signed_with
from autoscaler.aws.faults import (
    fault_of_answer,
    fault_of_credentials,
    fault_of_failure,
    fault_of_reread,
    fault_of_silence,
    fault_of_slow_credentials,
)
from autoscaler.aws.own_credentials import SOURCE_ERRORS, OwnCredentials
from autoscaler.aws.roles import Roles
from autoscaler.aws.sdk_http import at_most
from autoscaler.aws.sqs_fast import FastSqs
from autoscaler.errors import AutoscalerError, CredentialsRejected, Denied, Garbled, Throttled, Unavailable
from autoscaler.ports import Calls, Place, RateLimiter, Role, Urgency

UNPARSABLE = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The exceptions of the SDK's parser for a response of an undocumented shape. The parameters are validated earlier."""


class _Keys(NamedTuple):
    """The credentials of a call. `generation` as in `OwnCredentials` and `Roles`."""

    values: ReadOnlyCredentials
    generation: int


class Caller:
    """Every AWS call goes through `ask`. Its connections are closed with `stack`.

    `fast_sqs`: GetQueueAttributes may use the faster implementation. `once`: as in `Call`.
    """

    def __init__(
        self,
        stack: AsyncExitStack,
        limiter: RateLimiter,
        calls: Calls,
        clocks: Clocks,
        call_timeout_s: float,
        *,
        fast_sqs: bool,
        once: bool,
    ) -> None:
        self._limiter = limiter
        self._calls = calls
        self._call_timeout_s = call_timeout_s
        self._once = once
        self._clients = Clients(stack, clocks, call_timeout_s)
        self._own = OwnCredentials(new_session, clocks)
        self._fast_sqs = FastSqs(stack, self._clients) if fast_sqs else None
        self._roles = Roles(self.ask, self.region, clocks)
        self._renewals = 0

    def region(self) -> str:
        """The daemon's own Region. Raises `Refused` with the remedy if none is configured."""
        return self._clients.region()

    async def ask(
        self,
        api: Api,
        subject: str,
        place: Place,
        urgency: Urgency = Urgency.ROUTINE,
        more: int = 0,
        /,
        **parameters: object,
    ) -> ResponsePart:
        """Return the response, which is not an error. Raises `AutoscalerError`; `Throttled` also before the call is
        sent.
        """
        call = Call(api, subject, place.region or self.region(), place.role, self._once, place.endpoint)
        try:
            return await self._attempt(call, urgency, more, parameters)
        except CredentialsRejected as fault:
            if not await self._renewed(call, fault):
                failure = self._own.failure if call.role is None else None
                raise fault if failure is None else fault_of_reread(fault, failure) from None
        return await self._attempt(call, urgency, more, parameters)

    def renew(self) -> None:
        """Read all credentials again before the next call that needs them, as after SIGHUP."""
        self._own.ask()
        self._roles.ask()
        self._renewals += 1

    def renewals(self) -> int:
        """A number that grows when `renew` is called, and when rejected credentials are replaced."""
        return self._renewals

    async def _renewed(self, call: Call, fault: CredentialsRejected) -> bool:
        """Return whether there are other credentials since the call: the same call may succeed with them."""
        if call.role is None:
            renewed = await self._own.replaced(fault.generation, self._call_timeout_s)
        else:
            renewed = await self._roles.replaced(call.role, call.region, fault.generation)
        self._renewals += renewed
        return renewed

    async def _attempt(self, call: Call, urgency: Urgency, more: int, parameters: dict[str, object]) -> ResponsePart:
        api, subject = call.api, call.subject
        keys = None if call.role is None else await self._role_keys(call, call.role)
        self._calls.waited(await self._limiter.acquire(api.category, call.area, subject, urgency, more))
        outcome = Unavailable.kind  # also if the caller is cancelled: the result of the call is unknown
        try:
            answer = await self._send(call, keys, parameters)
            outcome = "ok"
        except AutoscalerError as fault:
            outcome = fault.kind
            raise
        finally:
            self._calls.made(api.name, api.category, outcome, _units(parameters))
        return answer

    async def _send(self, call: Call, keys: _Keys | None, parameters: dict[str, object]) -> ResponsePart:
        # The SDK's errors are not chained: their texts may contain headers, and another program may log the chain.
        try:
            async with asyncio.timeout(self._call_timeout_s + call.api.waits_s):
                keys = keys or await self._own_keys(call)
                call = await self._clients.directed(call)
                async with self._clients.slot(call):
                    body = await self._body(call, keys.values, parameters)
        except TimeoutError:
            raise self._late(call, signed=keys is not None) from None
        except ClientError as error:
            raise self._reported(fault_of_answer(error, call), call, keys) from None
        except ParamValidationError:
            raise  # a bug in this program: it ends the process
        except UNPARSABLE as error:
            raise Garbled(str(fault_of_failure(error, call))) from None
        except BotoCoreError as error:
            raise fault_of_failure(error, call) from None
        self._limiter.succeeded(call.api.category, call.area)
        return ResponsePart(call, body)

    async def _role_keys(self, call: Call, role: Role) -> _Keys:
        values = await self._roles.keys(role, call.subject, call.region)
        return _Keys(values, self._roles.generation(role))

    async def _own_keys(self, call: Call) -> _Keys:
        """The daemon's own credentials. An error in loading them is never attributed to the call."""
        try:
            return _Keys(await self._own.keys(), self._own.generation)
        except SOURCE_ERRORS as error:
            raise fault_of_credentials(error, call) from None

    async def _body(self, call: Call, keys: ReadOnlyCredentials, parameters: dict[str, object]) -> Mapping[str, object]:
        if self._fast_sqs and (route := await self._fast_sqs.route(call)):
            return await route.ask(call, keys, parameters)
        client = await self._clients.of(call)
        with signed_with(keys), at_most(call.api.most_bytes):
            body: Mapping[str, object] = await getattr(client, call.api.method)(**parameters)
        return body

    def _reported(self, fault: AutoscalerError, call: Call, keys: _Keys | None) -> AutoscalerError:
        """Report an error to the rate limiter: a refusal also counts as a response of AWS."""
        if isinstance(fault, Throttled):
            self._limiter.throttled(call.api.category, call.area)
        elif not isinstance(fault, Unavailable):
            self._limiter.succeeded(call.api.category, call.area)
        if isinstance(fault, CredentialsRejected) and keys is not None:
            fault.generation = keys.generation
        elif isinstance(fault, Denied) and call.role is not None:
            self._roles.doubt(call.role)
        return fault

    def _late(self, call: Call, *, signed: bool) -> Unavailable:
        if not signed:
            return fault_of_slow_credentials(call, self._call_timeout_s)
        what = "had no answer" if self._clients.opened(call) else "could not be sent: no endpoint was found"
        return fault_of_silence(call, f"{what} within {self._call_timeout_s + call.api.waits_s:g} s")


def _units(parameters: dict[str, object]) -> int:
    """The unit of AWS's price: the number of metrics, otherwise one request."""
    metrics = parameters.get("MetricDataQueries")
    return len(metrics) if isinstance(metrics, list) else 1


@asynccontextmanager
async def within(limit_s: float, subject: str, what: str) -> AsyncIterator[None]:
    """Limit the total time of several calls. Raises `Unavailable` if they take longer."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise Unavailable(f"{subject}: {what} took longer than {limit_s:g} s; it is tried again") from None
