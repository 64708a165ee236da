"""Planted bugs: one changed line of the product each, which the observer must catch.

A bug is an edit of the source of one function: `old` occurs in it exactly once and becomes `new`. The function keeps its
identity (only its code changes), so every reference to it is affected.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from textwrap import dedent
from types import FunctionType
from typing import Any, NamedTuple


class PlantedBug(NamedTuple):
    """`where`: module and qualified name of the function. `caught`: the guarantees that may catch it. `crashes`: it is
    searched with crashes at every await (`crashes.py`). `faults`: the faults of each service in its search, with `{s}`
    for the service; empty: drawn ones.
    """

    name: str
    where: str
    old: str
    new: str
    caught: tuple[str, ...]
    crashes: bool = False
    faults: str = ""


BUGS: tuple[PlantedBug, ...] = (
    PlantedBug(
        "an unread queue counts as empty",
        "autoscaler.sources.sqs:_QueueReader.read",
        "QueueReading(queue.name, await poll.ports.queues.backlog(queue))",
        "QueueReading(queue.name, got if isinstance(got := await poll.ports.queues.backlog(queue), Backlog) "
        "else Backlog(0, 0, 0, poll.ports.clock()))",
        ("S2", "S4", "S12"),
    ),
    PlantedBug("missing signals permit a scale-in", "autoscaler.core.rules.trust:missing_signal", "not missing or", "True or", ("S2",)),
    PlantedBug("no warm-up", "autoscaler.core.rules.trust:warm_up", "known_s >= needed_s", "True", ("S5", "S12")),
    PlantedBug("the warm-up does not start again after a gap", "autoscaler.core.memory:Memory.watched", "if self.lapsed or", "if True or", ("S12",)),
    PlantedBug("the warm-up ends after half the window", "autoscaler.core.rules.trust:warm_up", "known_s >= needed_s", "2 * known_s >= needed_s", ("S5", "S12")),
    PlantedBug("tasks that start at a restart are no recent change", "autoscaler.core.memory:Memory.begun", "if starting > 0 else", "if False else", ("S5",), True),
    PlantedBug("one zero reading is proof", "autoscaler.core.rules.trust:zero", "empty_s > AGREEMENT_S and reads + 1 >= AGREEING_READS", "True", ("S4",)),
    PlantedBug("two zero readings are proof", "autoscaler.core.rules.trust:zero", "empty_s > AGREEMENT_S and reads + 1 >= AGREEING_READS", "reads >= 1", ("S4",)),
    PlantedBug("CloudWatch's contradiction is ignored", "autoscaler.core.rules.trust:contradiction", "if unseen is None or", "if True or", ("S15",)),
    PlantedBug("protected tasks are no floor", "autoscaler.core.rules.work:busy", "max(inputs.fleet.protected or 0, occupied)", "occupied", ("S4",)),
    PlantedBug("unread protection is no protection", "autoscaler.control.observing:Observer.with_protection", "protected = seen.fleet.desired", "protected = 0", ("S4",)),
    PlantedBug("protection is not read", "autoscaler.control.loop:ServiceLoop._decide", "policy.workers is not WorkerSafety.SELF_PROTECTING or", "True or", ("S4",)),
    PlantedBug("deployments do not hold a scale-in", "autoscaler.core.rules.work:deployment", "if in_progress is None or", "if True or", ("S8",)),
    PlantedBug("a count of 0 set by someone else is fought", "autoscaler.core.memory:Memory.finds_switched_off", "fleet.desired == 0 and", "False and", ("S8",)),
    PlantedBug("shadow mode writes", "autoscaler.app:_ports_of", "if service.policy.mode is Mode.SHADOW else", "if False else", ("S9",)),
    PlantedBug("scale_out_only scales in", "autoscaler.core.rules.operator:mode", "is not Mode.SCALE_OUT_ONLY", "is not None", ("S9",)),
    PlantedBug("the pause tag is ignored", "autoscaler.control.loop:ServiceLoop._policy_in_force", "if paused is None else", "if True else", ("S9",)),
    PlantedBug("an invalid pause tag pauses nothing", "autoscaler.control.readers:TagWatch.check", "(Pause.ALL if last is None else last)", "None", ("S9",), faults="60:tag:{s}:600:7.5 100:burst:{s}:0:300"),
    PlantedBug("the maximum is not enforced", "autoscaler.core.rules.operator:bounds", "max(current, policy.max_tasks)", "10 * policy.max_tasks", ("S1",)),
    PlantedBug("the minimum is not enforced", "autoscaler.core.rules.operator:bounds", "low = policy.min_tasks", "low = 0 * policy.min_tasks", ("S1",)),
    PlantedBug("new settings are not used by a running loop", "autoscaler.control.loop:ServiceLoop._apply_next", "self._next is not None", "False", ("S1", "S9")),
    PlantedBug("half-written settings files are applied", "autoscaler.config.reloading:_unconfirmed", "if services or profiles or is_cut or", "if False and", ("S13",)),
    PlantedBug("missing lines fall back to the defaults", "autoscaler.config.loading:find", "restore(whole, last or {})", "restore(whole, {})", ("S1", "S9", "L9"), faults="100:idle:{s}:600:0 150:omitted:{s}:500:0.7"),
    PlantedBug("one wrong service blocks the reload of all", "autoscaler.config.reloading:reload", "if None in owners:", "if owners:", ("S1", "S9"), faults="100:wrong:s0:600:0 150:shadowed:s1:500:0 150:shadowed:s3:500:0 150:shadowed:s5:500:0 250:burst:{s}:0:300"),
    PlantedBug("the fleet cap is not applied", "autoscaler.control.admission:Admission._within_fleet_cap", "if percent is None:", "if True:", ("S11",)),
    PlantedBug("the fleet cap forgets a removal once ECS has accepted it", "autoscaler.control.admission:Admission.confirm", "self._close(key)", "self._forget(key)", ("S11",)),
    PlantedBug("an old reading of ECS is fresh", "autoscaler.control.readers:FleetWatch.is_fresh", "self._clock() - self._known.at < FRESH_S", "True", ("S2",)),
    PlantedBug("a service that was created again is the old one", "autoscaler.control.loop:ServiceLoop._recognize", "if self._identity is not None and", "if False and", ("S5", "S12"), faults="500:idle:{s}:340:0 450:replaced:{s}:1:15"),
    PlantedBug("a scale-out has no cooldown", "autoscaler.core.rules.pace:cooldown", "holds_out = ", "holds_out = False and ", ("S7",)),
    PlantedBug("a scale-in has no cooldown", "autoscaler.core.rules.pace:cooldown", "holds_in = ", "holds_in = False and ", ("S7",)),
    PlantedBug("a write whose answer was lost starts no cooldown", "autoscaler.control.readers:FleetWatch.late_acceptance", "if write is None or", "if True or", ("S7",)),
    PlantedBug("a write without an answer is sent again at once, with another value", "autoscaler.control.loop:ServiceLoop._act", "self._fleet.wrote(whole(self._ports.clock()), before, target, None)", "self._fleet.wrote(whole(self._ports.clock()), before, target, None); "
     "isinstance(error, NOTHING_DONE) or await self._ports.fleets.scale_to(ref, target + 1, _urgency(decision))", ("S6",), faults="60:write_unknown:{s}:700:0 100:burst:{s}:0:300"),
    PlantedBug("every decision is written, also one without a change", "autoscaler.control.loop:ServiceLoop._act", "if decision.verdict is Verdict.HOLD:", "if decision.verdict is Verdict.HOLD and decision.demand is None:", ("S7",)),
    PlantedBug("messages without a deletion ask for more tasks without end", "autoscaler.core.rules.work:no_progress", "if not flows or", "if True or", ("S16",), faults="60:poison:{s}:700:0 100:burst:{s}:0:300 500:burst:{s}:0:300"),
    PlantedBug("messages in flight ask for a task each and one more", "autoscaler.core.engine:decide", "required = _fallback(inputs, steps) if vote is None else _tolerate(inputs, vote, steps)", "required = (_fallback(inputs, steps) if vote is None else _tolerate(inputs, vote, steps)) or inputs.current + 1", ("S14",)),
    PlantedBug("the fallback never applies", "autoscaler.core.rules.trust:falls_back", "inputs.memory.failures + 1 > rule.after", "False", ("L5",), faults="100:queue_unavailable:{s}:600:0"),
    PlantedBug("the rate limiter lets every call pass", "autoscaler.control.rate_limiter:TokenBucketLimiter._wait_s", "return max(wait_s, state.backoff_until - now)", "return 0.0", ("L3",), faults="100:queue_throttled:{s}:200:0"),
    PlantedBug("SIGTERM waits for hung calls without a limit", "autoscaler.control.supervisor:_stop", "timeout=GRACE_S", "timeout=600", ("L6",), faults="100:queue_hang:{s}:5000:0"),
    PlantedBug("a refused write ends the loop of its service", "autoscaler.control.loop:ServiceLoop._act", "return self._rejected.rejected(error, target, causes)", "await asyncio.sleep(3600); return self._rejected.rejected(error, target, causes)", ("L3", "S1", "L9"), faults="60:write_refused:{s}:200:0 80:burst:{s}:0:300"),
    PlantedBug("the fleet cap counts a removal without an answer as present, too", "autoscaler.control.admission:Admission._confirmed", "min(change.before, change.target)", "change.before", ("S11",), faults="400:idle:s0:400:0 400:write_unknown:s0:400:0 400:fleet_stale:s0:400:60 400:idle:s1:400:0 400:write_unknown:s1:400:0 400:fleet_stale:s1:400:60 400:idle:s2:400:0 400:write_unknown:s2:400:0 400:fleet_stale:s2:400:60 430:burst:s3:0:300 430:burst:s4:0:300 480:burst:s3:0:300 480:burst:s4:0:300 530:burst:s3:0:300 530:burst:s4:0:300 500:idle:s5:300:0 500:idle:s6:300:0 500:idle:s7:300:0 600:idle:s3:300:0 600:idle:s4:300:0"),
    PlantedBug("the fleet cap begins with nothing removed after a restart", "autoscaler.control.admission:Admission._within_fleet_cap", "percent < EVERYTHING_PERCENT and", "False and", ("S11",)),
    PlantedBug("an answer of ECS from before the own write is believed", "autoscaler.control.writes:Belief._is_before_the_write", "fleet.desired != target and", "False and", ("S1", "S7", "S11", "S12"), faults="100:fleet_stale:{s}:600:120 150:burst:{s}:0:300 300:idle:{s}:300:0"),
)  # fmt: skip
"""Each with the guarantees that may catch it; `caught.toml` has the seed and the guarantee that did."""


@contextmanager
def planted(bug: PlantedBug) -> Iterator[None]:
    """Change the function for the time of the block. Raises `LookupError` if the product has no such line any more."""
    function = _function(bug.where)
    before = function.__code__
    function.__code__ = _edited(function, bug).__code__
    try:
        yield
    finally:
        function.__code__ = before


def _function(where: str) -> FunctionType:
    module, _, name = where.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    assert isinstance(found, FunctionType), where
    return found


def _edited(function: FunctionType, bug: PlantedBug) -> FunctionType:
    source = dedent(inspect.getsource(function))
    if source.count(bug.old) != 1:
        raise LookupError(f"{bug.where} has {bug.old!r} {source.count(bug.old)} times; update the planted bug")
    source = source.replace(bug.old, bug.new)
    while source.startswith("@"):
        source = source.partition("\n")[2]
    own: dict[str, Any] = {}
    flags = function.__code__.co_flags & 0x1000000  # from __future__ import annotations
    exec(compile(source, bug.where, "exec", flags=flags, dont_inherit=True), function.__globals__ | {}, own)
    edited = own[function.__name__]
    assert isinstance(edited, FunctionType)
    return edited
