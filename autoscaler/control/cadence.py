"""The time until the next poll of a service, and the reason for it.

A service is quiet when its queues are empty, its count is at the minimum and does not change, and no message is
expected. Each quiet poll doubles the time to the next one, up to a bound; the first message ends this. The bound is the
operator's setting, or less if the latency target requires it: a message that arrives just after a poll must be read in
time to start a task for it.

Other services are polled at the configured `interval`. Without one, it is derived: shorter where a start-up leaves
little time until the latency target, as far as the calls cost next to nothing and fit into the call budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

from autoscaler.control.readers import is_moving
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import FIFO_ENDING, Backlog, Observation, Verdict
from autoscaler.ports import Pace, Poll

READINGS = 3
"""The minimum number of polls within the acceptable latency, quiet or not."""

SPENT_RATIO = 0.5
"""Usable share of the acceptable latency minus the start-up time: 20 s at a latency of 120 s and a start-up of 80 s."""

SLACK_READINGS = 8.0
"""Derived polls within the slack, which is the latency target minus the p90 of the start-up time. At 120 s and 68 s a
poll takes an eighth of the 52 s, 6.5 s, which is rounded down to 5 s; from a slack of 80 s on it is 10 s.
"""

LEAST_S, SHORTEST_RATIO, SHORTEST_S = 1.0, 1 / 12, 5.0
"""The shortest derived interval: a twelfth of the latency target, 1 to 5 s, however little slack there is. At 60 s,
readings every 5 s instead of every 10 s save 2.3 % on the scorecard's trace `bursty`. Every 3 s saves 0.8 %, and every
second costs 2.5 % more: the windows of a scale-in use the highest of all readings, and more readings are higher.
"""

STEPS, DIVISORS = 10, (1, 2, 5, 10)
"""The longest interval has ten steps. A derived interval is one of their divisors, so that services that are polled
together at the longest interval are together at the shorter ones, and share calls.
"""

CALL_USD, FIFO_CALL_USD = 0.40e-6, 0.50e-6
"""Price of GetQueueAttributes. DescribeServices is free, and CloudWatch is read once a minute at any interval."""

TASK_USD_PER_S = 0.01234 / 3600
"""Price of the smallest Fargate task, 0.25 vCPU and 0.5 GB: 0.25 x $0.04048 + 0.5 x $0.004445 an hour (Linux, x86,
us-east-1). Larger tasks cost more, so the calls cost an even smaller share of them.
"""

CALLS_RATIO = 0.01
"""The calls of a derived interval cost at most 1 % of the tasks of the last hour: reading one queue every 5 s costs
0.21 $ a month, which is 1 % of 2.3 of the smallest tasks (8.88 $ each). A queue with fewer tasks is read every 10 s.
"""

MEAN_S = 3600.0
"""The tasks are averaged over about an hour, so that a burst is noticed as fast with one task as with twenty."""


def _at_every_poll() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When one service is polled: every `interval_s`, the first time `offset_s` after the start, or at once if that is
    in the past. A quiet service is polled at least every `quiet_s`. `fleet_every_s` returns the seconds between two ECS
    reads of a service that does not change.

    `derived`: no interval is configured, and `interval_s` is the longest one. `least_s` returns the shortest one that
    the call budget of all services permits.
    """

    interval_s: float
    offset_s: float = 0.0
    quiet_s: float = 0.0
    fleet_every_s: Callable[[], float] = _at_every_poll
    derived: bool = False
    least_s: Callable[[], float] = _at_every_poll

    @property
    def step_s(self) -> float:
        """The time between two polls is a whole number of these steps."""
        return self.interval_s / STEPS if self.derived else self.interval_s

    @property
    def moving_every_s(self) -> float:
        """Seconds between two ECS reads of a service that changes: as many as the call budget requires, but fewer than
        the longest interval. A configured interval reads at every poll.
        """
        return min(self.fleet_every_s(), MOVING_RATIO * self.interval_s) if self.derived else 0.0


MOVING_RATIO = 0.75
"""A poll that is a little early still reads a service that changes, and one of two polls at half the interval does."""


class Cadence:
    """Poll times of one service. `pace`: the time until the next poll, with its reason."""

    def __init__(self, rhythm: Rhythm) -> None:
        self._rhythm = rhythm
        self._intervals = 1
        self._tasks: float | None = None
        self._seen_at = 0.0
        self.pace = Pace(rhythm.interval_s, CONFIGURED)

    @property
    def is_slow(self) -> bool:
        """Whether the service is polled less often than at every longest interval."""
        return self._intervals > 1

    def after(self, poll: Poll, at: int = 0) -> int:
        """Return the number of steps until the next poll. `at`: the steps from the start until this poll. A derived
        interval ends at a multiple of itself.
        """
        rhythm = self._rhythm
        self._note_tasks(poll)
        most_s = min(rhythm.quiet_s, bearable_s(poll)) if is_quiet(poll) else 0.0
        self._intervals = max(1, min(2 * self._intervals, int(most_s / rhythm.interval_s)))
        if not rhythm.derived:
            steps, reason = self._intervals, QUIET if self.is_slow else CONFIGURED
        elif self.is_slow:
            steps, reason = self._intervals * STEPS, QUIET
        else:
            steps, reason = self._derived(poll)
            steps -= at % steps
        self.pace = Pace(steps * rhythm.step_s, reason)
        return steps

    def _note_tasks(self, poll: Poll) -> None:
        seen = poll.observation
        if seen is None:
            return
        if self._tasks is None:
            self._tasks = float(seen.fleet.desired)
        else:
            self._tasks += (seen.fleet.desired - self._tasks) * (1 - exp((self._seen_at - seen.now) / MEAN_S))
        self._seen_at = seen.now

    def _derived(self, poll: Poll) -> tuple[int, str]:
        """Return the steps of the derived interval, and the reason."""
        rhythm, longest_s = self._rhythm, self._rhythm.interval_s
        if (why := why_longest(poll)) is not None:
            return STEPS, why
        slack_s, latency_s = slack_of(poll), poll.policy.shortest_latency_s
        fitting_s = max(slack_s / SLACK_READINGS, LEAST_S, min(SHORTEST_S, SHORTEST_RATIO * latency_s))
        cost_s, budget_s = least_paid_s(poll, self._tasks or 0.0), rhythm.least_s()
        least_s = max(cost_s, budget_s)
        if fitting_s >= longest_s:
            return STEPS, f"the latency target leaves {slack_s:.0f} s after a start-up"
        fitting = max(each for each in DIVISORS if each == 1 or each * rhythm.step_s <= fitting_s)
        permitted = min(each for each in DIVISORS if each == STEPS or each * rhythm.step_s >= least_s)
        if permitted <= fitting:
            return fitting, f"the latency target leaves {max(0.0, slack_s):.0f} s after a start-up"
        return permitted, BUDGET if budget_s >= cost_s else COST


CONFIGURED = "the configured interval"
QUIET = "the queues are empty, and no message is expected"
ASLEEP = "more readings are required before the service wakes"
INCOMPLETE = "a reading is missing"
NO_QUEUE = "CPU, memory and metrics have one value a minute"
NO_MORE = "no more tasks are permitted"
BUDGET = "the call budget that all services share"
COST = "more calls would cost more than 1 % of the tasks"
"""The reasons of the time until the next poll."""


def why_longest(poll: Poll) -> str | None:
    """Return why earlier readings would change nothing (None: they can). The longest interval also keeps the meaning of
    rules that count readings: consecutive zeros, failed readings, and readings before a service wakes.
    """
    seen, decision, policy = poll.observation, poll.decision, poll.policy
    if not policy.queues:
        return NO_QUEUE
    if seen is None or decision is None or seen.knowledge is None or not decision.complete:
        return INCOMPLETE
    if decision.target >= policy.max_tasks or policy.paused is not None:
        return NO_MORE
    return None if decision.target or _is_empty(seen) else ASLEEP


def slack_of(poll: Poll) -> float:
    """Return the latency target minus the p90 of the start-up time, in seconds; below 0: a start-up takes longer."""
    known = None if poll.observation is None else poll.observation.knowledge
    return 0.0 if known is None else poll.policy.shortest_latency_s - known.start_late_s


def least_paid_s(poll: Poll, tasks: float) -> float:
    """Return the shortest interval whose calls cost at most `CALLS_RATIO` of the tasks; infinite without tasks."""
    usd = sum([FIFO_CALL_USD if queue.name.endswith(FIFO_ENDING) else CALL_USD for queue in poll.policy.queues])
    return usd / (CALLS_RATIO * TASK_USD_PER_S * tasks) if tasks > 0 else float("inf")


def is_quiet(poll: Poll) -> bool:
    """Whether the queues are empty, the count is stable, no message is expected, and only queues drive the service."""
    seen, decision, policy = poll.observation, poll.decision, poll.policy
    if seen is None or decision is None or decision.verdict is not Verdict.HOLD:
        return False
    if not policy.queues or policy.metrics or policy.formula is not None:
        return False
    stable = decision.current <= policy.min_tasks and not is_moving(seen.fleet)
    return stable and _is_empty(seen) and not _expects(seen.knowledge)


def bearable_s(poll: Poll) -> float:
    """Return the longest time between two polls that the latency target permits, in seconds.

    0 or less: a start-up alone takes longer than the acceptable latency.
    """
    known = None if poll.observation is None else poll.observation.knowledge
    if known is None:
        return 0.0
    latency_s = poll.policy.shortest_latency_s
    return min(latency_s / READINGS, SPENT_RATIO * (latency_s - known.start_late_s))


def _is_empty(seen: Observation) -> bool:
    return all(
        isinstance(counts, Backlog) and counts.visible == counts.in_flight == counts.delayed == 0
        for _, counts in seen.queues
    )


def _expects(known: Knowledge | None) -> bool:
    return known is None or any(some.messages > 0 for queue in known.queues for some in queue.coming)
