"""The notes of a service, and the signs of a saving on the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autoscaler.assess.assessment import Amount, Assessed, Assessment
from autoscaler.assess.choosing import ChosenQueues
from autoscaler.assess.notes import notes
from autoscaler.assess.page import page
from autoscaler.assess.reading import ReadCluster, ReadService
from autoscaler.assess.recorded import LIVE, CountOfTasks, ServicePast
from autoscaler.assess.replayed import ReplayResult
from autoscaler.aws.operator.survey import FoundService, Span
from autoscaler.pricing import NoPrice

SERVICE = ReadService(
    FoundService("orders", 1, 1, "", {}, {}), ChosenQueues(), NoPrice("no list price"), recorded=None, gaps=()
)
PAST = ServicePast(0.0, CountOfTasks(np.ones(288), LIVE, 0.0), *(np.ones(1440),) * 3, np.ones(288))


@pytest.mark.parametrize(("thinned", "says"), [(2, "1 of 2 messages"), (3, "1 of 3 messages"), (1, "")])
def test_a_thinned_simulation_says_how_many_messages_it_has(thinned: int, says: str) -> None:
    result = ReplayResult((), 24.0, 0.0, 1.0, thinned)
    [note] = [each for each in notes(replace(SERVICE, recorded=PAST), None, result, 5000) if "simulated" in each]
    assert says in note
    assert ("over 300,000 a day" in note) == (thinned > 1)
    assert "th message" not in note


@pytest.mark.parametrize(("hours", "kind"), [(2.0, "gain"), (-2.0, "loss"), (0.0, "")])
def test_a_saving_of_nothing_is_neither_a_gain_nor_a_loss(hours: float, kind: str) -> None:
    now, then = Amount(720.0, None), Amount(720.0 - hours, None)
    one = Assessed(SERVICE, now, then, then, then, 0.0, 0.0, processing=None, replayed=None, notes=())
    read = ReadCluster("prod", "eu-west-1", Span(0.0, 86_400.0), (SERVICE,), (), 3)
    shown = page(Assessment(read, 60.0, (one,)), "autoscaler assess").partition("<tbody>")[2].partition("</tbody>")[0]
    assert [each for each in ("gain", "loss") if f"class={each}" in shown] == ([kind] if kind else [])
