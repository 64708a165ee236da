"""The observer of progress: what must happen in time (L2 to L5, L9, L10, and the second half of S1).

Every ten seconds the truth is compared with what a working daemon would have reached. A condition that excuses the
daemon (a reading that fails, a pause, a deployment of settings, a process that was killed) starts its time again, so
the times are those of the design: two polls, a cooldown, the warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.faults.auditor import CAP_WINDOW_S, SLOW_POLL_S, Auditor
from tests.faults.drawing import INTERVAL_S
from tests.faults.ledger import SETTLED_S, ServiceLedger
from tests.faults.plan import EVERY, KINDS, FaultScope
from tests.faults.region import CloudRegion, CloudService

CHECK_S = 10.0
RISE_S = 2 * INTERVAL_S + SLOW_POLL_S + 3.0
"""Two polls, the duration of the second one, and its write."""

LATE_S = 150.0
"""The count must have risen after this time: two polls, two start-ups of 40 s, and a scale-out cooldown of 30 s."""

FALLBACK_POLLS = 4
"""A fallback applies after more than three failed polls."""

SERVED_S = 60.0
"""After all faults, every service is read again within this time: the longest backoff of the rate limiter."""

TARGET_LATENCY_S, LATE_RATIO = 60.0, 1.5
"""The latency target of every service, and the multiple of it from which a message counts as late: the daemon knows the
age of the oldest message to half a minute.
"""

RESTED_MINUTES = 6
CAPPED_RATIO = 0.8
"""If the daemon has removed most of what the fleet cap permits in five minutes, a count can still fall later."""

SPARE_RATIO, SPARE_TASKS = 1.5, 3
"""A count of more than 1.5 times the needed tasks plus 3 at the end is compared with the run without faults."""


@dataclass(slots=True)
class RecoveryAudit:
    """Checks one run over time. `since`: since when a condition has held, by check and service."""

    auditor: Auditor
    region: CloudRegion
    since: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    is_up: bool = False
    since_up: float = 0.0

    def check(self, now: float) -> None:
        """Check every service."""
        for key, ledger in self.auditor.ledgers.items():
            service = self.region.services[key]
            service.truth.settle(now)
            self._served(ledger, now)
            can_act = self._can_act(ledger, service, now)
            least = min(spec.min_tasks for spec in ledger.specs(now))
            desired = service.truth.fleet.desired
            below = can_act and desired < least and not ledger.switched_off
            self._hold("S1", key, now, RISE_S, below, f"{desired} tasks desired, below min_tasks {least}")
            self._late(ledger, service, now, can_act=can_act)
            self._fall_back(ledger, service, now, can_act=can_act)

    def _served(self, ledger: ServiceLedger, now: float) -> None:
        """S13 and L3: a daemon that runs polls each of its services, whether the calls succeed or not."""
        key = ledger.spec.key
        tries = [answers[-1].at for answers in ledger.queues.values() if answers]
        tries += [ledger.fleets[-1].at] if ledger.fleets else []
        newest = max(tries, default=self.since_up)
        frozen = self._in_force({EVERY}, now) & {"freeze", "crash"}
        idle = self.is_up and not frozen and not ledger.spec.tagged and now - self.since_up > AFTERMATH_S
        limit_s = 2 * self._slowest_s + SLOW_POLL_S
        spoiled = self._in_force({key, EVERY}, now) & {"cut", "wrong", "omitted"}
        if idle and not self.auditor.doubtful_file and now - newest > limit_s:
            self.auditor.found("S13" if spoiled else "L3", key, now, f"not polled for {now - newest:.0f} s")

    def _can_act(self, ledger: ServiceLedger, service: CloudService, now: float) -> bool:
        """Whether nothing excuses the daemon from raising this service."""
        answer, spec = ledger.fleets[-1] if ledger.fleets else None, ledger.spec
        settled = ledger.words[-1][0] <= max(self.auditor.began, now - SETTLED_S)
        modes = {each.mode for each in ledger.specs(now)}
        readable = answer is not None and answer.fleet is not None and answer.at > now - 2 * self._slowest_s
        own = {spec.key, *spec.queues, EVERY}
        faults = self._in_force(own, now)
        excused = faults & (EXCUSES | {name for name in faults if KINDS[name].scope is FaultScope.WRITE})
        return (
            self.is_up and readable and settled and not excused and service.truth.exists
            and "shadow" not in modes and ledger.tag is None and not self.auditor.doubtful_file
        )  # fmt: skip

    @property
    def _slowest_s(self) -> float:
        return max(INTERVAL_S, self.auditor.run.quiet_interval_s) + SLOW_POLL_S

    def _in_force(self, subjects: set[str], now: float) -> set[str]:
        """Return the kinds of faults of these subjects that are or were in force in the last minute."""
        at = now - self.auditor.began
        return {
            fault.kind
            for fault in self.auditor.run.faults
            if (fault.subject in subjects or fault.kind.endswith("_throttled"))
            and fault.at <= at < fault.end + AFTERMATH_S
        }

    def _late(self, ledger: ServiceLedger, service: CloudService, now: float, *, can_act: bool) -> None:
        """L9: messages wait longer than the target, all tasks run, and the count has not risen."""
        truth, spec = service.truth, ledger.spec
        age_s = max(queue.oldest_age_s(now) for queue in truth.queues)
        fleet, most = truth.fleet, min(each.max_tasks for each in ledger.specs(now))
        readings = all(answers and answers[-1].counts is not None for answers in ledger.queues.values())
        lied_to = self._in_force({spec.key, *spec.queues, EVERY}, now) & LIES
        late = age_s > LATE_RATIO * TARGET_LATENCY_S and fleet.running(now) >= fleet.desired and fleet.desired < most
        late = late and can_act and readings and not lied_to and truth.works and not ledger.switched_off
        limit_s = LATE_S + (self.auditor.run.quiet_interval_s if fleet.desired == 0 else 0.0)
        text = f"the oldest message is {age_s:.0f} s old, {fleet.desired} of {most} tasks"
        self._hold("L9", spec.key, now, limit_s, late, text, rising=fleet.desired)

    def _fall_back(self, ledger: ServiceLedger, service: CloudService, now: float, *, can_act: bool) -> None:
        """L5: no queue can be read, and the fallback asks for more tasks than there are."""
        spec, fleet = ledger.spec, service.truth.fleet
        fallback = _fallback_of(ledger, now)
        if fallback is None or fallback[0] == "current_if_lower" or spec.out_limit is not None:
            return
        unread = all(answers and answers[-1].counts is None for answers in ledger.queues.values())
        tasks = min(fallback[1], *(each.max_tasks for each in ledger.specs(now)))
        fails = can_act and unread and fleet.desired < tasks and fleet.running(now) >= fleet.desired
        limit_s = FALLBACK_POLLS * (self._slowest_s + 3.0) + spec.out_cooldown_s + RISE_S
        self._hold("L5", spec.key, now, limit_s, fails, f"{fleet.desired} tasks; the fallback is {tasks}")

    def _hold(
        self, check: str, key: str, now: float, limit_s: float, bad: bool, text: str, rising: int | None = None
    ) -> None:
        """Report a condition that has held for longer than its limit. A rising count starts the time again."""
        since, count = self.since.get((check, key), (None, 0))
        if not bad:
            self.since.pop((check, key), None)
        elif since is None or (rising is not None and rising > count):
            self.since[check, key] = now, rising or 0
        elif now - since > limit_s:
            self.auditor.found(check, key, now, f"{text}, for {now - since:.0f} s")
            self.since[check, key] = now, rising or 0

    def end(self, now: float) -> list[str]:
        """Check the end of the run. Return the services whose count must be compared with a run without faults."""
        suspects = []
        removed, cap, _ = self.auditor.fleet_cap(now)
        is_capped = removed >= CAPPED_RATIO * cap
        for key, ledger in self.auditor.ledgers.items():
            service, spec = self.region.services[key], ledger.words[-1][1]
            if not service.truth.exists:
                continue
            answer = ledger.fleets[-1] if ledger.fleets else None
            if answer is None or answer.fleet is None or now - answer.at > self._slowest_s + SERVED_S:
                self.auditor.found("L3", key, now, "the service is not read any more")
            if spec.mode == "shadow" or ledger.switched_off:
                continue
            needed = spec.needed
            desired = service.truth.fleet.desired
            if desired < min(needed, spec.max_tasks) and self._is_behind(service, now):
                self.auditor.found("L4", key, now, f"{desired} tasks at the end, and {needed} are needed")
            spare = desired > SPARE_RATIO * max(needed, spec.min_tasks) + SPARE_TASKS
            falling = now - ledger.lowered_at < CAP_WINDOW_S
            lowers = not (is_capped or falling) and spec.workers != "unsafe" and spec.mode == "active"
            if spare and lowers and not self._was_late(service, now):
                suspects.append(key)
        self._check_neighbours(now)
        return suspects

    def _is_behind(self, service: CloudService, now: float) -> bool:
        return max(queue.oldest_age_s(now) for queue in service.truth.queues) > 2 * TARGET_LATENCY_S

    def _was_late(self, service: CloudService, now: float) -> bool:
        """Whether messages waited too long in one of the last minutes: their backlog needs more tasks."""
        numbers = range(int(now // 60) - RESTED_MINUTES, int(now // 60))
        minutes = [queue.minutes.get(number) for queue in service.truth.queues for number in numbers]
        return any(minute is None or minute.oldest_age_s > TARGET_LATENCY_S / 2 for minute in minutes)

    def _check_neighbours(self, now: float) -> None:
        """L2: a service without faults of its own is polled in time, whatever happens to the others."""
        faults, whole = self.auditor.run.faults, {FaultScope.DAEMON, FaultScope.SETTINGS}
        if any(KINDS[fault.kind].scope in whole or fault.kind.endswith("_throttled") for fault in faults):
            return  # AWS throttles an account, not a service
        hit = {fault.subject for fault in faults}
        for key, ledger in self.auditor.ledgers.items():
            if hit & {key, *ledger.spec.queues}:
                continue
            times = [answer.at for answer in next(iter(ledger.queues.values()))]
            longest = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
            if longest > max(INTERVAL_S, self.auditor.run.quiet_interval_s) + 1.0:
                self.auditor.found("L2", key, now, f"not polled for {longest:.1f} s; only other services had faults")


AFTERMATH_S = 60.0
"""After a fault, its effects may last: a backoff of the rate limiter, a slow poll, tasks that start."""

EXCUSES = {
    "throttling", "expired", "outage", "freeze", "crash", "cut", "wrong", "omitted", "endless", "no_capacity",
    "replaced", "fleet_throttled", "fleet_unavailable", "fleet_denied", "fleet_hang", "fleet_stale", "fleet_slow",
    "writer", "poison",
}  # fmt: skip
LIES = {name for name, kind in KINDS.items() if kind.scope in {FaultScope.QUEUE, FaultScope.MINUTES}} | {"blackout"}


def _fallback_of(ledger: ServiceLedger, now: float) -> tuple[str, int] | None:
    """Return the fallback, if the settings of the last minute agree on it."""
    found = {spec.fallback for spec in ledger.specs(now)}
    return found.pop() if len(found) == 1 else None
