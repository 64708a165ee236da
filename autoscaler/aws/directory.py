"""List the services of a cluster with their tags, for discovery by tag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.batching import batches
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import DESCRIBE_SERVICES, LIST_SERVICES, Api
from autoscaler.aws.faults import clean
from autoscaler.aws.names import short_name
from autoscaler.errors import Throttled, Unavailable
from autoscaler.ports import Place, Urgency

MOST_SERVICES = 10
"""Maximum number of services in one call."""

PAGE = 100
MOST_PAGES = 60
"""A cluster has at most 5,000 services."""

AGAIN_S, TRIES = 5.0, 60
"""The calls have a lower priority than all other reads, so they are retried for up to five minutes."""

UNKNOWN = "MISSING"


class EcsDirectory:
    """The `Directory` port over ECS."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def tags(self, cluster: str, place: Place) -> dict[str, dict[str, str]]:
        """The tags of each active service of the cluster. Raises `AutoscalerError`."""
        names = await self._names(cluster, place)
        found: dict[str, dict[str, str]] = {}
        for batch in batches(names, MOST_SERVICES):
            answer = await self._ask(DESCRIBE_SERVICES, cluster, place, services=batch, include=["TAGS"])
            found |= {one.word("serviceName"): tags_of(one) for one in active_in(answer, batch)}
        return found

    async def _names(self, cluster: str, place: Place) -> list[str]:
        names, more = list[str](), dict[str, str]()
        for _ in range(MOST_PAGES):
            answer = await self._ask(LIST_SERVICES, cluster, place, maxResults=PAGE, **more)
            names += [short_name(arn) for arn in answer.words("serviceArns")]
            if not answer.has("nextToken"):
                return list(dict.fromkeys(names))
            more = {"nextToken": answer.word("nextToken")}
        raise Unavailable(f"the services of cluster {cluster}: the list has more than {MOST_PAGES} pages")

    async def _ask(self, api: Api, cluster: str, place: Place, **parameters: object) -> ResponsePart:
        for _ in range(TRIES - 1):
            with suppress(Throttled):
                return await self._once(api, cluster, place, parameters)
            await asyncio.sleep(AGAIN_S)
        return await self._once(api, cluster, place, parameters)

    async def _once(self, api: Api, cluster: str, place: Place, parameters: dict[str, object]) -> ResponsePart:
        subject = f"the services of cluster {cluster}"
        return await self._caller.ask(api, subject, place, Urgency.BACKGROUND, cluster=cluster, **parameters)


def active_in(answer: ResponsePart, requested: Sequence[str]) -> Iterator[ResponsePart]:
    """Yield each active service of an answer; a service that was deleted in the meantime is left out.

    Raises `Unavailable` for any other gap: a service that could not be read still exists.
    """
    missing = answer.parts_if_any("failures")
    if len(missing) + len(answer.parts("services")) < len(requested):
        raise Unavailable(f"{answer.call.where}: ECS returned only some of them; a later call can return all")
    for failure in missing:
        reason = clean(failure.word_or("reason", "no reason given"))
        if reason != UNKNOWN:
            raise Unavailable(f"{answer.call.where}: ECS returned a failure ({reason}); a later call can succeed")
    yield from (found for found in answer.parts("services") if found.word("status") == "ACTIVE")


def tags_of(service: ResponsePart) -> dict[str, str]:
    return {tag.word("key"): tag.word_or("value", "") for tag in service.parts_if_any("tags")}
