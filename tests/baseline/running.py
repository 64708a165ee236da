"""Run the daemon for a minute with the scripted AWS to record metrics, API and log; and record exit codes."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.baseline.double import REGION, ScriptedAws
from tests.baseline.renames import Renames
from tests.baseline.shapes import merge, names, parsed, plain, prose, shape, sorted_sets
from tests.baseline.surface import RecordedGroup
from tests.baseline.tree import Tree, answers, fetch, free_port

Json = dict[str, Any]

RUN_S = 60
TASKS = {"orders": 3, "mail": 2, "reports": 4, "audit": 1}
SERVICES: dict[str, dict[str, str]] = {
    "ORDERS": {
        "SERVICE": "orders",
        "QUEUES": "orders,urgent=20s",
        "MAX_TASKS": "40",
        "MODE": "active",
        "CPU_TARGET_PERCENT": "60",
        "PATIENCE": "4s",
        "SCALE_IN__STABILIZATION": "2s",
        "SCALE_IN__COOLDOWN": "3s",
    },
    "MAIL": {"SERVICE": "mail", "QUEUES": "mail", "MAX_TASKS": "10", "MODE": "shadow", "MIN_TASKS": "1"},
    "REPORTS": {
        "SERVICE": "reports",
        "QUEUES": "reports",
        "MAX_TASKS": "10",
        "MODE": "scale_out_only",
        "PAUSED": "in",
        "MEMORY_TARGET_PERCENT": "70",
        "PROCESSING_TIME": "5s",
    },
    "AUDIT": {
        "SERVICE": "audit",
        "QUEUES": "absent",
        "MAX_TASKS": "10",
        "MODE": "active",
        "FALLBACK__BEHAVIOR": "static",
        "FALLBACK__TASKS": "2",
    },
    "GONE": {"SERVICE": "gone", "QUEUES": "left", "MAX_TASKS": "10", "MODE": "active"},
}
ONE = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders,mail=30s",
    "AUTOSCALER_MAX_TASKS": "20",
    "AUTOSCALER_PATIENCE": "60s",
    "AUTOSCALER_RIVALS": "warn",
}
OPEN_LABELS = {"ecs_cluster", "ecs_service", "queue", "region", "account", "version", "python_version", "le"}
"""Labels whose values come from operators or from the machine, not from the product."""

PAGES = ["/", "/metrics", "/healthz", "/readyz", "/api/v1/services", "/api/v1/services/orders/decisions", "/nowhere"]
WATCHED = ["/healthz", "/readyz", "/api/v1/services"] + [
    f"/api/v1/services/{key.lower()}/decisions" for key in SERVICES
]
SERIES = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? ")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class DaemonRun(NamedTuple):
    """The groups recorded from one run of the daemon."""

    metrics: RecordedGroup
    api: RecordedGroup
    log: RecordedGroup
    journal: list[str]


def scripted_aws(*, still: bool = False) -> ScriptedAws:
    """Return the scripted AWS of every recording: a sawtooth queue, a constant one, an empty one, a missing one.

    `still` fixes its time, so that the readings of a command do not depend on when it runs.
    """

    def counts(queue: str, at_s: float) -> tuple[int, int] | None:
        at_s = 5.0 if still else at_s
        if queue == "absent":
            return None
        if queue in {"orders", "urgent"}:
            return (int(at_s % 20 * 8), 3) if at_s % 20 < 10 else (0, 0)
        return {"mail": (5, 2), "reports": (40, 4)}.get(queue, (0, 0))

    scripted = ScriptedAws(counts, TASKS)
    scripted.failing = {"DescribeServices": (30.0, 34.0)}
    return scripted


def aws(url: str) -> dict[str, str]:
    """Return the variables that direct every AWS call to that endpoint."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    return {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, **keys}


def many(renames: Renames) -> dict[str, str]:
    """Return the settings of all services of the scripted AWS, with the names of the recorded tree."""
    fields = {
        f"AUTOSCALER_SERVICES__{key}__{field}": value
        for key, service in SERVICES.items()
        for field, value in {"CLUSTER": "prod", **service}.items()
    }
    return renames.variables(fields | {"AUTOSCALER_INTERVAL": "1s", "AUTOSCALER_LOG_FORMAT": "json"})


def run(tree: Tree, renames: Renames, seconds: float = RUN_S) -> DaemonRun:
    """Run the daemon and read all its pages once a second. The recording is the union of all readings."""
    shapes: dict[str, dict[str, set[str]]] = {}
    values: dict[str, set[str]] = {}
    expositions: list[str] = []
    decisions: dict[str, str] = {}
    with scripted_aws() as scripted, tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder) / "log"
        url = f"http://127.0.0.1:{port}"
        variables = {**many(renames), **aws(scripted.url), "AUTOSCALER_HTTP_PORT": str(port)}
        scripted.restart()
        with tree.daemon(variables, log) as process:
            if not answers(f"{url}/healthz", process):
                raise RuntimeError(f"the daemon does not answer at {url}:\n{log.read_text()}")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for page in WATCHED:
                    answer = parsed(fetch(url + page).body) or {}
                    merge(shapes.setdefault(re.sub(r"/services/\w+/", "/services/KEY/", page), {}), shape(answer))
                    merge(values, _settled(names(answer)))
                    _store(decisions, answer)
                expositions.append(fetch(f"{url}/metrics").body)
                time.sleep(1.0)
            pages = {page: fetch(url + page) for page in PAGES}
        lines = log.read_text().splitlines()
    paths = {page: {"status": answer.status, "kind": answer.kind} for page, answer in pages.items()}
    keys = {page: sorted_sets(found) for page, found in sorted(shapes.items())}
    page = re.sub(r"<(script|style).*?</\1>", "", pages["/"].body, flags=re.DOTALL)
    texts = {f"/: {number:03d}": text for number, text in enumerate(_page_texts(page))}
    return DaemonRun(
        _metrics(tree, expositions),
        RecordedGroup({"paths": paths, "keys": keys, "values": sorted_sets(values)}, texts),
        _log(lines),
        _journal(lines, decisions),
    )


def _page_texts(page: str) -> list[str]:
    pieces = (plain(" ".join(piece.split())) for piece in re.split(r"<[^>]*>", page))
    return sorted({piece for piece in pieces if piece})


def _metrics(tree: Tree, expositions: list[str]) -> RecordedGroup:
    """Return the families, labels, and values of closed labels of all scrapes, and the documented table."""
    families: Json = {}
    texts: Json = {}
    labels: dict[str, set[str]] = {}
    values: dict[str, set[str]] = {}
    for line in (line for text in expositions for line in text.splitlines()):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            families[name] = {"type": kind}
        elif line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            texts[name] = text
        elif series := SERIES.match(line):
            found = dict(LABEL.findall(series["labels"] or ""))
            labels.setdefault(series["name"], set()).update(found)
            for label in found.keys() - OPEN_LABELS:
                values.setdefault(f"{series['name']}: {label}", set()).add(found[label])
    documented: Json = {}
    for row in re.findall(r"^\| `(\w+)` \|(.*)\|$", (tree.folder / "docs" / "metrics.md").read_text(), re.MULTILINE):
        kind, unit, named, stability, text = (cell.strip() for cell in row[1].split(" | "))
        documented[row[0]] = {"type": kind, "labels": re.findall(r"`(\w+)`", named), "stability": stability}
        texts |= {f"{row[0]}: unit": unit, f"{row[0]}: documented": text}
    found_names = {"families": families, "series": sorted_sets(labels), "documented": documented}
    return RecordedGroup({**found_names, "values": sorted_sets(values)}, texts)


def _log(lines: list[str]) -> RecordedGroup:
    """Return the events of the log with their keys; lines that are not JSON are recorded as text."""
    events: dict[str, set[str]] = {}
    values: dict[str, set[str]] = {}
    others: list[str] = []
    for line in lines:
        entry = parsed(line)
        if isinstance(entry, dict):
            # Whether a list has entries depends on timing; the recorded shapes of the API contain the entries.
            flat = {key: value for key, value in entry.items() if not isinstance(value, dict | list)}
            events.setdefault(str(entry.get("event")), set()).update(entry)
            merge(values, _settled(names(flat)))
        elif line.strip():
            others.append(line)
    keys = {event: sorted(found) for event, found in sorted(events.items())}
    return RecordedGroup({"events": keys, "values": sorted_sets(values)}, {"not JSON": others})


def _settled(values: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the values without `rule` and `verdict`, which depend on timing. The closed metric labels contain them."""
    return {key: found for key, found in values.items() if key not in {"rule", "verdict"}}


def _store(decisions: dict[str, str], answer: Json) -> None:
    for decision in answer.get("decisions", []):
        if isinstance(decision, dict) and decision.get("situation"):
            decisions[f"{decision.get('service')} {decision.get('ts')}"] = json.dumps(decision)


def _journal(lines: list[str], decisions: Mapping[str, str]) -> list[str]:
    """Return the log lines, then the API's decisions; most decisions change nothing and are not in the log."""
    return [*lines, *(decisions[key] for key in sorted(decisions))]


class Invocation(NamedTuple):
    """One typical call of a command. `world` is the behaviour of AWS: good, refusing or unreachable."""

    name: str
    arguments: list[str]
    variables: dict[str, str] = ONE
    stdin: str = ""
    world: str = "good"


WRONG = {**ONE, "AUTOSCALER_MAX_TASKS": "many"}
SITUATION = '{"name": "a", "current": 2, "policy": {"max_tasks": 9}, "demand": 5}\n'
INVOCATIONS = [
    Invocation("version", ["--version"]),
    Invocation("no such command", ["unheard-of"]),
    Invocation("no such option", ["check", "--unheard-of"]),
    Invocation("check: good", ["check", "--json"]),
    Invocation("check: plain", ["check"]),
    Invocation("check: wrong value", ["check", "--json"], WRONG),
    Invocation("check: wrong value, plain", ["check"], WRONG),
    Invocation("check: mistyped variable", ["check"], {**ONE, "AUTOSCALER_MAX_TASK": "3"}),
    Invocation("check: nothing set", ["check"], {}),
    Invocation("run: wrong value", ["run"], WRONG),
    Invocation("settings: effective", ["settings", "--effective", "--json"]),
    Invocation("settings: effective, wrong value", ["settings", "--effective"], WRONG),
    Invocation("iam-policy: good", ["iam-policy", "--json"]),
    Invocation("iam-policy: wrong value", ["iam-policy"], WRONG),
    Invocation("dashboards: no folder", ["dashboards"]),
    Invocation("decide: good", ["decide"], {}, SITUATION),
    Invocation("decide: one unreadable", ["decide"], {}, SITUATION + "not JSON\n"),
    Invocation("decide: nothing", ["decide"], {}),
    Invocation("replay: nothing", ["replay", "-"], {}),
    Invocation("replay: no such file", ["replay", "nowhere.log"], {}),
    Invocation("simulate: no such policy", ["simulate", "--policy", "unheard-of"], {}),
    Invocation("simulate: no such file", ["simulate", "--trace", "nowhere.csv"], {}),
    Invocation("init: no terminal", ["init"], {}),
    Invocation("completion", ["completion", "bash"], {}),
    Invocation("explain: no such service", ["explain", "unknown"]),
    Invocation("pause: no such service", ["pause", "unknown"]),
    Invocation("pause: wrong value", ["pause", "orders", "sideways"]),
    *(
        Invocation(f"{name}: {world}", [*arguments, "--json"], world=world)
        for world in ("good", "refusing", "unreachable")
        for name, arguments in {
            "doctor": ["doctor", "--timeout", "10s"],
            "status": ["status"],
            "explain": ["explain", "orders"],
            "pause": ["pause", "orders", "in"],
            "resume": ["resume", "orders"],
        }.items()
    ),
]


def exits(tree: Tree, renames: Renames) -> RecordedGroup:
    """Return the exit code, the keys of the JSON on stdout, and the wording of each invocation."""
    codes: Json = {}
    keys: Json = {}
    texts: Json = {}
    with scripted_aws(still=True) as scripted:
        scripted.failing = {}
        for name, arguments, variables, stdin, world in INVOCATIONS:
            scripted.refusing = world == "refusing"
            endpoint = f"http://127.0.0.1:{free_port()}" if world == "unreachable" else scripted.url
            # No daemon listens on this port, so status and explain read AWS directly.
            given = {**renames.variables(variables), **aws(endpoint), "AUTOSCALER_HTTP_PORT": str(free_port())}
            spelled = [renames.tokens(argument, "commands", "options") for argument in arguments]
            lines = [
                json.dumps(renames.structure(content)) if (content := parsed(line)) else line
                for line in stdin.splitlines()
            ]
            done = tree.run(*spelled, variables=given, stdin="".join(f"{line}\n" for line in lines))
            codes[name] = done.code
            content = parsed(done.out)
            if content is not None:
                keys[name] = sorted_sets(shape(content))
            texts[name] = [plain(text) for text in (done.err, *(prose(content) if content else [done.out])) if text]
    return RecordedGroup({"codes": codes, "keys": keys}, texts)
