"""The troubleshooting page quotes existing messages, and names existing rules."""

from __future__ import annotations

import re

from autoscaler.aws.calls import CALLS
from autoscaler.core.model import Rule
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SOURCE = "".join(path.read_text() for path in sorted((ROOT / "autoscaler").rglob("*.py")))
REMEDIES = "".join(api.grant for api in CALLS)


def rows(head: str) -> list[str]:
    """Return the first cells of every table with this first column head."""
    tables = re.findall(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [line.split("|")[1] for table in tables for line in table.splitlines()]


def test_quoted_messages_exist() -> None:
    quoted = [span for cell in rows("message") for span in re.findall(r"`(.+?)`", cell)]
    parts = [part.strip(" ;()") for span in quoted for part in re.split(r"\.\.\.|;|\(", span)]
    assert len(parts) > 15
    assert not [part for part in parts if part not in SOURCE + REMEDIES]


def test_the_named_rules_exist() -> None:
    named = {name for cell in rows("rule") for name in re.findall(r"`(\w+)`", cell)}
    assert named <= set(Rule)
    assert len(named) > 15


def test_the_named_log_events_exist() -> None:
    events = {"would_scale", "scale_failed", "drift", "settings_wrong", "settings_later", "tags_read", "tags_wrong"}
    events |= {"settings_missing", "settings_wait", "tags_given_up"}
    events |= {"shadow_by_default"}
    assert all(f"`{event}`" in PAGE and f'"{event}"' in SOURCE for event in events)
