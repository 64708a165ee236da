"""The page for people: small files without a build step, and what they show, as JSON and as news."""

from autoscaler.telemetry.page.assets import POLICY, Asset, assets
from autoscaler.telemetry.page.detail import whole
from autoscaler.telemetry.page.live import MOST_LISTENERS, Listeners
from autoscaler.telemetry.page.looks import Looks
from autoscaler.telemetry.page.rows import News, Rows

__all__ = ["MOST_LISTENERS", "POLICY", "Asset", "Listeners", "Looks", "News", "Rows", "assets", "whole"]
