"""What one service's looks teach, and what its past says of what will come: put into the observation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from autoscaler.config import Service
from autoscaler.control.lookahead import LookAhead
from autoscaler.control.observing import Ports
from autoscaler.core.estimate import Estimator
from autoscaler.core.model import Missing, Observation
from autoscaler.core.policy import Policy
from autoscaler.ports import QueueMinute


class Learning:
    """One service's estimators, and its look-ahead where the past may be looked up."""

    def __init__(self, service: Service, ports: Ports, interval_s: float) -> None:
        self._service = service
        self._ports = ports
        self._interval_s = interval_s
        self._estimator: Estimator | None = None
        self._ahead: LookAhead | None = None

    def following(self, service: Service, ports: Ports, interval_s: float) -> Learning:
        """The same, where other settings leave what is learned as it was; else one that begins anew."""
        if _subjects(service) == _subjects(self._service):
            self._interval_s = interval_s
            if self._estimator is not None:
                self._estimator.interval_s = interval_s
            return self
        return Learning(service, ports, interval_s)

    @property
    def notices(self) -> list[Missing]:
        """Why nothing is looked ahead, where we are not allowed to."""
        return [] if self._ahead is None else self._ahead.notices

    def see(self, policy: Policy, seen: Observation, minutes: Mapping[str, QueueMinute]) -> Observation:
        """The observation with what it and the earlier ones have taught. Each observation is shown once."""
        if not policy.queues:
            return seen
        if self._estimator is None:
            self._estimator = Estimator(policy, seen, self._interval_s)
            self._look_back(policy)
        if self._ahead is None:
            return replace(seen, knowledge=self._estimator.see(policy, seen))
        self._ahead.see(minutes)
        ahead = self._ahead.ahead() if self._estimator.must_foresee(policy) else None
        return replace(seen, knowledge=self._estimator.see(policy, seen, ahead))

    def _look_back(self, policy: Policy) -> None:
        ports, service = self._ports, self._service
        if ports.history is None or ports.background is None or not policy.look_ahead or not service.queue_minutes:
            return
        self._ahead = LookAhead(service.queues, ports.history, ports.background, ports.clock, ports.wall)
        ports.background.begin(self._ahead.begin())


def _subjects(service: Service) -> Hashable:
    """What is learned about, and from what: what the operator says of the work, too, is where learning begins."""
    policy = service.policy
    assumed = policy.processing_time_s, policy.task_concurrency, policy.longest_latency_s
    return service.queues, service.queue_minutes, policy.learn, policy.look_ahead, assumed
