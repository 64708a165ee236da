"""A comparison of recordings detects every rename and every change of behaviour, and only those."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.baseline.__main__ import main
from tests.baseline.comparing import compare, write
from tests.baseline.renames import Renames
from tests.baseline.shapes import prose, shape, without_prose
from tests.baseline.situations import situations
from tests.baseline.surface import RecordedGroup

ANSWER = {
    "name": "s1",
    "current": 5,
    "demand": 2,
    "target": 5,
    "verdict": "hold",
    "votes": [{"signal": "given", "tasks": 2, "because": "the demand was given"}],
    "steps": [{"rule": "unread", "from": 2, "to": 5, "because": "a queue could not be read"}],
    "sentence": "s1: stays at 5 tasks",
}


def recording(answer: dict[str, Any] = ANSWER) -> dict[str, RecordedGroup]:
    """Return a recording with one entry of each kind that the tests change."""
    keys = {path: sorted(kinds) for path, kinds in shape(answer).items()}
    rules = [step["rule"] for step in answer["steps"]]
    setting = {"kind": "duration", "default": "120s", "variable": "AUTOSCALER_HOLD_TIME"}
    setting["variable_of_many"] = "AUTOSCALER_SERVICES__<KEY>__HOLD_TIME"
    return {
        "settings": RecordedGroup(
            {"global": {}, "service": {"hold_time": setting}, "schema": {"service.hold_time": {"default": "120s"}}},
            {"hold_time: meaning": "How long to wait."},
        ),
        "metrics": RecordedGroup(
            {
                "families": {"autoscaler_call_tokens": {"type": "gauge"}},
                "series": {"autoscaler_call_tokens": ["category"], "autoscaler_decisions_total": ["rule", "verdict"]},
                "documented": {},
                "values": {"autoscaler_decisions_total: rule": ["unread"], "autoscaler_slo: state": ["late"]},
            },
            {},
        ),
        "alerts": RecordedGroup(
            {
                "alerts": {"AutoscalerCalls": {"expression": 'autoscaler_call_tokens{rule=~"unread|late"} == 0'}},
                "recordings": {},
                "dashboards": {},
                "alarms": {},
            },
            {},
        ),
        "exits": RecordedGroup({"codes": {"check": 0}, "keys": {}}, {}),
        "decide": RecordedGroup(
            {
                "summary": {"exit": 0, "answers": 1, "rules": rules, "keys": keys},
                "decisions": {"s1": without_prose(answer)},
            },
            {"s1": prose(answer)},
        ),
    }


def stored(folder: Path, groups: dict[str, RecordedGroup]) -> Path:
    for group, recorded in groups.items():
        write(folder, group, recorded)
    return folder


def stored_renames(folder: Path, groups: dict[str, dict[str, str]]) -> str:
    path = folder / "renames.json"
    path.write_text(json.dumps(groups))
    return str(path)


def test_a_recording_does_not_differ_from_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (stored(tmp_path / name, recording()) for name in ("before", "after"))
    assert main(["compare", str(before), str(after), "--strict-texts"]) == 0
    assert "decide: 0 differences, 0 texts worded differently" in capsys.readouterr().out


def renamed() -> tuple[dict[str, RecordedGroup], dict[str, dict[str, str]]]:
    """Return the recording after one rename of every kind, and these renames."""
    answer = json.loads(json.dumps(ANSWER).replace('"because"', '"reason"').replace('"unread"', '"missing_signal"'))
    groups = recording(answer)
    setting = {"kind": "duration", "default": "120s", "variable": "AUTOSCALER_SCALE_IN__SMALL"}
    setting["variable_of_many"] = "AUTOSCALER_SERVICES__<KEY>__SCALE_IN__SMALL"
    groups["settings"] = RecordedGroup(
        {
            "global": {},
            "service": {"scale_in.small": setting},
            "schema": {"service.scale_in.small": {"default": "120s"}},
        },
        groups["settings"].texts,
    )
    metric = "autoscaler_rate_limiter_tokens"
    groups["metrics"] = RecordedGroup(
        {
            "families": {metric: {"type": "gauge"}},
            "series": {metric: ["category"], "autoscaler_decisions_total": ["rule", "verdict"]},
            "documented": {},
            "values": {
                "autoscaler_decisions_total: rule": ["missing_signal"],
                "autoscaler_slo: state": ["missed"],
            },
        },
        {},
    )
    groups["alerts"].names["alerts"] = {
        "AutoscalerRateLimiter": {"expression": f'{metric}{{rule=~"missing_signal|late"}} == 0'}
    }
    renames = {
        "settings": {"hold_time": "scale_in.small"},
        "metrics": {"autoscaler_call_tokens": metric},
        "rules": {"unread": "missing_signal"},
        "keys": {"because": "reason"},
        "values": {"state=late": "missed"},
        "alerts": {"AutoscalerCalls": "AutoscalerRateLimiter"},
    }
    return groups, renames


@pytest.mark.parametrize("omitted", [None, "settings", "metrics", "rules", "keys", "values", "alerts"])
def test_an_unlisted_rename_is_a_difference(tmp_path: Path, omitted: str | None) -> None:
    groups, renames = renamed()
    before, after = stored(tmp_path / "before", recording()), stored(tmp_path / "after", groups)
    renames.pop(omitted or "", None)
    code = main(["compare", str(before), str(after), "--renames", stored_renames(tmp_path, renames)])
    assert code == (0 if omitted is None else 1)


@pytest.mark.parametrize("change", ["target", "rule", "step", "exit", "default", "type", "expression", "line"])
def test_a_change_of_behaviour_is_a_difference_in_addition_to_listed_renames(tmp_path: Path, change: str) -> None:
    groups, renames = renamed()
    decision = groups["decide"].names["decisions"]["s1"]
    match change:
        case "target":
            decision["target"] = 4
        case "rule":
            decision["steps"][0]["rule"] = "late"
        case "step":
            decision["steps"] = []
        case "exit":
            groups["exits"].names["codes"]["check"] = 1
        case "default":
            groups["settings"].names["service"]["scale_in.small"]["default"] = "60s"
        case "type":
            groups["metrics"].names["families"]["autoscaler_rate_limiter_tokens"]["type"] = "counter"
        case "expression":
            groups["alerts"].names["alerts"]["AutoscalerRateLimiter"]["expression"] += " or vector(1)"
        case "line":
            del groups["decide"].names["decisions"]["s1"]
    before, after = stored(tmp_path / "before", recording()), stored(tmp_path / "after", groups)
    assert main(["compare", str(before), str(after), "--renames", stored_renames(tmp_path, renames)]) == 1


def test_a_change_of_wording_is_reported_and_fails_only_if_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = deepcopy(ANSWER)
    answer["sentence"] = "s1: 5 tasks, unchanged"
    before, after = stored(tmp_path / "before", recording()), stored(tmp_path / "after", recording(answer))
    assert main(["compare", str(before), str(after)]) == 0
    assert "decide: 0 differences, 1 text worded differently" in capsys.readouterr().out
    assert main(["compare", str(before), str(after), "--strict-texts"]) == 1


def test_a_group_in_only_one_recording_is_a_difference(tmp_path: Path) -> None:
    groups = recording()
    before = stored(tmp_path / "before", groups)
    after = stored(tmp_path / "after", {group: one for group, one in groups.items() if group != "alerts"})
    differing = [one.group for one in compare(before, after, Renames({})) if one.names]
    assert differing == ["alerts"]


def test_a_listed_rename_without_a_match_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (stored(tmp_path / name, recording()) for name in ("before", "after"))
    main(
        ["compare", str(before), str(after), "--renames", stored_renames(tmp_path, {"metrics": {"a_total": "b_total"}})]
    )
    assert "renames that match nothing: metrics: a_total" in capsys.readouterr().out


def test_names_in_a_situation_are_translated_by_their_kind() -> None:
    renames = Renames(
        {
            "settings": {"hold_time": "scale_in.small", "other_scalers": "conflicting_scalers"},
            "keys": {"because": "reason"},
            "rules": {"late": "overdue"},
            "values": {"other_scalers=warn": "report"},
        }
    )
    situation = {
        "policy": {
            "hold_time": "4s",
            "other_scalers": "warn",
            "scale_in": {"cooldown": "1s"},
            "metrics": {"because": {}},
        },
        "trouble": {"because": "late"},
        "steps": [{"rule": "late", "because": "late"}],
    }
    assert renames.structure(situation) == {
        "policy": {
            "scale_in": {"cooldown": "1s", "small": "4s"},
            "conflicting_scalers": "report",
            "metrics": {"because": {}},
        },
        "trouble": {"reason": "late"},
        "steps": [{"rule": "overdue", "reason": "late"}],
    }


def test_only_variables_of_renamed_settings_are_renamed() -> None:
    renames = Renames({"settings": {"tolerance": "band", "scale_in.cooldown": "scale_in.pause"}})
    variables = {
        "AUTOSCALER_TOLERANCE": "0.1",
        "AUTOSCALER_SERVICES__ORDERS__TOLERANCE": "0.1",
        "AUTOSCALER_SCALE_IN__TOLERANCE": "0.1",
        "AUTOSCALER_SERVICES__ORDERS__SCALE_IN__COOLDOWN": "3s",
        "AWS_REGION": "eu-west-1",
    }
    assert list(renames.variables(variables)) == [
        "AUTOSCALER_BAND",
        "AUTOSCALER_SERVICES__ORDERS__BAND",
        "AUTOSCALER_SCALE_IN__TOLERANCE",
        "AUTOSCALER_SERVICES__ORDERS__SCALE_IN__PAUSE",
        "AWS_REGION",
    ]


def test_a_name_within_a_longer_name_is_not_renamed() -> None:
    renames = Renames({"metrics": {"autoscaler_tasks": "autoscaler_counts"}})
    expression = "autoscaler_tasks + autoscaler_tasks_total + my_autoscaler_tasks + autoscaler_tasks_bucket"
    assert renames.expression(expression) == (
        "autoscaler_counts + autoscaler_tasks_total + my_autoscaler_tasks + autoscaler_counts_bucket"
    )


def test_an_unknown_group_of_renames_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown group setings"):
        Renames({"setings": {}})


def test_a_seed_determines_the_situations() -> None:
    assert list(situations(50, 1)) == list(situations(50, 1))
    assert list(situations(50, 1)) != list(situations(50, 2))


def test_an_answer_is_separated_into_decision_and_wording() -> None:
    assert without_prose(ANSWER) == {
        "name": "s1",
        "current": 5,
        "demand": 2,
        "target": 5,
        "verdict": "hold",
        "votes": [{"signal": "given", "tasks": 2}],
        "steps": [{"rule": "unread", "from": 2, "to": 5}],
    }
    assert prose(ANSWER) == ["s1: stays at 5 tasks", "the demand was given", "a queue could not be read"]
    assert without_prose({"name": "s2", "error": "not JSON"}) == {"name": "s2", "failed": True}
