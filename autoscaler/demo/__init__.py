"""Demo without an AWS account: `run(Options())` runs the real daemon on a load, on this machine."""

from autoscaler.demo.entry import Options, run

__all__ = ["Options", "run"]
