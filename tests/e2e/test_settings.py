"""Settings that are removed while the real daemon runs, tested by its calls and its log."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.e2e.daemon import DaemonProcess, daemon
from tests.e2e.region import MotoProxy
from tests.e2e.test_daemon import free_port, last_write, send, until, world

SHADOW = 'mode = "shadow"\n'
FILE = """interval = "1s"
[services.mails]
cluster = "prod"
service = "mails"
queues = ["mails"]
max_tasks = 3
mode = "shadow"
[services.orders]
cluster = "prod"
service = "orders"
queues = ["orders"]
max_tasks = 20
acceptable_latency = "30s"
backlog_per_task = 17
"""


def polls(observer: MotoProxy) -> int:
    return sum(request.action == "GetQueueAttributes" for request in observer.requests)


async def after_polls(observer: MotoProxy, running: DaemonProcess) -> None:
    """Wait for ten readings of the queues."""
    before = polls(observer)
    await until(lambda: polls(observer) >= before + 10, 60, running)


async def test_a_removed_shadow_mode_writes_nothing_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(FILE + SHADOW)
    async with world() as observer:
        await observer.moto.call("sqs", "CreateQueue", QueueName="mails")
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), {"AUTOSCALER_CONFIG_FILE": str(path)}) as running:
            await until(lambda: bool(running.events("would_scale")), 30, running)
            path.write_text(FILE)
            await until(lambda: bool(running.events("settings_read")), 30, running)
            [missing] = running.events("settings_missing")
            assert missing["level"] == "warning"
            [gap] = missing["settings"]
            assert (gap["of"], gap["setting"], gap["value"]) == ("orders", "mode", "shadow")
            assert running.events("settings_read")[0]["stay"] == ["orders.mode"]
            await after_polls(observer, running)
            assert observer.writes() == []
            path.write_text(FILE + 'mode = "active"\n')
            await until(lambda: last_write(observer) == 18, 30, running)
            [change] = running.events("settings_read")[-1]["changes"]
            assert change == {"of": "orders", "setting": "mode", "old": "shadow", "new": "active"}


async def test_removed_services_are_scaled_until_sighup(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(FILE + 'mode = "active"\n')
    async with world() as observer:
        await observer.moto.call("sqs", "CreateQueue", QueueName="mails")
        async with daemon(observer.url, free_port(), {"AUTOSCALER_CONFIG_FILE": str(path)}) as running:
            await running.until_ready()
            path.write_text(FILE[: FILE.index("[services.orders]")])
            await until(lambda: bool(running.events("settings_wait")), 30, running)
            [wait] = running.events("settings_wait")
            assert (wait["level"], wait["services"]) == ("warning", ["orders"])
            assert "SIGHUP" in wait["remedy"]
            await send(observer, 0, 300)
            await until(lambda: last_write(observer) == 18, 30, running)
            running.process.send_signal(signal.SIGHUP)
            await until(lambda: bool(running.events("settings_read")), 30, running)
            assert running.events("settings_read")[0]["removed"] == ["orders"]
            assert len(running.events("settings_wait")) == 1


async def test_an_address_in_a_tag_is_never_called() -> None:
    called: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        called.append(request.path_qs)
        return web.Response(text="an internal service")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        tags = {"queues": "orders", "max_tasks": "5", "metrics.x.prometheus": url, "metrics.x.query": "up"}
        async with world() as observer:
            await tag(observer, {**tags, "metrics.x.target_value": "1"})
            settings = {"AUTOSCALER_DISCOVER_CLUSTERS": "prod", "AUTOSCALER_INTERVAL": "1s"}
            async with daemon(observer.url, free_port(), settings) as running:
                await until(lambda: bool(running.events("tags_read")), 30, running)
                [wrong] = running.events("tags_wrong")
                assert "autoscaler:metrics.x.prometheus: a tag cannot set metrics" in wrong["problems"][0]
                assert "profile" in wrong["problems"][0]
                assert running.events("tags_read")[0]["services"] == 0
        assert called == []
    finally:
        await runner.cleanup()


async def tag(observer: MotoProxy, tags: dict[str, Any]) -> None:
    answer = await observer.moto.call("ecs", "DescribeServices", cluster="prod", services=["orders"])
    arn = answer["services"][0]["serviceArn"]
    listed = [{"key": f"autoscaler:{name}", "value": value} for name, value in tags.items()]
    await observer.moto.call("ecs", "TagResource", resourceArn=arn, tags=listed)
