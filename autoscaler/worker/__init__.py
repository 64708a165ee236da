"""Workers that protect themselves while they are busy, so that a scale-in stops idle tasks and wastes no work.

Standard library only, and nothing of the rest of this house: copy this folder into a worker's image if you like.
docs/workers.md has the whole story, and the same in curl for other languages.
"""

from .agent import Agent, Refusal
from .message import Message, Sqs
from .protection import Protection
from .settings import Settings
from .waiting import Bell, Time
from .worker import Worker

__all__ = ["Agent", "Bell", "Message", "Protection", "Refusal", "Settings", "Sqs", "Time", "Worker"]
