"""Changes of the settings, in virtual time: settings files, and services that are discovered in clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import Config, find, load, reload
from autoscaler.config.discovering import SETTINGS, discovered
from autoscaler.config.groups import ANY, ENABLE, LOWER, LOWER_GIVEN, RAISE, RAISE_GIVEN, Leaf
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.reloading import Reloaded
from autoscaler.control.discovery import TaggedServices
from autoscaler.control.settings import DISCOVER_S, WATCH_S, Following, SettingsSource
from autoscaler.errors import Problem, Unavailable
from autoscaler.ports import Place
from tests.config.samples import two_of
from tests.control.fakes import now
from tests.virtual import run_virtually

TOP = 'discover_clusters = ["prod", "test"]\n[profiles.fast]\nacceptable_latency = "9s"\n'
ORDERS = '[services.orders]\ncluster = "prod"\nservice = "orders"\nqueues = ["orders"]\nmax_tasks = {}\n'

Tags = dict[str, dict[str, str]]

WEAK = """[profiles.weak]
mode = "active"
workers = "draining"
task_concurrency = 9
busy_floor = false
queue_minutes = false
count_in_flight = false
scale_in = { stabilization = "0s", small_step_stabilization = "0s", utilization_stabilization = "0s" }
deployments = { hold_scale_in = false, at_most = "0s" }
"""
WEAKEST = {
    "mode": "active",
    "conflicting_scalers": "warn",
    "workers": "draining",
    "task_concurrency": "9",
    "busy_floor": "false",
    "queue_minutes": "false",
    "count_in_flight": "false",
    "deployments.hold_scale_in": "false",
    "scale_in.small_step_stabilization": "0s",
    "scale_in.utilization_stabilization": "0s",
    "deployments.at_most": "0s",
    "scale_in.cooldown": "0s",
    "scale_in.stabilization": "0s",
    "scale_out.cooldown": "0s",
    "scale_out.stabilization": "0s",
    "min_tasks": "0",
    "processing_time": "none",
}
"""The tag value that makes each setting weak again."""


def tags_with(queues: str, **more: str) -> dict[str, str]:
    return {f"autoscaler:{name}": value for name, value in {"queues": queues, "max_tasks": "9", **more}.items()}


@dataclass
class SettingsStage:
    """A settings file and clusters. A cluster that is None cannot be read."""

    path: Path
    clusters: dict[str, Tags | None] = field(default_factory=lambda: {"prod": {}, "test": {}})
    reloads: list[Reloaded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rounds: list[tuple[Problem, ...]] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)
    applied: list[tuple[float, Config]] = field(default_factory=list)
    mark: int = 0
    hangs: bool = False

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.mark += 1

    async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:
        await asyncio.sleep(1.0)
        found = self.clusters[cluster]
        if found is None:
            raise Unavailable(f"cluster {cluster}: no answer")
        return found

    def reloaded(self, outcome: Reloaded) -> None:
        self.reloads.append(outcome)

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        self.problems += problems
        self.rounds += [problems] if cluster == "prod" else []

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        self.gone |= services

    @property
    def environ(self) -> dict[str, str]:
        return {"AUTOSCALER_CONFIG_FILE": str(self.path)}

    async def _mark(self) -> int:
        if self.hangs:
            raise TimeoutError
        return self.mark

    async def _read(self, config: Config, settings: LoadedSettings, confirmed: bool) -> Reloaded:
        return reload(self.environ, config, settings, confirmed=confirmed)

    def play(self, seconds: float, script: Mapping[Any, object] | None = None) -> None:
        """Run for `seconds`. `script`: actions by their second. `applied` gets all new settings with their second."""

        async def main() -> None:
            began = now()
            source = SettingsSource(self._read, self._mark)
            following = Following(load(self.environ), find(self.environ), source, TaggedServices(self, self), self)

            async def follow() -> None:
                async for config in following.configs():
                    self.applied.append((now() - began, config))

            task = asyncio.create_task(follow())
            for at, action in sorted((script or {}).items()):
                await asyncio.sleep(began + at - now())
                following.request_reload() if action == "again" else action()  # type: ignore[operator]
            await asyncio.sleep(began + seconds - now())
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

        run_virtually(main())

    @property
    def keys(self) -> list[list[str]]:
        return [[service.ref.key for service in config.services] for _, config in self.applied]


@pytest.fixture
def stage(tmp_path: Path) -> SettingsStage:
    stage = SettingsStage(tmp_path / "settings.toml")
    stage.write(TOP + ORDERS.format(5))
    return stage


def test_a_changed_file_is_in_force_within_two_checks(stage: SettingsStage) -> None:
    stage.play(20, {10.5: lambda: stage.write(TOP + ORDERS.format(7))})
    [(began, _), (at, config)] = stage.applied
    assert began == 0
    assert at <= 10.5 + 2 * WATCH_S
    assert config.services[0].policy.max_tasks == 7


def test_a_requested_reload_reads_the_file_although_it_shows_no_change(stage: SettingsStage) -> None:
    def quietly() -> None:
        stage.path.write_text(TOP + ORDERS.format(7), encoding="utf-8")

    stage.play(20, {10.5: quietly, 15.0: "again"})
    assert [at for at, _ in stage.applied] == [0, 15.0]


def test_an_invalid_file_keeps_the_settings_in_force_and_is_reported_once(stage: SettingsStage) -> None:
    stage.play(60, {10: lambda: stage.write("nonsense")})
    assert len(stage.applied) == 1
    assert [bool(outcome.problems) for outcome in stage.reloads] == [True]


def test_services_are_added_changed_and_removed_with_their_tags(stage: SettingsStage) -> None:
    clusters = stage.clusters
    clusters["prod"] = {"mails": tags_with("mails"), "untagged": {"team": "a"}}
    stage.play(
        4 * DISCOVER_S,
        {
            30: lambda: clusters.update(test={"bills": tags_with("bills")}),
            90: lambda: clusters.update(prod={"mails": tags_with("mails", max_tasks="8")}),
            150: lambda: clusters.update(prod={"mails": {"team": "a"}}),
        },
    )
    assert stage.keys == [
        ["orders"],
        ["orders", "prod-mails"],
        ["orders", "prod-mails", "test-bills"],
        ["orders", "prod-mails", "test-bills"],
        ["orders", "test-bills"],
    ]
    assert stage.problems == []


def test_a_wrong_tag_does_not_prevent_a_stricter_profile(stage: SettingsStage) -> None:
    strict = WEAK.replace('mode = "active"', 'mode = "shadow"').replace(
        "[profiles.weak]", "[profiles.weak]\nmin_tasks = 3"
    )
    stage.write(TOP + WEAK + ORDERS.format(5))
    prod: Tags = {"mails": tags_with("mails", profile="weak")}
    stage.clusters["prod"] = prod
    script = {
        100: lambda: prod.update(mails=tags_with("mails", profile="weak", colour="red")),
        200: lambda: stage.write(TOP + strict + ORDERS.format(5)),
    }
    stage.play(400, script)
    assert [
        (config.services[-1].policy.mode, config.services[-1].policy.min_tasks) for _, config in stage.applied[1:]
    ] == [
        ("active", 0),
        ("shadow", 3),
    ]
    assert "tags of mails in prod: autoscaler:colour" in {problem.where for problem in stage.problems}


def test_a_service_that_is_no_longer_scaled_is_reported_with_the_reason(stage: SettingsStage) -> None:
    prod: Tags = {
        "untagged": tags_with("a"),
        "removed": tags_with("b"),
        "named": tags_with("c"),
        "stays": tags_with("d"),
    }
    stage.clusters["prod"] = prod
    here = '[services.own]\ncluster = "prod"\nservice = "named"\nqueues = ["c"]\nmax_tasks = 5\n'

    def change() -> None:
        prod["untagged"] = {"team": "a"}
        del prod["removed"]
        stage.write(TOP + ORDERS.format(5) + here)

    stage.play(3 * DISCOVER_S, {30: change})
    assert stage.keys[-1] == ["orders", "own", "prod-stays"]
    assert stage.gone.keys() == {"prod-untagged", "prod-removed", "prod-named"}
    assert "autoscaler:queues is missing" in stage.gone["prod-untagged"]
    assert "no longer lists" in stage.gone["prod-removed"]
    assert "by name" in stage.gone["prod-named"]


def test_a_service_is_removed_from_the_file_only_by_a_requested_reload(stage: SettingsStage) -> None:
    two = TOP + ORDERS.format(5) + ORDERS.format(5).replace("orders", "mails")
    stage.write(two)
    stage.play(60, {10: lambda: stage.write(TOP + ORDERS.format(5)), 30: "again"})
    assert stage.keys == [["mails", "orders"], ["orders"]]
    assert stage.applied[-1][0] == 30
    assert [outcome.unconfirmed is not None for outcome in stage.reloads] == [True, False], (
        "the pending removal is reported once"
    )


STRICTER: dict[str, Callable[[Leaf], str]] = {
    RAISE.words: lambda leaf: "77m" if leaf.kind.words.startswith("duration") else "3",
    LOWER.words: lambda leaf: "1",
    RAISE_GIVEN.words: lambda leaf: "77m",
    LOWER_GIVEN.words: lambda leaf: "1",
    ENABLE.words: lambda leaf: "true",
    ANY.words: lambda leaf: str(two_of(leaf)[0]),
}
BY_TAG = [
    leaf for path, leaf in SETTINGS.items() if leaf.stays and leaf.by_tag.weaker is not None and path != ("queues",)
]


STRICTEST = {"mode": "shadow", "conflicting_scalers": "refuse", "workers": "unsafe"}


@pytest.mark.parametrize("leaf", BY_TAG, ids=lambda leaf: ".".join(leaf.path))
def test_a_tag_that_is_missing_changes_nothing_until_it_is_written(stage: SettingsStage, leaf: Leaf) -> None:
    """Terraform removes tags that it does not manage. The profile has the weakest values."""
    name = ".".join(leaf.path)
    stage.write(TOP + WEAK + ORDERS.format(5))
    value = STRICTEST.get(name) or STRICTER[leaf.by_tag.words](leaf)
    full = tags_with("mails", profile="weak", **{name: value})
    bare = {tag: each for tag, each in full.items() if tag != f"autoscaler:{name}"}
    prod: Tags = {"mails": full}
    stage.clusters["prod"] = prod
    seen = list[Config]()

    def tags(now: dict[str, str] | None) -> Callable[[], None]:
        def change() -> None:
            seen.append(stage.applied[-1][1])
            prod.pop("mails", None)
            prod.update({} if now is None else {"mails": now})

        return change

    weak = full | {f"autoscaler:{name}": WEAKEST.get(name, "8")}
    script = {100.0: tags(bare), 300.0: tags(None), 500.0: tags(bare), 700.0: tags(weak), 900.0: tags(weak)}
    stage.play(1000, script)
    first, later, gone, back, written = (config.services[-1] for config in seen)
    assert first == later == back, "also after the service was not discovered in between"
    assert gone.ref.key == "orders"
    assert f"tags of mails in prod: autoscaler:{name}" in {problem.where for problem in stage.problems}
    assert written != first


def test_a_tag_that_is_missing_is_a_problem_in_every_round_until_it_is_written(stage: SettingsStage) -> None:
    full, prod = tags_with("mails", mode="shadow"), Tags()
    stage.clusters["prod"] = prod
    prod["mails"] = full
    stage.play(
        6 * DISCOVER_S, {90: lambda: prod.update(mails=tags_with("mails")), 250: lambda: prod.update(mails=full)}
    )
    assert [len(problems) for problems in stage.rounds] == [0, 0, 1, 1, 1, 0]


def test_only_the_tags_of_the_last_removed_services_are_remembered(
    stage: SettingsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoscaler.control.discovery.MOST_REMEMBERED", 1)
    prod: Tags = {
        "a": tags_with("a", **{"scale_in.small_step_stabilization": "9m"}),
        "b": tags_with("b", **{"scale_in.small_step_stabilization": "9m"}),
    }
    stage.clusters["prod"] = prod
    back = {name: tags_with(name) for name in ("a", "b")}
    stage.play(400, {90: lambda: prod.pop("a"), 150: lambda: prod.pop("b"), 250: lambda: prod.update(back)})
    assert {
        service.ref.service: service.policy.scale_in.small_step_stabilization_s
        for service in stage.applied[-1][1].services
    } == {
        "a": 120.0,
        "b": 540.0,
        "orders": 120.0,
    }


def test_a_profile_that_the_tags_no_longer_name_stays(stage: SettingsStage) -> None:
    stage.write(TOP + WEAK + ORDERS.format(5))
    prod: Tags = {"mails": tags_with("mails", profile="weak")}
    stage.clusters["prod"] = prod
    stage.play(
        400,
        {
            100: lambda: prod.update(mails=tags_with("mails")),
            250: lambda: prod.update(mails=tags_with("mails", profile="none")),
        },
    )
    assert [config.services[-1].policy.mode for _, config in stage.applied[1:]] == ["active", "shadow"]


def test_a_cluster_that_cannot_be_read_keeps_its_services(stage: SettingsStage) -> None:
    stage.clusters["prod"] = {"mails": tags_with("mails")}
    stage.play(3 * DISCOVER_S, {30: lambda: stage.clusters.update(prod=None)})
    assert stage.keys == [["orders"], ["orders", "prod-mails"]]
    assert "no answer" in str(stage.problems[0])


def test_wrong_tags_keep_the_last_accepted_tags_and_affect_no_other_service(stage: SettingsStage) -> None:
    stage.clusters["prod"] = {
        "mails": tags_with("mails"),
        "bad": tags_with("x", max_tasks="-1"),
        "good": tags_with("y"),
    }
    stage.play(3 * DISCOVER_S, {30: lambda: stage.clusters["prod"].update(mails=tags_with("mails", max_tasks="no"))})  # type: ignore[union-attr]
    assert stage.keys[-1] == ["orders", "prod-good", "prod-mails"]
    assert {problem.where for problem in stage.problems} == {
        "tags of bad in prod: autoscaler:max_tasks",
        "tags of mails in prod: autoscaler:max_tasks",
    }


def test_tags_cannot_claim_the_queue_or_the_service_of_another(stage: SettingsStage) -> None:
    """The queue of a configured service, the configured service itself, and the queue of an already discovered one."""
    stage.clusters["prod"] = {"copy": tags_with("orders"), "orders": tags_with("other"), "mails": tags_with("mails")}
    stage.play(3 * DISCOVER_S, {30: lambda: stage.clusters["prod"].update(another=tags_with("mails"))})  # type: ignore[union-attr]
    assert stage.keys[-1] == ["orders", "prod-mails"]
    assert {problem.where for problem in stage.problems} == {
        "tags of copy in prod: autoscaler:queues",
        "tags of another in prod: autoscaler:queues",
    }


def test_tags_cannot_claim_the_queue_of_events(stage: SettingsStage) -> None:
    stage.write('event_queue = "events"\n' + TOP + ORDERS.format(5))
    stage.clusters["prod"] = {"mails": tags_with("events"), "bills": tags_with("bills")}
    stage.play(100)
    assert stage.keys[-1] == ["orders", "prod-bills"]


def test_a_changed_profile_applies_at_once_although_the_cluster_cannot_be_read(stage: SettingsStage) -> None:
    stage.clusters["prod"] = {"mails": tags_with("mails", profile="fast")}
    later = TOP.replace("9s", "30s") + ORDERS.format(5)
    stage.play(2 * DISCOVER_S, {25: lambda: stage.clusters.update(prod=None), 30: lambda: stage.write(later)})
    at, config = stage.applied[-1]
    assert [service.policy.acceptable_latency_s for service in config.services] == [60.0, 30.0]
    assert at <= 30 + 2 * WATCH_S


def test_a_half_written_file_is_not_loaded_although_it_is_valid(stage: SettingsStage) -> None:
    """The file is written in two parts, one second apart. The first part is valid TOML."""
    whole = TOP + ORDERS.format(500)
    stage.play(20, {9.5: lambda: stage.write(whole[: whole.index("00")]), 10.5: lambda: stage.write(whole)})
    assert [config.services[0].policy.max_tasks for _, config in stage.applied] == [5, 500]


def test_an_empty_file_changes_nothing(stage: SettingsStage) -> None:
    stage.play(20, {10: lambda: stage.write("")})
    assert len(stage.applied) == 1
    assert "may be incomplete" in str(stage.reloads[0].problems[0])


def test_a_disk_that_hangs_keeps_the_settings_in_force_and_is_read_again_later(stage: SettingsStage) -> None:
    def hang() -> None:
        stage.hangs = True

    def answer() -> None:
        stage.hangs = False
        stage.write(TOP + ORDERS.format(7))

    stage.play(60, {10: hang, 40: answer})
    assert [config.services[0].policy.max_tasks for _, config in stage.applied] == [5, 7]


def test_a_queue_stays_with_its_service_until_that_service_has_another(stage: SettingsStage) -> None:
    """The tags of `a` become wrong, so it keeps q1, which `b` requests. `c` requests the queue of `d`."""
    tags: Tags = {"a": tags_with("q1"), "b": tags_with("q2"), "c": tags_with("q3"), "d": tags_with("q4")}
    stage.clusters["prod"] = tags

    def retag() -> None:
        tags.update(a=tags_with("q1", max_tasks="no"), b=tags_with("q1"), c=tags_with("q4"))

    stage.play(3 * DISCOVER_S, {30: retag})
    held = {service.ref.service: service.queues[0].name for service in stage.applied[-1][1].services}
    assert held == {"a": "q1", "b": "q2", "c": "q3", "d": "q4", "orders": "orders"}


def test_a_queue_can_move_to_another_service_once_it_is_free(stage: SettingsStage) -> None:
    tags: Tags = {"a": tags_with("q1"), "b": tags_with("q2")}
    stage.clusters["prod"] = tags
    stage.play(4 * DISCOVER_S, {30: lambda: tags.update(a=tags_with("q2"), b=tags_with("q3"))})
    held = {service.ref.service: service.queues[0].name for service in stage.applied[-1][1].services}
    assert held == {"a": "q2", "b": "q3", "orders": "orders"}


def test_unchanged_tags_are_not_parsed_again(stage: SettingsStage, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()

    def counted(tagged: Any, settings: Any) -> Any:
        read.append(tagged.service)
        return discovered(tagged, settings)

    monkeypatch.setattr("autoscaler.control.discovery.discovered", counted)
    stage.clusters["prod"] = {"mails": tags_with("mails"), "bills": tags_with("bills")}
    stage.play(4 * DISCOVER_S, {130: lambda: stage.clusters["prod"].update(mails=tags_with("mails", max_tasks="8"))})  # type: ignore[union-attr]
    assert sorted(read) == ["bills", "mails", "mails"]


def test_a_configured_service_with_a_region_is_not_also_discovered(stage: SettingsStage) -> None:
    stage.clusters["prod"] = {"mails": tags_with("mails")}
    here = (
        '[services.own]\ncluster = "prod"\nservice = "mails"\nqueues = ["mails"]\nmax_tasks = 5\nregion = "eu-west-1"\n'
    )
    stage.play(100, {30: lambda: stage.write(TOP + ORDERS.format(5) + here)})
    assert stage.keys[-2:] == [["orders", "prod-mails"], ["orders", "own"]]


def test_a_bug_in_discovery_is_raised(stage: SettingsStage) -> None:
    async def main() -> None:
        class Broken(SettingsStage):
            async def tags(self, cluster: str, place: Place) -> Mapping[str, Mapping[str, str]]:
                raise ZeroDivisionError

        broken = Broken(stage.path)
        source = SettingsSource(broken._read, broken._mark)
        following = Following(load(stage.environ), find(stage.environ), source, TaggedServices(broken, broken), broken)
        async for _ in following.configs():
            pass

    with pytest.raises(ZeroDivisionError):
        run_virtually(main())
