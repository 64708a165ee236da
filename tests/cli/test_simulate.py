"""`simulate` returns results in a stable format, rejects invalid input with a remedy, and writes no partial file."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from autoscaler.cli.simulating import _Stopping
from tests.cli.spoken import END_S, autoscaler, started
from tests.processes import ended

FIELDS = [
    "policy", "settings", "seed", "jobs", "late_fraction", "wait_p50_s", "wait_p95_s", "wait_p99_s", "cost_per_work",
    "cost_per_oracle", "lost_work_fraction", "reversals_per_day", "launches_per_day", "theta_u", "theta_o", "tau_u",
    "tau_o", "worst_late_s", "peak_tasks", "at_risk_s", "first_at_risk_s", "late_by_hour", "dead_letters",
    "lost_messages", "groundless_scale_outs", "polls_per_day", "task_hours", "dollars_per_month",
]  # fmt: skip
"""The fields of a result, in their stable order."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty directory and write a load of half an hour into it."""
    monkeypatch.chdir(tmp_path)
    trace("load.csv", *([20] * 10), *([80] * 5), *([10] * 15))
    return tmp_path


def trace(name: str, *counts: object) -> None:
    text = "".join(f"{at * 60},{count}\n" for at, count in enumerate(counts))
    Path(name).write_text(f"t_seconds,arrivals\n{text}")


def simulate(*options: str, load: str | None = "load.csv") -> Result:
    of = [] if load is None else ["--trace", load]
    return CliRunner().invoke(main, ["simulate", *of, *options], catch_exceptions=False)


def json_of(*options: str, load: str | None = "load.csv") -> dict[str, Any]:
    result = simulate("--json", *options, load=load)
    assert result.exit_code == 0, result.output

    def refused(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    return dict(json.loads(result.stdout, parse_constant=refused))


def other_files() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"load.csv"}


def test_json_is_a_flag_and_a_file_after_it_is_still_accepted_with_a_note() -> None:
    options = ("--policy", "static:1")
    shown = simulate(*options, "--json")
    assert json.loads(shown.stdout) == json_of(*options)
    assert "--json" not in shown.stderr
    assert json.loads(simulate("--json", "-", *options).stdout) == json.loads(shown.stdout)
    assert other_files() == set()
    named = simulate("--json", "old.json", *options)
    assert "`--json FILE` will be removed; use `--json-out old.json`" in named.stderr
    assert "--json" not in simulate("--json-out", "new.json", *options).stderr
    assert Path("old.json").read_text() == Path("new.json").read_text() == shown.stdout
    both = simulate("--json", "--json-out", "r.json", *options)
    assert (both.exit_code, both.stdout) == (2, "")


def test_with_json_stdout_is_only_json_in_the_stable_format() -> None:
    result = json_of("--policy", "ours,keda:10,clairvoyant", "--seeds", "2")
    assert list(result) == ["trace", "world", "results", "task_price", "saving"]
    assert result["trace"] == "load.csv"
    assert [list(one) for one in result["results"]] == [FIELDS] * 6
    assert [(one["policy"], one["seed"]) for one in result["results"]] == [
        ("ours", 0), ("ours", 1), ("keda:10", 0), ("keda:10", 1), ("clairvoyant", 0), ("clairvoyant", 1),
    ]  # fmt: skip
    limit = result["results"][-1]
    assert (limit["late_fraction"], limit["cost_per_oracle"]) == (0.0, 1.0)
    assert all(one["cost_per_work"] >= 1 for one in result["results"])


def test_the_world_is_described_in_words() -> None:
    options = ("--policy", "static:9", "--victims", "random", "--start-up", "constant:30", "--max-tasks", "50")
    world = json_of(*options, "--task-concurrency", "2", "--service-time", "constant:4")["world"]
    assert world == (
        "service constant:4; start-up constant:30, at least 30 s; 2 at once; victims random; stopTimeout 30 s; "
        "0 to 50 tasks; billed at least 60 s a task"
    )


def test_an_undefined_value_is_null_and_not_nan() -> None:
    trace("silent.csv", 0, 0, 0)
    [result] = json_of("--policy", "static:1", load="silent.csv")["results"]
    assert result["jobs"] == 0
    assert result["cost_per_work"] is None


def test_without_a_file_a_generated_day_is_simulated() -> None:
    result = json_of("--policy", "static:40", "--service-time", "constant:1", "--start-up", "constant:20", load=None)
    assert result["trace"] == "diurnal:4"
    assert result["results"][0]["jobs"] == pytest.approx(4 * 86_400, rel=0.01)


def test_a_synthetic_load_is_selected_by_name() -> None:
    assert json_of("--load", "batch:50:7200", "--policy", "ours", load=None)["trace"] == "batch:50:7200"


def test_a_file_of_jobs_contains_their_service_times() -> None:
    Path("jobs.csv").write_text("t_seconds,service_seconds\n0,100\n30,200\n90,300\n")
    result = json_of("--jobs", "jobs.csv", "--service-scale", "0.1", "--policy", "static:1", load=None)
    assert result["results"][0]["jobs"] == 3
    assert result["world"].startswith("service as the jobs took; ")
    # 60 s of work on one task that runs for two minutes
    assert result["results"][0]["cost_per_work"] == pytest.approx(2.0)


def test_the_table_compares_the_policies_and_a_summary_follows() -> None:
    result = simulate("--policy", "ours,static:1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("load.csv: ")
    assert [line.split()[0] for line in lines if line.startswith(("ours ", "static:1 "))] == ["ours", "static:1"] * 2


def test_files_are_written_completely_and_named_on_stderr() -> None:
    result = simulate("--policy", "ours", "--json-out", "result.json", "--report", "page.html")
    assert result.exit_code == 0
    assert result.stderr == "wrote result.json\nwrote page.html\n"
    assert other_files() == {"result.json", "page.html"}
    assert list(json.loads(Path("result.json").read_text())["results"][0]) == FIELDS
    page = Path("page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert "ours" in result.stdout


def test_a_report_file_and_json_on_stdout_are_written_together() -> None:
    assert json_of("--policy", "ours", "--report", "page.html")["results"]
    assert other_files() == {"page.html"}


def test_a_sweep_is_printed_as_a_table_with_advice() -> None:
    result = simulate("--policy", "ours", "--sweep", "acceptable_latency=120s", "--sweep", "tolerance=0|0.3")
    lines = result.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith(("current settings  ", "acceptable"))] == [
        "current settings", "acceptable_latency=120s, tolerance=0", "acceptable_latency=120s, tolerance=0.3",
    ]  # fmt: skip
    assert [line for line in lines if line.startswith("current settings: ")]


def test_a_sweep_is_added_to_the_json() -> None:
    result = json_of("--policy", "ours", "--sweep", "acceptable_latency=30s|60s|120s")
    assert list(result) == ["trace", "world", "results", "task_price", "saving", "sweep"]
    assert [one["acceptable_latency_s"] for one in result["sweep"]] == [60.0, 30.0, 120.0]
    assert list(result["sweep"][0]) == [
        "settings", "acceptable_latency_s", "late_fraction", "wait_p95_s", "cost_per_work", "task_hours",
        "dollars_per_month",
    ]  # fmt: skip
    assert result["sweep"][0]["cost_per_work"] == result["results"][0]["cost_per_work"]


def test_a_sweep_may_contain_limits_with_commas() -> None:
    sweep = 'scale_in.limits=[{"tasks":1,"per":"60s"}]'
    assert json_of("--policy", "ours", "--sweep", sweep)["sweep"][1]["settings"] == sweep


def test_messages_that_are_never_received_are_reported() -> None:
    result = simulate("--policy", "static:1", "--service-time", "constant:600", "--json-out", "r.json")
    assert re.search(
        r"(?m)^static:1, seed 0: [\d,]+ messages were not received one day after the load's end", result.stderr
    )
    assert "static:1, seed 0" not in simulate("--policy", "static:30").stderr


BAD_FILES = {
    "empty.csv": ("", "empty.csv: the file is empty. Its first line must be t_seconds,arrivals"),
    "words.csv": ("hello\n", "words.csv, line 1: the line must be the header t_seconds,arrivals"),
    "cut.csv": ("t_seconds,arrivals\n0,5\n60\n", "cut.csv, line 3: "),
    "broken.csv": ("t_seconds,arrivals\n0,5\n60,many\n", "broken.csv, line 3: the line must be two numbers"),
    "negative.csv": ("t_seconds,arrivals\n0,5\n60,-3\n", "negative.csv, line 3: arrivals is -3"),
    "nan.csv": ("t_seconds,arrivals\n0,5\n60,nan\n", "nan.csv, line 3: "),
    "bytes.csv": ("\x00\x01\x02", "bytes.csv, line 1: "),
    "jobs.csv": ("t_seconds,service_seconds\n0,5\n", "Use --jobs for this file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_an_invalid_file_is_reported_with_its_line_and_nothing_is_written(name: str) -> None:
    text, words = BAD_FILES[name]
    Path(name).write_text(text)
    result = simulate("--json-out", "r.json", "--report", "r.html", load=name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("simulate: ")
    assert words in result.stderr
    assert other_files() == {name}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policy", "nosuch"], "'nosuch' is not a policy (known: ours, "),
        (["--policy", "kedda"], "did you mean keda?"),
        (["--policy", ""], "no policy is given. Choose from ours, "),
        (["--policy", "ours:tolerance=lots"], "tolerance: 'lots' is not a number"),
        (["--policy", "ours:queues=a"], "queues: not supported in the simulator"),
        (["--service-time", "sometimes"], "not one of: constant:S, exponential:S, lognormal:S:CV, pareto:S:ALPHA"),
        (["--service-time", "pareto:5:1"], "ALPHA above 1"),
        (["--start-up", "slow"], "not one of: lognormal:MEDIAN:P95"),
        (["--min-tasks", "5", "--max-tasks", "3"], "--min-tasks 5 is above --max-tasks 3"),
        (["--max-tasks", "99999999999"], "max_tasks: 99999999999 is out of range"),
        (["--acceptable-latency", "0s"], "acceptable_latency: '0s' is too short: the minimum is 1s"),
        (["--load", "steady"], "--trace, --load: only one load"),
        (["--jobs", "jobs.csv"], "--trace, --jobs: only one load"),
        (["--from-cloudwatch", "14d", "--queue", "orders"], "--trace, --from-cloudwatch: only one load"),
        (["--queue", "orders"], "--from-cloudwatch"),
        (["--service-scale", "2"], "--jobs"),
        (["--json-out", "no/such/r.json"], "no/such/r.json cannot be written: the directory "),
        (["--report", "."], ". is a directory. Pass the name of a file"),
        (["--report", "-"], "Pass a file name"),
        (["--json-out", "same", "--report", "./same"], "Pass two different files"),
        (["--sweep", "nonsense"], "--sweep: 'nonsense' is not FIELD=A|B|C"),
        (["--sweep", "tolerence=1|2"], "tolerance"),
        (["--sweep", "acceptable_latency=0s"], "'0s' is too short"),
        (["--sweep", "tolerance=0|lots"], "'lots' is not a number"),
        (["--from-day", "4"], "load.csv: the load has no day 4; it has day 0 only"),
        (["--mean-tasks", "0"], "--mean-tasks: the value is 0, but must be above 0"),
        (["--mean-tasks", "nan"], "must be above 0"),
    ],
)
def test_invalid_options_exit_with_2_before_the_simulation_starts(
    monkeypatch: pytest.MonkeyPatch, options: Any, words: str
) -> None:
    monkeypatch.setattr("autoscaler.sim.experiment.runs", lambda *_: pytest.fail("the simulation started"))
    result = simulate("--json-out", "r.json", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("simulate: ")
    assert words in result.stderr
    assert other_files() == set()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--load", "nosuch"], "--load: 'nosuch' is not a synthetic load. Use one of: steady:RATE, "),
        (["--from-cloudwatch", "14d"], "--from-cloudwatch requires --queue NAME"),
        (["--jobs", "jobs.csv", "--service-time", "constant:5"], "--service-scale"),
        (["--jobs", "nosuch.csv"], "nosuch.csv: the file was not found"),
        (["--jobs", "jobs.csv", "--service-scale", "0"], "--service-scale: the value is 0, but must be above 0"),
    ],
)
def test_an_invalid_load_exits_with_2_and_a_message(options: Any, words: str) -> None:
    Path("jobs.csv").write_text("t_seconds,service_seconds\n0,5\n")
    result = simulate(*options, load=None)
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    "options",
    [["--seeds", "0"], ["--days", "0"], ["--from-day", "-1"], ["--max-tasks", "0"], ["--victims", "all"], ["--nosuch"]],
)
def test_a_usage_error_exits_with_2(options: Any) -> None:
    assert simulate(*options).exit_code == 2


def test_a_directory_without_write_permission_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("theirs").mkdir()
    monkeypatch.setattr("autoscaler.cli.delivering._writable", lambda folder: False)
    result = simulate("--json-out", "theirs/r.json")
    assert (result.exit_code, "no permission to write to" in result.stderr) == (2, True)


def test_a_full_disk_leaves_the_existing_file_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("r.json").write_text("as it was")
    write = Path.write_text

    def full(place: Path, text: str, **more: Any) -> int:
        write(place, text[:10], **more)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = simulate("--policy", "static:1", "--json-out", "r.json")
    assert (result.exit_code, "r.json cannot be written: No space left on device" in result.stderr) == (2, True)
    assert (other_files(), Path("r.json").read_text()) == ({"r.json"}, "as it was")


@pytest.mark.parametrize("library", ["numpy", "rich"])
def test_without_its_libraries_the_error_contains_the_command_to_install_them(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    result = simulate()
    assert result.exit_code == 2
    assert result.stderr == "simulate: NumPy and rich are required. Run: pip install 'ecs-queue-autoscaler[simulate]'\n"


def test_help_needs_no_library_and_names_every_policy_load_and_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    result = simulate("--help", load=None)
    assert result.exit_code == 0
    monkeypatch.undo()
    from autoscaler.cli.simulating import POLICIES as DEFAULT_POLICIES
    from autoscaler.sim.experiment import POLICIES
    from autoscaler.sim.workload import GENERATORS

    names = [*POLICIES, *DEFAULT_POLICIES.split(","), *GENERATORS]
    names += ["constant:S", "pareto:S:ALPHA", "lognormal:MEDIAN:P95"]
    assert [name for name in names if name not in result.output] == []
    undocumented = [option for option in main.commands["simulate"].params if not getattr(option, "help", None)]
    assert undocumented == []


def test_a_killed_process_is_reported_and_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.sim.experiment.play", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    result = simulate("--json-out", "r.json")
    assert (result.exit_code, other_files()) == (1, set())
    assert "a process of the simulation was killed" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_leaves_no_file_no_traceback_and_no_process(number: Any) -> None:
    """Send the signal to the whole process group, as a terminal does, during a simulation that outlasts the test."""
    terminal, its_end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler", "simulate", "--load", "steady:20", "--days", "5", "--policy", "ours,keda",
        "--seeds", "4", "--json-out", "r.json", "--report", "r.html",
        stdout=asyncio.subprocess.PIPE, stderr=its_end, start_new_session=True,
    )  # fmt: skip
    os.close(its_end)
    try:
        async with asyncio.timeout(END_S):
            shown = await asyncio.to_thread(read, terminal, b"simulating")
            os.killpg(process.pid, number)
            shown += await asyncio.to_thread(read, terminal, None)
            out, _ = await process.communicate()
            await gone(process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        os.close(terminal)
    assert b"Traceback" not in shown
    assert (process.returncode, out) == (130, b""), shown
    assert shown.endswith(b"simulate: stopped\r\n")
    assert other_files() == set()


def test_a_signal_during_the_start_of_the_processes_stops_the_simulation() -> None:
    """Python prints and discards an exception that is raised in a hook of `fork`."""
    program = (
        "import os, signal\n"
        "os.register_at_fork(after_in_parent=lambda: signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None))\n"
        "from autoscaler.cli import main\n"
        "main(['simulate', '--load', 'steady:20', '--days', '5', '--policy', 'ours,keda', '--seeds', '4'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=END_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"simulate: stopped\n")


def test_a_discarded_exception_of_the_signal_handler_stops_the_simulation_at_the_next_report() -> None:
    stopping = _Stopping()
    with suppress(KeyboardInterrupt):
        stopping.handle()
    with pytest.raises(KeyboardInterrupt):
        stopping.checked(lambda _: None)(0.5)


async def gone(group: int) -> None:
    """Wait until no process of the group is left. An ended process remains in the group until it is reaped."""
    async with asyncio.timeout(30):
        with suppress(ProcessLookupError):
            while True:
                os.killpg(group, 0)
                await asyncio.sleep(0.01)


def read(terminal: int, until: bytes | None) -> bytes:
    """Return the terminal's output up to and including these bytes, or (None) until no process writes to it."""
    shown = b""
    with suppress(OSError):
        while until is None or until not in shown:
            shown += os.read(terminal, 1 << 16)
    return shown


async def test_a_closed_output_pipe_ends_the_command_without_a_message() -> None:
    process = await started("simulate", "--trace", "load.csv", "--policy", "ours", "--json", "-")
    try:
        pipe: Any = process.stdout
        pipe._transport.close()
        _, err = await asyncio.wait_for(process.communicate(), END_S)
    finally:
        await ended(process)
    assert (process.returncode, err) == (1, b"")


async def test_a_pipe_gets_no_progress_and_no_colours() -> None:
    ended = await autoscaler("simulate", "--trace", "load.csv", "--policy", "ours")
    assert (ended.code, ended.err) == (0, "")
    assert b"\x1b" not in ended.out


def test_the_price_is_given_assumed_or_missing_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def price(*options: str) -> dict[str, Any]:
        return dict(json_of("--policy", "static:1", *options)["task_price"])

    assert price("--task-price", "$0.25") == {
        "dollars_per_task_hour": 0.25, "basis": "--task-price", "excluded": [], "as_of": None, "source": None,
    }  # fmt: skip
    assumed = price()
    assert assumed["dollars_per_task_hour"] == pytest.approx(0.04048 + 2 * 0.004445)
    assert assumed["basis"].startswith("assumed: 1 vCPU, 2 GB, Fargate x86 in us-east-1, list price of ")
    small = price("--task-size", "0.25:0.5:arm", "--region", "eu-west-1")
    assert small["dollars_per_task_hour"] == pytest.approx(0.25 * 0.03238 + 0.5 * 0.00356)
    assert small["basis"].startswith("0.25 vCPU, 0.5 GB, Fargate Arm in eu-west-1")
    assert "Fargate Spot x86" in price("--task-size", "1:2:spot")["basis"]
    monkeypatch.setenv("AWS_REGION", "xx-new-1")
    missing = price()
    assert missing["dollars_per_task_hour"] is None
    assert missing["basis"] == (
        "this version has no list price of Fargate x86 in xx-new-1; "
        "pass --task-price with the dollars that one task costs per hour"
    )
    monkeypatch.setenv("AUTOSCALER_TASK_PRICE", "0.5")
    assert price()["dollars_per_task_hour"] == 0.5


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--task-price", "0", "is not a price above 0, such as 0.05"),
        ("--task-price", "nan", "is not a price above 0"),
        ("--task-price", "inf", "is not a price above 0"),
        ("--task-price", "cheap", "is not a price above 0"),
        ("--task-size", "1", "is not a task size, such as 0.5:1"),
        ("--task-size", "0:1", "is not a task size"),
        ("--task-size", "3:1", "is no size of Fargate, which has 2 to 8 GB per vCPU"),
        ("--task-size", "1:9", "pass --task-price for other tasks"),
        ("--task-size", "1:2:risc", "is not a task size"),
        ("--region", "Ireland", "is not a Region, such as eu-west-1"),
    ],
)
def test_a_wrong_price_size_or_region_is_refused(option: str, value: str, remedy: str) -> None:
    result = simulate("--policy", "static:1", option, value)
    assert result.exit_code == 2
    assert remedy in result.stderr
