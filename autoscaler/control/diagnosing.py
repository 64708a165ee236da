"""The daemon's own diagnosis of one service: read in the background when tasks do not start or do not stay up.

No poll waits for it, and it never adds a task: it can only prevent a scale-out that would not help. Without the
permission to read tasks it knows the service events only. What ended a failure is seen in the counts of each poll: a
new deployment, or one more task that stays up.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf

from autoscaler.core.model import Fleet, Instant, StartFailure, StartHold
from autoscaler.diagnosis.concluding import STUCK_S, Diagnosis
from autoscaler.diagnosis.delivered import DeliveredEvidence
from autoscaler.diagnosis.groups import KEPT_S
from autoscaler.diagnosis.holding import SOON_S, DiagnosisSummary, StartTrouble, summary_of, trouble_of
from autoscaler.ports import Ports, ServiceRef

FIRST_S, MOST_S = 30.0, 600.0
"""Seconds until the next diagnosis of a service, doubled as long as the result is the same, and their maximum. A
diagnosis takes three calls: 100 services that fail for an hour make 2,700 calls, 0.75 a second.
"""

RETRY_MOST_S = 120.0
"""A sign without a result is examined again after 30, 60 and 120 s: ECS lists a task as stopped up to half a minute
after its containers have ended.
"""

CONFIRM_S, CONFIRM_MOST_S = 30.0, 120.0
"""Seconds between two readings that check whether a failure is over: doubled for each that finds new stops."""

UNCONFIRMED_S = 1800.0
"""A failure that no complete reading has confirmed for this time is over. A reading that was throttled or denied does
not say that the cause is gone.
"""

MOST_CAUSES = 8
"""The classes that are stored between two polls."""

NEW_EVENT_S = 1.0
"""An event is new if it is later than the known one by more than this: its time is converted at each reading."""


class StartSigns:
    """Signs that tasks do not start or do not stay up, in the counts of ECS. Reading a service twice shows the stop of
    a task only if none was created in its place yet, so the failed tasks that ECS counts are a sign, too.
    """

    def __init__(self) -> None:
        self._before: Fleet | None = None
        self._event: tuple[str, Instant] = "", -inf
        self._stuck: Instant | None = None
        self.is_event = False
        """Whether the last reading had a new event about starts."""

    def see(self, fleet: Fleet, now: Instant) -> bool:
        """Return whether there is a new sign since the last reading."""
        before, self._before = self._before, fleet
        self.is_event = self._has_new_event(fleet)
        signs = self.is_event, self._is_newly_stuck(fleet, now), _failed(fleet) > _failed(before)
        return any(signs) or (before is not None and _has_lost(before, fleet))

    def _has_new_event(self, fleet: Fleet) -> bool:
        if fleet.trouble is None:
            return False
        text, at = self._event
        self._event = fleet.trouble.reason, fleet.trouble.at
        return text != fleet.trouble.reason or fleet.trouble.at > at + NEW_EVENT_S

    def _is_newly_stuck(self, fleet: Fleet, now: Instant) -> bool:
        deployment = fleet.deployment
        if deployment is None or now - deployment.started < STUCK_S:
            return False
        known, self._stuck = self._stuck, deployment.started
        return known is None or deployment.started > known + NEW_EVENT_S


def _failed(fleet: Fleet | None) -> int:
    """Return the failed tasks of the deployments, and one more for each deployment that failed."""
    if fleet is None:
        return 0
    return sum(one.failed + (one.state == "FAILED") for one in fleet.deployments)


def _has_lost(before: Fleet, fleet: Fleet) -> bool:
    """Whether tasks stopped that the service should have. A deployment and a rebalancing replace tasks."""
    if fleet.deployment is not None or fleet.rebalancing.moved_at is not None:
        return False
    tasks = fleet.running + fleet.pending
    return tasks < before.running + before.pending and tasks < fleet.desired


class _Present:
    """A failure that is not over yet."""

    def __init__(self, found: StartTrouble, fleet: Fleet, now: Instant) -> None:
        self.found = found
        self.causes = {found.failure.cause}
        self.confirmed_at = now
        self._changes = _changes(fleet)
        self._least, self._failed = fleet.running, _failed(fleet)
        self._more_since: Instant | None = None

    def see(self, fleet: Fleet, now: Instant) -> bool:
        """Return whether it is over: something was changed, or one more task than failed stays up."""
        if self.is_changed(fleet):
            return True
        failed, self._failed = self._failed, _failed(fleet)
        if fleet.running <= self._least or self._failed > failed:
            self._least, self._more_since = min(self._least, fleet.running), None
            return False
        self._more_since = now if self._more_since is None else self._more_since
        return self.is_unbroken(now)

    @property
    def must_be_confirmed(self) -> bool:
        """Whether the counts do not prove that a task stays up: the tasks that failed ran for a while, so that some of
        them run at any time, and their number varies.
        """
        return self.found.stays_s > 0.0

    def renew(self, found: StartTrouble, now: Instant) -> None:
        """Use a newer diagnosis of the same failure. A stop since more tasks ran is one of it: it goes on."""
        self.found, self.confirmed_at = found, now
        self.causes.add(found.failure.cause)
        if self._more_since is not None and found.failure.at > self._more_since:
            self._more_since = None

    def is_unbroken(self, now: Instant) -> bool:
        """Whether more tasks than failed have run for long enough."""
        return self._more_since is not None and now - self._more_since >= self.found.stays_s

    def is_changed(self, fleet: Fleet) -> bool:
        """Whether the service, its task definition or its deployment is another one."""
        return _changes(fleet) != self._changes

    def outlasts(self, found: StartTrouble | None, now: Instant) -> bool:
        """Whether it stays although an incomplete reading shows less. `found`: what was read."""
        is_less = found is None or _STRENGTH[found.failure.hold] < _STRENGTH[self.found.failure.hold]
        return is_less and now - self.confirmed_at < UNCONFIRMED_S


_STRENGTH = {StartHold.NOTHING: 0, StartHold.WHILE_MISSING: 1, StartHold.UNTIL_CHANGED: 2}


def _delivered(service: ServiceRef, fleet: Fleet, ports: Ports) -> DeliveredEvidence:
    """Return what EventBridge delivered about the service in the time for which ECS lists stopped tasks, or longer."""
    if ports.delivered is None:
        return DeliveredEvidence()
    return ports.delivered.evidence(service, fleet.identity, ports.wall() - KEPT_S)


def _changes(fleet: Fleet) -> Hashable:
    """Return what differs after a change of the service, of its task definition, or with a new deployment."""
    return fleet.identity, fleet.task_definitions[:1], fleet.revision.deployed


def _newest_at(found: Diagnosis) -> float:
    """Return the time of the newest stop or event, by the clock of ECS."""
    events = () if found.state is None else found.state.events[:1]
    return max([*(one.tasks[0].at for one in found.groups), *(one.at for one in events)], default=-inf)


class DiagnosisWatch:
    """The diagnosis of one service. `summary`: the newest one (None: none was needed, or what it found is over)."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._signs = StartSigns()
        self._is_requested = self._is_reading = False
        self._due: Instant = -inf
        self._again_s = FIRST_S
        self._confirm_at, self._confirm_s = -inf, CONFIRM_S
        self._is_confirming = False
        self._read_at: Instant = -inf
        self._fleet: Fleet | None = None
        self._present: _Present | None = None
        self._ran: list[tuple[Instant, int]] = []
        self._reported_at = self._over_at = self._known_at = -inf
        """Seconds since the epoch: the newest problem that was delivered, when a task stayed up (earlier stops are
        over), and the newest stop or event that was read.
        """
        self.summary: DiagnosisSummary | None = None
        self._causes: tuple[str, ...] = ()

    def take_causes(self) -> tuple[str, ...]:
        """Return the class of the main cause of each diagnosis since the last call."""
        causes, self._causes = self._causes, ()
        return causes

    @property
    def failure(self) -> StartFailure | None:
        """Why tasks do not start or stay up at present (None: they do, or it is not known)."""
        if self._present is None:
            return None
        return self._present.found.failure._replace(staying=self._staying)

    @property
    def _staying(self) -> int:
        return min((running for _, running in self._ran), default=0)

    async def check(self, fleet: Fleet, ports: Ports, *, unstarted: bool) -> None:
        """See the counts of a poll, and start a diagnosis if one is needed and due: in the background if
        `ports.background` is given. `unstarted`: requested tasks have not started within the time limit.
        """
        now = ports.clock()
        if self._fleet is not None and _changes(fleet) != _changes(self._fleet):
            self._is_requested, self._again_s, self._due = False, FIRST_S, -inf
        self._fleet = fleet
        self._ran = [*(one for one in self._ran if now - one[0] < SOON_S), (now, fleet.running)]
        if self._present is not None and self._present.see(fleet, now):
            if self._present.is_changed(fleet) or not self._present.must_be_confirmed or ports.diagnoses is None:
                self._over(ports)
            elif now >= self._confirm_at and not self._is_reading:
                self._is_confirming, self._due = True, -inf
        sign = self._signs.see(fleet, now)
        is_reported = self._is_reported(fleet, ports)
        if (self._signs.is_event or is_reported) and self._present is None:
            # ECS reports such an event seldom, and it says more than a count; several without a result wait
            self._due = min(self._due, self._read_at + (0.0 if self._again_s <= RETRY_MOST_S else FIRST_S))
        elif sign and now - self._due >= MOST_S:
            self._again_s = FIRST_S  # after a long time without signs it is another matter
        self._is_requested = self._is_requested or sign or is_reported or unstarted or self._present is not None
        if ports.diagnoses is None or not self._is_requested or self._is_reading or now < self._due:
            return
        self._is_requested, self._is_reading = False, True
        if ports.background is None:
            await self._read(ports)
        else:
            ports.background.begin(self._read(ports))

    def _is_reported(self, fleet: Fleet, ports: Ports) -> bool:
        """Whether a new problem was delivered. It is examined at once: a stopped task is listed for an hour only."""
        newest_at, before_at = _delivered(self._service, fleet, ports).newest_problem_at, self._reported_at
        self._reported_at = max(before_at, newest_at)
        return newest_at > max(before_at, self._over_at)

    def _over(self, ports: Ports) -> None:
        self._over_at = max(ports.wall(), self._known_at)  # the clock may be behind that of ECS
        self._forget()

    def _forget(self) -> None:
        self._present, self.summary, self._is_requested, self._again_s = None, None, False, FIRST_S
        self._is_confirming, self._confirm_s = False, CONFIRM_S

    async def _read(self, ports: Ports) -> None:
        asked = self._fleet
        if ports.diagnoses is None or asked is None:
            return
        found = await ports.diagnoses.diagnose(self._service, _delivered(self._service, asked, ports))
        fleet, self._is_reading, now = self._fleet or asked, False, ports.clock()
        self._read_at, self._due = now, now + self._again_s
        if _changes(fleet) != _changes(asked):
            self._is_requested = True  # what was read is about the service before the change
        elif found.is_blank:
            self._is_requested, self._again_s = True, min(MOST_S, 2 * self._again_s)
            if self._present is not None and not self._present.outlasts(None, now):
                self._forget()
        else:
            self._use(found, fleet, now, now - ports.wall())
        self._confirm(now, ports)

    def _confirm(self, now: Instant, ports: Ports) -> None:
        """End the failure if a reading after more tasks ran for long enough shows no stop since then, or nothing."""
        if not self._is_confirming:
            return
        self._is_confirming = False
        if self._present is None or self._present.is_unbroken(now):
            self._over(ports)
            return
        self._confirm_at, self._confirm_s = now + self._confirm_s, min(CONFIRM_MOST_S, 2 * self._confirm_s)

    def _use(self, found: Diagnosis, fleet: Fleet, now: Instant, offset: float) -> None:
        """`offset` converts seconds since the epoch to instants."""
        self._known_at = max(self._known_at, _newest_at(found))
        trouble = trouble_of(found, self._over_at, lambda at: min(now, at + offset), self._staying)
        self._causes = (*self._causes, *(one.kind.value for one in found.findings[:1]))[-MOST_CAUSES:]
        if found.is_partial and self._present is not None and self._present.outlasts(trouble, now):
            self._again_s = min(MOST_S, 2 * self._again_s)
            return
        self._is_requested = trouble is None and self._again_s <= RETRY_MOST_S
        same = trouble is not None and self._present is not None and trouble.failure.cause in self._present.causes
        self._again_s = min(MOST_S, 2 * self._again_s) if same or trouble is None else FIRST_S
        self.summary = summary_of(found) if found.findings else None
        if trouble is None:
            self._present = None
        elif self._present is None:
            self._present = _Present(trouble, fleet, now)
        else:
            self._present.renew(trouble, now)
