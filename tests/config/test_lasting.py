"""A mode, role, bound, protection or service never changes because a line or a part of the file is missing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import Config, load
from autoscaler.config.discovering import Tagged, discovered
from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.group import Leaf, leaves, value_at
from autoscaler.config.lasting import STAYING, STAYING_OF_DAEMON
from autoscaler.config.loading import Settings, find
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


class Daemon:
    """What a running daemon has read."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self.environ = {"AUTOSCALER_CONFIG_FILE": str(path)}
        self._path.write_text(text, encoding="utf-8")
        self.config: Config = load(self.environ)
        self.settings: Settings = find(self.environ)

    def reads(self, text: str, *, confirmed: bool = False) -> Reloaded:
        self._path.write_text(text, encoding="utf-8")
        outcome = reload(self.environ, self.config, self.settings, confirmed=confirmed)
        self.config, self.settings = outcome.config, outcome.settings
        return outcome

    def tagged(self) -> Any:
        tags = {"autoscaler:queues": "q", "autoscaler:profile": "p"}
        return discovered(Tagged("prod", "found", tags), self.settings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def dotted(leaf: Leaf) -> str:
    return ".".join(leaf.path)


def service(path: tuple[str, ...] = (), value: Any = None) -> str:
    """A service with a setting more, or without one."""
    near = WITH.get(path, {})
    full = put({**BASE, **near, **FILLER}, path, value) if path else {**BASE, **FILLER}
    return lines("services.s", full)


def without(text: str, leaf: Leaf) -> str:
    """The text without the lines that write the setting."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{dotted(leaf)} ="))


def test_what_protects_is_declared_as_such_with_a_reason() -> None:
    assert {dotted(leaf) for leaf in STAYING.values()} >= PROTECTIVE
    assert {"max_tasks_ceiling", "fleet_cap_percent", "caps", "discover_clusters"} <= set(
        map(dotted, STAYING_OF_DAEMON.values())
    )
    for leaf in (*leaves(ServiceFields), *leaves(GlobalFields)):
        assert not leaf.stays or leaf.stays.endswith(".")


@pytest.mark.parametrize("leaf", STAYING.values(), ids=dotted)
def test_a_services_line_that_is_missing_changes_nothing_and_one_that_is_written_does(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    text = service(leaf.path, first)
    daemon = Daemon(path, text)
    before = daemon.config
    assert without(text, leaf) != text
    for _ in range(3):
        outcome = daemon.reads(without(text, leaf))
        assert (outcome.problems, outcome.taken, outcome.changes) == ((), True, ())
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
def test_a_line_of_the_defaults_that_is_missing_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    own = {name: value for name, value in (BASE | FILLER).items() if name != leaf.path[0]}

    def text(value: Any) -> str:
        return lines("defaults", put(WITH.get(leaf.path, {}), leaf.path, value)) + lines("services.s", own)

    daemon = Daemon(path, text(first))
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
def test_a_line_of_a_profile_that_is_missing_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    near = {name: value for name, value in WITH.get(leaf.path, {}).items() if name not in PLACE}
    own = {"max_tasks": 9, **near, **FILLER}

    def text(value: Any) -> str:
        return 'discover_clusters = ["prod"]\n' + lines("profiles.p", put(own, leaf.path, value))

    daemon = Daemon(path, text(first))
    before = daemon.tagged()
    outcome = daemon.reads(without(text(first), leaf))
    assert outcome.problems == ()
    assert daemon.tagged() == before
    assert [(gap.of, gap.setting) for gap in outcome.missing] == [("profiles.p", dotted(leaf))]
    daemon.reads(text(second))
    assert daemon.tagged() != before


@pytest.mark.parametrize("leaf", STAYING_OF_DAEMON.values(), ids=dotted)
def test_a_line_of_the_daemons_own_that_is_missing_changes_nothing(path: Path, leaf: Leaf) -> None:
    first, second = two_of(leaf)
    text = lines("x", {leaf.path[0]: first}).removeprefix("[x]\n")
    daemon = Daemon(path, text + service())
    before, bounds = daemon.config, daemon.settings.globals.value
    outcome = daemon.reads(service())
    assert (outcome.problems, outcome.later) == ((), ())
    assert (daemon.config, daemon.settings.globals.value) == (before, bounds)
    assert [(gap.of, gap.setting) for gap in outcome.missing] == [("daemon", dotted(leaf))]
    outcome = daemon.reads(lines("x", {leaf.path[0]: second}).removeprefix("[x]\n") + service())
    assert value_at(daemon.settings.globals.value, leaf.path) != value_at(bounds, leaf.path)
    assert [(change.of, change.setting) for change in outcome.changes] == [("daemon", dotted(leaf))]


def test_a_start_knows_nothing_of_what_was_before(path: Path) -> None:
    daemon = Daemon(path, service(("min_tasks",), 3))
    daemon.reads(service())
    assert daemon.config.services[0].policy.min_tasks == 3
    assert Daemon(path, service()).config.services[0].policy.min_tasks == 0


def test_a_setting_that_protects_nothing_goes_with_its_line(path: Path) -> None:
    daemon = Daemon(path, service())
    outcome = daemon.reads(service().replace('acceptable_latency = "50s"\n', ""))
    assert daemon.config.services[0].policy.acceptable_latency_s == 60.0
    [change] = outcome.changes
    assert (change.of, change.setting, change.old, change.new) == ("s", "acceptable_latency", "50s", "60s")


def test_the_defaults_do_not_speak_for_a_service_whose_own_line_is_missing(path: Path) -> None:
    loose = lines("defaults", {"mode": "active"})
    daemon = Daemon(path, loose + service())
    daemon.reads(loose + service().replace('mode = "shadow"\n', ""))
    assert daemon.config.services[0].policy.mode == "shadow"


def test_a_secret_is_named_and_not_shown(path: Path) -> None:
    text = service(("external_id",), "first-word")
    daemon = Daemon(path, text)
    [gap] = daemon.reads(text.replace('external_id = "first-word"\n', "")).missing
    [change] = daemon.reads(text.replace("first-word", "second-word")).changes
    assert (gap.value, change.old, change.new) == ("***", "***", "***")


def test_a_service_that_is_wrong_in_between_still_knows_what_it_stated(path: Path) -> None:
    daemon = Daemon(path, service())
    for said in ("", 'mode = "active"\n'):
        daemon.reads(service().replace('mode = "shadow"\n', said).replace("max_tasks = 9", "max_tasks = -1"))
        assert daemon.config.services[0].policy.mode == "shadow", "what was never in force is not the last value"
    daemon.reads(service().replace('mode = "shadow"\n', ""))
    assert daemon.config.services[0].policy.mode == "shadow"


def test_a_service_that_comes_back_without_a_line_has_what_it_had(path: Path) -> None:
    other = service().replace("services.s]", "services.t]").replace('"s"', '"t"').replace('"q"', '"r"')
    daemon = Daemon(path, other + service())
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


def test_a_part_of_a_setting_that_is_missing_changes_nothing(path: Path) -> None:
    every = (service() + PARTS).splitlines(keepends=True)
    for cut in range(len(service().splitlines()), len(every)):
        daemon = Daemon(path, "".join(every))
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
def test_a_part_that_is_written_is_taken(path: Path, old: str, new: str) -> None:
    daemon = Daemon(path, service() + PARTS)
    before = daemon.config
    assert old in PARTS
    outcome = daemon.reads(service() + PARTS.replace(old, new))
    assert (outcome.problems, outcome.missing) == ((), ())
    assert daemon.config.services != before.services


@pytest.mark.parametrize(
    "said", ["schedules = {}", 'schedules = {day = {cron = "0 8 * * *", for = "1h", max_tasks = 2}}']
)
def test_what_is_written_in_one_statement_counts_as_it_stands(path: Path, said: str) -> None:
    daemon = Daemon(path, service() + PARTS[: PARTS.index("[services.s.metrics")])
    outcome = daemon.reads(service() + said + "\n")
    assert outcome.missing == ()
    assert len(daemon.config.services[0].schedules) == said.count("cron")


def test_an_item_that_is_written_in_one_statement_counts_as_it_stands(path: Path) -> None:
    daemon = Daemon(path, service() + PARTS)
    day = PARTS[: PARTS.index("[services.s.schedules.night]")]
    inline = '[services.s.schedules]\nday = {cron = "0 8 * * *", for = "10h", min_tasks = 3}\n'
    outcome = daemon.reads(service() + PARTS.replace(day, inline))
    assert (outcome.problems, outcome.missing) == ((), ())
    [now] = [each for each in daemon.config.services[0].schedules if each.name == "day"]
    assert (now.timezone, now.min_tasks, now.max_tasks) == ("UTC", 3, None)


def protected(read: Any) -> dict[str, Any]:
    return {dotted(leaf): value_at(read.valid.value, leaf.path) for leaf in STAYING.values()}


def realistic() -> str:
    """The example with a profile, and parts of settings; globals stand before the first table."""
    example = (Path(__file__).parents[2] / "config" / "autoscaler.toml").read_text()
    top, table, rest = example.partition("# What services share")
    profile = lines("profiles.p", {"mode": "scale_out_only", "min_tasks": 2, "max_tasks": 20, "workers": "unsafe"})
    globals_ = 'max_tasks_ceiling = 30\ndiscover_clusters = ["prod"]\n'
    roles = service(("role_arn",), "arn:aws:iam::123456789012:role/one")
    return top + globals_ + table + rest + "\n" + roles + PARTS + profile


def pieces(every: list[str]) -> Iterator[tuple[int, int]]:
    """The lines that go: everything behind each line, each line, and some stretches. A stretch with the head of a table
    goes on to the next head: what would be left of the table would be written in another one.
    """
    count, chance = len(every), random.Random(1)
    heads = [at for at, line in enumerate(every) if line.startswith("[")]
    for at in range(count):
        yield at, count
        yield at, at + 1
    for _ in range(200):
        first, last = sorted(chance.sample(range(count), 2))
        if any(first <= head < last for head in heads):
            last = next((head for head in heads if head >= last), count)
        yield first, last


@pytest.mark.parametrize("confirmed", [False, True])
def test_wherever_the_file_is_cut_no_service_changes_what_protects_it(path: Path, confirmed: bool) -> None:
    every = realistic().splitlines(keepends=True)
    daemon = Daemon(path, realistic())
    assert len(daemon.config.services) == 6
    config, settings = daemon.config, daemon.settings
    before = {read.key: protected(read) for read in settings.services}
    there, found = {each.ref.key: each for each in config.services}, daemon.tagged()
    taken = 0
    for first, last in pieces(every):
        daemon.config, daemon.settings = config, settings
        outcome = daemon.reads("".join([*every[:first], *every[last:]]), confirmed=confirmed)
        taken += outcome.taken
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
        if not outcome.taken:
            assert outcome.problems, "whoever looks is told why"
    assert taken > len(every) // 2, "most of these files are taken as far as they go"


def test_a_number_that_is_cut_is_not_taken(path: Path) -> None:
    """`max_tasks = 20` is cut to `max_tasks = 2`, which is good TOML."""
    whole = realistic()
    daemon = Daemon(path, whole)
    config, settings = daemon.config, daemon.settings
    within = [at for at in range(1, len(whole)) if whole[at - 1].isdigit() and whole[at].isdigit()]
    assert len(within) > 30
    for at in within:
        daemon.config, daemon.settings = config, settings
        outcome = daemon.reads(whole[:at])
        assert daemon.config.services == config.services, whole[:at].splitlines()[-1]
        assert daemon.settings.globals.value == settings.globals.value
        assert outcome.problems


def test_a_file_that_never_ended_with_a_line_break_is_read(path: Path) -> None:
    daemon = Daemon(path, service().rstrip())
    outcome = daemon.reads(service().replace("max_tasks = 9", "max_tasks = 8").rstrip())
    assert (outcome.taken, daemon.config.services[0].policy.max_tasks) == (True, 8)


def test_a_file_that_never_ended_with_a_line_break_and_lost_its_end_waits(path: Path) -> None:
    whole = service().replace("max_tasks = 9", "").rstrip() + "\nmax_tasks = 500"
    daemon = Daemon(path, whole)
    outcome = daemon.reads(whole[:-2])
    assert outcome.waiting is not None
    assert outcome.waiting.is_cut
    assert daemon.config.services[0].policy.max_tasks == 500
    assert daemon.reads(whole[:-2], confirmed=True).taken
    assert daemon.config.services[0].policy.max_tasks == 5


def test_a_new_file_that_never_ended_with_a_line_break_and_lost_its_end_waits(path: Path) -> None:
    """It is not the beginning of what it was; the mode behind the cut is missing."""
    daemon = Daemon(path, service(("mode",), "scale_out_only").replace("max_tasks = 9", "max_tasks = 500").rstrip())
    whole = path.read_text()
    assert whole.index("max_tasks") < whole.index("mode =")
    outcome = daemon.reads(f"# rendered anew\n{whole[: whole.index('500') + 1]}")
    assert outcome.waiting is not None
    assert outcome.waiting.is_cut
    assert daemon.config.services[0].policy.max_tasks == 500


def test_a_last_line_without_its_break_is_taken_once_it_is_confirmed(path: Path) -> None:
    daemon = Daemon(path, service())
    cut = service().replace("max_tasks = 9", "max_tasks = 8").rstrip()
    outcome = daemon.reads(cut)
    assert outcome.waiting is not None
    assert outcome.waiting.is_cut
    assert "line break" in outcome.problems[0].what
    assert daemon.reads(cut, confirmed=True).taken
    assert daemon.config.services[0].policy.max_tasks == 8
