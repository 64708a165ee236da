"""Services: counts, deployments and tags are read, unscalable services are refused, only the count is written."""

from __future__ import annotations

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.aws.rollouts import MOST_DEPLOYMENTS, MOST_REASON
from autoscaler.core.model import ActiveDeployment, Deployment, Fleet, Missing, Revision, ZoneRebalancing
from autoscaler.errors import AutoscalerError, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import ServiceRef, Urgency
from tests.about import about
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies

REF = ServiceRef("shop", "prod", "orders")
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders"


def deployment(status: str = "PRIMARY", age_s: float = 500, **fields: object) -> dict[str, object]:
    return {"status": status, "createdAt": Spies().wall_s - age_s, **fields}


def service(**changed: object) -> dict[str, object]:
    """A service as ECS describes it. A field that is changed to None is left out."""
    fields = {
        "serviceName": "orders",
        "status": "ACTIVE",
        "schedulingStrategy": "REPLICA",
        "desiredCount": 5,
        "runningCount": 4,
        "pendingCount": 1,
        "deployments": [deployment(rolloutState="COMPLETED")],
        **changed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def described(**changed: object) -> AwsReply:
    return ok({"services": [service(**changed)], "failures": []})


async def read(aws: Aws, double: AwsDouble, reply: AwsReply) -> Fleet | Missing:
    double.on("DescribeServices", reply)
    return await aws.fleets.read(REF)


async def refusal(aws: Aws, double: AwsDouble, reply: AwsReply) -> Missing:
    reading = await read(aws, double, reply)
    assert isinstance(reading, Missing)
    assert "shop (prod/orders) in eu-west-1" in reading.reason
    return reading


async def test_each_count_is_read_from_its_field(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    assert await read(aws, double, described()) == Fleet(desired=5, running=4, pending=1, at=spies.now_s)
    assert double.seen[0].body == {"cluster": "prod", "services": ["orders"], "include": ["TAGS"]}


@pytest.mark.parametrize("created", [1e300, -1e300, float("inf"), "soon", [], {}])
async def test_an_absurd_timestamp_does_not_end_the_process(aws: Aws, double: AwsDouble, created: object) -> None:
    deployments = [{"id": "a", "status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": created}]
    assert (await refusal(aws, double, described(deployments=deployments))).kind in {"unreadable", "unavailable"}


async def test_a_reading_has_the_time_of_its_request(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    def later(_: object) -> AwsReply:
        spies.pass_s(3)
        return described()

    requested_at = spies.now_s
    double.on("DescribeServices", later)
    reading = await aws.fleets.read(REF)
    assert isinstance(reading, Fleet)
    assert reading.at == requested_at


@pytest.mark.parametrize("name", ["desiredCount", "runningCount", "pendingCount"])
@pytest.mark.parametrize("nonsense", [None, -1, 1.5, 2**31, "5", True, [], {}, float("nan"), float("inf")])
async def test_an_invalid_count_is_missing(aws: Aws, double: AwsDouble, name: str, nonsense: object) -> None:
    reading = await refusal(aws, double, described(**{name: nonsense}))
    assert reading.kind == "unreadable"
    assert name in reading.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"services": []}',
        b'{"services": null}',
        b'{"services": 3}',
        b'{"services": ["x"]}',
        b'{"services": [{}]}',
        b'{"services": {"a": 1}}',
        b'{"services": [[]]}',
    ],
)
async def test_a_malformed_response_is_missing(aws: Aws, double: AwsDouble, body: bytes) -> None:
    assert (await refusal(aws, double, AwsReply(body))).kind in {"unreadable", "unavailable"}


async def test_the_description_of_another_service_is_not_accepted(aws: Aws, double: AwsDouble) -> None:
    assert (await refusal(aws, double, described(serviceName="invoices"))).kind == "unreadable"


async def test_the_service_is_found_in_a_longer_response(aws: Aws, double: AwsDouble) -> None:
    both = [service(serviceName="invoices", desiredCount=9), service()]
    failures = [{"arn": ARN.replace("orders", "returns"), "reason": "MISSING"}]
    reading = await read(aws, double, ok({"services": both, "failures": failures}))
    assert isinstance(reading, Fleet)
    assert reading.desired == 5


async def test_an_unknown_service_is_not_found(aws: Aws, double: AwsDouble) -> None:
    reply = ok({"services": [], "failures": [{"arn": ARN, "reason": "MISSING"}]})
    reading = await refusal(aws, double, reply)
    assert reading.kind == "not_found"
    assert "AUTOSCALER_SERVICE" in reading.reason


async def test_another_failure_is_refused_with_its_reason(aws: Aws, double: AwsDouble) -> None:
    reply = ok({"services": [], "failures": [{"arn": ARN, "reason": "ODD", "detail": "very"}]})
    reading = await refusal(aws, double, reply)
    assert reading.kind == "refused"
    assert "ODD: very" in reading.reason


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"status": "DRAINING"}, "DRAINING"),
        ({"status": "INACTIVE"}, "INACTIVE"),
        ({"schedulingStrategy": "DAEMON"}, "DAEMON"),
        ({"resourceManagementType": "ECS"}, "managed by ECS"),
    ],
)
async def test_a_service_that_cannot_be_scaled_is_refused(
    aws: Aws, double: AwsDouble, changed: dict[str, object], word: str
) -> None:
    reading = await refusal(aws, double, described(**changed))
    assert reading.kind == "refused"
    assert word in reading.reason
    assert "settings" in reading.reason


@pytest.mark.parametrize("changed", [{"schedulingStrategy": None}, {"resourceManagementType": "CUSTOMER"}])
async def test_optional_fields_may_be_absent(aws: Aws, double: AwsDouble, changed: dict[str, object]) -> None:
    assert isinstance(await read(aws, double, described(**changed)), Fleet)


async def test_a_service_without_a_status_is_unreadable(aws: Aws, double: AwsDouble) -> None:
    assert (await refusal(aws, double, described(status=None))).kind == "unreadable"


def task_set(status: str = "PRIMARY", stability: str = "STEADY_STATE", age_s: float = 500) -> dict[str, object]:
    return deployment(status, age_s, stabilityStatus=stability)


def by(controller: str, *task_sets: dict[str, object]) -> dict[str, object]:
    return {"deploymentController": {"type": controller}, "deployments": [], "taskSets": list(task_sets)}


NATIVE = ["BLUE_GREEN", "LINEAR", "CANARY"]
OLD = deployment("ACTIVE", 604_800, rolloutState="COMPLETED")
OLD_PRIMARY = deployment("PRIMARY", 604_800, rolloutState="COMPLETED")


def native(strategy: str, *deployments: dict[str, object]) -> dict[str, object]:
    """A deployment of ECS with this strategy: the controller is ECS, and `deployments` contains both revisions."""
    controller = {"deploymentController": {"type": "ECS"}, "deploymentConfiguration": {"strategy": strategy}}
    return controller | {"deployments": list(deployments)}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"deployments": [deployment()]},
        {"deploymentController": {"type": "ECS"}},
        {"deployments": [deployment(rolloutState="FAILED")]},
        {"deployments": [deployment(rolloutState="FAILED"), deployment("ACTIVE", 900, rolloutState="COMPLETED")]},
        {"deployments": [deployment(rolloutState="COMPLETED"), deployment("INACTIVE", 900)]},
        {"deployments": [deployment(rolloutState="FAILED"), deployment("ACTIVE", 900, rolloutState="IN_PROGRESS")]},
        {"deployments": []},
        by("CODE_DEPLOY", task_set()),
        by("EXTERNAL"),
        by("CODE_DEPLOY", task_set("DRAINING", "STABILIZING")),
        by("EXTERNAL", task_set()),
        by("CODE_DEPLOY") | {"deployments": None},
        native("BLUE_GREEN", deployment(rolloutState="COMPLETED")),
        native("LINEAR", deployment(rolloutState="FAILED"), deployment("ACTIVE", 900, rolloutState="COMPLETED")),
    ],
)
async def test_no_deployment_is_in_progress(aws: Aws, double: AwsDouble, changed: dict[str, object]) -> None:
    reading = await read(aws, double, described(**changed))
    assert isinstance(reading, Fleet)
    assert reading.deployment is None


@pytest.mark.parametrize(
    "changed",
    [
        {"deployments": [deployment(rolloutState="IN_PROGRESS")]},
        {"deployments": [deployment(rolloutState="IN_PROGRESS"), deployment("ACTIVE", 900, rolloutState="COMPLETED")]},
        {"deployments": [deployment("ACTIVE", 900), deployment("PRIMARY")]},
        {"deployments": [deployment("ACTIVE", 900), deployment("ACTIVE", 500)]},
        {"deployments": [deployment("PRIMARY", 900), deployment("ACTIVE", 500)]},
        {"deployments": [deployment(rolloutState="IN_PROGRESS", failedTasks=2)]},
        {"deployments": [deployment(rolloutState="IN_PROGRESS"), deployment("ACTIVE", 900, rolloutState="FAILED")]},
        *(native(kind, deployment(rolloutState="IN_PROGRESS")) for kind in NATIVE),
        *(native(kind, deployment(rolloutState="IN_PROGRESS"), OLD) for kind in NATIVE),
        *(native(kind, deployment("ACTIVE", rolloutState="IN_PROGRESS"), OLD_PRIMARY) for kind in NATIVE),
        by("CODE_DEPLOY", task_set(), task_set("ACTIVE", age_s=900)),
        by("CODE_DEPLOY", task_set(), task_set("DRAINING", age_s=900)),
        by("CODE_DEPLOY", task_set(stability="STABILIZING")),
        by("EXTERNAL", task_set("ACTIVE", "STABILIZING")),
        by("EXTERNAL", task_set(), task_set("ACTIVE", "STABILIZING", age_s=900)),
        # until the traffic is shifted, the old task set is the primary one
        by("CODE_DEPLOY", task_set(age_s=604_800), task_set("ACTIVE")),
        by("EXTERNAL", task_set(age_s=604_800), task_set("ACTIVE", "STABILIZING")),
    ],
)
async def test_a_deployment_in_progress_began_with_its_newest_revision(
    aws: Aws, double: AwsDouble, spies: Spies, changed: dict[str, object]
) -> None:
    reading = await read(aws, double, described(**changed))
    assert isinstance(reading, Fleet)
    assert reading.deployment == Deployment(about(spies.now_s - 500))


async def test_a_deployment_with_a_future_time_began_now(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    ahead = deployment(age_s=-3600, rolloutState="IN_PROGRESS")
    reading = await read(aws, double, described(deployments=[ahead]))
    assert isinstance(reading, Fleet)
    assert reading.deployment == Deployment(spies.now_s)


@pytest.mark.parametrize(
    "deployments",
    [
        None,
        ["x"],
        [{"createdAt": 1}],
        [{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}],
        [deployment(rolloutState="IN_PROGRESS", createdAt="yesterday")],
        [deployment(rolloutState=5)],
        "x",
    ],
)
async def test_an_unreadable_deployment_makes_the_reading_missing(
    aws: Aws, double: AwsDouble, deployments: object
) -> None:
    assert (await refusal(aws, double, described(deployments=deployments))).kind in {"unreadable", "unavailable"}


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        (None, None),
        ([], None),
        ([{"key": "team", "value": "all"}], None),
        ([{"key": "Autoscaler:Paused", "value": "all"}], None),
        ([{"key": "team", "value": "x"}, {"key": "autoscaler:paused", "value": "all"}], "all"),
        ([{"key": "autoscaler:paused", "value": "in until 2027-01-15T08:00:00Z"}], "in until 2027-01-15T08:00:00Z"),
        ([{"key": "autoscaler:paused", "value": "3"}], "3"),
        ([{"key": "autoscaler:paused", "value": ""}], ""),
        ([{"key": "autoscaler:paused"}], ""),
        ([{"key": "autoscaler:paused", "value": "all\nyes"}], "all yes"),
    ],
)
async def test_the_pause_tag_is_read_by_its_exact_key(
    aws: Aws, double: AwsDouble, tags: object, value: str | None
) -> None:
    reading = await read(aws, double, described(tags=tags))
    assert isinstance(reading, Fleet)
    assert reading.pause_tag == value


@pytest.mark.parametrize(
    "tags",
    [
        "x",
        ["x"],
        [{}],
        [{"value": "all"}],
        [{"key": 5, "value": "all"}],
        [{"key": "autoscaler:paused", "value": 5}],
        [{"key": "autoscaler:paused", "value": ["all"]}],
    ],
)
async def test_unreadable_tags_are_not_absent_tags(aws: Aws, double: AwsDouble, tags: object) -> None:
    assert (await refusal(aws, double, described(tags=tags))).kind in {"unreadable", "unavailable"}


async def test_a_failed_read_is_not_an_absent_tag(aws: Aws, double: AwsDouble) -> None:
    assert (await refusal(aws, double, fault("AccessDeniedException"))).kind == "denied"


async def test_a_write_contains_only_cluster_service_and_count(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("UpdateService", ok({"service": service(desiredCount=7)}))
    assert await aws.fleets.scale_to(REF, 7, Urgency.SCALE_OUT) is not None
    assert [seen.body for seen in double.seen] == [{"cluster": "prod", "service": "orders", "desiredCount": 7}]
    assert spies.outcomes == [("ecs:UpdateService", "ok")]


async def test_an_accepted_write_says_how_new_its_response_is(aws: Aws, double: AwsDouble) -> None:
    primary = {"id": "a", "status": "PRIMARY", "createdAt": 1_800_000_000, "updatedAt": 1_800_000_100.5}
    events = [{"createdAt": 1_800_000_050, "message": "(service orders) has started 1 tasks"}]
    double.on("UpdateService", ok({"service": service(desiredCount=7, deployments=[primary], events=events)}))
    accepted = await aws.fleets.scale_to(REF, 7, Urgency.SCALE_OUT)
    assert accepted == Revision(1_800_000_000.0, 1_800_000_100.5, 1_800_000_050.0)


@pytest.mark.parametrize("deployments", [None, [], [{"status": "PRIMARY"}]])
async def test_a_response_to_a_write_without_times_is_accepted(
    aws: Aws, double: AwsDouble, deployments: object
) -> None:
    double.on("UpdateService", ok({"service": service(desiredCount=7, deployments=deployments)}))
    assert await aws.fleets.scale_to(REF, 7, Urgency.SCALE_OUT) == Revision()


async def test_zero_tasks_can_be_desired(aws: Aws, double: AwsDouble) -> None:
    double.on("UpdateService", ok({"service": service(desiredCount=0)}))
    await aws.fleets.scale_to(REF, 0, Urgency.SCALE_OUT)
    assert double.seen[0].body["desiredCount"] == 0


async def test_a_negative_count_is_a_bug(aws: Aws, double: AwsDouble) -> None:
    with pytest.raises(ValueError, match="-1"):
        await aws.fleets.scale_to(REF, -1, Urgency.SCALE_OUT)
    assert double.seen == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (fault("ServiceNotFoundException"), NotFound),
        (fault("ClusterNotFoundException"), NotFound),
        (fault("ServiceNotActiveException"), Refused),
        (
            fault("InvalidParameterException", "The daemon scheduling strategy does not support a desired count"),
            Refused,
        ),
        (fault("ThrottlingException", "Rate exceeded"), Throttled),
        (fault("ServerException", status=500), Unavailable),
        (ok({}), Unavailable),
        (ok({"service": {}}), Unavailable),
        (ok({"service": None}), Unavailable),
        (ok({"service": service(desiredCount=6)}), Unavailable),
        (ok({"service": service(desiredCount="7")}), Unavailable),
        (AwsReply(b"garbage"), Unavailable),
        (AwsReply(b"[]"), Unavailable),
    ],
)
async def test_an_unconfirmed_write_raises(
    aws: Aws, double: AwsDouble, reply: AwsReply, error: type[AutoscalerError]
) -> None:
    double.on("UpdateService", reply)
    with pytest.raises(error) as caught:
        await aws.fleets.scale_to(REF, 7, Urgency.SCALE_OUT)
    assert caught.value.kind == error.kind
    assert "shop (prod/orders) in eu-west-1" in str(caught.value)


async def test_reads_and_writes_are_rate_limited_separately(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("DescribeServices", described())
    double.on("UpdateService", fault("ThrottlingException"))
    with pytest.raises(Throttled):
        await aws.fleets.scale_to(REF, 7, Urgency.SCALE_OUT)
    assert isinstance(await aws.fleets.read(REF), Fleet)
    assert [(word, category.value) for word, category, _ in spies.limiter_calls] == [
        ("admitted", "ecs_service_modify"),
        ("throttled", "ecs_service_modify"),
        ("admitted", "ecs_service_read"),
        ("succeeded", "ecs_service_read"),
    ]


# Deployments and zone rebalancing, for reports: a malformed value fails no reading.


async def fleet(aws: Aws, double: AwsDouble, **changed: object) -> Fleet:
    reading = await read(aws, double, described(**changed))
    assert isinstance(reading, Fleet), reading
    return reading


async def test_each_deployment_is_read_with_its_counts_and_its_state_newest_first(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    new = deployment(
        rolloutState="IN_PROGRESS", rolloutStateReason="ECS deployment ecs-svc/1 in progress.", desiredCount=10,
        runningCount=3, pendingCount=2, failedTasks=1, taskDefinition="arn:aws:ecs:eu-west-1:1:task-definition/web:8",
    )  # fmt: skip
    old = deployment("ACTIVE", 900, rolloutState="COMPLETED", runningCount=7, taskDefinition="web:7")
    found = (await fleet(aws, double, deployments=[old, new])).deployments
    assert found == (
        ActiveDeployment(
            "PRIMARY", "IN_PROGRESS", "ECS deployment ecs-svc/1 in progress.", "web:8", about(spies.now_s - 500),
            desired=10, running=3, pending=2, failed=1,
        ),
        ActiveDeployment("ACTIVE", "COMPLETED", "", "web:7", about(spies.now_s - 900), running=7),
    )  # fmt: skip


@pytest.mark.parametrize(
    "nonsense",
    [
        {"runningCount": "3"}, {"runningCount": -3}, {"runningCount": True}, {"rolloutStateReason": 7},
        {"taskDefinition": ["x"]}, {"failedTasks": None}, {"desiredCount": 1.5},
    ],
)  # fmt: skip
async def test_a_malformed_value_of_a_deployment_is_left_out(
    aws: Aws, double: AwsDouble, nonsense: dict[str, object]
) -> None:
    [found] = (
        await fleet(aws, double, deployments=[deployment() | {"rolloutState": "COMPLETED"} | nonsense])
    ).deployments
    assert (found.status, found.desired, found.running, found.failed) == ("PRIMARY", 0, 0, 0)
    assert (found.reason, found.definition) == ("", "")


async def test_long_lists_and_texts_of_deployments_are_bounded(aws: Aws, double: AwsDouble) -> None:
    many = [deployment("ACTIVE", rolloutState="COMPLETED", rolloutStateReason="x" * 9_000) for _ in range(300)]
    found = (await fleet(aws, double, deployments=many)).deployments
    assert len(found) == MOST_DEPLOYMENTS
    assert max(len(one.reason) for one in found) <= MOST_REASON


@pytest.mark.parametrize(
    ("said", "enabled"), [("ENABLED", True), ("DISABLED", False), (None, None), ("SOMETIMES", None), (1, None)]
)
async def test_zone_rebalancing_is_on_off_or_unknown(
    aws: Aws, double: AwsDouble, said: object, enabled: bool | None
) -> None:
    assert (await fleet(aws, double, availabilityZoneRebalancing=said)).rebalancing == ZoneRebalancing(enabled)


def event(age_s: float, text: object) -> dict[str, object]:
    return {"id": "1", "createdAt": Spies().wall_s - age_s, "message": text}


STARTED = (
    "(service orders) is not AZ balanced with 3 tasks in eu-west-1a and 1 in eu-west-1b. AZ Rebalancing in progress."
)
MOVED = "(service orders) has started 1 tasks in eu-west-1b to AZ Rebalance: (task 0a1b)."
BALANCED = "(service orders) is AZ balanced with 2 tasks in eu-west-1a and 2 in eu-west-1b."
STEADY = "(service orders) has reached a steady state."


@pytest.mark.parametrize(
    ("events", "since_s"),
    [
        ([event(30, STARTED)], 30),
        ([event(20, MOVED), event(30, STARTED)], 20),
        ([event(20, "(service orders) SERVICE_REBALANCING_STARTED")], 20),
        ([event(899, STARTED)], 899),
        ([event(901, STARTED)], None),
        ([event(10, BALANCED), event(30, STARTED)], None),
        ([event(10, STEADY), event(30, STARTED)], None),
        ([event(10, "(service orders) SERVICE_REBALANCING_STOPPED"), event(30, STARTED)], None),
        ([event(10, STARTED), event(30, BALANCED)], 10),
        ([event(30, "(service rebalancer) has started 1 tasks: (task rebalancer/0a1b).")], None),
        ([event(30, 7), {"message": STARTED}], None),
        ([], None),
    ],
)
async def test_a_rebalancing_lasts_from_its_newest_event_to_that_of_its_end(
    aws: Aws, double: AwsDouble, spies: Spies, events: list[object], since_s: float | None
) -> None:
    moved_at = (await fleet(aws, double, events=events)).rebalancing.moved_at
    assert moved_at == (None if since_s is None else about(spies.now_s - since_s))
