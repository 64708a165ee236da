"""A story told anew: its rows drive the real `decide` and `Memory`, tick after tick, as the loop does.

Every tick reads, decides, remembers, writes and acknowledges, in the loop's order; ECS accepts what is written
unless the row says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby

from autoscaler.control.loop import GAP_POLLS
from autoscaler.core.engine import decide, limit_decision
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Observation, Verdict
from autoscaler.core.policy import Policy, Workers
from tests.golden.story import Outcome, Row, Story
from tests.golden.world import World

TICK_S = 10.0


@dataclass
class Daemon:
    """What one daemon keeps between ticks. A story begins with one that has watched for long."""

    memory: Memory
    lost: tuple[int, int] | None = None

    def tick(self, world: World, now: float) -> Decision:
        seen = world.observed(now, self.memory)
        self._begin_or_recall(world, seen)
        policy = world.policy()
        seen, decision = _decided(policy, self.memory, seen, world.protected)
        for rule, count in world.restraints:
            decision = limit_decision(decision, rule, count, "what services share")
        self.memory = self.memory.remembering(policy, seen, decision)
        self._write(world, decision, now)
        return decision

    def _begin_or_recall(self, world: World, seen: Observation) -> None:
        """A write whose answer was lost counts once ECS shows it."""
        if world.restarted:
            self.memory, self.lost = Memory.begun(seen.fleet, seen.now), None
        elif self.lost is not None and seen.fleet.desired == self.lost[1]:
            before, target = self.lost
            self.memory, self.lost = self.memory.acknowledging(seen.now, target - before), None
        self.memory = self.memory.watched(seen.now, GAP_POLLS * TICK_S)

    def _write(self, world: World, decision: Decision, now: float) -> None:
        if decision.verdict is Verdict.HOLD or world.refuses:
            return
        world.desired = decision.target
        if world.loses_answer:
            self.lost = decision.current, decision.target
        else:
            self.memory = self.memory.acknowledging(now, decision.target - decision.current)


def _decided(policy: Policy, memory: Memory, seen: Observation, protected: int | None) -> tuple[Observation, Decision]:
    """Protection is read only when a scale-in is about to happen, and then it is decided again."""
    decision = decide(policy, memory, seen)
    if policy.workers is not Workers.SELF_PROTECTING or decision.verdict is not Verdict.SCALE_IN:
        return seen, decision
    seen = replace(seen, fleet=replace(seen.fleet, protected=protected))
    return seen, decide(policy, memory, seen)


def tell(story: Story) -> tuple[Row, ...]:
    """The story's rows as they are decided now. A range whose ticks no longer agree becomes several rows."""
    world, daemon = World(story), Daemon(Memory())
    told: list[Row] = []
    for row in story.rows:
        outcomes = []
        for tick in row.ticks:
            world.see(row if tick == row.ticks[0] else None, float(tick))
            outcomes.append((tick, _outcome(daemon.tick(world, float(tick)))))
        told += _rows(row, outcomes)
    return tuple(told)


def _outcome(decision: Decision) -> Outcome:
    demand = "-" if decision.demand is None else str(decision.demand)
    return Outcome(demand, str(decision.target), ", ".join(step.rule for step in decision.steps))


def _rows(row: Row, outcomes: list[tuple[int, Outcome]]) -> list[Row]:
    """One for each run of equal outcomes; what was new belongs to the first."""
    runs = [(outcome, tuple(tick for tick, _ in run)) for outcome, run in groupby(outcomes, key=lambda told: told[1])]
    first, *others = runs
    return [
        replace(row, ticks=first[1], outcome=first[0]),
        *(Row(ticks, {}, (), outcome) for outcome, ticks in others),
    ]
