"""The web page: static files without a build step, and their data as JSON and as server-sent events."""

from autoscaler.telemetry.page.assets import POLICY, Asset, assets
from autoscaler.telemetry.page.detail import whole
from autoscaler.telemetry.page.links import console_links, is_aws
from autoscaler.telemetry.page.live import MOST_LISTENERS, EventStream, Listeners
from autoscaler.telemetry.page.rows import News, Rows

__all__ = [
    "MOST_LISTENERS",
    "POLICY",
    "Asset",
    "EventStream",
    "Listeners",
    "News",
    "Rows",
    "assets",
    "console_links",
    "is_aws",
    "whole",
]
