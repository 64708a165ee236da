"""What a task definition says about the containers of a stopped task, and which one runs the program. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

STOP_TIMEOUT_S = 30.0
"""ECS's default: from SIGTERM to SIGKILL."""

NEEDS_AN_END = frozenset({"SUCCESS", "COMPLETE", "HEALTHY"})
"""Conditions of `dependsOn` that a container which ended with an error does not meet."""

_SIDECAR = re.compile(
    r"log[-_]?router|fluent|firelens|envoy|proxy|datadog|newrelic|x-?ray|otel|opentelemetry|adot|collector|cloudwatch"
    r"|service-connect|agent|sidecar|exporter|statsd|telegraf|vector|filebeat|logstash|nginx|dapr|istio|consul|vault",
    re.IGNORECASE,
)
"""Names and images of containers that serve another one."""


class LogPlace(NamedTuple):
    """Where a container writes its log. `group`, `prefix`, `region`: of `awslogs`, empty if not given. `may_lose`: the
    log mode is not known to be blocking, so that the newest lines can be missing.
    """

    driver: str
    group: str = ""
    region: str = ""
    prefix: str = ""
    may_lose: bool = True


class ContainerDefinition(NamedTuple):
    """`needs`: the containers that it depends on, with the condition. `memory_mib`: its hard limit (None: that of the
    task). `log` None: none is configured. `routes_logs`: a container of FireLens.
    """

    name: str
    image: str
    is_essential: bool = True
    needs: tuple[tuple[str, str], ...] = ()
    memory_mib: int | None = None
    stop_timeout_s: float = STOP_TIMEOUT_S
    log: LogPlace | None = None
    routes_logs: bool = False

    @property
    def is_sidecar(self) -> bool:
        """Whether its name, its image or its settings say that it serves another container."""
        image = self.image.rpartition("/")[2]
        return self.routes_logs or bool(_SIDECAR.search(self.name) or _SIDECAR.search(image))


class TaskDefinition(NamedTuple):
    """`name`: family and revision. `memory_mib`: of the task (None: not given). `architecture`: empty if
    not given.
    """

    name: str
    containers: tuple[ContainerDefinition, ...]
    memory_mib: int | None = None
    architecture: str = ""

    def of(self, container: str) -> ContainerDefinition | None:
        return next((one for one in self.containers if one.name == container), None)

    @property
    def program(self) -> str:
        """The container that runs the program: the only essential one that serves no other (empty: not clear)."""
        needed = {name for one in self.containers for name, _ in one.needs}
        found = [one.name for one in self.containers if one.is_essential and not one.is_sidecar]
        found = found if len(found) == 1 else [name for name in found if name not in needed]
        return found[0] if len(found) == 1 else ""

    def needed_by(self, container: str) -> tuple[str, ...]:
        """Return the containers that do not start before this one is healthy or has ended well."""
        return tuple(one.name for one in self.containers if any(
            name == container and condition in NEEDS_AN_END for name, condition in one.needs
        ))  # fmt: skip

    def memory_of(self, container: str) -> int | None:
        """Return the memory limit of a container, in MiB (None: not known)."""
        found = self.of(container)
        return self.memory_mib if found is None or found.memory_mib is None else found.memory_mib
