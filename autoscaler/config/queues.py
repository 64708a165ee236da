"""Parse a queue's name, URL or ARN, with the Region and account that it contains."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from autoscaler.config.quoting import WrongValue, quote
from autoscaler.ports import QueueRef

_NAME = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(?:\.fifo)?", re.ASCII)
_ARN = re.compile(r"arn:[a-z-]+:sqs:(?P<region>[^:]*):(?P<account>\d{12}):(?P<name>[^:]*)", re.ASCII)
_ACCOUNT = re.compile(r"\d+", re.ASCII)
_AWS_HOST = re.compile(r"\.(?:amazonaws\.com(?:\.cn)?|api\.aws)", re.ASCII)
REGION = re.compile(r"[a-z]{2,5}(?:-[a-z]+){1,3}-\d{1,2}", re.ASCII)
_LEGACY_HOSTS = {"queue.amazonaws.com", "sqs.amazonaws.com"}
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
_HOW = "A name has at most 80 letters, digits, - and _; the name of a FIFO queue ends with .fifo"


def queue(value: object) -> QueueRef:
    """Return the parsed queue. Raises WrongValue with the reason, without a password in its text."""
    text = value.strip() if isinstance(value, str) else ""
    if "://" in text:
        return _of_url(text)
    if text.startswith("arn:"):
        return _of_arn(text)
    if not _NAME.fullmatch(text):
        raise WrongValue(f"{quote(value)} is not a queue name, URL or ARN. {_HOW}")
    return QueueRef(name=text)


def address(ref: QueueRef) -> str:
    """Return a text that `queue` parses to the same queue: its URL or ARN if it has one, else its name."""
    if ref.url:
        return ref.url
    return f"arn:{partition(ref.region)}:sqs:{ref.region}:{ref.account}:{ref.name}" if ref.account else ref.name


def partition(region: str | None) -> str:
    """Return the AWS partition of the Region, as in ARNs."""
    return next((partition for prefix, partition in _PARTITIONS.items() if (region or "").startswith(prefix)), "aws")


def _of_arn(text: str) -> QueueRef:
    arn = _ARN.fullmatch(text)
    if arn is None or not REGION.fullmatch(arn["region"]) or not _NAME.fullmatch(arn["name"]):
        raise WrongValue(f"{quote(text)} is not the ARN of a queue, such as arn:aws:sqs:eu-west-1:123456789012:orders")
    return QueueRef(name=arn["name"], region=arn["region"], account=arn["account"])


def _of_url(text: str) -> QueueRef:
    url = _split(text)
    *before, name = url.path.strip("/").split("/")
    if not _NAME.fullmatch(name):
        raise WrongValue(f"{quote(text)} is not the URL of a queue: it must end with the queue name")
    account = before[-1] if before and _ACCOUNT.fullmatch(before[-1]) else None
    host = (url.hostname or "").lower()
    if account is None and _AWS_HOST.search(host):
        raise WrongValue(f"{quote(text)} is not the URL of a queue: the account ID must precede the queue name")
    return QueueRef(name=name, region=_region_of(host), url=text, account=account)


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise WrongValue("the value is not a valid URL") from error
    if "@" in url.netloc:
        raise WrongValue("the URL of a queue must not contain a user or a password (value not shown). Remove them")
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise WrongValue(f"{quote(text)} is not the URL of a queue, such as https://HOST/ACCOUNT/NAME")
    return url


def _region_of(host: str) -> str | None:
    """Return the Region in a host name (None: none). It searches from the right: a VPC endpoint's ID comes first."""
    if host in _LEGACY_HOSTS:
        return "us-east-1"
    return next((label for label in reversed(host.split(".")) if REGION.fullmatch(label)), None)
