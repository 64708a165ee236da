"""`decide` is a filter: it writes one line for each line, valid or invalid, until its reader closes the pipe."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.inspection.deciding import JournalLine, answer, lines, printed
from tests.cli.spoken import autoscaler, situation, started, text

PIPE = asyncio.subprocess.PIPE
DECIDE = f"{sys.executable} -m autoscaler decide"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["name", "policy", "current", "running", "signals", "demand", "history", "deployment"])


def decided(content: bytes) -> dict[str, object]:
    return answer(JournalLine(1, content, len(content)))


async def test_every_line_has_an_answer_in_order_and_an_invalid_line_gives_exit_code_1() -> None:
    good = text(situation())
    bad = [b"\xff\xfe\n", b"{\n", b"[1]\n", b'{"name": "x", "current": -1}\n', b'{"a":' * 100_000 + b"\n"]
    ended = await autoscaler("decide", stdin=good + b"\n" + b"".join(bad) + b"  \n" + good.rstrip())
    first, *errors, last = ended.answers
    assert first["target"] == last["target"] == 10
    assert [error.keys() for error in errors] == [{"name", "error"}] * 5
    assert [error["name"] for error in errors] == [None, None, None, "x", None]
    assert "UTF-8" in errors[0]["error"]
    assert "current" in errors[3]["error"]
    assert (ended.code, ended.err) == (1, "")


async def test_valid_lines_and_empty_input_give_exit_code_0() -> None:
    assert (await autoscaler("decide", stdin=text(situation()))).code == 0
    assert await autoscaler("decide") == (0, b"", "")


async def test_a_line_of_ten_megabytes_is_decided() -> None:
    long = situation(history={"demands": [{"age_s": n / 1000, "tasks": 1} for n in range(330_000)]})
    line = text(long)
    assert len(line) > 10_000_000
    ended = await autoscaler("decide", stdin=line + text(situation()))
    assert [answer["target"] for answer in ended.answers] == [10, 10]
    assert ended.code == 0


async def test_each_answer_is_written_before_the_next_line_is_read() -> None:
    process = await started("decide")
    assert process.stdin
    assert process.stdout
    for tasks in (10, 20):
        process.stdin.write(text(situation(visible=10 * tasks)))
        async with asyncio.timeout(30):
            assert json.loads(await process.stdout.readline())["target"] == tasks
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_closed_output_pipe_ends_the_command_without_a_message() -> None:
    command = f"{DECIDE} | head -n 1; echo ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec("bash", "-c", command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60):
        out, err = await process.communicate(text(situation()) * 3_000)
    answered, code = out.splitlines()
    assert json.loads(answered)["target"] == 10
    assert (code, err) == (b"1", b"")


@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null", ">/dev/full", ">&-"])
async def test_a_stream_that_cannot_be_read_or_written_is_reported_in_one_line(redirection: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{DECIDE} {redirection}", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(text(situation()))
    assert (process.returncode, out) == (2, b"")
    assert err.count(b"\n") == 1


@given(st.binary(max_size=200) | st.dictionaries(keys | st.text(max_size=5), json_values).map(text))
def test_any_line_has_one_answer_on_one_line(content: Any) -> None:
    line = printed(decided(content))
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert json.loads(line).keys() >= {"name"}


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x1b[2J", "ü", "\u202e"])
def test_any_text_as_name_is_returned_unchanged(name: str) -> None:
    assert json.loads(printed(decided(text(situation() | {"name": name}))))["name"] == name


@pytest.mark.parametrize("name", [7, {"a": 1}, ["x"], True])
def test_a_name_that_is_not_text_is_an_error_and_not_returned(name: Any) -> None:
    answered = decided(text(situation() | {"name": name}))
    assert answered["name"] is None
    assert "name" in str(answered["error"])


def test_a_byte_order_mark_is_not_part_of_a_situation() -> None:
    assert decided(b"\xef\xbb\xbf" + text(situation()))["target"] == 10


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 40])
def test_a_line_that_is_too_long_is_skipped_and_the_next_is_read(length: int) -> None:
    found = list(lines(io.BytesIO(b"x" * length + b"\nnext\n"), most=8))
    assert [line.number for line in found] == [1, 2]
    assert found[0].content == (b"x" * length + b"\n" if length < 8 else None)
    assert found[1] == JournalLine(2, b"next\n", length + 6)
    assert "too long" in str(answer(JournalLine(1, None, 9))["error"])
