"""Settings: environment and TOML file in, a valid `Config` out, or every problem at once under its own name.

Law: what is not understood is an error. Nothing that bears our name is ignored, corrected or guessed.
"""

from autoscaler.config.changes import Change
from autoscaler.config.file import mark_of
from autoscaler.config.lasting import Gap
from autoscaler.config.loading import Settings, find, load
from autoscaler.config.model import Chosen, Config, LogFormat, LogLevel, ModeSetting, Service
from autoscaler.config.names import variable
from autoscaler.config.notes import notes, shadow_note, shadow_notes, shadow_state, waking_notes
from autoscaler.config.policies import fields_of, policy_of
from autoscaler.config.reference import (
    Effective,
    Setting,
    aligned,
    defaults,
    effective,
    json_schema,
    plain,
    reference,
)
from autoscaler.config.reloading import CONFIRM, Reloaded, Waiting, reload
from autoscaler.config.settings_page import markdown

__all__ = [
    "CONFIRM",
    "Change",
    "Chosen",
    "Config",
    "Effective",
    "Gap",
    "LogFormat",
    "LogLevel",
    "ModeSetting",
    "Reloaded",
    "Service",
    "Setting",
    "Settings",
    "Waiting",
    "aligned",
    "defaults",
    "effective",
    "fields_of",
    "find",
    "json_schema",
    "load",
    "mark_of",
    "markdown",
    "notes",
    "plain",
    "policy_of",
    "reference",
    "reload",
    "shadow_note",
    "shadow_notes",
    "shadow_state",
    "variable",
    "waking_notes",
]
