"""A child process gets no AWS or autoscaler setting and no proxy of the user, and it ends with its context."""

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
from autoscaler.demo.play import settings_of
from tests.demo.waiting import until

USER_VARIABLES = [
    *("AWS_PROFILE", "AWS_ENDPOINT_URL_SQS", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "BOTO_CONFIG", "HOME", "PATH", "LANG"),
    *("AUTOSCALER_SERVICE", "AUTOSCALER_CONFIG_FILE", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "SSL_CERT_FILE"),
]
names = st.one_of(
    st.sampled_from(USER_VARIABLES),
    st.text(min_size=1),
)


@settings(deadline=None)
@given(st.dictionaries(names, st.just("the user's")))
def test_a_child_gets_no_aws_setting_no_autoscaler_setting_and_no_proxy_of_the_user(users: Any) -> None:
    own = aws_environment("http://127.0.0.1:1") | settings_of(synthetic_load(20, 0), 2)
    variables = environment(own, users)
    assert own.items() <= variables.items()
    assert {name for name, value in variables.items() if value == "the user's"} <= set(children.INHERITED)
    assert not any(
        name.startswith(("AWS", "AUTOSCALER", "BOTO")) or "PROXY" in name.upper() for name in children.INHERITED
    )
    assert "HOME" not in variables


def test_the_aws_settings_permit_only_the_embedded_region() -> None:
    variables = aws_environment("http://127.0.0.1:1")
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"


async def test_a_child_process_gets_only_the_settings_that_are_passed_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AUTOSCALER_SERVICE", "real")
    code = "import os; print(sorted(n for n in os.environ if n.startswith(('AWS', 'AUTOSCALER'))), flush=True)"
    async with daemon({"AUTOSCALER_CLUSTER": "demo"}, 1, (sys.executable, "-c", code)) as child:
        assert await child.listen() == 0
    assert list(child.tail) == ["['AUTOSCALER_CLUSTER']"]


IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
)


@pytest.mark.parametrize("leave", ["normally", "cancelled"])
async def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch, leave: str) -> None:
    monkeypatch.setattr(children, "ENDS_WITHIN_S", 0.2)
    started = []

    async def run_child() -> None:
        async with daemon({}, 1, (sys.executable, "-c", IGNORES_SIGTERM)) as child:
            started.append(child)
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(child.listen())
                await until(lambda: list(child.tail) == ["here"])
                if leave == "normally":
                    listening.cancel()
                await listening

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_child())
        if leave == "cancelled":
            await until(lambda: bool(started) and list(started[0].tail) == ["here"])
            running.cancel()
    async with asyncio.timeout(20):
        assert await started[0].process.wait() == -9


def test_a_free_port_is_in_the_unprivileged_range() -> None:
    assert 1024 <= free_port() <= 65535


def test_the_daemon_is_configured_with_the_processing_time_of_the_load() -> None:
    load = synthetic_load(120, 0)
    variables = settings_of(load, 9108)
    assert float(variables["AUTOSCALER_PROCESSING_TIME"].rstrip("s")) == pytest.approx(
        load.mean_work_s + 0.25, abs=0.051
    )
    assert variables["AUTOSCALER_MIN_TASKS"] == "0"
