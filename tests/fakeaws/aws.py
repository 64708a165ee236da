"""The double itself, without a socket: a request's headers, path and bytes in, a reply out, and a record of both."""

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
from tests.fakeaws.faults import Fault, Faults
from tests.fakeaws.record import Record, Seen
from tests.fakeaws.replies import Refusal, Reply
from tests.fakeaws.roles import ACCOUNT, Roles, Signer
from tests.fakeaws.validation import problems
from tests.fakeaws.wire import SCOPES, TARGETS, Addressed, addressed
from tests.fakeaws.world import World

REGION = "eu-west-1"

NOBODY = Signer("", "", "")

Wrong: TypeAlias = Sequence[tuple[str, Fault]]
"""What is wrong with a call, and for which subject."""


class Clock(Protocol):
    """Seconds since the epoch."""

    def now(self) -> float: ...
    def pass_s(self, seconds: float) -> None: ...


@dataclass
class _Heard:
    """A call as far as it was understood."""

    now: float
    operation: Operation
    signer: Signer = NOBODY
    body: dict[str, Any] = field(default_factory=dict)
    subjects: Sequence[str] = ()
    wrong: Wrong = ()


@dataclass
class FakeAws:
    """All accounts and Regions. `validates`: each request is held against the SDK's own models.

    `skew_s`: so far ahead is the clock that the answers' `Date` is from. `url` is known once it is served.
    """

    clock: Clock = field(default_factory=RunningClock)
    seed: int = 1
    validates: bool = True
    skew_s: float = 0.0
    url: str = ""
    buckets: Buckets = field(default_factory=Buckets)
    faults: Faults = field(default_factory=Faults)
    record: Record = field(default_factory=Record)
    roles: Roles = field(default_factory=Roles)
    operations: dict[tuple[str, str], Operation] = field(init=False)
    _worlds: dict[tuple[str, str], World] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)
    _date: tuple[int, str] = (0, "")

    def __post_init__(self) -> None:
        known = [one for module in (sqs, ecs, tasks, cloudwatch, scaling) for one in module.OPERATIONS]
        self.operations = {(one.service, one.name): one for one in [*known, *sts.operations(self.roles)]}

    def world(self, account: str = ACCOUNT, region: str = REGION) -> World:
        """What that account has in that Region: nothing, until a test puts something there."""
        key = account, region
        if key not in self._worlds:
            self._worlds[key] = World(self.clock.now, account, region, lambda: self.url, self.seed)
        return self._worlds[key]

    def answer(self, headers: Mapping[str, str], path: str, raw: bytes) -> Reply:
        """The reply to a request; both are in the record."""
        now = self.clock.now()
        try:
            to = addressed(headers, path, raw)
            heard = _Heard(now, self.operations[to.service, to.operation])
        except LookupError:
            return self._unknown(headers, path, now)
        outcome = "ok"
        try:
            reply = to.dialect.encode(to.operation, self._answer(heard, to, headers, raw))
        except Refusal as refusal:
            outcome, reply = refusal.code, to.dialect.refuse(refusal)
        self._remember(heard, outcome)
        for _, fault in heard.wrong:
            reply = fault.wire(reply) if fault.wire else reply
        return self._dressed(reply, now)

    def _answer(self, heard: _Heard, to: Addressed, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        heard.signer = self._admitted(heard, headers)
        heard.body = self._understood(to, raw)
        account, region, _ = heard.signer
        ask = Ask(heard.body, self.world(account, region), heard.now, partial(self.world, region=region))
        heard.subjects = heard.operation.subjects(ask)
        heard.wrong = self.faults.of(to.operation, heard.subjects)
        for _, fault in heard.wrong:
            if fault.refusal:
                raise fault.refusal()
        return _spoilt(heard, ask, heard.operation.do(ask))

    def _admitted(self, heard: _Heard, headers: Mapping[str, str]) -> Signer:
        """Whose call it is. Raises `Refusal` where his bucket is empty, too."""
        operation, signer = heard.operation, self.roles.signer(headers, heard.now)
        if self.validates and signer.service != SCOPES.get(operation.service, operation.service):
            self.record.complain(f"{operation.name} is signed for {signer.service}")
        if not self.buckets.take(signer.account, signer.region, operation.category, heard.now):
            heard.signer = signer
            raise Refusal(operation.throttle, "Rate exceeded", query=_query_name(operation))
        return signer

    def _understood(self, to: Addressed, raw: bytes) -> dict[str, Any]:
        try:
            body = to.dialect.decode(raw)
        except ValueError as error:
            raise Refusal("SerializationException", str(error)) from None
        if self.validates and (found := problems(to.service, to.operation, body)):
            for text in found:
                self.record.complain(text)
            raise Refusal("ValidationException", "; ".join(found))
        return body

    def _remember(self, heard: _Heard, outcome: str) -> None:
        (account, region, _), subject = heard.signer, heard.subjects[0] if heard.subjects else ""
        call = Seen(heard.now, heard.operation.name, account, region, subject, outcome)
        self.record.saw(call, heard.subjects)
        if heard.operation.name == "UpdateService":
            self.record.saw_update(call, heard.body)

    def _unknown(self, headers: Mapping[str, str], path: str, now: float) -> Reply:
        what = headers.get("X-Amz-Target") or path
        self.record.complain(f"the double does not know what {what} asks for")
        return self._dressed(TARGETS["AmazonSQS"][1].refuse(Refusal("UnknownOperationException", what)), now)

    def _dressed(self, reply: Reply, now: float) -> Reply:
        """With the headers that each of AWS's answers has."""
        second = int(now + self.skew_s)
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        own = {"Date": self._date[1], "x-amzn-RequestId": f"00000000-0000-4000-8000-{next(self._numbers):012x}"}
        return replace(reply, headers={**reply.headers, **own})


def _spoilt(heard: _Heard, ask: Ask, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, with what is wrong for a subject in its own parts and nowhere else."""
    own, whole = heard.operation.parts, [fault.whole for _, fault in heard.wrong if fault.whole]
    spoils = [(subject, fault.part) for subject, fault in heard.wrong if fault.part]
    if own is None:
        return reduce(lambda so_far, spoil: spoil(so_far), [spoil for _, spoil in spoils] + whole, answer)
    # all parts are found before any is spoilt: a spoilt one may not even be a structure
    found = [(spoil, list(own(ask, answer, subject))) for subject, spoil in spoils]
    for spoil, parts in found:
        for holder, at in parts:
            holder[at] = spoil(holder[at])
    return reduce(lambda so_far, spoil: spoil(so_far), whole, answer)


def _query_name(operation: Operation) -> str | None:
    """Services with a past in the query protocol name their errors by it, too."""
    return operation.throttle if operation.service in {"sqs", "cloudwatch"} else None
