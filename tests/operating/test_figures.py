"""The output of `check`, `doctor`, `explain` and `status` has readable numbers and correct singular forms."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.cli.status import page as rows_page
from autoscaler.config import notes
from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.memory import Memory
from autoscaler.core.model import Observation
from autoscaler.core.policy import Policy
from autoscaler.inspection.explaining import inputs_of
from autoscaler.operating.doctor.plan import planned
from autoscaler.operating.status import Statuses
from autoscaler.situation import encode
from autoscaler.telemetry import StatusStore
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.views import services
from tests.core.strategies import worlds
from tests.operating.settings import config
from tests.telemetry.polls import decided, seen

UNREADABLE = re.compile(r"\d\.\d{4,}|\d(\.\d+)?e[+-]?\d", re.IGNORECASE)
ONE = re.compile(r"(?<![\d.,])(?<!and )1 (tasks|messages|readings|minutes|groups|services)\b")
ODD = st.one_of(
    st.floats(3, 1e6).map(lambda seconds: f"{seconds:.17f}s"),
    st.sampled_from(["200s", "100s", "3.3333333333333335s", "66.66666666666667s", "1000000s"]),
)


def assert_readable(text: str) -> None:
    assert not UNREADABLE.search(text), text
    assert not ONE.search(text), text


@settings(deadline=None)
@given(ODD, ODD, st.integers(1, 7000), st.integers(1, 1000))
def test_check_and_doctor_print_readable_numbers(latency: str, takes: str, most: int, rate: int) -> None:
    of = config(acceptable_latency=latency, processing_time=takes, max_tasks=str(most), launch_per_minute=str(rate))
    for text in notes(of):
        assert_readable(text)
    for found in planned(of, {"orders": 100 / 3}):
        assert_readable(f"{found.text}; {found.remedy}")


def test_the_derived_interval_is_rounded() -> None:
    text = " ".join(notes(config(acceptable_latency="20s")))
    assert "poll interval 6.67 s" in text


@given(worlds())
def test_explain_prints_readable_numbers(world: tuple[Policy, Memory, Observation]) -> None:
    policy, memory, of = world
    for name, value, _ in inputs_of({"situation": encode(policy, of, memory)}):
        assert_readable(f"{name} {value}")
    assert_readable(sentence(policy, decide(policy, memory, of), of))


@given(st.floats(0, 1e6), st.floats(1e-3, 1e6))
def test_status_and_the_page_print_readable_numbers(age_s: float, latency_s: float) -> None:
    poll: Any = decided(seen(backlog=(5, 1, 0)))
    queue = replace(poll.policy.queues[0], acceptable_latency_s=latency_s)
    backlog = replace(poll.observation.queues[0].backlog, oldest_age_s=age_s)
    of = replace(poll.observation, queues=(poll.observation.queues[0]._replace(backlog=backlog),))
    store = StatusStore(lambda: poll.observation.now, lambda: 1_800_000_000.0)
    store.note(replace(poll, policy=replace(poll.policy, queues=(queue,)), observation=of))
    for line in rows_page(Statuses.of(services(store.statuses(), poll.observation.now)["services"], None)):
        assert_readable(line)
    assert_readable(row_of(store.statuses()[0])["reason"])
