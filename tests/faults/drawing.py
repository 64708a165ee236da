"""Draw a run from its seed: the services with their settings and load, and the faults.

All numbers come from `random.Random(seed)`: the same seed gives the same run in every process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.faults.plan import EVERY, KINDS, DrawnFault, FaultScope

CLUSTER = "prod"
TAGGED_CLUSTER = "tagged"
"""The cluster in which services are discovered by tag."""

INTERVAL_S = 10.0
QUIET_SHARE = 0.35
"""The share of a run after the last fault, in which everything must recover."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service: the settings that its operator writes, and the truth of its load.

    `phases`: arrivals per second and queue, from each second after the start on; the last phase is that of the
    recovery.
    """

    key: str
    queues: tuple[str, ...]
    min_tasks: int
    max_tasks: int
    processing_s: float
    phases: tuple[tuple[float, float], ...]
    desired: int
    rule: str = "latency"
    workers: str = "draining"
    mode: str = "active"
    stabilization_s: float = 20.0
    small_step_s: float = 120.0
    in_cooldown_s: float = 0.0
    out_cooldown_s: float = 0.0
    out_limit: int | None = None
    fallback: tuple[str, int] | None = None
    at_most_s: float = 3600.0
    tagged: bool = False
    starts_s: tuple[float, float] = (20.0, 40.0)

    @property
    def window_s(self) -> float:
        """The longest window that can prevent a scale-in: S5 and S12 require that it was observed."""
        small = self.small_step_s if self.rule == "latency" else 0.0
        return max(self.stabilization_s, self.in_cooldown_s, small)

    @property
    def needed(self) -> int:
        """The fewest tasks that process the arrivals of the recovery: arrivals x processing time, rounded up."""
        per_s = self.phases[-1][1] * len(self.queues)
        return min(self.max_tasks, max(self.min_tasks, -int(-per_s * self.processing_s // 1)))

    def table(self) -> str:
        """Return the service's table in the settings file."""
        lines = [
            f"[services.{self.key}]",
            f'cluster = "{CLUSTER}"',
            f'service = "{self.key}"',
            f"queues = [{', '.join(f'{name!r}' for name in self.queues)}]".replace("'", '"'),
            f'mode = "{self.mode}"',
            f"min_tasks = {self.min_tasks}",
            f"max_tasks = {self.max_tasks}",
            f'workers = "{self.workers}"',
            'acceptable_latency = "60s"',
        ]
        if self.rule == "latency":
            lines += [f'processing_time = "{self.processing_s:g}s"', "learn = false"]
        else:
            lines += [f"backlog_per_task = {max(1, int(30 / self.processing_s))}"]
        lines += [f'scale_in.stabilization = "{self.stabilization_s:g}s"']
        lines += [f'scale_in.small_step_stabilization = "{self.small_step_s:g}s"']
        lines += [f'scale_in.cooldown = "{self.in_cooldown_s:g}s"', f'scale_out.cooldown = "{self.out_cooldown_s:g}s"']
        if self.out_limit is not None:
            lines += [f'scale_out.limits = [{{tasks = {self.out_limit}, per = "60s"}}]']
        if self.fallback is not None:
            lines += [f'fallback.behavior = "{self.fallback[0]}"', f"fallback.tasks = {self.fallback[1]}"]
        return "\n".join([*lines, f'deployments.at_most = "{self.at_most_s:g}s"', ""])

    def tags(self) -> dict[str, str]:
        """Return the tags of a discovered service."""
        return {
            "autoscaler:queues": " ".join(self.queues),
            "autoscaler:profile": "batch",
            "autoscaler:max_tasks": str(self.max_tasks),
        }


@dataclass(frozen=True, slots=True)
class DrawnRun:
    """A run: its services, its faults, its length in seconds, and when the last fault ends at the latest."""

    seed: int
    services: tuple[ServiceSpec, ...]
    length_s: float
    faults_end_s: float
    faults: tuple[DrawnFault, ...] = ()
    quiet_interval_s: float = INTERVAL_S
    discovers: bool = False

    def with_faults(self, faults: tuple[DrawnFault, ...]) -> DrawnRun:
        return replace(self, faults=faults)


def drawn(seed: int, services: int = 8, polls: int = 130, faults: int | None = None) -> DrawnRun:
    """Return the run of a seed. `polls`: of each service, without faults. `faults`: their number (None: drawn)."""
    rng = Random(f"run {seed}")
    length_s = polls * INTERVAL_S
    faults_end_s = length_s * (1 - QUIET_SHARE)
    discovers = services > 1 and rng.random() < 0.4
    specs = tuple(_service(rng, number, faults_end_s, tagged=discovers and number == 0) for number in range(services))
    run = DrawnRun(
        seed, specs, length_s, faults_end_s, (), INTERVAL_S if rng.random() < 0.7 else 3 * INTERVAL_S, discovers
    )
    number = rng.choice((0, 1, 3, 6, 12, 20)) if faults is None else faults
    found: list[DrawnFault] = []
    while len(found) < number:
        found += _with_companion(rng, run, _fault(rng, run))
    return run.with_faults(tuple(sorted(found)))


def _with_companion(rng: Random, run: DrawnRun, fault: DrawnFault) -> list[DrawnFault]:
    """Return the fault, and often one that makes it dangerous: a change of the load or of the settings during it."""
    companions = COMPANIONS.get(fault.kind)
    if companions is None or rng.random() < 0.4:
        return [fault]
    name = rng.choice(companions)
    kind = KINDS[name]
    at = round(min(rng.uniform(fault.at, fault.end), run.faults_end_s - 20), 2)
    lasts_s = min(round(rng.uniform(*kind.lasts), 2), max(kind.lasts[0], run.faults_end_s - at))
    own = next((spec.key for spec in run.services if fault.subject in {spec.key, *spec.queues}), EVERY)
    shared = kind.scope is FaultScope.DAEMON
    subject = (
        own
        if own != EVERY and not shared and name not in {"maximum", "shadowed"}
        else _subject(rng, run, kind.scope, name)
    )
    return [fault, DrawnFault(at, name, subject, lasts_s, round(rng.uniform(*kind.numbers), 3))]


COMPANIONS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("wrong", "cut", "omitted"), ("maximum", "shadowed", "idle", "idle")),
    **dict.fromkeys(("queue_unavailable", "queue_denied", "queue_throttled", "queue_partial"), ("idle",)),
    **dict.fromkeys(("protected", "protection_unread", "deployment", "tag", "replaced", "freeze"), ("idle",)),
    **dict.fromkeys(("write_unknown", "write_late", "write_refused", "crash"), ("burst", "idle")),
    "no_capacity": ("burst",),
    "poison": ("burst", "crash"),
}
"""Kinds that often come together with another one, of the same service where that is possible."""


def _service(rng: Random, number: int, recovery_s: float, *, tagged: bool) -> ServiceSpec:
    processing_s = float(rng.choice((2, 4, 5, 10, 15)))
    queues = tuple(f"q{number}{letter}" for letter in "ab"[: rng.choice((1, 1, 1, 2))])
    max_tasks, min_tasks = rng.choice((6, 12, 20, 40)), rng.choice((0, 0, 1, 2))
    busiest = rng.choice((0.5, 1.0, 2.0, 4.0, 8.0)) / processing_s / len(queues)
    phases, at = [(0.0, busiest)], 0.0
    while (at := at + rng.choice((60.0, 120.0, 200.0, 300.0))) < recovery_s - 60:
        phases.append((at, busiest * rng.choice((0.0, 0.0, 0.3, 1.0, 2.0, 3.0))))
    phases.append((recovery_s - 30, busiest * rng.choice((0.0, 0.5, 1.0, 1.0))))
    behavior = rng.choice(("static", "current_if_lower", "current_if_higher"))
    tasks = max(min_tasks, 1, int(busiest * len(queues) * processing_s + 0.999))
    spec = ServiceSpec(
        key=f"s{number}",
        queues=queues,
        min_tasks=min_tasks,
        max_tasks=max_tasks,
        processing_s=processing_s,
        phases=tuple(phases),
        desired=min(max_tasks, tasks),
        rule=rng.choice(("latency", "latency", "backlog")),
        workers=rng.choice(("draining", "draining", "unsafe", "self_protecting")),
        mode=rng.choice((*("active",) * 8, "scale_out_only", "shadow")),
        stabilization_s=float(rng.choice((20, 20, 60, 120))),
        small_step_s=float(rng.choice((60, 120))),
        in_cooldown_s=float(rng.choice((0, 0, 60))),
        out_cooldown_s=float(rng.choice((0, 0, 30))),
        out_limit=rng.choice((None, None, 4)),
        fallback=rng.choice((None, None, None, (behavior, rng.randint(max(1, min_tasks), max_tasks)))),
        at_most_s=float(rng.choice((3600, 300))),
    )
    return _tagged(spec) if tagged else spec


def _tagged(spec: ServiceSpec) -> ServiceSpec:
    """Return the service with the settings of its tags and its profile, and the defaults for the others."""
    defaults = ServiceSpec("", (), 0, 1, 1.0, ((0.0, 0.0),), 0)
    own = {name: getattr(defaults, name) for name in _SETTINGS}
    return replace(spec, **own, min_tasks=0, tagged=True)


_SETTINGS = (
    *("workers", "mode", "rule", "stabilization_s", "small_step_s", "in_cooldown_s", "out_cooldown_s", "out_limit"),
    *("fallback", "at_most_s"),
)


_NAMES = sorted(KINDS)
_WEIGHTS = [KINDS[name].weight for name in _NAMES]


def _fault(rng: Random, run: DrawnRun) -> DrawnFault:
    """Return a fault that ends before the recovery; one that never ends is an exception."""
    name = rng.choices(_NAMES, _WEIGHTS)[0]
    kind = KINDS[name]
    at = round(rng.uniform(5.0, run.faults_end_s - 20), 2)
    lasts_s = min(round(rng.uniform(*kind.lasts), 2), max(kind.lasts[0], run.faults_end_s - at))
    return DrawnFault(at, name, _subject(rng, run, kind.scope, name), lasts_s, round(rng.uniform(*kind.numbers), 3))


def _subject(rng: Random, run: DrawnRun, scope: FaultScope, name: str) -> str:
    spec = run.services[0] if name == "adversary" and run.discovers else rng.choice(run.services)
    if scope is FaultScope.DAEMON or name == "cut":
        return EVERY
    if scope in {FaultScope.QUEUE, FaultScope.MINUTES}:
        return rng.choice(spec.queues)
    return spec.key


def settings_file(run: DrawnRun, specs: tuple[ServiceSpec, ...]) -> str:
    """Return the settings file with these services. Discovered services are not in it."""
    head = [f'interval = "{INTERVAL_S:g}s"', f'quiet_interval = "{run.quiet_interval_s:g}s"']
    head += [f'discover_clusters = ["{TAGGED_CLUSTER}"]'] if run.discovers else []
    defaults = ["[defaults]", "look_ahead = false", ""]
    profile = ["[profiles.batch]", 'mode = "active"', "max_tasks = 20", 'workers = "draining"', ""]
    profile += ['acceptable_latency = "60s"'] if run.discovers else []
    parts = ["\n".join([*head, "", *defaults, *(profile if run.discovers else []), ""])]
    return "\n".join([*parts, *(spec.table() for spec in specs if not spec.tagged)])
