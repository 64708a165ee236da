"""A real browser, controlled by the DevTools protocol over a local WebSocket, without further dependencies."""

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
    """Return the path of the first installed browser of `NAMES`; None: there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def required() -> str:
    """Return the path of a browser. Raises `RuntimeError` if there is none: a skipped test would be overlooked."""
    found = browser()
    if found is None:
        raise RuntimeError("No Chromium or Chrome found. Run `make test-real`, which installs Chromium.")
    return found


KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, "")}
"""The virtual key code and the text of special keys."""


class Navigated(Exception):
    """The page was navigated during a call."""


class BrowserTab:
    """One tab of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.origin = ""
        self.events: list[dict[str, Any]] = []
        """All events of the browser."""

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
        """Return the value of a JavaScript expression; an asynchronous value is awaited."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until the expression is true. The page itself evaluates it once per animation frame."""
        check = f"const check = () => ({expression}) ? done() : requestAnimationFrame(check); check();"
        async with asyncio.timeout(STARTS_WITHIN_S):
            while True:
                with suppress(Navigated):
                    await self.value(f"new Promise(done => {{ {check} }})")
                    return

    async def point(self, x: float, y: float, kind: str = "mouseMoved", **more: Any) -> None:
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    async def key(self, name: str) -> None:
        """Press a letter or a named key; also "Shift+Tab"."""
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
async def opened(program: str, address: str, profile: Path) -> AsyncIterator[BrowserTab]:
    """Open the address in a tab of a new browser process, which ends with the block."""
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
                page = BrowserTab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return the address of the DevTools server, which the browser prints on its standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(STARTS_WITHIN_S):
        async for line in process.stderr:
            _, _, address = line.decode(errors="replace").partition("DevTools listening on ws://")
            if address:
                return address.partition("/")[0]
    raise AssertionError("the browser exited before it listened")
