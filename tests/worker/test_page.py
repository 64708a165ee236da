"""docs/workers.md: its examples work, and its settings and permissions are correct."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from autoscaler.worker import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "workers.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_setting_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE))
    assert documented.pop("expires_in_minutes") == "60"
    assert documented == {field.name: repr(field.default).replace("'", '"') for field in fields(Settings)}


def test_the_documented_role_has_exactly_the_permissions_of_the_worker() -> None:
    (policy,) = map(json.loads, blocks("json"))
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert allowed == {
        "ecs:GetTaskProtection", "ecs:UpdateTaskProtection", "ecs:DescribeServices",
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
    }  # fmt: skip


def test_the_python_examples_compile() -> None:
    assert len(blocks("python")) == 3
    for block in blocks("python"):
        compile(block, "docs/workers.md", "exec")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("body", ['{"ProtectionEnabled":true,"ExpiresInMinutes":60}', '{"ProtectionEnabled":false}'])
def test_the_agent_accepts_the_curl_example(world: Any, body: str) -> None:
    (function,) = blocks("sh")
    assert f"protect '{body}'" in function
    command = ["sh", "-c", f"{function}\nprotect '{body}'"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "ECS_AGENT_URI": world.agent.uri}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(answer)["protection"]["ProtectionEnabled"] == json.loads(body)["ProtectionEnabled"]
    assert world.agent.bodies == [json.loads(body)]
