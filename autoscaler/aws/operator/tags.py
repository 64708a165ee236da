"""Read, write and remove the tag `autoscaler:paused` of a service. Only commands write it."""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, Api, Holder, Purpose, ResourceForm
from autoscaler.aws.ecs import PAUSE_TAG, described, pause_tag_in
from autoscaler.aws.names import service_subject
from autoscaler.ports import Category, Place, ServiceRef

TAG_RESOURCE = Api(
    "ecs:TagResource", Category.TAG_MODIFY, ResourceForm.PAUSE_TAG, Purpose.PAUSE_SERVICES, Holder.COMMAND
)
UNTAG_RESOURCE = Api(
    "ecs:UntagResource", Category.TAG_MODIFY, ResourceForm.PAUSE_TAG, Purpose.PAUSE_SERVICES, Holder.COMMAND
)

READ_SERVICE = DESCRIBE_SERVICES.by_command()
"""Called before and after a tag is written, with the same credentials."""


class ServiceTag(NamedTuple):
    """A service as ECS returns it: its ARN, its desired count, and the tag's value (None: no such tag)."""

    arn: str
    desired: int
    pause: str | None


class PauseTags:
    """Every method raises `AutoscalerError`. A tag is written completely, so a second write changes nothing.

    A service of another account is not accessed with the daemon's role there: that role may not write tags.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def read(self, service: ServiceRef) -> ServiceTag:
        """Return the present state. Raises `NotFound` if there is no such service."""
        answer = await self._caller.ask(
            READ_SERVICE,
            service_subject(service),
            _own(service),
            cluster=service.cluster,
            services=[service.service],
            include=["TAGS"],
        )
        found = described(answer, service)
        return ServiceTag(found.word("serviceArn"), found.count("desiredCount"), pause_tag_in(found))

    async def write(self, service: ServiceRef, arn: str, value: str) -> None:
        """Set the tag to this value; other tags stay unchanged."""
        tags = [{"key": PAUSE_TAG, "value": value}]
        await self._caller.ask(TAG_RESOURCE, service_subject(service), _own(service), resourceArn=arn, tags=tags)

    async def remove(self, service: ServiceRef, arn: str) -> None:
        """Remove the tag, if there is one."""
        keys = [PAUSE_TAG]
        await self._caller.ask(UNTAG_RESOURCE, service_subject(service), _own(service), resourceArn=arn, tagKeys=keys)


def _own(service: ServiceRef) -> Place:
    """The service's Region, with the credentials of the user who runs the command."""
    return Place(service.region)
