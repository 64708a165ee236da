"""Benchmarks of the product's speed and memory."""

from autoscaler.config import use_sources
from autoscaler.sources import SOURCES

use_sources(lambda: SOURCES)
