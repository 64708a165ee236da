"""A world for one worker: an agent on loopback, a queue in memory, one virtual time and one journal of all three."""

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
class World:
    agent: AgentDouble
    sqs: SqsDouble
    time: VirtualTime
    journal: list[str]
    broken: list[AssertionError] = field(default_factory=list)

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
        """It stops at the first long poll without a message, unless the test says otherwise."""
        worker = Worker(
            self.sqs, url, self.noting(handle), settings=Settings(**settings),
            protection=protection or self.protection(), time=self.time,
        )  # fmt: skip
        self.time.is_idle = lambda: worker.holding == 0
        self.sqs.when_empty = lambda: worker.stop() if self.sqs.receives[-1]["WaitTimeSeconds"] == 10 else None
        return worker

    def noting(self, handle: Callable[[Message], object]) -> Callable[[Message], object]:
        def noted(message: Message) -> object:
            self.journal.append(f"begin {message.body}")
            try:
                return handle(message)
            except AssertionError as error:  # to the worker it is a handler that failed; to the test it is more
                self.broken.append(error)
                raise

        return noted


@pytest.fixture
def world() -> Iterator[World]:
    journal: list[str] = []
    time = VirtualTime()
    with agent_double(journal) as agent:
        world = World(agent, SqsDouble(time, journal), time, journal)
        yield world
    for error in world.broken:
        raise error
