"""`iam-policy` as a command: the policy alone on stdout, remarks on stderr, settings refused with 2."""

from __future__ import annotations

import json

from click.testing import CliRunner

from autoscaler.cli import main
from tests.cli.spoken import autoscaler
from tests.operating.settings import ACCOUNT, EVERYTHING, LEAST


async def test_the_policy_is_alone_on_stdout_and_aws_is_not_asked() -> None:
    ended = await autoscaler("iam-policy", "--account", ACCOUNT, **EVERYTHING)
    assert ended.code == 0
    assert json.loads(ended.out)["Version"] == "2012-10-17"
    assert "IAM cannot limit ecs:UpdateService" in ended.err


def test_with_json_nothing_is_said_beside_it() -> None:
    result = CliRunner().invoke(main, ["iam-policy", "--json"], env=LEAST)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)


def test_wrong_settings_and_a_wrong_account_are_2() -> None:
    assert CliRunner().invoke(main, ["iam-policy"], env={"AUTOSCALER_SERVICE": "orders"}).exit_code == 2
    result = CliRunner().invoke(main, ["iam-policy", "--account", "12345"], env=LEAST)
    assert result.exit_code == 2
    assert "twelve digits" in result.stderr
