"""The fixture for one worker: an agent on loopback, a queue in memory, virtual time, and one journal of all events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from autoscaler.worker import Agent, Message, Protection, Settings, Worker
from tests.worker.agent_double import AgentDouble, agent_double
from tests.worker.sqs_double import SqsDouble
from tests.worker.times import VirtualTime


@dataclass
class WorkerWorld:
    agent: AgentDouble
    sqs: SqsDouble
    time: VirtualTime
    journal: list[str]
    failures: list[AssertionError] = field(default_factory=list)

    def protection(self, **options: Any) -> Protection:
        return Protection(Agent(self.agent.uri, timeout_s=10.0), time=self.time, **options)

    def worker(
        self,
        handle: Callable[[Message], object],
        *,
        protection: Protection | None = None,
        url: str = "q",
        **settings: Any,
    ) -> Worker:
        """Return a worker that stops at the first long poll without a message. A test can change `when_empty`."""
        worker = Worker(
            self.sqs, url, self.recording(handle), settings=Settings(**settings),
            protection=protection or self.protection(), time=self.time,
        )  # fmt: skip
        self.time.is_idle = lambda: worker.holding == 0
        self.sqs.when_empty = lambda: worker.stop() if self.sqs.receives[-1]["WaitTimeSeconds"] == 10 else None
        return worker

    def recording(self, handle: Callable[[Message], object]) -> Callable[[Message], object]:
        def recorded(message: Message) -> object:
            self.journal.append(f"begin {message.body}")
            try:
                return handle(message)
            except AssertionError as error:  # the worker treats it as a failed handler; the test must fail
                self.failures.append(error)
                raise

        return recorded


@pytest.fixture
def world() -> Iterator[WorkerWorld]:
    journal: list[str] = []
    time = VirtualTime()
    with agent_double(journal) as agent:
        world = WorkerWorld(agent, SqsDouble(time, journal), time, journal)
        yield world
    for error in world.failures:
        raise error
