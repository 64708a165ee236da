"""The observer: checks the guarantees S1 to S16 at every request, from the answers, the requests and the truth alone.

Each check is a formula over the `ServiceLedger`; its text is in `guarantees.py`. It is independent of the daemon's
code: it knows the settings that the operator wrote, not those that the daemon has in force, and AWS's answers, not the
daemon's memory. Where a reading may be late or a setting not yet in force, the formula gives the daemon the longest
time that the design states, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autoscaler.core.model import Fleet
from autoscaler.ports import QueueMinute, ServiceRef
from tests.fakeaws.world.queues import FakeCounts
from tests.faults.drawing import CLUSTER, INTERVAL_S, TAGGED_CLUSTER, DrawnRun, ServiceSpec
from tests.faults.ledger import NEVER, RACE_S, SETTLED_S, FleetAnswer, QueueAnswer, ServiceLedger, is_pause

CEILING = 100
"""The default of `max_tasks_ceiling`: the most that a tag may set."""

CAP_WINDOW_S, CAP_RATIO = 300.0, 0.5
SLOW_POLL_S = 9.0
"""A poll may take this much longer than another one: its calls take up to 3 s each."""

FRESH_S, CALL_S, TOKEN_S = 5.0, 3.0, 3.0
"""The oldest reading of ECS before a write, the longest call, and the longest wait for a rate-limit token."""

ROUNDED_S = 1 / 32
"""The daemon rounds instants to a 64th of a second."""

AGREEMENT_S, AGREEING_READS = 60.0, 3
UNSEEN_S, LEAD_S = 3600.0, 15.0
IDLE_S, IDLE_READS = 200.0, 10
LEAST_POLL_S = 1.0
NO_PROGRESS_S, NO_PROGRESS_MINUTES = 480.0, 6
"""Six published minutes cover more than the five that the rule requires, with a minute of delay."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A guarantee that was not kept: its name, the second of the run, the service, and the values of the formula."""

    guarantee: str
    at: float
    service: str
    text: str
    poll: int = 0

    def __str__(self) -> str:
        return f"{self.guarantee} at {self.at:.1f} s, {self.service}: {self.text}"


@dataclass(slots=True)
class Auditor:
    """Checks one run. `polls` is set by the run, so that a violation says after how many polls it was found."""

    run: DrawnRun
    began: float
    ledgers: dict[str, ServiceLedger] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    polls: int = 0
    removals: list[tuple[float, int]] = field(default_factory=list)
    doubtful_file: bool = False

    def __post_init__(self) -> None:
        self.ledgers = {spec.key: ServiceLedger.of(spec, self.began) for spec in self.run.services}

    # What happens.

    def started(self, now: float, *, intact_file: bool) -> None:
        """A daemon starts. `intact_file`: the settings file is as the operator wants it."""
        self.doubtful_file = not intact_file
        for ledger in self.ledgers.values():
            ledger.restart(now)

    def wrote(self, key: str, spec: ServiceSpec, now: float) -> None:
        """The operator wrote these settings of a service."""
        self.ledgers[key].words.append((now, spec))

    def counts(self, key: str, queue: str, asked: float, now: float, counts: FakeCounts | None) -> None:
        self.ledgers[key].queues[queue].append(QueueAnswer(asked, now, counts))

    def minute(self, key: str, queue: str, minute: QueueMinute) -> None:
        known = self.ledgers[key].minutes[queue]
        if not known or minute.at > known[-1].at:
            known.append(minute)

    def fleet(self, key: str, asked: float, now: float, fleet: Fleet | None) -> None:
        ledger = self.ledgers[key]
        ledger.fleets.append(FleetAnswer(asked, now, fleet))
        if fleet is None:
            return
        if fleet.identity != ledger.identity:
            if ledger.identity is not None:
                ledger.since, ledger.switched_off = now, False
            ledger.raised_at = ledger.lowered_at = NEVER
            starting = fleet.desired > fleet.running
            ledger.starting_until = now + ledger.spec.out_cooldown_s if starting else NEVER
        ledger.identity, ledger.doubtful = fleet.identity, False
        if ledger.hidden and (fleet.revision.updated or now) >= ledger.desired[-1][0]:
            ledger.hidden = False
            ledger.visible.append((now, fleet.desired))
        if fleet.pause_tag is None or is_pause(fleet.pause_tag.split(" ")[0]):
            ledger.last_pause = fleet.pause_tag
        if fleet.desired > 0 and not ledger.hidden:
            ledger.switched_off = False

    def protected(self, key: str, now: float, tasks: int | None) -> None:
        self.ledgers[key].protected = now, tasks

    def changed(self, key: str, tasks: int, now: float, *, by_daemon: bool) -> None:
        """The true desired count changed: by the daemon, or by another writer."""
        ledger = self.ledgers[key]
        before, shown = ledger.desired[-1][1], ledger.shown_desired
        before = shown if by_daemon and ledger.hidden and shown is not None else before
        ledger.desired.append((now, tasks))
        ledger.hidden = not by_daemon
        if by_daemon:
            ledger.visible.append((now, tasks))
            ledger.raised_at = now if tasks > before else ledger.raised_at
            ledger.lowered_at = now if tasks < before else ledger.lowered_at
            if tasks < before:
                self.removals.append((now, before - tasks))
                self._check_fleet_cap(key, now)
        elif tasks == 0 and before > 0 and all(spec.min_tasks > 0 for spec in ledger.specs(now)):
            newest = ledger.fleet
            ledger.switched_off = newest is not None and newest.fleet is not None and newest.fleet.desired > 0
        else:
            ledger.switched_off = False

    def answered(self, key: str, *, known: bool) -> None:
        """The request that was in progress is over. `known`: the daemon knows whether it took effect."""
        ledger = self.ledgers[key]
        ledger.open_since = None
        ledger.doubtful = ledger.doubtful or not known

    # UpdateService.

    def requested(self, ref: ServiceRef, tasks: int, now: float) -> None:
        """UpdateService arrives at AWS: check everything that can be known at this time."""
        ledger = self.ledgers.get(ref.service)
        place = TAGGED_CLUSTER if ledger is not None and ledger.spec.tagged else CLUSTER
        if ledger is None or ref.cluster != place or ref.role is not None:
            self.found(
                "S10", ref.service, now, f"UpdateService of {ref.cluster}/{ref.service}, which is not configured"
            )
            return
        if ledger.open_since is not None or now - ledger.asked_at < LEAST_POLL_S:
            self.found("S6", ref.service, now, "two UpdateService calls of one service in one poll")
        elif ledger.doubtful:
            self.found("S6", ref.service, now, "another UpdateService before ECS was read after an unknown result")
        ledger.open_since = ledger.asked_at = now
        ledger.asked_tasks = tasks
        lowers, raises = tasks < ledger.lowest(now), tasks > ledger.highest(now)
        self._check_bounds(ledger, tasks, now)
        self._check_modes(ledger, tasks, now, lowers=lowers, raises=raises)
        if raises:
            self._check_raise(ledger, tasks, now)
        elif lowers:
            self._check_lowering(ledger, tasks, now)
        elif not ledger.doubtful and ledger.lowest(now) == tasks == ledger.highest(now) == ledger.shown_desired:
            self.found("S7", ledger.spec.key, now, f"UpdateService to {tasks}, which was the count already")

    def _check_bounds(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        specs = ledger.specs(now)
        most = CEILING if ledger.spec.tagged else max(spec.max_tasks for spec in specs)
        least = 0 if ledger.spec.tagged or self.doubtful_file else min(spec.min_tasks for spec in specs)
        if tasks > most and tasks >= ledger.highest(now):
            self.found("S1", ledger.spec.key, now, f"{tasks} tasks requested, max_tasks is {most}")
        if tasks < least:
            self.found("S1", ledger.spec.key, now, f"{tasks} tasks requested, min_tasks is {least}")

    def _check_modes(self, ledger: ServiceLedger, tasks: int, now: float, *, lowers: bool, raises: bool) -> None:
        modes, key = {spec.mode for spec in ledger.specs(now)}, ledger.spec.key
        if modes == {"shadow"}:
            self.found("S9", key, now, f"UpdateService to {tasks} in shadow")
        if modes == {"scale_out_only"} and lowers and not _is_count(ledger.tag):
            self.found("S9", key, now, f"scaled in to {tasks}; the mode is scale_out_only")
        paused = ledger.paused
        if " until " in (ledger.tag or "") and any(fault.kind == "clock" for fault in self.run.faults):
            return  # the end of the pause is a wall time, and the daemon's wall clock is wrong
        if paused == "all" or (paused == "in" and lowers) or (paused == "out" and raises):
            self.found("S9", key, now, f"UpdateService to {tasks} while the tag pauses {paused!r}")

    def _check_raise(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        key = ledger.spec.key
        if ledger.switched_off and not ledger.hidden and not _is_count(ledger.tag):
            self.found("S8", key, now, f"scaled out to {tasks} after another writer set 0 below min_tasks")
        least, stated = max(spec.min_tasks for spec in ledger.specs(now)), _is_count(ledger.tag)
        if self._is_idle(ledger, now) and tasks > least and not (ledger.spec.tagged or stated):
            self.found("S14", key, now, f"scaled out to {tasks} without a message for {IDLE_S:g} s")
        self._check_progress(ledger, tasks, now)
        self._check_cooldown(ledger, tasks, now)
        answer = ledger.fleet
        if answer is None or now - answer.asked > RACE_S:
            self.found("S2", key, now, f"scaled out to {tasks} without a fresh reading of ECS")

    def _check_cooldown(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        """S7 and S5: no scale-out in the cooldown of one that took effect, nor just after a restart while tasks start.
        Below the minimum, and with a count in the tag, the cooldown does not apply.
        """
        spec, key = ledger.spec, ledger.spec.key
        if _is_count(ledger.tag) or ledger.lowest(now) < max(each.min_tasks for each in ledger.specs(now)):
            return
        if now - ledger.raised_at < spec.out_cooldown_s - ROUNDED_S:
            text = f"scaled out to {tasks}, {now - ledger.raised_at:.0f} s after a scale-out; the cooldown is not over"
            self.found("S7", key, now, text)
        elif now < ledger.starting_until - ROUNDED_S:
            self.found("S5", key, now, f"scaled out to {tasks} after a restart while tasks start, in their cooldown")

    def _check_progress(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        """S16: messages are received over and over, and none is deleted."""
        minutes = [minute for each in ledger.minutes.values() for minute in each if minute.at > ledger.since]
        ends = {minute.at for minute in minutes if minute.at > now - NO_PROGRESS_S}
        if len(ends) < NO_PROGRESS_MINUTES or _is_count(ledger.tag) or ledger.spec.fallback is not None:
            return
        if tasks <= max(spec.min_tasks for spec in ledger.specs(now)):
            return
        lately = [minute for minute in minutes if minute.at in ends]
        slots = ledger.highest(now)
        if not any(one.deleted for one in lately) and sum(one.received or 0 for one in lately) > 3 * max(1, slots):
            text = f"scaled out to {tasks}; messages are received and none was deleted in {len(ends)} minutes"
            self.found("S16", ledger.spec.key, now, text)

    def _is_idle(self, ledger: ServiceLedger, now: float) -> bool:
        for name, answers in ledger.queues.items():
            lately = [one for one in answers if one.at > now - IDLE_S]
            if len(lately) < IDLE_READS or any(one.counts is None or any(one.counts) for one in lately):
                return False
            minutes = [one for one in ledger.minutes[name] if one.at > now - IDLE_S - 120.0]
            if len(minutes) < 3 or any(one.sent or one.received or one.oldest_age_s for one in minutes):
                return False
        return now - ledger.since > IDLE_S

    def _check_lowering(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        spec, key = ledger.spec, ledger.spec.key
        answer, stated = ledger.fleet, _is_count(ledger.tag)
        if answer is None or answer.fleet is None or now - answer.asked > FRESH_S + CALL_S + TOKEN_S:
            self.found("S2", key, now, f"scaled in to {tasks} without a fresh reading of ECS")
            return
        deployment = answer.fleet.deployment
        if deployment is not None and now - deployment.started < spec.at_most_s:
            self.found(
                "S8", key, now, f"scaled in to {tasks}, {now - deployment.started:.0f} s after a deployment began"
            )
        self._check_protected(ledger, tasks, now)
        if stated:
            return
        if now - ledger.lowered_at < spec.in_cooldown_s - ROUNDED_S:
            text = f"scaled in to {tasks}, {now - ledger.lowered_at:.0f} s after a scale-in; the cooldown is not over"
            self.found("S7", key, now, text)
        bad = [name for name, answers in ledger.queues.items() if _is_unread(answers, now)]
        if bad and not self._falls_back(ledger, bad, tasks, now):
            self.found("S2", key, now, f"scaled in to {tasks} while {', '.join(bad)} could not be read")
        if not bad:
            self._check_observed(ledger, tasks, now)
            if tasks == 0:
                self._check_zero(ledger, now)

    def _falls_back(self, ledger: ServiceLedger, bad: list[str], tasks: int, now: float) -> bool:
        fallback = ledger.spec.fallback
        if fallback is None or fallback[0] == "current_if_higher" or len(bad) < len(ledger.queues):
            return False
        return tasks >= min(fallback[1], *(spec.max_tasks for spec in ledger.specs(now)))

    def _check_observed(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        """S5 and S12: the longest window was observed without a gap, by this daemon."""
        gap_s = max(30.0, 3.5 * max(self.run.quiet_interval_s, INTERVAL_S)) + SLOW_POLL_S
        since = ledger.observed_since(now, gap_s)
        if now - since >= ledger.spec.window_s - ROUNDED_S:
            return
        restarted = since - ledger.since < gap_s
        text = (
            f"scaled in to {tasks} after {now - since:.0f} s of observation; the windows are {ledger.spec.window_s:g} s"
        )
        self.found("S5" if restarted else "S12", ledger.spec.key, now, text)

    def _check_zero(self, ledger: ServiceLedger, now: float) -> None:
        for name in ledger.queues:
            seconds, reads = ledger.zero_run_s(name)
            if seconds <= AGREEMENT_S or reads < AGREEING_READS:
                text = f"scaled to 0 after {name} was empty in {reads} readings over {seconds:.0f} s"
                self.found("S4", ledger.spec.key, now, text)
            minutes = ledger.minutes[name]
            newest = minutes[-1] if minutes else None
            if newest is None or now - newest.at > UNSEEN_S:
                continue
            moved = max(newest.sent or 0, newest.received or 0, newest.deleted or 0)
            if (moved or newest.oldest_age_s) and not ledger.shown(name, newest.at - 60.0 - LEAD_S, newest.at):
                text = f"scaled to 0 although CloudWatch counted {moved} messages in {name} that SQS did not show"
                self.found("S15", ledger.spec.key, now, text)

    def _check_protected(self, ledger: ServiceLedger, tasks: int, now: float) -> None:
        if ledger.spec.workers != "self_protecting":
            return
        read = ledger.protected
        if read is None or now - read[0] > FRESH_S + CALL_S + TOKEN_S + SLOW_POLL_S or read[1] is None:
            self.found("S4", ledger.spec.key, now, f"scaled in to {tasks}, and the protected tasks were not read")
        elif tasks < min(read[1], ledger.lowest(now)):
            self.found("S4", ledger.spec.key, now, f"scaled in to {tasks}, and {read[1]} tasks are protected")

    def _check_fleet_cap(self, key: str, now: float) -> None:
        """S11, also across restarts: the tasks that a daemon and its successors removed."""
        if len(self.ledgers) < 2:
            return
        removed, cap, most = self.fleet_cap(now)
        if removed > cap:
            self.found(
                "S11", key, now, f"{removed} of {most} tasks removed within {CAP_WINDOW_S:g} s; the cap is {cap}"
            )

    def fleet_cap(self, now: float) -> tuple[int, int, int]:
        """Return the tasks that the daemon removed in the window, how many it may remove, and the most tasks of all
        services in that time.
        """
        self.removals = [each for each in self.removals if each[0] > now - CAP_WINDOW_S]
        removed = sum(tasks for _, tasks in self.removals)
        since, ledgers = now - CAP_WINDOW_S - SETTLED_S, self.ledgers.values()
        times = [at for one in ledgers for at, _ in (*one.desired, *one.visible) if at > since]
        most = max(sum(one.most_at(at) for one in ledgers) for at in (since, *times))
        return removed, -int(-CAP_RATIO * most // 1), most

    def found(self, guarantee: str, service: str, now: float, text: str) -> None:
        """Record a violation."""
        self.violations.append(Violation(guarantee, now - self.began, service, text, self.polls))


def _is_count(tag: str | None) -> bool:
    """Whether the tag pauses the service at a count, which the operator says explicitly."""
    return tag is not None and tag.split(" ")[0].isdigit()


def _is_unread(answers: Sequence[QueueAnswer], now: float) -> bool:
    """Whether the newest reading of a queue failed, or is too old for a decision."""
    newest = answers[-1] if answers else None
    return newest is None or newest.counts is None or now - newest.at > 30.0 + SLOW_POLL_S
