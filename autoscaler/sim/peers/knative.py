"""Knative's pod autoscaler: mean concurrency of 60 s divided by a target, and of 6 s in panic mode."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from autoscaler.sim.model import Surface, Tasks
from autoscaler.sim.peers.peer import PeerNumber, Setup, counts, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class KnativeSettings:
    """The KPA, whose concurrent requests are the visible messages plus those in flight.

    Knative documentation, "Autoscaling" (config-autoscaler, "Additional autoscaling configuration for Knative Pod
    Autoscaler", "Configuring scale to zero"): `stable_window_s` 60; `panic_window_ratio` 10 %;
    `panic_threshold_ratio` 200 %; `max_scale_up_rate` 1000; `max_scale_down_rate` 2; `target_utilization` 70 % of
    `container_concurrency`; `scale_to_zero_grace_s` 30, `last_pod_retention_s` 0, `scale_down_delay_s` 0. Its source
    code: `poll_s` 2.
    """

    container_concurrency: int
    min_tasks: int
    max_tasks: int
    target_utilization: float = 0.7
    scale_down_delay_s: float = 0.0
    stable_window_s: float = 60.0
    panic_window_ratio: float = 0.1
    panic_threshold_ratio: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    scale_to_zero_grace_s: float = 30.0
    last_pod_retention_s: float = 0.0
    poll_s: float = 2.0

    @property
    def target(self) -> float:
        return self.container_concurrency * self.target_utilization

    @property
    def panic_window_s(self) -> float:
        return self.stable_window_s * self.panic_window_ratio

    def __str__(self) -> str:
        return (
            f"containerConcurrency {self.container_concurrency}, target-utilization {self.target_utilization:.0%},"
            f" stable window {self.stable_window_s:g} s, panic {self.panic_window_s:g} s at"
            f" {self.panic_threshold_ratio:.0%}, scale-down-delay {self.scale_down_delay_s:g} s"
        )


class Window:
    """The mean of the newest samples, updated with each sample. Seconds without a sample do not count."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, value: int) -> None:
        self._samples.append((now, value))
        self._sum += value

    def mean(self, now: float) -> float | None:
        """Return the mean of the samples younger than the window; None without a sample."""
        samples = self._samples
        while samples and now - samples[0][0] >= self._window_s:
            self._sum -= samples.popleft()[1]
        return self._sum / len(samples) if samples else None


class Delay:
    """The highest count of the newest seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._descending: deque[tuple[float, int]] = deque()

    def highest(self, now: float, count: int) -> int:
        """Add the newest count and return the highest. Older counts that are not higher than it are dropped."""
        descending = self._descending
        while descending and descending[-1][1] <= count:
            descending.pop()
        descending.append((now, count))
        while now - descending[0][0] > self._window_s:
            descending.popleft()
        return descending[0][1]


class Knative:
    """The simulated Knative pod autoscaler. While the queue cannot be read there is no sample. If its window has no
    sample, the scaler does nothing.
    """

    def __init__(self, settings: KnativeSettings) -> None:
        self._settings = settings
        self._active_since: float | None = None
        self._idle_since: float | None = None
        self._reset()

    @property
    def interval_s(self) -> float:
        return self._settings.poll_s

    def restart(self) -> None:
        """Drop the windows. With more than one running task the scaler starts in panic mode, so that it does not scale
        in. The revision's status stores since when it is active or idle.
        """
        self._reset()

    def _reset(self) -> None:
        self._stable = Window(self._settings.stable_window_s)
        self._panic = Window(self._settings.panic_window_s)
        self._delay = Delay(self._settings.scale_down_delay_s)
        self._has_started = False
        self._panicked_at: float | None = None
        self._panic_tasks = 0

    def poll(self, world: Surface) -> None:
        seen, queue = tasks(world), counts(world)
        if queue is not None:
            messages = queue.visible + queue.in_flight
            self._stable.add(world.now, messages)
            self._panic.add(world.now, messages)
        if seen is None:
            return
        if not self._has_started:
            self._has_started = True
            self._panicked_at, self._panic_tasks = (world.now, seen.running) if seen.running > 1 else (None, 0)
        count = self._count(world.now, seen)
        if count is not None and count != seen.desired:
            scaled(world, count, self._reason(world.now, count))

    def _count(self, now: float, seen: Tasks) -> int | None:
        """Return the count to set. None: no change."""
        stable, panic = self._stable.mean(now), self._panic.mean(now)
        if stable is None:
            return None
        count = self._delay.highest(now, self._scaled(now, max(seen.running, 1), stable, panic or 0.0))
        bounded = min(max(count, self._settings.min_tasks), self._settings.max_tasks)
        return self._retained(now, bounded, seen)

    def _scaled(self, now: float, ready: int, stable: float, panic: float) -> int:
        """Return the count of the stable window; in panic mode, of the larger window, and never less than before."""
        settings = self._settings
        highest = math.ceil(settings.max_scale_up_rate * ready)
        lowest = math.floor(ready / settings.max_scale_down_rate)
        for_panic = math.ceil(panic / settings.target)
        by_stable = min(max(math.ceil(stable / settings.target), lowest), highest)
        by_panic = min(max(for_panic, lowest), highest)
        if for_panic / ready >= settings.panic_threshold_ratio:
            self._panicked_at = now
        elif self._panicked_at is not None and now - self._panicked_at > settings.stable_window_s:
            self._panicked_at, self._panic_tasks = None, 0
        if self._panicked_at is None:
            return by_stable
        self._panic_tasks = max(self._panic_tasks, by_stable, by_panic)
        return self._panic_tasks

    def _retained(self, now: float, count: int, seen: Tasks) -> int | None:
        """Apply the rule of the last task: it stops after an active stable window, and then an idle grace period."""
        if count > 0:
            self._idle_since = None
            if self._active_since is None and seen.running > 0:
                self._active_since = now
            return count
        if self._idle_since is None:
            return self._last(now, seen)
        grace_s = max(self._settings.scale_to_zero_grace_s, self._settings.last_pod_retention_s)
        return 0 if now - self._idle_since >= grace_s else None

    def _last(self, now: float, seen: Tasks) -> int | None:
        """Return the count at the first poll without load: one task stays until it was active for a stable window."""
        if seen.running == 0 and seen.desired > 0:
            return None
        if self._active_since is None:
            self._active_since = now
        if now - self._active_since < self._settings.stable_window_s:
            return min(1, seen.desired)
        self._active_since, self._idle_since = None, now
        return None

    def _reason(self, now: float, count: int) -> str:
        mode = "panic" if self._panicked_at is not None else "stable"
        mean = self._stable.mean(now) or 0.0
        window = f"{mean:.1f} messages on average over {self._settings.stable_window_s:g} s"
        return f"{mode} mode: {window}, target {self._settings.target:g} per task, count {count}"


def _settings(setup: Setup, numbers: tuple[float, ...]) -> KnativeSettings:
    percent, delay_s = numbers
    return KnativeSettings(setup.task_concurrency, setup.min_tasks, setup.max_tasks, percent / 100, delay_s)


PEER = peer(
    "knative",
    "Knative's pod autoscaler on visible and in-flight messages",
    parts=(PeerNumber("UTILIZATION_PERCENT", 70.0, least=1.0), PeerNumber("SCALE_DOWN_DELAY_S", 0.0)),
    settings=_settings,
    scaler=Knative,
    grid=("50", "90", "100", "70/60", "70/300"),
)
