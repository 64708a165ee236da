"""A real browser, spoken to by its devtools protocol over a local WebSocket: nothing but what we have anyway."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
STARTS_WITHIN_S = 60.0
QUIET = (
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-port=0",
)  # fmt: skip


def browser() -> str | None:
    """The path of the first one that is found."""
    return next(filter(None, map(shutil.which, NAMES)), None)


KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, "")}
"""What a browser wants to know of keys that do something by themselves: their number and their text."""


class Navigated(Exception):
    """The page was left while something was asked of it."""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.origin = ""
        self.events: list[dict[str, Any]] = []
        """All that the browser told without being asked."""

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(timeout=STARTS_WITHIN_S)).data)
            if message.get("id") == number:
                if "error" in message and "navigated" in message["error"]["message"]:
                    raise Navigated
                assert "error" not in message, message
                answer: dict[str, Any] = message["result"]
                return answer
            self.events.append(message)

    async def value(self, expression: str) -> Any:
        """Of JavaScript; a promise is awaited."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Returns once it is true, looked at with every frame; the page's own time, not ours."""
        look = f"const look = () => ({expression}) ? done() : requestAnimationFrame(look); look();"
        async with asyncio.timeout(STARTS_WITHIN_S):
            while True:
                with suppress(Navigated):
                    await self.value(f"new Promise(done => {{ {look} }})")
                    return

    async def point(self, x: float, y: float, kind: str = "mouseMoved", **more: Any) -> None:
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    async def key(self, name: str) -> None:
        """A letter, or a key by its name; "Shift+Tab" too."""
        shift, name = name.startswith("Shift+"), name.removeprefix("Shift+")
        code, text = KEYS.get(name, (0, name if len(name) == 1 else ""))
        more = {"key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **more, **({"text": text} if text else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **more)

    async def size(self, width: int, height: int, *, phone: bool = False, dark: bool = False) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])


@asynccontextmanager
async def opened(program: str, address: str, profile: Path) -> AsyncIterator[Page]:
    """The address in a tab of a browser of its own, which ends with the block."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        program, *QUIET, *sandbox, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        devtools = await _address(process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{devtools}/json/list") as answer:
                tabs = await answer.json()
            tab = next(one for one in tabs if one["type"] == "page")
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where it listens, which it tells on its standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(STARTS_WITHIN_S):
        async for line in process.stderr:
            _, _, address = line.decode(errors="replace").partition("DevTools listening on ws://")
            if address:
                return address.partition("/")[0]
    raise AssertionError("the browser ended before it listened")
