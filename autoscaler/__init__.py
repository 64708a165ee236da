"""An autoscaler for Amazon ECS services that follow SQS queues."""

__version__ = "0.1.0"
