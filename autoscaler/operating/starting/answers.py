"""The five answers, and what is known besides: as settings, in a file's spelling and in that of variables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autoscaler.config import Config, load
from autoscaler.config.durations import shown
from autoscaler.config.names import PREFIX, key_of

SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered. `queues` as they were written: names, URLs or ARNs. `region`, `account`, `image`: None where
    they are not known, and then words in capitals stand for them.
    """

    cluster: str
    service: str
    queues: tuple[str, ...]
    acceptable_latency_s: float
    max_tasks: int
    region: str | None = None
    account: str | None = None
    image: str | None = None

    @property
    def key(self) -> str:
        return key_of(self.service)

    def completed(self) -> Answers:
        """With the Region and the account that the queues' URLs and ARNs name, where they name one and none was told.

        Raises `ConfigError` with everything that is wrong with the answers.
        """
        queues = [queue for service in self.config().services for queue in service.queues]
        return replace(
            self,
            region=self.region or _only(queue.region for queue in queues),
            account=self.account or _only(queue.account for queue in queues),
        )

    def config(self) -> Config:
        """The settings. Raises `ConfigError` with everything that is wrong with the answers."""
        return load(self.variables())

    def variables(self) -> dict[str, str]:
        """The settings as the task's environment has them; the rest is as by default."""
        told = {
            "CLUSTER": self.cluster,
            "SERVICE": self.service,
            "QUEUES": ",".join(self.queues),
            "MIN_TASKS": "0",
            "MAX_TASKS": str(self.max_tasks),
            "ACCEPTABLE_LATENCY": shown(self.acceptable_latency_s),
            "MODE": SHADOW,
        } | ({"REGION": self.region} if self.region else {})
        return {PREFIX + name: value for name, value in told.items()}

    def toml(self) -> str:
        """The same settings as a file, with what may be changed first."""
        lines = [
            "# Every setting, with the reason for its default: `autoscaler settings`.",
            "",
            f"[services.{self.key}]",
            *(f"{name} = {json.dumps(value)}" for name, value in self._fields().items()),
            "",
            "# shadow: reads, decides and tells, and changes nothing. Then scale_out_only, then active.",
            f'mode = "{SHADOW}"',
            "",
            "# What a scale-in may do to work in progress: `autoscaler settings` tells of the three. Not set: no",
            "# scale-in while messages are in flight that take longer than the container's stopTimeout.",
            '# workers = "self_protecting"',
        ]
        return "\n".join(lines) + "\n"

    def _fields(self) -> Mapping[str, object]:
        where = {"region": self.region} if self.region else {}
        return {
            "cluster": self.cluster,
            "service": self.service,
            **where,
            "queues": list(self.queues),
            "min_tasks": 0,
            "max_tasks": self.max_tasks,
            "acceptable_latency": shown(self.acceptable_latency_s),
        }


def _only(words: Iterable[str | None]) -> str | None:
    """The one word that all say (None: they say several, or nothing)."""
    said = set(words)
    return said.pop() if len(said) == 1 else None
