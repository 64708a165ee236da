"""The promises, kept by two loops and one admission through anything that may happen to them.

The observer sees the writes, and the truth of the world at their moment; never our own state.
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
from autoscaler.control.loop import Rhythm, ServiceLoop
from autoscaler.control.shadow import Shadow
from autoscaler.core.model import Fleet, Missing
from autoscaler.core.policy import Direction, QueuePolicy, Workers
from autoscaler.errors import AutoscalerError, Throttled, Unavailable
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import World, ports_of, service
from tests.virtual import VirtualLoop

MIN, MAX, CAP = 1, 20, 25
INTERVAL_S, STABLE_S = 10.0, 60.0
KEYS = ("orders", "refunds", "mails")
MISSING = Missing("it did not answer", "unavailable")


@dataclass(frozen=True)
class Write:
    """One accepted change, and what was true when it was made."""

    at: float
    key: str
    before: int
    after: int
    tag: str | None
    blind: bool
    deploying: bool
    protected: int
    in_flight: int
    watched: int
    up_s: float

    @property
    def removed(self) -> int:
        return max(0, self.before - self.after)


@dataclass
class Truth(World):
    """A world that notes every change that ECS accepts. `shown` is the count that it last told: nobody can know of
    another before its next reading.
    """

    key: str = ""
    seen: list[Write] = field(default_factory=list)
    everyone: Callable[[], int] = lambda: 0
    up_since: float = 0.0
    shown: int = 0

    async def read(self, of: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        fleet = await super().read(of, urgency)
        self.shown = self.shown if isinstance(fleet, Missing) else fleet.desired
        return fleet

    async def scale_to(self, of: ServiceRef, tasks: int, urgency: Urgency, more: int = 0) -> bool:
        before, watched, at = self.desired, self.everyone(), asyncio.get_running_loop().time()
        try:
            return await super().scale_to(of, tasks, urgency, more)
        finally:
            if self.desired != before:
                protected = self.protects if isinstance(self.protects, int) else 0
                self.seen.append(
                    Write(
                        at, self.key, before, self.desired, self.pause_tag, self.blind is not None,
                        self.deploying_since is not None, protected, self.in_flight, watched,
                        at - self.up_since,
                    )
                )  # fmt: skip


class Life(RuleBasedStateMachine):
    """Three services: `mails` in shadow, `refunds` with workers that protect themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.worlds: dict[str, Truth] = {}
        self.writes: list[Write] = []

    @initialize(counts=st.tuples(*[st.integers(0, 24)] * 3))
    def begin(self, counts: tuple[int, ...]) -> None:
        for key, desired in zip(KEYS, counts, strict=True):
            world = Truth(key=key, desired=desired, seen=self.writes, waiting=50)
            world.everyone = lambda: sum(max(world.desired, world.shown) for world in self.worlds.values())
            self.worlds[key] = world
        self.start()

    @rule()
    def start(self) -> None:
        """The daemon starts, or starts again: nothing is remembered."""
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
        wanted = service(
            key, queues=(QueuePolicy(key, 60.0),), min_tasks=MIN, max_tasks=MAX, **dict[str, Any](self.wishes(key))
        )
        return ServiceLoop(wanted, ports, Rhythm(INTERVAL_S), admission)

    @staticmethod
    def wishes(key: str) -> dict[str, object]:
        workers = Workers.SELF_PROTECTING if key == "refunds" else Workers.DRAINING
        return {"workers": workers, "scale_in": Direction(stabilization_s=STABLE_S), "busy_floor": False}

    @rule(ticks=st.sampled_from([1, 2, 8, 40]))
    def live(self, ticks: int) -> None:
        async def on() -> None:
            for _ in range(ticks):
                for loop in self.loops.values():
                    await loop.tick()
                await asyncio.sleep(INTERVAL_S)

        self.runner.run(on())

    @rule(key=st.sampled_from(KEYS), waiting=st.sampled_from([0, 0, 5, 50, 500]), in_flight=st.sampled_from([0, 3]))
    def work(self, key: str, waiting: int, in_flight: int) -> None:
        world = self.worlds[key]
        world.waiting, world.in_flight = waiting, in_flight

    @rule()
    def all_queues_read_zero(self) -> None:
        for key in KEYS:
            self.work(key, 0, 0)

    @rule(key=st.sampled_from(KEYS[:2]), protects=st.sampled_from([3, 12]))
    def one_service_falls_quiet(self, key: str, protects: int) -> None:
        """Nothing is at fault, and one service has many tasks and little to do: what lets a scale-in happen."""
        for world in self.worlds.values():
            world.blind = world.gone = world.refuses = world.pause_tag = world.deploying_since = None
            world.desired, world.protects = MAX, protects
            self.work(world.key, 195, 0)
        self.work(key, 5, 0)
        self.live(40)

    @rule(
        key=st.sampled_from(KEYS[:2]),
        tag=st.sampled_from(["all", "in", "out", "al"]),
        waiting=st.sampled_from([0, 500]),
    )
    def somebody_tags_and_the_work_changes(self, key: str, tag: str, waiting: int) -> None:
        self.one_service_falls_quiet(key, 0)
        self.worlds[key].desired, self.worlds[key].pause_tag = 10, tag
        self.work(key, waiting, 0)
        self.live(40)

    @rule(key=st.sampled_from(KEYS), desired=st.sampled_from([0, 1, 7, 20, 24]))
    def somebody_scales(self, key: str, desired: int) -> None:
        self.worlds[key].desired = desired

    @rule(key=st.sampled_from(KEYS), tag=st.sampled_from([None, None, "all", "in", "out", "5"]))
    def somebody_tags(self, key: str, tag: str | None) -> None:
        self.worlds[key].pause_tag = tag

    @rule(key=st.sampled_from(KEYS), blind=st.sampled_from([None, None, MISSING]))
    def the_queue_is_lost_or_found(self, key: str, blind: Missing | None) -> None:
        self.worlds[key].blind = blind

    @rule(key=st.sampled_from(KEYS), gone=st.sampled_from([None, None, MISSING]))
    def the_service_is_lost_or_found(self, key: str, gone: Missing | None) -> None:
        self.worlds[key].gone = gone

    @rule(key=st.sampled_from(KEYS), rolling=st.booleans())
    def a_deployment_begins_or_ends(self, key: str, rolling: bool) -> None:
        self.worlds[key].deploying_since = self.runner.get_loop().time() if rolling else None

    @rule(count=st.sampled_from([0, 3, 12, MISSING]))
    def tasks_protect_themselves(self, count: int | Missing) -> None:
        self.worlds["refunds"].protects = count

    @rule(
        key=st.sampled_from(KEYS),
        refuses=st.sampled_from([None, None, Throttled("too fast"), Unavailable("timed out")]),
        takes=st.booleans(),
    )
    def writes_fail_or_work(self, key: str, refuses: AutoscalerError | None, takes: bool) -> None:
        world = self.worlds[key]
        world.refuses, world.takes_it_all_the_same = refuses, takes and isinstance(refuses, Unavailable)

    @invariant()
    def s1_nothing_is_written_outside_the_bounds_unless_on_the_way_to_them(self) -> None:
        for write in self.writes:
            assert write.after >= MIN or write.after > write.before
            assert write.after <= MAX or write.after < write.before

    @invariant()
    def s2_never_in_while_blind(self) -> None:
        assert not [write for write in self.writes if write.removed and write.blind and write.tag != "5"]

    @invariant()
    def s4_never_below_protected_tasks(self) -> None:
        for write in self.writes:
            if write.key == "refunds" and write.removed:
                assert write.after >= min(write.before, write.protected)

    @invariant()
    def s5_never_in_before_the_window_was_watched(self) -> None:
        assert not [write for write in self.writes if write.removed and write.up_s < STABLE_S and write.tag != "5"]

    @invariant()
    def s8_never_in_during_a_deployment(self) -> None:
        assert not [write for write in self.writes if write.removed and write.deploying and write.tag != "5"]

    @invariant()
    def s9_shadow_and_pause_change_nothing(self) -> None:
        for write in self.writes:
            assert write.key != "mails"
            assert write.tag not in {"all", "al"}
            assert not (write.tag == "in" and write.removed)
            assert not (write.tag == "out" and write.after > write.before)

    @invariant()
    def s11_no_more_than_the_fleet_cap_goes_in_a_window(self) -> None:
        ours = [write for write in self.writes if write.at >= getattr(self, "started", 0.0)]
        for first in ours:
            window = [write for write in ours if first.at <= write.at < first.at + WINDOW_S]
            reach = first.at - WINDOW_S - WRITE_S
            most = max(write.watched for write in ours if reach <= write.at < first.at + WINDOW_S)
            assert sum(write.removed for write in window) <= -(-most * CAP // 100)

    def teardown(self) -> None:
        self.runner.close()


Life.TestCase.settings = settings(
    deadline=None, max_examples=40, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
