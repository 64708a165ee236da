"""How anything is asked of AWS: admitted by the pacer, bounded in time, counted, and its errors put in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import Api, Call
from autoscaler.aws.clients import Clients, signed_with
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.faults import (
    fault_of_answer,
    fault_of_credentials,
    fault_of_failure,
    fault_of_silence,
    fault_of_slow_credentials,
)
from autoscaler.aws.roles import Roles
from autoscaler.aws.sqs_fast import FastSqs
from autoscaler.errors import AutoscalerError, Denied, Garbled, Throttled, Unavailable
from autoscaler.ports import Calls, Place, RateLimiter, Urgency

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


class Caller:
    """All that is asked of AWS goes through `ask`. What it opens is closed with `stack`. `lean`: the hot call may go
    by a shorter way than the SDK's. `once`: a command asks, as `Call` has it.
    """

    def __init__(
        self,
        stack: AsyncExitStack,
        limiter: RateLimiter,
        calls: Calls,
        clocks: Clocks,
        call_timeout_s: float,
        *,
        lean: bool,
        once: bool,
    ) -> None:
        self._limiter = limiter
        self._calls = calls
        self._call_timeout_s = call_timeout_s
        self._once = once
        self._clients = Clients(stack, clocks, call_timeout_s)
        self._lean = FastSqs(stack, self._clients) if lean else None
        self._roles = Roles(self.ask, self.region, clocks)

    def region(self) -> str:
        """The daemon's own Region. Raises `Refused`, which says what to set, where nothing names one."""
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
    ) -> Answer:
        """AWS's answer, which is not an error. Raises `AutoscalerError`; `Throttled` also before anything was sent."""
        call = Call(api, subject, place.region or self.region(), place.role, self._once)
        keys = None if call.role is None else await self._roles.keys(call.role, subject, call.region)
        self._calls.waited(await self._limiter.turn(api.category, call.area, subject, urgency, more))
        outcome = Unavailable.kind  # also where the caller gives up: it is not known what became of the call
        try:
            answer = await self._send(call, keys, parameters)
            outcome = "ok"
        except AutoscalerError as fault:
            outcome = fault.kind
            raise
        finally:
            self._calls.made(api.name, api.category, outcome, _units(parameters))
        return answer

    async def _send(self, call: Call, keys: ReadOnlyCredentials | None, parameters: dict[str, object]) -> Answer:
        # The SDK's errors are not chained to ours: their texts may hold headers, and somebody may log the chain.
        try:
            async with asyncio.timeout(self._call_timeout_s):
                keys = keys or await self._own_keys(call)
                async with self._clients.turn(call):
                    body = await self._body(call, keys, parameters)
        except TimeoutError:
            raise self._late(call, signed=keys is not None) from None
        except ClientError as error:
            raise self._heard(fault_of_answer(error, call), call) from None
        except ParamValidationError:
            raise  # our bug: it ends the process
        except UNPARSABLE as error:
            raise Garbled(str(fault_of_failure(error, call))) from None
        except BotoCoreError as error:
            raise fault_of_failure(error, call) from None
        self._limiter.succeeded(call.api.category, call.area)
        return Answer(call, body)

    async def _own_keys(self, call: Call) -> ReadOnlyCredentials:
        """The daemon's own credentials. What goes wrong with them is never put down to the call that they are for."""
        try:
            return await self._clients.own_keys()
        except (BotoCoreError, ClientError, OSError, *UNPARSABLE) as error:
            raise fault_of_credentials(error, call) from None

    async def _body(self, call: Call, keys: ReadOnlyCredentials, parameters: dict[str, object]) -> Mapping[str, object]:
        if self._lean and (route := await self._lean.route(call)):
            return await route.ask(call, keys, parameters)
        client = await self._clients.of(call)
        with signed_with(keys):
            body: Mapping[str, object] = await getattr(client, call.api.method)(**parameters)
        return body

    def _heard(self, fault: AutoscalerError, call: Call) -> AutoscalerError:
        """Tell the pacer what an error says of its category: a refusal, too, is an answer in good time."""
        if isinstance(fault, Throttled):
            self._limiter.throttled(call.api.category, call.area)
        elif not isinstance(fault, Unavailable):
            self._limiter.succeeded(call.api.category, call.area)
        if isinstance(fault, Denied) and call.role is not None:
            self._roles.doubt(call.role)
        return fault

    def _late(self, call: Call, *, signed: bool) -> Unavailable:
        if not signed:
            return fault_of_slow_credentials(call, self._call_timeout_s)
        what = "had no answer" if self._clients.opened(call) else "could not be sent: no endpoint was found"
        return fault_of_silence(call, f"{what} within {self._call_timeout_s:g} s")


def _units(parameters: dict[str, object]) -> int:
    """What AWS is paid by: the metrics that are asked for, else the request."""
    metrics = parameters.get("MetricDataQueries")
    return len(metrics) if isinstance(metrics, list) else 1


@asynccontextmanager
async def within(limit_s: float, subject: str, what: str) -> AsyncIterator[None]:
    """A bound on several calls together. Raises `Unavailable` where they take longer."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise Unavailable(f"{subject}: {what} took longer than {limit_s:g} s; it is tried again") from None
