"""`replay` decides each situation of a journal again and reports every difference."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading, Rule
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.inspection.replaying import ADMISSION
from autoscaler.ports import Poll, ServiceRef
from autoscaler.telemetry.account import account_of, faults_of
from tests.cli.spoken import autoscaler, journal_line, situation, text

SETTINGS = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "20",
    "AUTOSCALER_BACKLOG_PER_TASK": "10",
    "AUTOSCALER_TOLERANCE": "0",
}
ALIKE = journal_line(situation(), 10)
OTHER_TARGET = journal_line(situation(), 8)
OTHER_RULES = journal_line(situation(visible=900), 20, "rate_limit", "bounds")


@pytest.fixture(autouse=True)
def a_bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AUTOSCALER_")]:
        monkeypatch.delenv(name)


def replayed(journal: bytes, *options: str, settings: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["replay", "-", *options], input=journal, env=settings)


def report(journal: bytes, *options: str, settings: dict[str, str] | None = None) -> dict[str, Any]:
    return dict(json.loads(replayed(journal, "--json", *options, settings=settings).stdout))


def test_a_journal_of_the_same_code_has_no_difference() -> None:
    policy = Policy("orders", 0, 20, (QueuePolicy("orders", 60.0),), backlog_per_task=10.0)
    lines, memory = [], Memory(since=0.0)
    for number, visible in enumerate([0, 90, 900, 90, 0, 0, 0, 40, 41, 5000]):
        now, desired = 100.0 + 10 * number, number % 7
        seen = Observation(
            now, Fleet(desired, desired, 0, now), (QueueReading("orders", Backlog(visible, 3, 0, now - 1)),)
        )
        decision = decide(policy, memory, seen)
        poll = Poll(ServiceRef("orders", "prod", "orders"), policy, seen, memory, decision, "accepted")
        lines.append({"ts": "2026-11-23T08:30:00.000Z", "event": "scaled", **account_of(poll, faults_of(poll))})
        memory = memory.remembering(policy, seen, decision)
    result = replayed(text(*lines))
    assert "10 decisions replayed: 10 equal, 0 different" in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("lines", "code"),
    [([ALIKE], 0), ([ALIKE, {"event": "started"}], 0), ([ALIKE, OTHER_TARGET], 1), ([OTHER_RULES], 1), ([], 2)],
)
def test_no_difference_exits_with_0_a_difference_with_1_and_no_decision_with_2(lines: Any, code: int) -> None:
    for options in ([], ["--json"]):
        assert replayed(text(*lines), *options).exit_code == code


def test_a_difference_has_its_time_its_service_both_decisions_and_the_reason() -> None:
    output = report(text(ALIKE, OTHER_TARGET, OTHER_RULES))
    target, rules = output["differences"]
    assert target["line"] == 2
    assert target["ts"] == "2026-11-23T08:30:00.000Z"
    assert (target["service"], target["current"]) == ("orders", 2)
    assert (target["then"], target["now"]["target"]) == ({"target": 8, "rules": []}, 10)
    assert target["now"]["sentence"].startswith("orders: 2 -> 10 tasks")
    assert (rules["then"]["target"], rules["now"]["target"]) == (20, 20)
    assert (rules["then"]["rules"], rules["now"]["rules"]) == (["rate_limit", "bounds"], ["bounds"])
    assert {name: output[name] for name in ("lines", "decisions", "alike", "different")} == {
        "lines": 3, "decisions": 3, "alike": 1, "different": 2,
    }  # fmt: skip

    table = replayed(text(ALIKE, OTHER_TARGET, OTHER_RULES)).stdout.splitlines()
    assert table[0].split()[:4] == ["time", "service", "then", "now"]
    assert table[1].split()[:8] == ["2026-11-23T08:30:00.000Z", "orders", "2", "->", "8", "2", "->", "10"]
    assert "-rate_limit" in table[2]
    assert table[-1] == "3 decisions replayed: 1 equal, 2 different; 0 lines without a decision"


def test_a_line_without_a_decision_is_skipped_and_counted() -> None:
    others = b"plain words\n\n" + text({"event": "started"}, {"situation": None}, ["situation"], {"situation": 3})
    cut = json.dumps(ALIKE).encode()[:200]
    output = report(others + b"\xff\xfe\n" + text(ALIKE) + cut)
    assert (output["decisions"], output["alike"], output["skipped"], output["unread"]) == (1, 1, 8, 0)


def test_the_prefix_of_a_log_driver_is_ignored() -> None:
    assert report(b"2026-11-23T08:30:00Z ecs/autoscaler/1 " + text(ALIKE))["alike"] == 1


def test_a_situation_that_cannot_be_read_exits_with_1_and_is_reported_with_its_line() -> None:
    unknown = journal_line(situation(surprise=1), 10)
    silent = {key: value for key, value in ALIKE.items() if key != "target"}
    result = replayed(text(ALIKE, unknown, silent), "--json")
    output = json.loads(result.stdout)
    assert (result.exit_code, output["decisions"], output["unread"]) == (1, 1, 2)
    assert [one["line"] for one in output["unreadable"]] == [2, 3]
    assert "surprise" in output["unreadable"][0]["error"]
    assert "line 2 cannot be replayed" in replayed(text(ALIKE, unknown)).stdout
    assert replayed(text(unknown)).exit_code == 2


@pytest.mark.parametrize("rule", sorted(ADMISSION))
def test_rules_that_span_services_are_removed_before_the_comparison(rule: Any) -> None:
    """The rule limited the target from 10 to 4. Alone, the service again decides on 10, so there is no difference."""
    steps = [{"rule": rule, "from": 10, "to": 4, "reason": "others"}]
    capped = {**journal_line(situation(), 4), "steps": steps}
    assert report(text(capped))["alike"] == 1
    assert report(text({**capped, "steps": [{**steps[0], "from": 9}]}))["different"] == 1


def test_only_rules_that_span_services_are_removed() -> None:
    assert {Rule(name) for name in ADMISSION} == {Rule.FLEET_CAP, Rule.SHARED_CAP, Rule.CONFLICTING_SCALER}
    bounded = {**journal_line(situation(), 4), "steps": [{"rule": "bounds", "from": 10, "to": 4, "reason": "max"}]}
    assert report(text(bounded))["different"] == 1


def test_other_settings_show_the_decisions_that_would_differ() -> None:
    assert report(text(ALIKE), "--settings", settings=SETTINGS)["alike"] == 1
    lower = SETTINGS | {"AUTOSCALER_MAX_TASKS": "6"}
    [difference] = report(text(ALIKE), "--settings", settings=lower)["differences"]
    assert (difference["now"]["target"], difference["now"]["rules"]) == (6, ["bounds"])
    assert report(text(ALIKE), settings=lower)["alike"] == 1, "without --settings the recorded settings apply"


def test_the_schedule_in_force_at_the_recorded_time_applies() -> None:
    schedule = {
        "AUTOSCALER_SCHEDULES": json.dumps({"day": {"cron": "0 8 * * *", "for": "1h", "min_tasks": 15, "lead": "0s"}})
    }
    early, late = (journal_line(situation(), 10, ts=f"2026-11-23T{time}:00:00.000Z") for time in ("07", "09"))
    during = journal_line(situation(), 10, ts="2026-11-23T08:59:59.000Z")
    [difference] = report(text(early, during, late), "--settings", settings=SETTINGS | schedule)["differences"]
    assert (difference["line"], difference["now"]["target"]) == (2, 15)


def test_a_service_is_found_by_its_key_or_else_by_its_ecs_name() -> None:
    renamed = journal_line(situation(), 10, service="old-key", ecs_service="orders")
    unknown = journal_line(situation(), 10, service="other", ecs_service="other")
    output = report(text(renamed, unknown), "--settings", settings=SETTINGS)
    assert (output["alike"], output["unset"], output["strangers"]) == (1, 1, ["other"])
    assert replayed(text(unknown), "--settings", settings=SETTINGS).exit_code == 2


def test_an_ecs_name_that_two_services_share_matches_neither() -> None:
    both = {
        f"AUTOSCALER_SERVICES__{key}__{field}": value
        for key in "AB"
        for field, value in {"CLUSTER": key, "SERVICE": "orders", "QUEUES": key, "MAX_TASKS": "20"}.items()
    }
    old = journal_line(situation(), 10, service="old-key", ecs_service="orders")
    assert report(text(old), "--settings", settings=both)["unset"] == 1


def test_invalid_settings_and_a_missing_file_exit_with_2() -> None:
    assert replayed(text(ALIKE), "--settings", settings=SETTINGS | {"AUTOSCALER_MAX_TASKS": "many"}).exit_code == 2
    assert CliRunner().invoke(main, ["replay", "nowhere.log"]).exit_code == 2
    assert CliRunner().invoke(main, ["replay", "."]).exit_code == 2


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    output = replayed(text(journal_line(situation(), 8, service="\x1b[2Jx\ny"))).stdout
    assert "\x1b" not in output
    assert len(output.splitlines()) == 4


async def test_a_long_journal_is_replayed_and_stdout_has_only_the_report(tmp_path: Path) -> None:
    journal = tmp_path / "daemon.log"
    journal.write_bytes(text({"event": "other", "text": "x" * 1000}) * 20_000 + text(ALIKE, OTHER_TARGET))
    ended = await autoscaler("replay", str(journal), "--json")
    assert (ended.code, ended.err) == (1, "")
    assert json.loads(ended.out)["skipped"] == 20_000


def test_a_text_log_is_recognized_and_the_json_log_is_named() -> None:
    line = b"08:30:00Z info    scaled orders: 2 -> 8 tasks (min 0, max 8): backlog 100, 0 in flight\n"
    for journal in (line, line * 3, line * 3 + b"    Traceback {x}\n"):
        result = replayed(journal)
        assert result.exit_code == 2
        assert "the log is text" in result.stderr
        assert "AUTOSCALER_LOG_FORMAT=json" in result.stderr
    for journal in (b"", text({"event": "started"}), line + text({"event": "started"}, {"event": "stopped"})):
        result = replayed(journal)
        assert result.exit_code == 2
        assert "the log is text" not in result.stderr
    assert replayed(line * 3 + text(ALIKE)).exit_code == 0
