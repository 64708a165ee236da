"""Where the start-up time goes: the phases of a task, the quantiles of a revision, the advice, two kinds of starts."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.start_phases import (
    ADVICE,
    LEAST_STARTS,
    LONGEST_S,
    MOST_REVISIONS,
    MOST_TASKS,
    REMEDIES,
    SOON_S,
    STALLED_S,
    RevisionStarts,
    StartedTask,
    StartHealth,
    StartPhase,
    StartTimes,
    start_times,
    task_number,
    two_modes,
    with_started,
)

NOON = 1_795_000_000.0
_ids = count()


def task(
    placing_s: float = 9.0,
    pulling_s: float = 31.0,
    booting_s: float = 8.0,
    *,
    at: float = 0.0,
    revision: str = "orders:7",
    name: str | None = None,
    healthy: bool | None = None,
) -> StartedTask:
    """Return a task with these phases that was created at `at`."""
    created = NOON + at
    begun, ended = created + placing_s, created + placing_s + pulling_s
    return StartedTask(
        task_number(name or f"t{next(_ids)}"), revision, created, ended + booting_s, begun, ended, healthy
    )


def times(*tasks: StartedTask) -> StartTimes:
    return start_times(with_started((), tasks)[-1])


moments = st.none() | st.floats(-50.0, 400.0).map(lambda at: NOON + at)
seconds = st.floats(0.0, 2_000.0)


def test_the_sentence_names_the_median_of_each_phase_and_what_helps_most() -> None:
    found = times(task(), task(), task())
    assert found.sentence == "median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most"
    assert found.basis == "3 starts of orders:7"


@pytest.mark.parametrize("phase", StartPhase)
def test_the_advice_follows_from_the_longest_phase(phase: StartPhase) -> None:
    took = {f"{each}_s": 40.0 if each is phase else 5.0 for each in StartPhase}
    found = times(task(**took))  # type: ignore[arg-type]  # the names are those of the phases
    assert found.longest is phase
    assert found.sentence.endswith(ADVICE[phase])
    assert len({REMEDIES[each] for each in StartPhase}) == 3


def test_a_short_start_needs_no_advice() -> None:
    assert times(task(1.0, 5.0, 3.9)).longest is None
    assert times(task(1.0, 5.0, 4.0)).longest is StartPhase.PULLING


def test_an_unknown_phase_is_named_and_no_advice_is_given_if_it_may_be_the_longest() -> None:
    whole = task(9.0, 31.0, 8.0)
    no_begin = whole._replace(pull_started=None)
    assert [no_begin.took_s(phase) for phase in StartPhase] == [None, None, 8.0]
    assert times(no_begin).sentence == "median 48 s: placing unknown, pulling unknown, 8 booting"
    mostly_booting = task(1.0, 2.0, 40.0)._replace(pull_started=None)
    assert times(mostly_booting).longest is StartPhase.BOOTING


@given(seconds, seconds, seconds)
def test_the_phases_add_up_to_the_whole(placing_s: float, pulling_s: float, booting_s: float) -> None:
    one = task(placing_s, pulling_s, booting_s)
    assert sum(one.took_s(phase) or 0.0 for phase in StartPhase) == pytest.approx(one.whole_s, abs=1e-5)


@given(moments, moments, st.floats(0.0, 300.0))
def test_a_phase_is_never_negative_and_never_longer_than_the_whole(
    begun: float | None, ended: float | None, whole_s: float
) -> None:
    """Times that are absent are unknown; they are never counted as zero or as the rest."""
    one = StartedTask(1, "orders:7", NOON, NOON + whole_s, begun, ended)
    assert one.is_consistent == (with_started((), [one]) != ())
    if not one.is_consistent:
        return
    known = [took_s for phase in StartPhase if (took_s := one.took_s(phase)) is not None]
    assert all(0 <= took_s <= one.whole_s for took_s in known)
    assert sum(known) <= one.whole_s + 1e-5
    if len(known) == len(StartPhase):
        assert begun is not None
        assert ended is not None
        assert NOON <= begun <= ended <= one.started
    for name in ("pull_started", "pull_stopped"):
        less = one._replace(pull_started=None) if name == "pull_started" else one._replace(pull_stopped=None)
        assert all(
            less.took_s(phase) in {None, one.took_s(phase)} for phase in StartPhase if one.took_s(phase) is not None
        )


@given(st.lists(st.tuples(seconds, seconds, seconds), min_size=1, max_size=20), st.integers(0, 20))
def test_an_unknown_time_never_shortens_a_phase_or_the_whole(
    each: list[tuple[float, float, float]], unknown: int
) -> None:
    """A task without pull times leaves the quantiles of the phases as the others have them."""
    tasks = [task(*one, at=10.0 * at) for at, one in enumerate(each)]
    untimed = [one._replace(pull_started=None, pull_stopped=None) for one in tasks[:unknown]]
    found, alone = times(*untimed, *tasks[unknown:]), dict(times(*tasks[unknown:]).phases) if tasks[unknown:] else {}
    assert dict(found.phases) == alone
    assert found.whole == times(*tasks).whole


@given(st.lists(st.tuples(seconds, st.sampled_from(["a:1", "a:2", "a:3", "a:4"])), max_size=30), st.randoms())
def test_the_order_and_the_parts_in_which_tasks_are_read_make_no_difference(
    each: list[tuple[float, str]], rng: random.Random
) -> None:
    tasks = [task(took_s, at=7.0 * at, revision=name) for at, (took_s, name) in enumerate(each)]
    known = with_started((), tasks)
    mixed = rng.sample(tasks, len(tasks))
    assert with_started((), mixed) == known
    assert with_started(known, mixed) == known, "one task counts once"


def test_a_task_counts_with_its_first_reading() -> None:
    known = with_started((), [task(name="t", healthy=None)])
    again = with_started(known, [task(name="t", placing_s=500.0)])
    assert again == known


def test_the_newest_tasks_of_the_newest_revisions_are_stored() -> None:
    known: tuple[RevisionStarts, ...] = ()
    for revision in range(1, 6):
        many = [task(at=1e4 * revision + 10.0 * each, revision=f"a:{revision}") for each in range(MOST_TASKS + 9)]
        known = with_started(known, many)
    assert [each.revision for each in known] == ["a:3", "a:4", "a:5"]
    assert len(known) == MOST_REVISIONS
    assert [len(each.tasks) for each in known] == [MOST_TASKS] * MOST_REVISIONS
    assert known[-1].tasks[0].created == NOON + 5e4 + 10.0 * 9


def test_an_impossible_start_is_left_out() -> None:
    assert with_started((), [task()._replace(started=NOON - 1.0)]) == ()


def test_quantiles() -> None:
    found = times(*(task(0.0, 0.0, float(each)) for each in range(1, 11)))
    assert (found.whole.median_s, found.whole.p90_s, found.whole.tasks) == (5.5, 10.0, 10)


def test_health_is_counted_only_where_it_is_known() -> None:
    """A reading long after the start says nothing about how soon a task was healthy."""
    each = [task(healthy=healthy)._replace(read_after_s=20.0) for healthy in (True, True, False, None)]
    late = task(healthy=True)._replace(read_after_s=SOON_S)
    assert times(*each, late, task(healthy=True)).health == StartHealth(2, 1, 4, 20.0)
    assert times(late, task(healthy=True)).health is None
    assert times(task()._replace(read_after_s=20.0)).health is None, "it has no health checks"
    sentence = "health checks: 2 of 4 tasks healthy, 1 unhealthy, read 20 s after they ran (median)"
    assert StartHealth(2, 1, 4, 20.0).sentence == sentence


def test_what_is_stored_is_what_was_read() -> None:
    each = [
        task(at=1.0, healthy=True)._replace(read_after_s=0.1),
        task(at=2.0, healthy=False)._replace(pull_started=None),
        task(at=3.0)._replace(pull_stopped=None),
    ]
    assert with_started((), each)[-1].tasks == tuple(each)


@pytest.mark.parametrize(
    ("one", "teaches"),
    [
        (task(STALLED_S, 1.0, 1.0), True),
        (task(STALLED_S + 0.5, 1.0, 1.0), False),
        (task(1.0, 1.0, LONGEST_S - 2.0), True),
        (task(1.0, 1.0, LONGEST_S - 1.5), False),
        (task(1.0, STALLED_S, 1.0)._replace(pull_started=None), False),
    ],
)
def test_a_start_without_capacity_teaches_nothing_about_the_next_one(one: StartedTask, teaches: bool) -> None:
    assert (one.typical_s is not None) is teaches
    assert one.whole_s == times(one).whole.median_s, "people see it all the same"


# Two kinds of starts.


def drawn(rng: random.Random, share: float, fast_s: float, slow_s: float, many: int) -> list[float]:
    return [rng.lognormvariate(0.0, 0.25) * (slow_s if each < share * many else fast_s) for each in range(many)]


@pytest.mark.parametrize(("share", "fast_s", "slow_s"), [(0.3, 6.0, 180.0), (0.1, 10.0, 120.0), (0.8, 8.0, 150.0)])
def test_fast_and_slow_starts_are_two_kinds(share: float, fast_s: float, slow_s: float) -> None:
    for seed in range(100):
        found = two_modes(drawn(random.Random(seed), share, fast_s, slow_s, 64))
        assert found is not None
        assert found.slow_share == pytest.approx(share, abs=0.02)
        assert found.fast_s < found.limit_s < found.slow_s
        assert found.fast_s == pytest.approx(fast_s, rel=0.3)
        assert found.slow_s == pytest.approx(slow_s, rel=0.5)


ONE_KIND: dict[str, Callable[[random.Random], float]] = {
    "uniform": lambda rng: rng.uniform(5.0, 60.0),
    "normal": lambda rng: max(1.0, rng.gauss(45.0, 10.0)),
    "lognormal": lambda rng: rng.lognormvariate(3.5, 0.5),
    "exponential": lambda rng: 5.0 + rng.expovariate(1 / 40),
    "uniform logarithms": lambda rng: exp(rng.uniform(1.0, 5.0)),
}


@pytest.mark.parametrize("name", ONE_KIND)
def test_times_of_one_kind_are_seldom_taken_for_two(name: str) -> None:
    found = [two_modes([ONE_KIND[name](random.Random(f"{seed} {each}")) for each in range(64)]) for seed in range(200)]
    assert sum(each is not None for each in found) <= 2


def test_a_few_starts_are_never_taken_for_two_kinds() -> None:
    many = drawn(random.Random(1), 0.4, 6.0, 180.0, LEAST_STARTS - 1)
    assert two_modes(many) is None
    assert two_modes([*many, 6.0]) is not None
    assert two_modes([5.0] * 62 + [180.0] * 2) is None, "two slow starts are exceptions"
    assert two_modes([5.0] * 61 + [180.0] * 3) is not None
    assert two_modes([40.0] * 64) is None


def test_a_difference_that_changes_no_plan_is_none() -> None:
    assert two_modes([1.0] * 32 + [10.9] * 32) is None
    assert two_modes([60.0] * 32 + [110.0] * 32) is None
    assert two_modes([1.0] * 32 + [11.1] * 32) is not None
    assert two_modes([60.0] * 32 + [121.0] * 32) is not None


def test_the_sentence_names_both_kinds() -> None:
    found = times(*(task(1.0, 2.0, 3.0) for _ in range(28)), *(task(170.0, 2.0, 8.0) for _ in range(12)))
    assert "30 % of the starts take about 180 s, the others 6 s" in found.sentence
