"""SQS queues: three counts in one call, strictly validated. An absent count is never a zero."""

from __future__ import annotations

import re

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import GET_QUEUE_ATTRIBUTES, GET_QUEUE_URL
from autoscaler.aws.clients import Clocks
from autoscaler.aws.faults import missing
from autoscaler.aws.names import queue_subject, region_in
from autoscaler.config.addresses import named_endpoint
from autoscaler.core.model import Backlog, Instant, Missing
from autoscaler.errors import AutoscalerError, NotFound, Refused
from autoscaler.ports import Place, QueueRef

VISIBLE = "ApproximateNumberOfMessages"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
DELAYED = "ApproximateNumberOfMessagesDelayed"

ACCOUNT_IN_URL = re.compile(r"https?://[^/]+/(?P<account>\d{12})/[^/]+", re.ASCII)

MOST_MESSAGES = 2**53
"""A larger count is invalid, and not exact in JSON readers."""


class SqsQueues:
    """The `Queues` port over SQS."""

    def __init__(self, caller: Caller, clocks: Clocks) -> None:
        self._caller = caller
        self._clocks = clocks
        self._urls: dict[QueueRef, str] = {}

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        """The queue's counts, as of just before the call."""
        try:
            return await self._backlog(queue)
        except NotFound as fault:
            self._urls.pop(queue, None)  # a queue that is created again may have another URL
            return missing(fault)
        except AutoscalerError as fault:
            return missing(fault)

    def account_of(self, queue: QueueRef) -> str | None:
        """Return the account that owns the queue (None: unknown). A name has one after its URL was read for a poll."""
        if queue.account is not None:
            return queue.account
        found = ACCOUNT_IN_URL.fullmatch(queue.url or self._urls.get(queue, ""))
        return found["account"] if found else None

    async def _backlog(self, queue: QueueRef) -> Backlog:
        place, url = endpoint_of(queue), await self.url(queue)
        at = self._clocks.now()
        names = [VISIBLE, IN_FLIGHT, DELAYED]
        answer = await self._caller.ask(
            GET_QUEUE_ATTRIBUTES, queue_subject(queue), place, QueueUrl=url, AttributeNames=names
        )
        return backlog_in(answer.part("Attributes"), at)

    async def url(self, queue: QueueRef) -> str:
        """Return the queue's URL, from the settings or from SQS. Raises `AutoscalerError`."""
        if queue.url is not None:
            return queue.url
        if queue not in self._urls:
            owner = {"QueueOwnerAWSAccountId": queue.account} if queue.account else {}
            answer = await self._caller.ask(
                GET_QUEUE_URL, queue_subject(queue), place_of(queue), QueueName=queue.name, **owner
            )
            self._urls[queue] = answer.word("QueueUrl")
        return self._urls[queue]


def place_of(queue: QueueRef) -> Place:
    """The Region of the queue (None: the daemon's own), and the role for its calls.

    A call is signed for one Region. Raises `Refused` if the URL is of another Region.
    """
    named = None if queue.url is None else region_in(queue.url)
    if named and queue.region and named != queue.region:
        raise Refused(
            f"{queue_subject(queue)}: its URL is in {named}, its region is {queue.region}; correct one of the two"
        )
    return Place(queue.region or named, queue.role)


def endpoint_of(queue: QueueRef) -> Place:
    """The same, with the endpoint: only a URL of the settings names one, never one of an answer."""
    return place_of(queue)._replace(endpoint=None if queue.url is None else named_endpoint(queue.url))


def backlog_in(attributes: ResponsePart, at: Instant) -> Backlog:
    """The three counts. Raises `Unreadable` if one is missing or not a number."""
    return Backlog(_messages(attributes, VISIBLE), _messages(attributes, IN_FLIGHT), _messages(attributes, DELAYED), at)


def _messages(attributes: ResponsePart, name: str) -> int:
    text = attributes.word(name)
    # 2**53 has 16 digits; int() alone would also accept "+1", "1_0" and digits of other scripts
    if not _DIGITS.fullmatch(text) or int(text) > MOST_MESSAGES:
        raise attributes.unreadable(name, "a count of messages", text)
    return int(text)


_DIGITS = re.compile("[0-9]{1,16}")
