"""The fake AWS without its socket: a request's headers, path and bytes in, a reply out. It records every call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial, reduce
from itertools import count
from typing import Any, Protocol, TypeAlias

from tests.fakeaws.answers import cloudwatch, ecs, scaling, sqs, sts, tasks
from tests.fakeaws.asks import Ask, Operation
from tests.fakeaws.buckets import Buckets
from tests.fakeaws.clock import RunningClock
from tests.fakeaws.faults import FakeFault, FakeFaults
from tests.fakeaws.record import Record, RecordedCall
from tests.fakeaws.replies import FakeRefusal, FakeReply
from tests.fakeaws.roles import ACCOUNT, FakeRoles, Signer
from tests.fakeaws.routing import SCOPES, TARGETS, Addressed, addressed
from tests.fakeaws.validation import problems
from tests.fakeaws.world import FakeRegionState

REGION = "eu-west-1"

UNSIGNED = Signer("", "", "")

ActiveFaults: TypeAlias = Sequence[tuple[str, FakeFault]]
"""The faults that apply to a call, each with its subject."""


class EpochClock(Protocol):
    """Seconds since the epoch."""

    def now(self) -> float: ...
    def pass_s(self, seconds: float) -> None: ...


@dataclass
class _ParsedCall:
    """A call, with the fields that were parsed so far."""

    now: float
    operation: Operation
    signer: Signer = UNSIGNED
    body: dict[str, Any] = field(default_factory=dict)
    subjects: Sequence[str] = ()
    faults: ActiveFaults = ()


@dataclass
class FakeAws:
    """All accounts and Regions. `validates`: each request is validated against the SDK's own models.

    `skew_s` is added to the time in the `Date` header of the answers. `url` is set when the server starts.
    """

    clock: EpochClock = field(default_factory=RunningClock)
    seed: int = 1
    validates: bool = True
    skew_s: float = 0.0
    url: str = ""
    buckets: Buckets = field(default_factory=Buckets)
    faults: FakeFaults = field(default_factory=FakeFaults)
    record: Record = field(default_factory=Record)
    roles: FakeRoles = field(default_factory=FakeRoles)
    operations: dict[tuple[str, str], Operation] = field(init=False)
    _worlds: dict[tuple[str, str], FakeRegionState] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _date: tuple[int, str] = (0, "")

    def __post_init__(self) -> None:
        known = [one for module in (sqs, ecs, tasks, cloudwatch, scaling) for one in module.OPERATIONS]
        self.operations = {(one.service, one.name): one for one in [*known, *sts.operations(self.roles)]}

    def world(self, account: str = ACCOUNT, region: str = REGION) -> FakeRegionState:
        """Return the state of that account in that Region: empty until a test adds resources."""
        key = account, region
        if key not in self._worlds:
            self._worlds[key] = FakeRegionState(self.clock.now, account, region, lambda: self.url, self.seed)
        return self._worlds[key]

    def answer(self, headers: Mapping[str, str], path: str, raw: bytes) -> FakeReply:
        """Return the reply to a request, and record the call and its outcome."""
        now = self.clock.now()
        try:
            to = addressed(headers, path, raw)
            call = _ParsedCall(now, self.operations[to.service, to.operation])
        except LookupError:
            return self._unknown(headers, path, now)
        outcome = "ok"
        try:
            reply = to.dialect.encode(to.operation, self._answer(call, to, headers, raw))
        except FakeRefusal as refusal:
            outcome, reply = refusal.code, to.dialect.refuse(refusal)
        self._record(call, outcome)
        for _, fault in call.faults:
            reply = fault.reply(reply) if fault.reply else reply
        return self._with_headers(reply, now)

    def _answer(self, call: _ParsedCall, to: Addressed, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        call.signer = self._admit(call, headers)
        call.body = self._decoded(to, raw)
        account, region, _ = call.signer
        ask = Ask(call.body, self.world(account, region), call.now, partial(self.world, region=region))
        call.subjects = call.operation.subjects(ask)
        call.faults = self.faults.of(to.operation, call.subjects)
        for _, fault in call.faults:
            if fault.refusal:
                raise fault.refusal()
        return _with_faults(call, ask, call.operation.do(ask))

    def _admit(self, call: _ParsedCall, headers: Mapping[str, str]) -> Signer:
        """Return the signer of the call. Raises `FakeRefusal` for an invalid signature or an empty bucket."""
        operation, signer = call.operation, self.roles.signer(headers, call.now)
        if self.validates and signer.service != SCOPES.get(operation.service, operation.service):
            self.record.complain(f"{operation.name} is signed for {signer.service}")
        if not self.buckets.take(signer.account, signer.region, operation.category, call.now):
            call.signer = signer
            raise FakeRefusal(operation.throttle, "Rate exceeded", query=_query_name(operation))
        return signer

    def _decoded(self, to: Addressed, raw: bytes) -> dict[str, Any]:
        try:
            body = to.dialect.decode(raw)
        except ValueError as error:
            raise FakeRefusal("SerializationException", str(error)) from None
        if self.validates and (found := problems(to.service, to.operation, body)):
            for text in found:
                self.record.complain(text)
            raise FakeRefusal("ValidationException", "; ".join(found))
        return body

    def _record(self, parsed: _ParsedCall, outcome: str) -> None:
        (account, region, _), subject = parsed.signer, parsed.subjects[0] if parsed.subjects else ""
        call = RecordedCall(parsed.now, parsed.operation.name, account, region, subject, outcome)
        self.record.add(call, parsed.subjects)
        if call.operation == "UpdateService":
            self.record.add_update(call, parsed.body)

    def _unknown(self, headers: Mapping[str, str], path: str, now: float) -> FakeReply:
        what = headers.get("X-Amz-Target") or path
        self.record.complain(f"the fake AWS has no operation {what}")
        return self._with_headers(TARGETS["AmazonSQS"][1].refuse(FakeRefusal("UnknownOperationException", what)), now)

    def _with_headers(self, reply: FakeReply, now: float) -> FakeReply:
        """Return the reply with the headers that every answer of AWS has."""
        second = int(now + self.skew_s)
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        own = {"Date": self._date[1], "x-amzn-RequestId": f"00000000-0000-4000-8000-{next(self._numbers):012x}"}
        return replace(reply, headers={**reply.headers, **own})


def _with_faults(call: _ParsedCall, ask: Ask, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer after its faults: a fault of a subject changes only the subject's own parts."""
    own, whole = call.operation.parts, [fault.whole for _, fault in call.faults if fault.whole]
    changes = [(subject, fault.part) for subject, fault in call.faults if fault.part]
    if own is None:
        return reduce(lambda so_far, change: change(so_far), [change for _, change in changes] + whole, answer)
    # find all parts before a fault changes one: a changed part may no longer be a structure
    found = [(change, list(own(ask, answer, subject))) for subject, change in changes]
    for change, parts in found:
        for holder, at in parts:
            holder[at] = change(holder[at])
    return reduce(lambda so_far, change: change(so_far), whole, answer)


def _query_name(operation: Operation) -> str | None:
    """Return the error name in the query protocol, for the services that used this protocol before; else None."""
    return operation.throttle if operation.service in {"sqs", "cloudwatch"} else None
