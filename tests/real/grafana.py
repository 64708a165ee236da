"""Type-check the dashboards against Grafana's own schema: its npm package `@grafana/schema`, with TypeScript.

`python -m tests.real.grafana` (`make grafana`) also runs Grafana's own code on them: the units and the transformations
of `@grafana/data`, 177 MB of packages.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.grafana import as_grafana

PACKAGES = ("@grafana/schema@13.2.3", "typescript@7.0.2")
"""The newest versions on 2026-11-30. Grafana 13 migrates the schema version 39 of the files on import."""

DATA = "@grafana/data@13.2.3"

TYPES = "@grafana/schema/dist/types/raw"

HEAD = f"""
import type {{ Dashboard, Panel, RowPanel, VariableModel, AnnotationQuery, DataTransformerConfig }}
  from "./node_modules/{TYPES}/dashboard/x/types.gen";
import type * as stat from "./node_modules/{TYPES}/composable/stat/panelcfg/x/types.gen";
import type * as timeseries from "./node_modules/{TYPES}/composable/timeseries/panelcfg/x/types.gen";
import type * as statetimeline from "./node_modules/{TYPES}/composable/statetimeline/panelcfg/x/types.gen";
import type * as table from "./node_modules/{TYPES}/composable/table/panelcfg/x/types.gen";
import type * as common from "@grafana/schema";

// An enumeration is its text in JSON.
type Json<T> = unknown extends T ? T : T extends string ? `${{T}}` : T extends number | boolean | null | undefined ? T
  : T extends (infer E)[] ? Json<E>[] : T extends object ? {{ [K in keyof T]: Json<T[K]> }} : T;
"""

OPTIONS = {
    "stat": "Partial<stat.Options>",
    "timeseries": "timeseries.Options",
    "state-timeline": "statetimeline.Options",
    "table": "Partial<table.Options>",
}
CUSTOM = {
    "timeseries": "timeseries.FieldConfig",
    "state-timeline": "statetimeline.FieldConfig",
    "table": "Partial<table.FieldConfig>",
}
PROPERTIES = {
    "custom.cellOptions": "common.TableCellOptions",
    "custom.lineStyle": "common.LineStyle",
    "mappings": 'NonNullable<Panel["fieldConfig"]>["defaults"]["mappings"]',
    "thresholds": 'NonNullable<Panel["fieldConfig"]>["defaults"]["thresholds"]',
    "links": "{ title: string; url: string; targetBlank?: boolean }[]",
    "unit": "string",
    "custom.fillOpacity": "number",
}
"""The types of the properties in overrides. A property that is not listed fails."""


def typescript(dashboards: list[dict[str, Any]]) -> str:
    """Return a module that compiles if each part of the dashboards has the type of Grafana's schema."""
    parts = [part for dashboard in dashboards for part in _parts(dashboard)]
    lines = [
        f"export const _{number}: Json<{kind}> = {json.dumps(value)};" for number, (kind, value) in enumerate(parts)
    ]
    return HEAD + "\n".join(lines) + "\n"


def _parts(dashboard: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "Dashboard", {**dashboard, "panels": [], "templating": {}, "annotations": {}}
    yield "VariableModel[]", dashboard["templating"]["list"]
    for mark in dashboard["annotations"]["list"]:
        # The fields of the Prometheus data source are not part of the schema.
        own = {"expr", "step", "titleFormat", "textFormat", "useValueForTime"}
        yield "AnnotationQuery", {key: value for key, value in mark.items() if key not in own}
    for panel in dashboard["panels"]:
        yield ("RowPanel" if panel["type"] == "row" else "Panel"), panel
        if panel["type"] != "row":
            yield from _of_panel(panel)


def _of_panel(panel: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = panel["type"]
    yield OPTIONS[kind], panel["options"]
    if kind in CUSTOM:
        yield CUSTOM[kind], panel["fieldConfig"]["defaults"]["custom"]
    for override in panel["fieldConfig"]["overrides"]:
        for each in override["properties"]:
            yield PROPERTIES[each["id"]], each["value"]


def install(folder: Path, *packages: str) -> None:
    """Install the packages into the folder, without a lock file and without running their scripts."""
    quiet = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
    subprocess.run(["npm", "install", *quiet, *packages], cwd=folder, check=True, timeout=300)


def errors(folder: Path, dashboards: list[dict[str, Any]]) -> str:
    """Return what TypeScript reports. Empty: the dashboards have the types of the schema."""
    (folder / "dashboards.ts").write_text(typescript(dashboards))
    flags = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext")
    compiler = folder / "node_modules" / ".bin" / "tsc"
    command: list[str | Path] = [compiler, *flags, "--moduleResolution", "bundler", "dashboards.ts"]
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def written() -> list[dict[str, Any]]:
    """Return the dashboards as they are written to their files."""
    return [as_grafana(dashboard, "https://docs.example.com/runbook") for dashboard in (FLEET, SERVICE, DAEMON)]


def main() -> int:
    """Check the types, the units and the transformations; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder, *PACKAGES, DATA)
        found = errors(folder, written())
        shutil.copy(Path(__file__).with_suffix(".cjs"), folder)
        text = json.dumps(written())
        ended = subprocess.run(["node", "grafana.cjs"], cwd=folder, check=False, input=text, text=True, timeout=60)
    sys.stdout.write(found or "The dashboards have the types of Grafana's schema.\n")
    return 1 if found else ended.returncode


if __name__ == "__main__":
    sys.exit(main())
