"""A reload applies each valid service separately. Invalid settings change nothing."""

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
    """A settings file that a test writes several times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.environ = {"AUTOSCALER_CONFIG_FILE": str(path)}

    def write(self, text: str) -> None:
        self._path.write_text(text, encoding="utf-8")

    def loaded(self) -> Config:
        self._settings = find(self.environ)
        return load(self.environ)

    def reloaded(self, last: Config, *, confirmed: bool = False) -> Reloaded:
        return reload(self.environ, last, self._settings, confirmed=confirmed)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "settings.toml")


def services(**most: int) -> str:
    return "".join(SERVICE.format(key=key, most=each) for key, each in most.items())


def bounds(config: Config) -> dict[str, int]:
    return {service.ref.key: service.policy.max_tasks for service in config.services}


def test_valid_settings_replace_the_last_ones(file: File) -> None:
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    file.write(services(orders=7, refunds=5, mails=3))
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"mails": 3, "orders": 7, "refunds": 5}
    assert (outcome.problems, outcome.retained, outcome.later) == ((), (), ())
    assert (outcome.added, outcome.removed) == (("mails",), ())
    assert [(each.of, each.setting, each.old, each.new) for each in outcome.changes] == [
        ("orders", "max_tasks", "5", "7")
    ]


def test_a_service_is_removed_only_after_confirmation(file: File) -> None:
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    file.write(services(orders=7, mails=3))
    outcome = file.reloaded(last)
    assert outcome.config is last, "the file requires confirmation: if one service is missing, others may be missing"
    assert not outcome.applied
    assert outcome.unconfirmed is not None
    assert outcome.unconfirmed.services == ("refunds",)
    assert [(problem.where, "SIGHUP" in problem.what) for problem in outcome.problems] == [("refunds", True)]
    outcome = file.reloaded(last, confirmed=True)
    assert bounds(outcome.config) == {"mails": 3, "orders": 7}
    assert (outcome.problems, outcome.unconfirmed, outcome.removed) == ((), None, ("refunds",))


def test_added_and_removed_profiles_are_reported(file: File) -> None:
    profile = "[profiles.batch]\nmode = 'active'\n"
    file.write(services(orders=5))
    last = file.loaded()
    file.write(services(orders=5) + profile)
    outcome = file.reloaded(last)
    assert (outcome.added, outcome.removed) == (("profiles.batch",), ())
    file.loaded()
    file.write(services(orders=5))
    outcome = file.reloaded(last, confirmed=True)
    assert (outcome.added, outcome.removed) == ((), ("profiles.batch",))


@pytest.mark.parametrize(("now", "waits"), [(8, False), (7, False), (6, True), (5, True)])
def test_a_file_with_half_of_its_settings_requires_confirmation(file: File, now: int, waits: bool) -> None:
    """The service has four settings here. The others are in the defaults."""
    more = [
        "processing_time = '2s'",
        "learn = false",
        "tolerance = 0.2",
        "look_ahead = false",
        "scale_in.small_step_stabilization = '1m'",
    ]
    more += ["stalled_after = '4m'", "count_delayed = true", "backlog_per_task = 5"]
    file.write("[defaults]\n" + "\n".join(more) + services(orders=5))
    last = file.loaded()
    file.write("[defaults]\n" + "\n".join(more[: now - 4]) + services(orders=6))
    outcome = file.reloaded(last)
    assert (outcome.unconfirmed is not None, outcome.applied) == (waits, not waits)
    if outcome.unconfirmed is not None:
        assert (outcome.unconfirmed.now, outcome.unconfirmed.before) == (now, 12)
        assert outcome.config is last
        assert "SIGHUP" in outcome.problems[0].what
    assert bounds(file.reloaded(last, confirmed=True).config) == {"orders": 6}


def test_a_profile_is_removed_only_after_confirmation(file: File) -> None:
    profile = "[profiles.p]\nmode = 'active'\n"
    file.write(profile + services(orders=5))
    last = file.loaded()
    file.write(services(orders=7))
    outcome = file.reloaded(last)
    assert outcome.unconfirmed is not None
    assert outcome.unconfirmed.profiles == ("p",)
    assert "p" in outcome.settings.whole.profiles
    assert "p" not in file.reloaded(last, confirmed=True).settings.whole.profiles


def test_a_file_of_comments_and_an_empty_file_change_nothing(file: File) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    file.write("# nothing\n")
    assert file.reloaded(last).config is last
    file.write("")
    assert file.reloaded(last, confirmed=True).config is last


def test_a_service_that_moves_to_the_queue_of_an_invalid_service_keeps_its_settings(file: File) -> None:
    """`refunds` is invalid and keeps its queue. `orders` moves to that queue, and `mails` to the queue of `orders`."""
    file.write(services(mails=5, orders=5, refunds=5))
    last = file.loaded()
    moved = services(orders=7).replace("orders-queue", "refunds-queue")
    moved += services(mails=7).replace("mails-queue", "orders-queue")
    file.write(SERVICE.format(key="refunds", most=0).replace("refunds-queue", "elsewhere") + moved)
    outcome = file.reloaded(last)
    assert outcome.config.services == last.services
    assert outcome.retained == ("mails", "orders", "refunds")
    assert {problem.where for problem in outcome.problems} >= {"orders", "mails"}


def test_an_invalid_service_keeps_its_last_settings_and_the_others_are_applied(file: File) -> None:
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    file.write(services(orders=7) + SERVICE.format(key="refunds", most='"many"') + SERVICE.format(key="new", most=-1))
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}, "a new service with invalid settings is left out"
    assert outcome.retained == ("refunds",)
    assert outcome.applied
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
def test_an_error_outside_the_services_changes_nothing(file: File, wrong: str) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    file.write(wrong.replace("{}", services(orders=7)))
    outcome = file.reloaded(last)
    assert outcome.config is last
    assert not outcome.applied
    assert outcome.problems
    assert outcome.retained == ("orders",)


def test_a_deleted_file_changes_nothing(file: File, tmp_path: Path) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    (tmp_path / "settings.toml").unlink()
    outcome = file.reloaded(last)
    assert outcome.config is last
    assert "cannot be read" in str(outcome.problems[0])


def test_an_unknown_setting_of_a_service_affects_only_that_service(file: File) -> None:
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    file.write(services(orders=7, refunds=7) + "max_task = 3\n")
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}


def test_no_service_takes_the_queue_of_a_service_that_keeps_its_settings(file: File) -> None:
    """`refunds` is invalid and keeps its queue. `another` would use the same queue."""
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    other = SERVICE.format(key="another", most=3).replace("another-queue", "refunds-queue")
    file.write(services(orders=7) + SERVICE.format(key="refunds", most=0).replace("refunds-queue", "moved") + other)
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}
    assert any(problem.where == "another" and "refunds" in problem.what for problem in outcome.problems)


def test_the_interval_is_applied_and_a_setting_that_requires_a_restart_is_reported(file: File) -> None:
    file.write("interval = '30s'\n[defaults]\nacceptable_latency = '5m'\n" + services(orders=5))
    last = file.loaded()
    file.write(
        "interval = '20s'\nquiet_interval = '2m'\nhttp_port = 1\n[defaults]\nacceptable_latency = '5m'\n"
        + services(orders=5)
    )
    outcome = file.reloaded(last)
    assert (outcome.config.interval_s, outcome.config.quiet_interval_s) == (20.0, 120.0)
    assert outcome.config.http_port == last.http_port
    assert outcome.later == ("http_port",)


def test_an_invalid_service_does_not_change_its_shared_cap(file: File) -> None:
    cap = "[caps.database]\nmost = 100\nper_task = {orders = 1, refunds = 2}\n"
    file.write(cap + services(orders=5, refunds=5))
    last = file.loaded()
    file.write(cap + services(orders=7) + SERVICE.format(key="refunds", most=-1))
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"orders": 7, "refunds": 5}
    assert outcome.config.caps == last.caps
    assert outcome.later == ()


@pytest.mark.parametrize(
    "moved", ['region = "eu-west-1"', 'queues = ["arn:aws:sqs:eu-west-1:123456789012:refunds-queue"]']
)
def test_a_service_or_queue_in_a_longer_form_is_the_same_service_or_queue(file: File, moved: str) -> None:
    """`refunds` is invalid and keeps its service and queue. `another` names one of them in a longer form."""
    file.environ["AWS_REGION"] = "eu-west-1"
    file.write(services(orders=5, refunds=5))
    last = file.loaded()
    taken = SERVICE.format(key="another", most=3)
    if "region" in moved:
        taken = taken.replace('service = "another"', f'service = "refunds"\n{moved}')
    else:
        taken = taken.replace('queues = ["another-queue"]', moved)
    broken = SERVICE.format(key="refunds", most=0).replace("refunds-queue", "q").replace('"refunds"', '"elsewhere"')
    file.write(services(orders=7) + broken + taken)
    assert bounds(file.reloaded(last).config) == {"orders": 7, "refunds": 5}


def test_the_same_names_in_two_accounts_are_different_in_a_reload_as_at_start(file: File) -> None:
    """The same names exist in two accounts. `refunds` is invalid and keeps its service and queue."""
    theirs = SERVICE.format(key="another", most=3).replace("another-queue", "refunds-queue")
    theirs = theirs.replace('service = "another"', 'service = "refunds"') + ROLE
    file.write(services(refunds=5) + theirs)
    last = file.loaded()
    file.write(SERVICE.format(key="refunds", most=-1) + theirs.replace("max_tasks = 3", "max_tasks = 4"))
    assert bounds(file.reloaded(last).config) == {"another": 4, "refunds": 5}


def test_a_number_of_five_thousand_digits_is_an_error_and_changes_nothing(file: File) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    file.write("interval = " + "9" * 5000 + "\n" + services(orders=7))
    outcome = file.reloaded(last)
    assert outcome.config is last
    assert "invalid TOML" in str(outcome.problems[0])


def test_a_path_that_is_not_a_regular_file_is_rejected_without_waiting(file: File, tmp_path: Path) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    (tmp_path / "settings.toml").unlink()
    os.mkfifo(tmp_path / "settings.toml")
    assert "not a regular file" in str(file.reloaded(last).problems[0])


def test_a_shorter_latency_target_shortens_the_interval_for_all_services(file: File) -> None:
    file.write(services(orders=5))
    last = file.loaded()
    file.write(services(orders=5) + SERVICE.format(key="fast", most=3) + "acceptable_latency = '6s'\n")
    assert file.reloaded(last).config.interval_s == 2.0


def test_no_service_gets_the_queue_of_events_that_the_daemon_still_receives_from(file: File) -> None:
    file.write("event_queue = 'events'\n" + services(orders=5))
    last = file.loaded()
    other = SERVICE.format(key="another", most=3).replace("another-queue", "events")
    file.write("event_queue = 'other-events'\n" + services(orders=7) + other)
    outcome = file.reloaded(last)
    assert bounds(outcome.config) == {"orders": 7}
    assert outcome.later == ("event_queue",)
    assert "until it is restarted" in str(outcome.problems)
