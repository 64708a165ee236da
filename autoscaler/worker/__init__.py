"""A library for workers that protect their task while it is busy, so that a scale-in stops idle tasks and loses no
work.

Standard library only, without imports from the rest of this project: the folder can be copied into a worker's image.
docs/workers.md describes it, with the same calls in curl for other languages.
"""

from .agent import Agent, Refusal
from .message import Message, Sqs
from .protection import Protection
from .rollout import RevisionCheck, TaskIdentity
from .settings import Settings
from .waiting import Bell, Time
from .worker import Worker

__all__ = [
    "Agent",
    "Bell",
    "Message",
    "Protection",
    "Refusal",
    "RevisionCheck",
    "Settings",
    "Sqs",
    "TaskIdentity",
    "Time",
    "Worker",
]
