"""Whether the service of this task deploys another task definition than that of this task.

The container metadata endpoint reports a task's own task definition and service. Which one the service deploys is read
from ECS with a client that the worker passes, at most once per `every_s`, and only while the task is never idle. A read
has a thread of its own: without a route to ECS, a client can retry for minutes, in which the worker must receive and
react to SIGTERM. A read that fails changes nothing. Source: Amazon ECS developer guide, "Task metadata endpoint version
4".
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from threading import Thread
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from .waiting import Time

log = logging.getLogger(__name__)

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
"""ECS sets it in each container: Fargate from platform version 1.4.0, EC2 from agent version 1.39.0."""

TIMEOUT_S = 3.0
MOST_BYTES = 262_144

SPREAD = 0.25
"""Tasks that start together do not read together: the time between two reads varies by this share."""


class Ecs(Protocol):
    """boto3's ECS client, or any object with this method."""

    @property
    def describe_services(self) -> Callable[..., Any]: ...


class TaskIdentity(NamedTuple):
    """What a task is. `definition`: family and revision, such as `web:7`. `service`: empty if the agent has no
    ServiceName.
    """

    cluster: str
    service: str
    definition: str


class RevisionCheck:
    """Whether this task is of a task definition that its service replaces.

    `deployed`: returns the task definition that the service deploys, as `web:8` or as an ARN, or None if it is unknown.
    It may raise any exception, and is called in a thread. `uri`: of the metadata endpoint. `service`: for agents that
    do not report it. `begin`: starts a read, in a thread by default.
    """

    def __init__(
        self,
        uri: str,
        deployed: Callable[[TaskIdentity], str | None],
        *,
        service: str = "",
        every_s: float = 300.0,
        time: Time | None = None,
        chance: Callable[[], float] = random.random,
        begin: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        if every_s < 60:
            raise ValueError(f"every_s is {every_s}: at least 60, because all tasks of an account share the call rate")
        address = urlsplit(uri)
        if address.scheme != "http" or not address.hostname:
            raise ValueError(f"{VARIABLE} is {uri!r}: ECS sets it to an address like http://169.254.170.2/v4/...")
        self._host, self._port, self._path = address.hostname, address.port or 80, f"{address.path.rstrip('/')}/task"
        self._deployed, self._service, self._every_s = deployed, service, every_s
        self._time, self._chance, self._begin = time or Time(), chance, begin or _in_thread
        self._own: TaskIdentity | None = None
        self._due = 0.0
        self._is_replaced = self._is_reading = False
        self._failed = ""

    @classmethod
    def from_environment(cls, ecs: Ecs, *, service: str = "", every_s: float = 300.0) -> RevisionCheck | None:
        """Use the endpoint of ECS, and `ecs:DescribeServices` with this client. None: not on ECS."""
        uri = os.environ.get(VARIABLE)
        return cls(uri, described(ecs), service=service, every_s=every_s) if uri else None

    def is_replaced(self) -> bool:
        """Return whether the service deploys another task definition than that of this task, as of the newest read, and
        begin to read it again if that is due. It never waits. False if it is not known. After a rollback, the tasks of
        the newer revision are the replaced ones.
        """
        now = self._time.now()
        if now >= self._due and not self._is_reading:
            self._due = now + self._every_s * (1 + SPREAD * (2 * self._chance() - 1))
            self._is_reading = True
            try:
                self._begin(self._try_to_read)
            except RuntimeError as error:  # no thread can be started
                self._is_reading = False
                self._warn(f"{type(error).__name__}: {error}")
        return self._is_replaced

    def _try_to_read(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - the client and its errors belong to the user
            self._warn(f"{type(error).__name__}: {error}")
        finally:
            self._is_reading = False

    def _read(self) -> None:
        own = self._own = self._own or self._identity()
        deployed = self._deployed(own) if own.service else None
        if not deployed or ":" not in _name(deployed):
            missing = "" if own.service else "; this agent reports no ServiceName: pass service="
            self._warn(f"ECS did not return what {own.service or 'the service'} deploys{missing}")
            return
        self._failed = ""
        replaced = _name(deployed) != own.definition
        if replaced != self._is_replaced:
            log.info("this task is of %s, the service deploys %s", own.definition, _name(deployed))
        self._is_replaced = replaced

    def _identity(self) -> TaskIdentity:
        """Read the metadata of the task. Raises OSError, HTTPException, ValueError or KeyError."""
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", self._path)
            answer = connection.getresponse()
            if answer.status != 200:
                raise HTTPException(f"the metadata endpoint answered with HTTP {answer.status}")
            task = json.loads(answer.read(MOST_BYTES))
        finally:
            connection.close()
        service = self._service or str(task.get("ServiceName") or "")
        return TaskIdentity(str(task["Cluster"]), service, f"{task['Family']}:{task['Revision']}")

    def _warn(self, problem: str) -> None:
        """Log a problem once, not at each read."""
        if problem != self._failed:
            self._failed = problem
            log.warning("it is not known which task definition the service deploys: %s", problem[:300])


def described(ecs: Ecs) -> Callable[[TaskIdentity], str | None]:
    """Return a function that reads the service's PRIMARY deployment: the newest one, and during a blue/green deployment
    the one that has the production traffic. A failed one replaces nothing.
    """

    def deployed(own: TaskIdentity) -> str | None:
        answer = ecs.describe_services(cluster=own.cluster, services=[own.service])
        for service in answer.get("services", []):
            for one in service.get("deployments", []):
                if one.get("status") == "PRIMARY" and one.get("taskDefinition"):
                    return own.definition if one.get("rolloutState") == "FAILED" else str(one["taskDefinition"])
        return None

    return deployed


def _in_thread(read: Callable[[], None]) -> None:
    Thread(target=read, name="deployed task definition", daemon=True).start()


def _name(definition: str) -> str:
    """Return family and revision of a task definition or its ARN."""
    return definition.rpartition("/")[2]
