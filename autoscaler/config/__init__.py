"""Settings: read the environment and the TOML file, and return a valid `Config` or all problems at once.

Invariant: an unknown name or an invalid value is an error. Every variable with the prefix `AUTOSCALER_` and every key
of the file is used as written or reported.
"""

from autoscaler.config.checks import notes, shadow_note, shadow_notes, shadow_state, waking_notes
from autoscaler.config.file import mark_of
from autoscaler.config.lasting import Gap
from autoscaler.config.loading import LoadedSettings, find, load
from autoscaler.config.metrics import use_sources
from autoscaler.config.model import Chosen, Config, LogFormat, LogLevel, ModeSetting, ServiceConfig
from autoscaler.config.names import variable
from autoscaler.config.policies import fields_of, policy_of
from autoscaler.config.reference import (
    Effective,
    Setting,
    defaults,
    effective,
    json_schema,
    markdown,
    plain,
    reference,
)
from autoscaler.config.reloading import CONFIRM, Reloaded, SettingChange, UnconfirmedFile, reload

__all__ = [
    "CONFIRM",
    "Chosen",
    "Config",
    "Effective",
    "Gap",
    "LoadedSettings",
    "LogFormat",
    "LogLevel",
    "ModeSetting",
    "Reloaded",
    "ServiceConfig",
    "Setting",
    "SettingChange",
    "UnconfirmedFile",
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
    "use_sources",
    "variable",
    "waking_notes",
]
