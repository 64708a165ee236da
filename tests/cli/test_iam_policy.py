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


def test_the_policy_of_assess_needs_no_settings_and_only_reads_one_cluster() -> None:
    command = ["iam-policy", "--for", "assess", "--cluster", "prod", "--account", ACCOUNT]
    result = CliRunner().invoke(main, command, env={"AWS_REGION": "eu-west-1"})
    assert result.exit_code == 0
    statements = json.loads(result.stdout)["Statement"]
    actions = [action for each in statements for action in each["Action"]]
    assert sorted(actions) == [
        "cloudwatch:GetMetricData", "ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:ListServices",
    ]  # fmt: skip
    cluster = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod"
    by_action = {each["Action"][0]: each for each in statements}
    assert by_action["ecs:DescribeServices"]["Resource"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/prod/*"]
    assert by_action["ecs:ListServices"]["Condition"] == {"ArnEquals": {"ecs:cluster": cluster}}
    anywhere = CliRunner().invoke(main, ["iam-policy", "--for", "assess"], env={})
    assert "pass --cluster to restrict" in anywhere.stderr
    wrong = CliRunner().invoke(main, ["iam-policy", "--cluster", "prod"], env=LEAST)
    assert wrong.exit_code == 2
