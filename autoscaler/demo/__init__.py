"""The product at work, without an account: `run(Options())` plays a load against the real daemon on this machine."""

from autoscaler.demo.entry import run
from autoscaler.demo.options import Options

__all__ = ["Options", "run"]
