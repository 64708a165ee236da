"""The files of a first deployment, and the steps from them to a daemon that scales."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autoscaler import monitoring
from autoscaler.config.addresses import partition
from autoscaler.inspection.columns import filled
from autoscaler.operating.iam import granted
from autoscaler.operating.starting.answers import InitAnswers
from autoscaler.operating.starting.task import EXECUTION_ROLE, LOG_GROUP, ROLE, task_definition

SETTINGS, POLICY, TASK, READ = "autoscaler.toml", "iam-policy.json", "task-definition.json", "README.md"
NEXT_MODE = "scale_out_only"
TRUST, SERVICE, RULES = "trust-policy.json", "service.json", "rules.yml"

TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
"""The trust policy of both roles: ECS tasks, and ECS when it starts one."""


class Step(NamedTuple):
    """One step of the first deployment: what to do, and the commands for it, to paste into a shell in the folder."""

    text: str
    commands: tuple[str, ...] = ()


def files(answers: InitAnswers) -> dict[str, str]:
    """Return the content of each file by name. Raises `ConfigError` with everything that is wrong with the answers."""
    config = answers.config()
    policy = granted(config, answers.region, answers.account).policy
    return {
        SETTINGS: answers.toml(),
        POLICY: json.dumps(policy, indent=2) + "\n",
        TRUST: json.dumps(TRUSTED, indent=2) + "\n",
        TASK: json.dumps(task_definition(answers), indent=2) + "\n",
        SERVICE: json.dumps(_service(answers), indent=2) + "\n",
        RULES: monitoring.files(config)[RULES],
        READ: _readme(answers),
    }


def steps(answers: InitAnswers) -> tuple[Step, ...]:
    """Return the next steps, in order."""
    gaps = [word for word, known in _words(answers).items() if not known]
    account = f" --account {answers.account}" if answers.account else ""
    return (
        *([Step(f"Replace {', '.join(gaps)} in the files.")] if gaps else []),
        Step("Find problems, and fix all findings:", (f"autoscaler doctor --config {SETTINGS}",)),
        Step(
            "Run the daemon on this machine. The mode is shadow, so it changes nothing:",
            (f"autoscaler run --config {SETTINGS}",),
        ),
        *_made(answers),
        Step(f"If you use Prometheus, add {RULES} to it."),
        Step(
            "Write dashboards, and alarms that work without the daemon:",
            (f"autoscaler dashboards --config {SETTINGS} --out monitoring",),
        ),
        Step(f'When the decisions in shadow are correct, set `mode = "{NEXT_MODE}"` in {SETTINGS}.'),
        Step(
            f"Replace the policy of the role {ROLE}. The policy for shadow does not permit scaling:",
            (f"autoscaler iam-policy --config {SETTINGS}{account} > {POLICY}", PERMIT),
        ),
        Step(
            f"Set AUTOSCALER_MODE={NEXT_MODE} in {TASK}, and start it. Later, set `active` in both files:",
            (
                f"aws ecs register-task-definition --cli-input-json file://{TASK}{_where(answers)}",
                f"aws ecs update-service --cluster {answers.cluster} --service autoscaler --task-definition autoscaler"
                f"{_where(answers)}",
            ),
        ),
    )


PERMIT = f"aws iam put-role-policy --role-name {ROLE} --policy-name autoscaler --policy-document file://{POLICY}"


def _where(answers: InitAnswers) -> str:
    return f" --region {answers.region or 'REGION'}"


def _made(answers: InitAnswers) -> tuple[Step, ...]:
    """Return the steps that create the roles, the log group, the task definition and the service."""
    managed = f"arn:{partition(answers.region)}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    where, trust = _where(answers), f"--assume-role-policy-document file://{TRUST}"
    return (
        Step(
            "Create the role of the daemon, and add its permissions:",
            (f"aws iam create-role --role-name {ROLE} {trust}", PERMIT),
        ),
        Step(
            "Create the task execution role, if the account has none, and add its permissions:",
            (
                f"aws iam create-role --role-name {EXECUTION_ROLE} {trust}",
                f"aws iam attach-role-policy --role-name {EXECUTION_ROLE} --policy-arn {managed}",
            ),
        ),
        Step(
            "Create the log group, which ECS does not create:",
            (f"aws logs create-log-group --log-group-name {LOG_GROUP}{where}",),
        ),
        Step(
            "Register the task definition:",
            (f"aws ecs register-task-definition --cli-input-json file://{TASK}{where}",),
        ),
        Step(
            f"Replace SUBNET and SECURITY_GROUP in {SERVICE}, and create the service:",
            (f"aws ecs create-service --cli-input-json file://{SERVICE}{where}",),
        ),
    )


OPTION = re.compile(r"--\S+ [^\s>-]\S*|\S+")
"""An option with its value, or another word of a command."""


def folded(command: str, columns: int) -> list[str]:
    """Return the command as lines of at most `columns` that a shell reads as one, unless one word is wider."""
    room = columns - len(" \\")
    options: list[str] = OPTION.findall(command)
    words = (word for option in options for word in ([option] if len(option) <= room else option.split()))
    *lines, last = filled(words, room)
    return [*(f"{line} \\" for line in lines), last]


def _service(answers: InitAnswers) -> dict[str, Any]:
    """Return the service of the daemon, as input of `aws ecs create-service --cli-input-json`. A deployment stops the
    old task first, so that two daemons never run at the same time.
    """
    return {
        "cluster": answers.cluster,
        "serviceName": "autoscaler",
        "taskDefinition": "autoscaler",
        "desiredCount": 1,
        "launchType": "FARGATE",
        "availabilityZoneRebalancing": "DISABLED",
        "deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 100},
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["SUBNET"], "securityGroups": ["SECURITY_GROUP"]},
        },
    }


def _words(answers: InitAnswers) -> Mapping[str, str | None]:
    return {"REGION": answers.region, "ACCOUNT": answers.account, "IMAGE": answers.image}


def _readme(answers: InitAnswers) -> str:
    what = {
        SETTINGS: "settings for commands on your machine; the task has the same settings as environment variables",
        POLICY: "least-privilege policy for shadow mode (read-only)",
        TRUST: "trust policy for both roles (ecs-tasks.amazonaws.com)",
        TASK: "task definition of the daemon",
        SERVICE: "ECS service of the daemon",
        RULES: "alerts and recording rules for Prometheus; docs/runbook.md describes the response to each alert",
    }
    listed = "\n".join(f"- `{name}`: {text}" for name, text in what.items())
    numbered = "\n".join(f"{number}. {_shown(step)}" for number, step in enumerate(steps(answers), 1))
    head = f"# Autoscaler for {answers.service}\n\n{listed}\n\nSteps, in order. Run the commands in this folder."
    return f"{head}\n\n{numbered}"


def _shown(step: Step) -> str:
    """Return the step as an item of a Markdown list, with the commands in a code block."""
    lines = [line for command in step.commands for line in folded(command, 76)]
    block = ["", "```sh", *lines, "```"] if lines else []
    return "\n".join((step.text, *(f"    {line}" if line else "" for line in block), ""))


def written(contents: Mapping[str, str], folder: Path, *, over: bool) -> list[Path]:
    """Write all files to the folder and return their paths. `over`: replace existing files.

    Raises `FileExistsError` with the existing names before anything is written, and `OSError` if a write fails.
    """
    there = [name for name in contents if (folder / name).exists()]
    if there and not over:
        raise FileExistsError(", ".join(there))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]
