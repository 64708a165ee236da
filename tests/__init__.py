"""The tests of the product."""

from autoscaler.config import use_sources
from autoscaler.sources import SOURCES

use_sources(lambda: SOURCES)
