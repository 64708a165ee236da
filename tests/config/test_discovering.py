"""Tags set a service's settings by the same names, within the limits of the daemon's own settings."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import find
from autoscaler.config.discovering import SETTINGS, TaggedService, discovered, key_in, misspelled, undiscovered
from autoscaler.config.groups import ANY, AT_RUNTIME, NEVER, Leaf
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.model import ServiceConfig
from autoscaler.config.names import PLACE
from autoscaler.core.policy import Mode
from autoscaler.errors import ConfigError
from autoscaler.ports import QueueRef
from tests.config.samples import lines, put, two_of

FILE = """
discover_clusters = ["prod"]
max_tasks_ceiling = 50
[defaults]
acceptable_latency = "2m"
region = "eu-west-1"
[profiles.batch]
max_tasks = 400
mode = "active"
acceptable_latency = "10m"
[profiles.careful]
mode = "scale_out_only"
[profiles.careful.scale_in]
limits = [{tasks = 1, per = "60s"}]
"""


@pytest.fixture
def discover(tmp_path: Path) -> Any:
    """Return a function that discovers a service with these tags. It raises ConfigError for an invalid tag."""
    path = tmp_path / "settings.toml"
    path.write_text(FILE, encoding="utf-8")
    settings = find({"AUTOSCALER_CONFIG_FILE": str(path)})
    assert settings.problems == ()

    def service(**tags: str) -> ServiceConfig:
        own = {f"autoscaler:{name.replace('__', '.')}": value for name, value in tags.items()}
        return discovered(TaggedService("prod", "orders", own | {"team": "a"}), settings)

    return service


def wrong(discover: Any, **tags: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        discover(**tags)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_two_tags_are_enough_and_the_service_starts_in_shadow(discover: Any) -> None:
    found = discover(queues="orders refunds=30s", max_tasks="20")
    assert found.queues == (QueueRef("orders", "eu-west-1"), QueueRef("refunds", "eu-west-1"))
    assert (found.ref.key, found.ref.cluster, found.ref.service) == ("prod-orders", "prod", "orders")
    policy = found.policy
    assert (policy.mode, policy.max_tasks, policy.acceptable_latency_s) == (Mode.SHADOW, 20, 120.0)
    assert policy.latency_of("refunds") == 30.0


def test_tags_override_the_profile_and_the_profile_overrides_the_defaults(discover: Any) -> None:
    found = discover(queues="orders", profile="batch", acceptable_latency="5m").policy
    assert (found.mode, found.max_tasks, found.acceptable_latency_s) == (Mode.ACTIVE, 400, 300.0)
    assert discover(queues="orders", profile="batch").policy.acceptable_latency_s == 600.0


def test_a_dot_in_a_tag_separates_the_group_from_the_setting(discover: Any) -> None:
    found = discover(queues="orders", max_tasks="9", profile="careful", scale_in__cooldown="90s").policy
    assert found.scale_in.cooldown_s == 90.0
    assert len(found.scale_in.limits) == 1


@pytest.mark.parametrize(
    ("tags", "tag", "message"),
    [
        ({"max_tasks": "51"}, "max_tasks", "above AUTOSCALER_MAX_TASKS_CEILING=50"),
        ({"max_tasks": "9", "mode": "active"}, "mode", "more than shadow"),
        ({"profile": "careful", "max_tasks": "9", "mode": "active"}, "mode", "more than scale_out_only"),
        ({"max_tasks": "9", "profile": "missing"}, "profile", "profiles: batch, careful"),
        ({"max_tasks": "9", "profile": "bacth"}, "profile", "did you mean batch?"),
        ({"max_tasks": "9", "role_arn": "arn:aws:iam::1:role/x"}, "role_arn", "a tag cannot set this"),
        ({"max_tasks": "9", "cluster": "other"}, "cluster", "a tag cannot set this"),
        ({"max_task": "9"}, "max_task", "did you mean max_tasks"),
        ({"max_tasks": "many"}, "max_tasks", "'many'"),
        ({"max_tasks": "9", "min_tasks": "10"}, "min_tasks", "more than max_tasks"),
        ({}, "max_tasks", "this setting is required"),
        ({"max_tasks": "9", "scale_in": "slow"}, "scale_in", "is a group of settings"),
        ({"max_tasks": "9", "queues": " "}, "queues", "is not a queue name"),
        ({"max_tasks": "9", "queues": "arn:aws:sqs:us-east-1:123456789012:x"}, "queues", "us-east-1"),
    ],
)
def test_an_error_names_its_tag(discover: Any, tags: dict[str, str], tag: str, message: str) -> None:
    found = wrong(discover, **({"queues": "orders"} | tags))
    assert message in found[f"tags of orders in prod: autoscaler:{tag}"], found


def test_all_errors_of_the_tags_are_reported_at_once(discover: Any) -> None:
    tags = {"max_tasks": "51", "mode": "active", "min_task": "1", "acceptable_latency": "5", "queues": "a a"}
    found = {where.rpartition(":")[2] for where in wrong(discover, **tags)}
    assert found == {"max_tasks", "mode", "min_task", "acceptable_latency", "queues"}


def test_a_wrong_profile_causes_no_further_error(discover: Any) -> None:
    assert len(wrong(discover, queues="orders", profile="bacth")) == 1
    assert len(wrong(discover, queues="a b!", profile="bacth", max_task="1")) == 3


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("autoscaler.max_tasks", "autoscaler:max_tasks"),
        ("Autoscaler:max_tasks", "autoscaler:max_tasks"),
        ("auto-scaler/scale_in.cooldown", "autoscaler:scale_in.cooldown"),
        ("autoscaler_profil", "autoscaler:profile"),
        ("AUTOSCALER:QUEUES", "autoscaler:queues"),
    ],
)
def test_a_misspelled_prefix_of_a_tag_is_an_error_with_a_suggestion(tag: str, meant: str) -> None:
    assert misspelled(tag) == meant
    tags = {"autoscaler:queues": "orders", "autoscaler:max_tasks": "9", tag: "9"}
    with pytest.raises(ConfigError) as caught:
        discovered(TaggedService("prod", "orders", tags), find({"AUTOSCALER_DISCOVER_CLUSTERS": "prod"}))
    assert f"did you mean {meant}?" in str(caught.value)


@pytest.mark.parametrize("tag", ["team", "autoscaler", "autoscaler:queues", "autoscaler:paused", "k8s.io/autoscaler:x"])
def test_other_tags_are_ignored(tag: str) -> None:
    assert misspelled(tag) is None
    tags = {"autoscaler:queues": "orders", "autoscaler:max_tasks": "9", tag: "orders"}
    assert discovered(TaggedService("prod", "orders", tags), find({"AUTOSCALER_DISCOVER_CLUSTERS": "prod"}))


@pytest.mark.parametrize("tag", ["autoscaler:queue", "autoscaler.queues", "Autoscaler:Queues", "autoscaling:queues"])
def test_a_service_with_a_misspelled_discovery_tag_is_reported(tag: str) -> None:
    [problem] = undiscovered("prod", "orders", {tag: "orders", "team": "a"})
    assert problem.where == f"tags of orders in prod: {tag}"
    assert problem.what == "the service is not discovered; did you mean autoscaler:queues?"
    assert not list(undiscovered("prod", "orders", {tag: "orders", "autoscaler:queues": "orders"}))
    assert not list(undiscovered("prod", "orders", {"autoscaler:paused": "in", "team": "queues"}))


def test_a_tag_may_set_a_safer_mode_than_the_profile(discover: Any) -> None:
    assert discover(queues="orders", profile="batch", mode="shadow").policy.mode is Mode.SHADOW


LEAVES = [leaf for path, leaf in SETTINGS.items() if path[0] not in PLACE and leaf.by_tag is not AT_RUNTIME]


def dotted(leaf: Leaf) -> str:
    return ".".join(leaf.path)


def at_profile(tmp_path: Path, leaf: Leaf, value: Any) -> LoadedSettings:
    """Load settings whose profile `p` sets this value."""
    own = {"max_tasks": 9, "min_tasks": 0, **({"fallback": {"tasks": 2}} if leaf.path[0] == "fallback" else {})}
    text = lines("profiles.p", put(own, leaf.path, value))
    (tmp_path / "settings.toml").write_text('discover_clusters = ["prod"]\n' + text, encoding="utf-8")
    settings = find({"AUTOSCALER_CONFIG_FILE": str(tmp_path / "settings.toml")})
    assert settings.problems == ()
    return settings


def values_of(leaf: Leaf) -> list[Any]:
    """Return values of a setting as text: two samples, its default, and its choices."""
    default = [] if leaf.default is None else [leaf.kind.show(leaf.default)]
    words = leaf.kind.schema.get("enum", [])
    return list(dict.fromkeys(map(str, [*two_of(leaf), *default, *words])))


def as_tag(value: str) -> str:
    return {"True": "true", "False": "false"}.get(value, value)


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.by_tag is NEVER], ids=dotted)
def test_a_setting_that_no_tag_may_set_is_rejected_with_any_value(tmp_path: Path, leaf: Leaf) -> None:
    """Also for a part such as `autoscaler:metrics.x.prometheus`, and for a service without a profile."""
    settings = at_profile(tmp_path, leaf, two_of(leaf)[0])
    for tag in (f"autoscaler:{dotted(leaf)}", f"autoscaler:{dotted(leaf)}.x.prometheus"):
        for profile in ({"autoscaler:profile": "p"}, {"autoscaler:max_tasks": "9"}):
            for value in ("http://10.0.0.1:8080", "1", "true"):
                tags = {"autoscaler:queues": "orders", tag: value, **profile}
                with pytest.raises(ConfigError) as caught:
                    discovered(TaggedService("prod", "orders", tags), settings)
                [problem] = caught.value.problems
                assert problem.where == f"tags of orders in prod: {tag}"
                assert "profile" in problem.what
                assert "10.0.0.1" not in problem.what


ORDERED = [leaf for leaf in LEAVES if leaf.by_tag not in {NEVER, ANY}]


@pytest.mark.parametrize("leaf", ORDERED, ids=dotted)
def test_a_tag_may_repeat_or_tighten_the_value_of_its_profile(tmp_path: Path, leaf: Leaf) -> None:
    """Of two different values, at most one may replace the other."""
    refused = 0
    for first, second in itertools.product(values_of(leaf), repeat=2):
        settings = at_profile(tmp_path, leaf, first)
        tags = {"autoscaler:queues": "orders", "autoscaler:profile": "p", f"autoscaler:{dotted(leaf)}": as_tag(second)}
        try:
            discovered(TaggedService("prod", "orders", tags), settings)
        except ConfigError as error:
            [problem] = error.problems
            assert first != second
            assert problem.where == f"tags of orders in prod: autoscaler:{dotted(leaf)}"
            assert "a tag may only" in problem.what
            assert "profile" in problem.what
            refused += 1
    pairs = len(values_of(leaf)) * (len(values_of(leaf)) - 1)
    assert refused >= pairs / 2 > 0


WEAKER = [
    ("min_tasks", 5, "4"), ("min_tasks", 5, "0"), ("workers", "unsafe", "draining"),
    ("workers", "unsafe", "self_protecting"), ("workers", "self_protecting", "draining"),
    ("workers", "draining", "self_protecting"), ("busy_floor", True, "false"),
    ("mode", "shadow", "active"), ("mode", "scale_out_only", "active"), ("conflicting_scalers", "refuse", "warn"),
    ("scale_in.small_step_stabilization", "2m", "1m"), ("scale_in.cooldown", "5m", "1m"),
    ("scale_in.stabilization", "5m", "0s"),
    ("deployments.hold_scale_in", True, "false"), ("deployments.at_most", "1h", "0s"), ("task_concurrency", 2, "1000"),
    ("queue_minutes", True, "off"), ("count_in_flight", True, "no"),
    ("processing_time", "10m", "1s"), ("processing_time", "10m", "none"), ("learn", True, "false"),
    ("cpu_target_percent", 50, "none"), ("cpu_target_percent", 50, "90"), ("memory_target_percent", 50, "none"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "profile", "tag"), WEAKER)
def test_a_tag_cannot_weaken_a_protection_of_its_profile(tmp_path: Path, name: str, profile: Any, tag: str) -> None:
    leaf = SETTINGS[tuple(name.split("."))]
    tags = {"autoscaler:queues": "orders", "autoscaler:profile": "p", f"autoscaler:{name}": tag}
    with pytest.raises(ConfigError, match="the value without the tag: a tag may only"):
        discovered(TaggedService("prod", "orders", tags), at_profile(tmp_path, leaf, profile))


def test_a_contradiction_with_the_profile_names_the_service(tmp_path: Path) -> None:
    settings = at_profile(tmp_path, SETTINGS[("min_tasks",)], 5)
    tags = {"autoscaler:queues": "orders", "autoscaler:profile": "p", "autoscaler:max_tasks": "3"}
    with pytest.raises(ConfigError) as caught:
        discovered(TaggedService("prod", "orders", tags), settings)
    [problem] = caught.value.problems
    assert str(problem) == ("tags of orders in prod: settings.toml: profiles.p.min_tasks: 5 is more than max_tasks (3)")


@pytest.mark.parametrize(("name", "tag"), [("processing_time", "50s"), ("cpu_target_percent", "50")])
def test_a_tag_may_set_a_value_that_its_profile_does_not_set(tmp_path: Path, name: str, tag: str) -> None:
    """The profile sets no value, so the tag weakens nothing."""
    settings = at_profile(tmp_path, SETTINGS[(name,)], "none")
    tags = {"autoscaler:queues": "orders", "autoscaler:profile": "p", f"autoscaler:{name}": tag}
    chosen = {each.name: each.origin for each in discovered(TaggedService("prod", "orders", tags), settings).chosen}
    assert chosen[name] == f"tags of orders in prod: autoscaler:{name}"


def test_min_tasks_in_a_tag_must_not_exceed_the_ceiling(discover: Any) -> None:
    found = wrong(discover, queues="orders", profile="batch", min_tasks="51")
    assert "above AUTOSCALER_MAX_TASKS_CEILING=50" in found["tags of orders in prod: autoscaler:min_tasks"]
    assert discover(queues="orders", profile="batch", min_tasks="50").policy.min_tasks == 50


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/1/q", "https://sqs.eu-west-1.amazonaws.com/123456789012/q", "a http://h/q"]
)
def test_a_queue_url_in_a_tag_is_rejected(discover: Any, url: str) -> None:
    found = wrong(discover, queues=url, max_tasks="9")
    assert "Use the name or ARN of the queue" in found["tags of orders in prod: autoscaler:queues"]


def test_a_missing_tag_keeps_its_last_value_and_is_reported(discover: Any) -> None:
    whole = TaggedService(
        "prod", "orders", {"autoscaler:queues": "q", "autoscaler:mode": "shadow", "autoscaler:profile": "p"}
    )
    bare = TaggedService("prod", "orders", {"autoscaler:queues": "q"}).with_last(whole.staying)
    assert dict(bare.tags) == dict(whole.tags)
    assert {gap.where for gap in bare.gaps()} == {
        "tags of orders in prod: autoscaler:mode",
        "tags of orders in prod: autoscaler:profile",
    }
    assert all("Write the tag, or restart the daemon" in gap.what for gap in bare.gaps())


def test_the_pause_tag_is_not_a_setting(discover: Any) -> None:
    assert discover(queues="orders", max_tasks="9", paused="all until 2026-11-23T18:00Z").policy.paused is None


def test_keys_of_different_services_are_different_and_short_enough() -> None:
    names = ["a" * 255, "a" * 254 + "b", "a_b", "A_b_", "a-b", "a"]
    keys = [key_in(TaggedService("prod", name, {})) for name in names]
    assert len({key.replace("-", "_") for key in keys}) >= len(names) - 1, "a_b and a-b give one key, which is reported"
    assert all(len(key) <= 64 for key in keys)
