"""`make scorecard` with two small traces under their real names: its runs and its pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from autoscaler.sim.model import Victims
from autoscaler.sim.peers import PEERS
from autoscaler.sim.workload.protocol import SCORECARD, Entry
from bench.scorecard.__main__ import main
from bench.scorecard.making import LATENCIES_S, Bench, Job, grid_jobs, made, oracle_jobs, policy_jobs
from bench.scorecard.page import page
from tests.sim.scorecard.made import everywhere, line

ENTRIES = {entry.name: entry for entry in SCORECARD}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with eight minutes of day 1 of near_idle and five minutes of the only day of mooncake."""
    folder = tmp_path_factory.mktemp("traces")
    idle = [3 * (minute % 4) for minute in range(1440 + 8)]
    chat = [(second * 7) % 5 for second in range(300)]
    for name, counts, interval_s in (("near_idle", idle, 60), ("mooncake", chat, 1)):
        rows = "".join(f"{at * interval_s},{count}\n" for at, count in enumerate(counts))
        (folder / ENTRIES[name].file).write_text(f"t_seconds,arrivals\n{rows}")
    return folder


def scorecard(traces: Path, out: Path, *more: str) -> int:
    return main(["--traces", str(traces), "--out", str(out), "--seeds", "1", "--only", "near_idle,mooncake", *more])


@pytest.fixture(scope="module")
def card(traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("card") / "docs" / "new"
    assert scorecard(traces, out, "--no-grid", "--json", str(out.parent / "lines.json")) == 0
    return out


@pytest.fixture(scope="module")
def text(card: Path) -> str:
    return (card / "scorecard.md").read_text()


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def cells(table: str) -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return rows[1:]


def test_one_page_is_written_and_each_of_its_pictures(card: Path, text: str) -> None:
    assert sorted(path.name for path in card.iterdir()) == ["pictures", "scorecard.md"]
    pictures = sorted(path.name for path in (card / "pictures").iterdir())
    assert sorted(re.findall(r"\(pictures/(.+?)\)", text)) == pictures
    assert len(pictures) == len(LATENCIES_S)


@pytest.mark.parametrize("latency", ["60 s", "120 s", "300 s"])
def test_every_policy_has_a_row_per_latency_target_for_idle_and_for_random_stops(text: str, latency: str) -> None:
    part = section(text, latency)
    tables = part.split("ECS stops random tasks")
    assert len(tables) == 2
    for table in tables:
        found = cells(table)
        assert {row[0] for row in found} == {"ours", "clairvoyant", *PEERS}
        assert [row[0] for row in found][:2] == ["clairvoyant", "ours"]
        assert found[0][1:3] == ["0.00%", "none"]
        assert found[0][4] == "1.00"


def test_ours_is_listed_by_trace(text: str) -> None:
    found = cells(section(text, "Ours, by trace"))
    assert [row[0] for row in found] == ["mooncake", "near_idle"]
    assert {len(row) for row in found} == {10}


def test_the_page_states_what_was_run_and_its_limits(text: str) -> None:
    assert "real traces: mooncake, near_idle." in text
    assert "one seed" in text
    assert "Nothing of this was run on AWS" in text
    assert "No run of any policy has no late messages and is cheaper than the clairvoyant" in section(text, "The limit")
    assert section(text, "Where we lose").strip()


def test_the_runs_are_written_as_json_with_their_scores(card: Path) -> None:
    lines = json.loads((card.parent / "lines.json").read_text())
    assert len(lines) == 2 * 3 * (1 + 2 * (1 + len(PEERS)))
    fields = {"trace", "latency_s", "victims", "policy", "seed", "grid", "billed_s", "score", "polls_per_day"}
    assert fields == set(lines[0])
    assert all(one["score"]["cost_per_oracle"] > 0 for one in lines)
    polls = {one["policy"]: one["polls_per_day"] for one in lines if one["latency_s"] == 60.0}
    assert 1_000 < polls["ours"] <= 17_280
    assert polls["clairvoyant"] == 0.0
    for peer, a_day in (("target-tracking", 1_440), ("keda", 5_760)):  # a short run, with one more poll at 0 s
        assert a_day <= polls[peer] <= 1.15 * a_day


def test_a_policy_that_does_not_depend_on_the_latency_runs_once_for_all_latency_targets() -> None:
    jobs = policy_jobs([ENTRIES["nasa"]], [0])
    latencies: dict[str, list[Any]] = {job.policy: [] for job in jobs}
    for job in jobs:
        if job.victims is Victims.IDLE:
            latencies[job.policy].append(job.latencies_s)
    assert latencies["ours"] == [(60.0,), (120.0,), (300.0,)]
    assert latencies["knative"] == [(60.0, 120.0, 300.0)]
    assert sorted(latencies) == sorted(["ours", *PEERS])


def test_the_grid_has_the_settings_of_all_peers_without_their_defaults(traces: Path) -> None:
    jobs = grid_jobs(Bench(traces, {}), [ENTRIES["mooncake"]])
    assert {job.policy.partition(":")[0] for job in jobs} <= set(PEERS)
    assert all(":" in job.policy and job.grid and job.victims is Victims.IDLE and job.seed == 0 for job in jobs)
    assert len(jobs) > len(PEERS)


def test_runs_do_not_depend_on_the_number_of_processes(traces: Path) -> None:
    jobs = [*oracle_jobs([ENTRIES["mooncake"]], [0]), *policy_jobs([ENTRIES["mooncake"]], [0])[:6]]
    bench = Bench(traces, {("mooncake", 0, 60.0): 100.0})
    shares: list[float] = []
    one = list(made(bench, jobs, shares.append, processes=1))
    assert repr(list(made(bench, jobs, lambda _: None, processes=3))) == repr(one)
    assert shares[-1] == 1.0
    assert {entry.cost_per_oracle for entry in (line.score for line in one if line.policy == "clairvoyant")} == {1.0}


def test_the_page_says_if_no_peer_beats_ours() -> None:
    text = section(page([*everywhere("ours"), *everywhere("keda", billed_s=2000.0)], 60.0), "Where we lose")
    assert text.strip().startswith("No peer, with any setting, trace and latency target,")


def test_the_page_lists_where_a_peer_beats_ours() -> None:
    lost = cells(section(page([*everywhere("ours"), line("keda:2", billed_s=700.0, grid=True)], 60.0), "Where we lose"))
    assert lost == [["60 s", "nasa", "`keda:2`", "30%", "1.00%", "1.00%"]]


def test_a_run_below_the_limit_is_listed_and_fails_the_command(
    traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = line("keda", late_fraction=0.0, cost_per_oracle=0.97)
    assert "- nasa, 60 s, `keda`, seed 0: 0.970" in section(page([*everywhere("ours"), broken], 60.0), "The limit")
    monkeypatch.setattr("bench.scorecard.__main__.made", lambda *_: [*everywhere("ours"), broken])
    assert scorecard(traces, tmp_path, "--no-grid") == 1


def test_a_missing_trace_ends_the_command_with_the_remedy_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scorecard(tmp_path / "nowhere", tmp_path / "docs") == 2
    error = capsys.readouterr().err
    assert "near_idle_1min_14d.csv: the file was not found" in error
    assert "TRACES=FOLDER" in error
    assert list((tmp_path / "docs").iterdir()) == []


def test_an_unwritable_folder_is_reported_before_any_run(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.scorecard.__main__.made", lambda *_: pytest.fail("was run"))
    (tmp_path / "file").write_text("")
    assert scorecard(traces, tmp_path / "file" / "docs") == 2
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--only", "nasa,nosuch"], "'nosuch' is not one of: wc98_flash, .*nasa"),
        (["--only", ""], "'' is not one of"),
        (["--seeds", "0"], "at least one"),
    ],
)
def test_invalid_options_are_refused(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: Any, error: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        scorecard(traces, tmp_path, *options)
    assert re.search(error, capsys.readouterr().err)


def test_ctrl_c_ends_the_command_with_one_line_and_writes_nothing(
    traces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.scorecard.__main__.made", stopped)
    assert scorecard(traces, tmp_path) == 130
    assert capsys.readouterr().err.endswith("stopped; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_the_trace_of_jobs_is_read_as_jobs(tmp_path: Path) -> None:
    entry: Entry = ENTRIES["lcg_grid"]
    rows = "".join(f"{at * 60},{4000 + at}\n" for at in range(1440 + 4))
    (tmp_path / entry.file).write_text(f"t_seconds,service_seconds\n{rows}")
    job = Job(entry, Victims.IDLE, "static:9", 0, (60.0, 120.0, 300.0))
    lines = list(made(Bench(tmp_path, {}), [job], lambda _: None, processes=1))
    assert [one.latency_s for one in lines] == [60.0, 120.0, 300.0]
    assert lines[0].score.jobs > 0
