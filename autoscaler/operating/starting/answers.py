"""The answers of `init`, converted to settings: as a TOML file and as environment variables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autoscaler.config import Config, load
from autoscaler.config.names import PREFIX, key_of
from autoscaler.config.values import shown

SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class InitAnswers:
    """The answers. `queues` as they were written: names, URLs or ARNs. `processing_time_s` None: not known, it is
    learned. `region`, `account`, `image` None: not known; a placeholder in capitals replaces them. `arch`: the
    processors of the daemon's task, `x86_64` or `arm64`.
    """

    cluster: str
    service: str
    queues: tuple[str, ...]
    acceptable_latency_s: float
    max_tasks: int
    region: str | None = None
    account: str | None = None
    image: str | None = None
    processing_time_s: float | None = None
    arch: str = "x86_64"

    @property
    def key(self) -> str:
        return key_of(self.service)

    def completed(self) -> InitAnswers:
        """Return the answers with the Region and account of the queues' URLs and ARNs, if they are missing and unique.

        Raises `ConfigError` with everything that is wrong with the answers.
        """
        queues = [queue for service in self.config().services for queue in service.queues]
        return replace(
            self,
            region=self.region or _only(queue.region for queue in queues),
            account=self.account or _only(queue.account for queue in queues),
        )

    def config(self) -> Config:
        """Return the settings. Raises `ConfigError` with everything that is wrong with the answers."""
        return load(self.variables())

    def variables(self) -> dict[str, str]:
        """Return the settings as environment variables of the task; all other settings have their defaults."""
        settings = {
            "CLUSTER": self.cluster,
            "SERVICE": self.service,
            "QUEUES": ",".join(self.queues),
            "MIN_TASKS": "0",
            "MAX_TASKS": str(self.max_tasks),
            "ACCEPTABLE_LATENCY": shown(self.acceptable_latency_s),
            "MODE": SHADOW,
        }
        if self.processing_time_s is not None:
            settings["PROCESSING_TIME"] = shown(self.processing_time_s)
        if self.region:
            settings["REGION"] = self.region
        return {PREFIX + name: value for name, value in settings.items()}

    def toml(self) -> str:
        """Return the same settings as a TOML file, with comments on the first changes."""
        lines = [
            "# Every setting, with the reason for its default: `autoscaler settings`.",
            "",
            f"[services.{self.key}]",
            *(f"{name} = {json.dumps(value)}" for name, value in self._fields().items()),
            "",
            "# shadow: the daemon reads and decides, and changes nothing. Next: scale_out_only, then active.",
            f'mode = "{SHADOW}"',
            "",
            "# What a scale-in does to work in progress: `autoscaler settings` lists the values. Not set: if messages",
            "# take longer than the container's stopTimeout, there is no scale-in while any message is in flight.",
            '# workers = "self_protecting"',
        ]
        return "\n".join(lines) + "\n"

    def _fields(self) -> Mapping[str, object]:
        where = {"region": self.region} if self.region else {}
        work = {} if self.processing_time_s is None else {"processing_time": shown(self.processing_time_s)}
        return {
            "cluster": self.cluster,
            "service": self.service,
            **where,
            "queues": list(self.queues),
            "min_tasks": 0,
            "max_tasks": self.max_tasks,
            "acceptable_latency": shown(self.acceptable_latency_s),
            **work,
        }


def _only(words: Iterable[str | None]) -> str | None:
    """Return the one value that all have (None: there are several, or none)."""
    distinct = set(words)
    return distinct.pop() if len(distinct) == 1 else None
