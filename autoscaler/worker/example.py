"""A complete worker to copy: `QUEUE_URL=... python -m autoscaler.worker.example`. Only this file needs boto3."""

from __future__ import annotations

import logging
import os

import boto3
from botocore.config import Config

from . import Message, Settings, Worker

# The read timeout is longer than the longest poll, and short enough for the heartbeats. One attempt: the worker itself
# retries.
TIMEOUTS = Config(connect_timeout=3, read_timeout=25, retries={"total_max_attempts": 1})

log = logging.getLogger("example")


def handle(message: Message) -> None:
    """Process a message. Can run twice for the same message, as with any SQS consumer. If it raises, the message
    returns later.
    """
    log.info("working on %s: %s", message.id, message.body)
    if message.lost.is_set():
        return  # check this between steps of long work: another consumer may have the message now


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sqs = boto3.client("sqs", config=TIMEOUTS)
    Worker(sqs, os.environ["QUEUE_URL"], handle, settings=Settings(concurrency=4)).run()


if __name__ == "__main__":
    main()
