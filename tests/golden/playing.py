"""Play a story: its rows drive the real `decide` and `Memory`, poll by poll, as the loop does.

Each poll reads, decides, updates the memory, writes and acknowledges, in the loop's order. ECS accepts each write
unless the row says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby

from autoscaler.control.loop import GAP_POLLS
from autoscaler.core.engine import decide, limit_decision
from autoscaler.core.memory import Memory
from autoscaler.core.model import Decision, Observation, Verdict
from autoscaler.core.policy import Policy, WorkerSafety
from autoscaler.ports import Poll, ServiceRef
from tests.core.laws import the_demand_can_be_computed_from_the_terms
from tests.golden.story import Story, StoryOutcome, StoryRow
from tests.golden.world import StoryWorld

POLL_S = 10.0


@dataclass
class StoryDaemon:
    """The state of a daemon between polls. At the start of a story its warm-up is over."""

    memory: Memory
    lost: tuple[int, int] | None = None
    newest: tuple[Policy, Memory, Observation, Decision] | None = None

    def poll(self, world: StoryWorld, now: float) -> Decision:
        seen = world.observed(now, self.memory)
        self._begin_or_recall(world, seen)
        policy = world.policy()
        seen, decision = _decided(policy, self.memory, seen, world.protected)
        the_demand_can_be_computed_from_the_terms((policy, self.memory, seen), decision)
        for rule, count in world.limits:
            decision = limit_decision(decision, rule, count, "shared limits")
        self.newest = (policy, self.memory, seen, decision)
        self.memory = self.memory.remembering(policy, seen, decision)
        self._write(world, decision, now)
        return decision

    def _begin_or_recall(self, world: StoryWorld, seen: Observation) -> None:
        """Start a new memory after a restart, or acknowledge a write with a lost answer once ECS shows its count."""
        if world.restarted:
            self.memory, self.lost = Memory.begun(seen.fleet, seen.now), None
        elif self.lost is not None and seen.fleet.desired == self.lost[1]:
            before, target = self.lost
            self.memory, self.lost = self.memory.acknowledging(seen.now, target - before), None
        self.memory = self.memory.watched(seen.now, GAP_POLLS * POLL_S)

    def _write(self, world: StoryWorld, decision: Decision, now: float) -> None:
        if decision.verdict is Verdict.HOLD or world.refuses:
            return
        world.desired = decision.target
        if world.loses_answer:
            self.lost = decision.current, decision.target
        else:
            self.memory = self.memory.acknowledging(now, decision.target - decision.current)


def _decided(policy: Policy, memory: Memory, seen: Observation, protected: int | None) -> tuple[Observation, Decision]:
    """Decide; before a scale-in, read the protected tasks and decide again."""
    decision = decide(policy, memory, seen)
    if policy.workers is not WorkerSafety.SELF_PROTECTING or decision.verdict is not Verdict.SCALE_IN:
        return seen, decision
    seen = replace(seen, fleet=replace(seen.fleet, protected=protected))
    return seen, decide(policy, memory, seen)


def play(story: Story) -> tuple[StoryRow, ...]:
    """Return the story's rows as decided now. A range of polls with different outcomes becomes several rows."""
    world, daemon = StoryWorld(story), StoryDaemon(Memory())
    played: list[StoryRow] = []
    for row in story.rows:
        outcomes = []
        for poll in row.polls:
            world.see(row if poll == row.polls[0] else None, float(poll))
            outcomes.append((poll, _outcome(daemon.poll(world, float(poll)))))
        played += _rows(row, outcomes)
    return tuple(played)


def newest_poll(story: Story, rows: int) -> Poll:
    """Return the last poll of the first `rows` rows, with what it read and decided."""
    world, daemon = StoryWorld(story), StoryDaemon(Memory())
    for row in story.rows[:rows]:
        for poll in row.polls:
            world.see(row if poll == row.polls[0] else None, float(poll))
            daemon.poll(world, float(poll))
    assert daemon.newest is not None
    policy, memory, seen, decision = daemon.newest
    return Poll(ServiceRef("orders", "prod", "orders-worker"), policy, seen, memory, decision, "held")


def _outcome(decision: Decision) -> StoryOutcome:
    demand = "-" if decision.demand is None else str(decision.demand)
    return StoryOutcome(demand, str(decision.target), ", ".join(step.rule for step in decision.steps))


def _rows(row: StoryRow, outcomes: list[tuple[int, StoryOutcome]]) -> list[StoryRow]:
    """Return one row for each run of equal outcomes; the first one has the row's changes."""
    runs = [(outcome, tuple(poll for poll, _ in run)) for outcome, run in groupby(outcomes, key=lambda pair: pair[1])]
    first, *others = runs
    return [
        replace(row, polls=first[1], outcome=first[0]),
        *(StoryRow(polls, {}, (), outcome) for outcome, polls in others),
    ]
