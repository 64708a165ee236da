"""Two accounts and two Regions: a call as a role reads and changes only the role's account."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Backlog, Fleet, Missing, Utilization
from autoscaler.ports import Place, QueueRef, Role, ServiceRef, Urgency
from tests.aws.spies import Spies, connected
from tests.fakeaws import ACCOUNT, REGION, FakeAws, StillClock, serving

OTHER = "222222222222"
ROLE = Role(f"arn:aws:iam::{OTHER}:role/autoscaler", "shop")
ELSEWHERE = "us-east-1"

PLACES = {
    (ACCOUNT, REGION): Place(),
    (ACCOUNT, ELSEWHERE): Place(ELSEWHERE),
    (OTHER, REGION): Place(None, ROLE),
    (OTHER, ELSEWHERE): Place(ELSEWHERE, ROLE),
}


@pytest_asyncio.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAws]:
    """Each place has a queue and a service with the same names, and with a different count: 1, 2, 3 and 4."""
    async with serving(FakeAws(StillClock())) as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url)
        fake.roles.external_ids[ROLE.arn] = "shop"
        for count, where in enumerate(PLACES, start=1):
            fake.world(*where).put_queue("orders", visible=count)
            fake.world(*where).put_service("prod", "worker", count, cpu=float(count), tags={"count": str(count)})
        yield fake
        assert not fake.record.complaints


@pytest_asyncio.fixture(params=[True, False], ids=["fast", "sdk"])
async def layer(fake: FakeAws, request: pytest.FixtureRequest) -> AsyncIterator[Aws]:
    async with connected(Spies(wall_s=fake.clock.now(), fast_sqs=request.param)) as aws:
        yield aws


async def test_each_place_is_read_and_scaled_separately(layer: Aws, fake: FakeAws) -> None:
    for count, (where, place) in enumerate(PLACES.items(), start=1):
        service = ServiceRef(f"shop-{count}", "prod", "worker", place.region, place.role)
        backlog = await layer.queues.backlog(QueueRef("orders", place.region, role=place.role))
        fleet, cpu = await layer.fleets.read(service), await layer.meters.cpu(service)
        assert isinstance(backlog, Backlog), backlog
        assert isinstance(fleet, Fleet), fleet
        assert isinstance(cpu, Utilization), cpu
        assert (backlog.visible, fleet.desired, cpu.percent) == (count, count, count)
        assert await layer.directory.tags("prod", place) == {"worker": {"count": str(count)}}
        assert await layer.fleets.scale_to(service, 10 + count, Urgency.SCALE_OUT)
        assert fake.world(*where).service("prod", "worker").desired == 10 + count
    desired = {(update.account, update.region): update.desired for update in fake.record.updates}
    assert desired == dict(zip(PLACES, (11, 12, 13, 14), strict=True))


async def test_accounts_do_not_share_rate_limits(layer: Aws, fake: FakeAws) -> None:
    theirs, ours = (ServiceRef(name, "prod", "worker", role=role) for name, role in (("a", ROLE), ("b", None)))
    while fake.buckets.take(OTHER, REGION, "service_read", fake.clock.now()):
        pass
    throttled = await layer.fleets.read(theirs)
    assert isinstance(throttled, Missing)
    assert throttled.kind == "throttled"
    assert isinstance(await layer.fleets.read(ours), Fleet)


async def test_a_wrong_external_id_denies_only_its_role(layer: Aws, fake: FakeAws) -> None:
    fake.roles.external_ids[ROLE.arn] = "another"
    reading = await layer.queues.backlog(QueueRef("orders", role=ROLE))
    assert isinstance(reading, Missing)
    assert reading.kind == "denied"
    assert isinstance(await layer.queues.backlog(QueueRef("orders")), Backlog)
