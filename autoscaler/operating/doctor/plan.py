"""Checks of the settings alone: wait of the first message, quotas, rate of AWS calls, and their cost."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple
from urllib.parse import urlsplit

from autoscaler.aws.arns import Home, Right
from autoscaler.aws.calls import PRODUCTS, UPDATE_SERVICE, product_of
from autoscaler.aws.ecs import SERVICES_A_CALL
from autoscaler.aws.operator import Identities, Identity
from autoscaler.config import Config, ServiceConfig, shadow_state, waking_notes
from autoscaler.config.checks import empty_notes
from autoscaler.control.supervisor import MOST_GROUPS
from autoscaler.core.figures import number, several
from autoscaler.errors import AutoscalerError, Unavailable
from autoscaler.findings import DAEMON, Finding, Level, bad, good, note, split, text_and_remedy, unread
from autoscaler.operating.iam import receiving, rights_of, writes
from autoscaler.ports import Category, Place
from autoscaler.sources import SOURCES
from autoscaler.telemetry.tally import METRIC_DOLLARS, SQS_REQUEST_DOLLARS

MOST_TASKS, MOST_DISCOVERED = 5_000, 1_000
"""ECS's quota of tasks per service, without and with service discovery."""

CONFLICTS_S, MINUTE_S = 300.0, 60.0
FROM_ZERO = "scale from zero"

MONTH_S = 30 * 86_400.0

MOST_HOSTS = 5
"""Hosts that a note lists."""


class RegionLoad(NamedTuple):
    """The daemon's calls to one Region: calls per second by category, and metrics per minute."""

    rates: Mapping[Category, float]
    metrics: int


def planned(config: Config, starts_s: Mapping[str, float]) -> Iterator[Finding]:
    """Yield the findings from the settings. `starts_s`: learned start-up times in seconds, by key."""
    yield from (note(DAEMON, "settings", *split(each)) for each in empty_notes(config))
    for service in config.services:
        yield from _mode(service)
        yield from _first_message(config, service, starts_s)
        yield from _tasks(service)
    load = load_by_region(config)
    yield from _rates(config, load)
    yield _dollars(load)


def _mode(service: ServiceConfig) -> Iterator[Finding]:
    if service.activation is not None:
        yield note(
            service.ref.key,
            "mode",
            shadow_state(service),
            f"to activate the service, {service.activation}. See docs/shadow.md",
        )


def _first_message(config: Config, service: ServiceConfig, starts_s: Mapping[str, float]) -> Iterator[Finding]:
    key = service.ref.key
    notes = [each.removeprefix(f"{key}: ") for each in waking_notes(config, starts_s) if each.startswith(f"{key}: ")]
    for text, remedy in map(split, notes):
        yield note(key, FROM_ZERO, text.removeprefix(f"{FROM_ZERO}: "), remedy)
    if service.queues and not notes:
        wait = (
            f"about {number(config.interval_s)} s" if service.policy.min_tasks else "less than the acceptable latency"
        )
        yield good(key, FROM_ZERO, f"the first message after an idle period waits {wait}")


def _tasks(service: ServiceConfig) -> Iterator[Finding]:
    key, policy = service.ref.key, service.policy
    if policy.max_tasks > MOST_TASKS:
        yield bad(
            key,
            "max_tasks",
            f"max_tasks is {policy.max_tasks:,}; the ECS quota is {MOST_TASKS:,} tasks per service",
            f"set max_tasks to {MOST_TASKS:,} or less, or use several services",
        )
    elif policy.max_tasks > MOST_DISCOVERED:
        yield note(
            key,
            "max_tasks",
            f"max_tasks is {policy.max_tasks:,}; the ECS quota with service discovery is {MOST_DISCOVERED:,} tasks",
            "do not use service discovery, or lower max_tasks",
        )
    minutes = policy.max_tasks / policy.launch_per_minute
    if minutes * MINUTE_S > policy.shortest_latency_s:
        yield note(
            key,
            "launches",
            f"ECS starts at most {several(policy.launch_per_minute, 'task')} a minute: "
            f"{several(policy.max_tasks, 'task')} in {several(minutes, 'minute')}",
            "if such a burst must meet the latency target, raise min_tasks or acceptable_latency",
        )


def load_by_region(config: Config) -> dict[str, RegionLoad]:
    """Return the load by Region name (empty: the default Region). A poll reads each queue once, and ECS once for up to
    ten services of a cluster that are polled together. One CloudWatch call a minute reads up to 500 metrics.
    """
    queues: Counter[str] = Counter()
    clusters: dict[str, Counter[str]] = {}
    metrics: Counter[str] = Counter()
    for service in config.services:
        region = service.ref.region or ""
        clusters.setdefault(region, Counter())[service.ref.cluster] += 1
        metrics[region] += sum(source.cloudwatch_metrics(service) for source in SOURCES)
        queues.update(queue.region or "" for queue in service.queues)
    return {
        region: RegionLoad(
            {
                Category.QUEUE_READ: queues[region] / config.interval_s,
                Category.SERVICE_READ: sum(map(_shared, here.values())) / config.interval_s,
                Category.SCALING_READ: here.total() / CONFLICTS_S,
                Category.METRIC_READ: ceil(metrics[region] / 500) / MINUTE_S,
            },
            metrics[region],
        )
        for region in queues.keys() | clusters.keys()
        for here in [clusters.get(region, Counter())]
    }


def _shared(services: int) -> int:
    """Return the calls for this number of services of a cluster: ten per call, but at least one per poll group."""
    return max(ceil(services / SERVICES_A_CALL), min(services, MOST_GROUPS))


def _rates(config: Config, load: Mapping[str, RegionLoad]) -> Iterator[Finding]:
    for region, calls in load.items():
        for category, rate in calls.rates.items():
            allowed = category.rate * config.rate_share_percent / 100
            limit = f"limit {_shown(allowed)} ({config.rate_share_percent} % of the AWS quota)"
            text = f"{_shown(rate)} calls per second{f' in {region}' if region else ''}, {limit}"
            yield _rate(config, category, text, rate / allowed)


def _rate(config: Config, category: Category, text: str, used_ratio: float) -> Finding:
    what, longer = f"calls to {product_of(category)}", f"{ceil(config.interval_s * used_ratio)}s"
    percent = ceil(config.rate_share_percent * used_ratio)
    more = (
        f"raise AUTOSCALER_RATE_SHARE_PERCENT to {percent}"
        if percent <= 100
        else "use several AWS accounts for the services"
    )
    if used_ratio <= 1:
        return good(DAEMON, what, text)
    if category is Category.SERVICE_READ:
        text = f"{text}: stable services are read about every {longer}, services that change at each poll"
        return note(DAEMON, what, text, f"no action if this is acceptable; else {more}")
    if category is Category.QUEUE_READ:
        more = f"set AUTOSCALER_INTERVAL to {longer} or longer, or {more}"
    return bad(DAEMON, what, f"{text}: calls will wait for rate-limit tokens", more)


def _shown(rate: float) -> str:
    return number(rate)


def _dollars(load: Mapping[str, RegionLoad]) -> Finding:
    requests = sum(calls.rates[Category.QUEUE_READ] for calls in load.values()) * MONTH_S
    metrics = sum(calls.metrics for calls in load.values()) * MONTH_S / MINUTE_S
    sqs, cloudwatch = requests * SQS_REQUEST_DOLLARS, metrics * METRIC_DOLLARS
    return good(
        DAEMON,
        "cost of AWS calls",
        f"at most ${sqs + cloudwatch:,.2f} per month: {requests:,.0f} calls to SQS (${sqs:,.2f}), "
        f"{metrics:,.0f} metrics from CloudWatch (${cloudwatch:,.2f}); ECS calls are free",
    )


# Checks the identity of the credentials, and by IAM's policy simulator whether they may scale: ECS has no dry run.
#
# `ecs:UpdateService` with the present count would be a write, so it is not called. The simulator evaluates the
# policies. If it is not permitted, the result is unknown.

RIGHTS = "permissions"


@dataclass(slots=True)
class IdentityChecks:
    """Checks the identity and the permissions. `role`: check all permissions of this role instead. None: check the
    present credentials, and only for the permission to set a count, which a read cannot show.
    """

    identities: Identities
    place: Place
    role: str | None = None

    async def who(self) -> tuple[Identity | None, Finding]:
        """Return the identity (None: not known) and the finding about it.

        The daemon works without STS, for example in a network without a route to it.
        """
        try:
            found = await self.identities.who(self.place)
        except Unavailable as fault:
            return None, Finding(Level.UNKNOWN, DAEMON, "credentials", *text_and_remedy(fault))
        except AutoscalerError as fault:
            return None, unread(DAEMON, "credentials", fault)
        text = f"account {found.account}, {found.arn}: this command uses these credentials"
        return found, good(DAEMON, "credentials", text)

    async def may(self, identity: Identity | None, service: ServiceConfig) -> list[Finding]:
        """Simulate the permissions that the daemon needs for the service."""
        key, principal = service.ref.key, self._principal(identity, service)
        if self.role is None and not writes(service):
            return [good(key, RIGHTS, "a service in shadow needs no write permission")]
        if identity is None or principal is None:
            return [_unknowable(key, "the role is not known: IAM simulates only users and roles")]
        rights = rights_of(service, Home(self.place.region, identity.account))
        asked = rights if self.role else [right for right in rights if right.api is UPDATE_SERVICE]
        try:
            denied = [right for right in asked if not await self._allowed(principal, right, service)]
        except Unavailable as fault:
            return [_unknowable(key, f"IAM did not answer ({fault})")]
        except AutoscalerError:
            return [_unknowable(key, f"IAM did not permit the simulation for {principal}")]
        return [_denied(key, principal, right) for right in denied] or [_allowed(key, principal, asked)]

    async def may_receive(self, identity: Identity | None, config: Config) -> list[Finding]:
        """Simulate the permissions of `role` for the queue of events. Without a role nothing is simulated: the present
        credentials may be those of a person, who does not receive.
        """
        account = None if identity is None else identity.account
        rights = receiving(config, Home(self.place.region, account))
        if self.role is None or not rights:
            return []
        try:
            denied = [right for right in rights if not await self._allows(self.role, right)]
        except AutoscalerError as fault:
            text = f"the permissions for event_queue were not checked: IAM did not permit the simulation ({fault})"
            remedy = "allow your credentials iam:SimulatePrincipalPolicy on the role, or check the log of the daemon"
            return [Finding(Level.UNKNOWN, DAEMON, RIGHTS, text, remedy)]
        return [_denied(DAEMON, self.role, right) for right in denied] or [_allowed(DAEMON, self.role, rights)]

    async def _allows(self, principal: str, right: Right) -> bool:
        return await self.identities.may(principal, right.api, right.resource, {}, self.place)

    def _principal(self, identity: Identity | None, service: ServiceConfig) -> str | None:
        """Return the principal that scales the service: its role, else `role`, else that of the credentials."""
        named = self.role if service.ref.role is None else service.ref.role.arn
        return named or (identity and identity.principal)

    async def _allowed(self, principal: str, right: Right, service: ServiceConfig) -> bool:
        context = {} if right.cluster is None else {"ecs:cluster": right.cluster}
        place = Place(service.ref.region or self.place.region, service.ref.role)
        return await self.identities.may(principal, right.api, right.resource, context, place)


def _allowed(key: str, principal: str, rights: Sequence[Right]) -> Finding:
    names = ", ".join(dict.fromkeys(right.api.name for right in rights))
    return good(key, RIGHTS, f"IAM allows {names} for {principal} (simulated; the calls were not made)")


def _denied(key: str, principal: str, right: Right) -> Finding:
    return bad(
        key,
        RIGHTS,
        f"IAM denies {right.api.name} on {right.resource} for {principal} (simulated)",
        "`autoscaler iam-policy` prints the permissions that the role needs",
        "denied",
    )


def _unknowable(key: str, why: str) -> Finding:
    return Finding(
        Level.UNKNOWN,
        key,
        RIGHTS,
        f"the permission for ecs:UpdateService was not checked: ECS has no dry run, and {why}",
        "allow your credentials iam:SimulatePrincipalPolicy on the role, or check the log after mode=scale_out_only",
    )


_ENDPOINT = "AWS_ENDPOINT_URL"
_IGNORED = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
ENDPOINTS = (_ENDPOINT, *(f"{_ENDPOINT}_{name.upper().replace(' ', '_')}" for name in PRODUCTS.values()))
"""The variables with the endpoints of the calls: for all services, and for each one by AWS's name of it."""


def endpoints(environ: Mapping[str, str], config: Config) -> Iterator[Finding]:
    """Yield a note for each custom endpoint: the readings may not be from AWS."""
    given = {name: _place(environ[name]) for name in sorted(environ) if environ[name]}
    ignored = given.get(_IGNORED, "").lower() == "true"
    for name, address in given.items():
        if not name.startswith(_ENDPOINT):
            continue
        if name not in ENDPOINTS:
            [near] = difflib.get_close_matches(name, ENDPOINTS, 1, 0.0)
            yield note(DAEMON, "endpoint", f"{name} is set, and no call uses it", f"did you mean {near}?")
        elif ignored:
            yield note(DAEMON, "endpoint", f"{name} is set and ignored, because {_IGNORED} is true", f"unset {name}")
        else:
            yield note(DAEMON, "endpoint", f"{name} is set: {address}", f"unset {name} to use the AWS endpoint")
    used = given.get(f"{_ENDPOINT}_SQS") or given.get(_ENDPOINT)
    if used and not ignored:
        yield from _other_hosts(used, config)


def _place(address: str) -> str:
    """Return the address without user, password, query and fragment: each may be a secret."""
    place = address.partition("?")[0].partition("#")[0]
    if "@" in address[len(place) :]:
        return "a value that may be a secret (not shown)"
    scheme, mark, rest = place.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _other_hosts(used: str, config: Config) -> Iterator[Finding]:
    """Yield a note if the URL of a queue names another host than the configured endpoint, which all calls use."""
    urls = [queue.url for service in config.services for queue in service.queues if queue.url is not None]
    others = sorted({urlsplit(url).netloc.lower() for url in urls} - {urlsplit(used).netloc.lower()})
    if others:
        hosts = ", ".join(others[:MOST_HOSTS]) + (", ..." if len(others) > MOST_HOSTS else "")
        text = f"all queues are read at {used}, also those with a URL of another host: {hosts}"
        yield note(DAEMON, "endpoint", text, "no action if this is intended")
