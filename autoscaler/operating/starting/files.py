"""The files of a first start, and the steps that lead from them to a daemon that acts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from autoscaler import monitoring
from autoscaler.config.queues import partition
from autoscaler.operating.permissions import granted
from autoscaler.operating.starting.answers import Answers
from autoscaler.operating.starting.task import EXECUTION_ROLE, LOG_GROUP, ROLE, task_definition

SETTINGS, POLICY, TASK, READ = "autoscaler.toml", "iam-policy.json", "task-definition.json", "README.md"
TRUST, RULES = "trust-policy.json", "rules.yml"

TRUSTED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
"""Who may act as the two roles: tasks, and ECS when it starts one."""

NETWORK = {"awsvpcConfiguration": {"subnets": ["SUBNET"], "securityGroups": ["SECURITY_GROUP"]}}
ONE_AT_A_TIME = {"minimumHealthyPercent": 0, "maximumPercent": 100}


def files(answers: Answers) -> dict[str, str]:
    """The content of each file by its name. Raises `ConfigError` with everything that is wrong with the answers."""
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


def steps(answers: Answers) -> tuple[str, ...]:
    """What to do with the files, in order."""
    gaps = [word for word, known in _words(answers).items() if not known]
    return (
        *([f"put the right words for {', '.join(gaps)} into the files"] if gaps else []),
        f"AUTOSCALER_CONFIG_FILE={SETTINGS} autoscaler doctor: mend what it finds",
        f"AUTOSCALER_CONFIG_FILE={SETTINGS} autoscaler run: watch it in shadow from here, nothing is changed",
        *_made(answers),
        f"give {RULES} to Prometheus, if you have one",
        f"AUTOSCALER_CONFIG_FILE={SETTINGS} autoscaler dashboards --out monitoring: dashboards, "
        "and alarms that stand without the daemon",
        f"when you agree with what it would have done: scale_out_only, as mode in {SETTINGS} and as AUTOSCALER_MODE in "
        "the task, then active; first put the policy anew, as "
        f"AUTOSCALER_CONFIG_FILE={SETTINGS} autoscaler iam-policy prints it: shadow's holds no right to scale",
    )


def _made(answers: Answers) -> tuple[str, ...]:
    """What must be there before the task, and then the task: a command each, after what it is for."""
    managed = f"arn:{partition(answers.region)}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    where = f" --region {answers.region or 'REGION'}"
    network, rollout = json.dumps(NETWORK), json.dumps(ONE_AT_A_TIME)
    return (
        f"the daemon's role: aws iam create-role --role-name {ROLE} --assume-role-policy-document file://{TRUST}",
        f"its rights: aws iam put-role-policy --role-name {ROLE} --policy-name autoscaler --policy-document "
        f"file://{POLICY}",
        f"the role with which ECS starts tasks, if the account has none: aws iam create-role --role-name "
        f"{EXECUTION_ROLE} --assume-role-policy-document file://{TRUST}",
        f"its rights: aws iam attach-role-policy --role-name {EXECUTION_ROLE} --policy-arn {managed}",
        f"the log, which ECS does not make: aws logs create-log-group --log-group-name {LOG_GROUP}{where}",
        f"the task: aws ecs register-task-definition --cli-input-json file://{TASK}{where}",
        f"one of it, in the words of your network: aws ecs create-service --cluster {answers.cluster} --service-name "
        f"autoscaler --task-definition autoscaler --desired-count 1 --launch-type FARGATE "
        f"--deployment-configuration '{rollout}' --network-configuration '{network}'{where}",
    )


def _words(answers: Answers) -> Mapping[str, str | None]:
    return {"REGION": answers.region, "ACCOUNT": answers.account, "IMAGE": answers.image}


def _readme(answers: Answers) -> str:
    what = {
        SETTINGS: "the settings, for commands on your machine; the task has the same as variables",
        POLICY: "the least rights for shadow: none of them changes anything",
        TRUST: "who may act as its roles: tasks of ECS",
        TASK: "the daemon's own task",
        RULES: "alerts and recording rules for Prometheus; docs/runbook.md says what to do about each",
    }
    listed = "\n".join(f"- `{name}`: {text}" for name, text in what.items())
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps(answers), 1))
    return f"# The autoscaler for {answers.service}\n\n{listed}\n\nWhat to do, in order:\n\n{numbered}\n"


def written(contents: Mapping[str, str], folder: Path, *, over: bool) -> list[Path]:
    """The files are in the folder, all of them. `over`: those of their names that were there are replaced.

    Raises `FileExistsError` with their names before anything is written, `OSError` where it cannot be.
    """
    there = [name for name in contents if (folder / name).exists()]
    if there and not over:
        raise FileExistsError(", ".join(there))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]
