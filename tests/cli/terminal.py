"""Run a command on a pseudo-terminal with typed input and capture its output."""

from __future__ import annotations

import asyncio
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from typing import NamedTuple

from tests.cli.spoken import END_S, environ
from tests.processes import ended

ROWS = 24


class Drawn(NamedTuple):
    code: int
    text: str


async def on_a_terminal(
    *arguments: str,
    columns: int = 100,
    typed: bytes = b"",
    stop_on: Callable[[str], bool] = lambda _: False,
    number: int = 2,
    **settings: str,
) -> Drawn:
    """Run the command with all three streams on a terminal and return its output. `typed` is written at the start. The
    signal `number` is sent once, when `stop_on` returns True for the output so far.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler", *arguments, stdin=theirs, stdout=theirs, stderr=theirs,
        env=environ(TERM="xterm", **settings),
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, typed)
    drawn, is_signaled = b"", False
    try:
        async with asyncio.timeout(END_S):
            with suppress(OSError):  # the other side is closed: the command has ended
                while True:
                    drawn += await asyncio.to_thread(os.read, ours, 65536)
                    if not is_signaled and stop_on(drawn.decode(errors="replace")):
                        process.send_signal(number)
                        is_signaled = True
            code = await process.wait()
    finally:
        await ended(process)  # also ends the read in the thread
        os.close(ours)
    return Drawn(code, drawn.decode())
