"""Demo without an AWS account: `run(Options())` runs the real daemon on a load, on this machine."""

from autoscaler.demo.entry import run
from autoscaler.demo.options import Options

__all__ = ["Options", "run"]
