"""Merge the layers: the environment overrides the file, and each service overrides the defaults."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from autoscaler.config.group import Path
from autoscaler.config.layer import Sourced, Tree


class _LayerSource(PydanticBaseSettingsSource):
    """A layer's tree as a source of pydantic-settings, which merges the sources."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


class Merged(BaseSettings):
    """The merged layers; the first has priority, group by group. Values are not validated here."""

    model_config = SettingsConfigDict(extra="forbid")

    globals: dict[str, Any]
    defaults: dict[str, Any]
    profiles: dict[str, Any]
    services: dict[str, Any]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return only the layers of this package: the library's sources ignore unknown names."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        return tuple(_LayerSource(settings_cls, tree) for tree in given["layers"])


def merged(*trees: Tree) -> Merged:
    """Return the merged trees; the first has priority, leaf by leaf."""
    given: dict[str, Any] = {"layers": trees}  # not a field: settings_customise_sources removes it
    return Merged(**given)


def overlaid(over: Tree, under: Tree) -> Tree:
    """Return `under` overridden by `over`, leaf by leaf."""
    both = {
        name: overlaid(over[name], under[name])
        for name in over.keys() & under.keys()
        if _are_groups(over[name], under[name])
    }
    return {**under, **over, **both}


def _are_groups(*values: object) -> bool:
    return all(isinstance(value, dict) for value in values)


def sources(tree: Tree, at: Path = ()) -> dict[Path, Sourced]:
    """Return the tree's leaves by path."""
    found: dict[Path, Sourced] = {}
    for name, value in tree.items():
        path = (*at, name)
        found |= {path: value} if isinstance(value, Sourced) else sources(value, path)
    return found
