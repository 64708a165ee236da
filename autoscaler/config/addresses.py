"""Names in AWS as operators write them: Regions, queues and roles, as names, URLs and ARNs."""

from __future__ import annotations

import difflib
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.values import ValueKind, split_url
from autoscaler.core.figures import sentence
from autoscaler.ports import QueueRef

# The partitions and Regions of AWS, as the installed SDK knows them.
#
# botocore's data file is read at import, in less than a millisecond. botocore itself is not imported: that takes half a
# second. A Region that the file does not list may be newer than the SDK, so it is never refused.

_NEAR = 0.8


class Partition(NamedTuple):
    """A partition: its name as in ARNs, and the domains of its endpoints. The second domain is of endpoints with IPv4
    and IPv6.
    """

    name: str
    suffixes: tuple[str, str]


def _rows() -> list[dict[str, Any]]:
    spec = find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package botocore is not installed", name="botocore")
    content = json.loads((Path(spec.submodule_search_locations[0]) / "data" / "partitions.json").read_bytes())
    rows: list[dict[str, Any]] = content["partitions"]
    return rows


_ROWS = _rows()
_FORM = re.compile("|".join(f"(?P<p{number}>{row['regionRegex']})" for number, row in enumerate(_ROWS)), re.ASCII)
"""The forms of the Regions' names; the number of the group is that of the partition."""

PARTITIONS = tuple(
    Partition(row["id"], (row["outputs"]["dnsSuffix"], row["outputs"]["dualStackDnsSuffix"])) for row in _ROWS
)
"""All partitions; the first one is `aws`."""

# the file also lists pseudo-Regions such as `aws-global`, which do not have the form
REGIONS = frozenset(region for row in _ROWS for region in row["regions"] if _FORM.fullmatch(region))
"""The Regions that the SDK lists."""


def partition_of(region: str | None) -> Partition | None:
    """Return the partition of the Region, by the form of its name (None: unknown)."""
    found = _FORM.fullmatch(region or "")
    return PARTITIONS[int(str(found.lastgroup)[1:])] if found else None


def partition(region: str | None) -> str:
    """Return the name of the Region's partition, as in ARNs. As in the SDK, it is `aws` if it is unknown."""
    return (partition_of(region) or PARTITIONS[0]).name


def is_partition(name: str) -> bool:
    """Whether the SDK knows the partition."""
    return any(one.name == name for one in PARTITIONS)


def unknown_region(region: str | None) -> str | None:
    """Return a sentence about a Region that the SDK does not list (None: it is listed)."""
    if region is None or region in REGIONS:
        return None
    near = difflib.get_close_matches(region[:40], sorted(REGIONS), 1, _NEAR)
    meant = f"did you mean {near[0]}?" if near else "check its name, or update the autoscaler if the Region is new."
    return f"the installed AWS SDK does not know the Region {region[:40]}; {meant}"


def unknown_partition(name: str) -> str:
    """Return a sentence about a partition that the SDK does not know, without a full stop."""
    known = [one.name for one in PARTITIONS]
    near = difflib.get_close_matches(name[:40], known, 1)
    meant = f"did you mean {near[0]}?" if near else f"partitions: {', '.join(known)}"
    return f"{name[:40]} is not a partition of AWS; {meant}"


# Queues: a name, a URL or an ARN.

_REGION_FORM = r"[a-z]{2,5}(?:-[a-z]+){1,3}-\d{1,2}"
REGION = re.compile(_REGION_FORM, re.ASCII)
_NAME = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(?:\.fifo)?", re.ASCII)
_QUEUE_ARN = re.compile(r"arn:(?P<partition>[a-z-]+):sqs:(?P<region>[^:]*):(?P<account>\d+):(?P<name>[^:]*)", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_ACCOUNT_DIGITS = 12
_HOW = "A name has at most 80 letters, digits, - and _. The name of a FIFO queue ends with .fifo"
_SUCH_A_QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
_SUCH_A_ROLE = "arn:aws:iam::123456789012:role/autoscaler"


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


def _of_arn(text: str) -> QueueRef:
    arn = _QUEUE_ARN.fullmatch(text)
    if arn is None or not REGION.fullmatch(arn["region"]) or not _NAME.fullmatch(arn["name"]):
        raise WrongValue(f"{quote(text)} is not the ARN of a queue, such as {_SUCH_A_QUEUE}")
    _check_account(text, arn["account"], _SUCH_A_QUEUE)
    _check_partition(text, arn["partition"], arn["region"])
    return QueueRef(name=arn["name"], region=arn["region"], account=arn["account"])


def _of_url(text: str) -> QueueRef:
    url = split_url(text, "a queue, such as https://HOST/ACCOUNT/NAME")
    *before, name = url.path.strip("/").split("/")
    if not _NAME.fullmatch(name):
        raise WrongValue(f"{quote(text)} is not the URL of a queue: it must end with the queue name")
    account = before[-1] if before and _DIGITS.fullmatch(before[-1]) else None
    host = _host(url)
    if _is_of_aws(host):
        if account is None:
            raise WrongValue(f"{quote(text)} is not the URL of a queue: the account ID must precede the queue name")
        _check_account(text, account, f"https://{host}/123456789012/{name}")
        _check_endpoint(host, url.port)
    return QueueRef(name=name, region=region_of_host(host), url=text, account=account)


def _host(url: SplitResult) -> str:
    """Return the host in lower case, without the dot that ends a fully qualified name (empty: there is no host)."""
    return (url.hostname or "").removesuffix(".")


def _check_account(text: str, account: str, example: str) -> None:
    if len(account) != _ACCOUNT_DIGITS:
        what = f"its account ID has {len(account)} digits; an AWS account ID has {_ACCOUNT_DIGITS}"
        raise WrongValue(f"{quote(text)}: {what}, as in {example}")


def _check_partition(text: str, given: str, region: str) -> None:
    """Raise WrongValue if the ARN's partition is not that of its Region, or unknown."""
    if not is_partition(given):
        raise WrongValue(f"{quote(text)}: {unknown_partition(given)}")
    where = partition_of(region)
    if where is not None and where.name != given:
        what = f"{region} is in the partition {where.name}: write arn:{where.name}: instead of arn:{given}:"
        raise WrongValue(f"{quote(text)}: {what}")


# The hosts of queue URLs. A call is signed for one Region's SQS; its signature must not reach any other server. So only
# hosts that are SQS endpoints of AWS are called; any other server must be configured as the SDK's endpoint.

_VPC_ENDPOINT = r"vpce-[a-z0-9-]{1,100}\.(?:sqs|sqs-fips)"
_HOST = re.compile(
    rf"(?P<kind>sqs|sqs-fips|{_VPC_ENDPOINT})\.(?P<region>{_REGION_FORM})\.(?P<domain>[a-z0-9.-]+)", re.ASCII
)
_LEGACY = re.compile(rf"(?P<region>{_REGION_FORM})\.queue\.(?P<domain>[a-z0-9.-]+)", re.ASCII)
_LEGACY_HOSTS = {f"{name}.{PARTITIONS[0].suffixes[0]}": "us-east-1" for name in ("queue", "sqs")}
_SQS_LABELS = frozenset({"sqs", "sqs-fips", "queue"})
_WEB_PORTS = {None, 80, 443}


class SqsHost(NamedTuple):
    """An SQS endpoint of AWS. `host`: the host to call (None: the Region's usual endpoint, also by an older name)."""

    region: str
    host: str | None = None


def sqs_host(host: str) -> SqsHost | None:
    """Return the SQS endpoint of AWS that a host name in lower case is (None: AWS has no such endpoint): the usual and
    older ones, those with FIPS or dual stack, and VPC endpoints.
    """
    if host in _LEGACY_HOSTS:
        return SqsHost(_LEGACY_HOSTS[host])
    if (named := _LEGACY.fullmatch(host)) and named["domain"] == _domains(named["region"])[0]:
        return SqsHost(named["region"])
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    domains = _domains(found["region"])
    if found["kind"].startswith("vpce-"):
        domains = tuple(f"vpce.{domain}" for domain in domains)
    if found["domain"] not in domains:
        return None
    usual = found["kind"] == "sqs" and found["domain"] == domains[0]
    return SqsHost(found["region"], None if usual else host)


def _domains(region: str) -> tuple[str, ...]:
    return (partition_of(region) or PARTITIONS[0]).suffixes


def _is_of_aws(host: str) -> bool:
    """Whether the host is in a domain of AWS endpoints, and named like one of SQS."""
    suffixes = [suffix for one in PARTITIONS for suffix in one.suffixes]
    return host.endswith(tuple(f".{suffix}" for suffix in suffixes)) and not _SQS_LABELS.isdisjoint(host.split("."))


def _check_endpoint(host: str, port: int | None) -> None:
    if sqs_host(host) is None:
        region = region_of_host(host)
        such = f"sqs.{region or 'eu-west-1'}.{_domains(region or '')[0]}"
        raise WrongValue(f"{quote(host)} is not an endpoint of SQS, such as {such}")
    if port not in _WEB_PORTS:
        raise WrongValue(f"{quote(host)}: an endpoint of SQS has no port {port}; remove it from the URL")


def region_of_host(host: str) -> str | None:
    """Return the Region in a host name (None: none). It searches from the right: a VPC endpoint's ID comes first."""
    if host in _LEGACY_HOSTS:
        return _LEGACY_HOSTS[host]
    return next((label for label in reversed(host.split(".")) if REGION.fullmatch(label)), None)


def named_endpoint(url: str) -> str | None:
    """Return the endpoint that a queue's URL names (None: the usual endpoint of its Region, also by an older name).

    An endpoint of AWS is called with HTTPS, whatever the URL says.
    """
    parts = urlsplit(url)
    found = sqs_host(_host(parts))
    if found is None:
        return f"{parts.scheme}://{parts.netloc.lower()}"
    return None if found.host is None else f"https://{found.host}"


def endpoint_to_call(named: str, default: str, region: str) -> str | None:
    """Return the endpoint to call for a queue whose URL names one (None: `default`, the SDK's own for the Region).

    An endpoint that is configured for the SDK applies to all queues. Raises WrongValue if the URL names a server that
    is not an endpoint of AWS: it would receive a request that is signed with the credentials.
    """
    own, host = _host(urlsplit(default)), _host(urlsplit(named))
    usual = sqs_host(own)
    if usual is None or usual.region != region or own.startswith("vpce-"):
        return None
    if sqs_host(host) is None:
        raise WrongValue(
            f"the host of the queue's URL, {quote(host)}, is not an SQS endpoint of AWS, and the SDK is not configured "
            f"to use it; set AWS_ENDPOINT_URL_SQS={named}, or write the queue's name or ARN"
        )
    return named


# Roles.

_ROLE = re.compile(
    # parts of the path exclude the slash, so that the pattern matches in one way only
    r"arn:(?P<partition>[a-z-]{1,30}):iam::(?P<account>\d{1,30}):role/(?:[!-.0-~]{1,512}/)*[A-Za-z0-9_+=,.@-]{1,64}",
    re.ASCII,
)
_ROLE_SCHEMA = r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/(?:[!-.0-~]{1,512}/)*[A-Za-z0-9_+=,.@-]{1,64}$"


def role_arn(value: object) -> str:
    """Return the ARN of an IAM role. Raises WrongValue."""
    text = value.strip() if isinstance(value, str) else ""
    arn = _ROLE.fullmatch(text)
    if arn is None:
        raise WrongValue(f"{quote(value)} is not the ARN of a role, such as {_SUCH_A_ROLE}")
    _check_account(text, arn["account"], _SUCH_A_ROLE)
    if not is_partition(arn["partition"]):
        raise WrongValue(f"{quote(text)}: {sentence(unknown_partition(arn['partition']))} An example is {_SUCH_A_ROLE}")
    return text


ROLE_ARN = ValueKind("text", role_arn, {"type": "string", "pattern": _ROLE_SCHEMA})
