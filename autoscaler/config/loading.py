"""From the environment to a `Config`, or to everything that is wrong with it.

Environment over file over defaults: the layers are merged, the defaults laid beneath each service, each service
read by itself, and then the services looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from autoscaler.config import checks
from autoscaler.config.caps import CapFields
from autoscaler.config.claims import Claim, Claims, queue_thing, service_thing
from autoscaler.config.environment import TWO_STYLES, environment
from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.file import file
from autoscaler.config.group import Path
from autoscaler.config.lasting import Gap, Stated, gaps, keep, stated
from autoscaler.config.layer import Layer, Naming
from autoscaler.config.merging import Merged, merged, overlaid, sources
from autoscaler.config.metrics import source_of
from autoscaler.config.model import Config, Discovery, ModeSetting, Service, SharedCap
from autoscaler.config.names import PREFIX, Part, folded, key_of, variable
from autoscaler.config.origins import activating, chosen_in
from autoscaler.config.policies import policy
from autoscaler.config.schedules import schedule_of
from autoscaler.config.validation import Valid, validated
from autoscaler.errors import ConfigError, Problem
from autoscaler.ports import MetricSource, Place, QueueRef, Role, ServiceRef

_CLUSTER, _SERVICE, _QUEUES, _ROLE_ARN, _CAPS = ("cluster",), ("service",), ("queues",), ("role_arn",), ("caps",)
_MODE = ("mode",)
NO_SERVICE = (
    "no service is configured: set AUTOSCALER_CLUSTER, _SERVICE, _QUEUES and _MAX_TASKS for one, "
    "AUTOSCALER_SERVICES__<KEY>__... for many, AUTOSCALER_CONFIG_FILE, or AUTOSCALER_DISCOVER_CLUSTERS"
)


@dataclass(frozen=True, slots=True)
class Read:
    """One service as it was read. `own`: what is written for it, and not in the defaults."""

    naming: Naming
    valid: Valid[ServiceFields]
    own: frozenset[Path]

    @property
    def key(self) -> str:
        return self.naming.key.lower()

    @property
    def latencies_s(self) -> tuple[float, ...]:
        """The service's acceptable latency, and those of its queues."""
        own = (item.acceptable_latency for item in self.valid.value.queues)
        return (self.valid.value.acceptable_latency, *(latency for latency in own if latency is not None))

    def where(self, path: Path) -> str:
        """Where the setting was made, or else would be."""
        sourced = self.valid.sources.get(path)
        return sourced.origin if sourced else self.naming.of(path)

    @property
    def mode_setting(self) -> ModeSetting:
        """Whether the mode is set, and where the service would be made active: where its mode is set for it alone or by
        its profile; otherwise where its own mode would be set, which overrides the defaults.
        """
        sourced, own = self.valid.sources.get(_MODE), self.naming.of(_MODE)
        # A service found by tag is in shadow unless a tag or its profile sets the mode. Its source is then its tags.
        by_tags = sourced is not None and own.startswith(f"{sourced.origin}: ")
        at = sourced.origin if sourced is not None and _MODE in self.own else own
        return ModeSetting(sourced is None or by_tags, activating(at))

    def contradictions(self) -> Iterator[Problem]:
        """What is wrong with the service by itself, beside what could not be read."""
        fields, broken = self.valid.value, self.valid.broken
        clashes = checks.contradictions(fields, broken) + checks.out_of_bounds(fields, broken)
        clashes += checks.shortcomings(fields, self.valid.sources.keys(), self.own, broken)
        yield from (Problem(self.where(clash.at), clash.what) for clash in clashes)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that was read. `whole`: the trees it was read from. `problems`: what is wrong with it, all at once.
    `prefixes`: what the names of each service's settings begin with, in each layer. `home`: the daemon's own Region,
    where the environment names it. `stated`: what stays where it is missing the next time; `missing`: what is missing
    now, and stays. `written`: how many settings the file has; `content`: the file as it was read.
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

    @property
    def defaults(self) -> ServiceFields:
        return validated(ServiceFields, self.whole.defaults).value

    @property
    def shortest_latency_s(self) -> float:
        """Of all services; where there are none yet, as long as may be."""
        return min((latency for read in self.services for latency in read.latencies_s), default=inf)

    @property
    def interval_s(self) -> float:
        """The interval in force: at least three readings in the shortest latency."""
        return min(self.globals.value.interval, self.shortest_latency_s / 3)


def load(environ: Mapping[str, str]) -> Config:
    """The settings of the environment and of the file that it names. Raises ConfigError with every problem."""
    return config_of(settle(environ))


def config_of(settings: Settings) -> Config:
    """The settings, once they are known to be valid."""
    told = settings.globals.value
    return Config(
        interval_s=settings.interval_s,
        http_host=told.http_host,
        http_port=told.http_port,
        web_config_file=told.web_config_file,
        log_format=told.log_format,
        log_level=told.log_level,
        services=tuple(service_of(read) for read in settings.services),
        fleet_cap_percent=told.fleet_cap_percent,
        rate_share_percent=told.rate_share_percent,
        caps=_caps(settings),
        quiet_interval_s=told.quiet_interval,
        discovery=_discovery(settings),
    )


def _discovery(settings: Settings) -> Discovery:
    clusters = settings.globals.value.discover_clusters
    defaults = settings.defaults
    return Discovery(clusters, Place(defaults.region, _role(defaults))) if clusters else Discovery()


def settle(environ: Mapping[str, str]) -> Settings:
    """What was read, with where it was found. Raises ConfigError with every problem."""
    settings = find(environ)
    if settings.problems:
        raise ConfigError(settings.problems)
    return settings


def find(environ: Mapping[str, str], last: Stated | None = None) -> Settings:
    """The same, and what is wrong with it in the answer. `last`: what was stated before, and stays where it is missing
    now (None: at a start, where nothing was).
    """
    outer, home = environment(environ), environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
    inner = _file_of(outer)
    flat = _settle_flat(outer, inner, key_of(environ.get(variable(("service",)), "")))
    written, whole = len(sources(inner.tree)), merged(outer.tree, inner.tree)
    keep(whole, last or {})
    daemon = validated(GlobalFields, whole.globals)
    reads = tuple(_reads(whole, outer.services | inner.services))
    problems = [*outer.problems, *inner.problems, *daemon.problems, *_unreadable(whole, reads)]
    within = (problem for read in reads for problem in read.contradictions())
    problems += _contradictory(problems, [*within, *_between(reads, home), *_capped(daemon, reads)])
    if not (reads or problems or daemon.value.discover_clusters):
        problems.append(Problem(variable(("service",)), NO_SERVICE))
    named = () if flat else [(own.prefix, key) for layer in (outer, inner) for key, own in layer.services.items()]
    return Settings(
        daemon,
        reads,
        flat,
        whole,
        tuple(dict.fromkeys(problems)),
        tuple(named),
        home,
        stated=stated(whole, last or {}),
        missing=gaps(whole, {folded(read.key): read.key for read in reads}) if last else (),
        written=written,
        content=inner.content,
    )


def _file_of(outer: Layer) -> Layer:
    daemon = validated(GlobalFields, outer.tree[Part.GLOBALS]).value
    return Layer() if daemon.config_file is None else file(daemon.config_file)


def _settle_flat(outer: Layer, inner: Layer, key: str) -> bool:
    """A service that is configured flat is one of the services, and then the only one."""
    tree = outer.tree.pop(Part.FLAT, {})
    if not tree:
        return False
    if outer.services or inner.services:
        outer.complain(min(sourced.origin for sourced in sources(tree).values()), TWO_STYLES)
        return False
    outer.services[folded(key)] = Naming(key, PREFIX, dotted=False)
    outer.tree[Part.SERVICES][folded(key)] = tree
    return True


def _reads(whole: Merged, names: Mapping[str, Naming]) -> Iterator[Read]:
    for key, own in sorted(whole.services.items()):
        valid = validated(ServiceFields, overlaid(own, whole.defaults))
        yield Read(names[key], valid, frozenset(path for path, sourced in sources(own).items() if not sourced.stays))


def _unreadable(whole: Merged, reads: Iterable[Read]) -> Iterator[Problem]:
    """What is wrong with single values: in the defaults and profiles, even where nobody has them, and in services."""
    for shared in (whole.defaults, *whole.profiles.values()):
        yield from validated(ServiceFields, shared).problems
    yield from (problem for read in reads for problem in read.valid.problems)


def _contradictory(known: Iterable[Problem], found: Iterable[Problem]) -> list[Problem]:
    """What contradicts something else, except where a setting was found wrong already."""
    named = {problem.where for problem in known}
    return [problem for problem in found if problem.where not in named]


def _between(reads: Iterable[Read], home: str | None) -> Iterator[Problem]:
    """Two services on one thing in AWS. Each claim is made at the setting that makes it."""
    taken = Claims(home)
    for thing, by, at in (claim for read in reads for claim in _claims(read, home)):
        earlier = taken.earlier(thing, but=by)
        if earlier is not None:
            what = f"{thing.what} belongs to the service {earlier.by} already ({earlier.at}); {thing.remedy}"
            yield Problem(at, what)
        taken.take(Claim(thing, by, at))


def _capped(daemon: Valid[GlobalFields], reads: Sequence[Read]) -> Iterator[Problem]:
    """What is wrong with the shared caps, once the services are known."""
    least = {read.key: read.valid.value.min_tasks for read in reads}
    for name, item in daemon.value.caps.items():
        for what in checks.cap_contradictions(item, least):
            yield Problem(daemon.sources[_CAPS].origin, f"{name}: {what}")


def _claims(read: Read, home: str | None) -> Iterator[Claim]:
    fields, given = read.valid.value, read.valid.sources.keys() - read.valid.broken
    if _ROLE_ARN in read.valid.broken:
        return  # it is not known in whose account
    if _SERVICE in given and _CLUSTER in given:
        yield Claim(service_thing(_ref(read), home), read.key, read.where(_SERVICE))
    for queue in _queues(fields):
        yield Claim(queue_thing(queue, home), read.key, read.where(_QUEUES))


def service_of(read: Read) -> Service:
    """The service, once its settings are known to be valid."""
    fields = read.valid.value
    return Service(
        _ref(read),
        _queues(fields),
        policy(read.key, fields),
        metrics=tuple(_sources(fields)),
        schedules=tuple(schedule_of(name, item) for name, item in fields.schedules.items()),
        queue_minutes=fields.queue_minutes,
        chosen=tuple(chosen_in(read.valid)),
        mode_setting=read.mode_setting,
    )


def _ref(read: Read) -> ServiceRef:
    fields = read.valid.value
    return ServiceRef(read.key, str(fields.cluster), str(fields.service), fields.region, _role(fields))


def _role(fields: ServiceFields) -> Role | None:
    return None if fields.role_arn is None else Role(fields.role_arn, fields.external_id)


def _sources(fields: ServiceFields) -> Iterator[tuple[str, MetricSource]]:
    for name, item in fields.metrics.items():
        if source := source_of(item, fields.region):
            yield name, source


def _caps(settings: Settings) -> tuple[SharedCap, ...]:
    keys = {folded(read.key): read.key for read in settings.services}
    return tuple(_cap(name, item, keys) for name, item in settings.globals.value.caps.items())


def _cap(name: str, item: CapFields, keys: Mapping[str, str]) -> SharedCap:
    """The cap, with each service under its own key. `keys`: the services' keys by their folded ones."""
    taken = tuple((keys[folded(key)], each) for key, each in item.per_task.items() if folded(key) in keys)
    return SharedCap(name, item.most, taken)


def _queues(fields: ServiceFields) -> tuple[QueueRef, ...]:
    """The queues, asked for as the service's role; one whose Region cannot be seen is in the service's."""
    role = _role(fields)
    return tuple(replace(item.name, region=item.name.region or fields.region, role=role) for item in fields.queues)
