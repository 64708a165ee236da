"""The whole demo as a process, with a stand-in for the daemon: exit codes, output, and no process left."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from autoscaler.demo import Options, entry, run
from autoscaler.demo.children import environment
from autoscaler.errors import ConfigError

STANDIN = Path(__file__).with_name("standin.py")
DEMO_SCRIPT = """
import sys
from autoscaler.demo import Options, fleet
from autoscaler.demo.entry import run
fleet.START_UP_S = (0.3, 0.5)
sys.exit(run(Options(duration_s={duration_s}, json={json}), (sys.executable, *{command!r})))
"""


async def start_demo(
    command: list[str], *, duration_s: float = 5.0, as_json: bool = True
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DEMO_SCRIPT.format(duration_s=duration_s, json=as_json, command=command)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment({"AWS_PROFILE": "nonexistent", "HTTP_PROXY": "http://127.0.0.1:9"}),
        start_new_session=True,
    )


async def result_of(demo: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(100):
        out, err = await demo.communicate()
    return demo.returncode or 0, out.decode(), err.decode()


def children_of(pid: int) -> list[int]:
    """Return the ids of the child processes. Skip the test if there is no /proc."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("no /proc")
    return [int(child) for child in listed.read_text().split()]


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_a_demo_scales_out_and_in_loses_no_message_and_prints_json() -> None:
    code, out, err = await result_of(await start_demo([str(STANDIN)]))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["sent"] == summary["processed"] > 0
    assert summary["lost"] == summary["duplicates"] == 0
    assert summary["problems"] == []
    assert summary["scale_outs"] >= 1
    assert summary["scale_ins"] >= 1
    assert summary["peak_tasks"] >= 1
    assert summary["task_seconds"] > 0
    assert "AUTOSCALER_ACCEPTABLE_LATENCY=15s" in err
    assert "/metrics" in err
    assert "worker: 0 -> " in err


async def test_the_demo_fails_with_the_last_log_lines_when_the_daemon_ends() -> None:
    script = "import sys; print('first'); sys.exit('invalid settings')"
    code, out, err = await result_of(await start_demo(["-c", script]))
    assert (code, out) == (1, "")
    assert "the daemon ended unexpectedly with exit code 1" in err
    assert "first" in err
    assert "invalid settings" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_demo_and_its_child_processes(sent: Any) -> None:
    demo = await start_demo([str(STANDIN)], duration_s=60)
    assert demo.stderr is not None
    async with asyncio.timeout(60):
        while b"Metrics" not in await demo.stderr.readline():
            pass
    started = children_of(demo.pid)
    assert len(started) == 2
    demo.send_signal(sent)
    code, out, err = await result_of(demo)
    assert (code, out) == (130, "")
    assert f"stopped by {sent.name}; no process is left running" in err
    assert "Traceback" not in err
    assert not any(alive(pid) for pid in started)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(duration_s=0), "--duration"),
        (Options(duration_s=float("nan")), "--duration"),
        (Options(trace=Path("x"), from_day=-1), "--from-day"),
        (Options(trace=Path("x"), from_day=float("nan")), "--from-day"),
        (Options(trace=Path("x"), speed=0), "--speed"),
        (Options(trace=Path("x"), speed=float("inf")), "--speed"),
        (Options(speed=2), "--trace FILE"),
        (Options(trace=Path("/nowhere.csv")), "/nowhere.csv: the file cannot be read"),
    ],
)
def test_invalid_options_are_reported_before_the_demo_starts(
    options: Any, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "_perform", None)
    assert run(options) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err


def test_all_invalid_options_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        entry.load_of(Options(duration_s=-1, from_day=-1, speed=-1))
    assert len(caught.value.problems) == 4


def test_without_the_extra_the_error_has_the_install_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "find_spec", lambda name: None if name == "moto" else object())
    assert run(Options()) == 2
    assert capsys.readouterr().err == "the demo needs moto: pip install 'ecs-queue-autoscaler[demo]'\n"
