"""A whole worker, to copy: `QUEUE_URL=... python -m autoscaler.worker.example`. Only this file needs boto3."""

from __future__ import annotations

import logging
import os

import boto3
from botocore.config import Config

from . import Message, Settings, Worker

# A call that hangs must not outlast the heartbeats; it has to outlast the longest poll, though. One attempt: the worker
# tries again by itself.
PATIENCE = Config(connect_timeout=3, read_timeout=25, retries={"total_max_attempts": 1})

log = logging.getLogger("example")


def handle(message: Message) -> None:
    """May be called twice for the same message, as with any SQS consumer. Raise, and it comes again later."""
    log.info("working on %s: %s", message.id, message.body)
    if message.lost.is_set():
        return  # between steps of long work: somebody else has it by now


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sqs = boto3.client("sqs", config=PATIENCE)
    Worker(sqs, os.environ["QUEUE_URL"], handle, settings=Settings(concurrency=4)).run()


if __name__ == "__main__":
    main()
