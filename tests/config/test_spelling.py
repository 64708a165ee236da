"""The error for a renamed setting contains its new name, in every place where the old name is written."""

from __future__ import annotations

import pytest

from autoscaler.config import fields_of, load, policy_of
from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import leaves
from autoscaler.config.names import RENAMED
from autoscaler.errors import ConfigError
from tests.config.spoken import flat, many

VARIABLES = {old: new.replace(".", "__").upper() for old, new in RENAMED.items()}


def problems(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        load(environ)
    return {problem.where: problem.what for problem in refused.value.problems}


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_variable_gets_its_new_name(old: str) -> None:
    found = problems(flat(**{old.upper(): "1"}))
    assert found == {f"AUTOSCALER_{old.upper()}": f"the setting was renamed to AUTOSCALER_{VARIABLES[old]}"}
    found = problems(many("b", **{f"SERVICES__B__{old.upper()}": "1"}))
    assert (
        found[f"AUTOSCALER_SERVICES__B__{old.upper()}"]
        == f"the setting was renamed to AUTOSCALER_SERVICES__B__{VARIABLES[old]}"
    )
    found = problems(flat() | {f"AUTOSCALER_DEFAULTS__{old.upper()}": "1"})
    assert (
        found[f"AUTOSCALER_DEFAULTS__{old.upper()}"]
        == f"the setting was renamed to AUTOSCALER_DEFAULTS__{VARIABLES[old]}"
    )


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_field_of_a_situation_gets_its_new_name(old: str) -> None:
    with pytest.raises(ConfigError, match=f"was renamed to {RENAMED[old]}"):
        policy_of("orders", {"max_tasks": 4, old: "1"})


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_new_name_is_a_setting_and_the_old_name_is_not(old: str, new: str) -> None:
    names = {".".join(leaf.path) for leaf in leaves(ServiceFields)}
    assert new in names
    assert old not in names
    assert old not in fields_of(policy_of("orders", {"max_tasks": 4}))
