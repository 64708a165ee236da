"""The HTTP requests of the real adapters, answered in the same process by the simulated AWS as the faults in force
require. The auditor receives what was in the protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from yarl import URL

from autoscaler.ports import ServiceRef
from tests.fakeaws.answers import ecs
from tests.fakeaws.asks import Ask, Operation
from tests.fakeaws.aws import FakeAws
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal, FakeReply
from tests.fakeaws.routing import addressed
from tests.faults.plan import DrawnFault
from tests.faults.ports import HANGING, QUICK_S, SLOW, TIMEOUT_S, Killable, applies
from tests.faults.running import Simulation

PREFIXES = {
    "GetQueueAttributes": "queue_",
    "GetQueueUrl": "queue_",
    "GetMetricData": "minutes_",
    "DescribeServices": "fleet_",
    "ListServices": "fleet_",
    "ListTasks": "protection_",
    "GetTaskProtection": "protection_",
    "UpdateService": "write_",
}
MUTATING = (
    "Update",
    "Create",
    "Delete",
    "Put",
    "Register",
    "Deregister",
    "Tag",
    "Untag",
    "Send",
    "Purge",
    "Set",
    "Stop",
)

REFUSALS: dict[str, tuple[str, int]] = {
    "queue_throttled": ("RequestThrottled", 400),
    "queue_unavailable": ("ServiceUnavailable", 503),
    "queue_denied": ("AccessDenied", 403),
    "minutes_unavailable": ("InternalServiceError", 500),
    "fleet_throttled": ("ThrottlingException", 400),
    "fleet_unavailable": ("ServerException", 500),
    "fleet_denied": ("AccessDeniedException", 403),
    "protection_unread": ("AccessDeniedException", 403),
    "write_throttled": ("ThrottlingException", 400),
    "write_refused": ("InvalidParameterException", 400),
    "throttling": ("ThrottlingException", 400),
    "expired": ("ExpiredTokenException", 403),
}


@dataclass
class InProcessResponse:
    """A response as the SDK and the fast path read it."""

    url: str
    reply: FakeReply

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.reply.headers

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((name.encode(), value.encode()) for name, value in self.reply.headers.items())

    @property
    def content(self) -> InProcessResponse:
        return self

    async def read(self) -> bytes:
        return self.reply.body

    async def iter_any(self) -> Any:
        yield self.reply.body

    async def __aenter__(self) -> InProcessResponse:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@dataclass
class _Posting:
    """The context manager of `ClientSession.post`."""

    coroutine: Any

    async def __aenter__(self) -> InProcessResponse:
        response: InProcessResponse = await self.coroutine
        return response

    async def __aexit__(self, *_: object) -> None:
        return


@dataclass
class InProcessSession:
    """An HTTP client session whose requests are answered by the simulated AWS."""

    sim: Simulation
    aws: FakeAws
    life: Killable
    rng: Random

    async def __aenter__(self) -> InProcessSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    def post(self, url: URL, **fields: Any) -> _Posting:
        return _Posting(self.request("POST", url, **fields))

    async def request(self, method: str, url: URL | str, **fields: Any) -> InProcessResponse:
        """Answer a request, as the faults in force require."""
        self._require_alive()
        headers, raw = fields["headers"], fields.get("data") or b""
        raw = raw if isinstance(raw, bytes) else bytes(raw)
        to = addressed(headers, URL(url).path, raw)
        ask = Ask(to.dialect.decode(raw), self.aws.world(), self.sim.loop.time(), lambda _: self.aws.world())
        operation = self.aws.operations[to.service, to.operation]
        exchange = _Exchange(self, operation, ask, _subjects(operation, ask))
        reply = await exchange.run(lambda: self.aws.answer(headers, URL(url).path, raw), to.dialect.refuse)
        self._require_alive()
        return InProcessResponse(str(url), reply)

    def _require_alive(self) -> None:
        if not self.life.is_alive:
            raise asyncio.CancelledError


def _subjects(operation: Operation, ask: Ask) -> list[str]:
    return [str(subject) for subject in operation.subjects(ask)]


class _Exchange:
    """One request and its answer."""

    def __init__(self, session: InProcessSession, operation: Operation, ask: Ask, subjects: list[str]) -> None:
        self._session = session
        self._sim = session.sim
        self._operation = operation
        self._ask = ask
        self._subjects = subjects
        self._asked = self._sim.loop.time()
        self._shown: dict[str, object] = {}

    async def run(self, answer: Any, refuse: Any) -> FakeReply:
        """Return the reply, and report it when it is delivered. A call that the daemon gives up is reported as such."""
        prefix = PREFIXES.get(self._operation.name, "other_")
        now = self._sim.loop.time()
        found = [fault for subject in (self._subjects or [""]) for fault in self._sim.active.of(subject, now)]
        faults = [fault for fault in found if applies(fault, prefix)]
        kinds = {fault.kind: fault.number for fault in faults}
        self._require_permitted()
        if self._operation.name == "UpdateService":
            self._requested()
        reply, delivered = None, False
        try:
            reply = await self._reply(kinds, faults, answer, refuse)
            delivered = reply.status < 300 and "queue_partial" not in kinds and "queue_garbled" not in kinds
            return reply
        finally:
            if self._session.life.is_alive:
                self._report(delivered, known=reply is not None and reply.status < 500)

    def _require_permitted(self) -> None:
        """S10: nothing but UpdateService changes anything, and it has three fields."""
        name, body = self._operation.name, self._ask.body
        if name.startswith(MUTATING) and (
            name != "UpdateService" or body.keys() != {"cluster", "service", "desiredCount"}
        ):
            self._sim.auditor.found("S10", str(body.get("service")), self._asked, f"{name} with {sorted(body)}")

    def _requested(self) -> None:
        body = self._ask.body
        ref = ServiceRef(body["service"], body["cluster"], body["service"])
        self._sim.digest.note(self._asked, "update", body["service"], body["desiredCount"])
        self._sim.auditor.requested(ref, body["desiredCount"], self._asked)

    async def _reply(self, kinds: dict[str, float], faults: list[DrawnFault], answer: Any, refuse: Any) -> FakeReply:
        rng = self._session.rng
        slow = [kinds[kind] for kind in kinds if kind in SLOW]
        if any(kind in HANGING for kind in kinds):
            await asyncio.sleep(2 * TIMEOUT_S)
        await asyncio.sleep(max(slow, default=rng.uniform(*QUICK_S)))
        self._session._require_alive()
        for kind in kinds:
            if kind in REFUSALS:
                code, status = REFUSALS[kind]
                refused: FakeReply = refuse(FakeRefusal(code, kind, status))
                return refused
        if self._operation.name == "UpdateService":
            await self._write(kinds)
        self._show(faults)
        reply: FakeReply = answer()
        if "queue_garbled" in kinds:
            return FakeReply(b'{"Attributes": {"Approx', 200, reply.headers)
        if "queue_partial" in kinds:
            return FakeReply(b'{"Attributes": {"ApproximateNumberOfMessages": "0"}}', 200, reply.headers)
        if reply.status == 400 and b"Rate exceeded" in reply.body:
            self._sim.auditor.found("L3", "account", self._asked, f"AWS throttled {self._operation.name}")
        return reply

    async def _write(self, kinds: dict[str, float]) -> None:
        key, tasks, now = self._ask.body["service"], self._ask.body["desiredCount"], self._sim.loop.time()
        if "write_late" in kinds:
            self._sim.land(now + kinds["write_late"], key, tasks)
        elif "write_lost" not in kinds:
            self._sim.land(now, key, tasks)
        if kinds.keys() & {"write_late", "write_lost", "write_unknown"}:
            await asyncio.sleep(2 * TIMEOUT_S)

    def _show(self, faults: list[DrawnFault]) -> None:
        """Let the simulated AWS answer with the state that this call may see."""
        world, region, now = self._session.aws.world(), self._sim.region, self._sim.loop.time()
        for key, service in region.services.items():
            cluster = world.clusters.setdefault(service.truth.fleet.cluster, {})
            if not service.truth.exists:
                cluster.pop(key, None)
                continue
            service.truth.settle(now)
            cluster[key] = world.numbered[service.truth.fleet.number] = service.truth.fleet
            fleet = service.truth.fleet
            fleet.tags, fleet.extra = service.tags, {}
            if self._operation.name == "DescribeServices" and key in self._subjects:
                shown = region.fleet(key, now, faults)
                counts = {"desiredCount": shown.desired, "runningCount": shown.running, "pendingCount": shown.pending}
                primary, *others = ecs._deployments(fleet, now, ecs._definition_arn(world, fleet))
                primary["updatedAt"] = Stamp(shown.revision.updated or 0.0)
                fleet.extra, self._shown[key] = {**counts, "deployments": [primary, *others]}, shown
        if self._operation.name == "GetQueueAttributes":
            name = self._subjects[0]
            self._shown[name] = region.counts(name, now, self._sim.active.of(name, now))

    def _report(self, delivered: bool, *, known: bool) -> None:
        """Report to the auditor what the daemon received."""
        auditor, region, now = self._sim.auditor, self._sim.region, self._sim.loop.time()
        name = self._operation.name
        self._sim.digest.note(now, name, self._subjects, delivered)
        for subject in self._subjects:
            shown: Any = self._shown.get(subject) if delivered else None
            if name == "GetQueueAttributes":
                auditor.counts(region.queues[subject][0].fleet.name, subject, self._asked, now, shown)
            elif name == "DescribeServices":
                auditor.fleet(subject, self._asked, now, shown)
            elif name == "GetTaskProtection" and subject in region.services:
                auditor.protected(subject, now, region.protected(subject, now) if delivered else None)
            elif (
                name == "ListTasks" and subject in region.services and not region.services[subject].truth.fleet.desired
            ):
                auditor.protected(subject, now, 0 if delivered else None)
            elif name == "UpdateService":
                auditor.answered(subject, known=known)
            elif name == "GetMetricData" and delivered and subject in region.queues:
                minute = region.minute(subject, now, self._sim.active.of(subject, now))
                if minute is not None:
                    auditor.minute(region.queues[subject][0].fleet.name, subject, minute)
