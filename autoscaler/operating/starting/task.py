"""The daemon's task definition, as input of `aws ecs register-task-definition --cli-input-json`.

Invariant: it equals `deploy/task-definition.json` with the settings filled in.
"""

from __future__ import annotations

from typing import Any

from autoscaler.config.addresses import partition
from autoscaler.operating.starting.answers import InitAnswers

ROLE, EXECUTION_ROLE, LOG_GROUP = "autoscaler", "ecsTaskExecutionRole", "/ecs/autoscaler"

HEALTH = (
    "import http.client as h, os; "
    "c = h.HTTPConnection('127.0.0.1', int(os.environ.get('AUTOSCALER_HTTP_PORT', '9108')), timeout=4); "
    "c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"
)
"""The health check command. The image has Python and no shell."""


def task_definition(answers: InitAnswers) -> dict[str, Any]:
    """Return the task definition: 0.25 vCPU, 512 MB, a non-root user, a read-only root file system."""
    return {
        "family": "autoscaler",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": answers.arch.upper()},
        "taskRoleArn": _role(answers, ROLE),
        "executionRoleArn": _role(answers, EXECUTION_ROLE),
        "containerDefinitions": [_container(answers)],
    }


def _role(answers: InitAnswers, name: str) -> str:
    return f"arn:{partition(answers.region)}:iam::{answers.account or 'ACCOUNT'}:role/{name}"


def _container(answers: InitAnswers) -> dict[str, Any]:
    return {
        "name": "autoscaler",
        "image": answers.image or "IMAGE",
        "essential": True,
        "user": "65532:65532",
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "stopTimeout": 30,
        "portMappings": [{"containerPort": 9108, "protocol": "tcp"}],
        "healthCheck": {
            "command": ["CMD", "python", "-I", "-c", HEALTH],
            "interval": 15,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 15,
        },
        "environment": [{"name": name, "value": value} for name, value in answers.variables().items()],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": LOG_GROUP,
                "awslogs-region": answers.region or "REGION",
                "awslogs-stream-prefix": "autoscaler",
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        },
    }
