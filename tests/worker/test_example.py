"""The example, unchanged: its own process with boto3, the SQS of moto, an agent on loopback, and a final SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tests.worker.conftest import WorkerWorld

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
    "NO_PROXY": "*",
}  # fmt: skip


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.e2e.moto_process", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_the_example_processes_messages_protects_its_task_and_drains(region: str, world: WorkerWorld) -> None:
    sqs = boto3.client("sqs", endpoint_url=region, config=Config(retries={"total_max_attempts": 1}))
    url = created(sqs)
    bodies = [f"order {number}" for number in range(7)]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)

    environment = {"QUEUE_URL": url, "ECS_AGENT_URI": world.agent.uri, "AWS_ENDPOINT_URL_SQS": region}
    command = [sys.executable, "-m", "autoscaler.worker.example"]
    worker = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: not any(left(sqs, url)) and world.journal == ["protect", "unprotect"], worker)
        worker.send_signal(signal.SIGTERM)
        sqs.send_message(QueueUrl=url, MessageBody="too late")  # ends the poll in progress
        _, log = worker.communicate(timeout=WAIT_S)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 0, log
    assert all(log.count(f": {body}\n") == 1 for body in bodies), log
    assert left(sqs, url) == [1 - log.count(": too late"), 0], log
    assert not any(word in log for word in ("WARNING", "ERROR", "Traceback")), log


def created(sqs: Any) -> str:
    end = monotonic() + WAIT_S
    while True:
        try:
            return str(sqs.create_queue(QueueName="orders")["QueueUrl"])
        except BotoCoreError:  # moto has not started yet
            assert monotonic() < end
            sleep(0.1)


def left(sqs: Any, url: str) -> list[int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return [int(count) for count in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()]


def until(condition: Any, worker: subprocess.Popen[str]) -> None:
    end = monotonic() + WAIT_S
    while not condition():
        assert worker.poll() is None, worker.communicate()
        assert monotonic() < end
        sleep(0.1)
