"""The tag `autoscaler:paused` of a service: read, written, taken away. Of all our code, only commands write it."""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.aws.caller import Caller
from autoscaler.aws.ecs import PAUSE_TAG, described, pause_tag_in
from autoscaler.aws.names import service_subject
from autoscaler.aws.operator.apis import LOOK_AT_SERVICE, TAG_RESOURCE, UNTAG_RESOURCE
from autoscaler.ports import Place, ServiceRef


class Tagged(NamedTuple):
    """A service as ECS tells it: its ARN, its desired count, and the tag's value (None: it has no such tag)."""

    arn: str
    desired: int
    pause: str | None


class PauseTags:
    """Every method raises `AutoscalerError`. A tag is written whole, so writing it twice is writing it once.

    A service of another account is not looked for as the role that the daemon acts as there: that role may not tag.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def read(self, service: ServiceRef) -> Tagged:
        """What ECS says now. Raises `NotFound` where there is no such service."""
        answer = await self._caller.ask(
            LOOK_AT_SERVICE,
            service_subject(service),
            _own(service),
            cluster=service.cluster,
            services=[service.service],
            include=["TAGS"],
        )
        found = described(answer, service)
        return Tagged(found.word("serviceArn"), found.count("desiredCount"), pause_tag_in(found))

    async def write(self, service: ServiceRef, arn: str, value: str) -> None:
        """The service has the tag with this value; its other tags are as they were."""
        tags = [{"key": PAUSE_TAG, "value": value}]
        await self._caller.ask(TAG_RESOURCE, service_subject(service), _own(service), resourceArn=arn, tags=tags)

    async def remove(self, service: ServiceRef, arn: str) -> None:
        """The service has no such tag, also where it had none before."""
        keys = [PAUSE_TAG]
        await self._caller.ask(UNTAG_RESOURCE, service_subject(service), _own(service), resourceArn=arn, tagKeys=keys)


def _own(service: ServiceRef) -> Place:
    """Where the service is, with the credentials of whoever runs the command."""
    return Place(service.region)
