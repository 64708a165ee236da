"""Adds to each observation what was learned from a service's polls, and the forecast from its history."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from autoscaler.config import ServiceConfig
from autoscaler.control.lookahead import ForecastHistory
from autoscaler.control.observing import Ports
from autoscaler.core.estimate import Estimator
from autoscaler.core.model import Missing, Observation
from autoscaler.core.policy import Policy
from autoscaler.ports import QueueMinute


class Learning:
    """One service's estimators, and its look-ahead if its history can be read."""

    def __init__(self, service: ServiceConfig, ports: Ports, interval_s: float) -> None:
        self._service = service
        self._ports = ports
        self._interval_s = interval_s
        self._estimator: Estimator | None = None
        self._ahead: ForecastHistory | None = None

    def following(self, service: ServiceConfig, ports: Ports, interval_s: float) -> Learning:
        """Return this object if the new settings leave the learned values valid, else a new one."""
        if _basis(service) == _basis(self._service):
            self._interval_s = interval_s
            if self._estimator is not None:
                self._estimator.interval_s = interval_s
            return self
        return Learning(service, ports, interval_s)

    @property
    def notices(self) -> list[Missing]:
        """The reasons for a missing look-ahead, if the daemon is not allowed to read the history."""
        return [] if self._ahead is None else self._ahead.notices

    def see(self, policy: Policy, seen: Observation, minutes: Mapping[str, QueueMinute]) -> Observation:
        """Return the observation with the learned values. Call it once per observation."""
        if not policy.queues:
            return seen
        if self._estimator is None:
            self._estimator = Estimator(policy, seen, self._interval_s)
            self._start_forecast(policy)
        if self._ahead is None:
            return replace(seen, knowledge=self._estimator.see(policy, seen))
        self._ahead.see(minutes)
        ahead = self._ahead.ahead() if self._estimator.must_foresee(policy) else None
        return replace(seen, knowledge=self._estimator.see(policy, seen, ahead))

    def _start_forecast(self, policy: Policy) -> None:
        ports, service = self._ports, self._service
        if ports.history is None or ports.background is None or not policy.look_ahead or not service.queue_minutes:
            return
        self._ahead = ForecastHistory(service.queues, ports.history, ports.background, ports.clock, ports.wall)
        ports.background.begin(self._ahead.begin())


def _basis(service: ServiceConfig) -> Hashable:
    """Return the settings that learned values depend on. The configured work estimates are their initial values."""
    policy = service.policy
    assumed = policy.processing_time_s, policy.task_concurrency, policy.longest_latency_s
    return service.queues, service.queue_minutes, policy.learn, policy.look_ahead, assumed
