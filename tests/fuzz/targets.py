"""The targets: what each reads, its inputs, and the errors that are its answers."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count, cycle
from pathlib import Path
from typing import Any, NamedTuple

import click
from botocore.exceptions import ClientError
from hypothesis import strategies as st

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import DESCRIBE_SERVICES, Api, Call
from autoscaler.aws.clients import Clocks
from autoscaler.aws.cloudwatch import CloudWatchMeters
from autoscaler.aws.directory import EcsDirectory
from autoscaler.aws.ecs import EcsFleets
from autoscaler.aws.faults import fault_of_answer
from autoscaler.aws.history import CloudWatchHistory
from autoscaler.aws.minutebook import MinuteBook
from autoscaler.aws.operator import Identities, PauseTags
from autoscaler.aws.sqs import SqsQueues
from autoscaler.cli import main
from autoscaler.config import find, notes
from autoscaler.config.discovering import TaggedService, discovered, undiscovered
from autoscaler.config.loading import LoadedSettings, config_of
from autoscaler.control.readers import read_tag
from autoscaler.errors import AutoscalerError, ConfigError, Throttled
from autoscaler.inspection.deciding import answer, lines
from autoscaler.ports import Place, QueueRef, ServiceRef, Urgency
from autoscaler.telemetry.web_config import read_web_config
from tests.fuzz.texts import LEAVES, NAMES, WORDS, leaf_value, long, many, mutated, setting_lines, texts, values
from tests.virtual import run_virtually

_HELD = tempfile.TemporaryDirectory(prefix="fuzz-")  # it is removed when the process ends
FOLDER = Path(_HELD.name)


class Target(NamedTuple):
    """`inputs`: the strategy. `run` reads one input; every exception is a bug."""

    name: str
    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], object]


# The environment and the file.

names = st.builds(
    lambda part, name: f"AUTOSCALER_{part}{name}",
    st.sampled_from(["", "", "DEFAULTS__", "SERVICES__A__", "SERVICES__b-2__", "SERVICES__", "SCALE_IN__"]),
    st.sampled_from(NAMES) | mutated(st.sampled_from(NAMES)),
).map(lambda name: name.replace("=", "").replace("\0", ""))
own = (
    st.sampled_from(LEAVES)
    .flatmap(leaf_value)
    .map(lambda value: value if isinstance(value, str) else json.dumps(value))
)
ENVIRONMENTS = st.builds(
    lambda given, usual: usual | given,
    st.dictionaries(names, values | own, max_size=8),
    st.sampled_from(
        [
            {},
            {
                "AUTOSCALER_CLUSTER": "c",
                "AUTOSCALER_SERVICE": "s",
                "AUTOSCALER_QUEUES": "q",
                "AUTOSCALER_MAX_TASKS": "9",
            },
            {"AUTOSCALER_DISCOVER_CLUSTERS": "prod", "AWS_REGION": "eu-west-1"},
        ]
    ),
)


def read_settings(environ: Mapping[str, str]) -> None:
    _use(find({name: value for name, value in environ.items() if name != "AUTOSCALER_CONFIG_FILE"}))


def read_file(content: str) -> None:
    path = FOLDER / "autoscaler.toml"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    _use(find({"AUTOSCALER_CONFIG_FILE": str(path)}))


def _use(settings: LoadedSettings) -> None:
    for problem in settings.problems:
        assert str(problem).isprintable(), problem
    if not settings.problems:
        assert all(note.isprintable() for note in notes(config_of(settings)))


FILES = mutated(setting_lines()) | setting_lines() | texts | long() | many()


# Tags.


@cache
def profiled() -> LoadedSettings:
    (FOLDER / "profiles.toml").write_text(
        'discover_clusters = ["prod"]\n[profiles.batch]\nmax_tasks = 400\nmode = "active"\n[profiles.careful]\n'
        'scale_in.cooldown = "5m"\n',
        encoding="utf-8",
    )
    return find({"AUTOSCALER_CONFIG_FILE": str(FOLDER / "profiles.toml"), "AWS_REGION": "eu-west-1"})


tag_names = (
    st.builds(
        lambda prefix, path: prefix + path,
        st.sampled_from(["autoscaler:", "autoscaler:", "autoscaler:", "Autoscaler.", "autoscaler:autoscaler:"]),
        st.sampled_from([".".join(leaf.path) for leaf in LEAVES] + ["profile", "queues", "max_tasks"]) | texts,
    )
    | texts
)
TAGS = st.builds(
    lambda tags, usual: usual | tags,
    st.dictionaries(
        tag_names, values | own | st.sampled_from(["batch", "careful", "in until 2026-12-01T00:00Z"]), max_size=8
    ),
    st.sampled_from([{}, {"autoscaler:queues": "orders", "autoscaler:max_tasks": "9"}]),
)


def read_tags(tags: Mapping[str, str]) -> None:
    list(undiscovered("prod", "orders", tags))
    read_tag(next(iter(tags.values()), ""))
    with suppress(ConfigError):
        discovered(TaggedService("prod", "orders", tags), profiled())


# The web configuration.

HASH = "$2y$04$abcdefghijklmnopqrstuuvBKrq4mmDXZAgiZrQYZfM7UN0ZRzB6y"
WEB = f"""\
tls_server_config:
  cert_file: cert.pem
  key_file: "key.pem"  # a comment
  client_auth_type: 'RequireAndVerifyClientCert'
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, X]
  min_version: TLS12
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: &a "max-age=1"
basic_auth_users:
  ann: {HASH}
  bob: *a
rate_limit: {{interval: 0s, burst: 1}}
"""
yaml_parts = st.lists(st.sampled_from(WEB.splitlines()) | texts, max_size=20).map("\n".join)
WEBS = mutated(st.just(WEB)) | mutated(yaml_parts) | texts | long() | many()


def read_web(content: str) -> None:
    path = FOLDER / "web.yml"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    with suppress(ConfigError):
        read_web_config("AUTOSCALER_WEB_CONFIG_FILE", str(path))


# Arguments, and the lines that `decide` reads.

COMMANDS = sorted(main.commands)
OPTIONS = sorted(
    {
        name
        for command in main.commands.values()
        for option in command.params
        for name in (*option.opts, *option.secondary_opts)
    }
)
# the operating system permits no null character in an argument
arguments = st.sampled_from(OPTIONS) | st.sampled_from(WORDS) | values.map(lambda text: text.replace("\0", ""))
ARGUMENTS = st.tuples(st.sampled_from(COMMANDS), st.lists(arguments, max_size=8))


def parse_arguments(given: tuple[str, list[str]]) -> None:
    """Any bytes can be an argument. Python decodes those that are no UTF-8 to single low surrogates."""
    name, texts = given
    arguments = [text.encode(errors="surrogatepass").decode(errors="surrogateescape") for text in texts]
    with (
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        suppress(click.ClickException, click.exceptions.Exit, click.Abort),
    ):
        main.commands[name].make_context(name, arguments)


SITUATION = (
    '{"name": "x", "policy": {"max_tasks": 9, "queues": ["q"], "acceptable_latency": "60s"}, "current": 5, '
    '"running": 5, '
    '"signals": {"queues": [{"name": "q", "visible": 90, "in_flight": 10, "delayed": 0, "oldest_age_s": 40}], '
    '"cpu_percent": 71.5, "metrics": {"m": 12.5}}, "history": {"demands": [{"age_s": 60, "tasks": 9}], '
    '"known_for_s": 900}, "deployment": {"in_progress": true, "age_s": 120}, "protected": 0}'
)
SITUATIONS = mutated(st.just(SITUATION)) | texts | long() | many()


def decide_lines(content: str) -> None:
    for line in lines(io.BytesIO(content.encode(errors="surrogatepass"))):
        json.dumps(answer(line), allow_nan=False)


# Answers of AWS.

SERVICE = {
    "serviceName": "orders", "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders", "status": "ACTIVE",
    "desiredCount": 3, "runningCount": 3, "pendingCount": 0, "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
    "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/orders:7", "schedulingStrategy": "REPLICA",
    "deployments": [{"id": "d", "status": "PRIMARY", "rolloutState": "IN_PROGRESS", "taskDefinition": "t",
                     "createdAt": datetime(2026, 1, 1, tzinfo=UTC), "updatedAt": datetime(2026, 1, 1, tzinfo=UTC)}],
    "events": [{"id": "e", "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
                "message": "(service orders) was unable to place a task because no capacity was found."}],
    "tags": [{"key": "autoscaler:paused", "value": "in until 2026-12-01T00:00Z"}],
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "Attributes": {"ApproximateNumberOfMessages": "7", "ApproximateNumberOfMessagesNotVisible": "2",
                   "ApproximateNumberOfMessagesDelayed": "1"},
    "services": [SERVICE], "service": SERVICE, "failures": [], "serviceArns": ["a/prod/orders"], "nextToken": None,
    "taskArns": ["arn:aws:ecs:eu-west-1:123456789012:task/prod/1"],
    "protectedTasks": [{"taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/prod/1", "protectionEnabled": True}],
    "taskDefinition": {"containerDefinitions": [{"name": "app", "essential": True, "stopTimeout": 30}]},
    "ScalableTargets": [{"ResourceId": "service/prod/orders", "MinCapacity": 1, "MaxCapacity": 9,
                         "SuspendedState": {"ScheduledScalingSuspended": False}}],
    "ScalingPolicies": [{"ResourceId": "service/prod/orders", "PolicyName": "p", "PolicyType": "StepScaling"}],
    "ScheduledActions": [{"ResourceId": "service/prod/orders", "ScheduledActionName": "a"}],
    "MetricDataResults": [
        {"Id": f"m{n}", "StatusCode": "Complete", "Values": [1.0],
         "Timestamps": [datetime(2026, 1, 1, tzinfo=UTC)]} for n in range(3)
    ],
    "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a",
    "EvaluationResults": [{"EvalDecision": "allowed"}],
}  # fmt: skip
JUNK: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), -1e308, "", "7", "x" * 5_000, "MISSING",
    "(" * 2_000, [], {}, [None], [[]], {"a": 1}, b"x",
    datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC),
    datetime(2026, 1, 1),  # noqa: DTZ001 - a time without a zone
]  # fmt: skip


@st.composite
def answers(draw: Any) -> list[Any]:
    """Yield answers: each the complete one, with up to four parts replaced, repeated or removed."""
    return [_damaged(draw, ANSWER) for _ in range(draw(st.integers(1, 3)))]


def _damaged(draw: Any, whole: dict[str, Any]) -> dict[str, Any]:
    paths = [draw(st.sampled_from(_PATHS)) for _ in range(draw(st.integers(1, 4)))]
    junk = st.sampled_from(JUNK) | texts
    for path in paths:
        whole = _replaced(whole, path, draw(junk), draw(st.sampled_from(["replace", "remove", "repeat"])))
    return whole


def _walk(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _walk(inner, (*at, key))


_PATHS = list(_walk(ANSWER))


def _replaced(value: Any, path: tuple[Any, ...], junk: Any, how: str) -> Any:
    """Return a copy with the part at the path changed; unchanged if the path no longer exists."""
    first, *rest = path
    if isinstance(value, dict) and first in value:
        changed = dict(value)
        if rest:
            changed[first] = _replaced(value[first], tuple(rest), junk, how)
        elif how == "remove":
            del changed[first]
        else:
            changed[first] = [junk] * 3 if how == "repeat" else junk
        return changed
    if isinstance(value, list) and isinstance(first, int) and first < len(value):
        inner = _replaced(value[first], tuple(rest), junk, how) if rest else junk
        return [*value[:first], *([inner] * (50 if how == "repeat" else 1)), *value[first + 1 :]]
    return value


@dataclass
class Answering:
    """A `Caller` that returns the answers in turn, without an SDK and a network."""

    bodies: Iterator[Any]

    async def ask(self, api: Api, subject: str, place: Place, *_: object, **__: object) -> ResponsePart:
        await asyncio.sleep(0)
        return ResponsePart(Call(api, subject, place.region or "eu-west-1", place.role), next(self.bodies))

    def region(self) -> str:
        return "eu-west-1"


SHOP, QUEUE = ServiceRef("shop", "prod", "orders"), QueueRef("orders")


def read_answers(bodies: list[Any]) -> None:
    run_virtually(_read_answers(bodies))
    details = bodies[0]
    error = ClientError({"Error": details, "ResponseMetadata": details}, "DescribeServices")
    assert str(fault_of_answer(error, Call(DESCRIBE_SERVICES, "shop", "eu-west-1"))).isprintable()


async def _read_answers(bodies: list[Any]) -> None:
    instants = count(1.0, 1.0)
    clocks, caller = Clocks(lambda: next(instants), lambda: 1.8e9), Answering(cycle(bodies))
    as_caller: Any = caller
    book, fleets = MinuteBook(as_caller, clocks), EcsFleets(as_caller, clocks)
    meters, span = CloudWatchMeters(book, clocks), ((1.8e9, 1.8e9 + 3600, 60),)
    try:
        async with asyncio.timeout(600):
            await SqsQueues(as_caller, clocks).backlog(QUEUE)
            await fleets.read(SHOP)
            await fleets.protected(SHOP)
            await fleets.stop_timeout(SHOP, "t")
            await fleets.conflicting_scalers(SHOP)
            await meters.cpu(SHOP)
            await meters.minute(QUEUE)
            await meters.past(SHOP, [QUEUE])
            await meters.live_tasks(SHOP, 0.0)
            for reading in (
                fleets.scale_to(SHOP, 3, Urgency.ROUTINE),
                CloudWatchHistory(as_caller).received(QUEUE, span),
                EcsDirectory(as_caller).tags("prod", Place()),
                Identities(as_caller).who(Place()),
                PauseTags(as_caller).read(SHOP),
            ):
                with suppress(AutoscalerError, Throttled):
                    await reading
    finally:
        await book.close()
        await fleets.close()


TARGETS = (
    Target("environment", ENVIRONMENTS, read_settings),
    Target("file", FILES, read_file),
    Target("tags", TAGS, read_tags),
    Target("web", WEBS, read_web),
    Target("arguments", ARGUMENTS, parse_arguments),
    Target("situations", SITUATIONS, decide_lines),
    Target("answers", answers(), read_answers),
)
