"""Load a `Config` from the environment and the file, or report all problems.

The environment overrides the file, and both override the defaults: the layers are merged, the defaults are applied to
each service, each service is validated alone, and then all services are validated together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from autoscaler.config import checks
from autoscaler.config.claims import Claim, Claims, queue_resource, service_resource
from autoscaler.config.fields import LONGEST_INTERVAL_S, GlobalFields, ServiceFields
from autoscaler.config.file import FileSource
from autoscaler.config.groups import Path
from autoscaler.config.lasting import Gap, Stated, gaps, restore, stated
from autoscaler.config.layers import (
    TWO_STYLES,
    Layer,
    Merged,
    Naming,
    Sourced,
    Tree,
    VariablesSource,
    merged,
    overlaid,
    sources,
)
from autoscaler.config.metrics import source_of
from autoscaler.config.model import Config, DiscoveryScope, ModeSetting, ServiceConfig, SharedCap
from autoscaler.config.names import PREFIX, SettingsPart, folded, key_of, variable
from autoscaler.config.policies import Valid, activating, chosen_in, filled, policy, schedule_of, validated
from autoscaler.config.rules import CapFields
from autoscaler.core.policy import Mode
from autoscaler.errors import ConfigError, Problem
from autoscaler.ports import MetricRequest, Place, QueueRef, Role, ServiceRef

_CLUSTER, _SERVICE, _QUEUES, _ROLE_ARN, _CAPS = ("cluster",), ("service",), ("queues",), ("role_arn",), ("caps",)
_MODE, _EVENT_QUEUE = ("mode",), ("event_queue",)
NO_SERVICE = (
    "no service is configured. For one service, set AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE, AUTOSCALER_QUEUES and "
    "AUTOSCALER_MAX_TASKS. For several services, set AUTOSCALER_CONFIG_FILE, AUTOSCALER_SERVICES__<KEY>__... or "
    "AUTOSCALER_DISCOVER_CLUSTERS"
)


@dataclass(frozen=True, slots=True)
class Read:
    """One service as it was read. `own`: the settings that are written for it, not in the defaults."""

    naming: Naming
    valid: Valid[ServiceFields]
    own: frozenset[Path]

    @property
    def key(self) -> str:
        return self.naming.key.lower()

    @property
    def latencies_s(self) -> tuple[float, ...]:
        """The acceptable latencies of the service and of its queues."""
        own = (item.acceptable_latency for item in self.valid.value.queues)
        return (self.valid.value.acceptable_latency, *(latency for latency in own if latency is not None))

    def where(self, path: Path) -> str:
        """Return where the setting is written, or would be written."""
        sourced = self.valid.sources.get(path)
        return sourced.origin if sourced else self.naming.of(path)

    @property
    def mode_setting(self) -> ModeSetting:
        """Whether the mode is set, and where to set it to make the service active: the place where its own settings or
        its profile set the mode, else the place of its own mode, which overrides the defaults.
        """
        sourced, own = self.valid.sources.get(_MODE), self.naming.of(_MODE)
        # A service found by tag is in shadow unless a tag or its profile sets the mode. Its source is then its tags.
        by_tags = sourced is not None and own.startswith(f"{sourced.origin}: ")
        at = sourced.origin if sourced is not None and _MODE in self.own else own
        return ModeSetting(sourced is None or by_tags, activating(at))

    def contradictions(self, home: str | None) -> Iterator[Problem]:
        """Yield the problems within the service, in addition to the values that could not be read. `home`: the daemon's
        own Region (None: unknown).
        """
        fields, broken = self.valid.value, self.valid.broken
        clashes = checks.contradictions(fields, broken) + checks.out_of_bounds(fields, broken)
        clashes += checks.blockers(fields, self.valid.sources.keys(), self.own, broken, home)
        yield from (Problem(self.where(clash.at), clash.what) for clash in clashes)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """All settings that were read. `whole`: the merged trees. `problems`: all problems. `prefixes`: the prefix of the
    names of each service's settings, in each layer, with the folded key. `home`: the daemon's own Region, if the
    environment names it. `stated`: settings that stay if they are missing at the next reload; `missing`: settings that
    are missing now and stay. `written`: number of settings in the file; `content`: the file as it was read.
    `empty_variables` as in `Config`.
    """

    globals: Valid[GlobalFields]
    services: tuple[Read, ...]
    flat: bool
    whole: Merged
    problems: tuple[Problem, ...] = ()
    prefixes: tuple[tuple[str, str], ...] = ()
    home: str | None = None
    stated: Stated = field(default_factory=dict)
    missing: tuple[Gap, ...] = ()
    written: int = 0
    content: bytes = field(default=b"", repr=False)
    empty_variables: tuple[str, ...] = ()

    @property
    def defaults(self) -> ServiceFields:
        return validated(ServiceFields, self.whole.defaults).value

    @property
    def shortest_latency_s(self) -> float:
        """The shortest acceptable latency of all services and queues in seconds; infinity without services."""
        return min((latency for read in self.services for latency in read.latencies_s), default=inf)

    @property
    def interval_s(self) -> float:
        """The effective poll interval in seconds: at least three readings within the shortest latency."""
        return min(self.longest_interval_s, self.shortest_latency_s / 3)

    @property
    def longest_interval_s(self) -> float:
        """The configured poll interval in seconds, or the longest derived one."""
        configured_s = self.globals.value.interval
        return LONGEST_INTERVAL_S if configured_s is None else configured_s


def load(environ: Mapping[str, str]) -> Config:
    """Return the settings of the environment and of the file that it names. Raises ConfigError with all problems."""
    return config_of(settle(environ))


def config_of(settings: LoadedSettings) -> Config:
    """Return the configuration of valid settings."""
    return filled(
        Config,
        settings.globals.value,
        interval_s=settings.interval_s,
        interval_is_derived=settings.globals.value.interval is None,
        services=tuple(service_of(read) for read in settings.services),
        caps=_caps(settings),
        discovery=_discovery(settings),
        empty_variables=settings.empty_variables,
    )


def _discovery(settings: LoadedSettings) -> DiscoveryScope:
    clusters = settings.globals.value.discover_clusters
    defaults = settings.defaults
    if not clusters:
        return DiscoveryScope()
    return DiscoveryScope(clusters, Place(defaults.region, _role(defaults)), tuple(_without_tags(settings)))


def _without_tags(settings: LoadedSettings) -> Iterator[ServiceConfig]:
    """Yield what a discovered service is before its tags apply: without a profile, and with each profile."""
    naming = Naming("", "", dotted=True)
    for profile in ({}, *settings.whole.profiles.values()):
        service = service_of(Read(naming, validated(ServiceFields, below_tags(profile, settings)), frozenset()))
        yield replace(service, ref=replace(service.ref, cluster="", service=""))


def below_tags(profile: Tree, settings: LoadedSettings, where: str = "") -> Tree:
    """Return the settings that the tags of a discovered service override: those of its profile, then the defaults.
    Without a mode in its profile it is in shadow. `where`: the origin of this mode.
    """
    shadow: Tree = {_MODE[0]: Sourced(str(Mode.SHADOW), where)}
    return overlaid(profile, overlaid(shadow, settings.whole.defaults))


def settle(environ: Mapping[str, str]) -> LoadedSettings:
    """Return the settings with their origins. Raises ConfigError with all problems."""
    settings = find(environ)
    if settings.problems:
        raise ConfigError(settings.problems)
    return settings


def find(environ: Mapping[str, str], last: Stated | None = None) -> LoadedSettings:
    """Return the settings with their origins and problems. `last`: the settings stated at the previous read, which stay
    if they are missing now (None: at a start).
    """
    home = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
    variables = VariablesSource(environ)
    outer, content = variables.layer, FileSource(_config_file(variables.layer))
    inner = content.layer
    flat = _settle_flat(outer, inner, key_of(environ.get(variable(("service",)), "")))
    written, whole = len(sources(inner.tree)), merged(variables, content)
    restore(whole, last or {})
    daemon = validated(GlobalFields, whole.globals)
    reads = tuple(_reads(whole, outer.services | inner.services))
    problems = [*outer.problems, *inner.problems, *daemon.problems, *_unreadable(whole, reads)]
    inner_problems = (problem for read in reads for problem in read.contradictions(home))
    problems += _contradictory(problems, [*inner_problems, *_between(reads, home), *_own(daemon, reads, home)])
    if not (reads or problems or daemon.value.discover_clusters):
        problems.append(Problem(variable(("service",)), NO_SERVICE))
    named = () if flat else [(own.prefix, key) for layer in (outer, inner) for key, own in layer.services.items()]
    return LoadedSettings(
        daemon,
        reads,
        flat,
        whole,
        tuple(dict.fromkeys(_with_empty(problems, variables.empty))),
        tuple(named),
        home,
        stated=stated(whole, last or {}),
        missing=gaps(whole, {folded(read.key): read.key for read in reads}) if last else (),
        written=written,
        content=inner.content,
        empty_variables=tuple(variables.empty),
    )


def _with_empty(problems: Iterable[Problem], empty: Collection[str]) -> Iterator[Problem]:
    """Yield the problems; that of an empty variable says so, because the operator sees it in the task definition."""
    for each in problems:
        is_empty = each.where in empty
        yield replace(each, what=f"{each.what}; the variable is empty, which counts as not set") if is_empty else each


def _config_file(outer: Layer) -> str | None:
    return validated(GlobalFields, outer.tree[SettingsPart.GLOBALS]).value.config_file


def _settle_flat(outer: Layer, inner: Layer, key: str) -> bool:
    """Add a service that is configured without a key to the services; it must be the only one. False: there is none."""
    tree = outer.tree.pop(SettingsPart.FLAT, {})
    if not tree:
        return False
    if outer.services or inner.services:
        outer.complain(min(sourced.origin for sourced in sources(tree).values()), TWO_STYLES)
        return False
    outer.services[folded(key)] = Naming(key, PREFIX, dotted=False)
    outer.tree[SettingsPart.SERVICES][folded(key)] = tree
    return True


def _reads(whole: Merged, names: Mapping[str, Naming]) -> Iterator[Read]:
    for key, own in sorted(whole.services.items()):
        valid = validated(ServiceFields, overlaid(own, whole.defaults))
        yield Read(names[key], valid, frozenset(path for path, sourced in sources(own).items() if not sourced.stays))


def _unreadable(whole: Merged, reads: Iterable[Read]) -> Iterator[Problem]:
    """Yield the problems of single values in the defaults, in profiles (even unused ones) and in services."""
    for shared in (whole.defaults, *whole.profiles.values()):
        yield from validated(ServiceFields, shared).problems
    yield from (problem for read in reads for problem in read.valid.problems)


def _contradictory(known: Iterable[Problem], found: Iterable[Problem]) -> list[Problem]:
    """Return the contradictions, except at settings that already have a problem."""
    named = {problem.where for problem in known}
    return [problem for problem in found if problem.where not in named]


def _between(reads: Iterable[Read], home: str | None) -> Iterator[Problem]:
    """Yield a problem for each AWS resource that two services use, at the setting of the later service."""
    taken = Claims(home)
    for resource, by, at in (claim for read in reads for claim in _claims(read, home)):
        earlier = taken.earlier(resource, but=by)
        if earlier is not None:
            what = (
                f"{resource.what} is already configured for the service {earlier.by} ({earlier.at}). {resource.remedy}"
            )
            yield Problem(at, what)
        taken.take(Claim(resource, by, at))


def _own(daemon: Valid[GlobalFields], reads: Sequence[Read], home: str | None) -> Iterator[Problem]:
    """Yield the contradictions between settings of the daemon and these services."""
    yield from _capped(daemon, reads)
    queue = daemon.value.event_queue
    if queue is None:
        return
    claims = Claims(home, events=queue)
    for resource, by, at in (claim for read in reads for claim in _claims(read, home)):
        if claims.earlier(resource) is not None:
            what = f"the queue {queue.name} is also a queue of the service {by} ({at}), whose messages are its work"
            remedy = "Use another queue, which only an EventBridge rule sends to"
            yield Problem(daemon.sources[_EVENT_QUEUE].origin, f"{what}. {remedy}")


def _capped(daemon: Valid[GlobalFields], reads: Sequence[Read]) -> Iterator[Problem]:
    """Yield the problems of the shared caps with these services."""
    least = {read.key: read.valid.value.min_tasks for read in reads}
    for name, item in daemon.value.caps.items():
        for what in checks.cap_contradictions(item, least):
            yield Problem(daemon.sources[_CAPS].origin, f"{name}: {what}")


def _claims(read: Read, home: str | None) -> Iterator[Claim]:
    fields, given = read.valid.value, read.valid.sources.keys() - read.valid.broken
    if _ROLE_ARN in read.valid.broken:
        return  # the account is unknown
    if _SERVICE in given and _CLUSTER in given:
        yield Claim(service_resource(_ref(read), home), read.key, read.where(_SERVICE))
    for queue in _queues(fields):
        yield Claim(queue_resource(queue, home), read.key, read.where(_QUEUES))


def service_of(read: Read) -> ServiceConfig:
    """Return the service of valid settings."""
    fields = read.valid.value
    return filled(
        ServiceConfig,
        fields,
        ref=_ref(read),
        queues=_queues(fields),
        policy=policy(read.key, fields),
        metrics=tuple(_sources(fields)),
        schedules=tuple(schedule_of(name, item) for name, item in fields.schedules.items()),
        chosen=tuple(chosen_in(read.valid)),
        mode_setting=read.mode_setting,
    )


def _ref(read: Read) -> ServiceRef:
    fields = read.valid.value
    return ServiceRef(read.key, str(fields.cluster), str(fields.service), fields.region, _role(fields))


def _role(fields: ServiceFields) -> Role | None:
    return None if fields.role_arn is None else Role(fields.role_arn, fields.external_id)


def _sources(fields: ServiceFields) -> Iterator[tuple[str, MetricRequest]]:
    for name, item in fields.metrics.items():
        if source := source_of(item, fields.region):
            yield name, source


def _caps(settings: LoadedSettings) -> tuple[SharedCap, ...]:
    keys = {folded(read.key): read.key for read in settings.services}
    return tuple(_cap(name, item, keys) for name, item in settings.globals.value.caps.items())


def _cap(name: str, item: CapFields, keys: Mapping[str, str]) -> SharedCap:
    """Return the cap with the services' own keys. `keys`: the services' keys by folded key."""
    taken = tuple((keys[folded(key)], each) for key, each in item.per_task.items() if folded(key) in keys)
    return SharedCap(name, item.most, taken)


def _queues(fields: ServiceFields) -> tuple[QueueRef, ...]:
    """Return the queues with the service's role. A queue without a known Region is in the service's Region."""
    role = _role(fields)
    return tuple(replace(item.name, region=item.name.region or fields.region, role=role) for item in fields.queues)
