"""A child sees nothing of the user's accounts, and is gone when its context is left."""

import asyncio
import os
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.demo import children
from autoscaler.demo.children import aws_environment, daemon, environment, free_port
from autoscaler.demo.load import synthetic_load
from autoscaler.demo.settings import settings_of
from tests.demo.waiting import until

HOSTILE = [
    *("AWS_PROFILE", "AWS_ENDPOINT_URL_SQS", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "BOTO_CONFIG", "HOME", "PATH", "LANG"),
    *("AUTOSCALER_SERVICE", "AUTOSCALER_CONFIG_FILE", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE"),
]
names = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(min_size=1),
)


@settings(deadline=None)
@given(st.dictionaries(names, st.just("the user's")))
def test_nothing_of_the_users_accounts_settings_or_proxies_is_passed_on(users: Any) -> None:
    own = aws_environment("http://127.0.0.1:1") | settings_of(synthetic_load(20, 0), 2)
    seen = environment(own, users)
    assert own.items() <= seen.items()
    assert {name for name, value in seen.items() if value == "the user's"} <= set(children.INHERITED)
    assert not any(
        name.startswith(("AWS", "AUTOSCALER", "BOTO")) or "PROXY" in name.upper() for name in children.INHERITED
    )
    assert "HOME" not in seen


def test_the_embedded_region_is_the_only_aws_there_is() -> None:
    seen = aws_environment("http://127.0.0.1:1")
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert seen["AWS_CONFIG_FILE"] == seen["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert seen["AWS_EC2_METADATA_DISABLED"] == "true"


async def test_a_real_child_sees_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AUTOSCALER_SERVICE", "real")
    code = "import os; print(sorted(n for n in os.environ if n.startswith(('AWS', 'AUTOSCALER'))), flush=True)"
    async with daemon({"AUTOSCALER_CLUSTER": "demo"}, 1, (sys.executable, "-c", code)) as child:
        assert await child.listen() == 0
    assert list(child.tail) == ["['AUTOSCALER_CLUSTER']"]


STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)


@pytest.mark.parametrize("leave", ["normally", "cancelled"])
async def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch, leave: str) -> None:
    monkeypatch.setattr(children, "ENDS_WITHIN_S", 0.2)
    seen = []

    async def live() -> None:
        async with daemon({}, 1, (sys.executable, "-c", STUBBORN)) as child:
            seen.append(child)
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(child.listen())
                await until(lambda: list(child.tail) == ["here"])
                if leave == "normally":
                    listening.cancel()
                await listening

    async with asyncio.TaskGroup() as group:
        life = group.create_task(live())
        if leave == "cancelled":
            await until(lambda: bool(seen) and list(seen[0].tail) == ["here"])
            life.cancel()
    async with asyncio.timeout(20):
        assert await seen[0].process.wait() == -9


def test_a_free_port_is_free() -> None:
    assert 1024 <= free_port() <= 65535


def test_the_daemon_is_told_what_the_load_really_takes() -> None:
    load = synthetic_load(120, 0)
    told = settings_of(load, 9108)
    assert float(told["AUTOSCALER_PROCESSING_TIME"].rstrip("s")) == pytest.approx(load.mean_work_s + 0.25, abs=0.051)
    assert told["AUTOSCALER_MIN_TASKS"] == "0"
