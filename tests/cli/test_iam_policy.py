"""`iam-policy` prints only the policy on stdout, remarks on stderr, and exits with 2 for invalid settings."""

from __future__ import annotations

import json

from click.testing import CliRunner

from autoscaler.cli import main
from tests.cli.spoken import autoscaler
from tests.operating.settings import ACCOUNT, EVERYTHING, LEAST


async def test_stdout_is_only_the_policy_and_remarks_are_on_stderr() -> None:
    ended = await autoscaler("iam-policy", "--account", ACCOUNT, **EVERYTHING)
    assert ended.code == 0
    assert json.loads(ended.out)["Version"] == "2012-10-17"
    assert "IAM cannot restrict ecs:UpdateService" in ended.err


def test_with_json_there_are_no_remarks() -> None:
    result = CliRunner().invoke(main, ["iam-policy", "--json"], env=LEAST)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)


def test_invalid_settings_and_an_invalid_account_exit_with_2() -> None:
    assert CliRunner().invoke(main, ["iam-policy"], env={"AUTOSCALER_SERVICE": "orders"}).exit_code == 2
    result = CliRunner().invoke(main, ["iam-policy", "--account", "12345"], env=LEAST)
    assert result.exit_code == 2
    assert "twelve digits" in result.stderr
