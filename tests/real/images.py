"""Take the pictures of the page in the documentation: `python -m tests.real.images`; writes `docs/images/*.png`."""

from __future__ import annotations

import asyncio
import tempfile
from base64 import b64decode
from pathlib import Path

from tests.real.test_page import shown
from tests.telemetry.lively import lively

FOLDER = Path(__file__).parents[2] / "docs" / "images"

IMAGES = {
    "page-list": ("/", 1280, 860, False, False),
    "page-list-dark": ("/", 1280, 860, False, True),
    "page-service": ("/services/thumbnails", 1100, 1500, False, False),
    "page-service-dark": ("/services/thumbnails", 1100, 1500, False, True),
    "page-dark": ("/services/fraud-check", 1100, 1500, False, True),
    "page-phone": ("/", 390, 844, True, False),
}
"""Path, width, height, phone, dark. A phone has two pixels per unit."""


async def main() -> None:
    desk, _ = lively()
    for name, (path, width, height, phone, dark) in IMAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            async with shown(desk, path, Path(folder), width=width, phone=phone, dark=dark) as tab:
                await tab.size(width, height, phone=phone, dark=dark)
                await asyncio.sleep(1)  # the charts are drawn again for the new height
                taken = await tab.call("Page.captureScreenshot", format="png")
                (FOLDER / f"{name}.png").write_bytes(b64decode(taken["data"]))


if __name__ == "__main__":
    asyncio.run(main())
