"""The safety laws of three loops with one admission, under random events.

The checks use the writes and the state of the fakes at that time, never the state of the loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from autoscaler.control.admission import WINDOW_S, WRITE_S, Admission
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.shadow import Shadow
from autoscaler.core.model import Fleet, Missing, Revision
from autoscaler.core.policy import QueuePolicy, ScaleIn, WorkerSafety
from autoscaler.errors import AutoscalerError, Throttled, Unavailable
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import FakePorts, ports_of, service
from tests.virtual import VirtualLoop

MIN, MAX, CAP = 1, 20, 25
INTERVAL_S, STABLE_S = 10.0, 60.0
KEYS = ("orders", "refunds", "mails")
MISSING = Missing("it did not answer", "unavailable")


@dataclass(frozen=True)
class CheckedChange:
    """One accepted change, and the state of the fakes at its time."""

    at: float
    key: str
    before: int
    after: int
    tag: str | None
    queue_missing: bool
    deploying: bool
    protected: int
    in_flight: int
    all_tasks: int
    up_s: float

    @property
    def removed(self) -> int:
        return max(0, self.before - self.after)


@dataclass
class Truth(FakePorts):
    """Fakes that record every change that ECS accepts. `shown`: the count of the last reading. The admission does not
    learn of another count before the next reading.
    """

    key: str = ""
    seen: list[CheckedChange] = field(default_factory=list)
    count_all_tasks: Callable[[], int] = lambda: 0
    up_since: float = 0.0
    shown: int = 0

    async def read(self, of: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        fleet = await super().read(of, urgency)
        self.shown = self.shown if isinstance(fleet, Missing) else fleet.desired
        return fleet

    async def scale_to(self, of: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> Revision | None:
        before, all_tasks, at = self.desired, self.count_all_tasks(), asyncio.get_running_loop().time()
        try:
            return await super().scale_to(of, tasks, urgency, more)
        finally:
            if self.desired != before:
                protected = self.protected_tasks if isinstance(self.protected_tasks, int) else 0
                self.seen.append(
                    CheckedChange(
                        at, self.key, before, self.desired, self.pause_tag, self.queue_missing is not None,
                        self.deploying_since is not None, protected, self.in_flight, all_tasks,
                        at - self.up_since,
                    )
                )  # fmt: skip


class ThreeServices(RuleBasedStateMachine):
    """Three services: `mails` in shadow, `refunds` with tasks that protect themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.worlds: dict[str, Truth] = {}
        self.writes: list[CheckedChange] = []

    @initialize(counts=st.tuples(*[st.integers(0, 24)] * 3))
    def begin(self, counts: tuple[int, ...]) -> None:
        for key, desired in zip(KEYS, counts, strict=True):
            world = Truth(key=key, desired=desired, seen=self.writes, waiting=50)
            world.count_all_tasks = lambda: sum(max(world.desired, world.shown) for world in self.worlds.values())
            self.worlds[key] = world
        self.start()

    @rule()
    def start(self) -> None:
        """Start or restart the daemon, without any memory."""
        now = self.runner.get_loop().time()
        admission = Admission(KEYS, self.runner.get_loop().time, CAP)
        self.loops = {key: self.loop_of(key, admission) for key in KEYS}
        self.started = now
        for world in self.worlds.values():
            world.up_since = now

    def loop_of(self, key: str, admission: Admission) -> ServiceLoop:
        world = self.worlds[key]
        ports = ports_of(world)
        if key == "mails":
            ports = replace(ports, fleets=Shadow(world))
        config = service(
            key,
            queues=(QueuePolicy(key, 60.0),),
            min_tasks=MIN,
            max_tasks=MAX,
            **dict[str, Any](self.policy_fields(key)),
        )
        return ServiceLoop(config, ports, Rhythm(INTERVAL_S), admission)

    @staticmethod
    def policy_fields(key: str) -> dict[str, object]:
        workers = WorkerSafety.SELF_PROTECTING if key == "refunds" else WorkerSafety.DRAINING
        return {"workers": workers, "scale_in": ScaleIn(stabilization_s=STABLE_S), "busy_floor": False}

    @rule(polls=st.sampled_from([1, 2, 8, 40]))
    def run_polls(self, polls: int) -> None:
        async def run() -> None:
            for _ in range(polls):
                for loop in self.loops.values():
                    await loop.poll()
                await asyncio.sleep(INTERVAL_S)

        self.runner.run(run())

    @rule(key=st.sampled_from(KEYS), waiting=st.sampled_from([0, 0, 5, 50, 500]), in_flight=st.sampled_from([0, 3]))
    def set_load(self, key: str, waiting: int, in_flight: int) -> None:
        world = self.worlds[key]
        world.waiting, world.in_flight = waiting, in_flight

    @rule()
    def all_queues_read_zero(self) -> None:
        for key in KEYS:
            self.set_load(key, 0, 0)

    @rule(key=st.sampled_from(KEYS[:2]), protected_tasks=st.sampled_from([3, 12]))
    def one_service_becomes_idle(self, key: str, protected_tasks: int) -> None:
        """Remove all faults, and give one service many tasks and little work, so that a scale-in happens."""
        for world in self.worlds.values():
            world.queue_missing = world.service_missing = world.write_error = None
            world.pause_tag = world.deploying_since = None
            world.desired, world.protected_tasks = MAX, protected_tasks
            self.set_load(world.key, 195, 0)
        self.set_load(key, 5, 0)
        self.run_polls(40)

    @rule(
        key=st.sampled_from(KEYS[:2]),
        tag=st.sampled_from(["all", "in", "out", "al"]),
        waiting=st.sampled_from([0, 500]),
    )
    def an_operator_tags_and_the_load_changes(self, key: str, tag: str, waiting: int) -> None:
        self.one_service_becomes_idle(key, 0)
        self.worlds[key].desired, self.worlds[key].pause_tag = 10, tag
        self.set_load(key, waiting, 0)
        self.run_polls(40)

    @rule(key=st.sampled_from(KEYS), desired=st.sampled_from([0, 1, 7, 20, 24]))
    def another_program_scales(self, key: str, desired: int) -> None:
        self.worlds[key].desired = desired

    @rule(key=st.sampled_from(KEYS), tag=st.sampled_from([None, None, "all", "in", "out", "5"]))
    def an_operator_tags(self, key: str, tag: str | None) -> None:
        self.worlds[key].pause_tag = tag

    @rule(key=st.sampled_from(KEYS), queue_missing=st.sampled_from([None, None, MISSING]))
    def the_queue_read_fails_or_works(self, key: str, queue_missing: Missing | None) -> None:
        self.worlds[key].queue_missing = queue_missing

    @rule(key=st.sampled_from(KEYS), service_missing=st.sampled_from([None, None, MISSING]))
    def the_service_read_fails_or_works(self, key: str, service_missing: Missing | None) -> None:
        self.worlds[key].service_missing = service_missing

    @rule(key=st.sampled_from(KEYS), rolling=st.booleans())
    def a_deployment_begins_or_ends(self, key: str, rolling: bool) -> None:
        self.worlds[key].deploying_since = self.runner.get_loop().time() if rolling else None

    @rule(count=st.sampled_from([0, 3, 12, MISSING]))
    def tasks_protect_themselves(self, count: int | Missing) -> None:
        self.worlds["refunds"].protected_tasks = count

    @rule(
        key=st.sampled_from(KEYS),
        write_error=st.sampled_from([None, None, Throttled("too fast"), Unavailable("timed out")]),
        accepts=st.booleans(),
    )
    def writes_fail_or_work(self, key: str, write_error: AutoscalerError | None, accepts: bool) -> None:
        world = self.worlds[key]
        world.write_error, world.accepts_despite_error = write_error, accepts and isinstance(write_error, Unavailable)

    @invariant()
    def s1_no_write_is_outside_the_bounds_unless_it_moves_towards_them(self) -> None:
        for write in self.writes:
            assert write.after >= MIN or write.after > write.before
            assert write.after <= MAX or write.after < write.before

    @invariant()
    def s2_no_scale_in_while_the_queue_is_unreadable(self) -> None:
        assert not [write for write in self.writes if write.removed and write.queue_missing and write.tag != "5"]

    @invariant()
    def s4_no_scale_in_below_the_protected_tasks(self) -> None:
        for write in self.writes:
            if write.key == "refunds" and write.removed:
                assert write.after >= min(write.before, write.protected)

    @invariant()
    def s5_no_scale_in_before_a_full_stabilization_window(self) -> None:
        assert not [write for write in self.writes if write.removed and write.up_s < STABLE_S and write.tag != "5"]

    @invariant()
    def s8_no_scale_in_during_a_deployment(self) -> None:
        assert not [write for write in self.writes if write.removed and write.deploying and write.tag != "5"]

    @invariant()
    def s9_shadow_and_pause_change_nothing(self) -> None:
        for write in self.writes:
            assert write.key != "mails"
            assert write.tag not in {"all", "al"}
            assert not (write.tag == "in" and write.removed)
            assert not (write.tag == "out" and write.after > write.before)

    @invariant()
    def s11_no_window_removes_more_than_the_fleet_cap(self) -> None:
        ours = [write for write in self.writes if write.at >= getattr(self, "started", 0.0)]
        for first in ours:
            window = [write for write in ours if first.at <= write.at < first.at + WINDOW_S]
            reach = first.at - WINDOW_S - WRITE_S
            most = max(write.all_tasks for write in ours if reach <= write.at < first.at + WINDOW_S)
            assert sum(write.removed for write in window) <= -(-most * CAP // 100)

    def teardown(self) -> None:
        self.runner.close()


ThreeServices.TestCase.settings = settings(
    deadline=None, max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestLife = ThreeServices.TestCase
