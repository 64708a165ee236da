"""A mode, role, bound, protection or service never changes because a line or a part of the file is missing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import Config, load
from autoscaler.config.discovering import TaggedService, discovered
from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Leaf, leaves, value_at
from autoscaler.config.lasting import STAYING, STAYING_OF_DAEMON
from autoscaler.config.loading import LoadedSettings, find
from autoscaler.config.names import PLACE
from autoscaler.config.reloading import Reloaded, reload
from tests.config.samples import WITH, lines, put, two_of

BASE: dict[str, Any] = {"cluster": "c", "service": "s", "queues": ["q"], "max_tasks": 9, "mode": "shadow"}
FILLER = {"acceptable_latency": "50s", "processing_time": "2s", "learn": False, "tolerance": 0.2}

PROTECTIVE = {
    "mode", "paused", "role_arn", "external_id", "region", "cluster", "service", "min_tasks", "max_tasks", "schedules",
    "workers", "busy_floor", "conflicting_scalers", "scale_in.cooldown", "scale_in.stabilization", "scale_in.limits",
    "scale_in.select", "scale_out.cooldown", "scale_out.stabilization", "scale_out.limits", "scale_out.select",
    "fallback.behavior", "fallback.tasks", "fallback.after", "deployments.hold_scale_in", "deployments.at_most",
    "activation.messages", "activation.reads",
}  # fmt: skip


class ReadSettings:
    """The settings of a running daemon, which reads its file again after each change."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self.environ = {"AUTOSCALER_CONFIG_FILE": str(path)}
        self._path.write_text(text, encoding="utf-8")
        self.config: Config = load(self.environ)
        self.settings: LoadedSettings = find(self.environ)

    def reads(self, text: str, *, confirmed: bool = False) -> Reloaded:
        self._path.write_text(text, encoding="utf-8")
        outcome = reload(self.environ, self.config, self.settings, confirmed=confirmed)
        self.config, self.settings = outcome.config, outcome.settings
        return outcome

    def tagged(self) -> Any:
        tags = {"autoscaler:queues": "q", "autoscaler:profile": "p"}
        return discovered(TaggedService("prod", "found", tags), self.settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def dotted(leaf: Leaf) -> str:
    return ".".join(leaf.path)


def service(path: tuple[str, ...] = (), value: Any = None) -> str:
    """Return a service as TOML, with one more setting if a path is given."""
    near = WITH.get(path, {})
    full = put({**BASE, **near, **FILLER}, path, value) if path else {**BASE, **FILLER}
    return lines("services.s", full)


def without(text: str, leaf: Leaf) -> str:
    """Return the text without the lines of the setting."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{dotted(leaf)} ="))


def test_protective_settings_are_declared_as_such_with_a_reason() -> None:
    assert {dotted(leaf) for leaf in STAYING.values()} >= PROTECTIVE
    assert {"max_tasks_ceiling", "fleet_cap_percent", "caps", "discover_clusters"} <= set(
        map(dotted, STAYING_OF_DAEMON.values())
    )
    for leaf in (*leaves(ServiceFields), *leaves(GlobalFields)):
        assert not leaf.stays or leaf.stays.endswith(".")


@pytest.mark.parametrize("leaf", STAYING.values(), ids=dotted)
def test_a_missing_line_of_a_service_changes_nothing_and_a_changed_line_does(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    text = service(leaf.path, first)
    daemon = ReadSettings(path, text)
    before = daemon.config
    assert without(text, leaf) != text
    for _ in range(3):
        outcome = daemon.reads(without(text, leaf))
        assert (outcome.problems, outcome.applied, outcome.changes) == ((), True, ())
        assert daemon.config == before
        [gap] = outcome.missing
        assert (gap.of, gap.setting, gap.origin) == ("s", dotted(leaf), f"settings.toml: services.s.{dotted(leaf)}")
        assert gap.value or leaf.path == ("external_id",)
    [chosen] = [each for each in daemon.config.services[0].chosen if each.name == dotted(leaf)]
    assert "missing" in chosen.origin, "the operator can read it on the page"
    outcome = daemon.reads(service(leaf.path, second))
    assert (outcome.problems, outcome.missing) == ((), ())
    assert daemon.config.services != before.services
    assert [(change.of, change.setting) for change in outcome.changes] == [("s", dotted(leaf))]


@pytest.mark.parametrize("leaf", STAYING.values(), ids=dotted)
def test_a_missing_line_of_the_defaults_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    own = {name: value for name, value in (BASE | FILLER).items() if name != leaf.path[0]}

    def text(value: Any) -> str:
        return lines("defaults", put(WITH.get(leaf.path, {}), leaf.path, value)) + lines("services.s", own)

    daemon = ReadSettings(path, text(first))
    before = daemon.config
    outcome = daemon.reads(without(text(first), leaf))
    assert daemon.config == before
    assert [(gap.of, gap.setting) for gap in outcome.missing] == [("defaults", dotted(leaf))]
    outcome = daemon.reads(text(second))
    assert daemon.config.services != before.services
    assert {change.of for change in outcome.changes} == {"defaults", "s"}


@pytest.mark.parametrize(
    "leaf", [leaf for path, leaf in STAYING.items() if path[0] not in PLACE | {"queues"}], ids=dotted
)
def test_a_missing_line_of_a_profile_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    near = {name: value for name, value in WITH.get(leaf.path, {}).items() if name not in PLACE}
    own = {"max_tasks": 9, **near, **FILLER}

    def text(value: Any) -> str:
        return 'discover_clusters = ["prod"]\n' + lines("profiles.p", put(own, leaf.path, value))

    daemon = ReadSettings(path, text(first))
    before = daemon.tagged()
    outcome = daemon.reads(without(text(first), leaf))
    assert outcome.problems == ()
    assert daemon.tagged() == before
    assert [(gap.of, gap.setting) for gap in outcome.missing] == [("profiles.p", dotted(leaf))]
    daemon.reads(text(second))
    assert daemon.tagged() != before


@pytest.mark.parametrize("leaf", STAYING_OF_DAEMON.values(), ids=dotted)
def test_a_missing_line_of_the_daemons_settings_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    text = lines("x", {leaf.path[0]: first}).removeprefix("[x]\n")
    daemon = ReadSettings(path, text + service())
    before, bounds = daemon.config, daemon.settings.globals.value
    outcome = daemon.reads(service())
    assert (outcome.problems, outcome.later) == ((), ())
    assert (daemon.config, daemon.settings.globals.value) == (before, bounds)
    assert [(gap.of, gap.setting) for gap in outcome.missing] == [("daemon", dotted(leaf))]
    outcome = daemon.reads(lines("x", {leaf.path[0]: second}).removeprefix("[x]\n") + service())
    assert value_at(daemon.settings.globals.value, leaf.path) != value_at(bounds, leaf.path)
    assert [(change.of, change.setting) for change in outcome.changes] == [("daemon", dotted(leaf))]


def test_a_restart_does_not_use_earlier_settings(path: Path) -> None:
    daemon = ReadSettings(path, service(("min_tasks",), 3))
    daemon.reads(service())
    assert daemon.config.services[0].policy.min_tasks == 3
    assert ReadSettings(path, service()).config.services[0].policy.min_tasks == 0


def test_a_setting_that_protects_nothing_returns_to_its_default_without_its_line(path: Path) -> None:
    daemon = ReadSettings(path, service())
    outcome = daemon.reads(service().replace('acceptable_latency = "50s"\n', ""))
    assert daemon.config.services[0].policy.acceptable_latency_s == 60.0
    [change] = outcome.changes
    assert (change.of, change.setting, change.old, change.new) == ("s", "acceptable_latency", "50s", "60s")


def test_the_defaults_do_not_replace_a_missing_line_of_a_service(path: Path) -> None:
    loose = lines("defaults", {"mode": "active"})
    daemon = ReadSettings(path, loose + service())
    daemon.reads(loose + service().replace('mode = "shadow"\n', ""))
    assert daemon.config.services[0].policy.mode == "shadow"


def test_the_value_of_a_secret_is_not_shown(path: Path) -> None:
    text = service(("external_id",), "first-word")
    daemon = ReadSettings(path, text)
    [gap] = daemon.reads(text.replace('external_id = "first-word"\n', "")).missing
    [change] = daemon.reads(text.replace("first-word", "second-word")).changes
    assert (gap.value, change.old, change.new) == ("***", "***", "***")


def test_a_service_keeps_its_last_valid_value_after_invalid_settings(path: Path) -> None:
    daemon = ReadSettings(path, service())
    for statement in ("", 'mode = "active"\n'):
        daemon.reads(service().replace('mode = "shadow"\n', statement).replace("max_tasks = 9", "max_tasks = -1"))
        assert daemon.config.services[0].policy.mode == "shadow", "a value never in force is not the last value"
    daemon.reads(service().replace('mode = "shadow"\n', ""))
    assert daemon.config.services[0].policy.mode == "shadow"


def test_a_service_that_returns_without_a_line_has_its_earlier_value(path: Path) -> None:
    other = service().replace("services.s]", "services.t]").replace('"s"', '"t"').replace('"q"', '"r"')
    daemon = ReadSettings(path, other + service())
    daemon.reads(other, confirmed=True)
    assert [each.ref.key for each in daemon.config.services] == ["t"]
    daemon.reads(other + service().replace('mode = "shadow"\n', ""))
    assert {each.ref.key: each.policy.mode for each in daemon.config.services} == {"s": "shadow", "t": "shadow"}


PARTS = """
[services.s.schedules.day]
cron = "0 8 * * *"
for = "10h"
timezone = "Europe/Berlin"
min_tasks = 3
max_tasks = 8

[services.s.schedules.night]
cron = "0 22 * * *"
for = "2h"
lead = "0s"
max_tasks = 4

[services.s.metrics.lag]
namespace = "App"
metric = "Lag"
dimensions = { Name = "x" }
target_per_task = 5
statistic = "Maximum"

[[services.s.scale_in.limits]]
percent = 10
per = "5m"

[[services.s.scale_in.limits]]
tasks = 2
per = "60s"
"""


def test_a_missing_part_of_a_setting_changes_nothing(path: Path) -> None:
    every = (service() + PARTS).splitlines(keepends=True)
    for cut in range(len(service().splitlines()), len(every)):
        daemon = ReadSettings(path, "".join(every))
        before = daemon.config
        outcome = daemon.reads("".join(every[:cut]), confirmed=True)
        assert daemon.config.services == before.services, (cut, outcome.problems)


NIGHT = PARTS[PARTS.index("[services.s.schedules.night]") : PARTS.index("[services.s.metrics")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NIGHT, '[services.s.schedules]\nnight = "none"\n\n'),
        ("max_tasks = 4", "max_tasks = 5"),
        ("tasks = 2", "tasks = 3"),
        ("percent = 10", "percent = 20"),
    ],
)
def test_a_changed_part_of_a_setting_is_applied(path: Path, old: str, new: str) -> None:
    daemon = ReadSettings(path, service() + PARTS)
    before = daemon.config
    assert old in PARTS
    outcome = daemon.reads(service() + PARTS.replace(old, new))
    assert (outcome.problems, outcome.missing) == ((), ())
    assert daemon.config.services != before.services


@pytest.mark.parametrize(
    "statement", ["schedules = {}", 'schedules = {day = {cron = "0 8 * * *", for = "1h", max_tasks = 2}}']
)
def test_a_setting_in_one_statement_replaces_all_its_earlier_parts(path: Path, statement: str) -> None:
    daemon = ReadSettings(path, service() + PARTS[: PARTS.index("[services.s.metrics")])
    outcome = daemon.reads(service() + statement + "\n")
    assert outcome.missing == ()
    assert len(daemon.config.services[0].schedules) == statement.count("cron")


def test_an_item_in_one_statement_replaces_all_its_earlier_parts(path: Path) -> None:
    daemon = ReadSettings(path, service() + PARTS)
    day = PARTS[: PARTS.index("[services.s.schedules.night]")]
    inline = '[services.s.schedules]\nday = {cron = "0 8 * * *", for = "10h", min_tasks = 3}\n'
    outcome = daemon.reads(service() + PARTS.replace(day, inline))
    assert (outcome.problems, outcome.missing) == ((), ())
    [now] = [each for each in daemon.config.services[0].schedules if each.name == "day"]
    assert (now.timezone, now.min_tasks, now.max_tasks) == ("UTC", 3, None)


def protected(read: Any) -> dict[str, Any]:
    return {dotted(leaf): value_at(read.valid.value, leaf.path) for leaf in STAYING.values()}


def realistic() -> str:
    """Return the example file with a profile and nested tables. The global settings come before the first table."""
    example = (Path(__file__).parents[2] / "config" / "autoscaler.toml").read_text()
    top, table, rest = example.partition("[caps.database]")
    profile = lines("profiles.p", {"mode": "scale_out_only", "min_tasks": 2, "max_tasks": 20, "workers": "unsafe"})
    globals_ = 'max_tasks_ceiling = 30\ndiscover_clusters = ["prod"]\n'
    roles = service(("role_arn",), "arn:aws:iam::123456789012:role/one")
    return top + globals_ + table + rest + "\n" + roles + PARTS + profile


def cuts(every: list[str]) -> Iterator[tuple[int, int]]:
    """Yield half-open ranges of lines to remove: each line with all lines after it, each single line, and 200 random
    ranges. A random range with a table header ends at the next header; otherwise the rest of that table would become
    part of another table.
    """
    count, rng = len(every), random.Random(1)
    heads = [at for at, line in enumerate(every) if line.startswith("[")]
    for at in range(count):
        yield at, count
        yield at, at + 1
    for _ in range(200):
        first, last = sorted(rng.sample(range(count), 2))
        if any(first <= head < last for head in heads):
            last = next((head for head in heads if head >= last), count)
        yield first, last


@pytest.mark.parametrize("confirmed", [False, True])
def test_removing_lines_never_changes_a_protective_setting(path: Path, confirmed: bool) -> None:
    every = realistic().splitlines(keepends=True)
    daemon = ReadSettings(path, realistic())
    assert len(daemon.config.services) == 6
    config, settings = daemon.config, daemon.settings
    before = {read.key: protected(read) for read in settings.services}
    there, found = {each.ref.key: each for each in config.services}, daemon.tagged()
    applied = 0
    for first, last in cuts(every):
        daemon.config, daemon.settings = config, settings
        outcome = daemon.reads("".join([*every[:first], *every[last:]]), confirmed=confirmed)
        applied += outcome.applied
        assert {read.key: before[read.key] for read in daemon.settings.services} == {
            read.key: protected(read) for read in daemon.settings.services
        }, (first, last)
        now = {each.ref.key: each for each in daemon.config.services}
        assert confirmed or now.keys() == there.keys(), (first, last)
        for key, each in now.items():
            assert (each.policy.mode, each.policy.min_tasks, each.policy.max_tasks, each.schedules, each.ref) == (
                there[key].policy.mode, there[key].policy.min_tasks, there[key].policy.max_tasks,
                there[key].schedules, there[key].ref,
            ), (first, last)  # fmt: skip
        assert daemon.settings.globals.value.max_tasks_ceiling == 30
        if "p" in daemon.settings.whole.profiles:
            policy = daemon.tagged().policy
            assert (policy.mode, policy.min_tasks, policy.max_tasks, policy.workers) == (
                found.policy.mode, found.policy.min_tasks, found.policy.max_tasks, found.policy.workers
            )  # fmt: skip
        if not outcome.applied:
            assert outcome.problems, "the reason is reported"
    assert applied > len(every) // 2, "most of these files are applied"


def test_a_truncated_number_is_not_applied(path: Path) -> None:
    """`max_tasks = 20` is cut to `max_tasks = 2`, which is valid TOML."""
    whole = realistic()
    daemon = ReadSettings(path, whole)
    config, settings = daemon.config, daemon.settings
    within = [at for at in range(1, len(whole)) if whole[at - 1].isdigit() and whole[at].isdigit()]
    assert len(within) > 30
    for at in within:
        daemon.config, daemon.settings = config, settings
        outcome = daemon.reads(whole[:at])
        assert daemon.config.services == config.services, whole[:at].splitlines()[-1]
        assert daemon.settings.globals.value == settings.globals.value
        assert outcome.problems


def test_a_file_that_never_ended_with_a_line_break_is_applied(path: Path) -> None:
    daemon = ReadSettings(path, service().rstrip())
    outcome = daemon.reads(service().replace("max_tasks = 9", "max_tasks = 8").rstrip())
    assert (outcome.applied, daemon.config.services[0].policy.max_tasks) == (True, 8)


def test_a_truncated_file_that_never_ended_with_a_line_break_requires_confirmation(path: Path) -> None:
    whole = service().replace("max_tasks = 9", "").rstrip() + "\nmax_tasks = 500"
    daemon = ReadSettings(path, whole)
    outcome = daemon.reads(whole[:-2])
    assert outcome.unconfirmed is not None
    assert outcome.unconfirmed.is_cut
    assert daemon.config.services[0].policy.max_tasks == 500
    assert daemon.reads(whole[:-2], confirmed=True).applied
    assert daemon.config.services[0].policy.max_tasks == 5


def test_a_truncated_new_file_that_never_ended_with_a_line_break_requires_confirmation(path: Path) -> None:
    """The new text is not a prefix of the old text, and the mode after the cut is missing."""
    daemon = ReadSettings(
        path, service(("mode",), "scale_out_only").replace("max_tasks = 9", "max_tasks = 500").rstrip()
    )
    whole = path.read_text()
    assert whole.index("max_tasks") < whole.index("mode =")
    outcome = daemon.reads(f"# rendered again\n{whole[: whole.index('500') + 1]}")
    assert outcome.unconfirmed is not None
    assert outcome.unconfirmed.is_cut
    assert daemon.config.services[0].policy.max_tasks == 500


def test_a_last_line_without_a_line_break_is_applied_after_confirmation(path: Path) -> None:
    daemon = ReadSettings(path, service())
    cut = service().replace("max_tasks = 9", "max_tasks = 8").rstrip()
    outcome = daemon.reads(cut)
    assert outcome.unconfirmed is not None
    assert outcome.unconfirmed.is_cut
    assert "line break" in outcome.problems[0].what
    assert daemon.reads(cut, confirmed=True).applied
    assert daemon.config.services[0].policy.max_tasks == 8
