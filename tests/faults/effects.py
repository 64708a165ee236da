"""How each fault of the world, the settings and the daemon begins and ends.

The faults of answers and writes have no entry: they apply to a call while they are in force (`ports.py`,
`exchange.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.faults.plan import HOSTILE, TAGS, DrawnFault

if TYPE_CHECKING:
    from tests.faults.running import Simulation

    FaultEffect = Callable[[Simulation, DrawnFault], None]


def _writer(sim: Simulation, fault: DrawnFault) -> None:
    service = sim.region.services[fault.subject]
    if service.truth.exists:
        tasks = int(fault.number)
        sim.region.scale(fault.subject, tasks, sim.loop.time())
        sim.auditor.changed(fault.subject, tasks, sim.loop.time(), by_daemon=False)


def _deploy(sim: Simulation, fault: DrawnFault) -> None:
    truth = sim.region.services[fault.subject].truth
    truth.settle(sim.loop.time())
    truth.fleet.deploy(sim.loop.time(), fault.lasts_s)


def _stall(sim: Simulation, fault: DrawnFault) -> None:
    truth = sim.region.services[fault.subject].truth
    truth.settle(sim.loop.time())
    truth.fleet.stalls = True


def _unstall(sim: Simulation, fault: DrawnFault) -> None:
    truth = sim.region.services[fault.subject].truth
    truth.settle(sim.loop.time())
    truth.unstall(sim.loop.time())


def _remove(sim: Simulation, fault: DrawnFault) -> None:
    truth = sim.region.services[fault.subject].truth
    truth.scale(0, sim.loop.time())
    truth.exists = False


def _recreate(sim: Simulation, fault: DrawnFault) -> None:
    tasks = int(fault.number)
    sim.region.replace(fault.subject, tasks, sim.loop.time())
    sim.auditor.ledgers[fault.subject].desired.append((sim.loop.time(), tasks))
    sim.auditor.ledgers[fault.subject].hidden = True


def _purge(sim: Simulation, fault: DrawnFault) -> None:
    """No messages until the end of the fault."""
    keys = [fault.subject] if fault.subject in sim.specs else list(sim.specs)
    for key in keys:
        truth = sim.region.services[key].truth
        truth.settle(sim.loop.time())
        for queue in truth.queues:
            queue.purge()
            queue.quiet_until = max(queue.quiet_until, sim.loop.time() + fault.lasts_s)


def _burst(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].truth.bursts[int(sim.loop.time())] = int(fault.number)


def _poison(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].truth.settle(sim.loop.time())
    sim.region.services[fault.subject].truth.works = False


def _cure(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].truth.settle(sim.loop.time())
    sim.region.services[fault.subject].truth.works = True


def _protect(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].truth.fleet.protect(sim.loop.time(), int(fault.number), fault.lasts_s)


def _tag(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].tags["autoscaler:paused"] = TAGS[int(fault.number)]


def _untag(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].tags.pop("autoscaler:paused", None)


def _attack(sim: Simulation, fault: DrawnFault) -> None:
    sim.region.services[fault.subject].tags |= HOSTILE[int(fault.number)]


def _repel(sim: Simulation, fault: DrawnFault) -> None:
    service = sim.region.services[fault.subject]
    paused = {tag: text for tag, text in service.tags.items() if tag == "autoscaler:paused"}
    service.tags = (service.spec.tags() if service.spec.tagged else {}) | paused


def _maximum(sim: Simulation, fault: DrawnFault) -> None:
    spec = sim.specs[fault.subject]
    most = max(int(fault.number), spec.min_tasks, 1)
    fallback = None if spec.fallback is None else (spec.fallback[0], min(spec.fallback[1], most))
    sim.edit(fault.subject, max_tasks=most, fallback=fallback)


def _minimum(sim: Simulation, fault: DrawnFault) -> None:
    spec = sim.specs[fault.subject]
    least = min(int(fault.number), spec.max_tasks)
    fallback = None if spec.fallback is None else (spec.fallback[0], max(spec.fallback[1], least))
    sim.edit(fault.subject, min_tasks=least, fallback=fallback)


def _shadow(sim: Simulation, fault: DrawnFault) -> None:
    sim.edit(fault.subject, mode="shadow")


def _unshadow(sim: Simulation, fault: DrawnFault) -> None:
    before = next(spec for spec in sim.run.services if spec.key == fault.subject)
    sim.edit(fault.subject, mode=before.mode)


def _spoil(sim: Simulation, fault: DrawnFault) -> None:
    sim.spoil(fault)


def _restore(sim: Simulation, fault: DrawnFault) -> None:
    sim.restore(fault)


def _hangup(sim: Simulation, fault: DrawnFault) -> None:
    if sim.process is not None:
        sim.process.hangup()


def _crash(sim: Simulation, fault: DrawnFault) -> None:
    sim.kill()
    sim.start_after(max(1.0, fault.lasts_s))


def _freeze(sim: Simulation, fault: DrawnFault) -> None:
    sim.loop.jump(fault.lasts_s)
    sim.recovery.since_up = sim.loop.time()


def _clock(sim: Simulation, fault: DrawnFault) -> None:
    sim.wall_error_s = fault.number


def _set_clock(sim: Simulation, fault: DrawnFault) -> None:
    sim.wall_error_s = 0.0


BEGINS: dict[str, FaultEffect] = {
    "writer": _writer, "deployment": _deploy, "endless": _deploy, "no_capacity": _stall, "replaced": _remove,
    "idle": _purge, "all_idle": _purge, "burst": _burst, "poison": _poison, "protected": _protect, "tag": _tag,
    "adversary": _attack, "maximum": _maximum, "minimum": _minimum, "shadowed": _shadow, "wrong": _spoil,
    "cut": _spoil, "omitted": _spoil, "hangup": _hangup, "crash": _crash, "freeze": _freeze, "clock": _clock,
}  # fmt: skip
ENDS: dict[str, FaultEffect] = {
    "no_capacity": _unstall, "replaced": _recreate, "poison": _cure, "tag": _untag, "adversary": _repel,
    "shadowed": _unshadow, "wrong": _restore, "cut": _restore, "omitted": _restore, "clock": _set_clock,
}  # fmt: skip
