"""Run a drawn run: start the daemon, apply the faults at their times, and return what the auditor found."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Protocol

from autoscaler.control.background import Background
from autoscaler.errors import ConfigError
from autoscaler.ports import Poll, Ports
from tests.faults.auditor import Auditor, Violation
from tests.faults.drawing import DrawnRun, settings_file
from tests.faults.effects import BEGINS, ENDS
from tests.faults.plan import ActiveFaults, DrawnFault
from tests.faults.ports import CallBudget, Killable, PortsOfOne
from tests.faults.process import SimulatedProcess
from tests.faults.recovery import CHECK_S, RecoveryAudit
from tests.faults.region import CloudRegion, region_of
from tests.faults.timeloop import TimeLoop

EXIT_S = 5.0
"""After SIGTERM the daemon ends within this time (L6)."""

RESTART_S = 5.0
"""Seconds until ECS starts a daemon again that ended with a wrong settings file."""


class Digest:
    """The digest of all calls and log lines, in order, without the name of the run's folder."""

    def __init__(self, folder: str) -> None:
        self._hash = blake2b(digest_size=16)
        self._folder = folder

    def note(self, *parts: object) -> None:
        self._hash.update(repr(parts).replace(self._folder, "").encode())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run found. `polls`: of all services. `desired`: the true desired count of each service at the end."""

    run: DrawnRun
    polls: int
    digest: str
    violations: tuple[Violation, ...]
    desired: dict[str, int] = field(default_factory=dict)
    suspects: tuple[str, ...] = ()


class Link(Protocol):
    """Connects a daemon with the simulated Region: at its ports, or over the protocols of AWS."""

    async def serve(self, sim: Simulation, process: SimulatedProcess, life: Killable, rng: Random) -> None:
        """Run the daemon until it ends."""


class PortLink:
    """Connects a daemon at its ports."""

    async def serve(self, sim: Simulation, process: SimulatedProcess, life: Killable, rng: Random) -> None:
        ports = PortsOfOne(
            sim.region,
            sim.active,
            sim.auditor,
            process.limiter,
            sim.loop.time,
            sim.digest,
            rng,
            sim.land,
            sim.budget,
            life,
        )

        def of(background: Background) -> Ports:
            return Ports(
                queues=ports,
                meters=ports,
                metrics=ports,
                fleets=ports,
                journal=process.journal,
                clock=sim.loop.time,
                wall=sim.wall,
                history=ports,
                background=background,
            )

        await process.serve(of, ports)


@dataclass(slots=True)
class Leftover:
    """What outlives a daemon: the Region, and the past of the desired counts, which only the auditor knows."""

    began: float
    region: CloudRegion
    desired: dict[str, list[tuple[float, int]]]


class Simulation:
    """One run in progress."""

    def __init__(
        self,
        run: DrawnRun,
        loop: TimeLoop,
        folder: str,
        link: Link | None = None,
        left: Leftover | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        """`link` None: the daemon is connected at its ports. `left`: what an earlier simulation left. `quiet`: without
        the journal, which takes a fifth of the time.
        """
        self.run = run
        self.loop = loop
        self.began = loop.time() if left is None else left.began
        self.region: CloudRegion = region_of(run, self.began) if left is None else left.region
        self.auditor = Auditor(run, self.began)
        for key, desired in ({} if left is None else left.desired).items():
            self.auditor.ledgers[key].desired = desired
        self.recovery = RecoveryAudit(self.auditor, self.region)
        self.digest = Digest(folder)
        self.specs = {spec.key: spec for spec in run.services}
        self.polls = 0
        self.wall_error_s = 0.0
        self.budget = CallBudget(self.auditor)
        self._file = Path(folder) / "settings.toml"
        self._environ = {"AUTOSCALER_CONFIG_FILE": str(self._file), "AWS_REGION": "eu-west-1"}
        self.active = ActiveFaults(run.faults, self.began)
        self._spoiled: dict[str, DrawnFault] = {}
        self._process: SimulatedProcess | None = None
        self._link = link or PortLink()
        self._content = b""
        self._quiet = quiet
        self._ports: Killable | None = None
        self._task: asyncio.Task[None] | None = None
        self._next_start: asyncio.TimerHandle | None = None
        self._starts = 0
        self._bug: BaseException | None = None

    def wall(self) -> float:
        return self.loop.time() + self.wall_error_s

    async def resume(self, seconds: float) -> RunOutcome:
        """Start a daemon in what is left of an earlier simulation, and run it for some seconds."""
        self._write_file()
        self.start()
        await asyncio.sleep(seconds)
        await self._end()
        found = tuple(self.auditor.violations)
        return RunOutcome(self.run, self.polls, self.digest.hexdigest(), found)

    async def play(self) -> RunOutcome:
        """Run everything, and return the outcome."""
        self._write_file()
        for fault in self.run.faults:
            self._schedule(fault)
        self.start()
        self.loop.call_later(CHECK_S, self._check)
        await asyncio.sleep(self.run.length_s)
        suspects = self.recovery.end(self.loop.time())
        await self._end()
        if self._bug is not None:
            self.auditor.found("BUG", "daemon", self.loop.time(), repr(self._bug))
        desired = {key: one.truth.fleet.desired for key, one in self.region.services.items()}
        found = tuple(self.auditor.violations)
        return RunOutcome(self.run, self.polls, self.digest.hexdigest(), found, desired, tuple(suspects))

    def _check(self) -> None:
        if self._process is None or not self.recovery.is_up:
            self.recovery.since_up = self.loop.time()
        self.recovery.is_up = self._process is not None
        self.recovery.check(self.loop.time())
        self.loop.call_later(CHECK_S, self._check)

    # The process.

    def start(self) -> None:
        """Start a daemon. With a wrong settings file it ends at once, and is started again later."""
        now = self.loop.time()
        if self._process is not None:
            return
        self._starts += 1
        rng = Random(f"process {self.run.seed} {self._starts}")
        try:
            process = SimulatedProcess(
                self._environ,
                self.loop.time,
                self.wall,
                self.digest,
                self._polled,
                rng,
                lambda: self._content,
                quiet=self._quiet,
            )
        except ConfigError as error:
            self.digest.note("exit 2", len(error.problems))
            self.start_after(RESTART_S)
            return
        self.budget.forget()
        self.auditor.started(now, intact_file=not self._spoiled)
        self._process, self._ports = process, Killable()
        self._task = self.loop.create_task(self._link.serve(self, process, self._ports, rng))
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()

    def _polled(self, poll: Poll) -> None:
        self.polls += 1
        self.auditor.polls = self.polls

    def start_after(self, seconds: float) -> None:
        """Start a daemon later, unless another one is started before."""
        if self._next_start is not None:
            self._next_start.cancel()
        self._next_start = self.loop.call_later(seconds, self.start)

    def kill(self) -> None:
        """SIGKILL: the process makes no more calls, and only the Region and the file stay."""
        if self._ports is not None:
            self._ports.is_alive = False
        if self._task is not None:
            self._task.cancel()
        self._process = self._ports = self._task = None

    async def _end(self) -> None:
        """SIGTERM, and check that the process ends in time."""
        if self._process is None or self._task is None:
            return
        asked = self.loop.time()
        self._process.terminate()
        await asyncio.wait([self._task], timeout=60)
        if self.loop.time() - asked > EXIT_S:
            self.auditor.found(
                "L6", "daemon", self.loop.time(), f"ended {self.loop.time() - asked:.1f} s after SIGTERM"
            )

    def land(self, at: float, key: str, tasks: int) -> None:
        """Let a write take effect at that time, whether or not its daemon still lives."""
        if at > self.loop.time():
            self.loop.call_at(at, self.land, at, key, tasks)
        elif self.region.services[key].truth.exists:
            self.region.scale(key, tasks, at)
            self.auditor.changed(key, tasks, at, by_daemon=True)

    # The faults.

    def _schedule(self, fault: DrawnFault) -> None:
        begins = BEGINS.get(fault.kind)
        if begins is not None and (fault.subject in self.specs or fault.subject == "*"):
            self.loop.call_at(self.began + fault.at, begins, self, fault)
        ends = ENDS.get(fault.kind)
        if ends is not None:
            self.loop.call_at(self.began + fault.end, ends, self, fault)

    def _write_file(self) -> None:
        """Write the settings file as the faults in force leave it."""
        content = settings_file(self.run, tuple(self.specs[key] for key in sorted(self.specs)))
        for fault in self._spoiled.values():
            content = _spoiled(content, fault)
        self._content = content.encode()
        self._file.write_bytes(self._content)

    def edit(self, key: str, **changes: object) -> None:
        """The operator writes other settings of a service."""
        if self.specs[key].tagged:
            return
        self.specs[key] = replace(self.specs[key], **changes)  # type: ignore[arg-type]
        self.auditor.wrote(key, self.specs[key], self.loop.time())
        self._write_file()

    def spoil(self, fault: DrawnFault) -> None:
        self._spoiled[str(fault)] = fault
        self._write_file()

    def restore(self, fault: DrawnFault) -> None:
        """The file is as the operator wants it again."""
        self._spoiled.pop(str(fault), None)
        self._write_file()
        if not self._spoiled:
            for key, spec in self.specs.items():
                self.auditor.wrote(key, spec, self.loop.time())
            self.loop.call_later(40.0, self._trust_file)

    def _trust_file(self) -> None:
        self.auditor.doubtful_file = bool(self._spoiled)

    @property
    def process(self) -> SimulatedProcess | None:
        return self._process


def _spoiled(content: str, fault: DrawnFault) -> str:
    """Return the file with a part that is missing or wrong."""
    if fault.kind == "cut":
        return content[: int(len(content) * fault.number)]
    lines, found, own = content.split("\n"), [], False
    for line in lines:
        own = line == f"[services.{fault.subject}]" if line.startswith("[") else own
        if own and fault.kind == "omitted" and line.startswith(_OMITTED[fault.number >= 0.5]):
            continue
        found.append('max_tasks = "many"' if own and fault.kind == "wrong" and line.startswith("max_tasks") else line)
    return "\n".join(found)


_OMITTED = {False: ("mode",), True: ("min_tasks", "workers")}


def played(run: DrawnRun, link: Link | None = None) -> RunOutcome:
    """Return the outcome of a run."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, asyncio.Runner(loop_factory=TimeLoop) as runner:
        return runner.run(_played(run, folder, link))


async def _played(run: DrawnRun, folder: str, link: Link | None) -> RunOutcome:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TimeLoop)
    return await Simulation(run, loop, folder, link).play()
