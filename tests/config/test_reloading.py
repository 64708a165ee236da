"""Settings read again: service by service, and what is wrong changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoscaler.config import Config, find, load, reload
from autoscaler.config.reloading import Reloaded

ROLE = 'role_arn = "arn:aws:iam::123456789012:role/shop"\n'
SERVICE = """
[services.{key}]
cluster = "c"
service = "{key}"
queues = ["{key}-queue"]
max_tasks = {most}
"""


class File:
    """A settings file that is written anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.environ = {"AUTOSCALER_CONFIG_FILE": str(path)}

    def says(self, text: str) -> None:
        self._path.write_text(text, encoding="utf-8")

    def loaded(self) -> Config:
        self._settings = find(self.environ)
        return load(self.environ)

    def again(self, last: Config, *, confirmed: bool = False) -> Reloaded:
        return reload(self.environ, last, self._settings, confirmed=confirmed)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "settings.toml")


def services(**most: int) -> str:
    return "".join(SERVICE.format(key=key, most=each) for key, each in most.items())


def bounds(config: Config) -> dict[str, int]:
    return {service.ref.key: service.policy.max_tasks for service in config.services}


def test_what_is_right_takes_the_place_of_what_was(file: File) -> None:
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    file.says(services(orders=7, refunds=5, mails=3))
    outcome = file.again(last)
    assert bounds(outcome.config) == {"mails": 3, "orders": 7, "refunds": 5}
    assert (outcome.problems, outcome.kept, outcome.later) == ((), (), ())
    assert (outcome.added, outcome.removed) == (("mails",), ())
    assert [(each.of, each.setting, each.old, each.new) for each in outcome.changes] == [
        ("orders", "max_tasks", "5", "7")
    ]


def test_a_service_goes_only_when_somebody_confirms_it(file: File) -> None:
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    file.says(services(orders=7, mails=3))
    outcome = file.again(last)
    assert outcome.config is last, "the file as a whole waits: where one service is missing, more may be"
    assert not outcome.taken
    assert outcome.waiting is not None
    assert outcome.waiting.services == ("refunds",)
    assert [(problem.where, "SIGHUP" in problem.what) for problem in outcome.problems] == [("refunds", True)]
    outcome = file.again(last, confirmed=True)
    assert bounds(outcome.config) == {"mails": 3, "orders": 7}
    assert (outcome.problems, outcome.waiting, outcome.removed) == ((), None, ("refunds",))


def test_profiles_that_come_and_go_are_named(file: File) -> None:
    profile = "[profiles.batch]\nmode = 'active'\n"
    file.says(services(orders=5))
    last = file.loaded()
    file.says(services(orders=5) + profile)
    outcome = file.again(last)
    assert (outcome.added, outcome.removed) == (("profiles.batch",), ())
    file.loaded()
    file.says(services(orders=5))
    outcome = file.again(last, confirmed=True)
    assert (outcome.added, outcome.removed) == ((), ("profiles.batch",))


@pytest.mark.parametrize(("now", "waits"), [(8, False), (7, False), (6, True), (5, True)])
def test_a_file_with_half_of_its_settings_waits_until_somebody_confirms_it(file: File, now: int, waits: bool) -> None:
    """A service has four settings here; the others are the defaults'."""
    more = [
        "processing_time = '2s'",
        "learn = false",
        "tolerance = 0.2",
        "look_ahead = false",
        "scale_in.small_step_stabilization = '1m'",
    ]
    more += ["stalled_after = '4m'", "count_delayed = true", "backlog_per_task = 5"]
    file.says("[defaults]\n" + "\n".join(more) + services(orders=5))
    last = file.loaded()
    file.says("[defaults]\n" + "\n".join(more[: now - 4]) + services(orders=6))
    outcome = file.again(last)
    assert (outcome.waiting is not None, outcome.taken) == (waits, not waits)
    if outcome.waiting is not None:
        assert (outcome.waiting.now, outcome.waiting.before) == (now, 12)
        assert outcome.config is last
        assert "SIGHUP" in outcome.problems[0].what
    assert bounds(file.again(last, confirmed=True).config) == {"orders": 6}


def test_a_profile_goes_only_when_somebody_confirms_it(file: File) -> None:
    profile = "[profiles.p]\nmode = 'active'\n"
    file.says(profile + services(orders=5))
    last = file.loaded()
    file.says(services(orders=7))
    outcome = file.again(last)
    assert outcome.waiting is not None
    assert outcome.waiting.profiles == ("p",)
    assert "p" in outcome.settings.whole.profiles
    assert "p" not in file.again(last, confirmed=True).settings.whole.profiles


def test_a_file_of_comments_waits_as_well_as_an_empty_one_does(file: File) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    file.says("# nothing\n")
    assert file.again(last).config is last
    file.says("")
    assert file.again(last, confirmed=True).config is last


def test_a_service_that_wants_what_a_wrong_one_has_keeps_its_own(file: File) -> None:
    """`refunds` is wrong and stays on its queue; `orders` moves there, and `mails` to the queue of `orders`."""
    file.says(services(mails=5, orders=5, refunds=5))
    last = file.loaded()
    moved = services(orders=7).replace("orders-queue", "refunds-queue")
    moved += services(mails=7).replace("mails-queue", "orders-queue")
    file.says(SERVICE.format(key="refunds", most=0).replace("refunds-queue", "elsewhere") + moved)
    outcome = file.again(last)
    assert outcome.config.services == last.services
    assert outcome.kept == ("mails", "orders", "refunds")
    assert {problem.where for problem in outcome.problems} >= {"orders", "mails"}


def test_a_service_whose_settings_are_wrong_keeps_the_last_and_the_others_go_on(file: File) -> None:
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    file.says(services(orders=7) + SERVICE.format(key="refunds", most='"many"') + SERVICE.format(key="new", most=-1))
    outcome = file.again(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}, "one that is new and wrong is left out"
    assert outcome.kept == ("refunds",)
    assert outcome.taken
    assert {problem.where for problem in outcome.problems} == {
        "settings.toml: services.refunds.max_tasks",
        "settings.toml: services.new.max_tasks",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "[services",
        "interval = 0\n{}",
        "nonsense = 1\n{}",
        '[defaults]\nmode = "sleepy"\n{}',
        "[profiles.x]\nmax = 1\n{}",
        "[profiles.x]\nregion = 'eu-west-1'\n{}",
    ],
)
def test_what_is_wrong_beyond_one_service_keeps_all_as_it_was(file: File, wrong: str) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    file.says(wrong.replace("{}", services(orders=7)))
    outcome = file.again(last)
    assert outcome.config is last
    assert not outcome.taken
    assert outcome.problems
    assert outcome.kept == ("orders",)


def test_a_file_that_is_gone_keeps_all_as_it_was(file: File, tmp_path: Path) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    (tmp_path / "settings.toml").unlink()
    outcome = file.again(last)
    assert outcome.config is last
    assert "cannot be read" in str(outcome.problems[0])


def test_an_unknown_setting_is_its_services_own_mistake(file: File) -> None:
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    file.says(services(orders=7, refunds=7) + "max_task = 3\n")
    outcome = file.again(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}


def test_nobody_takes_what_a_service_has_that_keeps_its_settings(file: File) -> None:
    """`refunds` is wrong and stays on its queue; `another` would read that queue, too."""
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    other = SERVICE.format(key="another", most=3).replace("another-queue", "refunds-queue")
    file.says(services(orders=7) + SERVICE.format(key="refunds", most=0).replace("refunds-queue", "moved") + other)
    outcome = file.again(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}
    assert any(problem.where == "another" and "refunds" in problem.what for problem in outcome.problems)


def test_the_interval_follows_and_what_needs_another_start_is_told(file: File) -> None:
    file.says("interval = '30s'\n[defaults]\nacceptable_latency = '5m'\n" + services(orders=5))
    last = file.loaded()
    file.says(
        "interval = '20s'\nquiet_interval = '2m'\nhttp_port = 1\n[defaults]\nacceptable_latency = '5m'\n"
        + services(orders=5)
    )
    outcome = file.again(last)
    assert (outcome.config.interval_s, outcome.config.quiet_interval_s) == (20.0, 120.0)
    assert outcome.config.http_port == last.http_port
    assert outcome.later == ("http_port",)


def test_a_service_that_shares_a_cap_may_be_wrong(file: File) -> None:
    cap = "[caps.database]\nmost = 100\nper_task = {orders = 1, refunds = 2}\n"
    file.says(cap + services(orders=5, refunds=5))
    last = file.loaded()
    file.says(cap + services(orders=7) + SERVICE.format(key="refunds", most=-1))
    outcome = file.again(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}
    assert outcome.config.caps == last.caps
    assert outcome.later == ()


@pytest.mark.parametrize(
    "moved", ['region = "eu-west-1"', 'queues = ["arn:aws:sqs:eu-west-1:123456789012:refunds-queue"]']
)
def test_one_thing_by_another_name_is_the_same_thing(file: File, moved: str) -> None:
    """`refunds` is wrong and keeps its service and queue; `another` asks for one of them by a longer name."""
    file.environ["AWS_REGION"] = "eu-west-1"
    file.says(services(orders=5, refunds=5))
    last = file.loaded()
    taken = SERVICE.format(key="another", most=3)
    if "region" in moved:
        taken = taken.replace('service = "another"', f'service = "refunds"\n{moved}')
    else:
        taken = taken.replace('queues = ["another-queue"]', moved)
    broken = SERVICE.format(key="refunds", most=0).replace("refunds-queue", "q").replace('"refunds"', '"elsewhere"')
    file.says(services(orders=7) + broken + taken)
    assert bounds(file.again(last).config) == {"orders": 7, "refunds": 5}


def test_what_a_start_takes_for_two_things_a_reload_does(file: File) -> None:
    """One name in our own account and in another's; `refunds` is wrong and keeps what it has in ours."""
    theirs = SERVICE.format(key="another", most=3).replace("another-queue", "refunds-queue")
    theirs = theirs.replace('service = "another"', 'service = "refunds"') + ROLE
    file.says(services(refunds=5) + theirs)
    last = file.loaded()
    file.says(SERVICE.format(key="refunds", most=-1) + theirs.replace("max_tasks = 3", "max_tasks = 4"))
    assert bounds(file.again(last).config) == {"another": 4, "refunds": 5}


def test_a_number_of_five_thousand_digits_is_no_end_of_the_daemon(file: File) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    file.says("interval = " + "9" * 5000 + "\n" + services(orders=7))
    outcome = file.again(last)
    assert outcome.config is last
    assert "is not TOML" in str(outcome.problems[0])


def test_what_is_no_file_is_not_waited_for(file: File, tmp_path: Path) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    (tmp_path / "settings.toml").unlink()
    os.mkfifo(tmp_path / "settings.toml")
    assert "no regular file" in str(file.again(last).problems[0])


def test_a_shorter_promise_shortens_the_interval_for_everybody(file: File) -> None:
    file.says(services(orders=5))
    last = file.loaded()
    file.says(services(orders=5) + SERVICE.format(key="fast", most=3) + "acceptable_latency = '6s'\n")
    assert file.again(last).config.interval_s == 2.0
