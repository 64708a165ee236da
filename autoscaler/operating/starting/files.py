"""The files of a first deployment, and the steps from them to a daemon that scales."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from autoscaler import monitoring
from autoscaler.config.addresses import partition
from autoscaler.operating.iam import granted
from autoscaler.operating.starting.answers import InitAnswers
from autoscaler.operating.starting.task import EXECUTION_ROLE, LOG_GROUP, ROLE, task_definition

SETTINGS, POLICY, TASK, READ = "autoscaler.toml", "iam-policy.json", "task-definition.json", "README.md"
NEXT_MODE = "scale_out_only"
TRUST, RULES = "trust-policy.json", "rules.yml"

TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
"""The trust policy of both roles: ECS tasks, and ECS when it starts one."""

NETWORK = {"awsvpcConfiguration": {"subnets": ["SUBNET"], "securityGroups": ["SECURITY_GROUP"]}}
ONE_AT_A_TIME = {"minimumHealthyPercent": 0, "maximumPercent": 100}


def files(answers: InitAnswers) -> dict[str, str]:
    """Return the content of each file by name. Raises `ConfigError` with everything that is wrong with the answers."""
    config = answers.config()
    policy = granted(config, answers.region, answers.account).policy
    return {
        SETTINGS: answers.toml(),
        POLICY: json.dumps(policy, indent=2) + "\n",
        TRUST: json.dumps(TRUSTED, indent=2) + "\n",
        TASK: json.dumps(task_definition(answers), indent=2) + "\n",
        RULES: monitoring.files(config)[RULES],
        READ: _readme(answers),
    }


def steps(answers: InitAnswers) -> tuple[str, ...]:
    """Return the next steps, in order."""
    ours = f"AUTOSCALER_CONFIG_FILE={SETTINGS} autoscaler"
    gaps = [word for word, known in _words(answers).items() if not known]
    return (
        *([f"Replace {', '.join(gaps)} in the files."] if gaps else []),
        f"Run `{ours} doctor` and fix all findings.",
        f"Run `{ours} run` on this machine. The mode is shadow, so the daemon changes nothing.",
        *_made(answers),
        f"If you use Prometheus, add {RULES} to it.",
        f"Run `{ours} dashboards --out monitoring`. It writes dashboards, and alarms that work without the daemon.",
        f'When the decisions in shadow are correct, set `mode = "{NEXT_MODE}"` in {SETTINGS}.',
        f"Replace the policy of the role {ROLE} with the output of `{ours} iam-policy`. The policy for shadow does not "
        "permit scaling.",
        f"Set AUTOSCALER_MODE={NEXT_MODE} in the task definition. Later, set `active` in both places.",
    )


def _made(answers: InitAnswers) -> tuple[str, ...]:
    """Return the commands that create the roles, the log group, the task definition and the service."""
    managed = f"arn:{partition(answers.region)}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    where = f" --region {answers.region or 'REGION'}"
    network, rollout = json.dumps(NETWORK), json.dumps(ONE_AT_A_TIME)
    return (
        f"Create the role of the daemon: `aws iam create-role --role-name {ROLE} --assume-role-policy-document "
        f"file://{TRUST}`",
        f"Add its permissions: `aws iam put-role-policy --role-name {ROLE} --policy-name autoscaler --policy-document "
        f"file://{POLICY}`",
        f"Create the task execution role, if the account has none: `aws iam create-role --role-name "
        f"{EXECUTION_ROLE} --assume-role-policy-document file://{TRUST}`",
        f"Add its permissions: `aws iam attach-role-policy --role-name {EXECUTION_ROLE} --policy-arn {managed}`",
        f"Create the log group, which ECS does not create: `aws logs create-log-group --log-group-name "
        f"{LOG_GROUP}{where}`",
        f"Register the task definition: `aws ecs register-task-definition --cli-input-json file://{TASK}{where}`",
        f"Create the service, with your subnet and security group: `aws ecs create-service --cluster {answers.cluster} "
        f"--service-name autoscaler --task-definition autoscaler --desired-count 1 --launch-type FARGATE "
        f"--deployment-configuration '{rollout}' --network-configuration '{network}'{where}`",
    )


def _words(answers: InitAnswers) -> Mapping[str, str | None]:
    return {"REGION": answers.region, "ACCOUNT": answers.account, "IMAGE": answers.image}


def _readme(answers: InitAnswers) -> str:
    what = {
        SETTINGS: "settings for commands on your machine; the task has the same settings as environment variables",
        POLICY: "least-privilege policy for shadow mode (read-only)",
        TRUST: "trust policy for both roles (ecs-tasks.amazonaws.com)",
        TASK: "task definition of the daemon",
        RULES: "alerts and recording rules for Prometheus; docs/runbook.md describes the response to each alert",
    }
    listed = "\n".join(f"- `{name}`: {text}" for name, text in what.items())
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps(answers), 1))
    return f"# Autoscaler for {answers.service}\n\n{listed}\n\nSteps, in order:\n\n{numbered}\n"


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
